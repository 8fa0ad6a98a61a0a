"""Which footprints share bytes: each pair once, if at least one of the two is ever written.

In:  the distinct footprints and which of them are written; what is known of scalars. Out: index pairs.
Not here: the tests of one pair (`boxes.meet`, and `symbolic.apart` where a launch decides).

Boxes take a launch at its worst: `touching` pairs need not share a byte. To look closer takes a while, so
a `Judge` is asked only for pairs of which it matters.

Candidates come from a sorted sweep, either over the hulls of the boxes or, where those of a tiled
matrix's columns would all overlap, over their places modulo the row pitch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from mpmd.schedule.proof.boxes import Boxes, Mask, meet
from mpmd.schedule.proof.cells import Cells
from mpmd.schedule.proof.decode import Column
from mpmd.schedule.proof.footprints import Footprints
from mpmd.schedule.proof.late import Knowledge
from mpmd.schedule.proof.programs import LAUNCH
from mpmd.schedule.proof.scalars import Bounds, Form
from mpmd.schedule.proof.symbolic import Place, apart

_CHUNK = 1 << 20
_FEW = 100_000
"""Candidates below this are not worth a search for fewer."""

Pairs = tuple[Column, Column]
Filter = Callable[[Column, Column], Mask]


def touching(prints: Footprints, written: Mask, judge: Judge, wanted: Filter | None = None) -> Pairs:
    """All pairs of different footprints of one base whose boxes share a byte and of which one is written.

    Pairs in different cells are left out. Pairs of far ones are never asked for; `wanted` tells which
    pairs are, if not all.
    """
    cells = judge.cells(prints)

    def asked(a: Column, b: Column) -> Mask:
        mask = ~(prints.far[a] & prints.far[b])
        if cells.any:
            mask &= ~cells.apart(a, b)
        return mask if wanted is None else mask & wanted(a, b)

    plain = wanted is None and not prints.far.any() and not cells.any
    return _overlapping_boxes(prints, written, None if plain else asked)


def overlapping(prints: Footprints, written: Mask, judge: Judge, wanted: Filter | None = None) -> Pairs:
    """The same without those that are apart in every launch."""
    a, b = touching(prints, written, judge, wanted)
    kept = ~judge.apart(prints, a, b)
    return a[kept], b[kept]


class Judge:
    """Whether footprints whose boxes share a byte are apart all the same, in every launch."""

    def __init__(self, known: Knowledge) -> None:
        self._known = known
        self._seen: dict[tuple[object, ...], bool] = {}
        self._bounds: dict[tuple[int, tuple[int, ...]], Bounds] = {}

    def cells(self, prints: Footprints) -> Cells:
        """The cells that footprints lie in."""
        return Cells(prints, self._known)

    def apart(self, prints: Footprints, a: Column, b: Column) -> Mask:
        """Per pair of footprints."""
        result = np.zeros(len(a), np.bool_)
        open_ = (prints.relation != 0) | (prints.shape != 0)
        loop = np.where(prints.loop[a] == prints.loop[b], prints.loop[a], -1)
        for k in np.flatnonzero(open_[a] | open_[b]).tolist():
            one, other = int(a[k]), int(b[k])
            contexts = tuple(sorted({*self._contexts(prints, one), *self._contexts(prints, other)}))
            result[k] = self._apart(int(loop[k]), contexts, prints.place(one), prints.place(other))
        return result

    def _contexts(self, prints: Footprints, number: int) -> Iterator[int]:
        """That of the rows that touch a footprint, and that their iteration is run."""
        if prints.context[number] != LAUNCH:
            yield int(prints.context[number])
        if prints.loop[number] >= 0:
            yield self._known.run[prints.loop[number]][int(prints.far[number])]

    def _apart(self, loop: int, contexts: tuple[int, ...], a: Place, b: Place) -> bool:
        """First by what any two rows may rely on, the same for many pairs, then by what these two may."""
        pair = replace(a, offset=Form(0)), replace(b, offset=b.offset.plus(a.offset, -1))
        key = loop, *pair
        if key not in self._seen:
            self._seen[key] = apart(*pair, self._known.among[loop])
        if self._seen[key] or not contexts:
            return self._seen[key]
        key = loop, contexts, *pair
        if key not in self._seen:
            known = self._of_rows(loop, contexts)
            self._seen[key] = not known.possible or apart(*pair, known)
        return self._seen[key]

    def _of_rows(self, loop: int, contexts: tuple[int, ...]) -> Bounds:
        key = loop, contexts
        if key not in self._bounds:
            self._bounds[key] = self._known.of_rows(loop, contexts)
        return self._bounds[key]


def _overlapping_boxes(prints: Footprints, written: Mask, wanted: Filter | None) -> Pairs:
    found: list[Pairs] = []
    for members in _runs(prints.base):
        relation = prints.relation[members]
        for alike in _runs(relation):
            index = members[alike]
            found += _of_group(prints.relative.take(index), written[index], index, wanted)
        if (relation != relation[0]).any():
            found += [
                (a[unlike], b[unlike])
                for a, b in _of_group(prints.absolute.take(members), written[members], members, wanted)
                for unlike in [prints.relation[a] != prints.relation[b]]
            ]
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate([a for a, _ in found]), np.concatenate([b for _, b in found])


def _runs(values: Column) -> list[Column]:
    """The indices of equal values, together, each group ascending."""
    if not len(values):
        return []
    order = np.argsort(values, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(values[order])) + 1)


def _of_group(boxes: Boxes, written: Mask, index: Column, wanted: Filter | None) -> list[Pairs]:
    """The overlapping pairs of some boxes, as footprints (`index` is theirs)."""
    if not written.any():
        return []
    found: list[Pairs] = []
    for a, b in _candidates(boxes, written):
        if wanted is not None:
            kept = wanted(index[a], index[b])
            a, b = a[kept], b[kept]
        met = meet(boxes, a, b)
        found.append((index[a[met]], index[b[met]]))
    return found


def _candidates(boxes: Boxes, written: Mask) -> Iterator[Pairs]:
    """Pairs whose hulls overlap, and if there are many also their places modulo the pitch; each once."""
    low, high = boxes.offset, boxes.end
    flat = _Sweep(low, high, written)
    if flat.count <= _FEW:
        yield from flat.pairs()
        return
    pitch = _pitch(boxes)
    start, span = _modulo(boxes, pitch)
    owner, first, last = _pieces(start, span, pitch)
    wrapped = _Sweep(first, last, written[owner])
    if wrapped.count >= flat.count:
        for a, b in flat.pairs():
            kept = ((start[b] - start[a]) % pitch < span[a]) | ((start[a] - start[b]) % pitch < span[b])
            yield a[kept], b[kept]
        return
    parts = (_hulls_overlap(owner[a], owner[b], low, high) for a, b in wrapped.pairs())
    yield from parts if len(owner) == len(boxes) else _once(parts, len(boxes))


def _hulls_overlap(a: Column, b: Column, low: Column, high: Column) -> Pairs:
    kept = (low[a] < high[b]) & (low[b] < high[a]) & (a != b)
    return a[kept], b[kept]


def _once(parts: Iterator[Pairs], count: int) -> Iterator[Pairs]:
    keys = [np.minimum(a, b) * count + np.maximum(a, b) for a, b in parts]
    unique = np.unique(np.concatenate(keys)) if keys else np.zeros(0, np.int64)
    for at in range(0, len(unique), _CHUNK):
        yield np.divmod(unique[at : at + _CHUNK], count)


def _pitch(boxes: Boxes) -> int:
    """The largest stride that most boxes have."""
    values, counts = np.unique(boxes.strides.max(axis=1), return_counts=True)
    return int(values[np.argmax(counts)])


def _modulo(boxes: Boxes, pitch: int) -> tuple[Column, Column]:
    """Where boxes begin modulo `pitch`, and how far they reach from there (`pitch`: all around)."""
    within = np.where(boxes.strides % pitch == 0, 0, boxes.strides)
    span = ((boxes.extents - 1) * within).sum(axis=1) + 1
    return boxes.offset % pitch, np.minimum(span, pitch)


def _pieces(start: Column, span: Column, pitch: int) -> tuple[Column, Column, Column]:
    """(box, first, end) of intervals within one pitch: two for a box that wraps around."""
    box, last = np.arange(len(start)), start + span
    wraps = np.flatnonzero(last > pitch)
    return (
        np.concatenate([box, wraps]),
        np.concatenate([start, np.zeros(len(wraps), np.int64)]),
        np.concatenate([np.minimum(last, pitch), last[wraps] - pitch]),
    )


class _Sweep:
    """The pairs of intervals that overlap and of which one is written, by a sweep over their starts."""

    def __init__(self, low: Column, high: Column, written: Mask) -> None:
        self._order = np.argsort(low, kind="stable")
        ordered = written[self._order]
        rank = np.arange(len(low))
        beyond = np.searchsorted(low[self._order], high[self._order])
        self._written = np.flatnonzero(ordered)
        # A written interval meets every later start below its end, another only the written ones.
        self._first = np.where(ordered, rank + 1, np.searchsorted(self._written, rank + 1))
        end = np.where(ordered, beyond, np.searchsorted(self._written, beyond))
        self._counts = np.maximum(end - self._first, 0)
        self._whole = ordered
        self.count = int(self._counts.sum())

    def pairs(self) -> Iterator[Pairs]:
        """The pairs as indices of intervals, a bounded number at a time (or those of one interval)."""
        upto = np.cumsum(self._counts)
        at = 0
        while at < len(upto):
            done = upto[at - 1] if at else 0
            end = max(at + 1, int(np.searchsorted(upto, done + _CHUNK, side="right")))
            counts = self._counts[at:end]
            one = np.repeat(np.arange(at, end), counts)
            nth = np.arange(len(one)) - np.repeat(np.cumsum(counts) - counts, counts)
            other = self._first[one] + nth
            if len(self._written):
                other = np.where(
                    self._whole[one], other, self._written[np.minimum(other, len(self._written) - 1)]
                )
            if len(one):
                yield self._order[one], self._order[other]
            at = end
