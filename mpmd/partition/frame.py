"""One coordinate system for all reshaped views of a tensor.

In:  the shapes under which a tensor's storage is seen. Out: a `Frame` into which regions of all of them
     are projected: exactly where the shapes nest (rows × heads·64 with rows × heads × 64) and the region
     follows the finer cut, else as the smallest box around it.
Not here: comparing regions (`regions.py`).

A reshape keeps the flat order, so an extent that one shape has whole and another splits is a pair of
axes in the frame. Shapes that do not nest (6 × 4 with 4 × 6) are seen flat, as element ranges.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Frame:
    """The axes that all views of a tensor are projected to."""

    shape: Shape

    def project(self, access: Access, intervals: Intervals) -> tuple[Run, ...]:
        """The region of an access, one `Run` per axis of the frame."""
        runs = tuple(Run(s.start, s.last, s.step) for s in access.spans)
        if access.tensor.shape == self.shape:
            return runs
        groups = _groups(access.tensor.shape, self.shape)
        if groups is None:
            return (_flat(runs, access.tensor.shape),)
        return tuple(
            part for run, inner in zip(runs, groups, strict=True) for part in _split(run, inner, intervals)
        )


def frame_of(shapes: Iterable[Shape]) -> Frame:
    """The coarsest frame in which axes of all `shapes` are axes or products of neighbouring axes."""
    distinct = list(dict.fromkeys(shapes))
    if len(distinct) == 1:
        return Frame(distinct[0] or (1,))
    cuts = sorted({cut for shape in distinct for cut in _cuts(shape)})
    if not cuts[0] or any(outer % inner for inner, outer in pairwise(cuts)):
        return Frame((prod(distinct[0]),))
    return Frame(tuple(outer // inner for inner, outer in reversed(list(pairwise(cuts)))) or (1,))


def _cuts(shape: Shape) -> list[int]:
    """Sizes of the trailing parts of a shape: 1, last, last two, …"""
    cuts = [1]
    for extent in reversed(shape):
        cuts.append(cuts[-1] * extent)
    return cuts


def _groups(shape: Shape, frame: Shape) -> list[Shape] | None:
    """Per axis of `shape` the frame's axes it consists of; None where the frame is too coarse."""
    groups: list[Shape] = []
    left = list(frame)
    for extent in reversed(shape):
        group: list[int] = []
        while prod(group) < extent and left:
            group.insert(0, left.pop())
        if prod(group) != extent:
            return None
        groups.insert(0, tuple(group))
    return None if left else groups


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


def _flat(runs: tuple[Run, ...], shape: Shape) -> Run:
    first, last = Affine(0), Affine(0)
    stride = 1
    for run, extent in zip(reversed(runs), reversed(shape), strict=True):
        first, last = first + run.first * stride, last + run.last * stride
        stride *= extent
    return Run(first, last, 1)
