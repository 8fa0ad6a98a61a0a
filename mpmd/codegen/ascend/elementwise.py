"""Elementwise ops of a vector task: each op as calls of the header library, or left to the scalar unit.

In:  an `Apply` of kind ELEMENTWISE, its operands. Out: the tile that it gives.
Not here: broadcasts (`shapes.py`), functions made of several instructions (`functions.py`), casts.
"""

from __future__ import annotations

from collections.abc import Sequence

from mpmd.codegen.ascend import ranges
from mpmd.codegen.ascend.build import Build
from mpmd.codegen.ascend.casts import computed, rounded, wrap
from mpmd.codegen.ascend.functions import FUNCTIONS
from mpmd.codegen.ascend.refuse import refuse
from mpmd.codegen.ascend.scalars import each
from mpmd.codegen.ascend.shapes import spread
from mpmd.codegen.ascend.values import (
    FITS,
    Number,
    Placed,
    Value,
    as_lanes,
    fits,
    lanes_of,
    range_of,
)
from mpmd.errors import Span
from mpmd.lang.tile import Apply, TileType
from mpmd.lang.types import DType, bool_, f32, i32, i64

_BINARY = {"add": "add", "sub": "sub", "mul": "mul", "div": "div", "maximum": "maximum", "minimum": "minimum"}
_COMPARED = {
    "lt": ("less", False), "le": ("less_equal", False), "gt": ("less", True), "ge": ("less_equal", True),
    "eq": ("equal", False), "ne": ("differs", False),
}  # fmt: skip
"""The order that is asked for, and whether the operands change places."""
_BITS = {"and": ("bit_and", 0), "or": ("bit_or", 0), "xor": ("bit_xor", 1)}
_SCALAR = frozenset(("floordiv", "mod", "pow"))
_CLOSED = frozenset(("maximum", "minimum", "and", "or", "xor", "shr"))
"""What makes bytes of bytes."""
_SHIFTS = {"shl": "shift_left", "shr": "shift_right"}


def elementwise(build: Build, stmt: Apply, args: Sequence[Value]) -> Placed:
    if stmt.op == "where":
        return _where(build, stmt, args)
    if stmt.op in _COMPARED:
        return _compared(build, stmt, args)
    if stmt.type.dtype.is_float:
        return _of_floats(build, stmt, args)
    range_ = ranges.after(stmt, [arg.range for arg in args])
    if not all(fits(each_.range) for each_ in args) or (not fits(range_) and stmt.type.dtype == i64):
        return _by_element(build, stmt, args, i64, range_)
    return _of_integers(build, stmt, args, range_)


def _tiles(build: Build, stmt: Apply, args: Sequence[Value]) -> tuple[Placed, ...]:
    """The operands as tiles of the result's extents, as they are computed."""
    shape, span = stmt.type.shape, stmt.span
    tiles = (computed(build, build.tile(arg, shape, span), span) for arg in args)
    return tuple(spread(build, tile, shape, span) for tile in tiles)


# -- floats -----------------------------------------------------------------------------------------


def _of_floats(build: Build, stmt: Apply, args: Sequence[Value]) -> Placed:
    span, type_ = stmt.span, TileType(f32, stmt.type.shape)
    if stmt.op in ("add", "mul") and any(isinstance(arg, Number) for arg in args):
        tile, number = (args[1], args[0]) if isinstance(args[0], Number) else args
        assert isinstance(number, Number), stmt
        out = build.made(
            f"{stmt.op}s", type_, _tiles(build, stmt, [tile]), span, f", {as_lanes(number, f32)}"
        )
    elif stmt.op in _BINARY:
        out = build.made(_BINARY[stmt.op], type_, _tiles(build, stmt, args), span)
    elif stmt.op in FUNCTIONS:
        out = FUNCTIONS[stmt.op](build, _tiles(build, stmt, args), span)
    else:
        raise refuse(f"'{stmt.op}' of {stmt.type.dtype} on vector cores", span)
    return rounded(build, out, stmt.type.dtype, span)


# -- integers and bools -----------------------------------------------------------------------------


def _of_integers(build: Build, stmt: Apply, args: Sequence[Value], range_: ranges.Interval) -> Placed:
    op, span = stmt.op, stmt.span
    if op in _SCALAR or (op in _SHIFTS and not _is_known_shift(args[1])):
        return _by_element(build, stmt, args, i32, range_)
    out = build.new(stmt.type, op, span, range_=range_)
    if op in _SHIFTS:
        count = args[1].value & (8 * stmt.type.dtype.itemsize - 1)  # type: ignore[union-attr, operator]
        build.call(_SHIFTS[op], out, _tiles(build, stmt, args[:1]), span, f", {int(count)}")
    elif op == "neg":
        build.call("muls", out, _tiles(build, stmt, args), span, ", -1")
    elif op == "not":
        build.call("bit_not", out, _tiles(build, stmt, args), span)
    elif op == "abs":
        (a,) = _tiles(build, stmt, args)
        negative = build.made("muls", TileType(i32, stmt.type.shape), (a,), span, ", -1")
        build.call("maximum", out, (a, negative), span)
    elif op in _BITS:
        name, scratch = _BITS[op]
        build.call(name, out, _tiles(build, stmt, args), span, scratch=scratch)
    elif op in _BINARY and op != "div":
        build.call(_BINARY[op], out, _tiles(build, stmt, args), span)
    else:
        raise refuse(f"'{op}' of {stmt.type.dtype} on vector cores", span)
    return out if op in _CLOSED else wrap(build, out, span)


def _is_known_shift(value: Value) -> bool:
    """By a number: an instruction shifts all elements alike. What it leaves of 32 bits is the hardware's."""
    return isinstance(value, Number) and isinstance(value.value, int)


def _by_element(
    build: Build, stmt: Apply, args: Sequence[Value], lanes: DType, range_: ranges.Interval
) -> Placed:
    """Left to the scalar unit."""
    bits = 8 * stmt.type.dtype.itemsize
    extra = f", {bits}" if stmt.op in _SHIFTS else ""
    symbols = {"and": "&", "or": "|", "xor": "^"}

    def made(x: Sequence[str]) -> str:
        if stmt.op in symbols:
            return f"{x[0]} {symbols[stmt.op]} {x[1]}"
        if stmt.op == "not":
            return f"~{x[0]}"
        element = "int64_t" if lanes == i64 else "int32_t"
        return f"mpmd::scalar::{stmt.op}<{element}>({', '.join(x)}{extra})"

    out = build.new(stmt.type, stmt.op, stmt.span, range_=range_)
    return wrap(build, each(build, out, args, lanes, made, stmt.span), stmt.span)


# -- bools and what they choose ---------------------------------------------------------------------


def _compared(build: Build, stmt: Apply, args: Sequence[Value]) -> Placed:
    order, swapped = _COMPARED[stmt.op]
    dtype, span = args[0].type.dtype if isinstance(args[0], Placed) else args[0].dtype, stmt.span
    out = build.new(stmt.type, stmt.op, span, range_=range_of(bool_))
    if dtype == i64 and not all(fits(arg.range) for arg in args):
        narrow = _saturated(build, args, span)
        if narrow is None:
            sign = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}[stmt.op]
            return each(build, out, args, i64, lambda x: f"mpmd::scalar::mask({x[0]} {sign} {x[1]})", span)
        args = narrow
    a, b = _tiles(build, stmt, args)
    if swapped != (dtype == bool_ and order.startswith("less")):  # set bits are −1, below 0
        a, b = b, a
    name = f"compare<mpmd::Order::{order}>"
    return build.call(name, out, (a, b), span, scratch=3 if dtype.is_float else 1)


def _saturated(build: Build, args: Sequence[Value], span: Span) -> list[Value] | None:
    """Both operands as i32, where one of them is strictly within: the other may then be cut to what fits."""
    inside = [FITS.lo < arg.range.lo and arg.range.hi < FITS.hi for arg in args]
    if not any(inside):
        return None
    return [arg if fits(arg.range) else _cut(build, arg, span) for arg in args]


def _cut(build: Build, value: Value, span: Span) -> Value:
    if isinstance(value, Number):
        return Number(f"mpmd::scalar::saturated({value.text})", i32, None, FITS)
    out = build.new(TileType(i32, value.type.shape), "saturated", span)
    return each(build, out, (value,), i64, lambda x: f"mpmd::scalar::saturated({x[0]})", span)


def _where(build: Build, stmt: Apply, args: Sequence[Value]) -> Placed:
    which, *both = args
    span, dtype = stmt.span, stmt.type.dtype
    range_ = ranges.joined([arg.range for arg in both])
    if lanes_of(dtype, range_) == i64:
        out = build.new(stmt.type, "where", span, range_=range_)
        return each(build, out, args, i64, lambda x: f"{x[0]} ? {x[1]} : {x[2]}", span)
    (mask,) = _tiles(build, stmt, [which])
    a, b = _tiles(build, stmt, both)
    type_ = TileType(f32, stmt.type.shape) if dtype.is_float else stmt.type
    out = build.new(type_, "where", span, range_=range_)
    build.call("select", out, (mask, a, b), span, scratch=1)
    return rounded(build, out, dtype, span) if dtype.is_float else out


__all__ = ["elementwise"]
