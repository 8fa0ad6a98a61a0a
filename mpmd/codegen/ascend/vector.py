"""A vector task as a run of instructions over tiles in the unified buffer.

In:  a `Function`. Out: `Step`s in order; `UnsupportedOp` with the user's line for what a vector core lacks,
     or this emitter.
Not here: what an op becomes (`elementwise.py`, `reductions.py`, `shapes.py`, `transfers.py`), addresses
     (`addresses.py`), order between pipes (`pipes.py`), text around them (`function.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from mpmd.codegen.ascend.build import Build, number_at
from mpmd.codegen.ascend.casts import cast
from mpmd.codegen.ascend.checks import check
from mpmd.codegen.ascend.control import branch, loop
from mpmd.codegen.ascend.elementwise import elementwise
from mpmd.codegen.ascend.instructions import Pipe, Step
from mpmd.codegen.ascend.reductions import product, reduced
from mpmd.codegen.ascend.refuse import refuse
from mpmd.codegen.ascend.shapes import reshaped, spread
from mpmd.codegen.ascend.tokens import receive, send
from mpmd.codegen.ascend.transfers import load, load_rows, lying, store
from mpmd.codegen.ascend.values import (
    Number,
    Placed,
    Value,
    constant,
    range_of,
)
from mpmd.codegen.cpp.scope import Scope
from mpmd.codegen.source import StepNote
from mpmd.lang.index import ONE, Index, Interval
from mpmd.lang.ops import OPS, OpKind
from mpmd.lang.task.check import unproved_accesses
from mpmd.lang.tile import (
    Apply,
    Branch,
    Gather,
    Load,
    Loop,
    Receive,
    Send,
    Stmt,
    Store,
    TileType,
    ValueId,
    walk,
)
from mpmd.lang.types import f32, i32, i64
from mpmd.partition.graph import Function
from mpmd.partition.rewrite.bodies import types_of


@dataclass
class Lowering:
    """Statement by statement; every value is in a tile of its own, or the same as another.

    A transposed matrix is made when somebody asks for it: products take it as it is. `turned` says of what.
    `unproved` has, by statement, the axes that are checked at run time; `symbols` what indices are made of.
    """

    build: Build
    unproved: dict[int, list[int]]
    types: dict[ValueId, TileType]
    symbols: frozenset[str]
    values: dict[ValueId, Value] = field(default_factory=dict)
    turned: dict[ValueId, ValueId] = field(default_factory=dict)

    @staticmethod
    def of(function: Function, scope: Scope, checks: list[StepNote]) -> Lowering:
        body = function.task.body
        unproved = defaultdict[int, list[int]](list)
        for stmt, axis in unproved_accesses(function.task, fixed=scope.fixed):
            unproved[id(stmt)].append(axis)
        lowering = Lowering(Build(function, scope, checks), unproved, types_of(body), _symbols(body))
        lowering._body(body)
        return lowering

    @property
    def instructions(self) -> list[Step]:
        return self.build.instructions

    def _body(self, body: Sequence[Stmt]) -> None:
        for stmt in body:
            self._lower(stmt)

    def _lower(self, stmt: Stmt) -> None:
        self._check(stmt)
        if isinstance(stmt, Load):
            there = lying(self.build, stmt.param, stmt.region)
            self._define(stmt.out, load(self.build, there, stmt.span), stmt)
        elif isinstance(stmt, Store):
            self._store(stmt)
        elif isinstance(stmt, Gather):
            self._define(stmt.out, load_rows(self.build, stmt, self._rows(stmt)), stmt)
        elif isinstance(stmt, Apply) and stmt.op == "transpose" and stmt.attr("order") == (1, 0):
            self.turned[stmt.out] = stmt.args[0]
        elif isinstance(stmt, Apply):
            self._define(stmt.out, self._apply(stmt), stmt)
        elif isinstance(stmt, Loop):
            loop(self.build, stmt, lambda value: self._value(value, stmt), self.values, self._body)
        elif isinstance(stmt, Branch):
            branch(self.build, stmt, lambda value: self._value(value, stmt), self.values, self._body)
        elif isinstance(stmt, Send):
            send(self.build, stmt, self._value(stmt.value, stmt))
        elif isinstance(stmt, Receive):
            self._define(stmt.out, receive(self.build, stmt), stmt)
        else:
            raise refuse(f"a {type(stmt).__name__.lower()} in a vector task", stmt.span)

    def _check(self, stmt: Stmt) -> None:
        """The checks that an access needs."""
        for axis in self.unproved.get(id(stmt), ()):
            operand: Placed | TileType | None = None
            if isinstance(stmt, Gather):
                operand = self._rows(stmt)
            elif isinstance(stmt, Apply) and stmt.args:
                operand = self.types[stmt.args[0]]
            elif isinstance(stmt, Send):
                operand = self.types[stmt.value]
            check(self.build, stmt, axis, operand)

    def _rows(self, stmt: Gather) -> Placed:
        return self.build.tile(self._value(stmt.index, stmt), self.types[stmt.index].shape, stmt.span)

    def _define(self, out: ValueId, value: Value, stmt: Stmt) -> None:
        """A value; index expressions that name it get a number."""
        self.values[out] = value
        if (name := f"%{out}") not in self.symbols:
            return
        if isinstance(value, Placed):
            value = self.values[out] = number_at(self.build, value, stmt.span)
        self.build.scope.names[name] = value.text
        self.build.scope.bounds[name] = value.range

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
        if stmt.type.dtype.is_float and ONE not in self.build.settled(stmt.type.shape):
            raise refuse("'@' of matrices beside other work", stmt.span)
        a = self._value(left, stmt)
        turned = right in self.turned and right not in self.values
        b = self._value(self.turned[right] if turned else right, stmt)
        assert isinstance(a, Placed) and isinstance(b, Placed), stmt
        return product(self.build, stmt, a, b, turned)


def _known(stmt: Apply, args: Sequence[Value]) -> Number | None:
    """What the compiler computes itself."""
    numbers = [arg for arg in args if isinstance(arg, Number) and arg.value is not None]
    if not args or len(numbers) < len(args) or stmt.type.rank:
        return None
    arrays = tuple(np.asarray(arg.value, arg.dtype.numpy) for arg in numbers)
    result = OPS[stmt.op].reference(arrays, dict(stmt.attrs), stmt.type.dtype.numpy)
    return constant(np.asarray(result)[()], stmt.type.dtype)


def _symbols(body: Sequence[Stmt]) -> frozenset[str]:
    """The symbols of all index expressions."""
    found = set[str]()
    for stmt in walk(tuple(body)):
        for index in _indices(stmt):
            found |= index.symbols()
    return frozenset(found)


def _indices(stmt: Stmt) -> Iterator[Index]:
    if isinstance(stmt, (Load, Store)):
        for axis in stmt.region:
            yield from (axis.start, axis.extent)
    if isinstance(stmt, Loop):
        yield from (stmt.start, stmt.stop)
    if isinstance(stmt, (Apply, Load, Gather)):
        yield from stmt.type.shape
    if isinstance(stmt, Apply):
        yield from (value for _, value in stmt.attrs if isinstance(value, Index))


__all__ = ["Lowering"]
