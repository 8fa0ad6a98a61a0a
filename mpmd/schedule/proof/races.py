"""The law that every two conflicting accesses are ordered.

In:  the linear extension, what waits guarantee, all accesses, and which footprints overlap.
Out: nothing; raises `RaceError` with the two steps, a byte they share, and what is known instead.
Not here: the order itself (`execute`, `clocks`), the overlaps (`overlap`).

One sweep along the extension, in the manner of FastTrack (Flanagan and Freund, PLDI 2009) but with
overlaps pushed when an access is made, so that a check reads only the footprints of its own row: for
each footprint and core, `seen` holds the last step by which that core wrote (or, in the second half,
read) any byte of it. A row is ordered after all of these iff none is beyond its vector clock.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpmd.errors import Note, RaceError
from mpmd.schedule.proof.boxes import Mask, meet
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
) -> None:
    """Raise `RaceError` unless happens-before orders every conflict."""
    rows = _rows(tables.rows, accesses, prints, pairs)
    op, a, b = tables.op.tolist(), tables.a.tolist(), tables.b.tolist()
    core_of, ptr = tables.step_core.tolist(), tables.core_ptr.tolist()
    clock = np.zeros((tables.cores, tables.cores), np.int32)
    seen = np.zeros((rows.slots, tables.cores), np.int32)
    barrier = -1
    for position, step in enumerate(order):
        if op[step] == RUN:
            checks = rows.checks[a[step]]
            if len(checks):
                core = core_of[step]
                row = clock[core]
                row[core] = step - ptr[core] + 1
                before = seen[checks]
                if (before > row).any():
                    raise _race(tables, step, row, before, accesses, prints, places)
                for marked in rows.lists[a[step]].tolist():
                    seen[rows.marks[marked], core] = row[core]
        elif op[step] == WAIT:
            row = clock[core_of[step]]
            np.maximum(row, promised.clock[a[step], b[step]], out=row)
        elif op[step] == BARRIER and a[step] != barrier:
            barrier = a[step]
            join_barrier(clock, tables, order[position : position + tables.cores])


def _rows(count: int, accesses: Accesses, prints: Footprints, pairs: Pairs) -> _Rows:
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
        checks=_lists(count, check_row[must], check_slot[must]),
        lists=_lists(count, list_row[some], list_of[some]),
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


def _race(
    tables: Tables,
    step: int,
    clock: Clock,
    before: npt.NDArray[np.int32],
    accesses: Accesses,
    prints: Footprints,
    places: Places,
) -> RaceError:
    """The race of a step with the last access that it is not ordered after."""
    core = int(np.argmax((before > clock).any(axis=0)))
    other = int(tables.core_ptr[core] + before[:, core].max() - 1)
    mine, theirs = _conflict(tables, step, other, accesses, prints)
    base = places.base(int(prints.base[accesses.footprint[mine]]))
    known = int(clock[core])
    return RaceError(
        f"{places.step(step)} and {places.step(other)} both use {base} unordered",
        span=places.span(step),
        label=_use(mine, accesses, prints, base),
        related=(Note(places.span(other), f"{places.step(other)} {_use(theirs, accesses, prints, base)}"),),
        hints=(
            f"the waits before {places.position(step)} prove {known} steps of core {core} done; it needs "
            f"{other - int(tables.core_ptr[core]) + 1}",
        ),
    )


def _use(access: int, accesses: Accesses, prints: Footprints, base: str) -> str:
    """`writes bytes 0 to 64 of argument 1`."""
    verbs = {(True, False): "reads", (False, True): "writes", (True, True): "reads and writes"}
    verb = verbs[bool(accesses.reads[access]), bool(accesses.writes[access])]
    box = prints.absolute.take(accesses.footprint[[access]])
    strided = " (strided)" if (box.extents[0, 1:] > 1).any() else ""
    return f"{verb} bytes {int(box.offset[0])} to {int(box.end[0])} of {base}{strided}"


def _conflict(
    tables: Tables, step: int, other: int, accesses: Accesses, prints: Footprints
) -> tuple[int, int]:
    """The first access of each of two racing steps with which they race."""
    mine, theirs = (np.flatnonzero(accesses.row == tables.a[s]) for s in (step, other))
    i, j = (grid.ravel() for grid in np.meshgrid(mine, theirs, indexing="ij"))
    p, q = accesses.footprint[i], accesses.footprint[j]
    alike = prints.relation[p] == prints.relation[q]
    shared = np.where(
        alike,
        meet(prints.relative.take(p), prints.relative.take(q)),
        meet(prints.absolute.take(p), prints.absolute.take(q)),
    )
    written = accesses.writes[i] | accesses.writes[j]
    first = int(np.argmax(shared & written & (prints.base[p] == prints.base[q])))
    return int(i[first]), int(j[first])
