"""Buffers in one arena: where each goes, given which may share a place.

In:  sizes, lives, and who may follow whom. Out: offsets, and what no plan needs less than.
Not here: when buffers are alive (`memory.py`, `unfused.py`).

Greedy by size with best fit, for intervals (Pisarchyk and Lee 2020), and for any rule on who may share.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mpmd.lang.program import Tensor
from mpmd.partition.graph import IntColumn

ALIGNMENT = 64


def aligned(size: int) -> int:
    return max(ALIGNMENT, -(-size // ALIGNMENT) * ALIGNMENT)


def packed(size: IntColumn, order: IntColumn, may_follow: npt.NDArray[np.bool_]) -> IntColumn:
    """Offsets, each into the tightest gap in turn. `may_follow[i, j]`: `j` may take the place of `i`."""
    if not may_follow.any():
        return _side_by_side(size, order)
    offset = np.zeros(len(size), np.int64)
    placed = np.zeros(0, np.int64)  # by offset
    for i in order.tolist():
        together = placed[~(may_follow[i, placed] | may_follow[placed, i])]
        offset[i] = _best_gap(offset[together], size[together], int(size[i]))
        placed = np.insert(placed, np.searchsorted(offset[placed], offset[i], side="right"), i)
    return offset


def _side_by_side(size: IntColumn, order: IntColumn) -> IntColumn:
    """Where nobody shares there are no gaps."""
    offset = np.zeros(len(size), np.int64)
    offset[order[1:]] = np.cumsum(size[order])[:-1]
    return offset


def _best_gap(lo: IntColumn, size: IntColumn, need: int) -> int:
    """The start of the smallest gap of at least `need` between the taken ranges (by `lo`), else their end."""
    ends = np.maximum.accumulate(np.concatenate([[0], lo + size]))
    gaps = lo - ends[:-1]
    fits = np.flatnonzero(gaps >= need)
    return int(ends[fits[gaps[fits].argmin()]] if len(fits) else ends[-1])


def most_alive(size: IntColumn, first: IntColumn, last: IntColumn) -> int:
    """The largest sum of sizes over the buffers alive at one moment, `first` to `last` each."""
    if not len(size):
        return 0
    when = np.concatenate([first, last + 1])
    change = np.concatenate([size, -size])
    in_time = np.lexsort((change, when))  # those that end make room first
    return int(np.cumsum(change[in_time]).max())


def offsets_of_tensors(tensors: Sequence[Tensor], placed: IntColumn, offset: IntColumn) -> IntColumn:
    """Per tensor its offset: a view has its root's, arguments have −1, what has no place has 0."""
    result = np.array([-1 if t.is_argument else 0 for t in tensors], np.int64)
    result[placed] = offset
    for tensor in tensors:
        root = tensor
        while root.base is not None:
            root = tensors[root.base]
        result[tensor.id] = result[root.id]
    return result
