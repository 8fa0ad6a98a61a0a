"""The schedule of a kernel that makes one launch for each call in its source: fusion is measured against it.

In:  a `TaskGraph`, a `Machine`, a policy. Out: a `Schedule` of the whole graph, launch after launch.
Not here: which tasks are a launch (`partition.unfused`); scheduling one (`build.py`).

A BARRIER with b = 1 ends a launch: there all cores go back to the host, which then launches those that have
steps before the next one. A loop at top level is the host's too: its LOOP and END stand between such
barriers, on every core. So one proof covers the launches and what lies between them, and one library runs
them. Local tensors live in memory that the kernel owns; two may share a place unless one launch, or one
loop, needs both.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from mpmd.lang.program import Program
from mpmd.lang.types import Direction
from mpmd.machine import Machine
from mpmd.partition.graph import IntColumn, TaskGraph, column
from mpmd.partition.subset import split
from mpmd.partition.unfused import launches
from mpmd.schedule.arena import aligned, most_alive, offsets_of_tensors, packed
from mpmd.schedule.bounds import Bounds, iterations
from mpmd.schedule.build import schedule
from mpmd.schedule.costs import touched_bytes
from mpmd.schedule.steps import LAUNCH_ENDS, Drain, MemoryPlan, Ring, Schedule, StepOp


@dataclass(frozen=True, eq=False)
class _Part:
    """A launch: its phase, its tasks in the whole graph, its own schedule, its dependences' numbers."""

    phase: int
    tasks: IntColumn
    planned: Schedule
    deps: IntColumn


def unfused(
    graph: TaskGraph,
    machine: Machine,
    *,
    policy: str = "heft",
    cores: int | None = None,
    drain: str = "auto",
) -> Schedule:
    """Launch after launch, each on all cores, in program order."""
    scheduled = partial(schedule, policy=policy, cores=cores, drain=drain)
    if not len(graph):
        return scheduled(graph, machine)
    parts = _parts(graph, machine, scheduled)
    taking_part = max(part.planned.cores for part in parts)
    steps = _Steps(taking_part)
    for number in range(len(graph.phases)):
        _phase(steps, graph, number, [part for part in parts if part.phase == number])
    core_ptr, op, a, b, reason = steps.columns()
    start, finish = _times(graph, parts, machine)
    rings, room = _rings(parts)
    memory = _memory(graph, parts, room)
    return Schedule(
        graph=graph,
        machine=machine,
        deps=graph.deps,
        memory=memory,
        cores=taking_part,
        core=column(_scattered(graph, parts, [part.planned.core for part in parts]), np.int32),
        start=column(start, np.float64),
        finish=column(finish, np.float64),
        core_ptr=column(core_ptr),
        op=column(op, np.uint8),
        a=column(a, np.int32),
        b=column(b, np.int32),
        reason=column(reason, np.int32),
        events=steps.events,
        waits_before_pruning=sum(part.planned.waits_before_pruning for part in parts),
        event_loop=column(np.concatenate(steps.event_loop), np.int32),
        drains=tuple(
            Drain(tuple(part.tasks[list(drain.tasks)].tolist()), drain.cores)
            for part in parts
            for drain in part.planned.drains
        ),
        rings=tuple(replace(ring, offset=memory.arena_bytes - room + ring.offset) for ring in rings),
        primitive=column(np.concatenate([part.planned.primitive for part in parts]), np.int32),
        flag=column(np.concatenate([part.planned.flag for part in parts]), np.int32),
        bounds=_bounds(graph, parts),
    )


def _bounds(graph: TaskGraph, parts: Sequence[_Part]) -> Bounds:
    """Each launch is over before the next one begins, also from one iteration to the next."""
    found = Bounds()
    for part in parts:
        found += part.planned.bounds * iterations(graph.phases[part.phase].loop)
    return found


def _parts(graph: TaskGraph, machine: Machine, scheduled: Callable[..., Schedule]) -> list[_Part]:
    """The launches, each scheduled by itself. Of the cache that all cores share it has its share, too."""
    given = replace(graph, program=_with_locals_given(graph.program))
    found = launches(graph)
    cached = machine.shared_cache_bytes / max(1.0, touched_bytes(given))
    parts: list[_Part] = []
    for launch, (part, deps) in zip(found, split(given, [launch.tasks for launch in found]), strict=True):
        own = replace(machine, shared_cache_bytes=int(cached * touched_bytes(part)))
        parts.append(_Part(launch.phase, launch.tasks, scheduled(part, own), deps))
    return parts


def _with_locals_given(program: Program) -> Program:
    """The program as one launch sees it: memory for local tensors is there before it and stays after it."""
    tensors = tuple(t if t.is_argument else replace(t, direction=Direction.INOUT) for t in program.tensors)
    return replace(program, tensors=tensors)


# -- steps ----------------------------------------------------------------------------------------------


@dataclass
class _Steps:
    """Steps of all cores, as they are found: blocks of columns core, op, a, b, reason."""

    cores: int
    blocks: list[IntColumn] = field(default_factory=list)
    event_loop: list[IntColumn] = field(default_factory=list)
    events: int = 0
    drains: int = 0
    loops: int = 0
    barriers: int = 0  # of straight code

    def everywhere(self, op: StepOp, a: int, b: int = 0) -> None:
        self.blocks.append(np.array([(core, op, a, b, -1) for core in range(self.cores)], np.int64).T)

    def launch(self, part: _Part, barrier: int, loop: int) -> int:
        """Append a launch whose barriers count from `barrier`; says how many they are."""
        planned = part.planned
        core = np.repeat(np.arange(planned.cores), np.diff(planned.core_ptr))
        op, a, reason = (x.astype(np.int64) for x in (planned.op, planned.a, planned.reason))
        first = {StepOp.SIGNAL: self.events, StepOp.WAIT: self.events, StepOp.DRAIN: self.drains,
                 StepOp.BARRIER: barrier}  # fmt: skip
        for kind, number in first.items():
            a[op == kind] += number
        of_tasks = (op == StepOp.RUN) | (op == StepOp.PREFETCH)
        a[of_tasks] = part.tasks[a[of_tasks]]
        reason[reason >= 0] = part.deps[reason[reason >= 0]]
        own = np.stack([core, op, a, planned.b.astype(np.int64), reason])
        met = own[:, (core == 0) & (op == StepOp.BARRIER)]
        self.blocks.append(own)
        for idle in range(planned.cores, self.cores if met.shape[1] else 0):  # it has to come as well
            self.blocks.append(np.concatenate([np.full((1, met.shape[1]), idle), met[1:]]))
        self.event_loop.append(np.full(planned.events, loop))
        self.events += planned.events
        self.drains += len(planned.drains)
        return met.shape[1]

    def columns(self) -> tuple[IntColumn, ...]:
        """The starts of the cores' steps; the columns op, a, b, reason, core after core."""
        steps = np.concatenate(self.blocks, axis=1)
        steps = steps[:, np.argsort(steps[0], kind="stable")]
        core, op, a, b, reason = steps
        loop, end = (np.flatnonzero(op == kind) for kind in (StepOp.LOOP, StepOp.END))
        b[end] = end - loop - 1
        return np.searchsorted(core, np.arange(self.cores + 1)), op, a, b, reason


def _phase(steps: _Steps, graph: TaskGraph, number: int, parts: Sequence[_Part]) -> None:
    """The launches of a phase: of straight code parted by barriers, in a loop each followed by one."""
    if steps.blocks:
        steps.everywhere(StepOp.BARRIER, steps.barriers, LAUNCH_ENDS)
        steps.barriers += 1
    if graph.phases[number].loop is None:
        for place, part in enumerate(parts):
            if place:
                steps.everywhere(StepOp.BARRIER, steps.barriers, LAUNCH_ENDS)
                steps.barriers += 1
            steps.barriers += steps.launch(part, steps.barriers, -1)
        return
    steps.everywhere(StepOp.LOOP, steps.loops)
    barriers = 0
    for part in parts:
        barriers += steps.launch(part, barriers, steps.loops)
        steps.everywhere(StepOp.BARRIER, barriers, LAUNCH_ENDS)
        barriers += 1
    steps.everywhere(StepOp.END, steps.loops)
    steps.loops += 1


# -- times, memory, channels ------------------------------------------------------------------------------


def _scattered(graph: TaskGraph, parts: Sequence[_Part], values: Sequence[np.ndarray]) -> np.ndarray:
    """Values per task of each launch, by task of the whole graph."""
    result = np.empty(len(graph), values[0].dtype)
    for part, of_tasks in zip(parts, values, strict=True):
        result[part.tasks] = of_tasks
    return result


def _times(graph: TaskGraph, parts: Sequence[_Part], machine: Machine) -> tuple[np.ndarray, np.ndarray]:
    """Predicted start and finish of each task, of its first iteration."""
    begins: list[float] = []
    begin = 0.0
    for number, phase in enumerate(graph.phases):
        before = begin
        for part in (part for part in parts if part.phase == number):
            begins.append(begin + machine.launch_seconds)
            begin = begins[-1] + part.planned.makespan
        begin = before + (begin - before) * iterations(phase.loop)
    starts = [part.planned.start + at for part, at in zip(parts, begins, strict=True)]
    finishes = [part.planned.finish + at for part, at in zip(parts, begins, strict=True)]
    return _scattered(graph, parts, starts), _scattered(graph, parts, finishes)


def _rings(parts: Sequence[_Part]) -> tuple[tuple[Ring, ...], int]:
    """One ring for all launches that pass tokens of a channel between the same cores; the bytes of all."""
    found: dict[tuple[int, int, int], Ring] = {}
    for ring in (ring for part in parts for ring in part.planned.rings):
        key = ring.channel, ring.producer, ring.consumer
        found[key] = ring if key not in found or found[key].depth < ring.depth else found[key]
    rings: list[Ring] = []
    room = 0
    for _, ring in sorted(found.items()):
        rings.append(replace(ring, offset=room))
        room += ring.depth * ring.slot_bytes
    return tuple(rings), room


def _memory(graph: TaskGraph, parts: Sequence[_Part], room: int) -> MemoryPlan:
    """Places for local tensors, and behind them `room` bytes for channels."""
    tensors = graph.program.tensors
    lives = {tensor: life for tensor, life in _lives(graph, parts) if not tensors[tensor].is_argument}
    placed = np.array(sorted(lives), np.int64)
    size = np.array([aligned(tensors[tensor].size_bytes) for tensor in placed], np.int64)
    first, last = np.array([lives[tensor] for tensor in placed.tolist()], np.int64).reshape(-1, 2).T
    order = np.lexsort((placed, first, -size))
    offset = packed(size, order, last[:, None] < first[None, :])
    return MemoryPlan(
        offset=column(offsets_of_tensors(tensors, placed, offset)),
        arena_bytes=int((offset + size).max(initial=0)) + room,
        unshared_bytes=int(size.sum()) + room,
        bound_bytes=most_alive(size, first, last) + room,
    )


def _lives(graph: TaskGraph, parts: Sequence[_Part]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Of each tensor that is touched, the first and the last launch that needs it; a loop counts as one."""
    lives: dict[int, tuple[int, int]] = {}
    phases = [part.phase for part in parts]
    for number, part in enumerate(parts):
        first = last = number
        if graph.phases[part.phase].loop is not None:
            first, last = bisect_left(phases, part.phase), bisect_right(phases, part.phase) - 1
        own = part.planned.graph
        for tensor in np.unique(own.access_tensor[own.access_hi > own.access_lo]).tolist():
            lives[tensor] = lives.get(tensor, (first, last))[0], last
    yield from lives.items()
