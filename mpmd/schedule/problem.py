"""A phase as a scheduling problem: plain numbers per task, and what a placement costs, exactly.

In:  the `TaskGraph` of one phase, its `Costs`, a `Machine`. Out: a `Problem`; `play`: a placement's times.
Not here: choosing cores (`heft.py`, `beam.py`, `improve.py`), drains and gangs (`joint.py`).

The cost model. A task runs on one core from start to end, and only on kinds of cores whose costs are
finite. It starts when its core is free and knows that all producers of what it consumes have ended: of
those on another core it knows `latency` later. It takes `max(memory + Σ flows, compute) + task_seconds` of
its core's kind. A flow costs `near` per byte where all its producers ran on the same core and what went
through that core since then fits its cache, else `away`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpmd.machine import Machine
from mpmd.partition.graph import FloatColumn, TaskGraph
from mpmd.schedule.costs import Costs
from mpmd.schedule.links import Links, link, rows

NOWHERE = -1
SEVERAL = -2  # data of producers on several cores


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Lists, because plain Python reads them. `kind` is per core, `able` per task: the kinds that can do it.

    `compute` and `memory` are [kind][task]; `flows` is per task pairs of dependence and bytes, `flow_bytes`
    their sum; `touches` is what a task moves through its core's cache. `weight` is a task's seconds with its
    inputs near, on average over the cores that can do it.
    """

    cores: int
    latency: float
    kind: list[int]
    able: list[tuple[int, ...]]
    links: Links
    compute: list[list[float]]
    memory: list[list[float]]
    flows: list[list[tuple[int, float]]]
    flow_bytes: list[float]
    touches: list[float]
    weight: list[float]
    near: list[float]
    away: float
    task_seconds: list[float]
    cache_bytes: list[int]

    def __len__(self) -> int:
        return len(self.able)

    def cores_of(self, kind: int) -> range:
        return range(bisect_left(self.kind, kind), bisect_right(self.kind, kind))

    def cores_of_all(self, kinds: tuple[int, ...]) -> list[int]:
        return [core for kind in kinds for core in self.cores_of(kind)]

    def away_seconds(self, task: int, kind: int) -> float:
        """What a task takes on a core that made none of its inputs."""
        moving = self.memory[kind][task] + self.flow_bytes[task] * self.away
        return max(moving, self.compute[kind][task]) + self.task_seconds[kind]


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds per task; `makespan` is the last finish."""

    start: list[float]
    finish: list[float]

    @property
    def makespan(self) -> float:
        return max(self.finish, default=0.0)


def problem(graph: TaskGraph, machine: Machine, cost: Costs) -> Problem:
    flow_ptr = cost.flow_ptr.tolist()
    flows = list(zip(cost.flow_dep.tolist(), cost.flow_bytes.tolist(), strict=True))
    return Problem(
        cores=machine.cores,
        latency=machine.latency,
        kind=[number for number, kind in enumerate(machine.kinds) for _ in range(kind.cores)],
        able=_able(machine, cost),
        links=link(graph.deps, len(graph)),
        compute=cost.compute.tolist(),
        memory=cost.memory.tolist(),
        flows=rows(flows, flow_ptr),
        flow_bytes=cost.flow_sums.tolist(),
        touches=graph.bytes.tolist(),
        weight=_average_seconds(machine, cost).tolist(),
        near=cost.near.tolist(),
        away=cost.away,
        task_seconds=cost.task_seconds.tolist(),
        cache_bytes=[kind.cache_bytes for kind in machine.kinds],
    )


def able_kinds(machine: Machine, cost: Costs) -> np.ndarray:
    """[kinds, tasks]: whether there are cores of the kind, and they can do the task."""
    there = np.array([kind.cores > 0 for kind in machine.kinds])
    return np.isfinite(cost.compute + cost.memory) & there[:, None]


def _able(machine: Machine, cost: Costs) -> list[tuple[int, ...]]:
    """Equal tuples are one object: a graph has few of them."""
    able = able_kinds(machine, cost)
    codes = (1 << np.arange(len(able))) @ able
    tuples = {code: tuple(k for k in range(len(able)) if code >> k & 1) for code in np.unique(codes).tolist()}
    return [tuples[code] for code in codes.tolist()]


def _average_seconds(machine: Machine, cost: Costs) -> FloatColumn:
    """Seconds per task with its inputs near, on average over the cores that can do it."""
    able = able_kinds(machine, cost)
    cores = np.array([kind.cores for kind in machine.kinds], np.float64)[:, None] * able
    each = np.stack([cost.durations(k, per_byte=float(cost.near[k])) for k in range(len(machine.kinds))])
    weighted = np.where(able, each, 0.0) * cores
    return np.divide(weighted.sum(axis=0), cores.sum(axis=0), out=np.zeros(each.shape[1]), where=able.any(0))


def play(
    problem: Problem, core: Sequence[int], sequence: Sequence[int], wave: Sequence[int] | None = None
) -> Times:
    """The times of tasks on these cores, each core running its own in the order of `sequence`.

    `sequence` holds every task after its producers. All cores meet between two waves.
    """
    links, latency, kind_of = problem.links, problem.latency, problem.kind
    start, finish = [0.0] * len(problem), [0.0] * len(problem)
    free, touched = [0.0] * problem.cores, [0.0] * problem.cores
    data = Data(len(links.producers))
    now = 0
    for task in sequence:
        if wave is not None and wave[task] != now:
            now, free = wave[task], [max(free) + latency] * problem.cores
        c = core[task]
        kind = kind_of[c]
        begin = max(free[c], data.known(links.consumed[task], c, latency))
        moving = problem.memory[kind][task]
        for dep, size in problem.flows[task]:
            hot = data.home[dep] == c and touched[c] - data.made_at[dep] <= problem.cache_bytes[kind]
            moving += size * (problem.near[kind] if hot else problem.away)
        start[task] = begin
        end = begin + max(moving, problem.compute[kind][task]) + problem.task_seconds[kind]
        finish[task] = free[c] = end
        touched[c] += problem.touches[task]
        data.made(links.produced[task], c, end, touched[c])
    return Times(start, finish)


class Data:
    """Of every dependence: where its data is and when who knows of it, while tasks are placed."""

    def __init__(self, deps: int) -> None:
        self.home = [NOWHERE] * deps  # the core of all producers, or `SEVERAL`
        self.made_at = [0.0] * deps  # what had gone through that core's cache just after
        self.last_core = [NOWHERE] * deps  # of the producer that ends last
        self.last_time = [0.0] * deps
        self.other_time = [float("-inf")] * deps  # when the last producer on any other core ends

    def known(self, deps: Sequence[int], core: int, latency: float) -> float:
        """When `core` knows that all producers of these dependences have ended."""
        found = 0.0
        for dep in deps:
            if self.last_core[dep] == core:
                time = max(self.last_time[dep], self.other_time[dep] + latency)
            elif self.last_core[dep] == NOWHERE:
                continue
            else:
                time = self.last_time[dep] + latency
            if time > found:
                found = time
        return found

    def made(self, deps: Sequence[int], core: int, end: float, touched: float) -> None:
        """A producer of these dependences ends on `core`."""
        for dep in deps:
            home = self.home[dep]
            if home == NOWHERE:
                self.home[dep] = self.last_core[dep] = core
                self.last_time[dep], self.made_at[dep] = end, touched
                continue
            if home != core:
                self.home[dep] = SEVERAL
            self.made_at[dep] = touched
            if self.last_core[dep] == core:
                self.last_time[dep] = max(self.last_time[dep], end)
            elif end >= self.last_time[dep]:
                self.other_time[dep] = self.last_time[dep]
                self.last_core[dep], self.last_time[dep] = core, end
            elif end > self.other_time[dep]:
                self.other_time[dep] = end
