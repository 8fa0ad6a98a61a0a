"""Expressions of tiles, and views of tensors, as text.

In:  a `Scope`. Out: Python text. Not here: the tasks and calls that they stand in (`calls.py`).

Values of tensors are integers within ±8. Each expression stays exact in every dtype, and is clamped.
"""

from __future__ import annotations

from collections.abc import Sequence

from mpmd.lang.types import DTYPES
from tests.generation.scope import DTYPE_NAMES, Feature, Moving, Scope, Tensor

EXACT = ("f32", "f64", "i32", "i64", "i8")
"""Element types in which sums of many small integers have no rounding."""


def clamp(value: str, dtype: str) -> str:
    """The value within ±8, to be stored into `dtype`: stores narrow floats, but make no integers of them."""
    clamped = f"mpmd.maximum(mpmd.minimum({value}, 8), -8)"
    return clamped if DTYPES[dtype].is_float else f"{clamped}.astype({dtype})"


def expression(scope: Scope, leaves: list[str], depth: int = 2) -> str:
    """A tile of the leaves' shape: sums, products of leaves, selections; at most ±128 from ±8."""
    first, a = scope.one(leaves), scope.one(leaves)
    if depth == 0:
        return first
    if scope.chance(2):
        a = expression(scope, leaves, depth - 1)
    b = scope.one([*leaves, "1", "2"])
    form = scope.one(_FORMS)
    if scope.has(Feature.INLINE) and scope.chance(4):
        form = f"{_inline(scope, form)}({{a}}, {{b}}, {{first}})"
    return form.format(a=a, b=b, first=first)


def _inline(scope: Scope, form: str) -> str:
    """A function that gives what the form says, in two statements."""
    value = form.format(a="a", b="b", first="first")
    return scope.text.define("mpmd.inline", "inline", "a, b, first", [f"value = {value}", "return value"])


_FORMS = (
    "({a} + {b})",
    "({a} - {b})",
    "mpmd.maximum({a}, {b})",
    "mpmd.minimum({a}, {b})",
    "mpmd.where({first} < {b}, {a}, {first})",
    "mpmd.where(({first} >= 0) & ({first} != {b}), {b}, {a})",
    "(-{first} + {a})",
    "abs({a})",
    "({first} * 2 - {b})",
    "({first} * {b})",
)


def region(scope: Scope, tensor: Tensor, rows: int, columns: int) -> str:
    """A view of `rows` × `columns` of the tensor: offset, strided, transposed or moved by a symbol."""
    flip = rows <= tensor.columns and columns <= tensor.rows and scope.chance(6)
    if flip:
        rows, columns = columns, rows
    moving = scope.one(scope.moving) if scope.moving and scope.chance(3) else None
    parts = [_slice(scope, tensor.rows, rows, moving), _slice(scope, tensor.columns, columns, None)]
    return f"{tensor}[{', '.join(parts)}]" + (".T" if flip else "")


def _slice(scope: Scope, extent: int, count: int, moving: Moving | None) -> str:
    if moving is not None and count + moving.most <= extent:
        start = scope.integer(0, extent - count - moving.most)
        return f"{moving.text} + {start} : {moving.text} + {start + count}"
    if 2 * count <= extent and scope.chance(4):
        start = scope.integer(0, extent - 2 * count)
        return f"{start} : {start + 2 * count} : 2"
    start = scope.integer(0, extent - count)
    return f"{start} : {start + count}"


def shape(scope: Scope, tensors: list[Tensor]) -> tuple[int, int]:
    """Rows and columns that all of them have."""
    return (
        scope.extent(min(t.rows for t in tensors)),
        scope.extent(min(t.columns for t in tensors)),
    )


def pick(scope: Scope, dtypes: Sequence[str] = DTYPE_NAMES) -> tuple[Tensor, list[Tensor]]:
    """A tensor to write, of one of the types, and one or two others to read."""
    order = list(scope.tensors)
    target = scope.one([tensor for tensor in order if tensor.dtype in dtypes])
    order.remove(target)
    scope.text.targets.append(target)
    sources = [order.pop(scope.integer(0, len(order) - 1))]
    if order and scope.chance(2):
        sources.append(scope.one(order))
    return target, sources
