"""What each step and guard of a launch is for, in words, for reports.

In:  a `Schedule`. Out: `StepNote`s, one per row of the tables. Not here: rendering a report (`runtime`).
"""

from __future__ import annotations

from functools import cache

from mpmd.codegen.source import StepNote
from mpmd.errors import NO_SPAN, Span
from mpmd.partition.graph import TaskGraph
from mpmd.schedule.steps import Schedule, StepOp


def guard_notes(graph: TaskGraph) -> tuple[StepNote, ...]:
    return tuple(StepNote(guard.text, guard.span) for guard in graph.guards)


def step_notes(schedule: Schedule) -> tuple[StepNote, ...]:
    """Run steps name their task, sync steps the dependence that they serve and its first consumer's line."""
    graph = schedule.graph

    @cache
    def served(reason: int) -> tuple[str, Span]:
        if reason < 0:
            return "the end of a phase", NO_SPAN
        dep = graph.dep(reason, schedule.deps)
        tasks = dep.consumers or dep.producers
        return dep.reason, graph.sites[graph.site[tasks[0]]].call.span if tasks else NO_SPAN

    notes = []
    for op, a, b, reason in zip(
        *(c.tolist() for c in (schedule.op, schedule.a, schedule.b, schedule.reason)), strict=True
    ):
        if op == StepOp.RUN:
            notes.append(StepNote(f"run {graph.task_name(a)}", graph.sites[graph.site[a]].call.span))
            continue
        why, span = served(reason)
        what = {
            StepOp.SIGNAL: f"signal e{a} += {b}",
            StepOp.WAIT: f"wait e{a} ≥ {b}",
            StepOp.BARRIER: f"barrier {a}",
        }
        notes.append(StepNote(f"{what[StepOp(op)]}: {why}", span))
    return tuple(notes)
