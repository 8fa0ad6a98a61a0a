"""Functions that are made of others: each is expanded into rows of the op table where it is called.

In:  a `Builder` and the arguments of `mpmd.silu`, `mpmd.softmax`, … Out: the tile of the last op.
Not here: reading arguments from syntax (`task/calls.py`).

As everywhere, sums of 16-bit floats are f32: so are their `softmax` and `mean`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from mpmd.errors import Span
from mpmd.lang.index import Index
from mpmd.lang.op_types import element_count
from mpmd.lang.task.operators import elementwise, normal_axes, reduce
from mpmd.lang.task.values import Builder, Value, as_tile


def silu(builder: Builder, x: Value, span: Span) -> Value:
    return elementwise(builder, "mul", (x, elementwise(builder, "sigmoid", (x,), span)), span)


def relu(builder: Builder, x: Value, span: Span) -> Value:
    return elementwise(builder, "maximum", (x, Index(0)), span)


def gelu(builder: Builder, x: Value, span: Span) -> Value:
    """The tanh form: ½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))."""

    def op(name: str, *values: Value) -> Value:
        return elementwise(builder, name, values, span)

    cube = op("mul", op("mul", x, x), x)
    inner = op("mul", op("add", x, op("mul", cube, 0.044715)), math.sqrt(2 / math.pi))
    return op("mul", op("mul", x, 0.5), op("add", op("tanh", inner), 1.0))


POINTWISE: dict[str, Callable[[Builder, Value, Span], Value]] = {"silu": silu, "relu": relu, "gelu": gelu}
"""Composites of one operand and no options."""


def softmax(builder: Builder, x: Value, axis: int, span: Span) -> Value:
    """Shifted by the maximum, so that nothing overflows."""
    highest = reduce(builder, "max", x, (axis,), True, span)
    e = elementwise(builder, "exp", (elementwise(builder, "sub", (x, highest), span),), span)
    return elementwise(builder, "div", (e, reduce(builder, "sum", e, (axis,), True, span)), span)


def mean(builder: Builder, x: Value, axes: tuple[int, ...] | None, keepdims: bool, span: Span) -> Value:
    tile = as_tile(builder, x, span)
    chosen = None if axes is None else normal_axes("mean", axes, tile.type, span)
    reduced = tile.type.shape if chosen is None else tuple(tile.type.shape[axis] for axis in chosen)
    total = reduce(builder, "sum", tile, chosen, keepdims, span)
    return elementwise(builder, "div", (total, element_count(reduced)), span)
