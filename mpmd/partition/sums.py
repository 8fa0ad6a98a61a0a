"""The tasks that partial sums need: variants of the user's, and small ones of our own.

In:  a task and its `Accum` parameter, or dtypes and a rank. Out: `TaskDef`s.
Not here: where they are called (`accumulate.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mpmd.errors import Span
from mpmd.lang.index import ONE, ZERO, Index, symbol
from mpmd.lang.tile import (
    Apply,
    Axis,
    Branch,
    Gather,
    Load,
    Loop,
    Param,
    Receive,
    Region,
    Stmt,
    Store,
    TaskDef,
    TileType,
    ValueId,
    walk,
)
from mpmd.lang.types import Direction, DType, accumulator


def widened(task: TaskDef, name: str) -> TaskDef:
    """The task with sums that are as wide as those of `sum` and `@`."""
    return _with_param(task, name, Direction.ACCUM)


def storing(task: TaskDef, name: str) -> TaskDef:
    """The task with sums that start from zero: what it adds becomes all that is there."""
    started = _with_param(task, name, Direction.OUT)
    stores = [stmt for stmt in walk(started.body) if isinstance(stmt, Store) and stmt.param == name]
    if len(stores) == 1 and stores[0] in started.body and _is_whole(stores[0], started.param(name)):
        body = tuple(
            replace(stmt, accumulate=False) if isinstance(stmt, Store) and stmt.param == name else stmt
            for stmt in started.body
        )
    else:
        zeros = _zeros(started.param(name), 1 + max(_values(task.body), default=0), task.span)
        body = (*zeros, *started.body)
    return replace(started, name=f"{task.name}_sum", body=body)


def zeroing(dtype: DType, rank: int, span: Span) -> TaskDef:
    """`y[:] = 0`"""
    param = Param("y", Direction.OUT, dtype, _dims(rank), span)
    return TaskDef("zero_sums", (param,), _zeros(param, 0, span), span)


def adding_up(dtype: DType, rank: int, span: Span) -> TaskDef:
    """`for k in range(K): y[:] += sums[k]`"""
    shape, wide = _dims(rank), accumulator(dtype)
    target = Param("y", Direction.ACCUM, dtype, shape, span)
    sums = Param("sums", Direction.IN, wide, (symbol("K"), *shape), span)
    one = (Axis(symbol("k"), ONE, keep=False), *_whole(shape))
    body = (
        Load(0, TileType(wide, shape), "sums", one, span),
        Store("y", _whole(shape), 0, True, span),
    )
    loop = Loop("k", ZERO, symbol("K"), 1, None, (), body, span)
    return TaskDef("add_sums", (target, sums), (loop,), span)


def _with_param(task: TaskDef, name: str, direction: Direction) -> TaskDef:
    params = tuple(
        replace(param, direction=direction, dtype=accumulator(param.dtype)) if param.name == name else param
        for param in task.params
    )
    return replace(task, params=params)


def _dims(rank: int) -> tuple[Index, ...]:
    return tuple(symbol(f"D{axis}") for axis in range(rank))


def _whole(shape: tuple[Index, ...]) -> Region:
    return tuple(Axis(ZERO, extent) for extent in shape)


def _is_whole(store: Store, param: Param) -> bool:
    return store.accumulate and store.region == _whole(param.shape)


def _zeros(param: Param, first: ValueId, span: Span) -> tuple[Stmt, ...]:
    """`param[:] = 0` with values numbered from `first`."""
    zero = 0.0 if param.dtype.is_float else 0
    scalar, tile = TileType(param.dtype), TileType(param.dtype, param.shape)
    made: tuple[Stmt, ...] = (Apply(first, scalar, "const", (), (("value", zero),), span),)
    if param.shape:
        made += (Apply(first + 1, tile, "broadcast", (first,), (("shape", param.shape),), span),)
    return (*made, Store(param.name, _whole(param.shape), first + bool(param.shape), False, span))


def _values(body: tuple[Stmt, ...]) -> Iterator[ValueId]:
    """Every value that the statements define."""
    for stmt in walk(body):
        if isinstance(stmt, (Apply, Load, Gather, Receive)):
            yield stmt.out
        elif isinstance(stmt, Loop):
            yield from (value for carry in stmt.carried for value in (carry.inside, carry.out))
        elif isinstance(stmt, Branch):
            yield from (result.out for result in stmt.results)
