"""What the instances of a call pass to their task: regions and scalars, as columns.

In:  a `SiteInstances`. Out: a `SiteArguments`, which guards, rows, regions and costs are made from.
Not here: bounds (`guards.py`), overlap (`regions.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np

from mpmd.errors import LanguageError, Span
from mpmd.lang.index import Index
from mpmd.lang.program import Program, ScalarArg, Tensor, View
from mpmd.lang.tile import Axis, Param
from mpmd.partition.affine import Affine, Column, LaunchScalars
from mpmd.partition.expand import SiteInstances


@dataclass(frozen=True, slots=True, eq=False)
class AxisSpan:
    """`extent` elements from `start` to `last`, `step` apart, of one axis of a tensor, for every instance."""

    start: Affine
    extent: Affine
    step: int
    last: Affine = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "last", self.start + self.extent.shifted(-1) * self.step)


@dataclass(frozen=True, eq=False)
class Access:
    """A tensor argument: one `AxisSpan` per axis of `tensor`; `axes`: those the task sees, in its order."""

    param: Param
    tensor: Tensor
    root: Tensor
    region: tuple[Axis, ...]
    spans: tuple[AxisSpan, ...]
    axes: tuple[int, ...]

    @property
    def mode(self) -> int:
        """1 reads, 2 writes, 3 both."""
        direction = self.param.direction
        assert direction is not None, "a tensor parameter has a direction"
        return direction.reads + 2 * direction.writes

    @cached_property
    def byte_offset(self) -> Affine:
        """Bytes from the start of the root tensor to the region's first element."""
        total, item = Affine(0), self.tensor.dtype.itemsize
        for span, stride in zip(self.spans, self.tensor.strides, strict=True):
            total = total + span.start * (stride * item)
        return total


@dataclass(frozen=True, eq=False)
class SiteArguments:
    """All arguments of a call's instances. `scalars` follow `task.scalars`; floats are bits of an f64."""

    site: SiteInstances
    accesses: tuple[Access, ...]
    scalars: tuple[Affine, ...]


def arguments_of(site: SiteInstances, program: Program, launch: LaunchScalars) -> SiteArguments:
    """The arguments of a call, split into constants and launch scalars."""
    call, columns = site.call, site.columns
    accesses: list[Access] = []
    scalars: list[Affine] = []
    for param, arg in zip(call.task.params, call.args, strict=True):
        if isinstance(arg, View):
            accesses.append(_access(param, arg, program, columns, launch, call.span))
        else:
            scalars.append(_scalar(param, arg, columns, launch, call.span))
    return SiteArguments(site, tuple(accesses), tuple(scalars))


def root_of(tensor: Tensor, program: Program) -> Tensor:
    """The tensor that owns the storage of a reshaped view."""
    while tensor.base is not None:
        tensor = program.tensors[tensor.base]
    return tensor


def _access(
    param: Param,
    view: View,
    program: Program,
    columns: Mapping[str, Column],
    launch: LaunchScalars,
    span: Span,
) -> Access:
    tensor = program.tensors[view.tensor]
    spans = tuple([_span(axis, columns, launch, span) for axis in view.region])
    kept = [number for number, axis in enumerate(view.region) if axis.keep]
    axes = tuple(kept[position] for position in view.order)
    return Access(param, tensor, root_of(tensor, program), view.region, spans, axes)


def _span(axis: Axis, columns: Mapping[str, Column], launch: LaunchScalars, span: Span) -> AxisSpan:
    if axis.start.is_const and axis.extent.is_const:
        return _constant_span(axis.start.const, axis.extent.const, axis.step)
    start, extent = launch.split(axis.start, columns, span), launch.split(axis.extent, columns, span)
    return AxisSpan(start, extent, axis.step)


@lru_cache(maxsize=4096)
def _constant_span(start: int, extent: int, step: int) -> AxisSpan:
    """A program has few of these, and each very often: whole axes, the rows of a layer."""
    return AxisSpan(Affine(start), Affine(extent), step)


def _scalar(
    param: Param, arg: ScalarArg, columns: Mapping[str, Column], launch: LaunchScalars, span: Span
) -> Affine:
    if isinstance(arg.value, str):
        return Affine(0, ((launch.id_of(arg.value), 1),))
    if isinstance(arg.value, Index):
        value = launch.split(arg.value, columns, span)
        if not param.dtype.is_float:
            return value
        if value.terms:
            raise LanguageError(
                f"the integer {arg.value} is passed to '{param.name}', a scalar of type {param.dtype}",
                span=span,
                label="a runtime integer is not converted between kernel and task",
                hints=(f"declare '{param.name}' as i32 and use .astype({param.dtype}) in the task",),
            )
        return Affine(_bits(value.const))
    return Affine(_bits(arg.value))


def _bits(value: Column | float) -> Column:
    bits = np.asarray(value, np.float64).view(np.int64)
    return bits if bits.ndim else int(bits)
