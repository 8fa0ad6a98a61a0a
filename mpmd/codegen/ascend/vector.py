"""A vector task as a run of vector instructions over tiles in the unified buffer.

In:  a `Function` whose task has neither loops nor products. Out: `Instruction`s in order;
     `UnsupportedOp` with the user's line for what a vector core lacks, or this emitter.
Not here: addresses (`addresses.py`), order between pipes (`pipes.py`), text around them (`function.py`).

A tile's rows are its leading axes, its columns the last one; extents of 1 at the end are dropped, so that a
number of each row and a row of numbers lie alike. 16-bit floats are computed in f32, and each result is
rounded to its type, as the language says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from typing import Union

import numpy as np

from mpmd.codegen.ascend.instructions import Buffer, Instruction, Pipe
from mpmd.codegen.ascend.refuse import refuse
from mpmd.codegen.cpp.names import literal
from mpmd.codegen.cpp.scope import Scope
from mpmd.errors import Span
from mpmd.lang.index import ONE, Index
from mpmd.lang.ops import OPS, OpKind
from mpmd.lang.task.check import unproved_accesses
from mpmd.lang.tile import Apply, Load, Region, Stmt, Store, TileType, ValueId
from mpmd.lang.types import DType, f32, i32
from mpmd.partition.graph import Function

ROW_BYTES = 16
"""Elements that a pitch is a multiple of: 32 bytes of the narrowest type that is computed with."""

MOST_COLUMNS = 255 * 8
"""What the stride from one repeat to the next, counted in blocks of 32 bytes, can skip."""

C_TYPES = {"f32": "float", "f16": "half", "bf16": "bfloat16_t", "i32": "int32_t"}

BINARY = {"add": "add", "sub": "sub", "mul": "mul", "div": "div", "maximum": "maximum", "minimum": "minimum"}
INTEGER = frozenset(("add", "sub", "mul", "maximum", "minimum"))
UNARY = {"exp": "exp", "log": "log", "abs": "abs", "sqrt": "sqrt"}


@dataclass(frozen=True, slots=True)
class Number:
    """A scalar: a C++ expression of its type; `value` where the compiler knows it."""

    text: str
    dtype: DType
    value: float | int | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """Extents of a tile as they lie: C++ texts, and the most that each can be."""

    rows: str
    columns: str
    most_rows: int
    most_columns: int

    @property
    def pitch(self) -> int:
        return -(-self.most_columns // ROW_BYTES) * ROW_BYTES

    @property
    def elements(self) -> int:
        return self.most_rows * self.pitch

    @property
    def text(self) -> str:
        return f"mpmd::Shape{{{_unsigned(self.rows)}, {_unsigned(self.columns)}, {self.pitch}}}"


def _unsigned(text: str) -> str:
    return text if text.isdigit() else f"static_cast<uint32_t>({text})"


@dataclass(frozen=True, slots=True)
class Placed:
    """A value in the unified buffer."""

    buffer: Buffer
    type: TileType


Value = Union[Placed, Number]


@dataclass
class Lowering:
    """Statement by statement; every value is in a buffer of its own, or the same as another."""

    function: Function
    scope: Scope
    instructions: list[Instruction] = field(default_factory=list)
    values: dict[ValueId, Value] = field(default_factory=dict)
    _count: int = 0

    @staticmethod
    def of(function: Function, scope: Scope) -> Lowering:
        lowering = Lowering(function, scope)
        refuse_unproved(function, scope)
        for stmt in function.task.body:
            lowering._lower(stmt)
        return lowering

    def _lower(self, stmt: Stmt) -> None:
        if isinstance(stmt, Load):
            self.values[stmt.out] = self._load(stmt.param, stmt.region, stmt.type, stmt.span)
        elif isinstance(stmt, Store):
            self._store(stmt)
        elif isinstance(stmt, Apply):
            self.values[stmt.out] = self._apply(stmt)
        else:
            what = type(stmt).__name__.lower()
            raise refuse(f"a {what} in a vector task whose course is known only at run time", stmt.span)

    # -- memory -----------------------------------------------------------------------------------

    def _load(self, param: str, region: Region, type_: TileType, span: Span) -> Placed:
        out = self._new(type_, f"{param}[…]", span)
        shape = self.shape(type_, span)
        text = f"mpmd::load({out.buffer.name}, {self._address(param, region)}, {shape.text}, "
        text += f"{self._stride(param, region, span)})"
        self._issue(Pipe.MTE2, text, (), (out.buffer,), span, loaded=param)
        return out

    def _store(self, stmt: Store) -> None:
        dtype = self.function.task.param(stmt.param).dtype
        extents = tuple(axis.extent for axis in stmt.region if axis.keep)
        value = self._placed(stmt.value, extents, stmt.span)
        if stmt.accumulate:
            there = self._load(stmt.param, stmt.region, TileType(dtype, extents), stmt.span)
            wide = self._widened(there, stmt.span)
            value = self._call(
                "add", wide.type, (wide, self._cast(value, wide.type.dtype, stmt.span)), stmt.span
            )
        value = self._cast(value, dtype, stmt.span)
        shape = self.shape(value.type, stmt.span)
        text = f"mpmd::store({self._address(stmt.param, stmt.region)}, {value.buffer.name}, {shape.text}, "
        text += f"{self._stride(stmt.param, stmt.region, stmt.span)})"
        self._issue(Pipe.MTE3, text, (value.buffer,), (), stmt.span, stored=stmt.param)

    def _address(self, param: str, region: Region) -> str:
        layout = self.scope.layout(param)
        offset = Index(0)
        for axis, place in enumerate(region):
            offset = offset + place.start * self.scope.stride(layout, axis)
        name, text = self.scope.names[param], self.scope.text(offset)
        return name if text == "0" else f"{name} + {text}"

    def _stride(self, param: str, region: Region, span: Span) -> str:
        """Elements from one row to the next; the columns must be neighbours, and rows evenly apart."""
        layout = self.scope.layout(param)
        lying = [
            (axis.extent, self.scope.stride(layout, number) * axis.step)
            for number, axis in enumerate(region)
            if axis.keep and self.scope.settle(axis.extent) != ONE
        ]
        if not lying:
            return "1"
        *rows, (_, step) = lying
        if step != ONE:
            raise refuse(f"elements of '{param}' that are not neighbours along the last axis", span)
        for (_, outer), (extent, inner) in pairwise(rows):
            if self.scope.settle(extent * inner) != self.scope.settle(outer):
                raise refuse(f"rows of '{param}' that are not evenly apart", span)
        return self.scope.text(rows[-1][1]) if rows else self.scope.text(lying[-1][0])

    # -- values -----------------------------------------------------------------------------------

    def _apply(self, stmt: Apply) -> Value:
        kind = OPS[stmt.op].kind
        args = [self.values[arg] for arg in stmt.args]
        if kind == OpKind.LEAF:
            return self._leaf(stmt)
        if (
            args
            and all(isinstance(arg, Number) and arg.value is not None for arg in args)
            and not stmt.type.rank
        ):
            return _folded(stmt, [arg for arg in args if isinstance(arg, Number)])
        if kind == OpKind.SHAPE:
            return self._reshaped(stmt, args[0])
        if kind == OpKind.CAST:
            arg = args[0]
            if isinstance(arg, Number):
                return _cast_number(arg, stmt)
            return self._cast(arg, stmt.type.dtype, stmt.span)
        if kind == OpKind.REDUCTION:
            return self._reduced(stmt, self._placed(stmt.args[0], None, stmt.span))
        return self._elementwise(stmt, args)

    def _leaf(self, stmt: Apply) -> Number:
        dtype = stmt.type.dtype
        if stmt.op == "const":
            return _constant(dict(stmt.attrs)["value"], dtype)
        if stmt.op == "index":
            index = self.scope.settle(stmt.attr("value"))  # type: ignore[arg-type]
            if index.is_const:
                return _constant(index.const, dtype)
            return Number(f"({self.scope.text(index)})", dtype)
        if stmt.op == "scalar":
            return Number(self.scope.names[str(stmt.attr("name"))], dtype)
        raise refuse(f"'{stmt.op}' on vector cores", stmt.span)

    def _elementwise(self, stmt: Apply, args: Sequence[Value]) -> Placed:
        dtype = stmt.type.dtype
        if not (dtype.name in ("f32", "f16", "bf16") or (dtype == i32 and stmt.op in INTEGER)):
            raise refuse(f"'{stmt.op}' of {dtype} on vector cores", stmt.span)
        wide = TileType(f32 if dtype.is_float else dtype, stmt.type.shape)
        if stmt.op in BINARY:
            out = self._binary(stmt, args, wide)
        else:
            operand = self._placed(stmt.args[0], stmt.type.shape, stmt.span)
            out = self._unary(stmt, self._widened(operand, stmt.span), wide)
        return self._cast(out, dtype, stmt.span)

    def _binary(self, stmt: Apply, args: Sequence[Value], wide: TileType) -> Placed:
        a, b = args
        if stmt.op in ("add", "mul"):
            if isinstance(a, Number):
                a, b = b, a
            if isinstance(b, Number) and isinstance(a, Placed):
                tile = self._spread(self._widened(a, stmt.span), wide.shape, stmt.span)
                return self._call(f"{stmt.op}s", wide, (tile,), stmt.span, f", {_as(b, wide.dtype)}")
        operands = [
            self._spread(self._widened(self._as_tile(arg, wide, stmt.span), stmt.span), wide.shape, stmt.span)
            for arg in args
        ]
        return self._call(BINARY[stmt.op], wide, tuple(operands), stmt.span)

    def _unary(self, stmt: Apply, a: Placed, wide: TileType) -> Placed:
        if stmt.op in UNARY:
            return self._call(UNARY[stmt.op], wide, (a,), stmt.span)
        composed: dict[str, Callable[[Placed, TileType, Span], Placed]] = {
            "neg": lambda x, t, s: self._call("muls", t, (x,), s, ", -1.0f"),
            "rsqrt": lambda x, t, s: self._over_one(self._call("sqrt", t, (x,), s), t, s),
            "sigmoid": self._sigmoid,
            "tanh": self._tanh,
        }
        if stmt.op not in composed:
            raise refuse(f"'{stmt.op}' on vector cores", stmt.span)
        return composed[stmt.op](a, wide, stmt.span)

    def _over_one(self, a: Placed, type_: TileType, span: Span) -> Placed:
        """1 / a, as precise as a quotient."""
        return self._call("div", type_, (self._filled("1.0f", type_, span), a), span)

    def _sigmoid(self, a: Placed, type_: TileType, span: Span) -> Placed:
        power = self._call("exp", type_, (self._call("muls", type_, (a,), span, ", -1.0f"),), span)
        return self._over_one(self._call("adds", type_, (power,), span, ", 1.0f"), type_, span)

    def _tanh(self, a: Placed, type_: TileType, span: Span) -> Placed:
        """2·sigmoid(2a) − 1."""
        half = self._sigmoid(self._call("muls", type_, (a,), span, ", 2.0f"), type_, span)
        doubled = self._call("muls", type_, (half,), span, ", 2.0f")
        return self._call("adds", type_, (doubled,), span, ", -1.0f")

    def _reduced(self, stmt: Apply, operand: Placed) -> Placed:
        if stmt.op not in ("sum", "max", "min") or not operand.type.dtype.is_float:
            raise refuse(f"'{stmt.op}' of {operand.type.dtype} on vector cores", stmt.span)
        wide, span = self._widened(operand, stmt.span), stmt.span
        if stmt.op == "min":  # the hardware's fold of rows knows sums and maxima
            wide = self._call("muls", wide.type, (wide,), span, ", -1.0f")
        out = self._folded(wide, stmt, "SUM" if stmt.op == "sum" else "MAX")
        if stmt.op == "min":
            out = self._call("muls", out.type, (out,), span, ", -1.0f")
        return self._cast(out, stmt.type.dtype, span)

    def _folded(self, a: Placed, stmt: Apply, kind: str) -> Placed:
        rank, axis = a.type.rank, stmt.attr("axis")
        if rank > 2 or self.scope.settle(a.type.shape[-1]) == ONE:
            raise refuse("reductions of more than two axes, or of a column", stmt.span)
        out = self._new(TileType(f32, stmt.type.shape), stmt.op, stmt.span)
        shape = self.shape(a.type, stmt.span)
        template = f"<AscendC::ReduceType::{kind}>"
        if axis != rank - 1:
            text = f"mpmd::fold_columns{template}({out.buffer.name}, {a.buffer.name}, {shape.text})"
            self._issue(Pipe.V, text, (a.buffer,), (out.buffer,), stmt.span)
            return out
        if shape.most_rows > 1 and shape.pitch > MOST_COLUMNS:
            raise refuse(f"reductions of rows of more than {MOST_COLUMNS} elements", stmt.span)
        part = self._scratch(max(ROW_BYTES, shape.most_rows), "sums of 64 columns")
        names = ", ".join((out.buffer.name, a.buffer.name, part.name, shape.text))
        self._issue(Pipe.V, f"mpmd::fold_rows{template}({names})", (a.buffer,), (out.buffer, part), stmt.span)
        return out

    # -- extents ----------------------------------------------------------------------------------

    def _reshaped(self, stmt: Apply, arg: Value) -> Value:
        if stmt.op == "broadcast":
            tile = self._as_tile(arg, TileType(stmt.type.dtype), stmt.span)
            return self._cast(
                self._spread(self._widened(tile, stmt.span), stmt.type.shape, stmt.span),
                stmt.type.dtype,
                stmt.span,
            )
        if isinstance(arg, Number):
            return arg
        before, after = self.shape(arg.type, stmt.span), self.shape(stmt.type, stmt.span)
        if stmt.op == "slice":
            raise refuse(
                "slices of values: index the tensor, so that a load of its own reads them", stmt.span
            )
        if stmt.op == "transpose":
            raise refuse("transposed tiles, other than operands of '@',", stmt.span)
        dense = all(s.pitch == s.most_columns or s.most_rows == 1 for s in (before, after))
        if (before.rows, before.columns) == (after.rows, after.columns) or dense:
            return Placed(arg.buffer, stmt.type)
        raise refuse("reshapes of tiles whose rows are no multiple of 16 elements", stmt.span)

    def shape(self, type_: TileType, span: Span) -> Shape:
        """How a tile lies."""
        extents = [self.scope.settle(extent) for extent in type_.shape]
        while extents and extents[-1] == ONE:
            extents.pop()
        *rows, columns = extents or [ONE]
        many = [extent for extent in rows if extent != ONE]
        return Shape(
            " * ".join(self.scope.factor(extent) for extent in many) or "1",
            self.scope.text(columns),
            prod(self.scope.bound(extent, span) for extent in many),
            max(1, self.scope.bound(columns, span)),
        )

    def _spread(self, a: Placed, shape: tuple[Index, ...], span: Span) -> Placed:
        """The tile with these extents, by NumPy's rules of broadcasting."""
        target = TileType(a.type.dtype, shape)
        own = (ONE,) * (len(shape) - a.type.rank) + tuple(map(self.scope.settle, a.type.shape))
        wanted = tuple(map(self.scope.settle, shape))
        if own == wanted:
            return a
        out, to = self._new(target, "spread", span), self.shape(target, span)
        kept = [x for x, y in zip(own, wanted, strict=True) if y != ONE]
        if all(x == ONE for x in kept):
            count, rows = "1", 1
        elif all(x == ONE for x in kept[-1:]) and kept[:-1] == [y for y in wanted if y != ONE][:-1]:
            count, rows = to.rows, to.most_rows
        elif all(x == ONE for x in kept[:-1]):
            text = f"mpmd::repeat({out.buffer.name}, {a.buffer.name}, {to.text})"
            self._issue(Pipe.V, text, (a.buffer,), (out.buffer,), span)
            return out
        else:
            raise refuse("broadcasts along an axis in the middle", span)
        if to.pitch > MOST_COLUMNS or rows > MOST_COLUMNS:
            raise refuse(f"broadcasts to more than {MOST_COLUMNS} rows or columns", span)
        whole = -(-rows // 8) * 8
        padded = self._scratch(whole, "a number for each row, and zeros", a.type.dtype)
        blocks = self._scratch(8 * whole, "a block for each row", a.type.dtype)
        self._issue(Pipe.V, f"mpmd::clear({padded.name})", (), (padded,), span)
        names = ", ".join(
            (out.buffer.name, a.buffer.name, padded.name, blocks.name, to.text, _unsigned(count))
        )
        self._issue(Pipe.V, f"mpmd::spread({names})", (a.buffer, padded), (out.buffer, padded, blocks), span)
        return out

    def _placed(self, value: ValueId, shape: tuple[Index, ...] | None, span: Span) -> Placed:
        """A value in the buffer, with these extents."""
        known = self.values[value]
        if isinstance(known, Number):
            return self._as_tile(known, TileType(known.dtype, shape or ()), span)
        if shape is None or tuple(map(self.scope.settle, known.type.shape)) == tuple(
            map(self.scope.settle, shape)
        ):
            return known
        return self._cast(self._spread(self._widened(known, span), shape, span), known.type.dtype, span)

    def _as_tile(self, value: Value, type_: TileType, span: Span) -> Placed:
        """A number as a tile filled with it."""
        if isinstance(value, Placed):
            return value
        wide = TileType(f32 if value.dtype.is_float else value.dtype, type_.shape)
        return self._filled(_as(value, wide.dtype), wide, span)

    def _filled(self, number: str, type_: TileType, span: Span) -> Placed:
        return self._call("fill", type_, (), span, f", {number}")

    # -- types ------------------------------------------------------------------------------------

    def _widened(self, a: Placed, span: Span) -> Placed:
        """What is computed with: f32 for 16-bit floats."""
        return self._cast(a, f32, span) if a.type.dtype.is_float else a

    def _cast(self, a: Placed, dtype: DType, span: Span) -> Placed:
        if a.type.dtype == dtype:
            return a
        mode = _ROUNDING.get((a.type.dtype.name, dtype.name))
        if mode is None:
            if a.type.dtype.is_float and dtype.is_float and f32 not in (a.type.dtype, dtype):
                return self._cast(self._cast(a, f32, span), dtype, span)
            raise refuse(f"casts from {a.type.dtype} to {dtype} on vector cores", span)
        return self._call("cast", TileType(dtype, a.type.shape), (a,), span, f", AscendC::RoundMode::{mode}")

    # -- instructions -----------------------------------------------------------------------------

    def _call(
        self, name: str, type_: TileType, args: tuple[Placed, ...], span: Span, extra: str = ""
    ) -> Placed:
        """One function of the header library over all elements of a tile."""
        out = self._new(type_, name, span)
        names = ", ".join((out.buffer.name, *(arg.buffer.name for arg in args)))
        text = f"mpmd::{name}({names}{extra}, {self.shape(type_, span).text})"
        self._issue(Pipe.V, text, tuple(arg.buffer for arg in args), (out.buffer,), span)
        return out

    def _issue(
        self,
        pipe: Pipe,
        text: str,
        reads: tuple[Buffer, ...],
        writes: tuple[Buffer, ...],
        span: Span,
        *,
        loaded: str | None = None,
        stored: str | None = None,
    ) -> None:
        self.instructions.append(Instruction(pipe, text, reads, writes, span, loaded, stored))

    def _new(self, type_: TileType, about: str, span: Span) -> Placed:
        if type_.dtype.name not in C_TYPES:
            raise refuse(f"tiles of {type_.dtype} on vector cores", span)
        elements = self.shape(type_, span).elements
        return Placed(self._buffer("v", type_.dtype, max(ROW_BYTES, elements), about), type_)

    def _scratch(self, elements: int, about: str, dtype: DType = f32) -> Buffer:
        return self._buffer("s", dtype, elements, about)

    def _buffer(self, letter: str, dtype: DType, elements: int, about: str) -> Buffer:
        self._count += 1
        return Buffer(f"{letter}{self._count}", dtype, elements, about)


_ROUNDING = {
    ("f16", "f32"): "CAST_NONE",
    ("bf16", "f32"): "CAST_NONE",
    ("f32", "f16"): "CAST_RINT",
    ("f32", "bf16"): "CAST_RINT",
    ("i32", "f32"): "CAST_RINT",
    ("f32", "i32"): "CAST_TRUNC",
}


def _constant(value: object, dtype: DType) -> Number:
    number = np.asarray(OPS["const"].reference((), {"value": value}, dtype.numpy))
    if dtype.is_float:
        return Number(literal(float(number), f32), dtype, float(number))
    return Number(str(int(number)), dtype, int(number))


def _folded(stmt: Apply, args: Sequence[Number]) -> Number:
    """What the compiler computes itself."""
    arrays = tuple(np.asarray(arg.value, arg.dtype.numpy) for arg in args)
    result = OPS[stmt.op].reference(arrays, dict(stmt.attrs), stmt.type.dtype.numpy)
    return _constant(np.asarray(result)[()], stmt.type.dtype)


def _cast_number(number: Number, stmt: Apply) -> Number:
    dtype = stmt.type.dtype
    if dtype.itemsize < 4:
        raise refuse(f"scalars of {dtype} that are known only at run time", stmt.span)
    return Number(_as(number, dtype), dtype)


def _as(number: Number, dtype: DType) -> str:
    """The expression, of that type."""
    if number.value is not None:
        return literal(number.value, dtype)
    return number.text if number.dtype == dtype else f"static_cast<{C_TYPES[dtype.name]}>({number.text})"


def refuse_unproved(function: Function, scope: Scope) -> None:
    for stmt, _ in unproved_accesses(function.task, fixed=scope.fixed):
        raise refuse("accesses whose bounds are checked at run time", stmt.span)


__all__ = ["C_TYPES", "Lowering", "Number", "Placed", "Shape", "refuse_unproved"]
