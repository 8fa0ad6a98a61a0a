"""Each law of the checker, broken by hand; the text of each error is pinned."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

import pytest
from table_builder import Sum, barrier, build, local, reads, run, sections, signal, updates, wait, writes

from mpmd.errors import (
    DeadlockError,
    MalformedTableError,
    OrphanSignalError,
    ProgramOrderError,
    RaceError,
    ReuseError,
    ScheduleCapacityError,
    Span,
    UnmatchedWaitError,
)
from mpmd.machine import Primitive
from mpmd.schedule.check import check
from tests.machines import toy
from tests.mutants import REFUSALS, assert_irredundant, corruption_mutants, sync_mutants

COUNTER = Primitive("counter", 8, 100, 1e-7, 1e-7)
MACHINE = toy(4, memory_bytes=2**20, counter=COUNTER)

PRODUCER_CONSUMER = build(
    cores=[[run(0), signal(0)], [wait(0), run(1)]],
    rows=[[writes(0, 0, 64)], [reads(0, 0, 64), writes(1, 0, 64)]],
    arguments=[64, 64],
)


@dataclass(frozen=True)
class Note:
    text: str
    span: Span


def test_certificate_counts_what_was_proved() -> None:
    """The certificate names the tables, the machine, and how much was looked at."""
    certificate = check(PRODUCER_CONSUMER, MACHINE)
    assert (certificate.machine, certificate.steps) == ("toy", 4)
    assert (certificate.events, certificate.waits) == (1, 1)
    assert (certificate.accesses, certificate.footprints, certificate.overlaps) == (3, 2, 0)
    assert len(certificate.sha256) == 64
    assert certificate == check(PRODUCER_CONSUMER, MACHINE)


def test_layering_of_the_checker() -> None:
    """The checker stands on errors, machine and NumPy: it shares no code with what it checks."""
    import ast
    from pathlib import Path

    import mpmd.schedule.check as entry

    root = Path(entry.__file__).parent
    allowed = ("mpmd.errors", "mpmd.machine", "mpmd.schedule.proof")
    outside = {*sys.stdlib_module_names, "numpy"}
    for path in [root / "check.py", *sorted((root / "proof").glob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] in outside or name.startswith(allowed), (path, name)


# -- order -------------------------------------------------------------------------------------


def test_race_names_both_steps_and_what_is_known() -> None:
    """Without the wait, writer and reader are unordered."""
    tables = build(
        cores=[[run(0)], [run(1)]],
        rows=[[writes(0, 0, 64)], [reads(0, 32, 32), writes(1, 0, 64)]],
        arguments=[64, 64],
    )
    with pytest.raises(RaceError) as error:
        check(tables, MACHINE)
    assert str(error.value) == (
        "error[race]: row 1 (core 1, step 0) and row 0 (core 0, step 0) both use argument 0 unordered\n"
        "  note: reads bytes 32 to 64 of argument 0\n"
        "  related: row 0 (core 0, step 0) writes bytes 0 to 64 of argument 0\n"
        "  hint: what precedes core 1, step 0 proves 0 steps of core 0 done, 1 are needed"
    )


def test_race_shows_the_users_lines() -> None:
    """With notes for the steps, both lines of the user are named."""
    tables = build(cores=[[run(0)], [run(1)]], rows=[[writes(0, 0, 8)], [reads(0, 0, 8)]], arguments=[8])
    notes = [Note("gelu#0", Span("nowhere.py", 3, 4)), Note("add#0", Span("nowhere.py", 7, 8))]
    with pytest.raises(RaceError) as error:
        check(tables, MACHINE, names=notes)
    assert str(error.value) == (
        "error[race]: 'add#0' (core 1, step 0) and 'gelu#0' (core 0, step 0) both use argument 0 unordered\n"
        "  --> nowhere.py:7:9\n"
        "  related: nowhere.py:3 'gelu#0' (core 0, step 0) writes bytes 0 to 8 of argument 0\n"
        "  hint: what precedes core 1, step 0 proves 0 steps of core 0 done, 1 are needed"
    )


def test_notes_of_other_tables_are_refused() -> None:
    with pytest.raises(MalformedTableError, match="the tables have 4 steps, the notes are for 1"):
        check(PRODUCER_CONSUMER, MACHINE, names=[Note("x", Span("x.py", 1))])


def test_reads_need_no_order() -> None:
    """Two readers of the same bytes do not conflict."""
    tables = build(cores=[[run(0)], [run(1)]], rows=[[reads(0, 0, 64)], [reads(0, 0, 64)]], arguments=[64])
    assert check(tables, MACHINE).overlaps == 0


def test_write_after_read_is_a_conflict() -> None:
    tables = build(cores=[[run(0)], [run(1)]], rows=[[reads(0, 0, 64)], [writes(0, 0, 64)]], arguments=[64])
    with pytest.raises(RaceError, match="both use argument 0 unordered"):
        check(tables, MACHINE)


def test_column_tiles_are_disjoint() -> None:
    """Tiles of one matrix whose hulls interleave share no byte; one column more and they do."""
    for width, accepted in ((32, True), (33, False)):
        left = writes(0, 0, 8, width, strides=(64, 1), item=4)
        right = updates(0, 32 * 4, 8, 32, strides=(64, 1), item=4)
        tables = build(cores=[[run(0)], [run(1)]], rows=[[left], [right]], arguments=[8 * 64 * 4])
        if accepted:
            check(tables, MACHINE)
        else:
            with pytest.raises(RaceError, match=r"argument 0 unordered(.|\n)*\(strided\)"):
                check(tables, MACHINE)


@pytest.mark.parametrize("tensor", ["argument 0", "local tensor 0"])
def test_program_order(tensor: str) -> None:
    """A reader that the program calls after the writer may not come before it, sync or no sync."""
    base = 0 if tensor == "argument 0" else local(0)
    tables = build(
        cores=[[run(1), signal(0)], [wait(0), run(0)]],
        rows=[[writes(base, 0, 8)], [reads(base, 0, 8)]],
        arguments=[8],
        tensors=[(0, 8)],
    )
    with pytest.raises(ProgramOrderError) as error:
        check(tables, MACHINE)
    assert str(error.value) == (
        "error[program-order]: row 1 (core 0, step 0) comes before row 0 (core 1, step 1), which the program "
        "calls first\n"
        f"  note: writes bytes 0 to 8 of {tensor}\n"
        f"  related: row 1 (core 0, step 0) reads bytes 0 to 8 of {tensor}"
    )


def test_threshold_below_the_total_guarantees_no_one_signal() -> None:
    """Two signals, a wait for one: either may have come, so neither producer is known to be done."""

    def tables(count: int) -> bytes:
        return build(
            cores=[[run(0), signal(0)], [run(1), signal(0)], [wait(0, count), run(2)]],
            rows=[[writes(0, 0, 8)], [writes(0, 8, 8)], [reads(0, 0, 16)]],
            arguments=[16],
        )  # fmt: skip

    check(tables(2), MACHINE)
    with pytest.raises(RaceError):
        check(tables(1), MACHINE)


def test_counter_of_one_core_guarantees_a_prefix() -> None:
    """A wait for the n-th signal of one core knows that core's steps up to there, and no further."""

    def tables(count: int) -> bytes:
        return build(
            cores=[[run(0), signal(0), run(1), signal(0)], [wait(0, count), run(2)], [wait(0, 2), run(3)]],
            rows=[[writes(0, 0, 8)], [writes(0, 8, 8)], [reads(0, 0, 8)], [reads(0, 8, 8)]],
            arguments=[16],
        )  # fmt: skip

    check(tables(1), MACHINE)
    assert assert_irredundant(tables(1), MACHINE) == 5


def test_barrier_orders_everything() -> None:
    def tables(synced: bool) -> bytes:
        middle = [barrier(0)] if synced else []
        return build(
            cores=[[run(0), *middle, run(2)], [run(1), *middle, run(3)]],
            rows=[[writes(0, 0, 8)], [writes(0, 8, 8)], [reads(0, 0, 16)], [reads(0, 0, 16)]],
            arguments=[16],
        )

    check(tables(True), MACHINE)
    assert assert_irredundant(tables(True), MACHINE) == 1
    with pytest.raises(RaceError):
        check(tables(False), MACHINE)


# -- liveness ----------------------------------------------------------------------------------


def test_deadlock_names_the_cycle() -> None:
    """Two cores that wait for each other's later signals, and a third that waits for one of them."""
    tables = build(
        cores=[[wait(1), run(0), signal(0)], [wait(0), signal(1), signal(2)], [wait(2), run(1)]],
        rows=[[writes(0, 0, 8)], [reads(1, 0, 8)]],
        arguments=[8, 8],
    )
    with pytest.raises(DeadlockError) as error:
        check(tables, MACHINE)
    assert str(error.value) == (
        "error[deadlock]: 3 of 3 cores can never finish: core 0 → core 1 → core 0\n"
        "  note: each waits for the next\n"
        "  related: wait for event 1 (core 0, step 0) has 0 of event 1, needs 1\n"
        "  related: wait for event 0 (core 1, step 0) has 0 of event 0, needs 1\n"
        "  related: wait for event 2 (core 2, step 0) has 0 of event 2, needs 1"
    )


def test_deadlock_of_a_core_with_itself() -> None:
    tables = build(cores=[[wait(0), signal(0)], []], rows=[])
    with pytest.raises(DeadlockError, match="1 of 2 cores can never finish: core 0 → core 0"):
        check(tables, MACHINE)


def test_deadlock_at_a_barrier() -> None:
    """One core waits for a signal that comes after the barrier at which the other waits for it."""
    tables = build(cores=[[barrier(0), signal(0)], [wait(0), barrier(0)]], rows=[])
    with pytest.raises(DeadlockError) as error:
        check(tables, MACHINE)
    assert str(error.value) == (
        "error[deadlock]: 2 of 2 cores can never finish: core 0 → core 1 → core 0\n"
        "  note: each waits for the next\n"
        "  related: barrier 0 (core 0, step 0) waits for every core to arrive\n"
        "  related: wait for event 0 (core 1, step 0) has 0 of event 0, needs 1"
    )


# -- matching ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "label"),
    [(2, "never satisfied"), (0, "satisfied before anything has happened"),
     (-1, "satisfied before anything has happened")],
)  # fmt: skip
def test_wait_that_no_launch_satisfies(count: int, label: str) -> None:
    """A wait for more than all signals together, or for nothing."""
    tables = build(cores=[[signal(0)], [wait(0, count)]], rows=[])
    with pytest.raises(UnmatchedWaitError) as error:
        check(tables, MACHINE)
    assert str(error.value) == (
        f"error[unmatched-wait]: wait for event 0 (core 1, step 0) waits until event 0 is at {count}, "
        f"but one launch signals 1 in all\n  note: {label}"
    )


def test_signal_that_nothing_waits_for() -> None:
    tables = build(cores=[[signal(0), signal(1)], [wait(1)]], rows=[])
    with pytest.raises(OrphanSignalError) as error:
        check(tables, MACHINE)
    assert str(error.value) == (
        "error[orphan-signal]: signal of event 0 (core 0, step 0) signals event 0, for which nothing waits"
    )


# -- capacity ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("description", "text"),
    [
        (
            {"cores": [[]], "rows": [], "tensors": [(2**20, 2**20)]},
            "the schedule needs 2097152 bytes of memory for local tensors, 'toy' has 1048576",
        ),
        (
            {"cores": [[signal(e) for e in range(9)], [wait(e) for e in range(9)]], "rows": []},
            "the schedule needs 9 counters, 'toy' has 8",
        ),
        (
            {"cores": [[signal(0, 101)], [wait(0, 101)]], "rows": []},
            "event 0 counts to 101, a counter of 'toy' to 100",
        ),
        (
            {"cores": [[run(0)]], "rows": [[reads(0, 60, 8)]], "arguments": [64]},
            "row 0 (core 0, step 0) may reach bytes 60 to 68, outside the 64 bytes of argument 0",
        ),
        (
            {"cores": [[run(0)]], "rows": [[reads(local(1), -4, 8)]], "tensors": [(0, 64), (64, 64)]},
            "row 0 (core 0, step 0) may reach bytes -4 to 4, outside the 64 bytes of local tensor 1",
        ),
        (
            {"cores": [[run(0)]], "rows": [[reads(0, 0, 2**40, 2**40)]], "arguments": [64]},
            "row 0 (core 0, step 0) reaches farther than any memory of argument 0",
        ),
        (
            {"cores": [[run(0)]], "rows": [[reads(0, 2**60, 1)]], "arguments": [64]},
            "row 0 (core 0, step 0) has an offset, extent or stride that no memory has",
        ),
        (
            {"cores": [[run(0)]], "rows": [[reads(0, 0, Sum(9), tile=(8,))]], "arguments": [64]},
            "row 0 (core 0, step 0) has up to 9 elements on axis 0, its tile 8, of argument 0",
        ),
    ],
)
def test_capacity(description: dict[str, object], text: str) -> None:
    """What the machine lacks, or what lies outside its base, is named with both numbers."""
    with pytest.raises(ScheduleCapacityError) as error:
        check(build(**description), MACHINE)
    assert error.value.message == text


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([run(0), run(1), run(1)], "row 1 is run 2 times, not once"),
        ([run(0)], "row 1 is run 0 times, not once"),
        ([run(0), run(1), run(2)], "step 2 names row 2 of 2"),
    ],
)
def test_every_row_runs_once(rows: list[tuple[int, int, int, int]], text: str) -> None:
    tables = build(cores=[rows], rows=[[reads(0, 0, 8)], [reads(0, 0, 8)]], arguments=[64])
    with pytest.raises(MalformedTableError) as error:
        check(tables, MACHINE)
    assert error.value.message == text


def test_empty_accesses_conflict_with_nothing() -> None:
    """A tile of no elements touches no byte, wherever it is."""
    tables = build(
        cores=[[run(0)], [run(1)]],
        rows=[[writes(0, 0, 8)], [reads(0, 1000, 0, strides=(1,), tile=(0,))]],
        arguments=[8],
    )
    check(tables, MACHINE)


# -- mutants -----------------------------------------------------------------------------------


def test_every_mutant_of_a_pipeline_is_refused() -> None:
    """Three stages over three cores, with a counter, a gather of two producers, and arena reuse."""
    tables = build(
        cores=[
            [run(0), signal(0), run(1), signal(0), wait(1, 2), run(4), run(5)],
            [wait(0, 1), run(2), signal(1)],
            [wait(0, 2), run(3), signal(1)],
        ],
        rows=[
            [writes(local(0), 0, 8)],
            [writes(local(0), 8, 8)],
            [reads(local(0), 0, 8), writes(0, 0, 8)],
            [reads(local(0), 8, 8), writes(0, 8, 8)],
            [writes(local(1), 0, 8)],
            [reads(0, 0, 16), reads(local(1), 0, 8), writes(1, 0, 8)],
        ],
        arguments=[16, 8],
        tensors=[(0, 16), (8, 8)],
    )
    assert assert_irredundant(tables, MACHINE) == 9
    for _, mutated, expected in corruption_mutants(tables):
        with pytest.raises(expected):
            check(mutated, MACHINE)
    assert all(expected == REFUSALS for _, _, expected in sync_mutants(tables))


@pytest.mark.parametrize("base", [0, local(0)])
def test_swapped_dependent_runs_of_one_core_are_refused(base: int) -> None:
    """The order of two runs on one core is the program's, where both use one tensor."""
    tables = build(
        cores=[[run(0), run(1)]],
        rows=[[writes(base, 0, 8)], [reads(base, 0, 8), writes(1, 0, 8)]],
        arguments=[8, 8],
        tensors=[(0, 8)],
    )
    check(tables, MACHINE)
    ((what, mutated, _),) = corruption_mutants(tables)
    assert what == "swap steps 0 and 1 of core 0: two runs"
    with pytest.raises(ProgramOrderError):
        check(mutated, MACHINE)


def test_swapped_runs_on_tensors_in_one_place_are_refused() -> None:
    """A tensor that takes the place of another one before the last use of that."""
    h, g = local(0), local(1)
    tables = build(
        cores=[[run(0), run(1), run(2), run(3)]],
        rows=[[writes(h, 0, 8)], [reads(h, 0, 8)], [writes(g, 0, 8)], [reads(g, 0, 8)]],
        tensors=[(0, 8), (0, 8)],
    )
    check(tables, MACHINE)
    first, middle, last = (mutated for _, mutated, _ in corruption_mutants(tables))
    for mutated, refusal in ((first, ProgramOrderError), (middle, ReuseError), (last, ProgramOrderError)):
        with pytest.raises(refusal):
            check(mutated, MACHINE)


def test_redundant_sync_is_found() -> None:
    """An event that another one implies makes `assert_irredundant` fail, naming it."""
    tables = build(
        cores=[[run(0), signal(0), signal(1)], [wait(0), wait(1), run(1)]],
        rows=[[writes(0, 0, 8)], [reads(0, 0, 8)]],
        arguments=[8],
    )
    with pytest.raises(AssertionError, match="4 of 4 pieces of sync are not needed"):
        assert_irredundant(tables, MACHINE)


def test_sections_round_trip() -> None:
    """Loading and storing tables changes nothing."""
    symbolic = sections(
        cores=[[run(0), barrier(0)], [barrier(0)]],
        rows=[[reads(0, Sum(4, {0: 8}), Sum(0, {0: 1}), tile=(4,))]],
        arguments=[64],
        tensors=[(0, 8)],
        scalars=1,
        derived=[(2, Sum(1, {0: 1}), Sum(4))],
        guards=[(Sum(0, {0: 1}), 0, 4)],
    )
    assert symbolic.copy().store() == symbolic.store()
    assert replace(symbolic, arena=8).store() == symbolic.store()
