"""What a schedule's sync and memory come to, for people and for programs.

In:  a `Schedule`, and a `Trace` of it (a simulated one by default).
Out: `SyncReport`, `MemoryReport`: values that print as short tables and as JSON.
Not here: comparing schedules (`explain.py`); refusing what does not fit (`memory.py`, `check.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpmd.errors import Span
from mpmd.machine.text import amount
from mpmd.partition.graph import DepKind, IntColumn
from mpmd.schedule.critical import critical_path
from mpmd.schedule.simulate import cores_of_tasks, simulate
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.timeline import WAITING, Trace

Rows = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class SyncReport:
    """`cross_edges` are pairs of a producer and a consumer on different cores (of a drain: maybe so).

    `waits_inserted` is what insertion alone would have made. `barriers` are meetings of all cores, each once.
    Of the seconds, those of the launch that was looked at: `critical_seconds` on the critical path,
    `waiting_seconds` of all cores together, whatever they waited for.
    """

    dependences: int
    reuse_dependences: int
    cross_edges: int
    waits_inserted: int
    waits: int
    signals: int
    events: int
    barriers: int
    critical_seconds: float
    waiting_seconds: float
    makespan: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        part = f" ({self.critical_seconds / self.makespan:.1%})" if self.makespan > 0 else ""
        return table(
            "sync",
            (
                ("dependences", f"{self.dependences}, {self.reuse_dependences} for reuse of memory"),
                ("edges between cores", str(self.cross_edges)),
                ("waits", f"{self.waits} of {self.waits_inserted} inserted"),
                ("signals", f"{self.signals} of {self.events} events"),
                ("barriers", str(self.barriers)),
                ("on the critical path", amount(self.critical_seconds, "s") + part),
                ("all cores waited", amount(self.waiting_seconds, "s")),
            ),
        )


def sync_report(schedule: Schedule, trace: Trace | None = None) -> SyncReport:
    """Its sync, with the seconds of `trace`, a launch of this schedule."""
    trace = simulate(schedule) if trace is None else trace
    own = schedule.op[int(schedule.core_ptr[0]) : int(schedule.core_ptr[1])]
    return SyncReport(
        dependences=len(schedule.deps),
        reuse_dependences=int((schedule.deps.kind == DepKind.REUSE).sum()),
        cross_edges=cross_edges(schedule),
        waits_inserted=schedule.waits_before_pruning,
        waits=int((schedule.op == StepOp.WAIT).sum()),
        signals=int((schedule.op == StepOp.SIGNAL).sum()),
        events=schedule.events,
        barriers=int((own == StepOp.BARRIER).sum()),
        critical_seconds=critical_path(schedule, trace).sync,
        waiting_seconds=float(trace.waiting.sum()),
        makespan=trace.makespan,
    )


def cross_edges(schedule: Schedule) -> int:
    """Pairs of a producer and a consumer on different cores, or on cores that only the launch decides."""
    deps = schedule.deps
    all_pairs = int((np.diff(deps.producer_ptr) * np.diff(deps.consumer_ptr)).sum())
    key, producers = _by_core(schedule, deps.producer_ptr, deps.producers)
    other, consumers = _by_core(schedule, deps.consumer_ptr, deps.consumers)
    _, a, b = np.intersect1d(key, other, assume_unique=True, return_indices=True)
    return all_pairs - int((producers[a] * consumers[b]).sum())


def _by_core(schedule: Schedule, ptr: IntColumn, tasks: npt.NDArray[np.int32]) -> tuple[IntColumn, IntColumn]:
    """How many of the tasks of each dependence are on each core: keys dependence × cores + core, counts."""
    dep = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    core = schedule.core[tasks].astype(np.int64)
    key, count = np.unique((dep * schedule.cores + core)[core >= 0], return_counts=True)
    return key, count


@dataclass(frozen=True, slots=True)
class Budget:
    """What the largest task of a kind of core moves, against the cache (or on-chip memory) of such a core."""

    kind: str
    cache_bytes: int
    task: str
    task_bytes: int
    larger: int  # tasks of the kind that move more than the cache holds

    def __str__(self) -> str:
        share = f"{self.task_bytes / self.cache_bytes:.0%} of " if self.cache_bytes else ""
        text = f"{share}{amount(self.cache_bytes, 'B')} by {self.task!r}"
        return f"{text}; tasks that do not fit: {self.larger}" if self.larger else text


@dataclass(frozen=True, slots=True)
class MemoryReport:
    """Bytes of the arena, against what no plan needs less than and what no reuse would need.

    `reuse_waits` are the waits that stand there for reuse. `ring_bytes` of the arena are those of channels.
    """

    arena_bytes: int
    bound_bytes: int
    unshared_bytes: int
    ring_bytes: int
    reuse_dependences: int
    reuse_waits: int
    budgets: tuple[Budget, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return table(
            "memory",
            (
                ("arena", _bytes(self.arena_bytes, self.ring_bytes)),
                ("no plan needs less than", amount(self.bound_bytes, "B")),
                ("without reuse", amount(self.unshared_bytes, "B")),
                ("reuse", f"dependences: {self.reuse_dependences}, waits: {self.reuse_waits}"),
                *((f"largest task, {budget.kind}", str(budget)) for budget in self.budgets),
            ),
        )


def memory_report(schedule: Schedule) -> MemoryReport:
    """Its memory."""
    plan = schedule.memory
    reuse = schedule.deps.kind == DepKind.REUSE
    waits = (schedule.op == StepOp.WAIT) & (schedule.reason >= 0)
    return MemoryReport(
        arena_bytes=plan.arena_bytes,
        bound_bytes=plan.bound_bytes,
        unshared_bytes=plan.unshared_bytes,
        ring_bytes=sum(ring.depth * ring.slot_bytes for ring in schedule.rings),
        reuse_dependences=int(reuse.sum()),
        reuse_waits=int(reuse[schedule.reason[waits]].sum()),
        budgets=tuple(_budgets(schedule)),
    )


def _bytes(arena: int, rings: int) -> str:
    return amount(arena, "B") + (f", {amount(rings, 'B')} of them channels" if rings else "")


def _budgets(schedule: Schedule) -> list[Budget]:
    graph, machine = schedule.graph, schedule.machine
    kind = np.array([machine.kind_of(core) for core in range(schedule.cores)], np.int64)
    core = cores_of_tasks(schedule)
    found: list[Budget] = []
    for number in np.unique(kind[core]).tolist():
        tasks, cache = np.flatnonzero(kind[core] == number), machine.kinds[number].cache_bytes
        largest = int(tasks[np.argmax(graph.bytes[tasks])])
        larger = int((graph.bytes[tasks] > cache).sum())
        size = int(graph.bytes[largest])
        found.append(Budget(machine.kinds[number].name, cache, graph.task_name(largest), size, larger))
    return found


# -- waits ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waited:
    """All waits of one line's tasks for another's: how many, and the seconds of all cores together."""

    waits: str
    place: Span
    awaited: str
    awaited_place: Span
    count: int
    seconds: float

    def as_json(self) -> dict[str, Any]:
        return {
            "waits": self.waits,
            "place": str(self.place),
            "for": self.awaited,
            "for_place": str(self.awaited_place),
            "count": self.count,
            "seconds": self.seconds,
        }


def worst_waits(schedule: Schedule, trace: Trace, most: int = 5) -> tuple[Waited, ...]:
    """Where the cores waited longest, by the lines that waited and what for."""
    calls = [(site.call.task.name, site.call.span) for site in schedule.graph.sites]
    waiters = [*calls, ("the end", schedule.graph.program.span)]  # which is site −1
    awaited = list(zip(trace.labels, trace.places, strict=True))
    waits = np.flatnonzero(np.isin(trace.kind, WAITING))
    sites, labels = _next_sites(schedule)[trace.step[waits]], trace.label[waits]
    found: dict[tuple[_Line, _Line], list[float]] = {}
    seconds = trace.finish[waits] - trace.start[waits]
    for site, label, length in zip(sites.tolist(), labels.tolist(), seconds.tolist(), strict=True):
        found.setdefault((waiters[site], awaited[label]), []).append(length)
    worst = sorted(found.items(), key=lambda item: -sum(item[1]))[:most]
    return tuple(Waited(*waiter, *other, len(each), sum(each)) for (waiter, other), each in worst)


_Line = tuple[str, Span]
"""What is called, and where."""


def _next_sites(schedule: Schedule) -> IntColumn:
    """Per step the call site of the first RUN or DRAIN of its core from it on, −1 for none."""
    steps = len(schedule.op)
    units = np.isin(schedule.op, (StepOp.RUN, StepOp.DRAIN))
    after = np.where(units, np.arange(steps), steps)[::-1]
    following = np.minimum.accumulate(after)[::-1]
    end = np.repeat(schedule.core_ptr[1:], np.diff(schedule.core_ptr))
    site = np.full(steps + 1, -1, np.int64)
    run, drain = schedule.op == StepOp.RUN, np.flatnonzero(schedule.op == StepOp.DRAIN)
    site[:-1][run] = schedule.graph.site[schedule.a[run]]
    site[drain] = [schedule.graph.site[schedule.drains[d].tasks[0]] for d in schedule.a[drain].tolist()]
    return site[np.where(following < end, following, steps)]


def table(title: str, rows: Rows) -> str:
    """Names and values in two columns, under a title."""
    width = max(len(name) for name, _ in rows)
    return "\n".join([title, *(f"  {name:{width}}  {value}" for name, value in rows)])
