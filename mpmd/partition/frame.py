"""One coordinate system for all reshaped views of a tensor.

In:  the shapes under which a tensor's storage is seen. Out: a `Frame` into which regions of all of them
     are projected: exactly in the axes of their own shape, and in those of the others where the shapes
     nest (rows × heads·64 with rows × heads × 64) and the region follows the finer cut; else as the
     smallest box around it.
Not here: comparing regions (`regions.py`).

A reshape keeps the flat order, so each axis of each shape is a digit of an element's flat position.
Shapes that do not nest (6 × 4 with 4 × 6) have in common only the flat position itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import prod

import numpy as np
import numpy.typing as npt

from mpmd.partition.accesses import Access
from mpmd.partition.affine import Affine, Column
from mpmd.partition.guards import Intervals, interval_of

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """On one axis of a frame, per instance: `first`, `first + step`, … up to `last`."""

    first: Affine
    last: Affine
    step: Column


_ELEMENT = Run(Affine(0), Affine(0), 1)
"""The one element of a 0-d tensor."""

Coordinate = tuple[int, int]
"""(inner, outer): of an element at flat position p it is `p % outer // inner`."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What all views of a tensor are projected to: a few coordinates of each element.

    They are the axes of every shape, so that a region is exact in those of its own, and where the
    shapes nest the finest axes that they share. Two regions that differ in one coordinate are apart; a
    region holds another only if it does in all of them.
    """

    coordinates: tuple[Coordinate, ...]
    finest: tuple[Coordinate, ...]  # outermost first; the whole tensor where the shapes do not nest

    @property
    def shape(self) -> Shape:
        return tuple(outer // inner for inner, outer in self.coordinates)

    def project(self, access: Access, intervals: Intervals) -> tuple[Run, ...]:
        """The region of an access, one `Run` per coordinate."""
        axes = _axes(access.tensor.shape)
        runs = [Run(s.start, s.last, s.step) for s in access.spans] or [_ELEMENT]
        own = dict(zip(axes, runs, strict=True))
        if all(coordinate in own for coordinate in self.coordinates):
            return tuple(own[coordinate] for coordinate in self.coordinates)
        parts = self._finest(own, intervals)
        return tuple(
            own[c] if c in own else parts[c] if c in parts else _joined(parts, c, intervals)
            for c in self.coordinates
        )

    def _finest(self, own: dict[Coordinate, Run], intervals: Intervals) -> dict[Coordinate, Run]:
        parts: dict[Coordinate, Run] = {}
        for (inner, outer), run in own.items():
            within = [c for c in self.finest if inner <= c[0] and c[1] <= outer]
            if within:
                extents = tuple(high // low for low, high in within)
                parts.update(zip(within, _split(run, extents, intervals), strict=True))
        return parts or {self.finest[0]: _flat(own)}


def frame_of(shapes: Iterable[Shape]) -> Frame:
    """The frame in which regions of all `shapes`, of one size, can be compared."""
    distinct = list(dict.fromkeys(shapes))
    axes = list(dict.fromkeys(axis for shape in distinct for axis in _axes(shape)))
    if len(distinct) == 1:
        return Frame(tuple(axes), tuple(axes))
    cuts = sorted({cut for shape in distinct for cut in _cuts(shape)})
    nested = all(outer % inner == 0 for inner, outer in pairwise(cuts))
    finest = list(reversed(list(pairwise(cuts)))) if nested and len(cuts) > 1 else [(1, prod(distinct[0]))]
    return Frame(tuple(dict.fromkeys([*finest, *axes])), tuple(finest))


@lru_cache(maxsize=1024)
def _axes(shape: Shape) -> tuple[Coordinate, ...]:
    """The axes of a shape as coordinates; of a 0-d tensor, its one element's."""
    return tuple(reversed(list(pairwise(_cuts(shape))))) or ((1, 1),)


def _cuts(shape: Shape) -> list[int]:
    """Sizes of the trailing parts of a shape: 1, last, last two, …"""
    cuts = [1]
    for extent in reversed(shape):
        cuts.append(cuts[-1] * max(extent, 1))  # nothing lies in an empty tensor
    return cuts


def _split(run: Run, inner: Shape, intervals: Intervals) -> tuple[Run, ...]:
    """A run on an axis that the frame splits into `inner`, outermost first."""
    if not inner:
        return ()
    if len(inner) > 1:
        run = _hull(run, prod(inner), intervals)
    parts: list[Run] = []
    while len(inner) > 1:
        inner = inner[1:]
        outer, run = _split_once(run, prod(inner))
        parts.append(outer)
    return (*parts, run)


def _split_once(run: Run, block: int) -> tuple[Run, Run]:
    """Cut a constant run into (which block, where in the block)."""
    first, last, step = np.asarray(run.first.const), np.asarray(run.last.const), np.asarray(run.step)
    outer_first, outer_last = first // block, last // block
    one_block = outer_first == outer_last
    on_grid = (step % block == 0) | (first == last)  # each element at the same place of its block
    keep = one_block | on_grid
    inner = Run(
        Affine(_where(keep, first % block, 0)),
        Affine(_where(one_block, last % block, _where(on_grid, first % block, block - 1))),
        _where(one_block, step, 1),
    )
    skipping = on_grid & (outer_first < outer_last)
    outer = Run(Affine(outer_first), Affine(outer_last), _where(skipping, step // block, 1))
    return outer, inner


def _hull(run: Run, extent: int, intervals: Intervals) -> Run:
    """The elements that a run may have, its runtime parts anywhere that the guards allow."""
    first, last = run.first.const, run.last.const
    if run.first.terms:
        first = np.maximum(0, first + interval_of(run.first.terms, intervals).lo)
    if run.last.terms:
        last = np.minimum(extent - 1, last + interval_of(run.last.terms, intervals).hi)
    constant = not run.first.terms and run.first.terms == run.last.terms
    return Run(Affine(first), Affine(last), run.step if constant else 1)


def _where(condition: npt.NDArray[np.bool_], yes: Column, no: Column) -> Column:
    return np.where(condition, yes, no)


def _flat(own: dict[Coordinate, Run], unit: int = 1) -> Run:
    """The positions, in steps of `unit` elements, between a region's first element and its last."""
    first, last = Affine(0), Affine(0)
    for (inner, _), run in own.items():
        first, last = first + run.first * (inner // unit), last + run.last * (inner // unit)
    return Run(first, last, 1)


def _joined(parts: dict[Coordinate, Run], wanted: Coordinate, intervals: Intervals) -> Run:
    """A coordinate that spans several of the finest, or cuts across: the smallest run around the region."""
    inner, outer = wanted
    spanned = {c: run for c, run in parts.items() if inner <= c[0] and c[1] <= outer}
    if spanned and min(spanned)[0] == inner and max(high for _, high in spanned) == outer:
        return _flat(spanned, inner)
    whole = next(iter(parts.values()))
    positions = _hull(whole, max(high for _, high in parts), intervals)
    first, last = np.asarray(positions.first.const), np.asarray(positions.last.const)
    near = first // outer == last // outer
    return Run(
        Affine(_where(near, first % outer // inner, 0)),
        Affine(_where(near, last % outer // inner, outer // inner - 1)),
        1,
    )
