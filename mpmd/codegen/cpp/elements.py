"""What one element of a value is made of: a value at given coordinates, down to what lies in memory.

In:  a `Fusion`, where its buffers lie. Out: `Element` trees (shared where equal), each leaf with the
     address that it reads as a linear form in the loop variables.
Not here: text (`lambda_text.py`), loops (`nest.py`).

Shape ops vanish here: they change coordinates.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Union, cast

import numpy as np

from mpmd.codegen.cpp.names import ctype, literal
from mpmd.codegen.cpp.scope import Scope
from mpmd.codegen.fuse import Fusion
from mpmd.codegen.values import is_unit_reshape
from mpmd.errors import UnsupportedOp
from mpmd.lang.index import ONE, ZERO, Index, Sym
from mpmd.lang.ops import OPS, OpKind
from mpmd.lang.tile import Apply, Gather, Load, Region, TileType, ValueId
from mpmd.lang.types import DType

Coords = tuple[Index, ...]


@dataclass(frozen=True, slots=True)
class Buffer:
    """A place in memory with strides in elements. `name` is a C++ pointer."""

    name: str
    dtype: DType
    strides: tuple[Index, ...]


@dataclass(frozen=True, slots=True)
class Address:
    """An element of a buffer: `name` plus the sum of coordinate × stride."""

    name: str
    dtype: DType
    terms: tuple[tuple[Index, Index], ...]

    def step(self, variable: str) -> Index:
        """The elements between neighbours along a loop variable."""
        return sum_of(stride * coefficient(coord, variable) for coord, stride in self.terms)


@dataclass(frozen=True, slots=True)
class Number:
    """A value that is the same everywhere: a literal, a scalar parameter, a kept scalar."""

    dtype: DType
    text: str


@dataclass(frozen=True, slots=True)
class Read:
    value: ValueId
    dtype: DType
    address: Address


@dataclass(frozen=True, slots=True)
class Pick:
    """A read whose place along axis 0 of the table is read from `ids`."""

    value: ValueId
    dtype: DType
    table: Address
    row: Index
    ids: Address


@dataclass(frozen=True, slots=True)
class Count:
    """The coordinate itself."""

    value: ValueId
    dtype: DType
    coord: Index


@dataclass(frozen=True, slots=True)
class Operation:
    value: ValueId
    dtype: DType
    stmt: Apply
    args: tuple[Element, ...]


Element = Union[Number, Read, Pick, Count, Operation]


def coefficient(coord: Index, variable: str) -> int:
    return dict(coord.terms).get(Sym(variable), 0)


def sum_of(parts: Iterable[Index]) -> Index:
    total = ZERO
    for part in parts:
        total = total + part
    return total


@dataclass
class Elements:
    """Finds elements. `buffers` and `scalars` say where the kept values are; steps add to them.

    Within one step an element that is found twice is the same object. `begin` starts the next step.
    """

    scope: Scope
    fusion: Fusion
    buffers: dict[ValueId, Buffer] = field(default_factory=dict)
    scalars: dict[ValueId, str] = field(default_factory=dict)
    _found: dict[tuple[ValueId, Coords], Element] = field(default_factory=dict)

    def begin(self) -> None:
        self._found.clear()

    def at(self, value: ValueId, coords: Coords) -> Element:
        """The element of `value` at `coords`."""
        element = self._found.get((value, coords))
        if element is None:
            element = self._found[value, coords] = self._find(value, coords)
        return element

    def _find(self, value: ValueId, coords: Coords) -> Element:
        type_ = self.fusion.values.type[value]
        if value in self.scalars:
            return Number(type_.dtype, self.scalars[value])
        if value in self.buffers:
            return Read(value, type_.dtype, self.place(self.buffers[value], coords))
        stmt = self.fusion.values.definition[value]
        if isinstance(stmt, Load):
            return Read(value, type_.dtype, self.in_region(stmt.param, stmt.region, coords))
        if isinstance(stmt, Gather):
            return self._pick(stmt, coords)
        assert isinstance(stmt, Apply), stmt
        kind = OPS[stmt.op].kind if stmt.op in OPS else None
        if kind == OpKind.LEAF:
            return self._leaf(stmt, coords)
        if kind == OpKind.SHAPE:
            return self._shape(stmt, coords)
        if kind in (OpKind.ELEMENTWISE, OpKind.CAST):
            return self._operation(stmt, coords)
        raise UnsupportedOp(f"the {self.scope.dialect.target} back end has no '{stmt.op}'", span=stmt.span)

    def place(self, buffer: Buffer, coords: Coords) -> Address:
        terms = tuple((c, s) for c, s in zip(coords, buffer.strides, strict=True) if c != ZERO and s != ZERO)
        return Address(buffer.name, buffer.dtype, terms)

    def in_region(self, param: str, region: Region, coords: Coords) -> Address:
        """The element of a region of a parameter at coordinates within the region."""
        layout = self.scope.layout(param)
        inner = iter(coords)
        terms = []
        for axis, part in enumerate(region):
            at = part.start + next(inner) * part.step if part.keep else part.start
            terms.append((self.scope.settle(at), self.scope.stride(layout, axis)))
        kept = tuple((c, s) for c, s in terms if c != ZERO and s != ZERO)
        return Address(self.scope.names[param], self.scope.function.task.param(param).dtype, kept)

    def _pick(self, stmt: Gather, coords: Coords) -> Element:
        layout = self.scope.layout(stmt.param)
        ids = self.at(stmt.index, coords[:1])
        assert isinstance(ids, Read), ids
        terms = tuple(
            (coord, self.scope.stride(layout, axis)) for axis, coord in enumerate(coords[1:], start=1)
        )
        table = Address(
            self.scope.names[stmt.param], stmt.type.dtype, tuple(t for t in terms if t[0] != ZERO)
        )
        return Pick(stmt.out, stmt.type.dtype, table, self.scope.stride(layout, 0), ids.address)

    def _leaf(self, stmt: Apply, coords: Coords) -> Element:
        dtype = stmt.type.dtype
        if stmt.op == "const":
            return Number(dtype, literal(stmt.attr("value"), dtype))
        if stmt.op == "scalar":
            return Number(dtype, self.scope.names[cast(str, stmt.attr("name"))])
        if stmt.op == "index":
            return Number(dtype, self.scope.text(cast(Index, stmt.attr("value"))))
        return Count(stmt.out, dtype, coords[0])

    def _operation(self, stmt: Apply, coords: Coords) -> Element:
        args = tuple(self.at(arg, self._broadcast(arg, coords)) for arg in stmt.args)
        if stmt.op == "cast":
            number = self._converted(stmt, args[0])
            if number is not None:
                return number
        return Operation(stmt.out, stmt.type.dtype, stmt, args)

    def _converted(self, stmt: Apply, arg: Element) -> Element | None:
        """A cast of a number, done once: now where the number is known, else outside of the vectors."""
        if not isinstance(arg, Number):
            return None
        target, known = stmt.type.dtype, self._known(stmt.args[0])
        if known is None:
            return Number(target, f"mpmd::converted<{ctype(target)}, {ctype(arg.dtype)}>({arg.text})")
        number = OPS["cast"].reference((known,), {}, target.numpy)
        return Number(target, literal(float(number) if target.is_float else int(number), target))

    def _known(self, value: ValueId) -> np.ndarray[Any, Any] | None:
        """A constant as an array of its type."""
        stmt = self.fusion.values.definition[value]
        if not isinstance(stmt, Apply) or stmt.op not in ("const", "index"):
            return None
        number = stmt.attr("value")
        if isinstance(number, Index):
            settled = self.scope.settle(number)
            if not settled.is_const:
                return None
            number = settled.const
        return OPS["const"].reference((), {"value": number}, stmt.type.dtype.numpy)

    def _broadcast(self, arg: ValueId, coords: Coords) -> Coords:
        """The coordinates of an operand that an op stretches to the coordinates' shape."""
        shape = self.fusion.values.type[arg].shape
        own = coords[len(coords) - len(shape) :]
        return tuple(ZERO if extent == ONE else coord for extent, coord in zip(shape, own, strict=True))

    def _shape(self, stmt: Apply, coords: Coords) -> Element:
        (arg,) = stmt.args
        return (
            self.at(arg, self.through(stmt, coords)) if not self._is_flat(stmt) else self._flat(stmt, coords)
        )

    def _is_flat(self, stmt: Apply) -> bool:
        shape = self.fusion.values.type[stmt.args[0]].shape
        return stmt.op == "reshape" and not is_unit_reshape(shape, stmt.type.shape)

    def through(self, stmt: Apply, coords: Coords) -> Coords:
        """The operand's coordinates of a shape op (not of a reshape that moves elements)."""
        (arg,) = stmt.args
        if stmt.op == "transpose":
            order = cast("tuple[int, ...]", stmt.attr("order"))
            inverse = sorted(range(len(order)), key=order.__getitem__)
            return tuple(coords[axis] for axis in inverse)
        if stmt.op == "expand":
            axis = cast(int, stmt.attr("axis"))
            return coords[:axis] + coords[axis + 1 :]
        if stmt.op == "slice":
            axis, step = cast(int, stmt.attr("axis")), cast(int, stmt.attr("step"))
            start = self.scope.settle(cast(Index, stmt.attr("start")))
            return (*coords[:axis], coords[axis] * step + start, *coords[axis + 1 :])
        if stmt.op == "broadcast":
            return self._broadcast(arg, coords)
        moving = iter(c for c, extent in zip(coords, stmt.type.shape, strict=True) if extent != ONE)
        return tuple(ZERO if extent == ONE else next(moving) for extent in self.fusion.values.type[arg].shape)

    def _flat(self, stmt: Apply, coords: Coords) -> Element:
        """A reshape of a buffer without gaps: the same memory under other strides."""
        (arg,) = stmt.args
        strides = self.c_order(stmt.type)
        buffer = self.dense_under(arg)
        return Read(stmt.out, buffer.dtype, self.place(Buffer(buffer.name, buffer.dtype, strides), coords))

    def dense_under(self, value: ValueId) -> Buffer:
        """The buffer without gaps that a value is a reshape of."""
        while value not in self.buffers:
            stmt = self.fusion.values.definition[value]
            assert isinstance(stmt, Apply) and stmt.op in ("reshape", "expand"), stmt
            (value,) = stmt.args
        return self.buffers[value]

    def c_order(self, type_: TileType) -> tuple[Index, ...]:
        strides, step = [], ONE
        for extent in reversed(type_.shape):
            strides.append(step)
            step = step * self.scope.settle(extent)
        return tuple(reversed(strides))
