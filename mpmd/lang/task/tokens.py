"""How many tokens a task sends and receives, and in which order: known from its body alone.

In:  a checked `TaskDef`, and what its dims and scalars stand for at a call.
Out: the number of tokens of one channel parameter as an `Index`, or the whole sequence at fixed values.
Not here: which bodies can be counted (`task/check.py`); whether depths suffice (`partition`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mpmd.errors import LanguageError
from mpmd.lang.index import ZERO, Index, IndexLike, ceildiv, maximum, minimum
from mpmd.lang.task.join import loop_symbols
from mpmd.lang.tile import Loop, Receive, Send, Stmt, TaskDef, walk

Token = tuple[str, str]
"""A channel parameter's name, and "send" or "recv"."""


def tokens(task: TaskDef, param: str, values: Mapping[str, IndexLike] = {}) -> Index:
    """The tokens that one run of `task` moves through `param`, over its dims and integer scalars.

    `values` says what dims and scalars stand for at a call. A loop whose pieces send differently many
    tokens is summed, which needs its bounds to be constants under `values`.
    """
    return _count(task.body, param, values)


def channel_sequence(task: TaskDef, values: Mapping[str, int]) -> list[Token]:
    """What one run does with its channels, in order, where dims and integer scalars have these values."""
    return list(_sequence(task.body, values))


def trip_count(loop: Loop, values: Mapping[str, IndexLike] = {}) -> Index:
    """How often the body runs."""
    start, stop = loop.start.substitute(values), loop.stop.substitute(values)
    return maximum(ceildiv(stop - start, loop.step), ZERO)


def first_token(body: tuple[Stmt, ...]) -> Send | Receive | None:
    """The first statement that sends or receives, if there is one."""
    return next((stmt for stmt in walk(body) if isinstance(stmt, (Send, Receive))), None)


def moves_tokens(body: tuple[Stmt, ...]) -> bool:
    """Whether something in these statements sends or receives."""
    return first_token(body) is not None


def _count(body: tuple[Stmt, ...], param: str, values: Mapping[str, IndexLike]) -> Index:
    total = ZERO
    for stmt in body:
        if isinstance(stmt, (Send, Receive)) and stmt.param == param:
            total = total + 1
        elif isinstance(stmt, Loop) and moves_tokens(stmt.body):
            total = total + _loop_count(stmt, param, values)
    return total


def _loop_count(loop: Loop, param: str, values: Mapping[str, IndexLike]) -> Index:
    once, trips = _count(loop.body, param, values), trip_count(loop, values)
    if once.symbols().isdisjoint(loop_symbols(loop.name)):
        return once * trips
    if not trips.is_const:
        raise LanguageError(
            f"the number of tokens of '{param}' cannot be counted: it differs between iterations",
            span=loop.span,
            label=f"runs {trips} times",
            hints=("move the same number of tokens in every iteration, or give the loop constant bounds",),
        )
    rounds = (_count(loop.body, param, {**values, **inside}) for inside in _iterations(loop, values))
    return sum(rounds, ZERO)


def _sequence(body: tuple[Stmt, ...], values: Mapping[str, IndexLike]) -> Iterator[Token]:
    for stmt in body:
        if isinstance(stmt, Send):
            yield stmt.param, "send"
        elif isinstance(stmt, Receive):
            yield stmt.param, "recv"
        elif isinstance(stmt, Loop) and moves_tokens(stmt.body):
            for inside in _iterations(stmt, values):
                yield from _sequence(stmt.body, {**values, **inside})


def _iterations(loop: Loop, values: Mapping[str, IndexLike]) -> Iterator[dict[str, IndexLike]]:
    """The symbols of each iteration; the bounds are constants under `values`."""
    start, stop = (_constant(bound.substitute(values), loop) for bound in (loop.start, loop.stop))
    for number, at in enumerate(range(start, stop, loop.step)):
        if loop.tile is None:
            yield {loop.name: at}
        else:
            size = minimum(loop.tile, stop - at)
            yield {f"{loop.name}.start": at, f"{loop.name}.size": size, f"{loop.name}.index": number}


def _constant(bound: Index, loop: Loop) -> int:
    if bound.is_const:
        return bound.const
    raise LanguageError(
        "a loop that moves tokens has a bound that is not known when the kernel is compiled",
        span=loop.span,
        label=f"depends on {', '.join(sorted(bound.symbols()))}",
        hints=("take the bound from a dim, or move the tokens outside of the loop",),
    )
