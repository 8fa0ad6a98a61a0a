"""Whether every tensor of a program is written before it is read, and every `Out` wholly.

In:  a traced `Program`. Out: nothing, or a `DirectionError` at the call that reads too early, or at the
parameter that is not written.
Not here: a task's own body (`task/check.py` holds it to its directions); boxes of
elements (`kernel/boxes.py`).

Refused is what surely goes wrong: what a call may write, in any iteration, counts as written. The
elements of a partly written tensor are looked at where a call surely reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mpmd.errors import DirectionError, Note
from mpmd.lang.index import ZERO
from mpmd.lang.kernel.binding import views_of
from mpmd.lang.kernel.boxes import Box, apart, first, hull, left_out, shown, whole
from mpmd.lang.kernel.ranges import OpenLoop, opened
from mpmd.lang.program import Call, Node, Program, Tensor, View
from mpmd.lang.tile import Axis, Load, Param, Store, TaskDef
from mpmd.lang.types import Direction

Loops = tuple[OpenLoop, ...]


def check_initialised(program: Program) -> None:
    """Walks the calls in program order; loops are no exception, as their first iteration comes first."""
    written = _Written(program, {t.id: [] for t in program.tensors if t.base is None})
    for call, loops in _calls(program.body, ()):
        for param, view in views_of(call):
            if param.direction is not None and param.direction.reads:
                _check_read(written, call, loops, param, view)
        for param, view in views_of(call):
            if param.direction is not None and param.direction.writes:
                written.add(view, loops)
    for tensor in program.arguments:
        _check_out(written, tensor)


def _calls(body: tuple[Node, ...], loops: Loops) -> Iterator[tuple[Call, Loops]]:
    for node in body:
        if isinstance(node, Call):
            yield node, loops
        else:
            yield from _calls(node.body, (*loops, opened(node)))


# -- what may have been written -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Written:
    """Boxes of each tensor, at most which calls have written so far; the whole tensor stands alone."""

    program: Program
    boxes: dict[int, list[Box]]

    def root(self, view: View) -> Tensor:
        tensor = self.program.tensors[view.tensor]
        return tensor if tensor.base is None else self.program.tensors[tensor.base]

    def add(self, view: View, loops: Loops) -> None:
        tensor = self.root(view)
        known, everything = self.boxes[tensor.id], whole(tensor.shape)
        reshaped = tensor.id != view.tensor
        box = everything if reshaped else hull(view.region, tensor.shape, loops)
        if box == everything:
            known[:] = [everything]
        elif known != [everything] and box not in known:
            known.append(box)

    def of(self, tensor: Tensor) -> list[Box]:
        """The boxes; the whole of a tensor whose contents come from outside."""
        outside = tensor.direction not in (None, Direction.OUT)
        return [whole(tensor.shape)] if outside else self.boxes[tensor.id]


# -- the laws -------------------------------------------------------------------------------------


def _check_read(written: _Written, call: Call, loops: Loops, param: Param, view: View) -> None:
    tensor = written.root(view)
    boxes = written.of(tensor)
    if not boxes:
        raise _unwritten(written.program, tensor, call, param, "is")
    if boxes == [whole(tensor.shape)] or tensor.id != view.tensor:
        return
    wanted = first(view.region, loops)
    if wanted is None:
        return
    part = (
        wanted if apart(wanted, boxes) else left_out(wanted, boxes) if _reads_all(call.task, param) else None
    )
    if part is not None:
        raise _unwritten(written.program, tensor, call, param, f"at [{shown(part)}] is")


def _reads_all(task: TaskDef, param: Param) -> bool:
    """Whether the task reads the whole parameter, on every path."""
    region = tuple(Axis(ZERO, extent) for extent in param.shape)
    return any(
        (isinstance(stmt, Load) or (isinstance(stmt, Store) and stmt.accumulate))
        and stmt.param == param.name
        and stmt.region == region
        for stmt in task.body
    )


def _check_out(written: _Written, tensor: Tensor) -> None:
    boxes, name = written.of(tensor), written.program.name
    if not boxes:
        raise DirectionError(
            f"'{tensor.name}' is Out, but no call of '{name}' writes it",
            span=tensor.span,
            label="never written",
            hints=("pass it to a task that writes it, or take the parameter out",),
        )
    if (part := left_out(whole(tensor.shape), boxes)) is not None:
        raise DirectionError(
            f"'{tensor.name}' is Out, but no call of '{name}' writes {tensor.name}[{shown(part)}]",
            span=tensor.span,
            label="written in part",
            hints=(
                f"write all of it, or declare '{tensor.name}' as InOut: what is not written then survives",
            ),
        )


def _unwritten(program: Program, tensor: Tensor, call: Call, param: Param, what: str) -> DirectionError:
    kind = "Out" if tensor.is_argument else "local"
    hint = (
        f"declare '{tensor.name}' as InOut if its old contents matter, or write it first"
        if tensor.is_argument
        else f"call a task that writes '{tensor.name}' first"
    )
    return DirectionError(
        f"'{tensor.name}' {what} read before any call of '{program.name}' has written it",
        span=call.span,
        label=f"'{call.task.name}' reads it as '{param.name}'",
        related=(
            Note(tensor.span, f"makes '{tensor.name}' ({kind})"),
            Note(param.span, f"'{param.name}' is read"),
        ),
        hints=(hint,),
    )
