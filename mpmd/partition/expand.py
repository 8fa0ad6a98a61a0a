"""Loops to instances: which task instances a program has, numbered in program order.

In:  the tree of a `Program`, a size for every tile loop, the loops whose bodies are repeated.
Out: per call site a `SiteInstances`: the ids of its instances and what its loop symbols are.
Not here: choosing sizes (`tile.py`), pieces that a launch decides (`unroll.py`), regions and rows
(`accesses.py`, `specialise.py`), which contents data symbols see (`versions.py`).

Program order is iteration-major: all calls of one iteration come before those of the next. Ids are
dense and follow it, whatever the nesting: every iteration knows how many instances it holds. A repeated
loop's body is there once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Union

import numpy as np

from mpmd.errors import CapacityError, LanguageError
from mpmd.lang.index import Index
from mpmd.lang.program import Call, Loop, Node, Segments, Split, TensorId, TileLoop
from mpmd.partition import unroll
from mpmd.partition.affine import Column, highest
from mpmd.partition.graph import IntColumn
from mpmd.partition.unroll import AnyLoop, Piece

MOST_INSTANCES = 2**31 - 1

MOST_COPIES = 100_000
"""Calls that unrolled loops may become; each takes about as long to compile as a call of its own."""


@dataclass(frozen=True, eq=False)
class SiteInstances:
    """The instances of one call: their ids, ascending, and a column for each loop symbol that is known.

    A call in loops that were unrolled has a site for each combination of their `pieces`. `repeated` is the
    loop around it whose body is there once. `versions` tells, by root tensor, how often the tensors that
    its data symbols read have been written before; those in `volatile` are written in the repeated loop.
    """

    call: Call
    loops: tuple[AnyLoop, ...]  # enclosing, outermost first
    ids: IntColumn
    columns: Mapping[str, Column]
    pieces: tuple[Piece, ...] = ()  # of the enclosing loops that were unrolled, outermost first
    repeated: Loop | None = None
    versions: Mapping[TensorId, int] = field(default_factory=dict)
    volatile: frozenset[TensorId] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class _Around:
    """What encloses a body."""

    loops: tuple[AnyLoop, ...] = ()
    columns: Mapping[str, Column] = field(default_factory=dict)
    pieces: tuple[Piece, ...] = ()
    repeated: Loop | None = None


@dataclass(frozen=True, eq=False)
class _Leaf:
    call: Call
    around: _Around


@dataclass(frozen=True, eq=False)
class _Nest:
    parent: IntColumn  # of each iteration of this loop, the iteration of the enclosing one
    body: _Block


_Part = Union[_Leaf, _Nest]


@dataclass(frozen=True, eq=False)
class _Block:
    """The nodes of one body, over all iterations of its loop; `counts` is instances per iteration."""

    parts: tuple[tuple[_Part, Column], ...]
    counts: IntColumn


def expand(
    body: tuple[Node, ...], sizes: Mapping[str, int | None], *, repeated: frozenset[str] = frozenset()
) -> tuple[SiteInstances, ...]:
    """The call sites that have instances, in source order. A size of None is the loop's whole extent.

    The bodies of the loops named in `repeated` are there once, and their variables are left open.
    """
    expansion = _Expansion(sizes, repeated, unroll.unrolled(body, repeated))
    block = expansion.block(body, 1, _Around())
    sites: list[SiteInstances] = []
    _number(block, np.zeros(1, np.int64), sites)
    return tuple(site for site in sites if len(site.ids))


def trips(loop: AnyLoop, site: SiteInstances, sizes: Mapping[str, int | None]) -> int:
    """The most iterations, over its enclosing ones, of a loop around a call; of a repeated one, 1."""
    if loop is site.repeated:
        return 1
    if isinstance(loop, Loop):
        return max(1, highest(_count(loop, site.columns)))
    if isinstance(loop, TileLoop):
        extent = whole_extent(loop, site)
        return -(-extent // (sizes[loop.name] or extent))
    return loop.parts if isinstance(loop, Split) else loop.count


def whole_extent(loop: TileLoop, site: SiteInstances) -> int:
    """The largest extent of a loop around a call, at least 1."""
    if loop.extent.symbols() <= site.columns.keys():
        return max(1, highest(_column(loop.extent, site.columns)))
    return max(1, unroll.bound(loop))


@dataclass(slots=True)
class _Expansion:
    """The walk over a program's tree; `copies` counts the calls that unrolled loops became."""

    sizes: Mapping[str, int | None]
    repeated: frozenset[str]
    unrolled: frozenset[str]
    copies: int = 0

    def block(self, body: tuple[Node, ...], iterations: int, around: _Around) -> _Block:
        counts = np.zeros(iterations, np.int64)
        parts = tuple(self._parts(body, iterations, around))
        for _, count in parts:
            counts = counts + count
        return _Block(parts, counts)

    def _parts(
        self, body: tuple[Node, ...], iterations: int, around: _Around
    ) -> Iterator[tuple[_Part, Column]]:
        for node in body:
            if isinstance(node, Call):
                self.copies += bool(around.pieces)
                yield _Leaf(node, around), 1
            elif node.name in self.repeated:
                assert isinstance(node, Loop), "only mpmd.loop repeats"
                inner = _Around((*around.loops, node), around.columns, around.pieces, node)
                yield from self._parts(node.body, iterations, inner)
            elif node.name in self.unrolled:
                yield from self._copies(node, iterations, around)
            else:
                yield self._nest(node, iterations, around)

    def _copies(self, loop: AnyLoop, iterations: int, around: _Around) -> Iterator[tuple[_Part, Column]]:
        """The body once for each piece of a loop."""
        known = {name: value for name, value in around.columns.items() if isinstance(value, int)}
        if isinstance(loop, Loop):
            _count(loop, known)
        for piece in unroll.pieces(loop, self.sizes.get(loop.name), known):
            inner = _Around(
                (*around.loops, loop),
                {**around.columns, **dict(piece.constants)},
                (*around.pieces, piece),
                around.repeated,
            )
            yield from self._parts(loop.body, iterations, inner)
            if self.copies > MOST_COPIES:
                raise CapacityError(
                    f"loop '{loop.name}' makes more than {MOST_COPIES} copies of its calls",
                    span=loop.span,
                    label="its pieces depend on values known only at run time",
                    hints=("use larger tiles, or a smaller most=",),
                )

    def _nest(self, loop: AnyLoop, iterations: int, around: _Around) -> tuple[_Nest, Column]:
        """A loop whose pieces are known: its iterations as columns."""
        assert not isinstance(loop, Segments), "data decides its pieces: it is unrolled"
        if not iterations:
            empty = np.zeros(0, np.int64)
            return _Nest(empty, _Block((), empty)), 0
        parent, symbols = self._iterations(loop, iterations, around.columns)
        pieces = around.pieces
        if not isinstance(loop, Loop):
            needs = unroll.exceeding(loop, _column(loop.extent, around.columns))
            pieces = (*pieces, Piece(loop, 0, (), needs=needs)) if needs else pieces
        inner: dict[str, Column] = {
            name: value if isinstance(value, int) else value[parent] for name, value in around.columns.items()
        }
        inner.update(symbols)
        nested = _Around((*around.loops, loop), inner, pieces, around.repeated)
        block = self.block(loop.body, len(parent), nested)
        counts = np.zeros(iterations, np.int64)
        np.add.at(counts, parent, block.counts)
        return _Nest(parent, block), counts

    def _iterations(
        self, loop: TileLoop | Split | Loop, iterations: int, columns: Mapping[str, Column]
    ) -> tuple[IntColumn, dict[str, Column]]:
        """Of each iteration, the enclosing one, and the loop's symbols."""
        if isinstance(loop, Loop):
            trips = np.broadcast_to(_count(loop, columns), (iterations,))
            parent, index = _numbered(loop, trips)
            return parent, {loop.name: index}
        extent = np.broadcast_to(_column(loop.extent, columns), (iterations,))
        if isinstance(loop, Split):
            parent, index = _numbered(loop, np.full(iterations, loop.parts))
            start, stop = (extent[parent] * k // loop.parts for k in (index, index + 1))
            filled = stop > start
            parent, index, start, stop = parent[filled], index[filled], start[filled], stop[filled]
            size = stop - start
        else:
            step = self.sizes[loop.name] or max(1, highest(extent))
            parent, index = _numbered(loop, -(-extent // step))
            start = index * step
            size = np.minimum(step, extent[parent] - start)
        return parent, {f"{loop.name}.index": index, f"{loop.name}.start": start, f"{loop.name}.size": size}


def _numbered(loop: AnyLoop, trips: IntColumn) -> tuple[IntColumn, IntColumn]:
    """For so many iterations each: the enclosing iteration, and the number within it."""
    trips = np.maximum(0, trips)
    total = int(trips.sum())
    if total > MOST_INSTANCES:
        raise CapacityError(
            f"loop '{loop.name}' has {total} iterations", span=loop.span, hints=("use larger tiles",)
        )
    parent = np.repeat(np.arange(len(trips)), trips)
    return parent, np.arange(total) - np.repeat(np.cumsum(trips) - trips, trips)


def _count(loop: Loop, columns: Mapping[str, Column]) -> Column:
    unknown = sorted(loop.count.symbols() - columns.keys())
    if unknown:
        raise LanguageError(
            f"how often loop '{loop.name}' runs depends on the runtime value '{unknown[0]}'",
            span=loop.span,
            label="only a loop that stands in no other loop may run so often",
            hints=("move the loop out, give it a constant count, or loop in the task with range()",),
        )
    count = _column(loop.count, columns)
    if loop.until is not None and highest(count) > 1:
        raise LanguageError(
            f"loop '{loop.name}' ends early, but stands in another loop",
            span=loop.span,
            label="until= needs a loop that stands in no other loop",
            hints=("move the loop out, or leave until= away",),
        )
    return count


def _column(index: Index, columns: Mapping[str, Column]) -> Column:
    value = index.evaluate(columns)
    return value if isinstance(value, np.ndarray) else int(value)


def _number(block: _Block, first: IntColumn, sites: list[SiteInstances]) -> None:
    """Give ids to the instances of `block`, whose iteration `i` starts at id `first[i]`."""
    for part, count in block.parts:
        if isinstance(part, _Leaf):
            a = part.around
            sites.append(SiteInstances(part.call, a.loops, first, a.columns, a.pieces, a.repeated))
        else:
            inner = part.body.counts
            before = np.cumsum(inner) - inner
            first_inner = np.searchsorted(part.parent, np.arange(len(first)))
            base = np.append(before, inner.sum())[first_inner]
            _number(part.body, first[part.parent] + before - base[part.parent], sites)
        first = first + count
