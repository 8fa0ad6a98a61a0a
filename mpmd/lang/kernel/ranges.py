"""What the symbols of a kernel range over, and what follows for an index expression.

In:  the loops that are open and the runtime scalars.
Out: intervals, and the least and greatest value that an expression takes where those are exact.
Not here: the check at launch for runtime scalars (`partition` emits its guards).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from mpmd.lang import program as prog
from mpmd.lang.index import INT_MAX, Index, Interval, Sym, symbol


class Kind(Enum):
    """Which loop it is."""

    TILES = "tiles"
    SPLIT = "split"
    SEGMENTS = "segments"
    REPEAT = "loop"
    DIM = "dim"


UNKNOWN = Index(INT_MAX)
"""The extent that `segments` make up: data decide."""


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """A symbolic loop: over pieces of `extent` elements in all, or over 0 … extent − 1.

    Around all loops may stand dims that a launch binds: one number, 0 … extent.

    `size` is what a piece has at most, `pieces` how many there are at most, and `most` bounds the
    extent, as far as they are known.
    """

    name: str
    kind: Kind
    extent: Index
    size: int | None = None
    pieces: int | None = None
    most: int | None = None

    @property
    def symbols(self) -> tuple[str, ...]:
        if self.kind in (Kind.REPEAT, Kind.DIM):
            return (self.name,)
        return tuple(f"{self.name}.{part}" for part in ("start", "size", "index"))

    @property
    def fills(self) -> bool:
        """Whether each of so many even pieces has an element for certain."""
        return self.extent.is_const and self.extent.const >= self.parts

    @property
    def parts(self) -> int:
        """How many even pieces a split makes."""
        return self.pieces or 1


def opened(node: prog.TileLoop | prog.Split | prog.Segments | prog.Loop) -> OpenLoop:
    """A loop of a program."""
    if isinstance(node, prog.TileLoop):
        return OpenLoop(node.name, Kind.TILES, node.extent, size=node.size, most=node.most)
    if isinstance(node, prog.Split):
        return OpenLoop(node.name, Kind.SPLIT, node.extent, pieces=node.parts, most=node.most)
    if isinstance(node, prog.Segments):
        return OpenLoop(node.name, Kind.SEGMENTS, UNKNOWN, size=node.capacity, pieces=node.count)
    return OpenLoop(node.name, Kind.REPEAT, node.count)


def intervals(loops: Iterable[OpenLoop]) -> dict[str, Interval]:
    """Bounds, not always attained, for the symbols of the loops. Pieces without elements are skipped."""
    bounds: dict[str, Interval] = {}
    for loop in loops:
        most = _most(loop, bounds)
        last = max(0, most - 1) if most < INT_MAX else INT_MAX
        if loop.kind is Kind.DIM:
            bounds[loop.name] = Interval(0, most)
        elif loop.kind is Kind.REPEAT:
            bounds[loop.name] = Interval(0, last)
        else:
            bounds[f"{loop.name}.start"] = Interval(0, last)
            bounds[f"{loop.name}.size"] = Interval(1, max(1, _largest(loop, most)))
            bounds[f"{loop.name}.index"] = Interval(0, last if loop.pieces is None else loop.pieces - 1)
    return bounds


def _most(loop: OpenLoop, bounds: dict[str, Interval]) -> int:
    known = loop.extent.interval(bounds).hi
    return known if loop.most is None else min(known, loop.most)


def _largest(loop: OpenLoop, most: int) -> int:
    """The elements of a piece at most."""
    if loop.kind is Kind.SPLIT and most < INT_MAX:
        return -(-most // loop.parts)
    return most if loop.size is None else min(most, loop.size)


def highest(value: Index, loops: Iterable[OpenLoop]) -> int:
    """An upper bound of the value; of a piece's stop (start + size) the loop's extent is one."""
    loops = tuple(loops)
    bounds = intervals(loops)
    for loop in loops:
        if loop.kind in (Kind.REPEAT, Kind.DIM):
            continue
        bounds[f"{loop.name}.stop"] = Interval(1, max(1, _most(loop, bounds)))
        value = _with_stop(value, loop.name)
    return value.interval(bounds).hi


def _with_stop(value: Index, loop: str) -> Index:
    """The value with the sum of start and size as one symbol, as often as both are in it."""
    start, size, stop = (f"{loop}.{part}" for part in ("start", "size", "stop"))
    times = min(_coefficient(value, start), _coefficient(value, size))
    if times <= 0:
        return value
    return value + (symbol(stop) - symbol(start) - symbol(size)) * times


def _coefficient(value: Index, name: str) -> int:
    return next((c for atom, c in value.terms if atom == Sym(name)), 0)


def greatest(value: Index, loops: Iterable[OpenLoop]) -> int | None:
    """The greatest value over all iterations, if it is a constant that an iteration attains."""
    if not value.terms:
        return value.const
    if not all(isinstance(atom, Sym) for atom, _ in value.terms):
        return None
    coefficients = {str(atom): coefficient for atom, coefficient in value.terms}
    total = value.const
    for loop in loops:
        part = _greatest_of(loop, [coefficients.pop(s, 0) for s in loop.symbols])
        if part is None:
            return None
        total += part
    return None if coefficients else total


def least(value: Index, loops: Iterable[OpenLoop]) -> int | None:
    """The least value over all iterations, if it is a constant that an iteration attains."""
    if not value.terms:
        return value.const
    opposite = greatest(-value, loops)
    return None if opposite is None else -opposite


def _greatest_of(loop: OpenLoop, coefficients: list[int]) -> int | None:
    """The greatest sum of a loop's symbols with these coefficients."""
    if not any(coefficients):
        return 0
    if loop.kind is Kind.DIM:
        return None  # a launch decides, and checks
    if loop.kind is Kind.REPEAT:
        (coefficient,) = coefficients
        if coefficient < 0:
            return 0  # counters begin at 0
        return coefficient * (loop.extent.const - 1) if loop.extent.is_const else None
    return _greatest_of_pieces(loop, *coefficients)


def _greatest_of_pieces(loop: OpenLoop, start: int, size: int, index: int) -> int | None:
    if loop.kind is Kind.SEGMENTS or (loop.kind is Kind.SPLIT and index and not loop.fills):
        return None  # the first and the last piece may have no elements
    if start <= 0 and size == 0 and index <= 0:
        return 0  # the first piece begins at 0
    if not loop.extent.is_const:
        return None
    extent = loop.extent.const
    if start == size and start > 0 and index == 0:
        return start * extent  # the last piece ends at the extent
    if size or start < 0 or index < 0:
        return None
    if loop.kind is Kind.TILES:
        return None if loop.size is None else (extent - 1) // loop.size * (start * loop.size + index)
    last = loop.parts - 1
    return start * (extent * last // loop.parts) + index * last if loop.fills else None
