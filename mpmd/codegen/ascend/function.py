"""The text of one vector function: its tensors, its tiles, and its instructions with what orders them.

In:  a `graph.Function`. Out: lines. Not here: cube functions (`cube.py`), the file around (`emit.py`).
"""

from __future__ import annotations

from mpmd.codegen.ascend.addresses import Addresses, addresses
from mpmd.codegen.ascend.dialect import scope_of
from mpmd.codegen.ascend.instructions import Buffer, Mark
from mpmd.codegen.ascend.pipes import Order, orders
from mpmd.codegen.ascend.refuse import refuse
from mpmd.codegen.ascend.tokens import side_of
from mpmd.codegen.ascend.values import C_TYPES
from mpmd.codegen.ascend.vector import Lowering
from mpmd.codegen.cpp.names import comment, quoted
from mpmd.codegen.cpp.scope import Scope
from mpmd.codegen.emitter import Lines
from mpmd.codegen.source import StepNote
from mpmd.errors import Span
from mpmd.lang.types import Direction
from mpmd.partition.graph import Function, Word, WordKind

RESTORE = "#line restore"
"""A line that `emit.py` replaces by a `#line` back to the generated file."""


def write_vector_function(function: Function, checks: list[StepNote]) -> Lines:
    """The function; what it checks at run time is appended to `checks`."""
    scope = scope_of(function)
    steps = Lowering.of(function, scope, checks).instructions
    placed = addresses(steps, function.task.name, function.task.span)
    body = Lines()
    for buffer in placed:
        body(_declaration(buffer, placed))
    for step, before in zip(steps, orders(steps, placed), strict=True):
        body_line(body, step.span)
        for order in before:
            body(order_text(order))
        body(step.text if isinstance(step, Mark) else f"{step.text};")
    return around(function, scope, body)


def around(function: Function, scope: Scope, body: Lines) -> Lines:
    """A function with this body: what it mentions is declared before."""
    lines = Lines()
    lines(comment(signature(function)))
    if where := _where(function):
        lines(comment(where))
    with lines.block(f"__aicore__ inline void {function.name}(const mpmd::Launch& launch, mpmd::Row row) {{"):
        for at, word in enumerate(function.words):
            declared = _word(function, scope, at, word)
            if declared is not None and body.mentions(declared[0]):
                lines(declared[1])
            if word.kind is WordKind.CHANNEL:
                _channel(lines, function, scope, at, word.name)
        lines.extend(body)
        lines(RESTORE)
    return lines


def body_line(body: Lines, span: Span) -> None:
    """What follows is of the user's line."""
    if span.line:
        body(f"#line {span.line} {quoted(span.file)}")


def order_text(order: Order) -> str:
    """A flag from one pipe to another, or a barrier."""
    if order.event is None:
        pipe = order.then.value if order.until is order.then else "ALL"
        return f"AscendC::PipeBarrier<PIPE_{pipe}>();  {comment(order.reason)}"
    event = f"AscendC::HardEvent::{order.until.value}_{order.then.value}"
    flag = f"EVENT_ID{order.event}"
    both = f"AscendC::SetFlag<{event}>({flag}); AscendC::WaitFlag<{event}>({flag});"
    return f"{both}  {comment(order.reason)}"


def signature(function: Function) -> str:
    parts = []
    for param in function.task.params:
        kind = "" if param.direction is None else f"{param.direction.value}"
        shape = "".join(f", {extent}" for extent in param.shape)
        parts.append(
            f"{param.name}: {kind}[{param.dtype.name}{shape}]" if kind else f"{param.name}: {param.dtype}"
        )
    return f"{function.task.name}({', '.join(parts)})"


def _where(function: Function) -> str:
    extents = "  ".join(
        f"{name} = {extent}" if name in function.fixed else f"{name} ≤ {extent}"
        for name, extent in function.dims
    )
    span = function.task.span
    return f"{span.file}:{span.line}  {extents}".rstrip() if span.line else extents


def _declaration(buffer: Buffer, placed: Addresses) -> str:
    element = C_TYPES[buffer.dtype.name]
    made = f"mpmd::tile<{element}>({placed[buffer]}, {buffer.elements})"
    return f"const mpmd::Tile<{element}> {buffer.name} = {made};  {comment(buffer.about)}"


def _word(function: Function, scope: Scope, at: int, word: Word) -> tuple[str, str] | None:
    """The name that a word of the row gives a value to, and its declaration."""
    param = function.task.param(word.name)
    name = scope.names[word.name]
    if word.kind is WordKind.BASE:
        if param.dtype.name not in C_TYPES:
            raise refuse(f"tensors of {param.dtype}", param.span)
        element = C_TYPES[param.dtype.name]
        return name, f"__gm__ {element}* const {name} = mpmd::tensor<{element}>(launch, row, {at});"
    if word.kind is WordKind.STRIDE:
        stride = scope.names[f"{word.name}.stride{word.axis}"]
        return stride, f"const mpmd::Word {stride} = row[{at}];"
    if word.kind is WordKind.SCALAR:
        if param.dtype.is_integer:
            return name, f"const mpmd::Word {name} = row[{at}];"
        return name, f"const float {name} = mpmd::number(row[{at}]);"
    if word.kind is WordKind.EXTENT:
        extent = param.shape[word.axis]
        named = str(extent)
        if named in scope.names and named not in function.fixed:
            return _extent_once(function, scope, at, named)
    return None


def _channel(lines: Lines, function: Function, scope: Scope, at: int, name: str) -> None:
    """A side of a channel, and where the elements of its present token lie."""
    param, named = function.task.param(name), scope.names[name]
    element, sends = C_TYPES[param.dtype.name], str(param.direction is Direction.SEND).lower()
    lines(f"mpmd::Side<{element}> {side_of(named)}(launch, row[{at}], {sends});")
    lines(f"__gm__ {element}* {named} = nullptr;")


def _extent_once(function: Function, scope: Scope, at: int, dim: str) -> tuple[str, str] | None:
    """A dim that varies is read from the first word that holds it."""
    first = next(
        number
        for number, word in enumerate(function.words)
        if word.kind is WordKind.EXTENT and str(function.task.param(word.name).shape[word.axis]) == dim
    )
    name = scope.names[dim]
    return (name, f"const mpmd::Word {name} = row[{at}];") if first == at else None


__all__ = ["RESTORE", "around", "body_line", "order_text", "write_vector_function"]
