"""Reductions of a vector task: along rows or columns by the core's folds, otherwise by the scalar unit.

In:  an `Apply` of kind REDUCTION, or a product of integers or of a row or a column. Out: a tile.
Not here: products of matrices of floats (`cube.py`).

The core folds floats along rows, and adds and compares whole rows of floats and integers.
"""

from __future__ import annotations

from dataclasses import dataclass

from mpmd.codegen.ascend.build import Build
from mpmd.codegen.ascend.casts import cast, computed, rounded, wide
from mpmd.codegen.ascend.instructions import Pipe
from mpmd.codegen.ascend.refuse import refuse
from mpmd.codegen.ascend.scalars import WHY, address, axes_of, element, loops
from mpmd.codegen.ascend.shapes import MOST_COLUMNS, spread
from mpmd.codegen.ascend.values import C_TYPES, FITS, Placed, range_of
from mpmd.errors import Span
from mpmd.lang.index import ONE, Index, Interval
from mpmd.lang.tile import Apply, TileType
from mpmd.lang.types import bool_, f32, i32, i64

_FOLDS = {"sum": "SUM", "max": "MAX", "min": "MAX"}
_START = {"sum": "0", "prod": "1", "any": "0", "all": "-1"}
_STEP = {
    "sum": "mpmd::scalar::add<{t}>({a}, {b})", "prod": "mpmd::scalar::mul<{t}>({a}, {b})",
    "max": "mpmd::scalar::maximum<{t}>({a}, {b})", "min": "mpmd::scalar::minimum<{t}>({a}, {b})",
    "any": "{a} | {b}", "all": "{a} & {b}",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Nest:
    """Loops over the result and along the axis: their heads, the axis' name, where elements are."""

    outer: str
    inner: str
    along: str
    target: str
    source: str


def reduced(build: Build, stmt: Apply, operand: Placed) -> Placed:
    """An op of kind REDUCTION."""
    a = computed(build, operand, stmt.span)
    if a.type.dtype == bool_ and stmt.op in ("sum", "prod"):
        a = cast(build, a, i32, stmt.span)
    if stmt.type.dtype == i64 and stmt.op in ("sum", "prod"):
        a = wide(build, a, stmt.span)
    a, axis = _plain(build, a, int(stmt.attr("axis")))  # type: ignore[arg-type]
    if stmt.op in ("argmax", "argmin"):
        return _position(build, stmt, a, axis)
    range_ = a.range if stmt.op in ("max", "min") else range_of(stmt.type.dtype)
    fold_ = _folded if _is_fold(build, stmt, a, axis) else _by_element
    out = fold_(build, stmt, a, axis, range_)
    return rounded(build, out, stmt.type.dtype, stmt.span) if stmt.type.dtype.is_float else out


def _plain(build: Build, a: Placed, axis: int) -> tuple[Placed, int]:
    """The tile without axes of extent 1, which do not change how it lies, but for the one that is reduced."""
    kept = [n for n, extent in enumerate(build.settled(a.type.shape)) if extent != ONE or n == axis]
    shape = tuple(a.type.shape[n] for n in kept)
    return Placed(a.buffer, TileType(a.type.dtype, shape), a.range), kept.index(axis)


def _is_fold(build: Build, stmt: Apply, a: Placed, axis: int) -> bool:
    """Whether the core's own folds do it."""
    if stmt.op not in _FOLDS or a.type.rank > 2 or not build.lying(a.type.shape):
        return False
    rows, shape = axis == a.type.rank - 1, build.shape(a.type, stmt.span)
    if build.scope.settle(a.type.shape[-1]) == ONE:
        return False
    if rows:
        return a.lanes == f32 and (shape.most_rows == 1 or shape.pitch <= MOST_COLUMNS)
    return a.lanes in (f32, i32)


def _folded(build: Build, stmt: Apply, a: Placed, axis: int, range_: Interval) -> Placed:
    span, type_ = stmt.span, TileType(f32 if a.lanes == f32 else stmt.type.dtype, stmt.type.shape)
    if stmt.op == "min":  # the core's folds know sums and maxima
        a = _negative(build, a, span)
    out = build.new(type_, stmt.op, span, lanes=a.lanes, range_=range_)
    fold(build, a, out, axis == a.type.rank - 1, _FOLDS[stmt.op], span)
    return _negative(build, out, span) if stmt.op == "min" else out


def _negative(build: Build, a: Placed, span: Span) -> Placed:
    """For integers all bits the other way round, which has no exception."""
    if a.lanes == f32:
        return build.made("muls", a.type, (a,), span, ", -1.0f")
    out = build.new(a.type, "bit_not", span, range_=a.range)
    return build.call("bit_not", out, (a,), span)


def fold(build: Build, a: Placed, out: Placed, rows: bool, kind: str, span: Span) -> None:
    """The sum or the largest of each row, or of each column."""
    shape, template = build.shape(a.type, span), f"<AscendC::ReduceType::{kind}>"
    if not rows:
        text = f"mpmd::fold_columns{template}({out.buffer.name}, {a.buffer.name}, {shape.text})"
        build.issue(Pipe.V, text, (a.buffer,), (out.buffer,), span)
        return
    part = build.scratch(max(build.unit, shape.most_rows), "sums of 64 columns")
    names = ", ".join((out.buffer.name, a.buffer.name, part.name, shape.text))
    build.issue(Pipe.V, f"mpmd::fold_rows{template}({names})", (a.buffer,), (out.buffer, part), span)


# -- by the scalar unit -----------------------------------------------------------------------------


def _by_element(build: Build, stmt: Apply, a: Placed, axis: int, range_: Interval) -> Placed:
    lanes, c_type = a.lanes, {f32: "float", i64: "int64_t"}.get(a.lanes, "int32_t")
    type_ = TileType(f32 if stmt.type.dtype.is_float else stmt.type.dtype, stmt.type.shape)
    out = build.new(type_, stmt.op, stmt.span, lanes=lanes, range_=range_)
    nest = _nest(build, a, axis, stmt.span)
    value = f"{a.buffer.name}.GetValue({nest.source})"
    step = _STEP[stmt.op].format(t=c_type, a="t", b=value)
    start = _START[stmt.op] if stmt.op in _START else _least(stmt, a)
    body = (
        f"{{ {c_type} t = {start}; {nest.inner}t = {step}; {out.buffer.name}.SetValue({nest.target}, t); }}"
    )
    build.issue(Pipe.S, f"{WHY} {nest.outer}{body}", (a.buffer,), (out.buffer,), stmt.span)
    return out


def _least(stmt: Apply, a: Placed) -> str:
    """What loses against everything."""
    sign = "-" if stmt.op == "max" else ""
    if a.lanes == f32:
        return f"{sign}mpmd::infinity<float>()"
    limits = range_of(a.type.dtype) if a.lanes == i32 else Interval(-(2**63), 2**63 - 1)
    bound = limits.lo if stmt.op == "max" else limits.hi
    return f"({bound + 1}LL - 1)" if bound < 0 else f"{bound}LL"


def _position(build: Build, stmt: Apply, a: Placed, axis: int) -> Placed:
    """The first of equals; what is no number wins."""
    most = build.scope.bound(a.type.shape[axis], stmt.span)
    out = build.new(stmt.type, stmt.op, stmt.span, range_=Interval(0, max(0, most - 1)))
    nest = _nest(build, a, axis, stmt.span)
    c_type, sign = {f32: "float", i64: "int64_t"}.get(a.lanes, "int32_t"), ">" if stmt.op == "argmax" else "<"
    value = f"const {c_type} x = {a.buffer.name}.GetValue({nest.source})"
    better = f"{nest.along} == 0 || x {sign} t || (x != x && t == t)"
    step = f"{{ {value}; if ({better}) t = x, at = {nest.along}; }}"
    body = f"{{ {c_type} t = 0; int32_t at = 0; {nest.inner}{step} "
    body += f"{out.buffer.name}.SetValue({nest.target}, at); }}"
    build.issue(Pipe.S, f"{WHY} {nest.outer}{body}", (a.buffer,), (out.buffer,), stmt.span)
    return out


def _nest(build: Build, a: Placed, axis: int, span: Span) -> _Nest:
    plain = TileType(a.type.dtype, tuple(e for n, e in enumerate(a.type.shape) if n != axis))
    axes = axes_of(build, plain)
    reduced_ = TileType(a.type.dtype, (a.type.shape[axis],))
    along = axes_of(build, reduced_, plain.rank)
    return _Nest(
        loops(build, axes, plain),
        loops(build, along, reduced_),
        build.scope.text(along[0]),
        address(build, plain, axes, span),
        address(build, a.type, (*axes[:axis], *along, *axes[axis:]), span),
    )


# -- products that are not for cube cores ------------------------------------------------------------


def product(build: Build, stmt: Apply, a: Placed, b: Placed, b_turned: bool) -> Placed:
    """`a @ b`, of integers or with a row or a column for its result.

    `b_turned`: the tile is of bᵀ, so that what is summed lies along its rows.
    """
    a, b = computed(build, a, stmt.span), computed(build, b, stmt.span)
    if stmt.type.dtype.is_float:
        return _row_product(build, stmt, a, b, b_turned)
    return _integer_product(build, stmt, a, b, b_turned)


def _integer_product(build: Build, stmt: Apply, a: Placed, b: Placed, b_turned: bool) -> Placed:
    lanes, span = stmt.type.dtype, stmt.span
    out = build.new(stmt.type, "dot", span, lanes=lanes, range_=range_of(lanes))
    i, j = axes_of(build, stmt.type)
    summed = TileType(lanes, a.type.shape[1:])
    (k,) = axes_of(build, summed, 2)
    left = element(build, a, a.type, (i, k), lanes, span)
    right = element(build, b, b.type, (j, k) if b_turned else (k, j), lanes, span)
    c_type = C_TYPES[lanes.name]
    step = f"t = mpmd::scalar::add<{c_type}>(t, mpmd::scalar::mul<{c_type}>({left}, {right}));"
    at = address(build, stmt.type, (i, j), span)
    body = f"{{ {c_type} t = 0; {loops(build, (k,), summed)}{step} {out.buffer.name}.SetValue({at}, t); }}"
    text = f"{WHY} {loops(build, (i, j), stmt.type)}{body}"
    build.issue(Pipe.S, text, (a.buffer, b.buffer), (out.buffer,), span)
    return out


def _row_product(build: Build, stmt: Apply, a: Placed, b: Placed, b_turned: bool) -> Placed:
    """As a product of elements and a sum."""
    span = stmt.span
    m, n = build.settled(stmt.type.shape)
    if m == ONE and b_turned:  # rows of bᵀ times the row, summed along rows
        matrix, numbers = b, spread(build, _flat(a, a.type.shape[1:]), b.type.shape, span)
        rows = True
    elif m == ONE:  # rows of b times a number of each, summed along columns
        matrix, numbers = b, spread(build, _flat(a, (a.type.shape[1], ONE)), b.type.shape, span)
        rows = False
    elif n == ONE:  # rows of a times the column
        k = b.type.shape[1 if b_turned else 0]
        matrix, numbers = a, spread(build, _flat(b, (k,)), a.type.shape, span)
        rows = True
    else:
        raise refuse("'@' of matrices on vector cores", span)
    if build.scope.settle(matrix.type.shape[-1]) == ONE:
        matrix = Placed(matrix.buffer, TileType(f32, matrix.type.shape[:1]))
        numbers = Placed(numbers.buffer, matrix.type)
        return _shaped(build, build.made("mul", matrix.type, (matrix, numbers), span), stmt, rows, span)
    terms = build.made("mul", matrix.type, (matrix, numbers), span)
    kept = matrix.type.shape[0] if rows else matrix.type.shape[1]
    out = build.new(TileType(f32, (kept,)), "dot", span)
    fold(build, terms, out, rows, "SUM", span)
    return Placed(out.buffer, stmt.type, FITS)


def _shaped(build: Build, terms: Placed, stmt: Apply, rows: bool, span: Span) -> Placed:
    """Products whose tile is one column: they are the result, or are to be summed."""
    if rows:
        return Placed(terms.buffer, stmt.type, FITS)
    out = build.new(TileType(f32, (ONE,)), "dot", span)
    fold(build, terms, out, True, "SUM", span)
    return Placed(out.buffer, stmt.type, FITS)


def _flat(a: Placed, shape: tuple[Index, ...]) -> Placed:
    """The same numbers, which lie in one row, under other extents."""
    return Placed(a.buffer, TileType(a.type.dtype, shape), a.range)


__all__ = ["product", "reduced"]
