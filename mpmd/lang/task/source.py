"""A task's function as syntax: its tree, the spans of its nodes, the names around it.

In:  a Python function whose source can be found (a file, a notebook cell, lines put in `linecache`).
Out: a `Source`: the `ast` of the definition in the coordinates of the user's file, and `outer` names.
Not here: what the syntax means (`task/expr.py`, `task/flow.py`), evaluating annotations (`surface.py`).
"""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import FunctionType

from mpmd.errors import LanguageError, Span
from mpmd.lang.frames import function_span


@dataclass(frozen=True, slots=True)
class Source:
    """A function's definition. Lines of `tree` count in the user's file; `lines` start at `first_line`."""

    file: str
    first_line: int
    lines: tuple[str, ...]
    tree: ast.FunctionDef
    outer: Mapping[str, object]

    def span(self, node: ast.AST) -> Span:
        """The place of a node, with columns in characters (`ast` counts UTF-8 bytes)."""
        line, end_line = _position(node, "lineno"), _position(node, "end_lineno")
        start = self._column(line, _position(node, "col_offset"))
        end = self._column(end_line, _position(node, "end_col_offset"))
        return Span(self.file, line, start, end_line, end)

    @property
    def name_span(self) -> Span:
        """The function's name on its `def` line."""
        start = self._column(self.tree.lineno, self.tree.col_offset) + len("def ")
        return Span(self.file, self.tree.lineno, start, self.tree.lineno, start + len(self.tree.name))

    def _column(self, line: int, byte_offset: int) -> int:
        text = self.lines[line - self.first_line]
        return len(text.encode()[:byte_offset].decode(errors="ignore"))


def read_source(function: FunctionType) -> Source:
    """The syntax of a function made by `def`. Raises LanguageError where there is no source."""
    try:
        lines, first_line = inspect.getsourcelines(function)
    except (OSError, TypeError):
        raise LanguageError(
            f"the source of '{function.__name__}' cannot be found",
            span=function_span(function),
            hints=("a task is parsed from its source: define it in a file or a notebook cell",),
        ) from None
    # An indented definition becomes the body of an `if`, so that its columns stay those of the file.
    indented = lines[0][:1].isspace()
    text = "".join(["if True:\n", *lines] if indented else lines)
    module = ast.parse(text)
    ast.increment_lineno(module, first_line - (2 if indented else 1))
    block = module.body[0].body if isinstance(module.body[0], ast.If) else module.body
    file = function.__code__.co_filename
    tree = block[0]
    if not isinstance(tree, ast.FunctionDef):
        raise LanguageError(
            f"a task is a plain function, not {construct(tree)}",
            span=Span(file, tree.lineno, tree.col_offset, tree.lineno, tree.col_offset + 5),
            hints=("write it with 'def'",),
        )
    return Source(file, first_line, tuple(lines), tree, outer_names(function))


def outer_names(function: FunctionType) -> dict[str, object]:
    """Builtins, globals and closure variables, inner ones over outer ones."""
    names: dict[str, object] = {**vars(builtins), **function.__globals__}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # assigned later than the task is defined
            names.pop(name, None)
    return names


def did_you_mean(name: str, candidates: Iterable[str]) -> tuple[str, ...]:
    """A hint that names the closest candidate, if one is close."""
    close = get_close_matches(name, sorted(candidates), n=1)
    return (f"did you mean '{close[0]}'?",) if close else ()


def assigned_names(body: Iterable[ast.stmt]) -> tuple[str, ...]:
    """Every name that the statements bind, nested ones included, in order of first appearance."""
    found: dict[str, None] = {}
    for stmt in body:
        for node in sorted(
            (n for n in ast.walk(stmt) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)),
            key=lambda n: (n.lineno, n.col_offset),
        ):
            found[node.id] = None
    return tuple(found)


_CONSTRUCTS = {
    "AsyncFunctionDef": "'async def'",
    "AsyncFor": "'async for'",
    "AsyncWith": "'async with'",
    "ClassDef": "a class",
    "FunctionDef": "another function",
    "Delete": "'del'",
    "While": "'while'",
    "With": "'with'",
    "Match": "'match'",
    "Raise": "'raise'",
    "Try": "'try'",
    "TryStar": "'try'",
    "Assert": "'assert'",
    "Import": "'import'",
    "ImportFrom": "'import'",
    "Global": "'global'",
    "Nonlocal": "'nonlocal'",
    "Break": "'break'",
    "Continue": "'continue'",
    "Return": "'return'",
    "NamedExpr": "':='",
    "Lambda": "a lambda",
    "Dict": "a dict",
    "Set": "a set",
    "List": "a list",
    "ListComp": "a list comprehension",
    "SetComp": "a set comprehension",
    "DictComp": "a dict comprehension",
    "GeneratorExp": "a generator expression",
    "Await": "'await'",
    "Yield": "'yield'",
    "YieldFrom": "'yield from'",
    "JoinedStr": "an f-string",
    "FormattedValue": "an f-string",
    "Starred": "'*'",
    "Attribute": "an attribute",
    "Is": "'is'",
    "IsNot": "'is not'",
    "In": "'in'",
    "NotIn": "'not in'",
}


def construct(node: ast.AST) -> str:
    """What a person calls this piece of Python."""
    name = type(node).__name__
    return _CONSTRUCTS.get(name, f"'{name}'")


def _position(node: ast.AST, field: str) -> int:
    return getattr(node, field)
