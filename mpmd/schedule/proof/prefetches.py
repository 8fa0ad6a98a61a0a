"""The law of prefetches: what is asked for early must be what the row finds when it runs.

In:  the decoded tables; later the straight steps, who has happened before what, all accesses.
Out: nothing; raises `PrefetchError`. Not here: whether it pays.

A device may copy what is asked for at once, and the row then sees that copy. So all that writes there and
comes before the row has to come before the prefetch. (What comes after the row does so anyway.) A row whose
words are finished only when it runs cannot be asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpmd.errors import Note, PrefetchError
from mpmd.schedule.proof.clocks import Clock, Guarantees, join_barrier
from mpmd.schedule.proof.decode import BARRIER, PREFETCH, RUN, WAIT, Column, Tables
from mpmd.schedule.proof.footprints import Accesses, Footprints
from mpmd.schedule.proof.occurrences import Occurrences
from mpmd.schedule.proof.overlap import Judge, Pairs
from mpmd.schedule.proof.passed import Passed
from mpmd.schedule.proof.straight import Straight
from mpmd.schedule.proof.witness import Places


def match(tables: Tables, step_loop: Column, places: Places) -> None:
    """Raise unless each prefetch is for a row that its core runs later, in the same iteration."""
    prefetches = np.flatnonzero(tables.op == PREFETCH)
    run_of = np.full(tables.rows, -1, np.int64)
    runs = np.flatnonzero(tables.op == RUN)
    run_of[tables.a[runs]] = runs
    core = tables.step_core
    for step in prefetches.tolist():
        row, run = int(tables.a[step]), int(run_of[tables.a[step]])
        if run < step or core[run] != core[step] or step_loop[run] != step_loop[step]:
            raise PrefetchError(
                f"{places.step(step)} asks for what row {row} reads, which this core does not run after it",
                span=places.span(step),
            )
        if tables.row_program[row] >= 0:
            raise PrefetchError(
                f"{places.step(step)} asks for what row {row} reads, of which nobody knows before it runs",
                span=places.span(step),
            )


@dataclass(frozen=True, eq=False)
class _Asked:
    """Prefetches of instances, with what has surely happened before each."""

    step: Column
    instance: Column
    clock: Clock


def check_prefetches(
    steps: Straight,
    order: Sequence[int],
    promised: Guarantees,
    happened: Clock,
    accesses: Accesses,
    prints: Footprints,
    pairs: Pairs,
    judge: Judge,
    places: Occurrences,
) -> None:
    """Raise unless all earlier writers of what is asked for have come before that."""
    if not (steps.op == PREFETCH).any():
        return
    asked = _asked(steps, order, promised)
    of, mine, theirs = _meetings(asked, steps.tables.arguments, accesses, prints, pairs)
    other, row = accesses.row[theirs], asked.instance[of]
    passed = Passed.of(steps, happened)
    early = Passed(passed.ptr, passed.core, passed.step, asked.clock)
    late = np.flatnonzero((other != row) & passed.before(other, row) & ~early.before(other, of))
    one, two = accesses.footprint[mine[late]], accesses.footprint[theirs[late]]
    meet = (one == two) | ~judge.apart(prints, np.minimum(one, two), np.maximum(one, two))
    for bad in late[meet][:1].tolist():
        step, writer = int(asked.step[of[bad]]), int(theirs[bad])
        name = places.instance(int(accesses.row[writer]))
        span = places.span_of(int(accesses.row[writer]))
        reads, writes = (accesses.text(access, prints, places) for access in (int(mine[bad]), writer))
        raise PrefetchError(
            f"{places.step(step)} asks for what {name} may not have written yet",
            span=places.span(step),
            label=f"{places.instance(int(row[bad]))} {reads}",
            related=(Note(span, f"{name} {writes}"),),
        )


def _asked(steps: Straight, order: Sequence[int], promised: Guarantees) -> _Asked:
    """The prefetches, in the order of their steps, and their clocks along the extension."""
    step = np.flatnonzero(steps.op == PREFETCH)
    number = {int(s): k for k, s in enumerate(step.tolist())}
    known = np.zeros((len(step), steps.cores), np.int32)
    op, a, b, core_of = steps.op.tolist(), steps.a.tolist(), steps.b.tolist(), steps.step_core.tolist()
    ptr = steps.core_ptr.tolist()
    clock = np.zeros((steps.cores, steps.cores), np.int32)
    barrier = -1
    for position, at in enumerate(order):
        core = core_of[at]
        if op[at] == WAIT:
            np.maximum(clock[core], promised.clock[a[at], b[at]], out=clock[core])
        elif op[at] == BARRIER and a[at] != barrier:
            barrier = a[at]
            join_barrier(clock, steps, list(order[position : position + steps.cores]))
        elif op[at] == PREFETCH:
            clock[core, core] = at - ptr[core]
            known[number[at]] = clock[core]
    return _Asked(step, steps.a[step], known)


def _meetings(
    asked: _Asked, arguments: int, accesses: Accesses, prints: Footprints, pairs: Pairs
) -> tuple[Column, Column, Column]:
    """A prefetch, an access that it asks for, and a write of bytes that the two may have in common."""
    fetched = np.flatnonzero(
        accesses.reads & ~accesses.writes & (prints.base[accesses.footprint] < arguments)
    )
    of, at = _joined(asked.instance, accesses.row[fetched])
    mine = fetched[at]
    itself = np.arange(len(prints))
    source = np.concatenate([pairs[0], pairs[1], itself])
    target = np.concatenate([pairs[1], pairs[0], itself])
    access, near = _joined(accesses.footprint[mine], source)
    writes = np.flatnonzero(accesses.writes)
    found, writer = _joined(target[near], accesses.footprint[writes])
    return of[access[found]], mine[access[found]], writes[writer]


def _joined(left: Column, right: Column) -> tuple[Column, Column]:
    """The pairs of places at which two columns have the same value."""
    order = np.argsort(right, kind="stable")
    first, end = (np.searchsorted(right[order], left, side=side) for side in ("left", "right"))
    count = end - first
    of = np.repeat(np.arange(len(left)), count)
    nth = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
    return of, order[first[of] + nth]
