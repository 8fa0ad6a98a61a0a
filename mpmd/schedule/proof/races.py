"""The laws that every two conflicting accesses are ordered, and as the program orders them.

In:  what has happened before each instance of a row, all accesses, and which footprints of a tensor overlap.
Out: nothing; raises `RaceError` with the two instances, what they use, and what is known instead, or
`ProgramOrderError`: instances are numbered in program order, so of two conflicting ones the later one comes
later.
Not here: the order itself (`execute`, `clocks`, `happened`), overlaps (`overlap`), tensors that share bytes
(`turns`).

One sweep along the extension, in the manner of FastTrack (Flanagan and Freund, PLDI 2009), over slots that
instances mark and check (`slots`): for each slot and core, `seen` holds the last step by which that core
marked it. An instance is ordered after all who did iff none is beyond its vector clock. `highest` is the
highest instance that marked it; the order is that of the program iff none is beyond the instance itself.
Instances that do not check what others of them mark are taken together. Where something is beyond, pairs of
accesses are looked at one by one: they may be apart in every launch.

An item of a drain has surely happened where all cores that take part have surely left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpmd.errors import Note, ProgramOrderError, RaceError, Span
from mpmd.schedule.proof.clocks import Clock
from mpmd.schedule.proof.decode import Column
from mpmd.schedule.proof.footprints import Accesses, Footprints
from mpmd.schedule.proof.happened import Happened
from mpmd.schedule.proof.occurrences import Occurrences
from mpmd.schedule.proof.overlap import Judge, Pairs
from mpmd.schedule.proof.passed import Passed
from mpmd.schedule.proof.slots import Slots, lists, slots_of
from mpmd.schedule.proof.straight import Straight

_BATCH = 64
"""Instances that are looked at together at least, as far as they can be."""

_NOBODY = np.iinfo(np.int64).max


def ordered(
    steps: Straight,
    known: Happened,
    accesses: Accesses,
    prints: Footprints,
    pairs: Pairs,
    judge: Judge,
    places: Occurrences,
) -> None:
    """Raise unless every conflict is ordered, and as its instances are numbered."""
    rows = Passed.of(steps, known.clock)
    slots = slots_of(accesses, prints, pairs, steps.instances)
    sweep = _Sweep(slots, rows, np.zeros((slots.count, steps.cores), np.int32))
    closer = _Closer(accesses, prints, pairs, judge, rows, known.sequence, places)
    begin, size = 0, _BATCH
    while begin < len(known.sequence):
        batch = sweep.batch(known.sequence[begin : begin + size])
        for instance in sweep.doubtful(batch).tolist():
            closer.look(instance)
        sweep.mark(batch)
        begin += len(batch.instances)
        size = 2 * size if len(batch.instances) == size else max(_BATCH, 2 * len(batch.instances))


@dataclass(frozen=True, eq=False)
class _Batch:
    """Instances next to each other in the sequence of which none checks what another one marks. Columns of
    what they check and mark: the position of the instance, the slot."""

    instances: Column
    check: Pairs
    mark: Pairs


class _Sweep:
    """Per slot and core the last step that shows a mark to be over, and the highest instance, plus one."""

    def __init__(self, slots: Slots, rows: Passed, seen: Clock) -> None:
        self._slots, self._rows, self._seen = slots, rows, seen
        self._highest = np.zeros(slots.count, np.int64)
        self._first = np.full(slots.count, _NOBODY)

    def batch(self, instances: Column) -> _Batch:
        """The longest beginning of some instances that is a batch."""
        checker, checked = self._slots.checks.of(instances)
        marker, marked = self._slots.marked(instances)
        np.minimum.at(self._first, marked, marker)
        clashes = checker[self._first[checked] < checker]
        self._first[marked] = _NOBODY
        end = int(clashes.min(initial=len(instances)))
        check, mark = np.searchsorted(checker, end), np.searchsorted(marker, end)
        return _Batch(instances[:end], (checker[:check], checked[:check]), (marker[:mark], marked[:mark]))

    def doubtful(self, batch: _Batch) -> Column:
        """Those that may be before a mark of a slot that they check, or that the program calls earlier."""
        position, slot = batch.check
        instance = batch.instances[position]
        bad = self._highest[slot] > instance + 1
        bad |= (self._seen[slot] > self._rows.happened[instance]).any(axis=1)
        return batch.instances[np.unique(position[bad])]

    def mark(self, batch: _Batch) -> None:
        position, slot = batch.mark
        instance = batch.instances[position]
        np.maximum.at(self._highest, slot, instance + 1)
        shown, entry = self._rows.shown(instance)
        step = self._rows.step[shown].astype(np.int32)
        np.maximum.at(self._seen, (slot[entry], self._rows.core[shown]), step)


class _Closer:
    """Looks closer at an instance of which boxes say that it is in conflict with an earlier one."""

    def __init__(
        self,
        accesses: Accesses,
        prints: Footprints,
        pairs: Pairs,
        judge: Judge,
        passed: Passed,
        sequence: Column,
        places: Occurrences,
    ) -> None:
        self._rank = np.zeros(len(sequence), np.int64)
        self._rank[sequence] = np.arange(len(sequence))
        self._accesses = accesses
        self._prints = prints
        self._judge = judge
        self._passed = passed
        self._places = places
        one, other = pairs
        itself = np.flatnonzero(~prints.far)
        self._near = lists(
            len(prints), np.concatenate([one, other, itself]), np.concatenate([other, one, itself])
        )
        self._uses = lists(len(prints), accesses.footprint, np.arange(len(accesses.row)))
        self._of = lists(len(sequence), accesses.row, np.arange(len(accesses.row)))

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
            found = found[self._rank[row] < self._rank[instance]]
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
