"""Local tensors with common bytes take turns: the law, broken by hand; the text of each error is pinned."""

from __future__ import annotations

import pytest
from table_builder import Sum, build, local, reads, run, signal, updates, wait, writes

from mpmd.errors import RaceError, ReuseError
from mpmd.machine import Primitive
from mpmd.schedule.check import check
from tests.machines import toy
from tests.mutants import assert_irredundant, overlapped
from tests.tables import Step

COUNTER = Primitive("counter", 8, 100, 1e-7, 1e-7)
MACHINE = toy(4, memory_bytes=2**20, counter=COUNTER)

H, G = local(0), local(1)


def test_tensors_in_one_place_need_order() -> None:
    """Without the sync nobody knows that the first tensor is done with."""
    rows = [[writes(H, 0, 64)], [reads(H, 0, 64)], [writes(G, 0, 64)], [reads(G, 0, 64)]]
    ordered = build(
        cores=[[run(0), run(1), signal(0)], [wait(0), run(2), run(3)]], rows=rows, tensors=[(0, 64), (0, 64)]
    )
    assert_irredundant(ordered, MACHINE)
    apart = build(cores=[[run(0), run(1)], [run(2), run(3)]], rows=rows, tensors=[(0, 64), (64, 64)])
    check(apart, MACHINE)
    with pytest.raises(RaceError) as error:
        check(overlapped(apart, tensor=1, place=32), MACHINE)
    assert str(error.value) == (
        "error[race]: row 0 (core 0, step 0) and row 2 (core 1, step 0) use common bytes of local tensor 0 "
        "and local tensor 1 unordered\n"
        "  note: writes bytes 0 to 64 of local tensor 0\n"
        "  related: row 2 (core 1, step 0) writes bytes 0 to 64 of local tensor 1\n"
        "  hint: what precedes core 0, step 0 proves 0 steps of core 1 done, 1 are needed"
    )


def test_either_tensor_may_be_the_first() -> None:
    """The program's order says nothing about different tensors."""
    rows = [[writes(H, 0, 64)], [reads(H, 0, 64)], [writes(G, 0, 64)], [reads(G, 0, 64)]]
    for order in ((0, 1, 2, 3), (2, 3, 0, 1)):
        check(build(cores=[[run(r) for r in order]], rows=rows, tensors=[(0, 64), (0, 64)]), MACHINE)


def test_a_tensor_is_done_with_before_another_one_takes_its_place() -> None:
    """All accesses are ordered, but the second tensor is written before the first one is read."""
    tables = build(
        cores=[[run(0), signal(0), wait(1), run(1)], [wait(0), run(2), signal(1)]],
        rows=[[writes(H, 0, 64)], [reads(H, 0, 64)], [writes(G, 0, 8)]],
        tensors=[(0, 64), (32, 8)],
    )
    with pytest.raises(ReuseError) as error:
        check(tables, MACHINE)
    assert str(error.value) == (
        "error[reuse]: local tensor 0 and local tensor 1 share bytes, and neither is done with before the "
        "other begins\n"
        "  note: row 1 (core 0, step 3) reads bytes 0 to 64 of local tensor 0\n"
        "  related: row 2 (core 1, step 1) comes before it and writes bytes 0 to 8 of local tensor 1\n"
        "  related: row 2 (core 1, step 1) writes bytes 0 to 8 of local tensor 1\n"
        "  related: row 0 (core 0, step 0) comes before that and writes bytes 0 to 64 of local tensor 0"
    )


def test_tensors_take_turns_in_one_direction_for_all_their_bytes() -> None:
    """The first half of one place goes from `h` to `g`, the second half from `g` to `h`."""
    tables = build(
        cores=[[run(0), run(2)], [run(3), run(1)]],
        rows=[[writes(H, 0, 8)], [writes(H, 8, 8)], [writes(G, 0, 8)], [writes(G, 8, 8)]],
        tensors=[(0, 16), (0, 16)],
    )
    with pytest.raises(ReuseError, match="neither is done with before the other begins"):
        check(tables, MACHINE)


def test_a_row_cannot_use_two_tensors_in_one_place() -> None:
    tables = build(cores=[[run(0)]], rows=[[reads(H, 0, 8), writes(G, 0, 8)]], tensors=[(0, 8), (0, 8)])
    with pytest.raises(ReuseError) as error:
        check(tables, MACHINE)
    assert str(error.value) == (
        "error[reuse]: row 0 (core 0, step 0) uses local tensor 0 and local tensor 1 at once, which share "
        "bytes\n"
        "  note: reads bytes 0 to 8 of local tensor 0, writes bytes 0 to 8 of local tensor 1"
    )


def test_uses_that_share_no_byte_need_no_order() -> None:
    """Columns of one tensor between the columns of another, and parts beyond the other's end."""
    left = updates(H, 0, 8, 4, strides=(8, 1))
    for column, accepted in ((4, True), (3, False)):
        right = updates(G, column, 8, 4, strides=(8, 1))
        tables = build(cores=[[run(0)], [run(1)]], rows=[[left], [right]], tensors=[(0, 64), (0, 68)])
        if accepted:
            check(tables, MACHINE)
        else:
            with pytest.raises(RaceError):
                check(tables, MACHINE)


def test_reads_of_two_tensors_need_no_order() -> None:
    tables = build(
        cores=[[run(0)], [run(1)]], rows=[[reads(H, 0, 8)], [reads(G, 0, 8)]], tensors=[(0, 8), (0, 8)]
    )
    check(tables, MACHINE)


@pytest.mark.parametrize(("place", "accepted"), [(40, True), (39, False)])
def test_places_that_a_launch_decides(place: int, accepted: bool) -> None:
    """`h[pos : pos + 8]` for `pos` up to 32 stays below byte 40 of the arena."""
    tables = build(
        cores=[[run(0)], [run(1)]],
        rows=[[writes(H, Sum(0, {0: 1}), 8)], [writes(G, 0, 8)]],
        tensors=[(0, 64), (place, 64)],
        scalars=1,
        guards=[(Sum(0, {0: 1}), 0, 32)],
    )
    if accepted:
        check(tables, MACHINE)
    else:
        with pytest.raises(RaceError):
            check(tables, MACHINE)


def test_many_tensors_in_one_place() -> None:
    """Tensor after tensor, their parts written by all cores and read by others, a barrier between any two."""
    count, parts = 50, 16
    cores: list[list[Step]] = [[] for _ in range(4)]
    rows = []
    for tensor in range(count):
        for kind in (writes, reads):
            for part in range(parts):
                cores[part % 4].append(run(len(rows)))
                rows.append([kind(local(tensor), 4 * part, 4)])
            for steps in cores:
                steps.append((3, 2 * tensor + (kind is reads), 0, 0))
    tensors = [(0, 4 * parts)] * count
    check(build(cores=cores, rows=rows, tensors=tensors), MACHINE)
    last_read = run(parts * 2 * 25 + parts + 13)  # of tensor 25, on core 1
    cores[1].remove(last_read)
    cores[1].insert(cores[1].index(run(parts * 2 * 26 + 13)) + 1, last_read)
    with pytest.raises(ReuseError):
        check(build(cores=cores, rows=rows, tensors=tensors), MACHINE)
