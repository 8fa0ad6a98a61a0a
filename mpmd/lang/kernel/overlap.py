"""Whether two regions of one tensor can share an element, decided from their expressions alone.

In:  two regions, and intervals for the symbols in them. Out: a proof of disjointness, or none.
Not here: overlap of instances, whose offsets are numbers (`partition`).
"""

from __future__ import annotations

from collections.abc import Mapping

from mpmd.lang.index import Index, Interval
from mpmd.lang.tile import Axis, Region


def provably_disjoint(a: Region, b: Region, bounds: Mapping[str, Interval]) -> bool:
    """True if on some axis the two have no element in common, whatever the symbols are."""
    return any(_apart(x, y, bounds) for x, y in zip(a, b, strict=True))


def _apart(a: Axis, b: Axis, bounds: Mapping[str, Interval]) -> bool:
    return (
        _before(a, b, bounds) or _before(b, a, bounds) or _interleaved(a, b) or _is_empty(a) or _is_empty(b)
    )


def _before(a: Axis, b: Axis, bounds: Mapping[str, Interval]) -> bool:
    last = a.start + (a.extent - 1) * Index(a.step)
    return (b.start - last).interval(bounds).lo >= 1


def _interleaved(a: Axis, b: Axis) -> bool:
    """Every second row and every second row from the next: equal steps, unequal remainders."""
    distance = b.start - a.start
    return a.step == b.step and distance.is_const and distance.const % a.step != 0


def _is_empty(axis: Axis) -> bool:
    return axis.extent.is_const and axis.extent.const <= 0
