"""Type rules: the result type of an op from those of its operands, over symbolic shapes.

In:  operand types and attributes. Out: a `TileType`, or an `OpTypeError` that says what does not fit.
Not here: which op has which rule (`ops.py`), values (`op_reference.py`), promotion (the parser casts first).

Extents are equal when their canonical `Index` is; a constant extent of 1 stretches in a broadcast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from mpmd.lang.index import ONE, Index, Opaque, Sym
from mpmd.lang.tile import TileType
from mpmd.lang.types import DType, accumulator, bool_, f32, f64, i64

Shape = tuple[Index, ...]
Operands = tuple[TileType, ...]
AttrMap = Mapping[str, Any]
Infer = Callable[[Operands, AttrMap], TileType]
Accepts = Callable[[DType], bool]


class OpTypeError(ValueError):
    """Operands that an op cannot take. It has no span: the parser turns it into a `TypeMismatch`."""

    def __init__(self, message: str, label: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.label = label
        self.hint = hint


# -- which dtypes -----------------------------------------------------------------------------


def is_float(dtype: DType) -> bool:
    return dtype.is_float


def is_number(dtype: DType) -> bool:
    return dtype.is_float or dtype.is_integer


def is_integer(dtype: DType) -> bool:
    return dtype.is_integer


def is_bits(dtype: DType) -> bool:
    return dtype.is_integer or dtype == bool_


def is_bool(dtype: DType) -> bool:
    return dtype == bool_


def is_any(dtype: DType) -> bool:
    return True


_HINTS: dict[Accepts, tuple[str, str]] = {
    is_float: ("floats", "cast it first: x.astype(mpmd.f32)"),
    is_number: ("floats and integers", "cast it first: x.astype(mpmd.i32)"),
    is_integer: ("integers", "cast it first: x.astype(mpmd.i32)"),
    is_bits: ("integers and bools", "compare first (x != 0), or cast: x.astype(mpmd.i32)"),
    is_bool: ("bools", "compare first: x != 0"),
}


def _require(op: str, dtype: DType, accepts: Accepts) -> None:
    if not accepts(dtype):
        what, hint = _HINTS[accepts]
        raise OpTypeError(f"'{op}' works on {what}, not on {dtype.name}", f"this is {dtype.name}", hint)


def _same_dtype(op: str, args: Operands) -> DType:
    first = args[0].dtype
    for arg in args[1:]:
        if arg.dtype != first:
            raise OpTypeError(
                f"'{op}' needs operands of one dtype, not {first.name} and {arg.dtype.name}",
                hint=f"cast one of them: x.astype(mpmd.{first.name})",
            )
    return first


# -- shapes -----------------------------------------------------------------------------------


def shape_text(shape: Shape) -> str:
    return f"[{', '.join(map(str, shape))}]"


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The common shape of operands, right-aligned; an extent of constant 1 stretches."""
    result: Shape = ()
    for shape in shapes:
        result = _broadcast_pair(result, shape)
    return result


def _broadcast_pair(a: Shape, b: Shape) -> Shape:
    rank = max(len(a), len(b))
    long_a, long_b = (ONE,) * (rank - len(a)) + a, (ONE,) * (rank - len(b)) + b
    return tuple(_common(x, y, a, b) for x, y in zip(long_a, long_b, strict=True))


def _common(x: Index, y: Index, a: Shape, b: Shape) -> Index:
    if x == y or y == ONE:
        return x
    if x == ONE:
        return y
    raise OpTypeError(
        f"shapes {shape_text(a)} and {shape_text(b)} do not broadcast",
        f"extent {x} against {y}",
        "" if x.is_const and y.is_const else f"if {x} and {y} are always equal, name them by one dim",
    )


def normal_axis(op: str, axis: int, rank: int) -> int:
    """`axis` itself where it is one of `rank` axes."""
    if not 0 <= axis < rank:
        raise OpTypeError(f"'{op}' along axis {axis} of a tile of rank {rank}", f"the tile has {rank} axes")
    return axis


# -- rules --------------------------------------------------------------------------------------


def elementwise(op: str, accepts: Accepts, result: Callable[[DType], DType]) -> Infer:
    """Operands of one accepted dtype broadcast together; `result` maps it to that of the outcome."""

    def infer(args: Operands, attrs: AttrMap) -> TileType:
        dtype = _same_dtype(op, args)
        _require(op, dtype, accepts)
        return TileType(result(dtype), broadcast_shapes(*(a.shape for a in args)))

    return infer


def same(dtype: DType) -> DType:
    return dtype


def to_bool(dtype: DType) -> DType:
    return bool_


def to_i64(dtype: DType) -> DType:
    return i64


def quotient(dtype: DType) -> DType:
    """The type of a true division: floats stay; integers give f32, i64 gives f64."""
    if dtype.is_float:
        return dtype
    return f64 if dtype == i64 else f32


def where(args: Operands, attrs: AttrMap) -> TileType:
    condition, a, b = args
    _require("where", condition.dtype, is_bool)
    dtype = _same_dtype("where", (a, b))
    return TileType(dtype, broadcast_shapes(condition.shape, a.shape, b.shape))


def cast_to(args: Operands, attrs: AttrMap) -> TileType:
    return TileType(attrs["dtype"], args[0].shape)


def reduction(op: str, accepts: Accepts, result: Callable[[DType], DType], empty: bool = True) -> Infer:
    """Drops `axis`. `empty` says whether the reduction has a value over no elements."""

    def infer(args: Operands, attrs: AttrMap) -> TileType:
        (x,) = args
        _require(op, x.dtype, accepts)
        axis = normal_axis(op, attrs["axis"], x.rank)
        if not empty and x.shape[axis] == Index(0):
            raise OpTypeError(f"'{op}' over no elements", f"axis {axis} of {x} is empty")
        return TileType(result(x.dtype), x.shape[:axis] + x.shape[axis + 1 :])

    return infer


def dot(args: Operands, attrs: AttrMap) -> TileType:
    a, b = args
    if a.rank != 2 or b.rank != 2:
        raise OpTypeError(f"'@' of {a} and {b}: both operands have two axes", hint="reshape them first")
    dtype = _same_dtype("@", args)
    _require("@", dtype, is_number)
    if a.shape[1] != b.shape[0]:
        transposed = "transpose the right one (.T)" if a.shape[1] == b.shape[1] else ""
        raise OpTypeError(
            f"'@' of {a} and {b}: the inner extents differ",
            f"{a.shape[1]} against {b.shape[0]}",
            transposed,
        )
    return TileType(accumulator(dtype), (a.shape[0], b.shape[1]))


def transpose(args: Operands, attrs: AttrMap) -> TileType:
    (x,) = args
    order: tuple[int, ...] = attrs["order"]
    if sorted(order) != list(range(x.rank)):
        raise OpTypeError(f"{order} is not an order of the {x.rank} axes of {x}")
    return TileType(x.dtype, tuple(x.shape[axis] for axis in order))


def reshape(args: Operands, attrs: AttrMap) -> TileType:
    (x,) = args
    shape: Shape = attrs["shape"]
    if surely_differ(x.shape, shape):
        raise OpTypeError(
            f"cannot reshape {x} to {shape_text(shape)}",
            f"{element_count(x.shape)} elements against {element_count(shape)}",
        )
    return TileType(x.dtype, shape)


def expand(args: Operands, attrs: AttrMap) -> TileType:
    (x,) = args
    axis = normal_axis("expand", attrs["axis"], x.rank + 1)
    return TileType(x.dtype, (*x.shape[:axis], ONE, *x.shape[axis:]))


def broadcast(args: Operands, attrs: AttrMap) -> TileType:
    (x,) = args
    shape: Shape = attrs["shape"]
    if broadcast_shapes(x.shape, shape) != shape:
        raise OpTypeError(f"cannot broadcast {x} to {shape_text(shape)}")
    return TileType(x.dtype, shape)


def slice_(args: Operands, attrs: AttrMap) -> TileType:
    (x,) = args
    axis = normal_axis("slice", attrs["axis"], x.rank)
    start, extent, step = cast(Index, attrs["start"]), cast(Index, attrs["extent"]), cast(int, attrs["step"])
    if step < 1:
        raise OpTypeError(f"a slice steps forward, not by {step}")
    if start.is_const and start.const < 0:
        raise OpTypeError(f"a slice from {start} of axis {axis} of {x}", "starts before the tile")
    beyond = start + (extent - 1) * step + 1 - x.shape[axis]
    if extent != Index(0) and beyond.is_const and beyond.const > 0:
        raise OpTypeError(
            f"a slice of {extent} elements from {start} of axis {axis} of {x}", "leaves the tile"
        )
    return TileType(x.dtype, (*x.shape[:axis], extent, *x.shape[axis + 1 :]))


def const(args: Operands, attrs: AttrMap) -> TileType:
    value = attrs["value"]
    if isinstance(value, bool):
        return TileType(bool_)
    return TileType(i64 if isinstance(value, int) else f32)


def index(args: Operands, attrs: AttrMap) -> TileType:
    return TileType(i64)


def scalar(args: Operands, attrs: AttrMap) -> TileType:
    raise OpTypeError("the type of a scalar is that of its parameter", hint="read it from the signature")


def iota(args: Operands, attrs: AttrMap) -> TileType:
    return TileType(i64, (attrs["extent"],))


# -- comparing element counts -----------------------------------------------------------------

Monomial = tuple[str, ...]


def element_count(shape: Shape) -> Index:
    count = ONE
    for extent in shape:
        count = count * extent
    return count


def surely_differ(a: Shape, b: Shape) -> bool:
    """Whether two shapes hold different numbers of elements whatever their symbols stand for.

    Counts are compared as polynomials. With a quotient, remainder or minimum inside, two polynomials may
    be equal for the extents that occur: then the answer is no, and the bound extents decide.
    """
    left, right = _product(a), _product(b)
    if left == right:
        return False
    return all(_is_polynomial(extent) for extent in (*a, *b)) or not (_symbols(a) | _symbols(b))


def _symbols(shape: Shape) -> frozenset[str]:
    return frozenset().union(*(extent.symbols() for extent in shape))


def _is_polynomial(extent: Index) -> bool:
    return all(
        isinstance(atom, Sym) or (atom.op == "mul" and _is_polynomial(atom.lhs) and _is_polynomial(atom.rhs))
        for atom, _ in extent.terms
    )


def _product(shape: Shape) -> dict[Monomial, int]:
    total: dict[Monomial, int] = {(): 1}
    for extent in shape:
        total = _multiply(total, _polynomial(extent))
    return total


def _polynomial(extent: Index) -> dict[Monomial, int]:
    total: dict[Monomial, int] = {(): extent.const} if extent.const else {}
    for atom, coefficient in extent.terms:
        if isinstance(atom, Opaque) and atom.op == "mul":
            part = _multiply(_polynomial(atom.lhs), _polynomial(atom.rhs))
        else:
            part = {(str(atom),): 1}
        for monomial, count in part.items():
            total[monomial] = total.get(monomial, 0) + count * coefficient
    return {monomial: count for monomial, count in total.items() if count}


def _multiply(a: dict[Monomial, int], b: dict[Monomial, int]) -> dict[Monomial, int]:
    total: dict[Monomial, int] = {}
    for x, m in a.items():
        for y, n in b.items():
            key = tuple(sorted(x + y))
            total[key] = total.get(key, 0) + m * n
    return {monomial: count for monomial, count in total.items() if count}
