"""The tile IR: the body of one task, typed, in structured SSA form.

In:  `task/parser.py` builds it from the user's Python.
Out: `TaskDef`, read by the checks, the evaluator, the cost model and every emitter.
Not here: kernels (`program.py`); what an op means (`ops.py`).

The grammar, whole:

    TaskDef  = name, params: Param*, body: Stmt*
    Param    = name, direction | None for a scalar, dtype, shape: Index*
    Stmt     = Apply(out, type, op, args: ValueId*, attrs)       pure; `op` is a row of `OPS`
             | Load(out, type, param, region)                    tensor → tile
             | Gather(out, type, param, index: ValueId)          rows of axis 0 picked by an integer vector
             | Store(param, region, value, accumulate)           tile → tensor; narrows to its dtype
             | Send(param, value)                                tile → channel, in order
             | Receive(out, type, param)                         channel → tile; the extents are the sender's
             | Loop(name, start, stop, step, tile, carried, body)
             | Branch(condition: ValueId, then, otherwise, results)
    Region   = Axis*      one per axis of the parameter
    Axis     = start, extent, step, keep                         keep=False drops the axis

Symbols inside an `Index` of a body: a dim or integer scalar parameter by its name; a `range` loop's
variable by the loop's name (`i`); a tile loop's as `j.start`, `j.size`, `j.index`; a rank-0 integer
value as `%3`. Loop names are unique within a task. Every `ValueId` is defined once, before its uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Union

from mpmd.errors import Span
from mpmd.lang.index import Index
from mpmd.lang.types import Direction, DType

ValueId = int
Attr = Union[int, float, bool, str, Index, "DType", tuple["Attr", ...], None]
Attrs = tuple[tuple[str, Attr], ...]


@dataclass(frozen=True, slots=True)
class TileType:
    """Element type and extents of a tile. Rank 0 is a scalar."""

    dtype: DType
    shape: tuple[Index, ...] = ()

    @property
    def rank(self) -> int:
        return len(self.shape)

    def __str__(self) -> str:
        return f"{self.dtype.name}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class Axis:
    """`extent` elements from `start`, `step` apart (step ≥ 1), of one axis of a tensor."""

    start: Index
    extent: Index
    step: int = 1
    keep: bool = True


Region = tuple[Axis, ...]


@dataclass(frozen=True, slots=True)
class Param:
    """A task's parameter. `direction` is None for a scalar, whose shape is empty.

    `unordered` is `Accum(order="any")`: additions may be combined in any order.
    """

    name: str
    direction: Direction | None
    dtype: DType
    shape: tuple[Index, ...]
    span: Span
    unordered: bool = False

    @property
    def is_scalar(self) -> bool:
        return self.direction is None

    @property
    def is_channel(self) -> bool:
        return self.direction is not None and self.direction.is_channel


@dataclass(frozen=True, slots=True)
class Apply:
    out: ValueId
    type: TileType
    op: str
    args: tuple[ValueId, ...]
    attrs: Attrs
    span: Span

    def attr(self, name: str) -> Attr:
        return dict(self.attrs)[name]


@dataclass(frozen=True, slots=True)
class Load:
    out: ValueId
    type: TileType
    param: str
    region: Region
    span: Span


@dataclass(frozen=True, slots=True)
class Gather:
    """`table[ids]`: out[i, …] = table[ids[i], …]. An index outside the axis ends the launch."""

    out: ValueId
    type: TileType
    param: str
    index: ValueId
    span: Span


@dataclass(frozen=True, slots=True)
class Store:
    """The value's shape is the region's kept shape exactly (the parser inserts broadcasts).

    `accumulate` is a `+=` on an `Accum` parameter; a `+=` elsewhere is a load, an add and a store.
    """

    param: str
    region: Region
    value: ValueId
    accumulate: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Send:
    """`mpmd.send(c, value)`: one token; no extent of the value exceeds the channel's. Blocks while full."""

    param: str
    value: ValueId
    span: Span


@dataclass(frozen=True, slots=True)
class Receive:
    """`mpmd.recv(c)` or `mpmd.recv(c, shape)`: one token, whose extents must be those of `type`."""

    out: ValueId
    type: TileType
    param: str
    span: Span


@dataclass(frozen=True, slots=True)
class Carry:
    """A name that lives across iterations: its value before, inside, after one, and after all."""

    name: str
    type: TileType
    init: ValueId
    inside: ValueId
    next: ValueId
    out: ValueId


@dataclass(frozen=True, slots=True)
class Loop:
    """`range(start, stop, step)`, or with `tile` the pieces of `tiles(stop, tile)` (start 0, step = tile).

    A tile loop defines `name.start`, `name.size` (= min(tile, stop − start)), `name.index`.
    """

    name: str
    start: Index
    stop: Index
    step: int
    tile: int | None
    carried: tuple[Carry, ...]
    body: tuple[Stmt, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Result:
    """A value that both arms of a branch define."""

    out: ValueId
    type: TileType
    then: ValueId
    otherwise: ValueId


@dataclass(frozen=True, slots=True)
class Branch:
    """`if` on a rank-0 bool value."""

    condition: ValueId
    then: tuple[Stmt, ...]
    otherwise: tuple[Stmt, ...]
    results: tuple[Result, ...]
    span: Span


Stmt = Union[Apply, Load, Gather, Store, Send, Receive, Loop, Branch]


@dataclass(frozen=True)
class TaskDef:
    """One parsed task, polymorphic in its dims. Equal bodies with equal spans are equal values."""

    name: str
    params: tuple[Param, ...]
    body: tuple[Stmt, ...]
    span: Span

    @cached_property
    def tensors(self) -> tuple[Param, ...]:
        return tuple(p for p in self.params if not p.is_scalar and not p.is_channel)

    @cached_property
    def channels(self) -> tuple[Param, ...]:
        return tuple(p for p in self.params if p.is_channel)

    @cached_property
    def shaped(self) -> tuple[Param, ...]:
        """The parameters that have extents: tensors and channels, in the order of the signature."""
        return tuple(p for p in self.params if not p.is_scalar)

    @cached_property
    def scalars(self) -> tuple[Param, ...]:
        return tuple(p for p in self.params if p.is_scalar)

    @cached_property
    def dims(self) -> tuple[str, ...]:
        """The named extents of the signature, in order of first appearance."""
        seen: dict[str, None] = {}
        for param in self.shaped:
            for extent in param.shape:
                seen.update(dict.fromkeys(sorted(extent.symbols())))
        return tuple(seen)

    def param(self, name: str) -> Param:
        return next(p for p in self.params if p.name == name)


def walk(body: tuple[Stmt, ...]) -> Iterator[Stmt]:
    """Every statement, outer before inner, in program order."""
    for stmt in body:
        yield stmt
        if isinstance(stmt, Loop):
            yield from walk(stmt.body)
        elif isinstance(stmt, Branch):
            yield from walk(stmt.then)
            yield from walk(stmt.otherwise)


def kept_shape(region: Region) -> tuple[Index, ...]:
    """The shape of the tile that a region loads."""
    return tuple(axis.extent for axis in region if axis.keep)
