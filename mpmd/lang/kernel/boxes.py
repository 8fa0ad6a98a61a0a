"""Boxes of elements: what a region can reach at most, what it reaches at first, and what boxes leave out.

In:  regions of views, and the symbolic loops around them.
Out: boxes (one `range` per axis), and parts of a box that no other box has.
Not here: what it means for a kernel (`kernel/initialised.py`); regions inside of a task (`task/coverage.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mpmd.lang.kernel.ranges import Kind, OpenLoop, greatest, highest, intervals, least
from mpmd.lang.tile import Axis, Region

Box = tuple[range, ...]

_MOST_CELLS = 1 << 20
"""Cells (times boxes) that are looked at; beyond, nothing is said to be left out."""
_MOST_POINTS = 1024
"""Elements of a strided range that are looked at one by one; beyond, it counts as filled."""


def whole(shape: Sequence[int]) -> Box:
    return tuple(range(extent) for extent in shape)


def hull(region: Region, shape: Sequence[int], loops: Sequence[OpenLoop]) -> Box:
    """A box that holds every element which the region has in any iteration, for any launch scalars."""
    return tuple(_hull(axis, size, loops) for axis, size in zip(region, shape, strict=True))


def _hull(axis: Axis, size: int, loops: Sequence[OpenLoop]) -> range:
    if axis.start.is_const and axis.extent.is_const:
        return _constant(axis)
    last = axis.start + (axis.extent - 1) * axis.step
    bounds = intervals(loops)
    low, high = least(axis.start, loops), greatest(last, loops)
    start = axis.start.interval(bounds).lo if low is None else low
    stop = highest(last, loops) if high is None else high
    return range(max(0, start), max(0, min(size, stop + 1)))


def first(region: Region, loops: Iterable[OpenLoop]) -> Box | None:
    """The region in the first iteration of all loops; None where that depends on a launch."""
    values: dict[str, int] = {}
    for loop in loops:
        values |= _first_values(loop)
    axes = [_substituted(axis, values) for axis in region]
    if not all(axis.start.is_const and axis.extent.is_const for axis in axes):
        return None
    return tuple(map(_constant, axes))


def _first_values(loop: OpenLoop) -> dict[str, int]:
    """What is known of the first iteration, if there is one; of segments nothing is."""
    if loop.kind is Kind.REPEAT:
        return {loop.name: 0}
    if loop.kind is Kind.SEGMENTS:
        return {}
    start, size, index = loop.symbols
    values = {start: 0}
    if loop.kind is Kind.TILES or loop.fills:
        values[index] = 0
    if loop.kind is Kind.TILES and loop.size is not None and loop.extent.is_const:
        values[size] = min(loop.size, loop.extent.const)
    elif loop.kind is Kind.SPLIT and loop.fills:
        values[size] = loop.extent.const // loop.parts
    return values


def _substituted(axis: Axis, values: Mapping[str, int]) -> Axis:
    return Axis(axis.start.substitute(values), axis.extent.substitute(values), axis.step, axis.keep)


def _constant(axis: Axis) -> range:
    start, extent = axis.start.const, axis.extent.const
    return range(start, start + extent * axis.step, axis.step)


def left_out(wanted: Box, boxes: Sequence[Box]) -> Box | None:
    """A part of `wanted` that no box has; None if there is none, or too much to look at."""
    edges = [_edges(axis, [box[number] for box in boxes]) for number, axis in enumerate(wanted)]
    cells = [len(points) - 1 for points in edges]
    if 0 in map(len, wanted) or np.prod(cells, dtype=object) * (len(boxes) + 1) > _MOST_CELLS:
        return None
    missing = np.zeros(cells, bool)
    missing[_cells(wanted, edges)] = True
    for box in boxes:
        missing[_cells(box, edges)] = False
    if not missing.any():
        return None
    place = np.unravel_index(int(np.argmax(missing)), missing.shape)
    return tuple(range(points[i], points[i + 1]) for points, i in zip(edges, place, strict=True))


def apart(wanted: Box, boxes: Iterable[Box]) -> bool:
    """Whether no box has any element of `wanted`, which has some."""
    filled = 0 not in map(len, wanted)
    return filled and not any(all(map(_meet, wanted, box)) for box in boxes)


def _meet(a: range, b: range) -> bool:
    """False only if the two have no element in common."""
    return bool(a) and bool(b) and a[0] <= b[-1] and b[0] <= a[-1]


def _edges(wanted: range, others: Sequence[range]) -> list[int]:
    """Where the cells of an axis begin: each cell lies in a range, or outside of it, as a whole."""
    points: set[int] = set()
    for part in (wanted, *others):
        if _is_dotted(part):
            points.update(part, (point + 1 for point in part))
        elif part:
            points.update((part[0], part[-1] + 1))
    return sorted(points)


def _is_dotted(part: range) -> bool:
    return part.step > 1 and 1 < len(part) <= _MOST_POINTS


def _cells(box: Box, edges: Sequence[Sequence[int]]) -> tuple[npt.NDArray[np.intp], ...]:
    return np.ix_(*(_cells_of(part, points) for part, points in zip(box, edges, strict=True)))


def _cells_of(part: range, points: Sequence[int]) -> npt.NDArray[np.intp]:
    if not part:
        return np.zeros(0, np.intp)
    starts = np.asarray(points[:-1])
    inside = (starts >= part[0]) & (starts <= part[-1])
    if _is_dotted(part):
        inside &= (starts - part[0]) % part.step == 0
    return np.flatnonzero(inside)


def shown(box: Box) -> str:
    """As an index: `2, 0:4`."""
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}:{part[-1] + 1}" for part in box)
