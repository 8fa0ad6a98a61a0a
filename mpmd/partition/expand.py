"""Loops to instances: which task instances a program has, numbered in program order.

In:  the tree of a `Program` and a size for every tile loop.
Out: per call site a `SiteInstances`: the ids of its instances and the values of its loop symbols.
Not here: choosing sizes (`tile.py`), regions and rows (`views.py`, `rows.py`).

Program order is iteration-major: all calls of one iteration come before those of the next. Ids are
dense and follow it, whatever the nesting: every iteration knows how many instances it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Union

import numpy as np

from mpmd.errors import CapacityError, LanguageError
from mpmd.lang.index import Index
from mpmd.lang.program import Call, Loop, Node, TileLoop
from mpmd.partition.affine import Column, highest
from mpmd.partition.graph import IntColumn

MOST_INSTANCES = 2**31 - 1


@dataclass(frozen=True, eq=False)
class SiteInstances:
    """The instances of one call: their ids, ascending, and a column for each enclosing loop's symbols."""

    call: Call
    loops: tuple[TileLoop | Loop, ...]  # enclosing, outermost first
    ids: IntColumn
    columns: Mapping[str, Column]


@dataclass(frozen=True, eq=False)
class _Leaf:
    call: Call
    columns: Mapping[str, Column]


@dataclass(frozen=True, eq=False)
class _Nest:
    loop: TileLoop | Loop
    parent: IntColumn  # of each iteration of this loop, the iteration of the enclosing one
    body: _Block


_Part = Union[_Leaf, _Nest]


@dataclass(frozen=True, eq=False)
class _Block:
    """The nodes of one body, over all iterations of its loop; `counts` is instances per iteration."""

    parts: tuple[tuple[_Part, Column], ...]
    counts: IntColumn


def expand(body: tuple[Node, ...], sizes: Mapping[str, int | None]) -> tuple[SiteInstances, ...]:
    """The call sites that have instances, in source order. A size of None is the loop's whole extent."""
    block = _unroll(body, 1, {}, sizes)
    sites: list[SiteInstances] = []
    _number(block, np.zeros(1, np.int64), (), sites)
    return tuple(site for site in sites if len(site.ids))


def whole_extent(loop: TileLoop, columns: Mapping[str, Column]) -> int:
    """The largest extent of a loop over its enclosing iterations, at least 1."""
    return max(1, highest(_static(loop.extent, columns, loop)))


def _unroll(
    body: tuple[Node, ...], iterations: int, columns: Mapping[str, Column], sizes: Mapping[str, int | None]
) -> _Block:
    counts = np.zeros(iterations, np.int64)
    parts: list[tuple[_Part, Column]] = []
    for node in body:
        if isinstance(node, Call):
            part, count = _Leaf(node, columns), 1
        else:
            part, count = _unroll_loop(node, iterations, columns, sizes)
        parts.append((part, count))
        counts = counts + count
    return _Block(tuple(parts), counts)


def _unroll_loop(
    loop: TileLoop | Loop, iterations: int, columns: Mapping[str, Column], sizes: Mapping[str, int | None]
) -> tuple[_Nest, Column]:
    if not iterations:
        empty = np.zeros(0, np.int64)
        return _Nest(loop, empty, _Block((), empty)), 0
    if isinstance(loop, TileLoop):
        size = sizes[loop.name] or whole_extent(loop, columns)
        extent = np.broadcast_to(_static(loop.extent, columns, loop), (iterations,))
    else:
        size = 1
        extent = np.broadcast_to(_static(loop.count, columns, loop), (iterations,))
    trips = np.maximum(0, -(-extent // size))
    total = int(trips.sum())
    if total > MOST_INSTANCES:
        raise CapacityError(
            f"loop '{loop.name}' has {total} iterations", span=loop.span, hints=("use larger tiles",)
        )
    parent = np.repeat(np.arange(iterations), trips)
    index = np.arange(total) - np.repeat(np.cumsum(trips) - trips, trips)
    inner = {name: value if isinstance(value, int) else value[parent] for name, value in columns.items()}
    if isinstance(loop, TileLoop):
        start = index * size
        inner[f"{loop.name}.index"] = index
        inner[f"{loop.name}.start"] = start
        inner[f"{loop.name}.size"] = np.minimum(size, extent[parent] - start)
    else:
        inner[loop.name] = index
    block = _unroll(loop.body, total, inner, sizes)
    counts = np.zeros(iterations, np.int64)
    np.add.at(counts, parent, block.counts)
    return _Nest(loop, parent, block), counts


def _static(index: Index, columns: Mapping[str, Column], loop: TileLoop | Loop) -> Column:
    unknown = sorted(index.symbols() - columns.keys())
    if unknown:
        raise LanguageError(
            f"the extent of loop '{loop.name}' depends on the runtime value '{unknown[0]}'",
            span=loop.span,
            label="the number of iterations must be known when the kernel is compiled",
            hints=("loop over the largest extent, or loop in the task, where range() may be runtime",),
        )
    return index.evaluate(columns)


def _number(
    block: _Block, first: IntColumn, loops: tuple[TileLoop | Loop, ...], sites: list[SiteInstances]
) -> None:
    """Give ids to the instances of `block`, whose iteration `i` starts at id `first[i]`."""
    for part, count in block.parts:
        if isinstance(part, _Leaf):
            sites.append(SiteInstances(part.call, loops, first, part.columns))
        else:
            inner = part.body.counts
            before = np.cumsum(inner) - inner
            first_inner = np.searchsorted(part.parent, np.arange(len(first)))
            base = np.append(before, inner.sum())[first_inner]
            _number(part.body, first[part.parent] + before - base[part.parent], (*loops, part.loop), sites)
        first = first + count
