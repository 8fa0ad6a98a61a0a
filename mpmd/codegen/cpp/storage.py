"""Where the kept values of a function lie in a core's scratch memory.

In:  a `Fusion`, the bounds of its extents. Out: a `Storage`: offset and strides of every buffer.
Not here: which values are kept (`codegen.fuse`); kept scalars are C++ variables and need no memory.

A buffer lives from the step that fills it to the last step that reads it; one that is filled before a
loop and read inside lives to the loop's end. Buffers that are never alive together share memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mpmd.codegen.cpp.scope import Scope
from mpmd.codegen.fuse import (
    Check,
    Choose,
    Compute,
    Fusion,
    Give,
    Iterate,
    Move,
    Product,
    Reduce,
    Step,
    Take,
    Write,
)
from mpmd.errors import CapacityError, Span
from mpmd.lang.index import Index
from mpmd.lang.tile import Carry, Gather, Result, TileType, ValueId

ALIGNMENT = 64
LIMIT = 1 << 30


@dataclass(frozen=True, slots=True)
class Slot:
    """A buffer: where it begins, and how many bytes it has."""

    offset: int
    bytes: int
    strides: tuple[Index, ...]


@dataclass(frozen=True, slots=True)
class Storage:
    """`slots` of the kept tiles, `staged` of the moves that wait, `dot` the offset of the products' space."""

    slots: dict[ValueId, Slot]
    staged: dict[ValueId, Slot]
    dot: int
    bytes: int


@dataclass
class _Life:
    first: int
    last: int
    bytes: int
    strides: tuple[Index, ...]


@dataclass
class _Lives:
    scope: Scope
    fusion: Fusion
    lives: dict[tuple[str, ValueId], _Life] = field(default_factory=dict)
    products: bool = False

    def walk(self, steps: tuple[Step, ...], loops: tuple[tuple[int, int], ...]) -> None:
        values = self.fusion.values
        for step in steps:
            if isinstance(step, Compute):
                at = self.position(step.value)
                self.read(step.value, at, loops, own=True)
                self.fill(step.value, at)
            elif isinstance(step, Reduce):
                at = values.position(step.stmt)
                self.read(step.stmt.args[0], at, loops)
                if step.also is not None:
                    self.read(step.also, at, loops, own=True)
                    self.fill(step.also, self.position(step.also))
                    self.read(step.also, at, loops)
                self.fill(step.stmt.out, at)
            elif isinstance(step, Product):
                self.products = True
                at = values.position(step.stmt)
                for arg in step.stmt.args:
                    self.read(arg, at, loops)
                if step.store is None:
                    self.fill(step.stmt.out, at)
            elif isinstance(step, Write):
                self.read(step.store.value, values.position(step.store), loops)
            elif isinstance(step, Give):
                self.read(step.stmt.value, values.position(step.stmt), loops)
            elif isinstance(step, Take):
                self.fill(step.stmt.out, values.position(step.stmt))
            elif isinstance(step, Check):
                if isinstance(step.stmt, Gather):
                    self.read(step.stmt.index, values.position(step.stmt), loops)
            elif isinstance(step, Iterate):
                self.iterate(step, loops)
            elif isinstance(step, Choose):
                self.choose(step, loops)

    def iterate(self, step: Iterate, loops: tuple[tuple[int, int], ...]) -> None:
        values = self.fusion.values
        begin, end = values.position(step.loop), values.end(step.loop)
        for carry in step.loop.carried:
            self.fill(carry.inside, begin)
            self.touch(("tile", carry.inside), end)
        for move in step.starts:
            self.read(move.value, begin, loops)
        inner = (*loops, (begin, end))
        self.walk(step.body, inner)
        self.moves(step.updates, end, inner)

    def choose(self, step: Choose, loops: tuple[tuple[int, int], ...]) -> None:
        values = self.fusion.values
        begin, end = values.position(step.branch), values.end(step.branch)
        for result in step.branch.results:
            self.fill(result.out, begin)
            self.touch(("tile", result.out), end)
        for arm in (step.then, step.otherwise):
            self.walk(tuple(s for s in arm if not isinstance(s, Move)), loops)
            self.moves(tuple(s for s in arm if isinstance(s, Move)), end, loops)

    def moves(self, moves: tuple[Move, ...], at: int, loops: tuple[tuple[int, int], ...]) -> None:
        for move in moves:
            self.read(move.value, at, loops)
            if move.staged:
                self.add(("staged", move.target), at, move.target)

    def position(self, value: ValueId) -> int:
        stmt = self.fusion.values.definition[value]
        assert not isinstance(stmt, (Carry, Result))
        return self.fusion.values.position(stmt)

    def read(self, value: ValueId, at: int, loops: tuple[tuple[int, int], ...], *, own: bool = False) -> None:
        """Computing `value` at position `at` keeps what it reads alive until then."""
        kept = self.fusion.kept - {value} if own else self.fusion.kept
        for source, _ in self.fusion.values.reads_in_place(value, kept):
            key = ("tile", self.fusion.values.holder(source))
            if key in self.lives:
                self.touch(key, at)
                for begin, end in loops:
                    if begin > self.lives[key].first:
                        self.touch(key, end)

    def touch(self, key: tuple[str, ValueId], at: int) -> None:
        if key in self.lives:
            self.lives[key].last = max(self.lives[key].last, at)

    def fill(self, value: ValueId, at: int) -> None:
        self.add(("tile", value), at, value)

    def add(self, key: tuple[str, ValueId], at: int, value: ValueId) -> None:
        type_ = self.fusion.values.type[value]
        if type_.rank:
            span = self.fusion.values.span(value)
            strides, count = _layout(self.scope, type_, value in self.fusion.dense, span)
            self.lives[key] = _Life(at, at, count * type_.dtype.itemsize, strides)


def plan(scope: Scope, fusion: Fusion) -> Storage:
    """Offsets for all buffers: each in turn at the lowest place that is free while it lives."""
    lives = _Lives(scope, fusion)
    lives.walk(fusion.steps, ())
    dot = scope.dialect.dot_scratch if lives.products else 0
    placed: list[tuple[int, int, _Life]] = []
    offsets: dict[tuple[str, ValueId], int] = {}
    top = dot
    for key, life in sorted(lives.lives.items(), key=lambda item: (item[1].first, item[0])):
        size = -(-life.bytes // ALIGNMENT) * ALIGNMENT
        busy = sorted(
            (b, e) for b, e, other in placed if other.last >= life.first and other.first <= life.last
        )
        offset = dot
        for begin, end in busy:
            if offset + size <= begin:
                break
            offset = max(offset, end)
        placed.append((offset, offset + size, life))
        offsets[key] = offset
        top = max(top, offset + size)
    _check_size(top, scope.function.task.name, scope.function.task.span)
    slots = {key: Slot(offsets[key], life.bytes, life.strides) for key, life in lives.lives.items()}
    tiles = {value: slot for (kind, value), slot in slots.items() if kind == "tile"}
    staged = {value: slot for (kind, value), slot in slots.items() if kind == "staged"}
    return Storage(tiles, staged, 0, top)


def _check_size(size: int, task: str, span: Span) -> None:
    if size > LIMIT:
        raise CapacityError(
            f"the tiles of '{task}' need {size / LIMIT:.1f} GiB of scratch memory on every core",
            span=span,
            label="its values do not fit",
            hints=("cut its work with mpmd.tiles, in the task or in the kernel that calls it",),
        )


def _layout(scope: Scope, type_: TileType, dense: bool, span: Span) -> tuple[tuple[Index, ...], int]:
    """Strides in C order over the largest extents (so that they are constants), or over the actual ones
    where no gap is allowed; and the number of elements."""
    bounds = [scope.bound(extent, span) for extent in type_.shape]
    strides: list[Index] = []
    step, count = Index(1), 1
    for extent, bound in zip(reversed(type_.shape), reversed(bounds), strict=True):
        strides.append(step)
        step = step * (scope.settle(extent) if dense else max(1, bound))
        count *= bound
    return tuple(reversed(strides)), count
