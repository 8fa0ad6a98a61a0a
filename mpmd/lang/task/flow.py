"""Statements in sequence, and branches, of a task body.

In:  `ast` statements and their `Scope`. Out: statements in the builder; the names of the scope updated.
Not here: assignments (`task/assign.py`), loops (`task/loops.py`), how two arms meet (`task/join.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from types import EllipsisType
from typing import Any

from mpmd.errors import LanguageError, Note
from mpmd.lang.task.assign import assign, assign_annotated, assign_augmented
from mpmd.lang.task.expr import Scope, expression
from mpmd.lang.task.join import Arms, condition_of, join, same_value
from mpmd.lang.task.loops import for_loop
from mpmd.lang.task.source import assigned_names
from mpmd.lang.task.values import Missing, Tile, Value, is_number
from mpmd.lang.tile import Stmt


def statements(scope: Scope, body: Iterable[ast.stmt]) -> None:
    """Parses statements in order. Raises LanguageError for syntax that tasks do not have."""
    for node in body:
        handler = _STATEMENTS.get(type(node))
        if isinstance(node, ast.Return) and scope.inlined:
            raise LanguageError(
                f"'{scope.inlined[-1].__name__}' returns before its end",
                span=scope.span(node),
                hints=("it returns in its last line: give the value a name, and choose by 'if'",),
            )
        if handler is None:
            raise scope.unsupported(node, *_INSTEAD.get(type(node), ()))
        handler(scope, node)


def function_value(scope: Scope, body: list[ast.stmt]) -> Value:
    """Parses the body of an inline function: its value is what the last statement returns, or None."""
    if not isinstance(last := body[-1], ast.Return):
        statements(scope, body)
        return None
    statements(scope, body[:-1])
    return None if last.value is None else expression(scope, last.value)


_INSTEAD: dict[type[ast.stmt], tuple[str, ...]] = {
    ast.Return: ("a task returns nothing: store the result into an Out parameter",),
    ast.While: ("loop over range(…), with a bound known when the loop starts",),
    ast.Break: ("guard the rest of the body with 'if'",),
    ast.Continue: ("guard the rest of the body with 'if'",),
    ast.Assert: ("check arguments in Python, before the launch",),
    ast.Raise: ("check arguments in Python, before the launch",),
    ast.FunctionDef: ("write the expression where it is used",),
    ast.Import: ("import above the task",),
    ast.ImportFrom: ("import above the task",),
    ast.Match: ("use if, elif and else",),
}


def _pass(scope: Scope, node: ast.Pass) -> None:
    """Nothing to do."""


def _alone(scope: Scope, node: ast.Expr) -> None:
    """A docstring or `...`, or a call that gives nothing; other expressions would have no effect."""
    if isinstance(node.value, ast.Constant) and isinstance(node.value.value, (str, EllipsisType)):
        return
    value = expression(scope, node.value)
    if value is None and isinstance(node.value, ast.Call):
        return
    raise LanguageError(
        "the value of this expression is not used",
        span=scope.span(node),
        hints=("store it, y[:] = …, or give it a name",),
    )


def _for(scope: Scope, node: ast.For) -> None:
    for_loop(scope, node, statements)


def _if(scope: Scope, node: ast.If) -> None:
    decided = condition_of(expression(scope, node.test), scope.span(node.test))
    if isinstance(decided, bool):
        statements(scope, node.body if decided else node.orelse)
        return
    then, a = _arm(scope, node.body)
    otherwise, b = _arm(scope, node.orelse)
    note = Note(scope.span(node.test), "decides")
    meeting: dict[str, Arms] = {}
    for name in assigned_names([*node.body, *node.orelse]):
        missing = _missing(name, a, b, note)
        if missing is not None:
            scope.names[name] = missing
        else:
            meeting[name] = Arms(f"'{name}'", a[name], b[name])
    after = join(scope.builder, decided, then, otherwise, meeting.values(), scope.span(node.test))
    scope.names.update(zip(meeting, after, strict=True))


def _arm(scope: Scope, body: list[ast.stmt]) -> tuple[list[Stmt], Mapping[str, Value]]:
    inner = scope.copy()
    block: list[Stmt] = []
    with scope.builder.into(block):
        statements(inner, body)
    return block, inner.names


def _missing(name: str, a: Mapping[str, Value], b: Mapping[str, Value], note: Note) -> Missing | None:
    """Why the name has no value after a branch, if it has none."""
    if name not in a or name not in b:
        return Missing("is assigned in only one arm of an 'if'", note, f"assign '{name}' before the 'if'")
    for value in (a[name], b[name]):
        if isinstance(value, Missing):
            return value
    plain = all(isinstance(v, Tile) or is_number(v) for v in (a[name], b[name]))
    if plain or same_value(a[name], b[name]):
        return None
    return Missing("differs between the arms of an 'if' and is no tile", note, "decide it before the task")


_STATEMENTS: dict[type[ast.stmt], Callable[[Scope, Any], None]] = {
    ast.Pass: _pass,
    ast.Expr: _alone,
    ast.Assign: assign,
    ast.AnnAssign: assign_annotated,
    ast.AugAssign: assign_augmented,
    ast.If: _if,
    ast.For: _for,
}
