"""The tiles and tensors that a task sees while it runs as plain Python.

In:  a `Frame` with the task's arrays. Out: objects whose operators compute at once.
Not here: loops and calls (`debug.py`), what ops compute (`op_reference.py`).

Operators and brackets mean what the task parser says: its own functions build each statement, and the
statement is executed as soon as it is made. So dtypes, weak numbers and composites cannot differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np

from mpmd.errors import BoundsError, DirectionError, LanguageError, Span
from mpmd.lang.evaluate_task import Array, Frame
from mpmd.lang.frames import caller_span
from mpmd.lang.index import Index
from mpmd.lang.kernel.views import TileSpan
from mpmd.lang.surface import Dim
from mpmd.lang.task.calls import METHOD_NAMES, Arguments, call_function, call_method, transposed
from mpmd.lang.task.indexing import Item, load, piece, store, target_region
from mpmd.lang.task.operators import elementwise, matmul
from mpmd.lang.task.values import Builder, ChannelRef, SliceItem, Tile, Value, from_python
from mpmd.lang.task.values import TileSpan as Piece
from mpmd.lang.tile import Param, Stmt, TileType
from mpmd.lang.types import Direction, DType


class Live(Builder):
    """The parser's builder, but a statement is executed as soon as it is made."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(reserved=())
        self._frame = frame

    def emit(self, stmt: Stmt) -> None:
        self._frame.execute(stmt)

    def array(self, tile: Tile) -> Array:
        return self._frame.values[tile.id]

    def arguments(self) -> list[Any]:
        """What the task's function is called with: tensors, integers as they are, floats as rank-0 tiles."""
        return [self._argument(param) for param in self._frame.task.params]

    def _argument(self, param: Param) -> Any:
        if param.is_channel:
            return DebugChannel(param, tuple(int(e.evaluate(self._frame.env)) for e in param.shape))
        if not param.is_scalar:
            shape = tuple(map(Index, self._frame.tensors[param.name].shape))
            return DebugTensor(self, Param(param.name, param.direction, param.dtype, shape, param.span))
        if param.dtype.is_integer:
            return self._frame.scalars[param.name]
        attrs = (("name", param.name),)
        return self.wrap(self.define("scalar", (), TileType(param.dtype), attrs, param.span))

    def function(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """`mpmd.name(…)`."""
        return self.wrap(call_function(self, name, self.call(name, args, kwargs)))

    def call(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
        named = tuple((key, self.value(item)) for key, item in kwargs.items())
        return Arguments(name, tuple(map(self.value, args)), named, caller_span())

    # -- between Python's values and the parser's

    def value(self, item: Any) -> Value:
        if isinstance(item, DebugTile):
            return item.tile
        if isinstance(item, DebugChannel):
            return ChannelRef(item.full)
        if isinstance(item, Dim):
            return Index(item.__index__())
        if isinstance(item, TileSpan):
            return Piece(*item.span, Index(item.index))
        if isinstance(item, (tuple, list)):
            return tuple(map(self.value, item))
        return from_python(item)

    def wrap(self, value: Value) -> Any:
        if isinstance(value, Tile):
            return DebugTile(self, value)
        return value.const if isinstance(value, Index) else value

    def items(self, key: Any, span: Span) -> list[Item]:
        """What stands in the brackets of `x[key]`."""
        return [Item(self._item(part, span), span) for part in (key if isinstance(key, tuple) else (key,))]

    def _item(self, part: Any, span: Span) -> Value:
        if isinstance(part, slice):
            return SliceItem(*(self._bound(bound, span) for bound in (part.start, part.stop, part.step)))
        return self._bound(part, span)

    def _bound(self, bound: Any, span: Span) -> Value:
        """A rank-0 integer tile as its number; one that is negative is outside, it counts from no end."""
        if not isinstance(bound, DebugTile) or bound.ndim or not bound.dtype.is_integer:
            return self.value(bound)
        number = int(bound)
        if number < 0:
            raise BoundsError(f"index {number} is negative", span=span, label="a loaded or computed index")
        return Index(number)


def _binary(op: str) -> Callable[[DebugTile, Any], Any]:
    def method(self: DebugTile, other: Any) -> Any:
        return self.live.wrap(_operated(self.live, op, self.tile, self.live.value(other)))

    return method


def _reflected(op: str) -> Callable[[DebugTile, Any], Any]:
    def method(self: DebugTile, other: Any) -> Any:
        return self.live.wrap(_operated(self.live, op, self.live.value(other), self.tile))

    return method


def _unary(op: str) -> Callable[[DebugTile], Any]:
    def method(self: DebugTile) -> Any:
        return self.live.wrap(elementwise(self.live, op, (self.tile,), caller_span()))

    return method


def _operated(live: Live, op: str, left: Value, right: Value) -> Value:
    if op == "dot":
        return matmul(live, left, right, caller_span())
    return elementwise(live, op, (left, right), caller_span())


class DebugTile:
    """A tile with its elements: `tile.array` is the NumPy array."""

    __slots__ = ("live", "tile")
    __array_ufunc__ = None  # NumPy's operators leave the operation to this class

    def __init__(self, live: Live, tile: Tile) -> None:
        self.live = live
        self.tile = tile

    @property
    def array(self) -> Array:
        return self.live.array(self.tile)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def dtype(self) -> DType:
        return self.tile.type.dtype

    @property
    def T(self) -> DebugTile:
        return DebugTile(self.live, transposed(self.live, self.tile, caller_span()))

    def __repr__(self) -> str:
        return f"<tile {self.tile.type}\n{self.array}>"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.array, dtype=dtype)

    def __getitem__(self, key: Any) -> DebugTile:
        span = caller_span()
        return DebugTile(self.live, piece(self.live, self.tile, self.live.items(key, span), span))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in METHOD_NAMES and name != "softmax":
            raise AttributeError(f"tiles have no '{name}'")

        def method(*args: Any, **kwargs: Any) -> Any:
            arguments = self.live.call(name, args, kwargs)
            return self.live.wrap(call_method(self.live, self.tile, name, arguments))

        return method

    def __mpmd_apply__(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return self.live.function(name, args, kwargs)

    # -- a number, where there is one element

    def __bool__(self) -> bool:
        if self.ndim:
            raise self._refusal("tested as a condition", "reduce it first: mpmd.any(x) or mpmd.all(x)")
        return bool(self.array)

    def __index__(self) -> int:
        if self.ndim or not self.dtype.is_integer:
            raise self._refusal("used as an integer", "only a rank-0 integer tile is an integer")
        return int(self.array)

    def __iter__(self) -> NoReturn:
        raise self._refusal("iterated over", "loop over range(x.shape[0])")

    def _refusal(self, label: str, hint: str) -> LanguageError:
        return LanguageError(
            f"a tile {self.tile.type} is no number", span=caller_span(), label=label, hints=(hint,)
        )

    # -- operators

    __add__, __radd__ = _binary("add"), _reflected("add")
    __sub__, __rsub__ = _binary("sub"), _reflected("sub")
    __mul__, __rmul__ = _binary("mul"), _reflected("mul")
    __truediv__, __rtruediv__ = _binary("div"), _reflected("div")
    __floordiv__, __rfloordiv__ = _binary("floordiv"), _reflected("floordiv")
    __mod__, __rmod__ = _binary("mod"), _reflected("mod")
    __pow__, __rpow__ = _binary("pow"), _reflected("pow")
    __matmul__ = _binary("dot")
    __and__, __rand__ = _binary("and"), _reflected("and")
    __or__, __ror__ = _binary("or"), _reflected("or")
    __xor__, __rxor__ = _binary("xor"), _reflected("xor")
    __lshift__, __rlshift__ = _binary("shl"), _reflected("shl")
    __rshift__, __rrshift__ = _binary("shr"), _reflected("shr")
    __lt__, __le__, __gt__, __ge__ = _binary("lt"), _binary("le"), _binary("gt"), _binary("ge")
    __eq__, __ne__ = _binary("eq"), _binary("ne")
    __neg__, __invert__, __abs__ = _unary("neg"), _unary("not"), _unary("abs")
    __hash__ = None  # type: ignore[assignment]

    def __pos__(self) -> DebugTile:
        return self


class DebugTensor:
    """A tensor parameter of the running task. `tensor.param` says what it is."""

    __slots__ = ("live", "param")

    def __init__(self, live: Live, param: Param) -> None:
        self.live = live
        self.param = param

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(extent.const for extent in self.param.shape)

    @property
    def ndim(self) -> int:
        return len(self.param.shape)

    @property
    def dtype(self) -> DType:
        return self.param.dtype

    def __repr__(self) -> str:
        assert self.param.direction is not None
        extents = ", ".join(map(str, self.param.shape))
        return f"<tensor {self.param.name}: {self.param.direction.value} {self.dtype}[{extents}]>"

    def __getitem__(self, key: Any) -> DebugTile | Accumulation:
        if self.param.direction is Direction.ACCUM:
            return Accumulation(self.live, self.param.name, None)
        span = caller_span()
        return DebugTile(self.live, load(self.live, self.param, self.live.items(key, span), span))

    def __setitem__(self, key: Any, value: Any) -> None:
        span = caller_span()
        region = target_region(self.param, self.live.items(key, span), span)
        accumulates = isinstance(value, Accumulation)
        added = value.added if accumulates else self.live.value(value)
        store(self.live, self.param, region, added, accumulates, span)


class DebugChannel:
    """A channel parameter of the running task. `channel.param` says what it is."""

    __slots__ = ("param", "shape")

    def __init__(self, param: Param, shape: tuple[int, ...]) -> None:
        self.param = param
        self.shape = shape

    @property
    def full(self) -> Param:
        """The parameter with the extents of a full token as numbers."""
        return replace(self.param, shape=tuple(map(Index, self.shape)))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def dtype(self) -> DType:
        return self.param.dtype

    def __repr__(self) -> str:
        assert self.param.direction is not None
        extents = ", ".join(map(str, self.shape))
        return f"<channel {self.param.name}: {self.param.direction.value} {self.dtype}[{extents}]>"


class Accumulation:
    """What `y[…]` of an `Accum` is in `y[…] += value`: the sum is made by the store."""

    __slots__ = ("added", "live", "name")

    def __init__(self, live: Live, name: str, added: Value) -> None:
        self.live = live
        self.name = name
        self.added = added

    def __iadd__(self, value: Any) -> Accumulation:
        return Accumulation(self.live, self.name, self.live.value(value))

    def __getattr__(self, name: str) -> NoReturn:
        raise DirectionError(f"'{self.name}' is Accum and is read", span=caller_span())
