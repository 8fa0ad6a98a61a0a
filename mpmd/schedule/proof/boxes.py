"""Strided boxes of bytes: their normal form, and whether two of them share a byte, exactly.

In:  offsets, extents and strides as columns. Out: `Boxes`, and `meet` for pairs of them.
Not here: which pairs are worth asking about (`overlap`), where boxes come from (`footprints`).

A box is the set `offset + Σ stride_k × i_k`, 0 ≤ i_k < extent_k, of bytes. Two boxes share a byte iff
`offset_b − offset_a + Σ stride_k × u_k = 0` has a solution with each u_k in an interval (axes with one
stride are put together: only the difference of their indices matters). From the largest stride down,
the rest can only reach so far, which leaves few candidates for u_k; for nested strides, one or two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpmd.schedule.proof.decode import Column

_CANDIDATES = 64
"""Candidates for one u_k of one pair; where strides are so unlike that there are more, they meet."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Boxes:
    """One box per row. Column 0 of the axes is a run of bytes (stride 1); then strides rise.

    Unused axes have extent 1 and stride 0. No axis continues the one before it.
    """

    offset: Column
    extents: Column
    strides: Column

    def __len__(self) -> int:
        return len(self.offset)

    @property
    def end(self) -> Column:
        """One past the last byte."""
        return self.offset + ((self.extents - 1) * self.strides).sum(axis=1) + 1

    def take(self, index: npt.NDArray[np.intp]) -> Boxes:
        return Boxes(self.offset[index], self.extents[index], self.strides[index])


def normalise(offset: Column, item: Column, extents: Column, strides: Column) -> Boxes:
    """Boxes of items of `item` bytes; strides in bytes, of any sign and order; extents ≥ 1."""
    offset = offset + ((extents - 1) * np.minimum(strides, 0)).sum(axis=1)
    strides = np.where(extents == 1, 0, np.abs(strides))
    extents = np.where(strides == 0, 1, extents)
    order = np.argsort(strides, axis=1, kind="stable")
    strides = np.take_along_axis(strides, order, axis=1)
    extents = np.take_along_axis(extents, order, axis=1)
    out_extents = np.ones((len(offset), strides.shape[1] + 1), np.int64)
    out_strides = np.zeros_like(out_extents)
    out_extents[:, 0], out_strides[:, 0] = item, 1
    at = np.zeros(len(offset), np.int64)
    rows = np.arange(len(offset))
    for axis in range(strides.shape[1]):
        extent, stride = extents[:, axis], strides[:, axis]
        inner_extent, inner_stride = out_extents[rows, at], out_strides[rows, at]
        used = stride > 0
        joins = used & (stride % inner_stride == 0) & (stride <= inner_extent * inner_stride)
        out_extents[rows, at] = np.where(
            joins, (extent - 1) * (stride // inner_stride) + inner_extent, inner_extent
        )
        at = at + (used & ~joins)
        opened = rows[used & ~joins]
        out_extents[opened, at[opened]] = extent[opened]
        out_strides[opened, at[opened]] = stride[opened]
    width = int(at.max(initial=0)) + 1
    return Boxes(offset, out_extents[:, :width].copy(), out_strides[:, :width].copy())


def meet(boxes: Boxes, a: Column, b: Column) -> Mask:
    """Per pair of indices whether the two boxes share a byte. True may be a guess, False is proved."""
    result = np.zeros(len(a), np.bool_)
    kind = np.zeros(len(boxes), np.int64)
    kinds = _groups(boxes.strides)
    for number, members in enumerate(kinds):
        kind[members] = number
    for group in _groups((kind[a] * len(kinds) + kind[b])[:, None]):
        one, other = a[group], b[group]
        a_strides, b_strides = boxes.strides[one[0]], boxes.strides[other[0]]
        gap = boxes.offset[other] - boxes.offset[one]
        result[group] = _meet_alike(gap, boxes.extents[one], boxes.extents[other], a_strides, b_strides)
    return result


def _groups(rows: Column) -> list[npt.NDArray[np.intp]]:
    """The indices of equal rows, together."""
    if not len(rows):
        return []
    if (rows == rows[0]).all():
        return [np.arange(len(rows))]
    order = np.lexsort(rows.T)
    changes = np.flatnonzero((np.diff(rows[order], axis=0) != 0).any(axis=1)) + 1
    return np.split(order, changes)


def _meet_alike(gap: Column, a: Column, b: Column, a_strides: Column, b_strides: Column) -> Mask:
    """Whether boxes of extents `b`, each `gap` further on, share a byte with those of extents `a`."""
    strides = sorted({int(s) for s in (*a_strides, *b_strides) if s}, reverse=True)
    low = np.stack([-(a[:, a_strides == s] - 1).sum(axis=1) for s in strides], axis=1)
    high = np.stack([(b[:, b_strides == s] - 1).sum(axis=1) for s in strides], axis=1)
    met = np.zeros(len(gap), np.bool_)
    pair = np.arange(len(gap))
    for k, stride in enumerate(strides):
        rest = np.array(strides[k + 1 :], np.int64)
        reach_low = (low[pair, k + 1 :] * rest).sum(axis=1)
        reach_high = (high[pair, k + 1 :] * rest).sum(axis=1)
        first = np.maximum(low[pair, k], -((gap + reach_high) // stride))
        last = np.minimum(high[pair, k], (-gap - reach_low) // stride)
        count = np.maximum(last - first + 1, 0)
        if k == len(strides) - 1:  # the run of bytes: any u in the interval solves it
            met[pair[count > 0]] = True
            break
        many = count > _CANDIDATES
        met[pair[many]] = True
        count[many] = 0
        kept = np.repeat(np.arange(len(pair)), count)
        nth = np.arange(len(kept)) - np.repeat(np.cumsum(count) - count, count)
        gap = gap[kept] + stride * (first[kept] + nth)
        pair = pair[kept]
    return met
