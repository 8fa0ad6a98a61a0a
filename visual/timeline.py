"""A schedule as a picture: one lane per core, a box per task, an arrow per wait.

In:  a `Schedule`. Out: SVG text, the same for the same schedule; it opens in any browser.
Not here: measured times (a schedule's times are predictions), interaction.
"""

from __future__ import annotations

from html import escape

import numpy as np

from mpmd.partition.graph import Phase
from mpmd.schedule.steps import Drain, Schedule, StepOp

from .colours import colours_of

WIDTH, LANE, BOX, LEFT, TOP = 960, 56, 34, 64, 34
TEXT = "font-family='sans-serif' font-size='11'"
MAX_ARROWS = 400
"""More arrows than this hide the boxes; a picture without them says how many there are."""


def schedule_svg(schedule: Schedule, *, title: str = "") -> str:
    """The predicted timeline of a schedule. Task names share a colour; hovering shows the instance."""
    graph = schedule.graph
    scale = (WIDTH - LEFT - 16) / max(schedule.makespan, 1e-12)
    colour = colours_of(graph)
    height = TOP + LANE * schedule.cores + 46
    lines = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' "
        f"width='{WIDTH}' height='{height}'>",
        "<defs><marker id='mpmd-head' viewBox='0 0 6 6' refX='6' refY='3' markerWidth='6' markerHeight='6' "
        "orient='auto'>"
        "<path d='M0 0 6 3 0 6z' fill='#444'/></marker></defs>",
        f"<rect width='{WIDTH}' height='{height}' fill='white'/>",
        f"<text x='{LEFT}' y='20' {TEXT} font-weight='bold'>{escape(title or graph.program.name)}</text>",
    ]
    for core in range(schedule.cores):
        y = TOP + LANE * core + BOX / 2 + 4
        lines.append(f"<text x='8' y='{y:.1f}' {TEXT}>core {core}</text>")
    for phase in graph.phases:
        lines += _loop(schedule, phase, scale)
    for task in np.flatnonzero(schedule.core >= 0).tolist():
        lines += _box(schedule, task, scale, colour)
    for drain in schedule.drains:
        for core in drain.cores:
            lines += _drain(schedule, drain, core, scale, colour)
    arrows = _arrows(schedule)
    for producer, consumer, reason in arrows[:MAX_ARROWS]:
        lines.append(_arrow(producer, consumer, reason, scale))
    lines += _legend(schedule, colour, height, len(arrows))
    return "\n".join([*lines, "</svg>", ""])


def _box(schedule: Schedule, task: int, scale: float, colour: dict[str, str]) -> list[str]:
    graph = schedule.graph
    times = float(schedule.start[task]), float(schedule.finish[task])
    fill = colour[graph.sites[graph.site[task]].call.task.name]
    return _rectangle(graph.task_name(task), int(schedule.core[task]), times, scale, fill)


def _drain(schedule: Schedule, drain: Drain, core: int, scale: float, colour: dict[str, str]) -> list[str]:
    """One box per core for all the tasks: only the launch decides which of them run there."""
    graph, tasks = schedule.graph, list(drain.tasks)
    times = float(schedule.start[tasks].min()), float(schedule.finish[tasks].max())
    name = graph.sites[graph.site[tasks[0]]].call.task.name
    return _rectangle(f"{len(tasks)} × {name}, by ticket", core, times, scale, colour[name])


def _rectangle(label: str, core: int, times: tuple[float, float], scale: float, fill: str) -> list[str]:
    start, finish = times
    x, width = LEFT + start * scale, max((finish - start) * scale, 0.5)
    y = TOP + LANE * core
    hover = f"{label}: {start * 1e6:.1f} to {finish * 1e6:.1f} µs"
    lines = [
        f"<g><title>{escape(hover)}</title><rect x='{x:.2f}' y='{y}' width='{width:.2f}' height='{BOX}' "
        f"fill='{fill}' stroke='white' stroke-width='0.5'/>"
    ]
    if width > 7 * len(label):
        lines.append(
            f"<text x='{x + 4:.1f}' y='{y + BOX / 2 + 4:.1f}' {TEXT} fill='white'>{escape(label)}</text>"
        )
    return [*lines, "</g>"]


def _loop(schedule: Schedule, phase: Phase, scale: float) -> list[str]:
    """A frame around the one iteration of a loop that is drawn."""
    if phase.loop is None or phase.first == phase.end:
        return []
    body = slice(phase.first, phase.end)
    x = LEFT + float(schedule.start[body].min()) * scale
    width = LEFT + float(schedule.finish[body].max()) * scale - x
    count = "" if phase.loop.count.terms else f" × {phase.loop.count.const}"
    return [
        f"<g><title>loop {escape(phase.loop.name)}{count}: its first iteration</title>"
        f"<rect x='{x - 2:.2f}' y='{TOP - 4}' width='{width + 4:.2f}' "
        f"height='{LANE * schedule.cores - LANE + BOX + 8}' "
        "fill='none' stroke='#888' stroke-dasharray='4 3'/></g>"
    ]


End = tuple[float, int]
"""Of an arrow: a moment, and a core."""


def _arrows(schedule: Schedule) -> list[tuple[End, End, str]]:
    """Per wait: the last producer on another core, the task or drain that follows the wait, the reason.

    What an iteration waits for from the one before has no place in a picture of one.
    """
    arrows: list[tuple[End, End, str]] = []
    for core in range(schedule.cores):
        consumer: End | None = None
        for step in reversed(schedule.steps(core)):
            if step.op is StepOp.RUN:
                consumer = float(schedule.start[step.a]), core
            elif step.op is StepOp.DRAIN:
                consumer = float(schedule.start[list(schedule.drains[step.a].tasks)].min()), core
            elif step.op is StepOp.WAIT and schedule.deps.distance[step.reason] == 0:
                producer = _last_producer(schedule, step.reason, core)
                if consumer is not None and producer is not None:
                    reason = schedule.graph.dep(step.reason, schedule.deps).reason
                    arrows.append((producer, consumer, reason))
    return arrows


def _last_producer(schedule: Schedule, dep: int, core: int) -> End | None:
    """Where and when the last producer on another core ends; a drained one, on any that takes part."""
    ends: list[End] = []
    for task in schedule.deps.producers_of(dep).tolist():
        cores = (int(schedule.core[task]),)
        if cores[0] < 0:
            cores = next(drain.cores for drain in schedule.drains if task in drain.tasks)
        ends += [(float(schedule.finish[task]), other) for other in cores if other != core][:1]
    return max(ends, default=None)


def _arrow(producer: End, consumer: End, reason: str, scale: float) -> str:
    (ended, source), (begun, target) = producer, consumer
    x0, x1 = LEFT + ended * scale, LEFT + begun * scale
    y0 = TOP + LANE * source + (0 if source > target else BOX)
    y1 = TOP + LANE * target + (BOX if source > target else 0)
    return (
        f"<path d='M{x0:.2f} {y0} L{x1:.2f} {y1}' stroke='#444' stroke-width='0.8' fill='none' "
        f"marker-end='url(#mpmd-head)'><title>{escape(reason)}</title></path>"
    )


def _legend(schedule: Schedule, colour: dict[str, str], height: int, arrows: int) -> list[str]:
    lines, x = [], LEFT
    for name, fill in colour.items():
        lines.append(f"<rect x='{x}' y='{height - 34}' width='10' height='10' fill='{fill}'/>")
        lines.append(f"<text x='{x + 14}' y='{height - 25}' {TEXT}>{escape(name)}</text>")
        x += 28 + 7 * len(name)
    hidden = f", {arrows - MAX_ARROWS} not drawn" if arrows > MAX_ARROWS else ""
    summary = (
        f"predicted {schedule.makespan * 1e6:.1f} µs on {schedule.cores} cores, {len(schedule.graph)} tasks; "
        f"arrows are waits: {arrows}{hidden}"
    )
    return [*lines, f"<text x='{LEFT}' y='{height - 8}' {TEXT}>{escape(summary)}</text>"]
