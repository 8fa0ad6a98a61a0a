"""The laws that every two conflicting accesses are ordered, and as the program orders them.

In:  the linear extension, what waits guarantee, all accesses, and which footprints of a tensor overlap.
Out: per row how many steps of each core have happened before it in all executions. Raises `RaceError`
with the two steps, what they use, and what is known instead, or `ProgramOrderError`: rows are numbered
in program order, so of two conflicting rows the later one comes later.
Not here: the order itself (`execute`, `clocks`), overlaps (`overlap`), tensors that share bytes (`turns`).

One sweep along the extension, in the manner of FastTrack (Flanagan and Freund, PLDI 2009) but with
overlaps pushed when an access is made, so that a check reads only the footprints of its own row: for
each footprint and core, `seen` holds the last step by which that core wrote (or, in the second half,
read) any byte of it. A row is ordered after all of these iff none is beyond its vector clock. One more
column holds the highest row that did so, plus one; it is in order iff none is beyond the row itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpmd.errors import Note, ProgramOrderError, RaceError, ScheduleError
from mpmd.schedule.proof.boxes import Mask
from mpmd.schedule.proof.clocks import Clock, Guarantees, join_barrier
from mpmd.schedule.proof.decode import BARRIER, RUN, WAIT, Column, Tables
from mpmd.schedule.proof.footprints import Accesses, Footprints
from mpmd.schedule.proof.overlap import Pairs
from mpmd.schedule.proof.witness import Places


@dataclass(frozen=True, eq=False)
class _Lists:
    """A list of integers per key, end to end."""

    ptr: list[int]
    values: npt.NDArray[np.int64]

    def __getitem__(self, key: int) -> npt.NDArray[np.int64]:
        return self.values[self.ptr[key] : self.ptr[key + 1]]


@dataclass(frozen=True, eq=False)
class _Rows:
    """Per row the slots of `seen` that it must be after, and the lists of slots that it then marks."""

    slots: int
    checks: _Lists
    lists: _Lists
    marks: _Lists


def ordered(
    tables: Tables,
    order: list[int],
    promised: Guarantees,
    accesses: Accesses,
    prints: Footprints,
    pairs: Pairs,
    places: Places,
) -> npt.NDArray[np.int32]:
    """What has happened before each row; raise unless every conflict is ordered as the rows are numbered."""
    rows = _rows(tables, accesses, prints, pairs)
    op, a, b = tables.op.tolist(), tables.a.tolist(), tables.b.tolist()
    core_of, ptr = tables.step_core.tolist(), tables.core_ptr.tolist()
    cores = tables.cores
    limits = np.zeros((cores, cores + 1), np.int32)
    clock = limits[:, :cores]
    seen = np.zeros((rows.slots, cores + 1), np.int32)
    happened = np.zeros((tables.rows, cores), np.int32)
    barrier = -1
    for position, step in enumerate(order):
        if op[step] == RUN:
            core = core_of[step]
            limit = limits[core]
            limit[core] = step - ptr[core]
            happened[a[step]] = clock[core]
            checks = rows.checks[a[step]]
            if len(checks):
                limit[core], limit[cores] = step - ptr[core] + 1, a[step] + 1
                before = seen[checks]
                if (before > limit).any():
                    raise _broken(tables, step, limit, before, accesses, prints, pairs, places)
                for number in rows.lists[a[step]].tolist():
                    marks = rows.marks[number]
                    seen[marks, core] = limit[core]
                    seen[marks, cores] = np.maximum(seen[marks, cores], limit[cores])
        elif op[step] == WAIT:
            row = clock[core_of[step]]
            np.maximum(row, promised.clock[a[step], b[step]], out=row)
        elif op[step] == BARRIER and a[step] != barrier:
            barrier = a[step]
            join_barrier(clock, tables, order[position : position + cores])
    return happened


def _rows(tables: Tables, accesses: Accesses, prints: Footprints, pairs: Pairs) -> _Rows:
    """Slots for the footprints that can conflict, and each row's checks and marks in terms of them."""
    prints_written = _mark(len(prints), accesses.footprint[accesses.writes])
    prints_read = _mark(len(prints), accesses.footprint[accesses.reads])
    one, other = pairs
    itself = np.flatnonzero(prints_written)
    source = np.concatenate([one, other, itself])
    target = np.concatenate([other, one, itself])
    # slot of the last writes near a footprint; slot of the last reads near one that is written
    writes_to = prints_written[source]
    reads_to = prints_read[source] & prints_written[target]
    write_slot, writes_end = _slots(_mark(len(prints), target[writes_to]), 0)
    read_slot, slots = _slots(_mark(len(prints), target[reads_to]), writes_end)
    # list f is what a write of footprint f marks, list len(prints) + f what a read of it does
    marks = _lists(
        2 * len(prints),
        np.concatenate([source[writes_to], source[reads_to] + len(prints)]),
        np.concatenate([write_slot[target[writes_to]], read_slot[target[reads_to]]]),
    )
    reads, writes = np.flatnonzero(accesses.reads), np.flatnonzero(accesses.writes)
    check_row = np.concatenate([accesses.row, accesses.row[writes]])
    check_slot = np.concatenate([write_slot[accesses.footprint], read_slot[accesses.footprint[writes]]])
    must = check_slot >= 0
    list_row = np.concatenate([accesses.row[writes], accesses.row[reads]])
    list_of = np.concatenate([accesses.footprint[writes], accesses.footprint[reads] + len(prints)])
    some = np.diff(marks.ptr)[list_of] > 0
    return _Rows(
        slots=slots,
        checks=_lists(tables.rows, check_row[must], check_slot[must]),
        lists=_lists(tables.rows, list_row[some], list_of[some]),
        marks=marks,
    )


def _mark(count: int, index: Column) -> Mask:
    mask = np.zeros(count, np.bool_)
    mask[index] = True
    return mask


def _slots(used: Mask, start: int) -> tuple[Column, int]:
    """Consecutive numbers from `start` for the used entries (−1 for the others), and the next one."""
    numbers = np.where(used, start + np.cumsum(used) - 1, -1)
    return numbers, start + int(used.sum())


def _lists(keys: int, key: Column, value: Column) -> _Lists:
    order = np.argsort(key, kind="stable")
    ptr = np.searchsorted(key[order], np.arange(keys + 1))
    return _Lists(ptr.tolist(), value[order])


def _broken(
    tables: Tables,
    step: int,
    limit: Clock,
    before: npt.NDArray[np.int32],
    accesses: Accesses,
    prints: Footprints,
    pairs: Pairs,
    places: Places,
) -> ScheduleError:
    """The race of a step with the last access that it is not ordered after, or what it comes too late for."""
    beyond = (before > limit).any(axis=0)
    core = int(np.argmax(beyond))
    if core < tables.cores:
        other = int(tables.core_ptr[core] + before[:, core].max() - 1)
    else:
        other = places.step_of_row(int(before[:, core].max() - 1))
    mine, theirs = _conflict(tables, step, other, accesses, pairs)
    base = places.base(int(prints.base[accesses.footprint[mine]]))
    label, note = (accesses.text(access, prints, places) for access in (mine, theirs))
    span, related = places.span(step), (Note(places.span(other), f"{places.step(other)} {note}"),)
    if core == tables.cores:
        return ProgramOrderError(
            f"{places.step(other)} comes before {places.step(step)}, which the program calls first",
            span=span,
            label=label,
            related=related,
        )
    known, needed = int(limit[core]), other - int(tables.core_ptr[core]) + 1
    here = places.position(step)
    return RaceError(
        f"{places.step(step)} and {places.step(other)} both use {base} unordered",
        span=span,
        label=label,
        related=related,
        hints=(f"what precedes {here} proves {known} steps of core {core} done, {needed} are needed",),
    )


def _conflict(tables: Tables, step: int, other: int, accesses: Accesses, pairs: Pairs) -> tuple[int, int]:
    """Of two steps in conflict, the access of each that is."""
    mine, theirs = (np.flatnonzero(accesses.row == tables.a[s]) for s in (step, other))
    i, j = (grid.ravel() for grid in np.meshgrid(mine, theirs, indexing="ij"))
    p, q = accesses.footprint[i], accesses.footprint[j]
    overlap = {(min(pair), max(pair)) for pair in zip(pairs[0].tolist(), pairs[1].tolist(), strict=True)}
    couples = zip(p.tolist(), q.tolist(), strict=True)
    shared = [a == b or (min(a, b), max(a, b)) in overlap for a, b in couples]
    first = int(np.argmax(np.array(shared) & (accesses.writes[i] | accesses.writes[j])))
    return int(i[first]), int(j[first])
