"""Where partial sums lie: a tensor with one axis more than the region they are sums for.

In:  the view of a region, and how many sums it gets. Out: the tensor, and views of its parts.
Not here: whether sums are made (`accumulate.py`, `rewrite/split.py`), the tasks that make them (`sums.py`).
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from mpmd.errors import Span
from mpmd.lang.index import ZERO
from mpmd.lang.program import Tensor, TensorId, View
from mpmd.lang.tile import Axis
from mpmd.lang.types import DType


def sums_tensor(
    number: TensorId, name: str, dtype: DType, view: View, target: Tensor, count: int, span: Span
) -> Tensor:
    """A local tensor for `count` sums of a region of `target`."""
    shape = (count, *(_room(axis, n) for axis, n in zip(view.region, target.shape, strict=True)))
    strides = tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))
    return Tensor(number, name, dtype, shape, strides, None, None, span)


def part_of_sums(view: View, sums: TensorId, which: Axis) -> View:
    """The region of the sums `which` that stands for the one of `view`."""
    region = tuple(
        Axis(ZERO, axis.extent, keep=axis.keep) if _is_fixed(axis) else axis for axis in view.region
    )
    order = (0, *(axis + 1 for axis in view.order)) if which.keep else view.order
    return View(sums, (which, *region), order)


def narrowed(view: View, number: int, piece: Axis) -> View:
    """A piece of the region's axis `number`."""
    axis = view.region[number]
    inner = Axis(axis.start + piece.start * axis.step, piece.extent, axis.step)
    return replace(view, region=(*view.region[:number], inner, *view.region[number + 1 :]))


def _room(axis: Axis, extent: int) -> int:
    """Elements of an axis of the sums: only those of the region where it is constant."""
    return axis.extent.const if _is_fixed(axis) else extent


def _is_fixed(axis: Axis) -> bool:
    return axis.start.is_const and axis.extent.is_const
