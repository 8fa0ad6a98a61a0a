"""Which local tensors a loop makes anew in every iteration, so that none leaves anything to the next.

In:  the straight steps, all accesses, some tensors that a loop uses. Out: a mask of bases.
Not here: what may share bytes with them (`turns`).

It is enough to look at one iteration, where reads and writes are those of any. A tensor is made anew if the
loop alone uses it, and whatever a row may read of it lies in one run of bytes that earlier rows surely
write: rows that are always run, at a fixed place, without gaps. More cannot be seen here: a tensor that is
made anew in another way is taken not to be.
"""

from __future__ import annotations

import numpy as np

from mpmd.schedule.proof.boxes import Mask
from mpmd.schedule.proof.decode import Column
from mpmd.schedule.proof.footprints import Accesses, Footprints
from mpmd.schedule.proof.straight import Straight


def made_anew(steps: Straight, accesses: Accesses, prints: Footprints, loop: int, bases: Column) -> Mask:
    """Per base whether it is made anew; only `bases` are looked at."""
    made = np.zeros(len(steps.tables.bases), np.bool_)
    base = prints.base[accesses.footprint]
    outside = steps.loop[accesses.row] != loop
    first = steps.copy[accesses.row] == 0
    for number in np.setdiff1d(bases, base[outside]).tolist():
        made[number] = _covered(accesses, prints, np.flatnonzero((base == number) & first))
    return made


def _covered(accesses: Accesses, prints: Footprints, uses: Column) -> bool:
    """Whether every read among uses, which are in program order, finds what rows before it wrote."""
    written: list[tuple[int, int]] = []
    rows = accesses.row[uses]
    for begin, end in zip(*_groups(rows), strict=True):
        mine = uses[begin:end]
        boxes = prints.absolute.take(accesses.footprint[mine])
        spans = list(zip(boxes.offset.tolist(), boxes.end.tolist(), strict=True))
        reads = accesses.reads[mine].tolist()
        for reading, (low, high) in zip(reads, spans, strict=True):
            if reading and not any(a <= low and high <= b for a, b in written):
                return False
        for surely, span in zip(_surely(accesses, prints, mine).tolist(), spans, strict=True):
            if surely:
                written = _with(written, *span)
    return True


def _groups(rows: Column) -> tuple[list[int], list[int]]:
    """The stretches of equal values."""
    edges = [0, *(np.flatnonzero(np.diff(rows)) + 1).tolist(), len(rows)]
    return edges[:-1], edges[1:]


def _surely(accesses: Accesses, prints: Footprints, uses: Column) -> Mask:
    """Whether uses write all bytes of their boxes, whatever the launch and the iteration."""
    number = accesses.footprint[uses]
    fixed = (prints.relation[number] == 0) & (prints.shape[number] == 0)
    whole = (prints.relative.extents[number, 1:] == 1).all(axis=1)
    return accesses.writes[uses] & ~accesses.reads[uses] & ~accesses.maybe[uses] & fixed & whole


def _with(ranges: list[tuple[int, int]], low: int, high: int) -> list[tuple[int, int]]:
    """Ranges without common points, and one more, joined to those that it touches."""
    touching = [(a, b) for a, b in ranges if a <= high and low <= b]
    apart = [(a, b) for a, b in ranges if b < low or high < a]
    return [*apart, (min([low, *(a for a, _ in touching)]), max([high, *(b for _, b in touching)]))]
