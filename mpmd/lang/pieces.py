"""The pieces that loops of a kernel run over, as numbers.

In:  extents, sizes and offsets, all known. Out: `Piece`s; a `BoundsError` where a launch broke a bound.
Not here: loops whose extents are still symbols (`kernel/loops.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpmd.errors import BoundsError, Span


@dataclass(frozen=True, slots=True)
class Piece:
    """`size` elements from `start`; piece number `index` of its loop."""

    start: int
    size: int
    index: int

    def symbols(self, name: str) -> dict[str, int]:
        """The values of the symbols of loop `name` in this piece."""
        return {f"{name}.start": self.start, f"{name}.size": self.size, f"{name}.index": self.index}


def tiles(extent: int, size: int) -> Iterator[Piece]:
    """Pieces of `size` elements; the last may be shorter."""
    for index, start in enumerate(range(0, extent, size)):
        yield Piece(start, min(size, extent - start), index)


def split(extent: int, parts: int) -> Iterator[Piece]:
    """Even pieces, at most `parts`: those without elements are left out."""
    for index in range(parts):
        start, stop = extent * index // parts, extent * (index + 1) // parts
        if stop > start:
            yield Piece(start, stop - start, index)


def segment(offsets: npt.NDArray[Any], index: int, capacity: int, name: str, span: Span) -> Piece:
    """Piece `index` of those that `offsets` (of tensor `name`) delimits; it may have no elements."""
    start, stop = int(offsets[index]), int(offsets[index + 1])
    if start < 0:
        problem = f"segment {index} of '{name}' starts at {start}"
        hint = "offsets count elements from the start of the axis"
    elif stop < start:
        problem = f"the offsets '{name}' fall from {start} to {stop} at segment {index}"
        hint = "each offset is at least as large as the one before it"
    elif stop - start > capacity:
        problem = f"segment {index} of '{name}' has {stop - start} elements, its capacity is {capacity}"
        hint = "give mpmd.segments the largest size that a segment can have"
    else:
        return Piece(start, stop - start, index)
    raise BoundsError(problem, span=span, label=f"{start} to {stop} here", hints=(hint,))


def check_extent(extent: int, most: int | None, what: str, span: Span) -> None:
    """Whether the extent of a loop over pieces, which a launch decides, keeps its bounds."""
    if extent < 0 or (most is not None and extent > most):
        bound = "is negative" if extent < 0 else f"is more than {most}"
        raise BoundsError(
            f"the extent of mpmd.{what} is {extent}, which {bound}",
            span=span,
            label=f"{extent} elements here",
            hints=("'most' bounds a runtime extent; without it, the shortest axis that the pieces index",),
        )


def is_set(flag: npt.NDArray[Any]) -> bool:
    """Whether the one element that ends a loop is other than zero."""
    return bool(np.reshape(flag, -1)[0])
