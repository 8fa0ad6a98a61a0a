"""The evaluator of one task: its tile IR run over NumPy arrays, statement by statement.

In:  a task with views of its tensors, its scalars, dims, and the queues of its channels.
Out: the arrays changed in place; a `Diagnostic` where a slice, an index, a shape or a token does not hold.
Not here: calls and loops of kernels (`evaluate.py`); what an op computes (`op_reference.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mpmd.errors import BoundsError, LanguageError, Span, TypeMismatch
from mpmd.lang.index import Index
from mpmd.lang.op_reference import convert
from mpmd.lang.ops import OPS
from mpmd.lang.queues import Queue
from mpmd.lang.tile import (
    Apply,
    Attr,
    Attrs,
    Branch,
    Gather,
    Load,
    Loop,
    Receive,
    Region,
    Send,
    Stmt,
    Store,
    TaskDef,
    TileType,
    ValueId,
)
from mpmd.lang.types import from_numpy, promote

Array = npt.NDArray[Any]
Number = int | float
Environment = dict[str, int]
Waiting = Send | Receive
"""A statement that cannot go on before another task does."""


def run_task(
    task: TaskDef,
    tensors: Mapping[str, Array],
    scalars: Mapping[str, Number],
    dims: Mapping[str, int],
    channels: Mapping[str, Queue] = {},
    *,
    span: Span | None = None,
) -> None:
    """Run one task's tile IR on views of its tensors. `span` is the call's, for mismatched shapes."""
    for blocked in task_steps(task, tensors, scalars, dims, channels, span=span):
        raise waits_forever(blocked)


def task_steps(
    task: TaskDef,
    tensors: Mapping[str, Array],
    scalars: Mapping[str, Number],
    dims: Mapping[str, int],
    channels: Mapping[str, Queue],
    *,
    span: Span | None = None,
) -> Iterator[Waiting]:
    """The same run, which stops wherever it must wait for a channel, and gives the statement that waits."""
    env = {**dims, **{name: value for name, value in scalars.items() if isinstance(value, int)}}
    for param in task.tensors:
        wanted = _extents(param.shape, env)
        if tensors[param.name].shape != wanted:
            raise TypeMismatch(
                f"'{param.name}' of '{task.name}' is {list(wanted)}, "
                f"the argument is {list(tensors[param.name].shape)}",
                span=span or task.span,
            )
    yield from Frame(task, tensors, scalars, env, channels).steps(task.body)


def waits_forever(stmt: Waiting) -> LanguageError:
    """What is wrong where nobody is left who could end the wait."""
    verb, hint = ("sends", "received") if isinstance(stmt, Send) else ("receives", "sent")
    return LanguageError(
        f"a task {verb} more tokens through '{stmt.param}' than are {hint}",
        span=stmt.span,
        label="would wait for ever",
        hints=("the two ends of a channel move the same number of tokens",),
    )


@dataclass(frozen=True, slots=True)
class Frame:
    """One run of a task: its tensors, and the values and integer symbols defined so far."""

    task: TaskDef
    tensors: Mapping[str, Array]
    scalars: Mapping[str, Number]
    env: Environment
    channels: Mapping[str, Queue]
    values: dict[ValueId, Array] = field(default_factory=dict)

    def steps(self, body: tuple[Stmt, ...]) -> Iterator[Waiting]:
        """Runs the statements in order; stops where one must wait."""
        for stmt in body:
            if isinstance(stmt, (Send, Receive, Loop, Branch)):
                yield from _WAITING[type(stmt)](self, stmt)
            else:
                _AT_ONCE[type(stmt)](self, stmt)

    def execute(self, stmt: Stmt) -> None:
        """Runs one statement, which cannot wait."""
        for blocked in self.steps((stmt,)):
            raise waits_forever(blocked)

    def define(self, out: ValueId, type_: TileType, value: Array, span: Span) -> None:
        shape = _extents(type_.shape, self.env)
        if value.shape != shape or value.dtype != type_.dtype.numpy:
            raise TypeMismatch(
                f"a value of type {type_} came out as {value.dtype}{list(value.shape)}", span=span
            )
        self.values[out] = value
        if type_.dtype.is_integer and not shape:
            self.env[f"%{out}"] = int(value)

    def apply(self, stmt: Apply) -> None:
        args = tuple(self.values[arg] for arg in stmt.args)
        attrs = self._attrs(stmt.attrs)
        if stmt.op == "scalar":
            attrs["value"] = self.scalars[attrs["name"]]
        elif stmt.op == "slice":
            limit = args[0].shape[attrs["axis"]]
            check_range(
                "the tile", attrs["axis"], attrs["start"], attrs["extent"], attrs["step"], limit, stmt.span
            )
        elif stmt.op == "broadcast":
            check_extents(attrs["shape"], stmt.span)
        elif stmt.op == "iota":
            check_extents((attrs["extent"],), stmt.span)
        elif stmt.op == "reshape" and args[0].size != np.prod(attrs["shape"], dtype=int):
            raise TypeMismatch(
                f"cannot reshape {list(args[0].shape)} to {list(attrs['shape'])}",
                span=stmt.span,
                label=f"{args[0].size} elements",
            )
        value = OPS[stmt.op].reference(args, attrs, stmt.type.dtype.numpy)
        self.define(stmt.out, stmt.type, value, stmt.span)

    def _attrs(self, attrs: Attrs) -> dict[str, Any]:
        return {name: self._attr(value) for name, value in attrs}

    def _attr(self, value: Attr) -> Any:
        if isinstance(value, Index):
            return int(value.evaluate(self.env))
        return tuple(map(self._attr, value)) if isinstance(value, tuple) else value

    def _window(self, stmt: Load | Store) -> Array:
        return window(self.tensors[stmt.param], stmt.region, self.env, stmt.param, stmt.span)

    def load(self, stmt: Load) -> None:
        self.define(stmt.out, stmt.type, np.array(self._window(stmt)), stmt.span)

    def gather(self, stmt: Gather) -> None:
        rows = gather(self.tensors[stmt.param], self.values[stmt.index], stmt.param, stmt.span)
        self.define(stmt.out, stmt.type, rows, stmt.span)

    def store(self, stmt: Store) -> None:
        store(self._window(stmt), self.values[stmt.value], stmt.accumulate, stmt.span)

    def send(self, stmt: Send) -> Iterator[Waiting]:
        tile = self.values[stmt.value]
        _check_token(tile.shape, _extents(self.task.param(stmt.param).shape, self.env), stmt)
        while self.channels[stmt.param].full:
            yield stmt
        self.channels[stmt.param].put(tile)

    def receive(self, stmt: Receive) -> Iterator[Waiting]:
        while self.channels[stmt.param].empty:
            yield stmt
        tile = self.channels[stmt.param].get()
        wanted = _extents(stmt.type.shape, self.env)
        if tile.shape != wanted:
            raise LanguageError(
                f"a token of {list(tile.shape)} is received from '{stmt.param}' as {list(wanted)}",
                span=stmt.span,
                label=f"the sender's extents are {list(tile.shape)}",
                hints=(f"say which part of a token comes: mpmd.recv({stmt.param}, shape)",),
            )
        self.define(stmt.out, stmt.type, tile, stmt.span)

    def loop(self, stmt: Loop) -> Iterator[Waiting]:
        for carry in stmt.carried:
            self.define(carry.inside, carry.type, self.values[carry.init], stmt.span)
        for _ in self._iterations(stmt):
            yield from self.steps(stmt.body)
            after = [self.values[carry.next] for carry in stmt.carried]
            for carry, value in zip(stmt.carried, after, strict=True):
                self.define(carry.inside, carry.type, value, stmt.span)
        for carry in stmt.carried:
            self.define(carry.out, carry.type, self.values[carry.inside], stmt.span)

    def _iterations(self, stmt: Loop) -> Iterator[int]:
        start, stop = int(stmt.start.evaluate(self.env)), int(stmt.stop.evaluate(self.env))
        if stmt.tile is not None:
            yield from tile_steps(self.env, stmt.name, stop, stmt.tile)
            return
        for value in range(start, stop, stmt.step):
            self.env[stmt.name] = value
            yield value

    def branch(self, stmt: Branch) -> Iterator[Waiting]:
        taken = bool(self.values[stmt.condition])
        yield from self.steps(stmt.then if taken else stmt.otherwise)
        for result in stmt.results:
            value = self.values[result.then if taken else result.otherwise]
            self.define(result.out, result.type, value, stmt.span)


_AT_ONCE: dict[type, Callable[[Frame, Any], None]] = {
    Apply: Frame.apply,
    Load: Frame.load,
    Gather: Frame.gather,
    Store: Frame.store,
}

_WAITING: dict[type, Callable[[Frame, Any], Iterator[Waiting]]] = {
    Send: Frame.send,
    Receive: Frame.receive,
    Loop: Frame.loop,
    Branch: Frame.branch,
}


def _extents(shape: Sequence[Index], env: Environment) -> tuple[int, ...]:
    return tuple(int(extent.evaluate(env)) for extent in shape)


def _check_token(shape: tuple[int, ...], most: tuple[int, ...], stmt: Send) -> None:
    if any(extent > limit for extent, limit in zip(shape, most, strict=True)):
        raise BoundsError(
            f"a token of {list(shape)} is sent through '{stmt.param}', which takes {list(most)} at most",
            span=stmt.span,
            label=f"the value is {list(shape)} here",
            hints=("send smaller pieces, or declare the channel with larger extents",),
        )


def gather(table: Array, ids: Array, name: str, span: Span) -> Array:
    """`table[ids]`, rows of axis 0; `BoundsError` for an index outside it."""
    outside = ids[(ids < 0) | (ids >= table.shape[0])]
    if outside.size:
        check_range(name, 0, int(outside[0]), 1, 1, table.shape[0], span)
    return table[ids]


def store(target: Array, value: Array, accumulate: bool, span: Span) -> None:
    """Write a tile, narrowed to the target's dtype; with `accumulate` the sum with what is there."""
    if target.shape != value.shape:
        raise TypeMismatch(f"a store of {list(value.shape)} to {list(target.shape)}", span=span)
    if accumulate:
        value = _sum(target, value)
    target[...] = convert(value, target.dtype)


def _sum(a: Array, b: Array) -> Array:
    left, right = from_numpy(a.dtype), from_numpy(b.dtype)
    assert left is not None and right is not None
    common = promote(left, right).numpy
    return OPS["add"].reference((convert(a, common), convert(b, common)), {}, common)


# -- regions ------------------------------------------------------------------------------------


def window(array: Array, region: Region, env: Environment, name: str, span: Span) -> Array:
    """The part of `array` that `region` selects, as a view; `BoundsError` where it leaves the array."""
    index: list[slice | int] = []
    for axis, (part, limit) in enumerate(zip(region, array.shape, strict=True)):
        start, extent = int(part.start.evaluate(env)), int(part.extent.evaluate(env))
        check_range(name, axis, start, extent, part.step, limit, span)
        index.append(slice(start, start + extent * part.step, part.step) if part.keep else start)
    return array[(*index, ...)]


def check_range(name: str, axis: int, start: int, extent: int, step: int, limit: int, span: Span) -> None:
    """Whether `extent` elements from `start`, `step` apart, lie within `limit`."""
    stop = start + ((extent - 1) * step + 1 if extent > 0 else extent * step)
    if start < 0 or extent < 0 or stop > limit:
        taken = f"index {start}" if extent == 1 else f"{start}:{stop}"
        raise BoundsError(
            f"{taken} is outside axis {axis} of '{name}', which has {limit} elements",
            span=span,
            label=f"{taken} here",
            hints=("neither indices nor slices are clipped at run time",),
        )


def check_extents(shape: Sequence[int], span: Span) -> None:
    """Whether a tile can have these extents, which a launch may have decided."""
    if min(shape, default=0) < 0:
        raise BoundsError(
            f"a tile of shape {list(shape)} has a negative extent",
            span=span,
            label=f"an extent is {min(shape)} here",
            hints=("keep the stop of a slice, and the size of a tile, from falling below its start",),
        )


def tile_steps(env: Environment, name: str, extent: int, size: int) -> Iterator[int]:
    """Sets in `env` the symbols of each piece of `tiles(extent, size)` in turn; the last may be short."""
    for index, start in enumerate(range(0, extent, size)):
        env[f"{name}.start"] = start
        env[f"{name}.size"] = min(size, extent - start)
        env[f"{name}.index"] = index
        yield index
