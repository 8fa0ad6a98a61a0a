"""Loops over pieces whose extents only a launch or the data knows: one `Piece` for each that may exist.

In:  a loop, the most elements it may have, the size of its tiles. Out: its pieces, which say what the
     loop's symbols are, what must hold, and whether the calls inside run.
Not here: loops whose pieces are known (`expand.py`), values per instance (`accesses.py`).

A loop that runs over constant pieces is unrolled too where its symbols meet a runtime value in one
operation (`(pos + t.start) // 4`), since the instances of a call differ by constants only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Union

from mpmd.errors import BoundsError, LanguageError, Span
from mpmd.lang.index import INT_MAX, Index, Opaque, minimum, symbol
from mpmd.lang.program import Call, Loop, Node, ScalarArg, Segments, Split, TileLoop, View
from mpmd.lang.tile import Region
from mpmd.partition.affine import Column, highest, lowest


@dataclass(frozen=True, slots=True)
class Skips:
    """The calls of the piece are passed over unless `value > 0`."""

    value: Index


@dataclass(frozen=True, slots=True)
class Requires:
    """The launch ends unless `lo ≤ value ≤ hi`, if the piece is reached; `what` names the value."""

    value: Index
    lo: int
    hi: int
    span: Span
    what: str


@dataclass(frozen=True, slots=True)
class Holds:
    """`lo ≤ value ≤ hi` follows from what is required."""

    value: Index
    lo: int
    hi: int


Need = Union[Skips, Requires, Holds]

AnyLoop = Union[TileLoop, Split, Segments, Loop]


@dataclass(frozen=True, slots=True)
class Datum:
    """A symbol for an integer in memory: number `place` along the axis that a view keeps."""

    view: View
    place: int


@dataclass(frozen=True, slots=True)
class Rising:
    """`lower ≤ upper ≤ lower + most`, in every piece of one loop's extent."""

    lower: Index
    upper: Index
    most: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Piece `index` of a loop. `constants` and `symbols` are its symbols; needs count in their order."""

    loop: AnyLoop
    index: int
    constants: tuple[tuple[str, int], ...]
    symbols: tuple[tuple[str, Index | Datum], ...] = ()
    needs: tuple[Need, ...] = ()
    rising: tuple[Rising, ...] = ()


def pieces(loop: AnyLoop, size: int | None, known: Mapping[str, int]) -> Iterator[Piece]:
    """The pieces that a loop may have, in order; `known` has the symbols around it that are constant."""
    if isinstance(loop, Segments):
        yield from _segments(loop)
    elif isinstance(loop, Loop):
        for index in range(loop.count.substitute(known).const):
            yield Piece(loop, index, ((loop.name, index),))
    else:
        extent = loop.extent.substitute(known)
        most = extent.const if extent.is_const else bound(loop)
        if isinstance(loop, TileLoop):
            yield from _tiles(loop, extent, size, most)
        else:
            yield from _split(loop, extent, most)


def bound(loop: TileLoop | Split) -> int:
    """The most elements of a loop whose extent is not constant."""
    if loop.most is None:
        raise LanguageError(
            f"nothing bounds the extent of loop '{loop.name}', which is known only at run time",
            span=loop.span,
            label=f"{loop.extent} elements",
            hints=("give most=, the largest extent that a launch may have",),
        )
    return loop.most


def _tiles(loop: TileLoop, extent: Index, size: int | None, most: int) -> Iterator[Piece]:
    size = size or max(1, most)
    name = loop.name
    for index in range(-(-most // size)):
        start = index * size
        here = minimum(size, extent - start)
        constants = ((f"{name}.index", index), (f"{name}.start", start))
        yield from _piece(loop, index, constants, {f"{name}.size": here}, extent, here, most)


def _split(loop: Split, extent: Index, most: int) -> Iterator[Piece]:
    name, parts = loop.name, loop.parts
    longest = -(-most // parts)
    for index in range(parts):
        start, stop = extent * index // parts, extent * (index + 1) // parts
        symbols = {f"{name}.start": start, f"{name}.size": stop - start}
        known = (Holds(stop - start, 0, longest),)
        rising = (Rising(start, stop, longest),)
        yield from _piece(
            loop, index, ((f"{name}.index", index),), symbols, extent, stop - start, most, known, rising
        )


def _piece(
    loop: TileLoop | Split,
    index: int,
    constants: tuple[tuple[str, int], ...],
    symbols: Mapping[str, Index],
    extent: Index,
    here: Index,
    most: int,
    known: tuple[Holds, ...] = (),
    rising: tuple[Rising, ...] = (),
) -> Iterator[Piece]:
    """A piece of a constant extent, if it has elements, or of a runtime extent."""
    if extent.is_const:
        if here.const > 0:
            known_symbols = ((name, value.const) for name, value in symbols.items())
            yield Piece(loop, index, (*constants, *known_symbols), needs=exceeding(loop, extent.const))
        return
    within = _within(loop, extent, most)
    yield Piece(loop, index, constants, tuple(symbols.items()), (within, *known, Skips(here)), rising)


def _within(loop: TileLoop | Split, extent: Index, most: int) -> Requires:
    return Requires(extent, 0, most, loop.span, f"the extent {loop.extent} of loop '{loop.name}'")


def exceeding(loop: TileLoop | Split, extent: Column) -> tuple[Requires, ...]:
    """What cannot be met if a loop is reached, where its extents are known and too large."""
    low, high = lowest(extent), highest(extent)
    most = INT_MAX if loop.most is None else loop.most
    if low < 0:
        raise BoundsError(
            f"the extent {loop.extent} of loop '{loop.name}' is {low}",
            span=loop.span,
            label="in some iteration",
            hints=("an extent counts elements: it is not negative",),
        )
    return (_within(loop, Index(high), most),) if high > most else ()


def _segments(loop: Segments) -> Iterator[Piece]:
    name = loop.name
    for index in range(loop.count):
        low, high = f"@{name}[{index}]", f"@{name}[{index + 1}]"
        start, size = symbol(low), symbol(high) - symbol(low)
        segment = f"segment {index} of loop '{name}'"
        yield Piece(
            loop,
            index,
            ((f"{name}.index", index),),
            (
                (low, Datum(loop.offsets, index)),
                (high, Datum(loop.offsets, index + 1)),
                (f"{name}.start", start),
                (f"{name}.size", size),
            ),
            (
                Requires(start, 0, INT_MAX, loop.span, f"the start of {segment}"),
                Requires(size, 0, loop.capacity, loop.span, f"the size of {segment}"),
                Skips(size),
            ),
            (Rising(symbol(low), symbol(high), loop.capacity),),
        )


# -- which loops -------------------------------------------------------------------------------


def unrolled(body: tuple[Node, ...], repeated: frozenset[str]) -> frozenset[str]:
    """The names of the loops that become copies; `repeated` loops have a runtime variable."""
    found: set[str] = set()
    known = -1
    while known < len(found):  # unrolling a loop makes its symbols constants, and may need others unrolled
        known = len(found)
        _mark(body, {}, frozenset(), found, repeated)
    return frozenset(found)


def _mark(
    body: tuple[Node, ...],
    columns: Mapping[str, str],
    constants: frozenset[str],
    found: set[str],
    repeated: frozenset[str],
) -> None:
    """`columns`: symbols that differ between instances, and whose they are; others are runtime values."""
    for node in body:
        if isinstance(node, Call):
            for index in _indices(node):
                found |= _mixed(index, columns, constants)
            continue
        bounds = _bounds(node)
        around = {columns[s] for s in bounds if s in columns}
        runtime = isinstance(node, Segments) or any(s not in columns and s not in constants for s in bounds)
        if node.name in repeated:
            _mark(node.body, columns, constants, found, repeated)
            continue
        if isinstance(node, Loop):
            symbols = {node.name}
        elif runtime:
            found.add(node.name)
            start = {f"{node.name}.start"} if isinstance(node, TileLoop) else set[str]()
            symbols = {f"{node.name}.index", *start}
        else:
            symbols = {f"{node.name}.{part}" for part in ("start", "size", "index")}
        if node.name in found:
            found |= around
            _mark(node.body, columns, constants | symbols, found, repeated)
        else:
            _mark(node.body, {**columns, **dict.fromkeys(symbols, node.name)}, constants, found, repeated)


def _bounds(node: AnyLoop) -> frozenset[str]:
    """The symbols that say which pieces a loop has."""
    if isinstance(node, Segments):
        return frozenset[str]().union(*(axis.start.symbols() for axis in node.offsets.region))
    return node.count.symbols() if isinstance(node, Loop) else node.extent.symbols()


def _indices(call: Call) -> Iterator[Index]:
    for arg in call.args:
        if isinstance(arg, View):
            yield from _region_indices(arg.region)
        elif isinstance(arg, ScalarArg) and isinstance(arg.value, Index):
            yield arg.value


def _region_indices(region: Region) -> Iterator[Index]:
    for axis in region:
        yield axis.start
        yield axis.extent


def _mixed(index: Index, columns: Mapping[str, str], constants: frozenset[str]) -> set[str]:
    """The loops whose symbols an operation combines with a runtime value."""
    loops: set[str] = set()
    for atom, _ in index.terms:
        if isinstance(atom, Opaque):
            names = atom.lhs.symbols() | atom.rhs.symbols()
            if any(name not in columns and name not in constants for name in names):
                loops |= {columns[name] for name in names if name in columns}
    return loops
