"""The op table: one row per operation of the tile IR. Adding an op means adding its row here.

In:  the type rules of `op_types.py`, the NumPy definitions of `op_reference.py`.
Out: `OPS`, read by the parser, the text form, the evaluator, the cost model and every target.
Not here: composites such as `softmax` (the parser expands them), spans (the parser adds them).

`const` and `scalar` carry their dtype in the statement: `infer` gives a constant's default type, and
refuses for a scalar. The reference of `scalar` finds the argument under the attribute `value`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from mpmd.lang import op_reference as ref
from mpmd.lang import op_types as ty
from mpmd.lang.index import ZERO, Index
from mpmd.lang.op_types import OpTypeError
from mpmd.lang.tile import TileType
from mpmd.lang.types import accumulator

__all__ = ["OPS", "Flops", "OpDef", "OpKind", "OpTypeError"]


class OpKind(Enum):
    """How an op treats shapes: what fusing, tiling and costs need to know of it."""

    ELEMENTWISE = "elementwise"  # operands broadcast, one result element each
    REDUCTION = "reduction"  # drops the attribute `axis`
    DOT = "dot"
    SHAPE = "shape"  # moves or repeats elements, computes nothing
    CAST = "cast"
    LEAF = "leaf"  # no operands


Flops = Callable[[tuple[TileType, ...], TileType], Index]
"""Floating-point (or integer) operations, as an `Index` in the symbols of the operand and result types."""


@dataclass(frozen=True, slots=True)
class OpDef:
    """One op: its name, shape behaviour, number of operands, type rule, definition and cost."""

    name: str
    kind: OpKind
    arity: int
    infer: ty.Infer
    reference: ref.Reference
    flops: Flops


def _per_element(count: int) -> Flops:
    return lambda args, out: ty.element_count(out.shape) * count


def _per_operand_element(args: tuple[TileType, ...], out: TileType) -> Index:
    return ty.element_count(args[0].shape)


def _multiply_adds(args: tuple[TileType, ...], out: TileType) -> Index:
    return ty.element_count((*out.shape, args[0].shape[1])) * 2


def _free(args: tuple[TileType, ...], out: TileType) -> Index:
    return ZERO


def _elementwise(
    name: str, arity: int, accepts: ty.Accepts, result: Callable, function: Callable, flops: int = 1
) -> OpDef:
    infer = ty.elementwise(name, accepts, result)
    return OpDef(name, OpKind.ELEMENTWISE, arity, infer, ref.quiet(function), _per_element(flops))


def _reduction(
    name: str, accepts: ty.Accepts, result: Callable, reference: ref.Reference, empty: bool = True
) -> OpDef:
    infer = ty.reduction(name, accepts, result, empty)
    return OpDef(name, OpKind.REDUCTION, 1, infer, reference, _per_operand_element)


def _shape(name: str, infer: ty.Infer, reference: ref.Reference) -> OpDef:
    return OpDef(name, OpKind.SHAPE, 1, infer, reference, _free)


def _leaf(name: str, infer: ty.Infer, reference: ref.Reference) -> OpDef:
    return OpDef(name, OpKind.LEAF, 0, infer, reference, _free)


# Costs of functions are in operations of a polynomial kernel, roughly; they steer, they do not define.
_ROWS = (
    _elementwise("neg", 1, ty.is_number, ty.same, np.negative),
    _elementwise("abs", 1, ty.is_number, ty.same, np.abs),
    _elementwise("exp", 1, ty.is_float, ty.same, np.exp, flops=12),
    _elementwise("log", 1, ty.is_float, ty.same, np.log, flops=12),
    _elementwise("sqrt", 1, ty.is_float, ty.same, np.sqrt, flops=4),
    _elementwise("rsqrt", 1, ty.is_float, ty.same, ref.rsqrt, flops=6),
    _elementwise("sigmoid", 1, ty.is_float, ty.same, ref.sigmoid, flops=18),
    _elementwise("tanh", 1, ty.is_float, ty.same, np.tanh, flops=18),
    _elementwise("erf", 1, ty.is_float, ty.same, ref.erf, flops=24),
    _elementwise("sin", 1, ty.is_float, ty.same, np.sin, flops=16),
    _elementwise("cos", 1, ty.is_float, ty.same, np.cos, flops=16),
    _elementwise("floor", 1, ty.is_float, ty.same, np.floor),
    _elementwise("ceil", 1, ty.is_float, ty.same, np.ceil),
    _elementwise("round", 1, ty.is_float, ty.same, np.rint),
    _elementwise("not", 1, ty.is_bits, ty.same, np.invert),
    _elementwise("add", 2, ty.is_number, ty.same, np.add),
    _elementwise("sub", 2, ty.is_number, ty.same, np.subtract),
    _elementwise("mul", 2, ty.is_number, ty.same, np.multiply),
    OpDef(
        "div",
        OpKind.ELEMENTWISE,
        2,
        ty.elementwise("div", ty.is_number, ty.quotient),
        ref.divide,
        _per_element(4),
    ),
    _elementwise("floordiv", 2, ty.is_number, ty.same, np.floor_divide, flops=8),
    _elementwise("mod", 2, ty.is_number, ty.same, np.mod, flops=8),
    _elementwise("pow", 2, ty.is_number, ty.same, ref.power, flops=30),
    _elementwise("maximum", 2, ty.is_number, ty.same, np.maximum),
    _elementwise("minimum", 2, ty.is_number, ty.same, np.minimum),
    _elementwise("lt", 2, ty.is_any, ty.to_bool, np.less),
    _elementwise("le", 2, ty.is_any, ty.to_bool, np.less_equal),
    _elementwise("gt", 2, ty.is_any, ty.to_bool, np.greater),
    _elementwise("ge", 2, ty.is_any, ty.to_bool, np.greater_equal),
    _elementwise("eq", 2, ty.is_any, ty.to_bool, np.equal),
    _elementwise("ne", 2, ty.is_any, ty.to_bool, np.not_equal),
    _elementwise("and", 2, ty.is_bits, ty.same, np.bitwise_and),
    _elementwise("or", 2, ty.is_bits, ty.same, np.bitwise_or),
    _elementwise("xor", 2, ty.is_bits, ty.same, np.bitwise_xor),
    _elementwise("shl", 2, ty.is_integer, ty.same, ref.shift_left),
    _elementwise("shr", 2, ty.is_integer, ty.same, ref.shift_right),
    OpDef("where", OpKind.ELEMENTWISE, 3, ty.where, ref.quiet(np.where), _per_element(1)),
    OpDef("cast", OpKind.CAST, 1, ty.cast_to, ref.cast, _per_element(1)),
    _reduction("sum", ty.is_any, accumulator, ref.accumulate(np.sum)),
    _reduction("prod", ty.is_any, accumulator, ref.accumulate(np.prod)),
    _reduction("max", ty.is_number, ty.same, ref.extremum(np.max, largest=True)),
    _reduction("min", ty.is_number, ty.same, ref.extremum(np.min, largest=False)),
    _reduction("any", ty.is_bool, ty.to_bool, ref.along_axis(np.any)),
    _reduction("all", ty.is_bool, ty.to_bool, ref.along_axis(np.all)),
    _reduction("argmax", ty.is_number, ty.to_i64, ref.position(np.argmax), empty=False),
    _reduction("argmin", ty.is_number, ty.to_i64, ref.position(np.argmin), empty=False),
    OpDef("dot", OpKind.DOT, 2, ty.dot, ref.dot, _multiply_adds),
    _shape("transpose", ty.transpose, ref.transpose),
    _shape("reshape", ty.reshape, ref.reshape),
    _shape("expand", ty.expand, ref.expand),
    _shape("broadcast", ty.broadcast, ref.broadcast),
    _shape("slice", ty.slice_, ref.slice_),
    _leaf("const", ty.const, ref.value),
    _leaf("index", ty.index, ref.value),
    _leaf("scalar", ty.scalar, ref.value),
    _leaf("iota", ty.iota, ref.iota),
)

OPS: dict[str, OpDef] = {row.name: row for row in _ROWS}
