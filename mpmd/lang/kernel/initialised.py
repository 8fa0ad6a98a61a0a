"""Whether every tensor of a program is written before it is read, and every `Out` wholly.

In:  a traced `Program`. Out: nothing, or a `DirectionError` at the call (or loop) that reads too early, or
at the parameter that is not written.
Not here: a task's own body (`task/check.py` holds it to its directions); boxes of
elements (`kernel/boxes.py`).

Refused is what surely goes wrong: what a call may write, in any iteration, counts as written: so does
all that pieces of a runtime extent, or segments, can reach. The elements of a partly written tensor are
looked at where a call surely reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mpmd.errors import DirectionError, Note, Span
from mpmd.lang.index import ZERO
from mpmd.lang.kernel.binding import views_of
from mpmd.lang.kernel.boxes import Box, apart, first, hull, left_out, shown, whole
from mpmd.lang.kernel.ranges import OpenLoop, opened
from mpmd.lang.program import Call, Loop, Node, Program, Segments, Tensor, View
from mpmd.lang.tile import Axis, Load, Param, Store, TaskDef
from mpmd.lang.types import Direction

Loops = tuple[OpenLoop, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    """A view that is read, by a call or by a loop itself; `whole` if all of it surely is."""

    view: View
    loops: Loops
    span: Span
    label: str
    declared: tuple[Note, ...] = ()
    whole: bool = True


@dataclass(frozen=True, slots=True)
class _Write:
    view: View
    loops: Loops


def check_initialised(program: Program) -> None:
    """Walks the accesses in program order; loops are no exception, as their first iteration comes first."""
    written = _Written(program, {t.id: [] for t in program.tensors if t.base is None})
    for access in _accesses(program.body, ()):
        if isinstance(access, _Write):
            written.add(access.view, access.loops)
        else:
            _check_read(written, access)
    for tensor in program.arguments:
        _check_out(written, tensor)


def _accesses(body: tuple[Node, ...], loops: Loops) -> Iterator[_Read | _Write]:
    for node in body:
        if isinstance(node, Call):
            yield from _of_call(node, loops)
            continue
        if isinstance(node, Segments):
            yield _Read(node.offsets, loops, node.span, "mpmd.segments reads its offsets")
        yield from _accesses(node.body, (*loops, opened(node)))
        if isinstance(node, Loop) and node.until is not None:
            yield _Read(node.until, loops, node.span, "mpmd.loop reads 'until'")


def _of_call(call: Call, loops: Loops) -> Iterator[_Read | _Write]:
    """What a call reads, then what it writes."""
    views = views_of(call)
    for param, view in views:
        if param.direction is not None and param.direction.reads:
            label = f"'{call.task.name}' reads it as '{param.name}'"
            declared = (Note(param.span, f"'{param.name}' is read"),)
            yield _Read(view, loops, call.span, label, declared, _reads_all(call.task, param))
    for param, view in views:
        if param.direction is not None and param.direction.writes:
            yield _Write(view, loops)


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


def _check_read(written: _Written, read: _Read) -> None:
    tensor = written.root(read.view)
    boxes = written.of(tensor)
    if not boxes:
        raise _unwritten(written.program, tensor, read, "is")
    if boxes == [whole(tensor.shape)] or tensor.id != read.view.tensor:
        return
    wanted = first(read.view.region, read.loops)
    if wanted is None:
        return
    part = wanted if apart(wanted, boxes) else left_out(wanted, boxes) if read.whole else None
    if part is not None:
        raise _unwritten(written.program, tensor, read, f"at [{shown(part)}] is")


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


def _unwritten(program: Program, tensor: Tensor, read: _Read, what: str) -> DirectionError:
    kind = "Out" if tensor.is_argument else "local"
    hint = (
        f"declare '{tensor.name}' as InOut if its old contents matter, or write it first"
        if tensor.is_argument
        else f"call a task that writes '{tensor.name}' first"
    )
    return DirectionError(
        f"'{tensor.name}' {what} read before any call of '{program.name}' has written it",
        span=read.span,
        label=read.label,
        related=(Note(tensor.span, f"makes '{tensor.name}' ({kind})"), *read.declared),
        hints=(hint,),
    )
