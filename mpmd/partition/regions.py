"""Regions as boxes: which accesses of a tensor may touch the same element.

In:  per tensor the projected runs of all its accesses, as rows of one matrix.
Out: a `RegionTable`: the distinct regions, which of them overlap, and which cover which.
Not here: order and dependences (`dependences.py`).

A box has, per axis, `first`, `last` and `step`; the two ends are constants plus a runtime part that is
known by its number (0: none). Ends with equal runtime parts compare exactly; others by what is known of
the parts and of their difference (`parts.py`). So "apart" is always true where it is said, and exact
where all is constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np
import numpy.typing as npt

from mpmd.partition.frame import Shape
from mpmd.partition.graph import IntColumn
from mpmd.partition.parts import Parts

FIRST, FIRST_PART, LAST, LAST_PART, STEP = range(5)
"""The columns of one axis in a row."""

PAIRS_AT_ONCE = 1 << 21
"""Candidate pairs that are compared in one go; bounds the memory."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RegionTable:
    """Distinct regions of one tensor. `of_access[i]` is the region of row `i`.

    `overlap_ptr`, `overlaps`: CSR, the regions that may share an element with each (itself included),
    ascending; pairs that are both only read are left out. `covers[k]`: the first of pair `k` holds all
    of the second.
    """

    of_access: IntColumn
    count: int
    overlap_ptr: IntColumn
    overlaps: IntColumn
    covers: Mask


@dataclass(frozen=True, eq=False)
class Ends:
    """Of one axis of distinct boxes: the columns, and the least and greatest value of both ends."""

    first: IntColumn
    first_part: IntColumn
    last: IntColumn
    last_part: IntColumn
    step: IntColumn
    first_min: IntColumn
    first_max: IntColumn
    last_min: IntColumn
    last_max: IntColumn
    parts: Parts


def region_table(rows: IntColumn, written: Mask, shape: Shape, parts: Parts) -> RegionTable:
    """The regions of `rows` (five columns per axis of `shape`); `parts` are those of their ends."""
    rows = _canonical(rows, len(shape))
    distinct, of_access = _unique_rows(rows)
    is_written = np.zeros(len(distinct), bool)
    is_written[of_access[written]] = True
    axes = [_ends(distinct[:, 5 * a : 5 * a + 5], n, parts) for a, n in enumerate(shape)]
    a, b = _candidates(axes, is_written)
    keep = np.ones(len(a), bool)
    for start in range(0, len(a), PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        keep[part] = ~apart(axes, a[part], b[part])
    a, b = a[keep], b[keep]
    itself = np.nonzero(is_written)[0]
    left, right = np.concatenate([a, b, itself]), np.concatenate([b, a, itself])
    order = np.lexsort((right, left))
    left, right = left[order], right[order]
    pointer = np.searchsorted(left, np.arange(len(distinct) + 1))
    return RegionTable(of_access, len(distinct), pointer, right, covered(axes, left, right))


def apart(axes: list[Ends], a: IntColumn, b: IntColumn) -> Mask:
    """For each pair of boxes: surely no element in common."""
    result = np.zeros(len(a), bool)
    for axis in axes:
        result |= _before(axis, a, b) | _before(axis, b, a)
        stepped = (axis.step[a] > 1) | (axis.step[b] > 1)
        stepped &= axis.first_part[a] == axis.first_part[b]
        rows = np.nonzero(stepped & ~result)[0]
        if len(rows):
            result[rows] = _interleaved(axis, a[rows], b[rows])
    return result


def covered(axes: list[Ends], a: IntColumn, b: IntColumn) -> Mask:
    """For each pair of boxes: `a` surely holds every element of `b`."""
    result = np.ones(len(a), bool)
    for axis in axes:
        same_first = axis.first_part[a] == axis.first_part[b]
        begins = axis.parts.greatest(axis.first_part[a], axis.first_part[b])
        ends = axis.parts.greatest(axis.last_part[b], axis.last_part[a])
        result &= (axis.first_max[a] <= axis.first_min[b]) | (axis.first[a] - axis.first[b] + begins <= 0)
        result &= (axis.last_min[a] >= axis.last_max[b]) | (axis.last[b] - axis.last[a] + ends <= 0)
        step = axis.step[a]
        single = (axis.first[b] == axis.last[b]) & (axis.first_part[b] == axis.last_part[b])
        on_grid = same_first & ((axis.first[b] - axis.first[a]) % step == 0)
        on_grid &= single | (axis.step[b] % step == 0)
        result &= (step == 1) | on_grid
    return result


def _canonical(rows: IntColumn, rank: int) -> IntColumn:
    """Step 1 where there is one element; the last element where the step really ends."""
    rows = rows.copy()
    for axis in range(rank):
        column = rows[:, 5 * axis : 5 * axis + 5]
        constant = column[:, FIRST_PART] == column[:, LAST_PART]
        length = np.where(constant, column[:, LAST] - column[:, FIRST], 0)
        column[:, LAST] -= np.where(constant, length % column[:, STEP], 0)
        single = constant & (column[:, FIRST] == column[:, LAST])
        column[single, STEP] = 1
    return rows


def _unique_rows(rows: IntColumn) -> tuple[IntColumn, IntColumn]:
    """Distinct rows, and for each row the number of its distinct one."""
    packed = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
    _, index, inverse = np.unique(packed, return_index=True, return_inverse=True)
    return rows[index], inverse.reshape(-1).astype(np.int64)


def _ends(columns: IntColumn, extent: int, parts: Parts) -> Ends:
    first, first_part, last, last_part, step = (np.ascontiguousarray(c) for c in columns.T)
    part_low, part_high = parts.bounds()

    def within(values: IntColumn) -> IntColumn:
        return np.clip(values, 0, extent - 1)  # the guards keep regions inside

    return Ends(
        first, first_part, last, last_part, step,
        first_min=within(first + part_low[first_part]),
        first_max=within(first + part_high[first_part]),
        last_min=np.minimum(last + part_low[last_part], extent - 1),  # below 0: may be empty
        last_max=within(last + part_high[last_part]),
        parts=parts,
    )  # fmt: skip


def _candidates(axes: list[Ends], written: Mask) -> tuple[IntColumn, IntColumn]:
    """Pairs whose hulls meet on the axis that tells most apart, at least one of them written."""
    count = len(written)
    best: tuple[int, IntColumn, IntColumn] | None = None
    for axis in axes:
        order = np.argsort(axis.first_min, kind="stable")
        reach = np.searchsorted(axis.first_min[order], axis.last_max[order], side="right")
        following = np.maximum(reach - np.arange(1, count + 1), 0)
        total = int(following.sum())
        if best is None or total < best[0]:
            best = (total, order, following)
    assert best is not None, "a frame has an axis"
    _, order, following = best
    firsts: list[IntColumn] = []
    seconds: list[IntColumn] = []
    stops = np.cumsum(following)
    begin = 0
    while begin < count:  # in pieces: not all candidates need fit in memory
        done = stops[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(stops, done + PAIRS_AT_ONCE, side="right")))
        lengths = following[begin:end]
        left = np.repeat(np.arange(begin, end), lengths)
        right = left + 1 + np.arange(len(left)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        a, b = order[left], order[right]
        keep = written[a] | written[b]
        a, b = a[keep], b[keep]
        for axis in axes:
            meet = (axis.first_min[a] <= axis.last_max[b]) & (axis.first_min[b] <= axis.last_max[a])
            a, b = a[meet], b[meet]
        firsts.append(a)
        seconds.append(b)
        begin = end
    return np.concatenate(firsts), np.concatenate(seconds)


def _before(axis: Ends, a: IntColumn, b: IntColumn) -> Mask:
    """`a` ends before `b` begins."""
    between = axis.parts.greatest(axis.last_part[a], axis.first_part[b])
    return (axis.last_max[a] < axis.first_min[b]) | (axis.last[a] - axis.first[b] + between < 0)


def _interleaved(axis: Ends, a: IntColumn, b: IntColumn) -> Mask:
    """Two progressions from comparable starts that share no element."""
    result = np.zeros(len(a), bool)
    steps = np.stack([axis.step[a], axis.step[b]], axis=1)
    kinds, kind_of = np.unique(steps, axis=0, return_inverse=True)
    kind_of = kind_of.reshape(-1)
    for number, (p, q) in enumerate(kinds.tolist()):
        rows = np.nonzero(kind_of == number)[0]
        x, y = a[rows], b[rows]
        common = gcd(p, q)
        distance = axis.first[y] - axis.first[x]
        never = distance % common != 0
        # The first common element (by the Chinese remainder theorem) may lie past an end.
        other = q // common
        inverse = pow(p // common, -1, other) if other > 1 else 0
        meeting = axis.first[x] + p * ((distance // common * inverse) % other)
        period = p * other
        begin = np.maximum(axis.first[x], axis.first[y])
        meeting = begin + (meeting - begin) % period
        part = axis.first_part[x]
        known = (axis.last_part[x] == part) & (axis.last_part[y] == part)
        late = meeting > np.minimum(axis.last[x], axis.last[y])
        result[rows] = never | (known & late)
    return result
