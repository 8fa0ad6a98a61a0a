"""Operators and reductions on parsed values: constants fold, integers stay `Index`, tiles become ops.

In:  the name of an op and `Value`s. Out: a `Value`; a tile where one of the operands is a tile.
Not here: Python syntax (`task/expr.py`), which functions take which arguments (`task/calls.py`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from mpmd.errors import LanguageError, Span, TypeMismatch
from mpmd.lang.index import ONE, Index, maximum, minimum
from mpmd.lang.op_types import element_count
from mpmd.lang.task.values import (
    Builder,
    Number,
    Tile,
    Value,
    as_tile,
    common_dtype,
    constant_int,
    is_number,
    promoted,
)
from mpmd.lang.tile import TileType
from mpmd.lang.types import bool_, f32

_INDEX: dict[str, Callable[[Index, Index], Index]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "maximum": maximum,
    "minimum": minimum,
}
"""What two integers give as an `Index`, constant or not."""

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
}

_PYTHON: dict[str, Callable[[Any, Any], Any]] = {
    **_COMPARE,
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "pow": operator.pow,
    "maximum": max,
    "minimum": min,
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "shl": operator.lshift,
    "shr": operator.rshift,
}

_INT_LIMIT = 2**63


def elementwise(builder: Builder, op: str, values: Sequence[Value], span: Span) -> Value:
    """An elementwise op; its operands are brought to one dtype (the condition of `where` stays)."""
    if all(is_number(v) for v in values):
        folded = _folded(op, values, span)
        if folded is not None:
            return folded
    if op == "where":
        condition = as_tile(builder, values[0], span)
        branches, weak = promoted(builder, values[1:], span)
        return builder.apply(op, (condition, *branches), span, weak=weak)
    if op == "pow" and constant_int(values[1]) == 2:
        base = as_tile(builder, values[0], span)
        return builder.apply("mul", (base, base), span, weak=base.weak)
    tiles, weak = promoted(builder, values, span)
    if weak and op not in _KEEP_INTEGERS and not tiles[0].type.dtype.is_float:
        tiles = tuple(as_tile(builder, t, span, f32) for t in tiles)
    return builder.apply(op, tiles, span, weak=weak and op not in _COMPARE)


_KEEP_INTEGERS = frozenset({*_PYTHON, "neg", "abs", "not"} - {"div"})
"""Ops that integers alone may have; a function such as `sqrt` of a bare integer computes in floats."""


def _folded(op: str, values: Sequence[Value], span: Span) -> Value | None:
    """The outcome on numbers alone, where it is known now; else None."""
    if len(values) == 1:
        return _fold_unary(op, values[0])
    if len(values) == 2 and op in _PYTHON:
        return _fold_binary(op, values[0], values[1], span)
    return None


def _fold_unary(op: str, value: Any) -> Value | None:
    number = _python(value)
    if op == "neg":
        return -value if isinstance(value, Index) else None if number is None else _number(-number)
    if op == "not" and number is not None and not isinstance(number, float):
        return (not number) if isinstance(number, bool) else Index(~number)
    if op == "abs" and number is not None:
        return _number(abs(number))
    return None


def _fold_binary(op: str, left: Any, right: Any, span: Span) -> Value | None:
    a, b = _python(left), _python(right)
    if a is not None and b is not None:
        return _fold_constants(op, a, b, span)
    if isinstance(left, float) or isinstance(right, float):
        return None
    x, y = _index(left), _index(right)
    if op in _INDEX:
        if op in ("floordiv", "mod") and y == Index(0):
            raise _zero_division(span)
        return _INDEX[op](x, y)
    if op in _COMPARE and (x - y).is_const:
        return _COMPARE[op]((x - y).const, 0)
    if op == "pow" and b is not None and 0 <= b <= 4:
        power = ONE
        for _ in range(int(b)):
            power = power * x
        return power
    return None


def _fold_constants(op: str, a: int | float | bool, b: int | float | bool, span: Span) -> Number:
    try:
        result = _PYTHON[op](a, b)
    except ZeroDivisionError:
        raise _zero_division(span) from None
    except (OverflowError, ValueError, TypeError) as error:
        raise LanguageError(f"a constant that has no value: {error}", span=span) from None
    if isinstance(result, complex):
        raise LanguageError("a constant that has no real value", span=span)
    if isinstance(result, int) and not -_INT_LIMIT <= result < _INT_LIMIT:
        raise LanguageError("an integer constant beyond 64 bits", span=span)
    return _number(result)


def _zero_division(span: Span) -> LanguageError:
    return LanguageError("division by zero", span=span, label="the divisor is 0")


def _python(value: Any) -> int | float | bool | None:
    """The constant as a Python number; None for an `Index` with symbols."""
    if isinstance(value, Index):
        return value.const if value.is_const else None
    return value


def _number(value: int | float | bool) -> Number:
    return Index(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _index(value: Index | bool) -> Index:
    return value if isinstance(value, Index) else Index(int(value))


# -- matrix product -----------------------------------------------------------------------------


def matmul(builder: Builder, left: Value, right: Value, span: Span) -> Tile:
    """`left @ right`; a vector is a row on the left and a column on the right, as in NumPy."""
    (a, b), _ = promoted(builder, (left, right), span)
    row, column = a.type.rank == 1, b.type.rank == 1
    if row and b.type.rank in (1, 2):
        a = reshape(builder, a, (ONE, *a.type.shape), span)
    if column and a.type.rank in (1, 2):
        b = reshape(builder, b, (*b.type.shape, ONE), span)
    product = builder.apply("dot", (a, b), span)
    kept = product.type.shape[row : 2 - column]
    return reshape(builder, product, kept, span) if row or column else product


def reshape(builder: Builder, tile: Tile, shape: tuple[Index, ...], span: Span) -> Tile:
    if tile.type.shape == shape:
        return tile
    return builder.apply("reshape", (tile,), span, (("shape", shape),))


def broadcast(builder: Builder, tile: Tile, shape: tuple[Index, ...], span: Span) -> Tile:
    if tile.type.shape == shape:
        return tile
    return builder.apply("broadcast", (tile,), span, (("shape", shape),))


def conform(builder: Builder, value: Value, type_: TileType, span: Span) -> Tile:
    """A number as a tile of this type (repeated over its shape); a typed tile as it is."""
    if isinstance(value, Tile) and not value.weak:
        return value
    return broadcast(builder, as_tile(builder, value, span, type_.dtype), type_.shape, span)


def joint_type(left: Value, right: Value) -> TileType | None:
    """The type in which two alternatives of one name meet; None where typed ones differ."""
    dtype, _ = common_dtype((left, right))
    typed = [v.type for v in (left, right) if isinstance(v, Tile) and not v.weak]
    if not typed:
        return TileType(dtype)
    return typed[0] if typed[0] == typed[-1] else None


# -- reductions ---------------------------------------------------------------------------------


def reduce(
    builder: Builder, op: str, value: Value, axes: tuple[int, ...] | None, keepdims: bool, span: Span
) -> Tile:
    """A reduction over `axes` (None: over all elements), last axis first."""
    tile = as_tile(builder, value, span)
    if tile.type.rank == 0:
        tile = reshape(builder, tile, (ONE,), span)
    shape, rank = tile.type.shape, tile.type.rank
    if op in ("any", "all") and tile.type.dtype != bool_:
        tile = builder.apply("ne", (tile, as_tile(builder, Index(0), span, tile.type.dtype)), span)
    if op in ("argmax", "argmin") and axes is None:
        tile, chosen = reshape(builder, tile, (element_count(shape),), span), (0,)
    else:
        chosen = normal_axes(op, range(rank) if axes is None else axes, tile.type, span)
    if op in ("argmax", "argmin") and len(chosen) != 1:
        raise TypeMismatch(f"'{op}' works along one axis", span=span, label=f"{len(chosen)} axes here")
    for axis in reversed(chosen):
        tile = builder.apply(op, (tile,), span, (("axis", axis),))
    if keepdims:
        for axis in range(rank) if axes is None else chosen:
            tile = builder.apply("expand", (tile,), span, (("axis", axis),))
    return tile


def normal_axes(op: str, axes: Sequence[int], type_: TileType, span: Span) -> tuple[int, ...]:
    """Axes counted from the front, ascending."""
    for axis in axes:
        if not -type_.rank <= axis < type_.rank:
            plural = "axis" if type_.rank == 1 else "axes"
            raise TypeMismatch(
                f"'{op}' along axis {axis} of {type_}", span=span, label=f"the tile has {type_.rank} {plural}"
            )
    normal = sorted(axis % type_.rank for axis in axes)
    if len(set(normal)) != len(normal):
        raise TypeMismatch(f"'{op}' names an axis twice", span=span)
    return tuple(normal)
