"""`@mpmd.inline` functions: parsed into the task, where it calls them.

In:  the `Scope` of a call, the function, and evaluated arguments, which may be tensors and channels.
Out: the value that the function returns; its statements in the builder, with the spans of its own lines.
Not here: evaluating arguments (`task/expr.py`); the statements themselves (`task/flow.py`).
"""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from mpmd.errors import Diagnostic, LanguageError, Note
from mpmd.lang.surface import Inline
from mpmd.lang.task.calls import Arguments
from mpmd.lang.task.source import Source, read_source
from mpmd.lang.task.values import Value, from_python

if TYPE_CHECKING:
    from mpmd.lang.task.expr import Scope


def inlined(scope: Scope, callee: Inline, arguments: Arguments) -> Value:
    """The value of the call. A mistake in the function is reported at its line, with that of the call."""
    if callee.function in scope.inlined:
        raise LanguageError(
            f"inline function '{callee.__name__}' calls itself",
            span=arguments.span,
            hints=("its body takes the place of the call: repeat by a loop",),
        )
    source = read_source(callee.function)
    inner = replace(
        scope,
        source=source,
        names=_bound(source, callee, arguments),
        inlined=(*scope.inlined, callee.function),
    )
    try:
        return scope.value_of(inner, source.tree.body)
    except Diagnostic as error:
        error.related = (*error.related, Note(arguments.span, f"calls '{callee.__name__}'"))
        raise


def _bound(source: Source, callee: Inline, arguments: Arguments) -> dict[str, Value]:
    """The parameters' values."""
    declared = source.tree.args
    for extra in (declared.vararg, declared.kwarg, *declared.kwonlyargs):
        if extra is not None:
            raise _not_ordinary(source, callee, extra)
    names = [argument.arg for argument in (*declared.posonlyargs, *declared.args)]
    defaults = [from_python(value) for value in callee.function.__defaults__ or ()]
    required = names[: len(names) - len(defaults)]
    optional = list(zip(names[len(required) :], defaults, strict=True))
    return dict(zip(names, arguments.bind(required, optional), strict=True))


def _not_ordinary(source: Source, callee: Inline, parameter: ast.arg) -> LanguageError:
    return LanguageError(
        f"'{parameter.arg}' of inline function '{callee.__name__}' is not an ordinary parameter",
        span=source.span(parameter),
        hints=("its parameters have names and, some of them, defaults: no '*' and no '**'",),
    )
