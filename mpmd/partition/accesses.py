"""What the instances of a call pass to their task: regions and scalars, as columns.

In:  a `SiteInstances`. Out: a `SiteArguments`, which guards, rows, regions and costs are made from.
Not here: bounds (`guards.py`), overlap (`regions.py`), registers of late scalars (`late.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Union

import numpy as np

from mpmd.errors import LanguageError, Span
from mpmd.lang.index import INT_MAX, ONE, UNBOUNDED, Index, Interval
from mpmd.lang.program import ChannelArg, Program, ScalarArg, Tensor, View
from mpmd.lang.tile import Axis, Param
from mpmd.lang.types import Direction
from mpmd.partition import affine
from mpmd.partition.affine import Affine, Column, Iteration, LaunchScalars, Scope, Terms
from mpmd.partition.expand import SiteInstances
from mpmd.partition.unroll import Datum, Holds, Need, Piece, Skips


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
    """A tensor argument: one `AxisSpan` per axis of `tensor`; `axes`: those the task sees, in its order.

    `limits` are the extents that a launch gives the tensor, where that depends on the launch; else empty.
    """

    param: Param
    tensor: Tensor
    root: Tensor
    region: tuple[Axis, ...]
    spans: tuple[AxisSpan, ...]
    axes: tuple[int, ...]
    limits: tuple[Affine, ...] = ()

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


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """The instances are passed over unless `value > 0`."""

    value: Affine


@dataclass(frozen=True, slots=True, eq=False)
class Law:
    """What must hold of `what` (its text, or what makes it), and what to say where it never can."""

    span: Span
    what: str | Callable[[], str]
    rule: str
    breach: str

    @property
    def text(self) -> str:
        return f"{self._what} {self.rule}"

    @property
    def failure(self) -> str:
        return f"{self._what} {self.breach}"

    @property
    def _what(self) -> str:
        return self.what if isinstance(self.what, str) else self.what()


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """The instances run only if `lo ≤ value ≤ hi`; else the launch ends."""

    value: Affine
    lo: int
    hi: int
    law: Law


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """An integer is read from memory: what is checked before it makes sure that it is there."""

    value: Affine


@dataclass(frozen=True, slots=True, eq=False)
class Fact:
    """`lo ≤ value ≤ hi` follows from the checks before it."""

    value: Affine
    lo: int
    hi: int


SiteNeed = Union[Condition, Check, Reading, Fact]


class Facts(dict[Terms, Interval]):
    """What is known of linear parts (reduced) once the needs of a site hold."""

    def add(self, need: SiteNeed) -> None:
        """Learn from a need; one whose constants differ between instances teaches nothing."""
        if isinstance(need, Reading):
            return
        lo, hi = (1, INT_MAX) if isinstance(need, Condition) else (need.lo, need.hi)
        const = affine.same_everywhere(need.value.const)
        if need.value.terms and const is not None:
            low = lo - const if lo > -INT_MAX else lo
            high = hi - const if hi < INT_MAX else hi
            terms, factor = affine.reduced(need.value.terms)
            self[terms] = _meet(self.get(terms, UNBOUNDED), affine.divided(Interval(low, high), factor))

    def narrow(self, terms: Terms, bound: Interval) -> Interval:
        """The bounds of a linear part in an instance that runs, given those that hold everywhere."""
        if not self or not terms:
            return bound
        plain, factor = affine.reduced(terms)
        return _meet(bound, affine.multiplied(self.get(plain, UNBOUNDED), factor))


def _meet(a: Interval, b: Interval) -> Interval:
    return Interval(max(a.lo, b.lo), min(a.hi, b.hi))


@dataclass(frozen=True, slots=True, eq=False)
class LoopCopy:
    """A copy of a repeated loop's body, in which the loop's variable is `iteration`; None: LoopIndex itself.

    Rows are made from the copy `LoopCopy()`. To compare iterations i and i + d, make the arguments of all
    sites again with `LoopCopy(1, i + launch.unknown("d", 1, most))`, where i is a late `Iteration`.
    `number` tells apart what copies read from memory.
    """

    number: int = 0
    iteration: Affine | None = None


@dataclass(frozen=True, eq=False)
class SiteArguments:
    """All arguments of a call's instances. `scalars` follow `task.scalars`; floats are bits of an f64.

    `needs` are to be met in their order before a task starts. `elements` are the integers in memory that
    needs and arguments are made from, as accesses, in the order in which they are read.
    `channels` follow `task.channels`. All `Affine`s have global numbers of late scalars.
    """

    site: SiteInstances
    accesses: tuple[Access, ...]
    scalars: tuple[Affine, ...]
    channels: tuple[int, ...] = ()
    needs: tuple[SiteNeed, ...] = ()
    elements: tuple[Access, ...] = ()

    @property
    def touched(self) -> tuple[Access, ...]:
        """Everything that the instances read or write: parameters in order, then elements."""
        return (*self.accesses, *self.elements) if self.elements else self.accesses

    @cached_property
    def facts(self) -> Facts:
        """What is known once all needs are met."""
        facts = Facts()
        for need in self.needs:
            facts.add(need)
        return facts


def arguments_of(
    site: SiteInstances, program: Program, launch: LaunchScalars, copy: LoopCopy | None = None
) -> SiteArguments:
    """The arguments of a call, split into constants and scalars known later.

    `copy` says which iteration the repeated loop around the site is in; by default LoopIndex itself.
    """
    call = site.call
    around = _around(site, program, launch, copy or LoopCopy())
    accesses: list[Access] = []
    scalars: list[Affine] = []
    channels: list[int] = []
    for param, arg in zip(call.task.params, call.args, strict=True):
        if isinstance(arg, View):
            accesses.append(_access(param, arg, program, around.scope, launch, call.span))
        elif isinstance(arg, ChannelArg):
            channels.append(arg.channel)
        else:
            scalars.append(_scalar(param, arg, around.scope, launch, call.span))
    return SiteArguments(
        site,
        tuple(accesses),
        tuple(scalars),
        tuple(channels),
        tuple(around.needs),
        tuple(around.elements.values()),
    )


def root_of(tensor: Tensor, program: Program) -> Tensor:
    """The tensor that owns the storage of a reshaped view."""
    while tensor.base is not None:
        tensor = program.tensors[tensor.base]
    return tensor


# -- loop symbols -------------------------------------------------------------------------------


@dataclass(slots=True)
class _Around:
    """What the loops around a site make of their symbols, as it is found from the outside in."""

    scope: dict[str, Affine]
    needs: list[SiteNeed] = field(default_factory=list)
    elements: dict[int, Access] = field(default_factory=dict)
    path: tuple[tuple[str, int], ...] = ()  # of the pieces so far

    @property
    def certain(self) -> bool:
        """Whether nothing so far passes the instances over."""
        return not any(isinstance(need, Condition) for need in self.needs)


def _around(site: SiteInstances, program: Program, launch: LaunchScalars, copy: LoopCopy) -> _Around:
    around = _Around({name: Affine(value) for name, value in site.columns.items()})
    if site.repeated is not None:
        loop = site.repeated
        count = launch.split(loop.count, around.scope, loop.span).linear
        index = launch.late_scalar(Iteration(loop.name, count))
        around.scope[loop.name] = index if copy.iteration is None else copy.iteration
    for piece in site.pieces:
        around.path = (*around.path, (piece.loop.name, piece.index))
        for name, definition in piece.symbols:
            if isinstance(definition, Index):
                around.scope[name] = launch.split(definition, around.scope, piece.loop.span)
            else:
                around.scope[name] = _datum(definition, piece, site, program, launch, copy, around)
        for rising in piece.rising:
            lower, upper = (
                launch.split(value, around.scope, piece.loop.span) for value in (rising.lower, rising.upper)
            )
            if around.certain or lower.is_late:
                launch.rise(lower, upper, rising.most)
        around.needs += [_need(need, around.scope, launch, piece.loop.span) for need in piece.needs]
    return around


def _need(need: Need, scope: Scope, launch: LaunchScalars, span: Span) -> SiteNeed:
    value = launch.split(need.value, scope, span)
    if isinstance(need, Skips):
        return Condition(value)
    if isinstance(need, Holds):
        return Fact(value, need.lo, need.hi)
    bounds = f"{need.lo} to {need.hi}"
    rule = f"stays within {bounds}" if need.hi < INT_MAX else f"is at least {need.lo}"
    return Check(value, need.lo, need.hi, Law(need.span, need.what, rule, f"leaves {bounds}"))


def _datum(
    datum: Datum,
    piece: Piece,
    site: SiteInstances,
    program: Program,
    launch: LaunchScalars,
    copy: LoopCopy,
    around: _Around,
) -> Affine:
    """An integer in memory, which must lie within its tensor, as a late scalar."""
    region = tuple(
        Axis(axis.start + datum.place * axis.step if axis.keep else axis.start, ONE, keep=False)
        for axis in datum.view.region
    )
    tensor = program.tensors[datum.view.tensor]
    param = Param(tensor.name, Direction.IN, tensor.dtype, (), piece.loop.span)
    access = _access(param, View(tensor.id, region, ()), program, around.scope, launch, piece.loop.span)
    for number, (axis, size) in enumerate(zip(access.spans, tensor.shape, strict=True)):
        if axis.start.terms:
            what = f"index {region[number].start} of axis {number} of '{tensor.name}'"
            law = Law(piece.loop.span, what, f"stays within {size}", f"leaves its {size} elements")
            around.needs.append(Check(axis.start, 0, size - 1, law))
    # Whether the data rise is checked where the loop is reached. If that depends on a condition, others
    # that read the same integers must not rely on it: the path keeps their scalars apart.
    path = () if around.certain else around.path[:-1]
    root = access.root.id
    version = (site.versions.get(root, 0), copy.number if root in site.volatile else 0, *path)
    scalar = launch.late_scalar(affine.Datum(root, access.byte_offset.linear, tensor.dtype.itemsize, version))
    if scalar.terms[0][0] not in around.elements:
        around.elements[scalar.terms[0][0]] = access
        around.needs.append(Reading(scalar))
    return scalar


# -- arguments ----------------------------------------------------------------------------------


def _access(
    param: Param, view: View, program: Program, scope: Scope, launch: LaunchScalars, span: Span
) -> Access:
    tensor = program.tensors[view.tensor]
    spans = tuple([_span(axis, scope, launch, span) for axis in view.region])
    kept = [number for number, axis in enumerate(view.region) if axis.keep]
    axes = tuple(kept[position] for position in view.order)
    limits = tuple([launch.split(extent, {}, span) for extent in tensor.extents])
    return Access(param, tensor, root_of(tensor, program), view.region, spans, axes, limits)


def _span(axis: Axis, scope: Scope, launch: LaunchScalars, span: Span) -> AxisSpan:
    if axis.start.is_const and axis.extent.is_const:
        return _constant_span(axis.start.const, axis.extent.const, axis.step)
    start, extent = launch.split(axis.start, scope, span), launch.split(axis.extent, scope, span)
    return AxisSpan(start, extent, axis.step)


@lru_cache(maxsize=4096)
def _constant_span(start: int, extent: int, step: int) -> AxisSpan:
    """A program has few of these, and each very often: whole axes, the rows of a layer."""
    return AxisSpan(Affine(start), Affine(extent), step)


def _scalar(param: Param, arg: ScalarArg, scope: Scope, launch: LaunchScalars, span: Span) -> Affine:
    if isinstance(arg.value, str):
        return Affine(0, ((launch.id_of(arg.value), 1),))
    if isinstance(arg.value, Index):
        value = launch.split(arg.value, scope, span)
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
