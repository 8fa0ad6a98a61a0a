"""A schedule replayed over NumPy in one of the orders that its sync allows, drawn by a seed.

In:  a `Schedule`, arrays and numbers for the kernel's parameters, a seed.
Out: the arrays changed in place, and who ran what in which order; a `DeadlockError` where no core can go on.
Not here: what a row means (`replay_rows.py`), predicted times, the proof for all orders (`check.py`).

Signals, waits, barriers, loops, tickets and rings do what they do on a machine; nothing else orders the
cores. One core at a time makes one step, and a task runs as a whole, but where it must wait for a channel.
A seed draws which core comes first, and how often that changes: from all cores in turns to one core that
gets as far as it can before any other makes a step. Where a piece of sync is missing, some seed shows it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mpmd.errors import DeadlockError, Note
from mpmd.lang.evaluate_task import task_steps
from mpmd.lang.types import Direction
from mpmd.partition.graph import Element
from mpmd.schedule.replay_ring import RingMemory
from mpmd.schedule.replay_rows import Row, Rows, linear
from mpmd.schedule.steps import Schedule, Step, StepOp

_CHANGES = (1.0, 0.5, 0.1, 0.02, 0.0)
"""How likely another core comes first after a step; one of these for a whole replay."""

Progress = Iterator[bool]
"""What a core does: True after each step of its own, False where it cannot go on for now."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A task that a core has run in an iteration of its loop (0 in straight code)."""

    core: int
    task: int
    iteration: int


def replay(schedule: Schedule, arguments: Mapping[str, Any], seed: int) -> tuple[Ran, ...]:
    """Run the schedule on `arguments` by name, in place; the tasks in the order in which they ended."""
    launch = _Launch(schedule, Rows.of_launch(schedule, arguments))
    _play(launch, random.Random(seed))
    launch.rows.memory.store(arguments)
    return tuple(launch.ran)


def _play(launch: _Launch, rng: random.Random) -> None:
    """Steps of all cores until every one is done. The first core in `order` that can go on does."""
    cores = {core: launch.core(core) for core in range(launch.schedule.cores)}
    change = rng.choice(_CHANGES)
    order = list(cores)
    rng.shuffle(order)
    blocked: set[int] = set()
    while order:
        core = next((core for core in order if core not in blocked), None)
        if core is None:
            raise launch.stuck(sorted(order))
        progress = next(cores[core], None)
        if progress is None:
            order.remove(core)
        elif not progress:
            blocked.add(core)
            continue
        blocked.clear()
        if rng.random() < change:
            rng.shuffle(order)


@dataclass(slots=True)
class _Position:
    """Where a core is: its next step, and the iteration of the loop that it is in."""

    at: int = 0
    iteration: int = 0
    meetings: int = 0
    turns: dict[int, int] = field(default_factory=dict)  # how often it has begun each drain


class _Launch:
    """What the cores share: memory, counters, tickets and rings."""

    def __init__(self, schedule: Schedule, rows: Rows) -> None:
        self.schedule = schedule
        self.rows = rows
        self.ran: list[Ran] = []
        self._steps = [schedule.steps(core) for core in range(schedule.cores)]
        self._loops = [phase.loop for phase in schedule.graph.phases if phase.loop is not None]
        self._counter = [0] * schedule.events
        self._total = totals(schedule)
        self._taken = [0] * len(schedule.drains)
        self._cores = [_Position() for _ in range(schedule.cores)]
        channels = schedule.graph.program.channels
        self._rings = {
            (r.channel, r.producer, r.consumer): RingMemory(r, channels[r.channel], rows.memory.arena)
            for r in schedule.rings
        }
        self._ends = channel_ends(schedule)

    def core(self, core: int) -> Progress:
        """The steps of one core."""
        position = self._cores[core]
        steps = self._steps[core]
        while position.at < len(steps):
            step = steps[position.at]
            yield from _DO[step.op](self, step)
            position.at += 1

    def stuck(self, cores: list[int]) -> DeadlockError:
        """That none of these cores can go on."""
        graph = self.schedule.graph
        waiting = [self._steps[core][self._cores[core].at] for core in cores]
        texts = [f"core {s.core} stands at {s.op.name} {s.a} {s.b} (step {self._at(s)})" for s in waiting]
        return DeadlockError(
            f"no core of kernel '{graph.program.name}' can go on",
            span=graph.program.span,
            related=tuple(Note(graph.program.span, text) for text in texts),
        )

    def _at(self, step: Step) -> int:
        return self._cores[step.core].at

    # -- steps ---------------------------------------------------------------------------------

    def _run(self, step: Step) -> Progress:
        yield from self._task(step.core, step.a)

    def _prefetch(self, step: Step) -> Progress:
        """Nothing that anybody sees."""
        yield True

    def _signal(self, step: Step) -> Progress:
        self._counter[step.a] += step.b
        yield True

    def _wait(self, step: Step) -> Progress:
        needed = self._cores[step.core].iteration * self._total[step.a] + step.b
        while self._counter[step.a] < needed:
            yield False
        yield True

    def _barrier(self, step: Step) -> Progress:
        """Every core has all meetings in one order, so the n-th of each is the same one."""
        mine = self._cores[step.core]
        mine.meetings += 1
        while any(other.meetings < mine.meetings for other in self._cores):
            yield False
        yield True

    def _loop(self, step: Step) -> Progress:
        position = self._cores[step.core]
        position.iteration = 0
        if linear(self._loops[step.a].count, self.rows.registers) <= 0:
            end = (StepOp.END, step.a)
            steps = self._steps[step.core]
            position.at = next(i for i, s in enumerate(steps) if (s.op, s.a) == end)
        yield True

    def _end(self, step: Step) -> Progress:
        position = self._cores[step.core]
        loop = self._loops[step.a]
        over = position.iteration + 1 >= linear(loop.count, self.rows.registers)
        if loop.until is not None:
            yield from self._barrier(step)
            over = self._is_set(loop.until) or over
            yield from self._barrier(step)
        if over:
            position.iteration = 0
        else:
            position.iteration += 1
            position.at -= step.b + 1
        yield True

    def _is_set(self, flag: Element) -> bool:
        return self.rows.memory.integer(flag, self.rows.registers) != 0

    def _drain(self, step: Step) -> Progress:
        """Items of one turn follow those of the turn before: who is late in a turn finds it used up."""
        tasks = self.schedule.drains[step.a].tasks
        turns = self._cores[step.core].turns
        first = turns.get(step.a, 0) * len(tasks)
        turns[step.a] = turns.get(step.a, 0) + 1
        while 0 <= (item := self._taken[step.a] - first) < len(tasks):
            self._taken[step.a] += 1
            yield True
            yield from self._task(step.core, tasks[item])
        yield True

    # -- tasks ---------------------------------------------------------------------------------

    def _task(self, core: int, task: int) -> Progress:
        iteration = self._cores[core].iteration
        row = self.rows.ready(task, iteration)
        if row is not None:
            queues = {name: self._ring(task, row, name) for name in row.channels}
            moved = 0
            for _ in task_steps(row.task, row.tensors, row.scalars, row.dims, queues, span=row.span):
                before, moved = moved, sum(queue.sent + queue.received for queue in queues.values())
                yield moved != before
            self.ran.append(Ran(core, task, iteration))
        yield True

    def _ring(self, task: int, row: Row, name: str) -> RingMemory:
        """The memory between this task's core and that of the other end."""
        channel = row.channels[name]
        ends = self._ends[int(self.schedule.graph.gang[task]), channel]
        producer, consumer = (int(self.schedule.core[ends[d]]) for d in (Direction.SEND, Direction.RECV))
        return self._rings[channel, producer, consumer]


_DO = {
    StepOp.RUN: _Launch._run,
    StepOp.SIGNAL: _Launch._signal,
    StepOp.WAIT: _Launch._wait,
    StepOp.BARRIER: _Launch._barrier,
    StepOp.LOOP: _Launch._loop,
    StepOp.END: _Launch._end,
    StepOp.DRAIN: _Launch._drain,
    StepOp.PREFETCH: _Launch._prefetch,
}


def totals(schedule: Schedule) -> list[int]:
    """Per event what is added to it in an iteration of its loop, or in straight code."""
    total = np.zeros(schedule.events, np.int64)
    signals = schedule.op == StepOp.SIGNAL
    np.add.at(total, schedule.a[signals], schedule.b[signals])
    return total.tolist()


def channel_ends(schedule: Schedule) -> dict[tuple[int, int], dict[Direction, int]]:
    """Per gang and channel, the task at each end."""
    graph = schedule.graph
    ends: dict[tuple[int, int], dict[Direction, int]] = {}
    for task in np.flatnonzero(graph.gang >= 0).tolist():
        call = graph.sites[graph.site[task]].call
        for param, arg in zip(call.task.params, call.args, strict=True):
            if param.is_channel and param.direction is not None:
                gang_channel = int(graph.gang[task]), arg.channel
                ends.setdefault(gang_channel, {})[param.direction] = task
    return ends
