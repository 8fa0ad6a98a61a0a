"""The text form of a `Program`: for people to read, for tests to compare, for tools to exchange.

In:  a program. Out: its text, the same bytes every time; `parse_program` of it is an equal program.
Not here: reading the text (`text/parser.py`, `grammar.lark`).

A span is printed as `@file:line:column-line:column`, `file` being a row of the table at the top. Of
tensors, or tasks, that share a name each gets its number after it: `h#3`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mpmd.errors import Span
from mpmd.lang import program as prog
from mpmd.lang.index import ONE, Index
from mpmd.lang.kernel.views import c_strides
from mpmd.lang.text.parser import FORMAT, parse_program
from mpmd.lang.tile import (
    Apply,
    Attr,
    Axis,
    Branch,
    Carry,
    Gather,
    Load,
    Loop,
    Param,
    Receive,
    Region,
    Result,
    Send,
    Stmt,
    Store,
    TaskDef,
    walk,
)
from mpmd.lang.types import DType

__all__ = ["parse_program", "print_program", "print_task"]


def print_program(program: prog.Program) -> str:
    """The whole program: the files its spans name, its tasks, its kernel."""
    tasks = program.tasks
    files = _files([*_program_spans(program), *(span for task in tasks for span in _task_spans(task))])
    printer = _Printer(
        files=files,
        tensors=dict(enumerate(labels([t.name for t in program.tensors]))),
        tasks=dict(zip(tasks, labels([t.name for t in tasks]), strict=True)),
        channels=dict(enumerate(labels([c.name for c in program.channels]))),
    )
    lines = [f"mpmd {FORMAT}"]
    lines += [f"file {number} {json.dumps(name, ensure_ascii=False)}" for name, number in files.items()]
    for task in tasks:
        lines += ["", *printer.task(task)]
    lines += ["", *printer.kernel(program)]
    return "\n".join(lines) + "\n"


def print_task(task: TaskDef) -> str:
    """One task alone, as it stands in a program's text, for people."""
    printer = _Printer(
        files=_files(list(_task_spans(task))), tensors={}, tasks={task: task.name}, channels={}
    )
    return "\n".join(printer.task(task)) + "\n"


def labels(names: Sequence[str]) -> list[str]:
    """Each name, with its position after it where it is not the only one of its kind."""
    counts = Counter(names)
    return [name if counts[name] == 1 else f"{name}#{position}" for position, name in enumerate(names)]


# -- spans --------------------------------------------------------------------------------------


def _files(spans: Sequence[Span]) -> dict[str, int]:
    return {name: number for number, name in enumerate(sorted({span.file for span in spans}))}


def _program_spans(program: prog.Program) -> Iterator[Span]:
    yield program.span
    for declared in (*program.tensors, *program.scalars, *program.channels):
        yield declared.span
    yield from _node_spans(program.body)


def _node_spans(body: tuple[prog.Node, ...]) -> Iterator[Span]:
    for node in body:
        yield node.span
        if not isinstance(node, prog.Call):
            yield from _node_spans(node.body)


def _task_spans(task: TaskDef) -> Iterator[Span]:
    yield task.span
    for param in task.params:
        yield param.span
    for stmt in walk(task.body):
        yield stmt.span


# -- printing -----------------------------------------------------------------------------------


def _indent(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _join(items: Sequence[Any]) -> str:
    return ", ".join(map(str, items))


def _axis(axis: Axis) -> str:
    if not axis.keep and axis.extent == ONE and axis.step == 1:
        return str(axis.start)
    text = f"{axis.start}:+{axis.extent}"
    if axis.step != 1 or not axis.keep:
        text += f":{axis.step}"
    return text if axis.keep else f"{text}!"


def _scalar(scalar: prog.Scalar) -> str:
    most = "" if scalar.most is None else f" most {scalar.most}"
    return f"scalar {scalar.name}: {scalar.dtype.name}{most}"


def _region(region: Region) -> str:
    return f"[{_join([_axis(axis) for axis in region])}]"


def _float(value: float) -> str:
    return repr(float(value))


def _attr(value: Attr) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Index):
        return f"[{value}]"
    if isinstance(value, DType):
        return value.name
    return f"({_join([_attr(item) for item in value])})" if isinstance(value, tuple) else str(value)


@dataclass(frozen=True, slots=True)
class _Printer:
    files: dict[str, int]
    tensors: dict[prog.TensorId, str]
    tasks: dict[TaskDef, str]
    channels: dict[int, str]

    def span(self, span: Span) -> str:
        return f"@{self.files[span.file]}:{span.line}:{span.col}-{span.end_line}:{span.end_col}"

    # -- tasks

    def task(self, task: TaskDef) -> list[str]:
        params = _indent([f"{self._param(param)}," for param in task.params])
        if params:
            params[-1] = params[-1][:-1]
        head = [f"task {self.tasks[task]}(", *params, f") {self.span(task.span)} {{"]
        return [*head, *self._block(task.body), "}"]

    def _param(self, param: Param) -> str:
        span = self.span(param.span)
        if param.direction is None:
            return f"{param.name}: {param.dtype.name} {span}"
        direction = f"{param.direction.value}{' any' if param.unordered else ''}"
        return f"{param.name}: {direction} {param.dtype.name}[{_join(param.shape)}] {span}"

    def _block(self, body: tuple[Stmt, ...]) -> list[str]:
        return _indent([line for stmt in body for line in self._stmt(stmt)])

    def _stmt(self, stmt: Stmt) -> list[str]:
        if isinstance(stmt, Loop):
            return self._loop(stmt)
        if isinstance(stmt, Branch):
            return self._branch(stmt)
        return [f"{self._simple(stmt)} {self.span(stmt.span)}"]

    def _simple(self, stmt: Apply | Load | Gather | Store | Send | Receive) -> str:
        if isinstance(stmt, Store):
            sign = "+=" if stmt.accumulate else "="
            return f"store {stmt.param}{_region(stmt.region)} {sign} %{stmt.value}"
        if isinstance(stmt, Send):
            return f"send {stmt.param} %{stmt.value}"
        head = f"%{stmt.out}: {stmt.type} = "
        if isinstance(stmt, Receive):
            return f"{head}recv {stmt.param}"
        if isinstance(stmt, Load):
            return f"{head}load {stmt.param}{_region(stmt.region)}"
        if isinstance(stmt, Gather):
            return f"{head}gather {stmt.param}[%{stmt.index}]"
        args = _join([f"%{arg}" for arg in stmt.args])
        attrs = " ".join(f"{name}={_attr(value)}" for name, value in stmt.attrs)
        return head + " ".join(part for part in (stmt.op, args, attrs) if part)

    def _loop(self, loop: Loop) -> list[str]:
        if loop.tile is None:
            pieces = f"range({loop.start}, {loop.stop}, {loop.step})"
        else:
            pieces = f"tiles({loop.stop}, {loop.tile})"
        carried = _indent([self._carry(carry) for carry in loop.carried])
        return [
            f"for {loop.name} in {pieces} {self.span(loop.span)} {{",
            *carried,
            *self._block(loop.body),
            "}",
        ]

    def _carry(self, carry: Carry) -> str:
        return (
            f"carry {carry.name}: {carry.type} = %{carry.init} inside %{carry.inside} "
            f"next %{carry.next} out %{carry.out}"
        )

    def _branch(self, branch: Branch) -> list[str]:
        return [
            f"if %{branch.condition} {self.span(branch.span)} {{",
            *self._block(branch.then),
            "} else {",
            *self._block(branch.otherwise),
            "}",
            *[self._merge(result) for result in branch.results],
        ]

    def _merge(self, result: Result) -> str:
        return f"merge %{result.out}: {result.type} = %{result.then} | %{result.otherwise}"

    # -- kernels

    def kernel(self, program: prog.Program) -> list[str]:
        body = [self._tensor(tensor) for tensor in program.tensors]
        body += [f"{_scalar(s)} {self.span(s.span)}" for s in program.scalars]
        body += [self._channel(channel) for channel in program.channels]
        body += [line for node in program.body for line in self._node(node)]
        head = f"kernel {program.name}({_join(program.params)}) {self.span(program.span)} {{"
        return [head, *_indent(body), "}"]

    def _tensor(self, tensor: prog.Tensor) -> str:
        parts = [f"tensor {self.tensors[tensor.id]}:"]
        if tensor.direction is not None:
            parts.append(tensor.direction.value)
        parts.append(f"{tensor.dtype.name}[{_join(tensor.shape)}]")
        if tensor.extents:
            parts.append(f"seen [{_join(tensor.extents)}]")
        if tensor.base is not None:
            parts.append(f"of {self.tensors[tensor.base]}")
        if tensor.strides != c_strides(tensor.shape):
            parts.append(f"strides ({_join(tensor.strides)})")
        return " ".join([*parts, self.span(tensor.span)])

    def _node(self, node: prog.Node) -> list[str]:
        if isinstance(node, prog.Call):
            return [self._call(node)]
        body = _indent([line for child in node.body for line in self._node(child)])
        return [f"for {node.name} in {self._head(node)} {self.span(node.span)} {{", *body, "}"]

    def _head(self, node: prog.TileLoop | prog.Split | prog.Segments | prog.Loop) -> str:
        if isinstance(node, prog.Loop):
            until = "" if node.until is None else f" until {self._view(node.until)}"
            return f"loop({node.count}{until})"
        if isinstance(node, prog.Segments):
            return f"segments({self._view(node.offsets)}, {node.count}, {node.capacity})"
        what, number = ("split", node.parts) if isinstance(node, prog.Split) else ("tiles", node.size)
        pieces = str(node.extent) if number is None else f"{node.extent}, {number}"
        most = "" if node.most is None else f" most {node.most}"
        return f"{what}({pieces}{most}){' drain' if node.drain else ''}"

    def _call(self, call: prog.Call) -> str:
        dims = _join([f"{name}={value}" for name, value in call.dims])
        where = f" where {dims}" if dims else ""
        args = _join([self._arg(arg) for arg in call.args])
        placed = "" if call.placement is None else self._placement(call.placement)
        return f"call {self.tasks[call.task]}({args}){where}{placed} {self.span(call.span)}"

    def _placement(self, placement: prog.Placement) -> str:
        on = "" if placement.on is None else f" on {json.dumps(placement.on, ensure_ascii=False)}"
        core = "" if placement.core is None else f" core ({placement.core})"
        near = "" if placement.near is None else f" near {self.tensors[placement.near]}"
        return on + core + near

    def _channel(self, channel: prog.Channel) -> str:
        token = f"{channel.dtype.name}[{_join(channel.shape)}]"
        return f"channel {self.channels[channel.id]}: {token} depth {channel.depth} {self.span(channel.span)}"

    def _view(self, view: prog.View) -> str:
        text = self.tensors[view.tensor] + _region(view.region)
        plain = view.order == tuple(range(len(view.order)))
        return text if plain else f"{text} order ({_join(view.order)})"

    def _arg(self, arg: prog.Arg) -> str:
        if isinstance(arg, prog.View):
            return self._view(arg)
        if isinstance(arg, prog.ChannelArg):
            return f"&{self.channels[arg.channel]}"
        if isinstance(arg.value, str):
            return f"${arg.value}"
        return _float(arg.value) if isinstance(arg.value, float) else str(arg.value)
