"""What the tests of tracing share: tasks that are only a signature, and diagnostics as short text."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import Any

from mpmd.errors import Diagnostic
from mpmd.lang.kernel.signature import kernel_params
from mpmd.lang.kernel.trace import trace
from mpmd.lang.program import Program
from mpmd.lang.surface import Task
from mpmd.lang.tile import Param, TaskDef
from mpmd.lang.types import DType, TensorSpec, f32


def declared(function: Any) -> Task:
    """A task with the function's signature and no body: tracing looks at signatures alone."""
    params = []
    for p in kernel_params(function):
        a = p.annotation
        scalar = isinstance(a, DType)
        params.append(
            Param(p.name, None, a, (), p.span)
            if scalar
            else Param(p.name, a.direction, a.dtype, a.shape, p.span)
        )
    return Task(function, TaskDef(function.__name__, tuple(params), (), params[0].span))


def traced(function: Any, *shapes: tuple[int, ...] | TensorSpec | None) -> Program:
    """The program of a kernel for f32 tensors of these shapes (None: a scalar)."""
    names = function.__code__.co_varnames
    return trace(
        function,
        {n: TensorSpec(f32, s) if isinstance(s, tuple) else s for n, s in zip(names, shapes, strict=False)},
    )


def refusal(law: type[Diagnostic], act: Callable[[], object]) -> list[str]:
    """Message, `underlined source: label`, and hints of the diagnostic that `act` raises."""
    try:
        act()
    except Diagnostic as error:
        assert type(error) is law, error
        span = error.span
        line = linecache.getline(span.file, span.line)
        end = span.end_col if span.end_line == span.line else len(line)
        return [error.message, f"{line[span.col : end].strip()}: {error.label}", *error.hints]
    raise AssertionError(f"nothing was refused; {law.__name__} expected")
