"""What an expression of a task body is while it is parsed, and the statements that values come from.

In:  types, and requests to compute. Out: `Value`s; statements in the `Builder`'s open block.
Not here: Python syntax (`task/expr.py`), regions of tensors (`task/indexing.py`).

A number is weak: it takes the dtype of the typed tile it meets. Integers are kept as `Index` (a
constant is a constant `Index`), so that they stay usable in shapes and bounds; floats and bools are
Python's. A `Tile` computed from numbers alone is weak as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral, Real
from types import ModuleType

import numpy as np

from mpmd.errors import LanguageError, Note, Span, TypeMismatch
from mpmd.lang.index import Index, symbol
from mpmd.lang.ops import OPS, OpTypeError
from mpmd.lang.surface import Dim, OpFunction
from mpmd.lang.tile import Apply, Attrs, Param, Stmt, TileType, ValueId
from mpmd.lang.types import Direction, DType, bool_, f32, f64, i64, promote


@dataclass(frozen=True, slots=True)
class Tile:
    """A value of the tile IR. `weak`: made of numbers alone, so its dtype gives way."""

    id: ValueId
    type: TileType
    weak: bool = False


@dataclass(frozen=True, slots=True)
class TensorRef:
    """A tensor parameter by its name: not a tile until it is indexed."""

    param: Param


@dataclass(frozen=True, slots=True)
class ChannelRef:
    """A channel parameter by its name: tokens go through it by `mpmd.send` and `mpmd.recv` alone."""

    param: Param


@dataclass(frozen=True, slots=True)
class TileSpan:
    """The variable of a tile loop: a piece of an axis."""

    start: Index
    size: Index
    index: Index


@dataclass(frozen=True, slots=True)
class SliceItem:
    """`start:stop:step` inside of brackets."""

    start: Value
    stop: Value
    step: Value


@dataclass(frozen=True, slots=True)
class Missing:
    """A name without a value here; `why` continues "'x' …"."""

    why: str
    note: Note
    hint: str


Number = Index | float | bool
Value = object
"""Any of the above, a tuple of values, or a Python object read from around the task."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A state of the builder to come back to."""

    values: int
    loops: frozenset[str]


class Builder:
    """Numbers values, names loops, and collects statements in the innermost open block."""

    def __init__(self, reserved: Iterable[str]) -> None:
        self._next: ValueId = 0
        self._names = frozenset(reserved)
        self._blocks: list[list[Stmt]] = [[]]

    @property
    def body(self) -> tuple[Stmt, ...]:
        return tuple(self._blocks[-1])

    def emit(self, stmt: Stmt) -> None:
        self._blocks[-1].append(stmt)

    def fresh(self) -> ValueId:
        self._next += 1
        return self._next - 1

    def loop_name(self, name: str) -> str:
        """`name`, or `name_2`, `name_3`, … where it is taken by a dim, a scalar or another loop."""
        candidate, count = name, 1
        while candidate in self._names:
            count += 1
            candidate = f"{name}_{count}"
        self._names |= {candidate}
        return candidate

    @contextmanager
    def into(self, block: list[Stmt]) -> Iterator[None]:
        """Statements emitted inside go to `block`."""
        self._blocks.append(block)
        try:
            yield
        finally:
            self._blocks.pop()

    def mark(self) -> Mark:
        return Mark(self._next, self._names)

    def reset(self, mark: Mark) -> None:
        """Forget the numbers and names given since; what was emitted since must be dropped as well."""
        self._next, self._names = mark.values, mark.loops

    def apply(
        self, op: str, args: Sequence[Tile], span: Span, attrs: Attrs = (), *, weak: bool = False
    ) -> Tile:
        """One op on typed operands. Raises TypeMismatch where its type rule refuses them."""
        try:
            type_ = OPS[op].infer(tuple(a.type for a in args), dict(attrs))
        except OpTypeError as error:
            hints = (error.hint,) if error.hint else ()
            raise TypeMismatch(error.message, span=span, label=error.label, hints=hints) from None
        return self.define(op, tuple(a.id for a in args), type_, attrs, span, weak=weak)

    def define(
        self,
        op: str,
        args: tuple[ValueId, ...],
        type_: TileType,
        attrs: Attrs,
        span: Span,
        *,
        weak: bool = False,
    ) -> Tile:
        """One op whose result type is known."""
        tile = Tile(self.fresh(), type_, weak)
        self.emit(Apply(tile.id, type_, op, args, attrs, span))
        return tile


# -- kinds of values ----------------------------------------------------------------------------


def is_number(value: Value) -> bool:
    return isinstance(value, (Index, float, bool))


def from_python(value: object) -> Value:
    """A Python object read from around the task, in the parser's terms."""
    if isinstance(value, Dim):
        return value.index
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, Integral):
        return Index(int(value))
    if isinstance(value, Real):
        return float(value)
    if isinstance(value, (tuple, list)):
        return tuple(from_python(v) for v in value)
    return value


def describe(value: Value) -> str:
    """What a message calls this value."""
    if isinstance(value, Tile):
        return f"a tile {value.type}" if value.type.rank else f"a number of type {value.type.dtype.name}"
    if isinstance(value, TensorRef):
        return f"the tensor '{value.param.name}'"
    if isinstance(value, ChannelRef):
        return f"the channel '{value.param.name}'"
    if isinstance(value, TileSpan):
        return "a piece of tiles()"
    if is_number(value):
        return f"the number {value}"
    if isinstance(value, OpFunction):
        return f"the function {value!r}"
    if isinstance(value, DType):
        return f"the dtype {value.name}"
    if isinstance(value, ModuleType):
        return f"the module '{value.__name__}'"
    return "None" if value is None else f"a {type(value).__name__}"


def constant_int(value: Value) -> int | None:
    """The integer, where it is known at parse time."""
    return value.const if isinstance(value, Index) and value.is_const else None


def is_scalar_int(value: Value) -> bool:
    return isinstance(value, Tile) and value.type.rank == 0 and value.type.dtype.is_integer


def index_of(value: Value, span: Span, what: str) -> Index:
    """A number or a rank-0 integer tile as an index expression. `what` names its use in the message."""
    if isinstance(value, Index):
        return value
    if isinstance(value, Tile) and is_scalar_int(value):
        return symbol(f"%{value.id}")
    raise TypeMismatch(
        f"{what} is an integer, not {describe(value)}",
        span=span,
        hints=_index_hints(value),
    )


def _index_hints(value: Value) -> tuple[str, ...]:
    if isinstance(value, TileSpan):
        return ("use its .start, .size or .index",)
    if isinstance(value, Tile) and value.type.rank == 0:
        return ("cast it: x.astype(mpmd.i32)",)
    return ()


# -- numbers into tiles -------------------------------------------------------------------------


def as_tile(builder: Builder, value: Value, span: Span, dtype: DType | None = None) -> Tile:
    """The value as a tile of `dtype` (None: a tile's own, or a number's default, weakly)."""
    if isinstance(value, Tile):
        return value if dtype in (None, value.type.dtype) else cast(builder, value, dtype, span)
    if isinstance(value, Index) and not value.is_const:
        tile = builder.define("index", (), TileType(i64), (("value", value),), span, weak=True)
        return tile if dtype is None else cast(builder, tile, dtype, span)
    if isinstance(value, Index):
        return _constant(builder, value.const, dtype or i64, span, weak=dtype is None)
    if isinstance(value, bool):
        return _constant(builder, value, dtype or bool_, span, weak=dtype is None)
    if isinstance(value, float):
        return _constant(builder, value, dtype or f32, span, weak=dtype is None)
    raise not_a_tile(value, span)


def not_a_tile(value: Value, span: Span) -> LanguageError:
    """The error for a value that cannot be computed with."""
    if isinstance(value, TensorRef):
        axes = ", ".join([":"] * len(value.param.shape)) or "()"
        name = value.param.name
        return LanguageError(
            f"'{name}' is a tensor, not a tile",
            span=span,
            label=f"index it: {name}[{axes if len(value.param.shape) < 2 else ':'}]",
            hints=(f"'{name}[:]' is the tile of all its elements" if value.param.shape else f"'{name}[()]'",),
        )
    if isinstance(value, ChannelRef):
        return LanguageError(
            f"'{value.param.name}' is a channel, not a tile", span=span, hints=(_channel_hint(value.param),)
        )
    return LanguageError(f"{describe(value)} is not a tile", span=span, hints=_index_hints(value))


def _channel_hint(param: Param) -> str:
    name = param.name
    if param.direction is Direction.RECV:
        return f"mpmd.recv({name}) is the next tile that comes through it"
    return f"mpmd.send({name}, value) puts a tile into it"


def cast(builder: Builder, tile: Tile, dtype: DType, span: Span) -> Tile:
    """The tile in `dtype`; itself (no longer weak) where it has that already."""
    if tile.type.dtype == dtype:
        return Tile(tile.id, tile.type)
    return builder.apply("cast", (tile,), span, (("dtype", dtype),))


def common_dtype(values: Sequence[Value]) -> tuple[DType, bool]:
    """The dtype in which operands meet, and whether it is weak (no typed operand among them)."""
    typed = [v.type.dtype for v in values if isinstance(v, Tile) and not v.weak]
    weak = [_weak_dtype(v) for v in values if not isinstance(v, Tile) or v.weak]
    if not typed:
        kinds = {d.kind for d in weak}
        return (f32 if "f" in kinds else i64 if "i" in kinds else bool_), True
    dtype = typed[0]
    for other in typed[1:]:
        dtype = promote(dtype, other)
    if any(d.is_float for d in weak) and not dtype.is_float:
        return (f64 if dtype == i64 else f32), False
    if any(d.is_integer for d in weak) and dtype == bool_:
        return i64, False
    return dtype, False


def _weak_dtype(value: Value) -> DType:
    if isinstance(value, Tile):
        return value.type.dtype
    return bool_ if isinstance(value, bool) else f32 if isinstance(value, float) else i64


def promoted(builder: Builder, values: Sequence[Value], span: Span) -> tuple[tuple[Tile, ...], bool]:
    """The operands as tiles of their common dtype, and whether the outcome is weak."""
    for value in values:
        if not isinstance(value, Tile) and not is_number(value):
            raise not_a_tile(value, span)
    dtype, weak = common_dtype(values)
    return tuple(as_tile(builder, v, span, dtype) for v in values), weak


def _constant(builder: Builder, value: int | float | bool, dtype: DType, span: Span, *, weak: bool) -> Tile:
    if dtype.is_float:
        value = float(value)
    elif dtype == bool_:
        value = bool(value)
    elif isinstance(value, float):
        tile = _constant(builder, value, f32, span, weak=False)
        return cast(builder, tile, dtype, span)
    else:
        value = int(value)
        info = np.iinfo(dtype.numpy)
        if not info.min <= value <= info.max:
            raise TypeMismatch(
                f"the number {value} does not fit in {dtype.name}",
                span=span,
                label=f"{dtype.name} holds {info.min} … {info.max}",
                hints=("cast the other operand to a wider type: x.astype(mpmd.i32)",),
            )
    return builder.define("const", (), TileType(dtype), (("value", value),), span, weak=weak)
