"""Names that a kernel carries from one symbolic iteration to the next, which tracing once cannot do.

In:  the user's frame at a symbolic loop, its local names before and after the one traced iteration.
Out: nothing, or a `LanguageError` at the place where the name is bound again.
Not here: values used after their loop (`kernel/trace.py` knows the symbols in scope).

A name is carried if it existed before the loop, the iteration bound it to something else, and the
body may read it before it binds it. What hides in a container or an attribute is not seen.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import CodeType
from typing import Any

from mpmd.errors import LanguageError, Note, Span


def check_carried(code: CodeType, loop: Span, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Refuses the first carried name of the `for` statement at `loop`."""
    rebound = {name for name, value in before.items() if name in after and after[name] is not value}
    if not rebound:
        return
    suspects = _suspects(code, loop.line)
    for name in sorted(rebound & suspects.keys()):
        raise LanguageError(
            f"'{name}' is carried from one iteration of a symbolic loop to the next",
            span=suspects[name],
            label="bound again here",
            related=(Note(loop, "is the loop, whose body is traced once"),),
            hints=("keep what is carried in a tensor, or unroll with Python's range",),
        )


@lru_cache(maxsize=512)
def _suspects(code: CodeType, line: int) -> dict[str, Span]:
    """The names that the `for` statement at a line may read before it binds them, and where it does."""
    loops = _loops(code.co_filename, "".join(linecache.getlines(code.co_filename)))
    found = [loop for loop in loops if loop.iter.lineno <= line <= (loop.iter.end_lineno or line)]
    if not found:
        return {}
    body = found[-1].body
    exposed: set[str] = set()
    _scan(body, set(), exposed)
    return {
        name: Span(code.co_filename, at.lineno, at.col_offset, at.lineno, at.col_offset + len(name))
        for name, at in _stores(body).items()
        if name in exposed
    }


@lru_cache(maxsize=8)
def _loops(file: str, text: str) -> tuple[ast.For, ...]:
    """Every `for` statement of a file, outer before inner."""
    try:
        tree = ast.parse(text, file)
    except SyntaxError:  # a notebook cell with magics, or a file that changed since
        return ()
    return tuple(node for node in ast.walk(tree) if isinstance(node, ast.For))


def _stores(body: Iterable[ast.stmt]) -> dict[str, ast.Name]:
    """The first place that binds each name."""
    names = [n for stmt in body for n in ast.walk(stmt) if isinstance(n, ast.Name)]
    stores = [n for n in names if isinstance(n.ctx, ast.Store)]
    ordered = sorted(stores, key=lambda n: (n.lineno, n.col_offset), reverse=True)
    return {n.id: n for n in ordered}


def _scan(body: Iterable[ast.stmt], bound: set[str], exposed: set[str]) -> None:
    """Adds to `bound` what the statements bind for certain, to `exposed` what they may read before that."""
    for stmt in body:
        _statement(stmt, bound, exposed)


def _statement(stmt: ast.stmt, bound: set[str], exposed: set[str]) -> None:
    if isinstance(stmt, ast.If):
        _reads(stmt.test, bound, exposed)
        then, otherwise = set(bound), set(bound)
        _scan(stmt.body, then, exposed)
        _scan(stmt.orelse, otherwise, exposed)
        bound |= then & otherwise
    elif isinstance(stmt, (ast.For, ast.While)):
        _reads(stmt.iter if isinstance(stmt, ast.For) else stmt.test, bound, exposed)
        inside = set(bound)
        if isinstance(stmt, ast.For):
            _binds(stmt.target, inside, exposed)
        _scan(stmt.body, inside, exposed)  # it may run no time: what it binds is not bound for certain
        _scan(stmt.orelse, set(bound), exposed)
    elif isinstance(stmt, ast.AugAssign):
        _reads(stmt.value, bound, exposed)
        _reads(
            ast.Name(stmt.target.id, ast.Load()) if isinstance(stmt.target, ast.Name) else stmt.target,
            bound,
            exposed,
        )
    elif isinstance(stmt, (ast.Assign, ast.AnnAssign)):
        if stmt.value is not None:
            _reads(stmt.value, bound, exposed)
        for target in stmt.targets if isinstance(stmt, ast.Assign) else [stmt.target]:
            _binds(target, bound, exposed)
    elif isinstance(stmt, ast.With):
        for item in stmt.items:
            _reads(item.context_expr, bound, exposed)
            if item.optional_vars is not None:
                _binds(item.optional_vars, bound, exposed)
        _scan(stmt.body, bound, exposed)
    elif isinstance(stmt, ast.Try):
        for block in (stmt.body, *(h.body for h in stmt.handlers), stmt.orelse, stmt.finalbody):
            _scan(block, set(bound), exposed)
    else:
        _reads(stmt, bound, exposed)


def _reads(node: ast.AST, bound: set[str], exposed: set[str]) -> None:
    loads = (n for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
    exposed |= {n.id for n in loads} - bound


def _binds(target: ast.expr, bound: set[str], exposed: set[str]) -> None:
    _reads(target, bound, exposed)  # the tensor and the index of `x[i] = …`
    bound |= {n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
