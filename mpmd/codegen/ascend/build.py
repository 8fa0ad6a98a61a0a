"""What a vector task's instructions are made with: new tiles, calls of the header library, sizes.

In:  a `Function`, its `Scope`. Out: `Build`, which grows a list of `Instruction`s.
Not here: which statement becomes which instructions (`vector.py` and what it calls).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from mpmd.codegen.ascend.instructions import Buffer, Instruction, Mark, Pipe, Step
from mpmd.codegen.ascend.refuse import refuse
from mpmd.codegen.ascend.values import (
    C_TYPES,
    FITS,
    Number,
    Placed,
    Shape,
    Value,
    as_lanes,
    lanes_of,
)
from mpmd.codegen.cpp.scope import Scope
from mpmd.codegen.source import StepNote
from mpmd.errors import Span
from mpmd.lang.index import ONE, Index, Interval
from mpmd.lang.tile import TileType
from mpmd.lang.types import DType, f32
from mpmd.partition.graph import Function

BLOCK = 32
"""Bytes that addresses and strides count in."""

_EARLY = {
    ("compare", 4): (1, 2, 3), ("compare", 6): (1, 3, 5), ("nonzero", 2): (0, 1), ("wrap_bytes", 2): (0, 1),
    ("bit_xor", 4): (0, 1, 2, 3), ("select", 5): (0, 1, 2, 4), ("sine", 7): (1, 2), ("erf", 6): (1, 2, 4, 5),
    ("power", 7): (1, 2, 3, 4),
}  # fmt: skip
"""Functions of the header library that always come to a barrier of their own, by the number of their tiles:
the ones that they touch before it."""


@dataclass
class Build:
    """`unit`: elements that a pitch is a multiple of, 32 bytes of the narrowest type of the task.

    `checks` are those of the whole kernel, which grow by those of this task.
    """

    function: Function
    scope: Scope
    checks: list[StepNote] = field(default_factory=list)
    instructions: list[Step] = field(default_factory=list)
    steps: dict[tuple[str, str], Buffer] = field(default_factory=dict)
    _count: int = 0

    @property
    def unit(self) -> int:
        moved = [param for param in self.function.task.params if param.direction is not None]
        bytes_ = any(param.dtype.itemsize == 1 for param in moved)
        return BLOCK if bytes_ else BLOCK // 2

    # -- instructions -----------------------------------------------------------------------------

    def issue(
        self,
        pipe: Pipe,
        text: str,
        reads: tuple[Buffer, ...],
        writes: tuple[Buffer, ...],
        span: Span,
        *,
        loaded: str | None = None,
        stored: str | None = None,
        asked: tuple[Buffer, ...] = (),
        early: tuple[Buffer, ...] | None = None,
    ) -> None:
        self.instructions.append(Instruction(pipe, text, reads, writes, span, loaded, stored, asked, early))

    def mark(
        self, text: str, span: Span, *, opens: bool = False, closes: bool = False, forks: bool = False
    ) -> None:
        self.instructions.append(Mark(text, span, opens, closes, forks))

    def call(
        self, name: str, out: Placed, args: tuple[Placed, ...], span: Span, extra: str = "", scratch: int = 0
    ) -> Placed:
        """One vector function of the header library over all elements of a tile, with tiles to work in."""
        shape = self.shape(out.type, span)
        work = tuple(self.scratch(shape.elements, f"for {name}", out.lanes) for _ in range(scratch))
        buffers = (out.buffer, *(arg.buffer for arg in args), *work)
        text = f"mpmd::{name}({', '.join(buffer.name for buffer in buffers)}{extra}, {shape.text})"
        first = _EARLY.get((name.partition("<")[0], len(buffers)))
        early = None if first is None else tuple(buffers[number] for number in first)
        self.issue(Pipe.V, text, tuple(arg.buffer for arg in args), (out.buffer, *work), span, early=early)
        return out

    def made(
        self,
        name: str,
        type_: TileType,
        args: tuple[Placed, ...],
        span: Span,
        extra: str = "",
        scratch: int = 0,
    ) -> Placed:
        """The same, into a tile of its own of the type's lanes."""
        return self.call(name, self.new(type_, name, span), args, span, extra, scratch)

    # -- tiles ------------------------------------------------------------------------------------

    def new(
        self,
        type_: TileType,
        about: str,
        span: Span,
        *,
        lanes: DType | None = None,
        range_: Interval = FITS,
    ) -> Placed:
        lanes = lanes_of(type_.dtype, range_) if lanes is None else lanes
        if type_.dtype.name not in C_TYPES:
            raise refuse(f"tiles of {type_.dtype} on vector cores", span)
        elements = self.shape(type_, span).elements
        return Placed(self.buffer("v", lanes, max(self.unit, elements), about), type_, range_)

    def scratch(self, elements: int, about: str, dtype: DType = f32) -> Buffer:
        return self.buffer("s", dtype, elements, about)

    def buffer(self, letter: str, dtype: DType, elements: int, about: str) -> Buffer:
        self._count += 1
        return Buffer(f"{letter}{self._count}", dtype, elements, about)

    def filled(self, number: str, type_: TileType, span: Span) -> Placed:
        return self.made("fill", type_, (), span, f", {number}")

    def tile(self, value: Value, shape: tuple[Index, ...], span: Span) -> Placed:
        """A value as a tile: a number fills one of this shape."""
        if isinstance(value, Placed):
            return value
        out = self.new(TileType(value.dtype, shape), "fill", span, range_=value.range)
        if out.lanes.itemsize == 8:  # more than the core's own instruction fills
            text = f"mpmd::fill_wide({out.buffer.name}, {value.text}, {self.shape(out.type, span).text})"
            self.issue(Pipe.S, text, (), (out.buffer,), span)
            return out
        return self.call("fill", out, (), span, f", {as_lanes(value, out.lanes)}")

    # -- extents ----------------------------------------------------------------------------------

    def settled(self, shape: tuple[Index, ...]) -> tuple[Index, ...]:
        return tuple(map(self.scope.settle, shape))

    def lying(self, shape: tuple[Index, ...]) -> tuple[Index, ...]:
        """The extents that say how a tile lies: without those of 1 at the end."""
        extents = list(self.settled(shape))
        while extents and extents[-1] == ONE:
            extents.pop()
        return tuple(extents)

    def shape(self, type_: TileType, span: Span) -> Shape:
        """How a tile lies."""
        *rows, columns = self.lying(type_.shape) or (ONE,)
        many = [extent for extent in rows if extent != ONE]
        return Shape(
            " * ".join(self.scope.factor(extent) for extent in many) or "1",
            self.scope.text(columns),
            prod(self.scope.bound(extent, span) for extent in many),
            max(1, self.scope.bound(columns, span)),
            self.unit,
        )

    def strides(self, type_: TileType, span: Span) -> tuple[Index, ...]:
        """Elements from one place to the next along each axis."""
        lying, apart = self.lying(type_.shape), Index(self.shape(type_, span).pitch)
        found = [Index(1)] if lying else []
        for extent in reversed(lying[:-1]):
            found.append(apart)
            apart = apart * extent
        return (*reversed(found), *(Index(0) for _ in type_.shape[len(lying) :]))


def number_at(build: Build, value: Placed, span: Span) -> Number:
    """The only element of a tile, in a register of the scalar unit."""
    name = f"n{len(build.instructions)}"
    text = f"const {C_TYPES[value.lanes.name]} {name} = {value.buffer.name}.GetValue(0)"
    build.issue(Pipe.S, text, (value.buffer,), (), span)
    return Number(name, value.type.dtype, None, value.range)
