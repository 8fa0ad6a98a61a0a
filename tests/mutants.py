"""Broken copies of tables: each lacks one piece of sync, or has two things in the wrong order.

In:  table bytes that the checker accepts. Out: (what was done, table bytes, the errors it may get).
Tests of schedules ask that every one is refused: then no sync is there that is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np

from mpmd.errors import (
    DeadlockError,
    FlagBalanceError,
    FlagWaiterError,
    PrefetchError,
    ProgramOrderError,
    RaceError,
    ReuseError,
    ScheduleCapacityError,
    ScheduleError,
    ScopeError,
    WordSignallerError,
)
from mpmd.machine import Machine
from mpmd.schedule.check import check
from tests.tables import BARRIER, DRAIN, END, LOOP, PREFETCH, RUN, SIGNAL, WAIT, Sections, Step

Mutant = tuple[str, bytes, tuple[type[ScheduleError], ...]]

REFUSALS: tuple[type[ScheduleError], ...] = (RaceError, DeadlockError, ScheduleCapacityError)


def assert_irredundant(tables: bytes, machine: Machine) -> int:
    """Fail unless every sync mutant is refused for the right reason; returns how many there were."""
    check(tables, machine)
    accepted = []
    count = 0
    for what, mutated, expected in sync_mutants(tables):
        count += 1
        if not is_refused(mutated, machine, expected):
            accepted.append(what)
    if accepted:
        raise AssertionError(
            f"{len(accepted)} of {count} pieces of sync are not needed: " + "; ".join(accepted[:10])
        )
    return count


def is_refused(tables: bytes, machine: Machine, expected: tuple[type[ScheduleError], ...]) -> bool:
    """Whether the checker refuses tables for one of the right reasons; other reasons are raised."""
    try:
        check(tables, machine)
    except expected:
        return True
    return False


def sync_mutants(tables: bytes) -> Iterator[Mutant]:
    """Every wait, signal, count and barrier, taken away on its own and consistently.

    Barriers that serve no dependence stay: phases are parted, and iterations closed, whether or not that
    orders anything. In a loop counts can be lowered by up to one iteration, which is then trusted. Of a flag
    none can: what is not taken away stays there.
    """
    original = Sections.load(tables)
    looped, flags = _looped_events(original), _flags(original)
    totals = [sum(step[2] for _, _, step in _find(original, SIGNAL, e)) for e in range(original.events)]
    for core, steps in enumerate(original.cores):
        for at, (op, event, count, _) in enumerate(steps):
            if op == WAIT:
                where = f"wait until {count} on event {event} (core {core}, step {at})"
                yield _mutant(f"remove the {where}", _without_wait(original, core, at))
                if event not in flags and count > (1 - totals[event] if event in looped else 1):
                    yield _mutant(f"lower by one the {where}", _lowered(original, core, at))
            elif op == SIGNAL:
                what = f"remove the signal of event {event} (core {core}, step {at})"
                yield _mutant(what, _without_signal(original, core, at))
    for loop, ordinal in sorted({key for steps in original.cores for key, _ in _barriers(steps)}):
        where = f" of loop {loop}" if loop >= 0 else ""
        yield _mutant(f"remove barrier {ordinal}{where}", _without_barrier(original, loop, ordinal))


def corruption_mutants(tables: bytes) -> Iterator[Mutant]:
    """Neighbouring steps swapped: a run before its wait, a signal before its run, two runs."""
    original = Sections.load(tables)
    late, early = "a wait after its consumer", "a signal before its producer"
    names = {(WAIT, RUN): late, (WAIT, DRAIN): late, (RUN, SIGNAL): early, (DRAIN, SIGNAL): early,
             (RUN, RUN): "two runs"}  # fmt: skip
    for core, steps in enumerate(original.cores):
        for at, (first, second) in enumerate(pairwise(steps)):
            if (first[0], second[0]) in names:
                mutated = original.copy()
                mutated.cores[core][at : at + 2] = [second, first]
                what = f"swap steps {at} and {at + 1} of core {core}: {names[first[0], second[0]]}"
                yield what, mutated.store(), (*REFUSALS, ProgramOrderError, ReuseError)


def primitive_mutants(tables: bytes, machine: Machine) -> Iterator[Mutant]:
    """Each event that is a counter as what its shape forbids; each flag taken from in part, or shared."""
    original = Sections.load(tables)
    rows = {p.kind: n for n, p in enumerate(machine.primitives)}
    for event in range(original.events):
        signals, waits = ({core for core, _, _ in _find(original, op, event)} for op in (SIGNAL, WAIT))
        if event in _flags(original):
            yield from _flag_mutants(original, event)
            continue
        carried = any(step[2] <= 0 for _, _, step in _find(original, WAIT, event))
        if "word" in rows and len(signals) > 1:
            what = f"event {event}, of several signallers, as a word"
            yield what, _as(original, event, rows["word"], -1), (WordSignallerError,)
        if "flag" in rows and len(waits) > 1:
            what = f"event {event}, of several waiters, as a flag"
            yield what, _as(original, event, rows["flag"], 0), (FlagWaiterError,)
        if "flag" in rows and len(waits) == 1 and carried:
            what = f"event {event}, from one iteration to the next, as a flag"
            yield what, _as(original, event, rows["flag"], 0), (FlagBalanceError,)
        groups = {machine.group_of(core) for core in signals | waits}
        if "flag" in rows and len(waits) == 1 and not carried and len(groups) > 1:
            yield (
                f"event {event}, between groups, as a flag",
                _as(original, event, rows["flag"], 0),
                (ScopeError,),
            )


def shared_flags(tables: bytes, machine: Machine) -> Iterator[tuple[str, bytes]]:
    """Each two flags of a group as one."""
    original = Sections.load(tables)
    flags = sorted(_flags(original))
    waiter = {event: _find(original, WAIT, event)[0][0] for event in flags}
    for one, other in combinations(flags, 2):
        ids = [int(original.event_flag[event, 0]) for event in (one, other)]
        if machine.group_of(waiter[one]) == machine.group_of(waiter[other]) and ids[0] != ids[1]:
            primitive = int(original.event_primitive[other, 0])
            yield f"events {one} and {other} as one flag", _as(original, other, primitive, ids[0])


def prefetch_mutants(tables: bytes) -> Iterator[Mutant]:
    """Each prefetch after the row that it is for."""
    original = Sections.load(tables)
    for core, steps in enumerate(original.cores):
        for at, (op, row, *_) in enumerate(steps):
            if op == PREFETCH:
                mutated = original.copy()
                run = next(k for k, step in enumerate(steps) if step[:2] == (RUN, row))
                mutated.cores[core].insert(run, mutated.cores[core].pop(at))
                yield f"the prefetch of row {row} after it", mutated.store(), (PrefetchError,)


def _flag_mutants(original: Sections, event: int) -> Iterator[Mutant]:
    core, at, (_, _, count, reason) = _find(original, WAIT, event)[0]
    for change, what in ((-1, "less"), (1, "more")):
        mutated = original.copy()
        mutated.cores[core][at] = WAIT, event, count + change, reason
        yield f"one {what} is taken from flag event {event}", mutated.store(), (FlagBalanceError,)
    yield (
        f"flag event {event} beyond the last flag",
        _as(original, event, int(original.event_primitive[event, 0]), 1 << 20),
        (ScheduleCapacityError,),
    )


def _flags(sections: Sections) -> set[int]:
    return set(np.flatnonzero(sections.event_flag >= 0).tolist())


def _as(original: Sections, event: int, primitive: int, flag: int) -> bytes:
    mutated = original.copy()
    mutated.event_primitive[event], mutated.event_flag[event] = primitive, flag
    return mutated.store()


def swapped_runs(tables: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Every two runs with nothing between them, as (earlier row, later row, tables with the later first)."""
    original = Sections.load(tables)
    for core, steps in enumerate(original.cores):
        for at, (first, second) in enumerate(pairwise(steps)):
            if first[0] == second[0] == RUN:
                mutated = original.copy()
                mutated.cores[core][at : at + 2] = [second, first]
                yield first[1], second[1], mutated.store()


def overlapped(tables: bytes, tensor: int, place: int) -> bytes:
    """The tables with a local tensor moved to another place of the arena."""
    mutated = Sections.load(tables)
    mutated.bases[np.flatnonzero(mutated.bases[:, 0] == 1)[tensor], 2] = place
    return mutated.store()


def _mutant(what: str, sections: Sections) -> Mutant:
    for steps in sections.cores:
        _mend_ends(steps)
    return what, sections.store(), REFUSALS


def _mend_ends(steps: list[Step]) -> None:
    """Let every END say how many steps lie between its LOOP and it."""
    begin = 0
    for at, (op, loop, _, reason) in enumerate(steps):
        if op == LOOP:
            begin = at
        elif op == END:
            steps[at] = END, loop, at - begin - 1, reason


def _inside(steps: list[Step]) -> Iterator[tuple[int, Step]]:
    """Each step with the loop that it is in, or −1."""
    loop = -1
    for step in steps:
        loop = step[1] if step[0] == LOOP else -1 if step[0] == END else loop
        yield loop, step


def _looped_events(sections: Sections) -> set[int]:
    return {
        step[1] for steps in sections.cores for loop, step in _inside(steps) if loop >= 0 and step[0] == WAIT
    }


def _barriers(steps: list[Step]) -> Iterator[tuple[tuple[int, int], int]]:
    """((loop, ordinal), position) of each barrier that serves a dependence."""
    for at, (loop, (op, ordinal, _, reason)) in enumerate(_inside(steps)):
        if op == BARRIER and reason >= 0:
            yield (loop, ordinal), at


def _find(sections: Sections, op: int, event: int) -> list[tuple[int, int, Step]]:
    """(core, position, step) of all steps of one kind on one event."""
    return [
        (core, at, step)
        for core, steps in enumerate(sections.cores)
        for at, step in enumerate(steps)
        if step[:2] == (op, event)
    ]


def _drop_unused_signals(sections: Sections, event: int) -> None:
    """Remove the signals that no wait consumes: all without a wait, the last ones of a single core."""
    waits, signals = _find(sections, WAIT, event), _find(sections, SIGNAL, event)
    needed = max((step[2] for _, _, step in waits), default=0)
    one_core = len({core for core, _, _ in signals}) == 1 and event not in _looped_events(sections)
    total = 0
    unused = []
    for core, at, step in signals:
        if not waits or (one_core and total >= needed):
            unused.append((core, at))
        total += step[2]
    for core, at in reversed(unused):
        del sections.cores[core][at]


def _without_wait(original: Sections, core: int, at: int) -> Sections:
    mutated = original.copy()
    event = mutated.cores[core].pop(at)[1]
    _drop_unused_signals(mutated, event)
    return mutated


def _lowered(original: Sections, core: int, at: int) -> Sections:
    mutated = original.copy()
    _, event, count, reason = mutated.cores[core][at]
    mutated.cores[core][at] = WAIT, event, count - 1, reason
    _drop_unused_signals(mutated, event)
    return mutated


def _without_signal(original: Sections, core: int, at: int) -> Sections:
    """One signal less, and every wait that counts it lower by its amount."""
    mutated = original.copy()
    signals = _find(mutated, SIGNAL, mutated.cores[core][at][1])
    event, amount = mutated.cores[core].pop(at)[1:3]
    looped = event in _looped_events(mutated)
    upto = 0
    if (
        len({c for c, _, _ in signals}) == 1 and not looped
    ):  # in order, so a wait for fewer than `upto` does not count it
        upto = sum(step[2] for _, position, step in signals if position <= at)
    for wait_core, wait_at, (_, _, count, reason) in reversed(_find(mutated, WAIT, event)):
        if count < upto or (looped and count <= 0 and len(signals) > 1):
            continue
        if count > amount:
            mutated.cores[wait_core][wait_at] = WAIT, event, count - amount, reason
        else:
            del mutated.cores[wait_core][wait_at]
    _drop_unused_signals(mutated, event)
    return mutated


def _without_barrier(original: Sections, loop: int, ordinal: int) -> Sections:
    """One barrier less, and those behind it in its loop (or in straight code) numbered anew."""
    mutated = original.copy()
    mutated.cores = [
        [(op, a - (op == BARRIER and inside == loop and a > ordinal), b, reason)
         for inside, (op, a, b, reason) in _inside(steps) if (inside, op, a) != (loop, BARRIER, ordinal)]
        for steps in mutated.cores
    ]  # fmt: skip
    if loop >= 0:
        mutated.loops[loop, 6] -= 1
    return mutated
