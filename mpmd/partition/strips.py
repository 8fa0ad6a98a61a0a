"""Sizes of tile loops around tasks of vector cores, so that what a task holds at once fits a core's memory.

In:  a `TileLoop` whose size is open, the calls in it, the memory and number of vector cores.
Out: the size, or None where the whole extent fits.
Not here: sizes that only speed decides (`tile.py`); tasks with products for cube cores (`engines.py`).

All values of a task are counted as if they were there at once, elements of 4 bytes each; products of a single
row hold what they add up, too. Addresses take less: tiles that are done with are used again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from mpmd.lang.index import INT_MAX, Index, Interval
from mpmd.lang.program import Call, TileLoop
from mpmd.lang.tile import Apply
from mpmd.partition.hoist import meaning
from mpmd.partition.rewrite.bodies import types_of

LANE_BYTES = 4
GRANULE = 16
"""Elements that a row of a tile is a multiple of."""


def strip(
    loop: TileLoop, calls: Sequence[Call], around: Mapping[str, Interval], memory: int, cores: int
) -> int | None:
    """`around` bounds the symbols of other loops."""
    most = loop.extent.interval(around).hi if loop.most is None else loop.most
    if most >= INT_MAX or _bytes(loop, most, calls, around) <= memory:
        return None
    size = min(most, -(-most // cores))
    while size > 1 and _bytes(loop, size, calls, around) > memory:
        size = max(1, (size - 1) // GRANULE * GRANULE if size > GRANULE else size // 2)
    return size


def _bytes(loop: TileLoop, size: int, calls: Sequence[Call], around: Mapping[str, Interval]) -> int:
    bounds = {**around, f"{loop.name}.size": Interval(0, size)}
    return max((_held(call, bounds) for call in calls), default=0)


def _held(call: Call, bounds: Mapping[str, Interval]) -> int:
    known, types = meaning(call), types_of(call.task.body)

    def elements(shape: Sequence[Index]) -> int:
        extents = [extent.substitute(known).interval(bounds).hi for extent in shape]
        *rows, columns = [extent if extent < INT_MAX else 1 for extent in extents] or [1]
        return prod(rows) * -(-columns // GRANULE) * GRANULE

    held = sum(elements(type_.shape) for type_ in types.values())
    for stmt in call.task.body:
        if isinstance(stmt, Apply) and stmt.op == "dot":
            held += elements((*types[stmt.args[0]].shape, *stmt.type.shape[1:]))
    return held * LANE_BYTES
