"""What each step, guard and check of a launch is for, in words, for reports.

In:  a `Schedule`. Out: `StepNote`s, one per row of the tables. Not here: rendering a report (`runtime`), the
checks that functions make (each target's emitter).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mpmd.codegen.source import StepNote
from mpmd.codegen.tables import event_totals, late_guards
from mpmd.errors import NO_SPAN, Span
from mpmd.partition.graph import LoopInfo, TaskGraph
from mpmd.schedule.steps import LAUNCH_ENDS, Schedule, StepOp


def guard_notes(graph: TaskGraph) -> tuple[StepNote, ...]:
    return tuple(StepNote(guard.text, guard.span) for guard in graph.guards)


def late_guard_notes(graph: TaskGraph) -> tuple[StepNote, ...]:
    return tuple(StepNote(guard.text, guard.span) for guard in late_guards(graph))


def step_notes(schedule: Schedule) -> tuple[StepNote, ...]:
    """Run steps name their task, sync steps the dependence that they serve and its first consumer's line."""
    notes = _Notes(schedule)
    columns = (schedule.op, schedule.a, schedule.b, schedule.reason)
    return tuple(
        notes.of(StepOp(op), a, b, reason)
        for op, a, b, reason in zip(*(c.tolist() for c in columns), strict=True)
    )


@dataclass
class _Notes:
    schedule: Schedule
    loops: list[LoopInfo] = field(init=False)
    totals: list[int] = field(init=False)
    _served: dict[int, tuple[str, Span]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.loops = [phase.loop for phase in self.schedule.graph.phases if phase.loop is not None]
        self.totals = event_totals(self.schedule).tolist()

    def of(self, op: StepOp, a: int, b: int, reason: int) -> StepNote:
        if op is StepOp.RUN:
            return StepNote(f"run {self.schedule.graph.task_name(a)}", self._line(a))
        if op is StepOp.PREFETCH:
            return StepNote(f"prefetch {self.schedule.graph.task_name(a)}", self._line(a))
        if op is StepOp.DRAIN:
            return self._drain(a)
        if op in (StepOp.LOOP, StepOp.END):
            loop = self.loops[a]
            return StepNote(f"{'loop' if op is StepOp.LOOP else 'end of loop'} '{loop.name}'", loop.span)
        why, span = self._reason(reason)
        if op is StepOp.SIGNAL:
            return StepNote(f"signal e{a} += {b}: {why}", span)
        if op is StepOp.BARRIER and b == LAUNCH_ENDS:
            return StepNote(f"barrier {a}: the end of a launch", NO_SPAN)
        if op is StepOp.BARRIER:
            return StepNote(f"barrier {a}: {why}", span)
        return StepNote(f"wait e{a} ≥ {self._count(a, b)}: {why}", span)

    def _count(self, event: int, count: int) -> str:
        """`3`; in a loop `2·i + 3`, with `i` the iteration."""
        if self.schedule.event_loop[event] < 0:
            return str(count)
        shift = f" {'+' if count > 0 else '-'} {abs(count)}" if count else ""
        return f"{self.totals[event]}·i{shift}"

    def _drain(self, drain: int) -> StepNote:
        tasks = self.schedule.drains[drain].tasks
        name = self.schedule.graph.task_name(tasks[0])
        return StepNote(f"drain {drain}: {name} (+{len(tasks) - 1})", self._line(tasks[0]))

    def _line(self, task: int) -> Span:
        graph = self.schedule.graph
        return graph.sites[graph.site[task]].call.span

    def _reason(self, reason: int) -> tuple[str, Span]:
        if reason < 0:
            return "the end of a phase", NO_SPAN
        if reason not in self._served:
            dep = self.schedule.graph.dep(reason, self.schedule.deps)
            tasks = dep.consumers or dep.producers
            self._served[reason] = dep.reason, self._line(tasks[0]) if tasks else NO_SPAN
        return self._served[reason]
