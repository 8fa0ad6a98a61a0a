"""Calls inside of a task: functions of `mpmd`, methods of tiles, and a few of Python's builtins.

In:  the callee and evaluated arguments. Out: the `Value` of the call.
Not here: evaluating arguments (`task/expr.py`), `range` and `tiles` (`task/flow.py`).
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mpmd.errors import LanguageError, Span, TypeMismatch
from mpmd.lang.index import ZERO, Index
from mpmd.lang.op_types import element_count
from mpmd.lang.ops import OPS, OpKind
from mpmd.lang.task import composites, messages
from mpmd.lang.task.operators import broadcast, elementwise, reduce, reshape
from mpmd.lang.task.source import did_you_mean
from mpmd.lang.task.values import (
    Builder,
    Tile,
    Value,
    as_tile,
    common_dtype,
    constant_int,
    describe,
    index_of,
    is_number,
)
from mpmd.lang.tile import TileType
from mpmd.lang.types import DType, f32, i64


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one call, evaluated, and the place of the call."""

    callee: str
    positional: tuple[Value, ...]
    keywords: tuple[tuple[str, Value], ...]
    span: Span

    def bind(self, required: Sequence[str], optional: Sequence[tuple[str, Value]] = ()) -> list[Value]:
        """Values in the order of the parameters. Raises LanguageError for a call that does not fit."""
        names = [*required, *(name for name, _ in optional)]
        if len(self.positional) > len(names):
            count = f"{len(names)} argument" + ("" if len(names) == 1 else "s")
            raise self.error(f"'{self.callee}' takes {count}, but {len(self.positional)} are given")
        bound: dict[str, Value] = dict(zip(names, self.positional, strict=False))
        for name, value in self.keywords:
            if name not in names:
                raise self.error(f"'{self.callee}' has no parameter '{name}'", *did_you_mean(name, names))
            if name in bound:
                raise self.error(f"'{self.callee}' gets '{name}' twice")
            bound[name] = value
        for name in required:
            if name not in bound:
                raise self.error(f"'{self.callee}' needs '{name}'")
        return [bound[name] if name in bound else dict(optional)[name] for name in names]

    def error(self, message: str, *hints: str) -> LanguageError:
        return LanguageError(message, span=self.span, hints=hints)


# -- functions of mpmd ----------------------------------------------------------------------------


def call_function(builder: Builder, name: str, args: Arguments) -> Value:
    """`mpmd.name(…)`."""
    if name in OPS and OPS[name].kind is OpKind.ELEMENTWISE:
        operands = ("condition", "a", "b") if name == "where" else ("x", "y")[: OPS[name].arity]
        return elementwise(builder, name, args.bind(operands), args.span)
    if (name in OPS and OPS[name].kind is OpKind.REDUCTION) or name in ("mean", "softmax"):
        value, *rest = args.positional or (None,)
        if value is None:
            raise args.error(f"'{name}' needs a tile")
        return call_method(builder, value, name, Arguments(name, tuple(rest), args.keywords, args.span))
    if name in composites.POINTWISE:
        (x,) = args.bind(("x",))
        return composites.POINTWISE[name](builder, x, args.span)
    return _OTHERS[name](builder, args)


def _zeros(builder: Builder, args: Arguments) -> Value:
    shape, dtype = args.bind(("shape",), (("dtype", f32),))
    return _filled(builder, shape, Index(0), dtype, args.span)


def _full(builder: Builder, args: Arguments) -> Value:
    shape, value, dtype = args.bind(("shape", "value"), (("dtype", None),))
    if isinstance(value, Tile) and value.type.rank:
        raise TypeMismatch(f"'full' repeats one number, not {describe(value)}", span=args.span)
    return _filled(builder, shape, value, dtype or common_dtype((value,))[0], args.span)


def _filled(builder: Builder, shape: Value, value: Value, dtype: Value, span: Span) -> Tile:
    tile = as_tile(builder, value, span, _dtype(dtype, span))
    return broadcast(builder, tile, _shape(shape, span), span)


def _arange(builder: Builder, args: Arguments) -> Value:
    (count,) = args.bind(("count",))
    extent = index_of(count, args.span, "the count of 'arange'")
    return builder.define("iota", (), TileType(i64, (extent,)), (("extent", extent),), args.span)


def _send(builder: Builder, args: Arguments) -> Value:
    channel, value = args.bind(("channel", "value"))
    return messages.send(builder, channel, value, args.span)


def _recv(builder: Builder, args: Arguments) -> Value:
    channel, shape = args.bind(("channel",), (("shape", None),))
    extents = None if shape is None else _shape(shape, args.span)
    return messages.receive(builder, channel, extents, args.span)


_OTHERS: dict[str, Callable[[Builder, Arguments], Value]] = {
    "zeros": _zeros,
    "full": _full,
    "arange": _arange,
    "send": _send,
    "recv": _recv,
}


# -- methods of tiles -----------------------------------------------------------------------------


def call_method(builder: Builder, value: Value, name: str, args: Arguments) -> Value:
    """`value.name(…)`."""
    if name in _METHODS:
        return _METHODS[name](builder, as_tile(builder, value, args.span), args)
    if name == "mean" or (name in OPS and OPS[name].kind is OpKind.REDUCTION):
        axis, keepdims = args.bind((), (("axis", None), ("keepdims", False)))
        if not isinstance(keepdims, bool):
            raise args.error("'keepdims' is True or False")
        axes = _axes(axis, args.span)
        if name == "mean":
            return composites.mean(builder, value, axes, keepdims, args.span)
        return reduce(builder, name, value, axes, keepdims, args.span)
    if name == "softmax":
        (axis,) = args.bind((), (("axis", Index(-1)),))
        return composites.softmax(builder, value, _constant(axis, args.span, "an axis"), args.span)
    raise LanguageError(
        f"tiles have no method '{name}'",
        span=args.span,
        label="unknown method",
        hints=did_you_mean(name, METHOD_NAMES),
    )


def _astype(builder: Builder, tile: Tile, args: Arguments) -> Value:
    (dtype,) = args.bind(("dtype",))
    return as_tile(builder, Tile(tile.id, tile.type), args.span, _dtype(dtype, args.span))


def _reshape(builder: Builder, tile: Tile, args: Arguments) -> Value:
    shape = args.positional[0] if len(args.positional) == 1 else args.positional
    return reshape(builder, tile, _inferred(_shape(shape, args.span, -1), tile.type, args.span), args.span)


def _transpose(builder: Builder, tile: Tile, args: Arguments) -> Value:
    given = args.positional[0] if len(args.positional) == 1 else args.positional
    if given == ():
        return transposed(builder, tile, args.span)
    order = [_constant(axis, args.span, "an axis") for axis in _tuple(given)]
    order = tuple(axis + tile.type.rank if axis < 0 else axis for axis in order)
    return builder.apply("transpose", (tile,), args.span, (("order", order),))


_METHODS: dict[str, Callable[[Builder, Tile, Arguments], Value]] = {
    "astype": _astype,
    "reshape": _reshape,
    "transpose": _transpose,
}
METHOD_NAMES = (*_METHODS, "mean", *(n for n, row in OPS.items() if row.kind is OpKind.REDUCTION))


def transposed(builder: Builder, tile: Tile, span: Span) -> Tile:
    """All axes reversed; a vector is its own transpose, as in NumPy."""
    if tile.type.rank < 2:
        return tile
    return builder.apply("transpose", (tile,), span, (("order", tuple(reversed(range(tile.type.rank)))),))


# -- builtins --------------------------------------------------------------------------------------


def call_builtin(builder: Builder, function: object, args: Arguments) -> Value:
    """`abs`, `min`, `max`, `len`, `int`, `float`, `bool`: on numbers, where tiles have their own names."""
    if function is builtins.abs:
        return elementwise(builder, "abs", args.bind(("x",)), args.span)
    if function in (builtins.min, builtins.max):
        return _extremum(builder, "minimum" if function is builtins.min else "maximum", args)
    (x,) = args.bind(("x",))
    if function is builtins.len and isinstance(x, tuple):
        return Index(len(x))
    number = x.const if isinstance(x, Index) and x.is_const else x
    if function in (builtins.int, builtins.float, builtins.bool) and isinstance(number, (bool, int, float)):
        return _converted(function, number, args)
    if function is builtins.int and isinstance(x, Index):
        return x
    raise args.error(
        f"'{args.callee}' of {describe(x)}",
        *(("cast it: x.astype(mpmd.f32)",) if isinstance(x, Tile) or is_number(x) else ()),
    )


BUILTINS = (
    builtins.abs,
    builtins.min,
    builtins.max,
    builtins.len,
    builtins.int,
    builtins.float,
    builtins.bool,
)


def _extremum(builder: Builder, op: str, args: Arguments) -> Value:
    values = args.positional
    if len(values) < 2 or args.keywords or any(isinstance(v, Tile) and v.type.rank for v in values):
        reduction = "min" if op == "minimum" else "max"
        raise args.error(
            f"'{reduction}' is Python's, for numbers",
            f"use mpmd.{op}(a, b) element by element, or mpmd.{reduction}(x) for the {op} of a tile",
        )
    result = values[0]
    for value in values[1:]:
        result = elementwise(builder, op, (result, value), args.span)
    return result


def _converted(function: object, number: int | float | bool, args: Arguments) -> Value:
    if function is builtins.float:
        return float(number)
    if function is builtins.bool:
        return bool(number)
    try:
        return Index(int(number))
    except (ValueError, OverflowError):
        raise args.error(f"{number} is no integer") from None


# -- arguments of particular kinds ------------------------------------------------------------------


def _dtype(value: Value, span: Span) -> DType:
    if isinstance(value, DType):
        return value
    raise LanguageError(
        f"a dtype is expected here, not {describe(value)}", span=span, hints=("for example mpmd.f32",)
    )


def _constant(value: Value, span: Span, what: str) -> int:
    number = constant_int(value)
    if number is None:
        raise LanguageError(f"{what} is a constant integer, not {describe(value)}", span=span)
    return number


def _axes(value: Value, span: Span) -> tuple[int, ...] | None:
    if value is None:
        return None
    return tuple(_constant(axis, span, "an axis") for axis in _tuple(value))


def _shape(value: Value, span: Span, least: int = 0) -> tuple[Index, ...]:
    shape = tuple(index_of(extent, span, "an extent") for extent in _tuple(value))
    for extent in shape:
        if extent.is_const and extent.const < least:
            raise TypeMismatch(f"an extent of {extent}", span=span, label="extents are not negative")
    return shape


def _inferred(shape: tuple[Index, ...], type_: TileType, span: Span) -> tuple[Index, ...]:
    """The shape with −1 replaced by what is left of the elements."""
    open_axes = [axis for axis, extent in enumerate(shape) if extent == Index(-1)]
    if not open_axes:
        return shape
    known = tuple(e for e in shape if e != Index(-1))
    total, rest = element_count(type_.shape), element_count(known)
    if len(open_axes) > 1 or rest == ZERO or total % rest != ZERO:
        raise TypeMismatch(
            f"the −1 in a reshape of {type_} cannot be inferred",
            span=span,
            hints=("write the extent itself",),
        )
    return tuple(total // rest if extent == Index(-1) else extent for extent in shape)


def _tuple(value: Value) -> tuple[Value, ...]:
    return value if isinstance(value, tuple) else (value,)
