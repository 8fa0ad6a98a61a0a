"""What the symbols of a kernel range over, and what follows for an index expression.

In:  the loops that are open and the runtime scalars.
Out: intervals, and the least and greatest value that an expression takes where those are exact.
Not here: the check at launch for runtime scalars (`partition` emits its guards).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mpmd.lang.index import INT_MAX, Index, Interval, Sym


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """A symbolic loop. A tile loop ranges over pieces of `extent`; any other over 0 … extent − 1."""

    name: str
    extent: Index
    tiled: bool
    size: int | None = None

    @property
    def symbols(self) -> tuple[str, ...]:
        parts = ("start", "size", "index")
        return tuple(f"{self.name}.{part}" for part in parts) if self.tiled else (self.name,)


def intervals(loops: Iterable[OpenLoop]) -> dict[str, Interval]:
    """Bounds, not always attained, for the symbols of the loops."""
    bounds: dict[str, Interval] = {}
    for loop in loops:
        most = loop.extent.interval(bounds).hi
        last = max(0, most - 1) if most < INT_MAX else INT_MAX
        if loop.tiled:
            size = most if loop.size is None else min(most, loop.size)
            bounds[f"{loop.name}.start"] = Interval(0, last)
            bounds[f"{loop.name}.size"] = Interval(1, max(1, size))
            bounds[f"{loop.name}.index"] = Interval(0, last)
        else:
            bounds[loop.name] = Interval(0, last)
    return bounds


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
    if all(c <= 0 for c in coefficients) and coefficients[1:2] in ([], [0]):
        return 0  # starts and counters begin at 0
    if not loop.extent.is_const:
        return None
    extent = loop.extent.const
    if not loop.tiled:
        return coefficients[0] * (extent - 1)
    start, size, index = coefficients
    if start == size and start > 0 and index == 0:
        return start * extent  # the last tile ends at the extent
    if size == 0 and start >= 0 and index >= 0 and loop.size is not None:
        return (extent - 1) // loop.size * (start * loop.size + index)
    return None
