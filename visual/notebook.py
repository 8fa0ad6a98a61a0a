"""What a notebook shows of a kernel and of what becomes of it: small, self-contained HTML.

In:  a kernel's function and parameters, a `TaskGraph`, `Schedule`, `Certificate` or `Trace`.
Out: HTML text, with pictures in it.
Not here: pages that one can walk around in (`page.py`).

No text here needs a file, a script or the network. Pictures of long launches show shares and not spans, so
that what a notebook saves stays small.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from mpmd.errors import Span
from mpmd.lang.kernel.signature import Parameter
from mpmd.lang.types import DType, TensorAnnotation
from mpmd.machine.text import amount
from mpmd.partition.graph import TaskGraph
from mpmd.schedule.check import Certificate
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.timeline import SpanKind, Trace

from .graph import graph_svg
from .lanes import Lanes, lanes_svg
from .timeline import schedule_svg

MOST_TASKS = 400
"""Of a schedule that is drawn task by task."""
MOST_ROWS = 12

_TABLE = "border-collapse:collapse;margin:4px 0 8px;font-size:inherit"
_CELL = "padding:2px 14px 2px 0;text-align:left;border:0"
_HEAD = "font-weight:600;margin:4px 0"

Row = Sequence[str]


def kernel_html(function: FunctionType, params: Sequence[Parameter]) -> str:
    """A kernel's parameters, and where it is written."""
    code = function.__code__
    place = _where(Span(code.co_filename, code.co_firstlineno))
    rows = [(parameter.name, _annotation(parameter.annotation)) for parameter in params]
    return _html(
        f"kernel <b>{escape(function.__name__)}</b> ({escape(place)})",
        _table(("parameter", "type"), rows),
    )


def compiled_html(plan: Schedule, certificate: Certificate) -> str:
    """What was compiled and proved, the graph, and how its tasks are placed."""
    facts = [
        ("tasks", f"{len(plan.graph)} of {len(plan.graph.functions)} functions"),
        ("cores", f"{plan.cores} of {plan.machine.name}"),
        ("predicted", amount(plan.makespan, "s")),
        ("sync", _sync(plan)),
        ("arena", amount(plan.memory.arena_bytes, "B")),
        ("proved", ", ".join(certificate.laws)),
    ]
    return _html(
        f"compiled kernel <b>{escape(plan.graph.program.name)}</b>",
        _table((), facts),
        _folded("task graph", graph_svg(plan.graph)),
        _folded("schedule", schedule_picture(plan)),
    )


def graph_html(graph: TaskGraph) -> str:
    """The picture in groups."""
    return _html("", graph_svg(graph))


def schedule_html(schedule: Schedule) -> str:
    """A line of figures, and the lanes."""
    head = (
        f"schedule of <b>{escape(schedule.graph.program.name)}</b>: {len(schedule.graph)} tasks on "
        f"{schedule.cores} cores of {escape(schedule.machine.name)}, "
        f"{amount(schedule.makespan, 's')} predicted, {_sync(schedule)}"
    )
    return _html(head, schedule_picture(schedule))


def trace_html(trace: Trace) -> str:
    """A line of figures, the lanes, and the tasks with the most time."""
    error = f" ± {amount(trace.uncertainty, 's')}" if trace.uncertainty else ""
    head = (
        f"{escape(trace.source)} launch of <b>{escape(trace.kernel)}</b> on {escape(trace.machine)}: "
        f"{amount(trace.makespan, 's')}{error} on {trace.cores} cores, {trace.utilisation:.1%} busy"
    )
    rows = [
        (
            total.label,
            _where(total.place),
            str(total.count),
            amount(total.seconds, "s"),
            amount(total.mean, "s"),
        )
        for total in trace.totals[:MOST_ROWS]
    ]
    left = [f"{trace.unseen} iterations are not shown"] if trace.unseen else []
    left += [f"{trace.lost} spans were lost"] if trace.lost else []
    return _html(
        "; ".join([head, *left]),
        lanes_svg(_of_trace(trace)),
        _table(("task", "", "runs", "total", "mean"), rows),
    )


def _of_trace(trace: Trace) -> Lanes:
    ran = trace.kind == SpanKind.RUN
    columns = (trace.core[ran], trace.start[ran], trace.finish[ran], trace.label[ran])
    return Lanes(trace.cores, trace.makespan, *columns, trace.labels)


def schedule_picture(schedule: Schedule) -> str:
    """As SVG: task by task where they are few."""
    if len(schedule.graph) <= MOST_TASKS:
        return schedule_svg(schedule)
    graph = schedule.graph
    placed = np.flatnonzero(schedule.core >= 0)
    order = placed[np.lexsort((schedule.start[placed], schedule.core[placed]))]
    names = tuple(site.call.task.name for site in graph.sites)
    columns = (schedule.core[order], schedule.start[order], schedule.finish[order], graph.site[order])
    return lanes_svg(Lanes(schedule.cores, float(schedule.finish.max(initial=0.0)), *columns, names))


def _sync(schedule: Schedule) -> str:
    waits, signals = (int((schedule.op == op).sum()) for op in (StepOp.WAIT, StepOp.SIGNAL))
    return f"{waits} waits and {signals} signals of {schedule.events} events"


def _annotation(annotation: Any) -> str:
    """A type as a user writes it: `In[f32, T, H]`, `i32`; of what holds several tensors its name."""
    if isinstance(annotation, TensorAnnotation):
        parts = (annotation.dtype.name, *map(str, annotation.shape))
        return f"{annotation.direction.value}[{', '.join(parts)}]"
    return annotation.name if isinstance(annotation, DType) else type(annotation).__name__


def _where(place: Span) -> str:
    return f"{Path(place.file).name}:{place.line}" if place.line else ""


def _html(head: str, *parts: str) -> str:
    title = f"<div style='{_HEAD}'>{head}</div>" if head else ""
    return f"<div style='font-family:sans-serif;font-size:13px;overflow-x:auto'>{title}{''.join(parts)}</div>"


def _folded(title: str, content: str) -> str:
    return f"<details open><summary>{escape(title)}</summary>{content}</details>"


def _table(head: Row, rows: Sequence[Row]) -> str:
    cells = "".join(f"<th style='{_CELL}'>{escape(name)}</th>" for name in head)
    lines = ["".join(f"<td style='{_CELL}'>{escape(cell)}</td>" for cell in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in ([cells] if head else []) + lines)
    return f"<table style='{_TABLE}'>{body}</table>"
