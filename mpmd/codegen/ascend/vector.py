"""A vector task as a run of instructions over tiles in the unified buffer.

In:  a `Function` whose task has no loops. Out: `Instruction`s in order; `UnsupportedOp` with the user's line
     for what a vector core lacks, or this emitter.
Not here: what an op becomes (`elementwise.py`, `reductions.py`, `shapes.py`, `transfers.py`), addresses
     (`addresses.py`), order between pipes (`pipes.py`), text around them (`function.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mpmd.codegen.ascend.build import Build
from mpmd.codegen.ascend.casts import cast
from mpmd.codegen.ascend.elementwise import elementwise
from mpmd.codegen.ascend.instructions import Instruction, Pipe
from mpmd.codegen.ascend.reductions import reduced, row_product
from mpmd.codegen.ascend.refuse import refuse
from mpmd.codegen.ascend.shapes import reshaped, spread
from mpmd.codegen.ascend.transfers import load, lying, store
from mpmd.codegen.ascend.values import (
    C_TYPES,
    Number,
    Placed,
    Value,
    constant,
    range_of,
)
from mpmd.codegen.cpp.scope import Scope
from mpmd.lang.index import ONE, Interval
from mpmd.lang.ops import OPS, OpKind
from mpmd.lang.task.check import unproved_accesses
from mpmd.lang.tile import Apply, Load, Stmt, Store, TileType, ValueId
from mpmd.lang.types import f32, i32, i64
from mpmd.partition.graph import Function


@dataclass
class Lowering:
    """Statement by statement; every value is in a tile of its own, or the same as another.

    A transposed matrix is made when somebody asks for it: products take it as it is. `turned` says of what.
    """

    build: Build
    values: dict[ValueId, Value] = field(default_factory=dict)
    turned: dict[ValueId, ValueId] = field(default_factory=dict)

    @staticmethod
    def of(function: Function, scope: Scope) -> Lowering:
        lowering = Lowering(Build(function, scope))
        refuse_unproved(function, scope)
        for stmt in function.task.body:
            lowering._lower(stmt)
        return lowering

    @property
    def instructions(self) -> list[Instruction]:
        return self.build.instructions

    def _lower(self, stmt: Stmt) -> None:
        if isinstance(stmt, Load):
            there = lying(self.build, stmt.param, stmt.region)
            self.values[stmt.out] = load(self.build, there, stmt.span)
        elif isinstance(stmt, Store):
            self._store(stmt)
        elif isinstance(stmt, Apply) and stmt.op == "transpose" and stmt.attr("order") == (1, 0):
            self.turned[stmt.out] = stmt.args[0]
        elif isinstance(stmt, Apply):
            self.values[stmt.out] = self._apply(stmt)
        else:
            what = type(stmt).__name__.lower()
            raise refuse(f"a {what} in a vector task whose course is known only at run time", stmt.span)

    def _value(self, value: ValueId, stmt: Stmt) -> Value:
        if value in self.turned and value not in self.values:
            source = self._value(self.turned[value], stmt)
            self.values[value] = source if isinstance(source, Number) else self._transposed(source, stmt)
        return self.values[value]

    def _transposed(self, a: Placed, stmt: Stmt) -> Placed:
        swapped = Apply(
            0, TileType(a.type.dtype, a.type.shape[::-1]), "transpose", (), (("order", (1, 0)),), stmt.span
        )
        return reshaped(self.build, swapped, a)

    def _store(self, stmt: Store) -> None:
        there = lying(self.build, stmt.param, stmt.region)
        shape, span = there.extents, stmt.span
        value = spread(self.build, self.build.tile(self._value(stmt.value, stmt), shape, span), shape, span)
        if stmt.accumulate:
            before = load(self.build, there, span)
            sum_ = Apply(0, TileType(there.dtype, shape), "add", (), (), span)
            value = elementwise(self.build, sum_, (before, cast(self.build, value, there.dtype, span)))
        store(self.build, there, value, span)

    def _apply(self, stmt: Apply) -> Value:
        kind = OPS[stmt.op].kind
        if kind == OpKind.LEAF:
            return self._leaf(stmt)
        if kind == OpKind.DOT:
            return self._dot(stmt)
        args = [self._value(arg, stmt) for arg in stmt.args]
        if (number := _known(stmt, args)) is not None:
            return number
        if kind == OpKind.ELEMENTWISE:
            return elementwise(self.build, stmt, args)
        (arg,) = args
        if kind == OpKind.CAST:
            return self._cast(stmt, arg)
        if isinstance(arg, Number):
            return arg if stmt.op != "broadcast" else self.build.tile(arg, stmt.type.shape, stmt.span)
        if kind == OpKind.SHAPE:
            return reshaped(self.build, stmt, arg)
        return reduced(self.build, stmt, arg)

    def _leaf(self, stmt: Apply) -> Value:
        dtype, build = stmt.type.dtype, self.build
        if stmt.op == "const":
            return constant(dict(stmt.attrs)["value"], dtype)
        if stmt.op == "index":
            index = build.scope.settle(stmt.attr("value"))  # type: ignore[arg-type]
            if index.is_const:
                return constant(index.const, dtype)
            return Number(f"({build.scope.text(index)})", dtype, None, index.interval(self._bounds()))
        if stmt.op == "scalar":
            return Number(build.scope.names[str(stmt.attr("name"))], dtype, None, range_of(dtype))
        most = build.scope.bound(stmt.type.shape[0], stmt.span)
        out = build.new(stmt.type, "0, 1, 2, …", stmt.span, range_=Interval(0, max(0, most - 1)))
        count = build.scope.text(stmt.type.shape[0])
        build.issue(Pipe.S, f"mpmd::steps({out.buffer.name}, 1, {count})", (), (out.buffer,), stmt.span)
        return out

    def _bounds(self) -> dict[str, Interval]:
        """What the symbols of index expressions can be."""
        params = self.build.function.task.scalars
        return {**{p.name: range_of(p.dtype) for p in params}, **self.build.scope.bounds}

    def _cast(self, stmt: Apply, arg: Value) -> Value:
        if isinstance(arg, Number):
            if stmt.type.dtype == i64 and arg.dtype.is_integer:
                return Number(arg.text, i64, None, arg.range)
            if stmt.type.dtype == f32 and arg.dtype.is_integer:
                return Number(f"static_cast<float>({arg.text})", f32)
            if stmt.type.dtype == i32 and arg.dtype == i64:
                return Number(f"static_cast<int32_t>({arg.text})", i32, None, range_of(i32))
            arg = self.build.tile(arg, stmt.type.shape, stmt.span)
        return cast(self.build, arg, stmt.type.dtype, stmt.span)

    def _dot(self, stmt: Apply) -> Placed:
        left, right = stmt.args
        if ONE not in self.build.settled(stmt.type.shape):
            raise refuse("'@' of matrices beside other work", stmt.span)
        a = self._value(left, stmt)
        turned = right in self.turned and right not in self.values
        b = self._value(self.turned[right] if turned else right, stmt)
        assert isinstance(a, Placed) and isinstance(b, Placed), stmt
        return row_product(self.build, stmt, a, b, turned)


def _known(stmt: Apply, args: Sequence[Value]) -> Number | None:
    """What the compiler computes itself."""
    numbers = [arg for arg in args if isinstance(arg, Number) and arg.value is not None]
    if not args or len(numbers) < len(args) or stmt.type.rank:
        return None
    arrays = tuple(np.asarray(arg.value, arg.dtype.numpy) for arg in numbers)
    result = OPS[stmt.op].reference(arrays, dict(stmt.attrs), stmt.type.dtype.numpy)
    return constant(np.asarray(result)[()], stmt.type.dtype)


def refuse_unproved(function: Function, scope: Scope) -> None:
    for stmt, _ in unproved_accesses(function.task, fixed=scope.fixed):
        raise refuse("accesses whose bounds are checked at run time", stmt.span)


__all__ = ["C_TYPES", "Lowering", "refuse_unproved"]
