"""The laws that every two conflicting accesses are ordered, and as the program orders them.

In:  the linear extension, what waits guarantee, all accesses, and which footprints of a tensor overlap.
Out: per instance of a row how many steps of each core have happened before it in all executions. Raises
`RaceError` with the two instances, what they use, and what is known instead, or `ProgramOrderError`:
instances are numbered in program order, so of two conflicting ones the later one comes later.
Not here: the order itself (`execute`, `clocks`), overlaps (`overlap`), tensors that share bytes (`turns`).

One sweep along the extension, in the manner of FastTrack (Flanagan and Freund, PLDI 2009) but with
overlaps pushed when an access is made, so that a check reads only the footprints of its own row: for
each footprint and core, `seen` holds the last step by which that core wrote (or, in the second half,
read) any byte of it. A row is ordered after all of these iff none is beyond its vector clock. One more
column holds the highest instance that did so, plus one; it is in order iff none is beyond the row itself.
Where that is not so, pairs of accesses are looked at one by one: they may be apart in every launch.

An item of a drain may run on any core that takes part, as soon as one is there: what all of them know
when they get there has happened before it. It has surely happened where all of them have surely left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpmd.errors import Note, ProgramOrderError, RaceError, Span
from mpmd.schedule.proof.boxes import Mask
from mpmd.schedule.proof.clocks import Clock, Guarantees, join_barrier
from mpmd.schedule.proof.decode import BARRIER, DRAIN, RUN, WAIT, Column
from mpmd.schedule.proof.footprints import Accesses, Footprints
from mpmd.schedule.proof.occurrences import Occurrences
from mpmd.schedule.proof.overlap import Judge, Pairs
from mpmd.schedule.proof.passed import Passed
from mpmd.schedule.proof.straight import Straight


@dataclass(frozen=True, eq=False)
class _Lists:
    """A list of integers per key, end to end."""

    ptr: list[int]
    values: npt.NDArray[np.int64]

    def __getitem__(self, key: int) -> npt.NDArray[np.int64]:
        return self.values[self.ptr[key] : self.ptr[key + 1]]


@dataclass(frozen=True, eq=False)
class _Slots:
    """Per instance the slots of `seen` that it must be after, and the lists of slots that it then marks."""

    count: int
    checks: _Lists
    lists: _Lists
    marks: _Lists


def ordered(
    steps: Straight,
    order: list[int],
    promised: Guarantees,
    accesses: Accesses,
    prints: Footprints,
    pairs: Pairs,
    judge: Judge,
    places: Occurrences,
) -> npt.NDArray[np.int32]:
    """What has happened before each instance; raise unless every conflict is ordered as they are numbered."""
    happened = np.zeros((steps.instances, steps.cores), np.int32)
    closer = _Closer(accesses, prints, pairs, judge, Passed.of(steps, happened), places)
    sweep = _Sweep(steps, _slots_of(steps, accesses, prints, pairs), happened, closer)
    op, a, b = steps.op.tolist(), steps.a.tolist(), steps.b.tolist()
    core_of, clock = steps.step_core.tolist(), sweep.clock
    barrier = -1
    for position, step in enumerate(order):
        if op[step] == RUN:
            sweep.run(a[step], core_of[step], step)
        elif op[step] == WAIT:
            row = clock[core_of[step]]
            np.maximum(row, promised.clock[a[step], b[step]], out=row)
        elif op[step] == BARRIER and a[step] != barrier:
            barrier = a[step]
            join_barrier(clock, steps, order[position : position + steps.cores])
        elif op[step] == DRAIN:
            sweep.drain(a[step], core_of[step], step)
    return happened


class _Sweep:
    """The vector clocks of all cores, and who has used what, along the extension."""

    def __init__(self, steps: Straight, slots: _Slots, happened: Clock, closer: _Closer) -> None:
        cores = steps.cores
        self._limits = np.zeros((cores, cores + 1), np.int32)
        self.clock = self._limits[:, :cores]
        self.happened = happened
        self._seen = np.zeros((slots.count, cores + 1), np.int32)
        self._steps = steps
        self._slots = slots
        self._closer = closer
        self._ptr = steps.core_ptr.tolist()
        self._turns = _Turns(steps)
        self._left = steps.drains_left()

    def run(self, instance: int, core: int, step: int) -> None:
        cores = self._steps.cores
        limit = self._limits[core]
        limit[core] = step - self._ptr[core]
        self.happened[instance] = self.clock[core]
        checks = self._slots.checks[instance]
        if len(checks):
            limit[core], limit[cores] = step - self._ptr[core] + 1, instance + 1
            self._check(instance, checks, limit)
            seen = self._seen
            for number in self._slots.lists[instance].tolist():
                marks = self._slots.marks[number]
                seen[marks, core] = limit[core]
                seen[marks, cores] = np.maximum(seen[marks, cores], limit[cores])

    def drain(self, turn: int, core: int, step: int) -> None:
        """The items of a drain take their turn when all cores that take part are there."""
        knows = self.clock[core].copy()
        knows[core] = step - self._ptr[core]
        known = self._turns.join(turn, knows)
        if known is None:
            return
        limit = np.append(known, np.int32(0))
        for item in self._steps.drain_items[slice(*self._steps.drain_ptr[turn : turn + 2])].tolist():
            self.happened[item] = known
            checks = self._slots.checks[item]
            if len(checks):
                limit[-1] = item + 1
                self._check(item, checks, limit)
                left = np.append(self._left[turn], np.int32(item + 1))
                for number in self._slots.lists[item].tolist():
                    marks = self._slots.marks[number]
                    self._seen[marks] = np.maximum(self._seen[marks], left)

    def _check(self, instance: int, checks: npt.NDArray[np.int64], limit: Clock) -> None:
        if (self._seen[checks] > limit).any():
            self._closer.look(instance)
        self._closer.done[instance] = True


class _Turns:
    """The turns of drains that some cores have reached and others not yet, and what those know."""

    def __init__(self, steps: Straight) -> None:
        turns = steps.a[steps.op == DRAIN]
        self._missing = np.bincount(turns, minlength=len(steps.drain_ptr) - 1).tolist()
        self._known: dict[int, Clock] = {}

    def join(self, turn: int, knows: Clock) -> Clock | None:
        """What all cores know of a turn, when the last one comes."""
        self._known[turn] = np.minimum(self._known.get(turn, knows), knows)
        self._missing[turn] -= 1
        return self._known.pop(turn) if self._missing[turn] == 0 else None


def _slots_of(steps: Straight, accesses: Accesses, prints: Footprints, pairs: Pairs) -> _Slots:
    """Slots for the footprints that can conflict, and each instance's checks and marks in terms of them."""
    prints_written = _mark(len(prints), accesses.footprint[accesses.writes])
    prints_read = _mark(len(prints), accesses.footprint[accesses.reads])
    one, other = pairs
    itself = np.flatnonzero(prints_written & ~prints.far)
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
    return _Slots(
        count=slots,
        checks=_lists(steps.instances, check_row[must], check_slot[must]),
        lists=_lists(steps.instances, list_row[some], list_of[some]),
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


class _Closer:
    """Looks closer at an instance of which boxes say that it is in conflict with an earlier one."""

    def __init__(
        self,
        accesses: Accesses,
        prints: Footprints,
        pairs: Pairs,
        judge: Judge,
        passed: Passed,
        places: Occurrences,
    ) -> None:
        self.done = np.zeros(len(passed.ptr) - 1, np.bool_)  # what the sweep has been at
        self._accesses = accesses
        self._prints = prints
        self._judge = judge
        self._passed = passed
        self._places = places
        one, other = pairs
        itself = np.flatnonzero(~prints.far)
        self._near = _lists(
            len(prints), np.concatenate([one, other, itself]), np.concatenate([other, one, itself])
        )
        self._uses = _lists(len(prints), accesses.footprint, np.arange(len(accesses.row)))
        self._of = _lists(len(self.done), accesses.row, np.arange(len(accesses.row)))

    def look(self, instance: int) -> None:
        """Raise if there is a conflict."""
        mine, theirs = self._conflicts(instance)
        row, other = self._accesses.row[mine], self._accesses.row[theirs]
        unordered = ~self._passed.before(other, row)
        bad = np.flatnonzero(unordered | (other > row))
        mine, theirs = mine[bad], theirs[bad]
        a, b = self._accesses.footprint[mine], self._accesses.footprint[theirs]
        meet = (a == b) | ~self._judge.apart(self._prints, np.minimum(a, b), np.maximum(a, b))
        races = np.flatnonzero(meet & unordered[bad])
        if len(races):
            raise self._race(mine[races], theirs[races])
        late = np.flatnonzero(meet)
        if len(late):
            last = late[int(np.argmax(self._accesses.row[theirs[late]]))]
            raise self._late(int(mine[last]), int(theirs[last]))

    def _conflicts(self, instance: int) -> Pairs:
        """Pairs of accesses, of this instance and of those before it in the sweep, one of them writing."""
        mine: list[Column] = [np.zeros(0, np.int64)]
        theirs: list[Column] = [np.zeros(0, np.int64)]
        for access in self._of[instance].tolist():
            near = [
                self._uses[number] for number in self._near[int(self._accesses.footprint[access])].tolist()
            ]
            found = np.concatenate([np.zeros(0, np.int64), *near])
            row = self._accesses.row[found]
            found = found[self.done[row] & (row != instance)]
            if not self._accesses.writes[access]:
                found = found[self._accesses.writes[found]]
            mine.append(np.full(len(found), access))
            theirs.append(found)
        return np.concatenate(mine), np.concatenate(theirs)

    def _race(self, mine: Column, theirs: Column) -> RaceError:
        """Of some pairs, that with the last step of the lowest core."""
        row = int(self._accesses.row[mine[0]])
        missing = [self._passed.not_before(int(other), row) for other in self._accesses.row[theirs]]
        at = min(range(len(missing)), key=lambda k: (missing[k][0], -missing[k][2]))
        label, span, related = self._told(int(mine[at]), int(theirs[at]))
        places, other = self._places, int(self._accesses.row[theirs[at]])
        base = places.base(int(self._prints.base[self._accesses.footprint[mine[at]]]))
        return RaceError(
            f"{places.instance(row)} and {places.instance(other)} both use {base} unordered",
            span=span,
            label=label,
            related=related,
            hints=(places.unknown(row, *missing[at]),),
        )

    def _late(self, mine: int, theirs: int) -> ProgramOrderError:
        places = self._places
        row, other = (places.instance(int(self._accesses.row[access])) for access in (mine, theirs))
        label, span, related = self._told(mine, theirs)
        return ProgramOrderError(
            f"{other} comes before {row}, which the program calls first",
            span=span,
            label=label,
            related=related,
        )

    def _told(self, mine: int, theirs: int) -> tuple[str, Span, tuple[Note, ...]]:
        """What the one does, where, and a note on the other."""
        places, row, other = self._places, *(int(self._accesses.row[access]) for access in (mine, theirs))
        label, note = (self._accesses.text(access, self._prints, places) for access in (mine, theirs))
        return label, places.span_of(row), (Note(places.span_of(other), f"{places.instance(other)} {note}"),)
