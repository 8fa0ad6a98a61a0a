"""What pictures of a task graph say: the lines in a node, what hovering shows, the legend.

In:  nodes and arrows (`groups.py`). Out: text, not escaped.
Not here: how it is drawn.
"""

from __future__ import annotations

from pathlib import Path

from mpmd.lang.types import Direction
from mpmd.machine.text import amount
from mpmd.partition.graph import Phase, TaskGraph

from .groups import Arrow, ArrowKind, Groups, Node

MEANING = {
    ArrowKind.DATA: "reads what the other wrote",
    ArrowKind.ORDER: "overwrites what the other used",
    ArrowKind.NEXT: "in the next turn of a loop or line",
    ArrowKind.CHANNEL: "tiles through a channel",
}
_MOST_SHAPES = 40
"""Characters of shapes in a node; hovering shows all."""


def title(graph: TaskGraph, groups: Groups) -> str:
    """What the picture is of."""
    drawn = f"{_count(len(graph), 'task')} in {_count(len(groups.nodes), 'node')}"
    return f"{graph.program.name}: {drawn}, {_count(len(graph.deps), 'dependence')}"


def lines(node: Node) -> tuple[str, ...]:
    """What stands in a node, below its name: its line, shapes, work. A single task has its name alone."""
    if node.single:
        return ()
    calls = f", {_count(node.calls, 'call')}" if node.calls > 1 else ""
    shapes = _short(node)
    work = f"{amount(node.bytes, 'B')}, {amount(node.flops, 'op')}"
    return tuple(line for line in (f"{where(node)}{calls}", shapes, work) if line)


def badge(node: Node) -> str:
    """How many tasks a node stands for."""
    return f"×{node.count}" if node.count > 1 else ""


def where(node: Node) -> str:
    """`mlp.py:34`."""
    return f"{Path(node.place.file).name}:{node.place.line}"


def link(node: Node) -> str:
    """The user's file, where there is one."""
    path = Path(node.place.file)
    return f"{path.as_uri()}#L{node.place.line}" if path.is_absolute() else ""


def hover(node: Node) -> str:
    """All about a node."""
    ticket = ", taken by ticket" if node.drained else ""
    head = f"{node.label}, {_count(node.count, 'task')}{ticket}, {where(node)}"
    shapes = [f"{name}: {way.value} {_shape(shape)}" for way, name, shape in node.shapes]
    return "\n".join([head, *shapes, f"{amount(node.bytes, 'B')} moved, {amount(node.flops, 'op')} computed"])


def about(arrow: Arrow) -> str:
    """What an arrow stands for."""
    via = ", ".join(arrow.via)
    more = f" and {arrow.count - 1} more" if arrow.count > 1 else ""
    return f"{MEANING[arrow.kind]}: {via}\n{arrow.reason}{more}"


def phase_label(phase: Phase) -> str:
    """Of a loop its name and count; nothing of straight code."""
    if phase.loop is None:
        return ""
    times = "" if phase.loop.count.terms else f" ×{phase.loop.count.const}"
    until = ", or until its flag" if phase.loop.until is not None else ""
    return f"loop {phase.loop.name}{times}{until}"


def _short(node: Node) -> str:
    """`16×1024, 352×1024 → 16×352`."""
    if not node.shapes:
        return ""
    reads = ", ".join(dict.fromkeys(_shape(shape) for way, _, shape in node.shapes if _comes_in(way)))
    writes = ", ".join(dict.fromkeys(_shape(shape) for way, _, shape in node.shapes if _goes_out(way)))
    text = f"{reads} → {writes}"
    return text if len(text) <= _MOST_SHAPES else f"… → {writes}"[:_MOST_SHAPES]


def _comes_in(way: Direction) -> bool:
    return way.reads or way is Direction.RECV


def _goes_out(way: Direction) -> bool:
    return way.writes or way is Direction.SEND


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "scalar"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
