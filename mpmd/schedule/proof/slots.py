"""Who has to be after whom, as slots that instances mark and check.

In:  all accesses, and which footprints overlap. Out: `Slots`.
Not here: the order itself (`happened`), the sweep that marks and checks (`races`).

An instance must be after all that marked, before it, a slot that it checks. Overlaps are pushed when an
access is made, so that a check reads only slots of its own footprints: there is one for all writes near a
footprint, and one for all reads near one that is written. Where a footprint is read more often than those
near it are written, it has a slot for its reads, and writes near it check that: they ask, and are not told.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpmd.schedule.proof.boxes import Mask
from mpmd.schedule.proof.decode import Column
from mpmd.schedule.proof.footprints import Accesses, Footprints
from mpmd.schedule.proof.overlap import Pairs


@dataclass(frozen=True, eq=False)
class Lists:
    """A list of integers per key, end to end."""

    ptr: Column
    values: Column

    def __getitem__(self, key: int) -> Column:
        return self.values[self.ptr[key] : self.ptr[key + 1]]

    def of(self, keys: Column) -> tuple[Column, Column]:
        """All values of some keys, and for each the position of its key."""
        first = self.ptr[keys]
        count = self.ptr[keys + 1] - first
        position = np.repeat(np.arange(len(keys)), count)
        before = np.cumsum(count) - count
        return position, self.values[np.arange(len(position)) + (first - before)[position]]


@dataclass(frozen=True, eq=False)
class Slots:
    """Per instance the slots that it checks, and the lists of slots that it then marks."""

    count: int
    checks: Lists
    lists: Lists
    marks: Lists

    def marked(self, instances: Column) -> tuple[Column, Column]:
        """All slots that some instances mark, and for each the position of its instance."""
        instance, number = self.lists.of(instances)
        entry, slot = self.marks.of(number)
        return instance[entry], slot


def slots_of(accesses: Accesses, prints: Footprints, pairs: Pairs, instances: int) -> Slots:
    """Slots for the footprints that can conflict, and each instance's checks and marks in terms of them."""
    reads, writes = np.flatnonzero(accesses.reads), np.flatnonzero(accesses.writes)
    read_by, written_by = (
        np.bincount(accesses.footprint[uses], minlength=len(prints)) for uses in (reads, writes)
    )
    one, other = pairs
    itself = np.flatnonzero((written_by > 0) & ~prints.far)
    source = np.concatenate([one, other, itself])
    target = np.concatenate([other, one, itself])
    # slot of the last writes near a footprint; slot of the last reads near one that is written
    writes_to = written_by[source] > 0
    reads_to = (read_by[source] > 0) & (written_by[target] > 0)
    pulls = reads_to & _asked_less(source, target, reads_to, read_by, written_by)[target]
    pushes = reads_to & ~pulls
    write_slot, writes_end = _slots(_mark(len(prints), target[writes_to]), 0)
    read_slot, reads_end = _slots(_mark(len(prints), target[pushes]), writes_end)
    own_slot, slots = _slots(_mark(len(prints), source[pulls]), reads_end)
    # list f is what a write of footprint f marks, list len(prints) + f what a read of it does
    own = np.flatnonzero(own_slot >= 0)
    marks = lists(
        2 * len(prints),
        np.concatenate([source[writes_to], source[pushes] + len(prints), own + len(prints)]),
        np.concatenate([write_slot[target[writes_to]], read_slot[target[pushes]], own_slot[own]]),
    )
    asked = lists(len(prints), target[pulls], own_slot[source[pulls]])
    asking, asked_slots = asked.of(accesses.footprint[writes])
    check_row = np.concatenate([accesses.row, accesses.row[writes], accesses.row[writes[asking]]])
    check_slot = np.concatenate(
        [write_slot[accesses.footprint], read_slot[accesses.footprint[writes]], asked_slots]
    )
    must = check_slot >= 0
    list_row = np.concatenate([accesses.row[writes], accesses.row[reads]])
    list_of = np.concatenate([accesses.footprint[writes], accesses.footprint[reads] + len(prints)])
    some = np.diff(marks.ptr)[list_of] > 0
    return Slots(
        count=slots,
        checks=lists(instances, check_row[must], check_slot[must]),
        lists=lists(instances, list_row[some], list_of[some]),
        marks=marks,
    )


def _asked_less(source: Column, target: Column, reads_to: Mask, read_by: Column, written_by: Column) -> Mask:
    """Per footprint whether its writes, asking each footprint near it for its reads, do less than these
    would in telling it: one that is written once is read by many."""
    near, by = target[reads_to], read_by[source[reads_to]]
    told = np.bincount(near, weights=by, minlength=len(written_by))
    return written_by * np.bincount(near, minlength=len(written_by)) < told


def _mark(count: int, index: Column) -> Mask:
    mask = np.zeros(count, np.bool_)
    mask[index] = True
    return mask


def _slots(used: Mask, start: int) -> tuple[Column, int]:
    """Consecutive numbers from `start` for the used entries (−1 for the others), and the next one."""
    numbers = np.where(used, start + np.cumsum(used) - 1, -1)
    return numbers, start + int(used.sum())


def lists(keys: int, key: Column, value: Column) -> Lists:
    order = np.argsort(key, kind="stable")
    ptr = np.searchsorted(key[order], np.arange(keys + 1))
    return Lists(ptr, value[order])
