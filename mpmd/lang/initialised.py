"""Whether every tensor of a program is written before it is read.

In:  a traced `Program`. Out: nothing, or a `DirectionError` at the call that reads too early.
Not here: a task's own body (`check.py` holds it to its directions).

The check is per tensor, not per element: one call that writes a part makes the tensor readable.
"""

from __future__ import annotations

from mpmd.errors import DirectionError, Note, Span
from mpmd.lang.binding import views_of
from mpmd.lang.program import Program, Tensor, calls
from mpmd.lang.types import Direction


def check_initialised(program: Program) -> None:
    """Walks the calls in program order; loops are no exception, as their first iteration comes first."""
    written = {t.id for t in program.tensors if t.direction not in (None, Direction.OUT)}
    for call in calls(program.body):
        for param, view in views_of(call):
            tensor = _root(program, view.tensor)
            assert param.direction is not None
            if param.direction.reads and tensor.id not in written:
                raise _unwritten(program, tensor, call.span, call.task.name, param.name, param.span)
        for param, view in views_of(call):
            if param.direction is not None and param.direction.writes:
                written.add(_root(program, view.tensor).id)
    for tensor in program.arguments:
        if tensor.id not in written:
            raise DirectionError(
                f"'{tensor.name}' is Out, but no call of '{program.name}' writes it",
                span=tensor.span,
                label="never written",
                hints=("pass it to a task that writes it, or take the parameter out",),
            )


def _root(program: Program, tensor: int) -> Tensor:
    found = program.tensors[tensor]
    return found if found.base is None else program.tensors[found.base]


def _unwritten(
    program: Program, tensor: Tensor, span: Span, task: str, param: str, declared: Span
) -> DirectionError:
    what = "Out" if tensor.is_argument else "local"
    hint = (
        f"declare '{tensor.name}' as InOut if its old contents matter, or write it first"
        if tensor.is_argument
        else f"call a task that writes '{tensor.name}' first"
    )
    return DirectionError(
        f"'{tensor.name}' is read before any call of '{program.name}' has written it",
        span=span,
        label=f"'{task}' reads it as '{param}'",
        related=(Note(tensor.span, f"makes '{tensor.name}' ({what})"), Note(declared, f"'{param}' is read")),
        hints=(hint,),
    )
