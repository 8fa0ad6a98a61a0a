"""Loops and branches of a vector task: their heads, and the tiles of what they carry and leave.

In:  a `Loop` or a `Branch`, how to lower what is within. Out: marks, and copies into tiles that stay.
Not here: order at the marks (`pipes.py`), loops around products (`partition/engine_loops.py`).

What a loop carries lies in a tile of its own; an iteration copies its last values there. An arm of a branch
copies what it leaves into tiles that both have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mpmd.codegen.ascend.build import Build, number_at
from mpmd.codegen.ascend.casts import hardware
from mpmd.codegen.ascend.instructions import Pipe
from mpmd.codegen.ascend.values import Number, Placed, Value, range_of
from mpmd.codegen.cpp.scope import Scope
from mpmd.errors import Span
from mpmd.lang.tile import Branch, Loop, Stmt, TileType, ValueId
from mpmd.lang.types import DType, i32, i64

Body = Callable[[Sequence[Stmt]], None]
Read = Callable[[ValueId], Value]


def loop(build: Build, stmt: Loop, read: Read, values: dict[ValueId, Value], lower: Body) -> None:
    """The loop; afterwards `values` has what it carried."""
    carried = [(carry, _kept(build, carry.type, carry.name, stmt.span)) for carry in stmt.carried]
    for carry, tile in carried:
        _copy(build, tile, read(carry.init), stmt.span)
    build.mark(loop_head(build.scope, stmt), stmt.span, opens=True)
    with_own = dict(values)
    for carry, tile in carried:
        values[carry.inside] = tile
    steps = dict(build.steps)
    lower(stmt.body)
    last = [_taken(build, tile, read(carry.next), stmt.span) for carry, tile in carried]
    for (_, tile), value in zip(carried, last, strict=True):
        _copy(build, tile, value, stmt.span)
    build.mark("}", stmt.span, closes=True)
    build.steps = steps
    values.clear()
    values.update(with_own)
    for carry, tile in carried:
        values[carry.out] = tile


def branch(build: Build, stmt: Branch, read: Read, values: dict[ValueId, Value], lower: Body) -> None:
    """The branch; afterwards `values` has what it left."""
    condition = read(stmt.condition)
    if isinstance(condition, Placed):
        condition = number_at(build, condition, stmt.span)
    left = [_kept(build, result.type, "result", stmt.span) for result in stmt.results]
    before, steps = dict(values), dict(build.steps)
    build.mark(f"if ({condition.text}) {{", stmt.span, opens=True, forks=True)
    for arm in (stmt.then, stmt.otherwise):
        lower(arm)
        for result, tile in zip(stmt.results, left, strict=True):
            _copy(build, tile, read(result.then if arm is stmt.then else result.otherwise), stmt.span)
        values.clear()
        values.update(before)
        build.steps = dict(steps)
        if arm is stmt.then:
            build.mark("} else {", stmt.span, forks=True)
    build.mark("}", stmt.span, closes=True, forks=True)
    for result, tile in zip(stmt.results, left, strict=True):
        values[result.out] = tile


def loop_head(scope: Scope, stmt: Loop) -> str:
    """The head of a loop, and what its body may name of the piece."""
    start, stop = scope.text(stmt.start), scope.text(stmt.stop)
    if stmt.tile is None:
        name = scope.names[stmt.name]
        return f"for (mpmd::Word {name} = {start}; {name} < {stop}; {name} += {stmt.step}) {{"
    first, size, index = (scope.names[f"{stmt.name}.{part}"] for part in ("start", "size", "index"))
    head = (
        f"for (mpmd::Word {first} = 0, {index} = 0; {first} < {stop}; {first} += {stmt.tile}, ++{index}) {{ "
    )
    return f"{head}const mpmd::Word {size} = mpmd::least({stmt.tile}, {stop} - {first});"


def _lanes(dtype: DType) -> DType:
    """Elements of tiles that stay: those of the type itself, wide for all integers of 8 bytes."""
    return dtype if dtype.is_float or dtype == i64 else i32


def _kept(build: Build, type_: TileType, about: str, span: Span) -> Placed:
    return build.new(type_, about, span, lanes=_lanes(type_.dtype), range_=range_of(type_.dtype))


def _taken(build: Build, kept: Placed, value: Value, span: Span) -> Value:
    """What is carried on, out of the way of the tiles that are written next."""
    if isinstance(value, Number) or value.buffer.name == kept.buffer.name:
        return value
    aside = build.new(value.type, "carried on", span, lanes=value.lanes, range_=value.range)
    _move(build, aside, value, span)
    return aside


def _copy(build: Build, to: Placed, value: Value, span: Span) -> None:
    """The value into a tile that stays."""
    if isinstance(value, Placed) and value.buffer.name == to.buffer.name:
        return None
    if isinstance(value, Number) and to.lanes == i64:
        text = f"{to.buffer.name}.SetValue(0, {value.text})"
        return build.issue(Pipe.S, text, (), (to.buffer,), span)
    a = build.tile(value, to.type.shape, span)
    _move(build, to, hardware(build, a, to.lanes, a.type, span), span)
    return None


def _move(build: Build, to: Placed, a: Placed, span: Span) -> None:
    text = f"mpmd::copy({to.buffer.name}, {a.buffer.name}, {build.shape(to.type, span).text})"
    build.issue(Pipe.V, text, (a.buffer,), (to.buffer,), span)


__all__ = ["branch", "loop", "loop_head"]
