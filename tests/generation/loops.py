"""`mpmd.loop`: a fixed or runtime count, ended early by a flag, with calls that may use the iteration.

In:  a `Scope`, and what its body may hold. Out: kernel lines. Not here: the calls.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.generation.scope import Feature, Moving, Scope
from tests.generation.values import region, shape

Statement = Callable[[Scope], None]
MOST = 4
"""Iterations of one loop."""


def repeat(scope: Scope, statement: Statement) -> None:
    """A loop of 1–3 statements; within another loop its count is fixed, and no flag ends it."""
    name = scope.text.fresh("it")
    count, most = _count(scope)
    flag, dtype = "", scope.one(["i32", "i64", "i8"])
    if scope.has(Feature.UNTIL) and not scope.repeated and scope.chance(3):
        flag = scope.text.fresh("done")
        scope.text.line(f"{flag} = mpmd.empty((1,), {dtype})")
    until = f", until={flag}[0]" if flag else ""
    with scope.text.block(f"for {name} in mpmd.loop({count}{until}):"):
        inner = scope.within(Moving(name, 0, max(0, most - 1)))
        statements = scope.integer(1, 3 if not scope.repeated else 2)
        at = scope.integer(0, statements - 1)
        for number in range(statements):
            statement(inner)
            if flag and number == at:
                _stop(inner, flag, dtype)


def _count(scope: Scope) -> tuple[str, int]:
    """The count, and the most that it can be."""
    fitting = [m for m in scope.moving if m.most <= MOST]
    if scope.repeated or not fitting or scope.chance(2):
        count = scope.extent(MOST if not scope.repeated else 2)
        return str(count), count
    moving = scope.one(fitting)
    return scope.one([(moving.text, moving.most), (f"{moving.text} + 1", moving.most + 1)])


def _stop(scope: Scope, flag: str, dtype: str) -> None:
    """Sets the flag where some value is large."""
    tensor = scope.one(scope.tensors)
    rows, columns = shape(scope, [tensor])
    limit = scope.integer(-4, 8)
    task = scope.text.task(
        f"a: In[{tensor.dtype}, T, N], done: Out[{dtype}, 1]",
        [f"done[0] = (mpmd.max(a[:]) > {limit}).astype({dtype})"],
    )
    scope.text.line(f"{task}({region(scope, tensor, rows, columns)}, {flag})")
