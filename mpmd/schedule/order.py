"""Which core runs each task of a phase, and in what order.

In:  the `TaskGraph` of one phase, a `Machine`, a policy. Out: a `Placement`.
Not here: phases with gangs, drains or calls placed by hand (`joint.py`); the signals that keep the
order (`sync.py`), memory (`memory.py`).

`heft` follows Topcuoglu, Hariri, Wu, "Performance-effective and low-complexity task scheduling for
heterogeneous computing" (IEEE TPDS 2002): tasks are ranked by the longest way to the end and each
goes where it finishes first. It differs in that time is simulated, so that a task is placed only
when a core is idle and no gap is left that would have to be filled afterwards; and in that only the
core which holds a task's inputs is compared with an idle one, which takes constant time per task.
`round_robin` and `wave` are there to compare with.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heappush

import numpy as np
import numpy.typing as npt

from mpmd.errors import ArgumentError
from mpmd.machine import Machine
from mpmd.partition.graph import FloatColumn, IntColumn, TaskGraph, column
from mpmd.schedule.costs import Costs, costs
from mpmd.schedule.links import Links, levels, link, ordinals, ranks, rows


@dataclass(frozen=True, slots=True)
class Drained:
    """Tasks that cores take by ticket, in this order. `parts` are the units that stand for them, one on
    each core that takes part: on every one of them all the tasks may run."""

    tasks: tuple[int, ...]
    parts: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Placement:
    """Per unit its core, predicted times, and `wave`: how many barriers every core passes before it.

    Units are the tasks, by their numbers, and after them the parts of drains. A drained task has times,
    but no core, no place and no position (−1).

    `order` lists all placed units in one linear order that respects every dependence; each core runs its
    units in that order. `place` is a unit's index in it, `position` its index on its own core.
    """

    cores: int
    core: npt.NDArray[np.int32]
    start: FloatColumn
    finish: FloatColumn
    wave: npt.NDArray[np.int32]
    order: IntColumn
    place: IntColumn
    position: IntColumn
    core_ptr: IntColumn
    drains: tuple[Drained, ...] = ()

    def units(self, tasks: IntColumn) -> IntColumn:
        """The units in the course of which these tasks run."""
        if not self.drains:
            return tasks
        parts = [self.drains[d].parts for d in np.unique(self.drain_of[tasks]).tolist() if d >= 0]
        return np.concatenate([tasks[self.core[tasks] >= 0], *parts]).astype(np.int64)

    @cached_property
    def drain_of(self) -> IntColumn:
        """Per unit: which of the drains it is drained by, or −1."""
        number = np.full(len(self.core), -1, np.int64)
        for drain, drained in enumerate(self.drains):
            number[list(drained.tasks)] = drain
        return column(number)


def place(graph: TaskGraph, machine: Machine, policy: str) -> Placement:
    """Every task on one of the machine's cores, by the named policy."""
    require_policy(graph, policy)
    return POLICIES[policy](graph, machine, costs(graph, machine))


def require_policy(graph: TaskGraph, policy: str) -> None:
    """Raise unless there is a policy of that name."""
    if policy not in POLICIES:
        near = difflib.get_close_matches(policy, POLICIES, n=1)
        raise ArgumentError(
            f"no scheduling policy {policy!r}",
            span=graph.program.span,
            label=f"policy={policy!r}",
            hints=(f"did you mean {near[0]!r}?",) if near else ("policies: " + ", ".join(POLICIES),),
        )


def _heft(graph: TaskGraph, machine: Machine, cost: Costs) -> Placement:
    links = link(graph.deps, len(graph))
    weight = cost.durations(per_byte=float(cost.near[0]))
    state = _Simulation(graph, machine, cost, links, weight.tolist(), ranks(links, weight.tolist()))
    state.run()
    return placement(state.core, state.start, state.finish, state.sequence)


def _round_robin(graph: TaskGraph, machine: Machine, cost: Costs) -> Placement:
    """Tile `i` of a call site on core `i` mod cores, each core in program order."""
    core = (ordinals(graph.site) % machine.cores).tolist()
    duration = cost.durations(per_byte=cost.away).tolist()
    links = link(graph.deps, len(graph))
    latency = machine.latency
    free = [0.0] * machine.cores
    ready = [0.0] * len(graph.deps)
    start, finish = [0.0] * len(graph), [0.0] * len(graph)
    for task, (consumed, produced) in enumerate(zip(links.consumed, links.produced, strict=True)):
        begin = free[core[task]]
        for dep in consumed:
            begin = max(begin, ready[dep])
        start[task] = begin
        finish[task] = free[core[task]] = end = begin + duration[task]
        for dep in produced:
            ready[dep] = max(ready[dep], end + latency)
    return placement(core, start, finish, list(range(len(graph))))


def _wave(graph: TaskGraph, machine: Machine, cost: Costs) -> Placement:
    """Dependence levels with a barrier between; within one, each task goes to the least loaded core."""
    links = link(graph.deps, len(graph))
    level = np.array(levels(links), np.int64)
    duration = cost.durations(per_byte=cost.away).tolist()
    latency = machine.latency
    sequence = np.argsort(level, kind="stable").tolist()
    core = [0] * len(graph)
    start, finish = [0.0] * len(graph), [0.0] * len(graph)
    loads = [(0.0, c) for c in range(machine.cores)]
    current = 0
    for task in sequence:
        if level[task] != current:
            current = level[task]
            begin = max(loads)[0] + latency
            loads = [(begin, c) for c in range(machine.cores)]
        start[task], core[task] = heappop(loads)
        finish[task] = start[task] + duration[task]
        heappush(loads, (finish[task], core[task]))
    return placement(core, start, finish, sequence, wave=level)


POLICIES: dict[str, Callable[[TaskGraph, Machine, Costs], Placement]] = {
    "heft": _heft,
    "round_robin": _round_robin,
    "wave": _wave,
}


def placement(
    core: list[int],
    start: list[float],
    finish: list[float],
    sequence: list[int],
    wave: IntColumn | None = None,
    drains: tuple[Drained, ...] = (),
) -> Placement:
    """`sequence` respects the dependences and has each core's units by start, so that the order
    (start, sequence) respects them too, even where tasks take no time.

    Cores after the last one with a task take no part in a launch: waking one costs microseconds.
    """
    units = len(core)
    chosen = np.array(sequence, np.int64)
    order = chosen[np.argsort(np.array(start)[chosen], kind="stable")]
    place = np.full(units, -1, np.int64)
    place[order] = np.arange(len(order))
    on = np.array(core, np.int64)
    cores = 1 + int(on.max(initial=0))
    by_core = order[np.argsort(on[order], kind="stable")]
    core_ptr = np.concatenate([[0], np.cumsum(np.bincount(on[order], minlength=cores))])
    position = np.full(units, -1, np.int64)
    position[by_core] = np.arange(len(order)) - core_ptr[on[by_core]]
    return Placement(
        cores=cores,
        core=column(on, np.int32),
        start=column(start, np.float64),
        finish=column(finish, np.float64),
        wave=column(np.zeros(units) if wave is None else wave, np.int32),
        order=column(order),
        place=column(place),
        position=column(position),
        core_ptr=column(core_ptr),
        drains=drains,
    )


_MIXED = -2  # a dependence whose producers ran on several cores
_NOWHERE = -1


class _Simulation:
    """List scheduling against a clock: the state of the cores while time goes by."""

    def __init__(
        self,
        graph: TaskGraph,
        machine: Machine,
        cost: Costs,
        links: Links,
        weight: list[float],
        rank: list[float],
    ) -> None:
        tasks, deps = len(graph), len(graph.deps)
        self.links, self.rank, self.weight = links, rank, weight
        self.cores = machine.cores
        self.cache_bytes = machine.leading.cache_bytes
        self.latency = machine.latency
        self.bytes = graph.bytes.tolist()
        self.compute, self.memory = cost.compute[0].tolist(), cost.memory[0].tolist()
        flow_ptr = cost.flow_ptr.tolist()
        self.flow_dep = rows(cost.flow_dep.tolist(), flow_ptr)
        self.flow_bytes = rows(cost.flow_bytes.tolist(), flow_ptr)
        self.near, self.away = float(cost.near[0]), cost.away
        self.task_seconds = float(cost.task_seconds[0])
        # results
        self.core = [_NOWHERE] * tasks
        self.start, self.finish = [0.0] * tasks, [0.0] * tasks
        self.sequence: list[int] = []
        # cores
        self.free = [0.0] * self.cores
        self.idle = [True] * self.cores
        self.idle_heap = list(range(self.cores))  # may hold cores that are busy again
        self.touched = [0.0] * self.cores  # bytes that went through each core's cache
        self.completions: list[tuple[float, int]] = []
        # dependences and tasks
        self.producers_left = links.producers[:]
        self.home = [_NOWHERE] * deps  # the core that made the data
        self.made_at = [0.0] * deps  # `touched` of that core just after
        self.last_core = [_NOWHERE] * deps  # of the latest producer
        self.last_time = [0.0] * deps
        self.other_time = [-self.latency] * deps  # when the latest producer on any other core ended
        self.deps_left = [sum(1 for d in row if links.producers[d]) for row in links.consumed]
        self.ready: list[tuple[float, int]] = []
        self.favourite = [_NOWHERE] * tasks  # the core that holds most of a ready task's inputs
        self.seconds_near, self.seconds_away = weight[:], weight[:]
        self.work_left = sum(weight)

    def run(self) -> None:
        for task, left in enumerate(self.deps_left):
            if left == 0:
                self._prepare(task)
                self.ready.append((-self.rank[task], task))
        heapify(self.ready)
        self._dispatch(0.0)
        while self.completions:
            now = self.completions[0][0]
            fresh: list[tuple[float, int]] = []
            while self.completions and self.completions[0][0] == now:
                self._complete(heappop(self.completions)[1], now, fresh)
            self._release(sorted(fresh), now)
            self._dispatch(now)

    def _complete(self, task: int, now: float, fresh: list[tuple[float, int]]) -> None:
        core = self.core[task]
        if self.free[core] <= now and not self.idle[core]:
            self.idle[core] = True
            heappush(self.idle_heap, core)
        for dep in self.links.produced[task]:
            self.producers_left[dep] -= 1
            self.home[dep] = core if self.home[dep] in (_NOWHERE, core) else _MIXED
            self.made_at[dep] = self.touched[core]
            if self.last_core[dep] not in (_NOWHERE, core):
                self.other_time[dep] = self.last_time[dep]
            self.last_core[dep], self.last_time[dep] = core, now
            if self.producers_left[dep] == 0:
                for consumer in self.links.consumers[dep]:
                    self.deps_left[consumer] -= 1
                    if self.deps_left[consumer] == 0:
                        fresh.append((-self.rank[consumer], consumer))

    def _release(self, fresh: list[tuple[float, int]], now: float) -> None:
        """Fresh tasks become ready; those with hot inputs run at once where that delays nothing.

        As long as the work that is left outweighs the longest way to the end, no task is urgent.
        """
        for _, task in fresh:
            self._prepare(task)
        longest = -min(fresh[:1] + self.ready[:1], default=(0.0, 0))[0]
        calm = self.work_left > longest * self.cores
        for entry in fresh:
            favourite = self.favourite[entry[1]]
            if calm and favourite >= 0 and self.idle[favourite]:
                self._commit(entry[1], favourite, now, self.seconds_near[entry[1]])
            else:
                heappush(self.ready, entry)

    def _prepare(self, task: int) -> None:
        """Where a task's inputs are now, and what it would take there and elsewhere."""
        total = 0.0
        held: dict[int, float] = {}
        for dep, size in zip(self.flow_dep[task], self.flow_bytes[task], strict=True):
            total += size
            home = self.home[dep]
            if home >= 0 and self.touched[home] - self.made_at[dep] <= self.cache_bytes:
                held[home] = held.get(home, 0.0) + size
        moving = self.memory[task] + total * self.away
        compute = self.compute[task]
        self.seconds_away[task] = max(moving, compute) + self.task_seconds
        if held:
            favourite = min(held, key=lambda core: (-held[core], core))
            self.favourite[task] = favourite
            moving -= held[favourite] * (self.away - self.near)
            self.seconds_near[task] = max(moving, compute) + self.task_seconds

    def _dispatch(self, now: float) -> None:
        """The highest ranks first, as long as a core is idle."""
        while self.ready:
            idle = self._first_idle()
            if idle < 0:
                return
            task = heappop(self.ready)[1]
            favourite = self.favourite[task]
            if favourite < 0 or favourite == idle:
                seconds = self.seconds_away[task] if favourite < 0 else self.seconds_near[task]
                self._commit(task, idle, now, seconds)
                continue
            end_there = self._begin(task, favourite, now) + self.seconds_near[task]
            if end_there <= self._begin(task, idle, now) + self.seconds_away[task]:
                self._commit(task, favourite, now, self.seconds_near[task])
            else:
                self._commit(task, idle, now, self.seconds_away[task])

    def _first_idle(self) -> int:
        while self.idle_heap:
            if self.idle[self.idle_heap[0]]:
                return self.idle_heap[0]
            heappop(self.idle_heap)
        return _NOWHERE

    def _begin(self, task: int, core: int, now: float) -> float:
        """When `core` could start `task`: it is free, and knows that all inputs are there."""
        begin = max(now, self.free[core])
        for dep in self.links.consumed[task]:
            if self.last_core[dep] == _NOWHERE:
                continue
            elsewhere = self.other_time if self.last_core[dep] == core else self.last_time
            known = elsewhere[dep] + self.latency
            if known > begin:
                begin = known
        return begin

    def _commit(self, task: int, core: int, now: float, seconds: float) -> None:
        start = self._begin(task, core, now)
        self.core[task] = core
        self.start[task] = start
        self.finish[task] = self.free[core] = start + seconds
        self.idle[core] = False
        self.touched[core] += self.bytes[task]
        self.work_left -= self.weight[task]
        self.sequence.append(task)
        heappush(self.completions, (self.finish[task], task))
