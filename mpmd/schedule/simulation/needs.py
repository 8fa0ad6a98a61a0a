"""What each task needs of a core and of memory, for a simulation that finds out where its inputs are.

In:  a `TaskGraph`, a `Machine`. Out: `Needs`, by `schedule/costs.py`, as plain lists for a hot loop.
Not here: how bandwidth is shared (`bandwidth.py`); who runs what.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpmd.machine import Machine
from mpmd.partition.graph import TaskGraph
from mpmd.schedule.costs import costs
from mpmd.schedule.links import rows

NOWHERE = -1
MIXED = -2


@dataclass(frozen=True, slots=True)
class Needs:
    """`compute` [kind][task] and `start` [kind] are seconds; `cached` [kind][task] is what bytes take that
    are in the core's cache. `fetched` are the bytes that come from memory, `shared` those from the cache that
    all cores share, `bytes` all that a task moves. It reads the flows `flows[task]`, (dependence, bytes), and
    is a producer of those in `made[task]`. Of the kernel's arguments it only reads `reads[task]`, which may
    be prefetched.
    """

    compute: list[list[float]]
    cached: list[list[float]]
    start: list[float]
    fetched: list[float]
    shared: list[float]
    flows: list[list[tuple[int, float]]]
    made: list[list[int]]
    bytes: list[float]
    reads: list[int]
    near: list[float]
    away: float


def needs(graph: TaskGraph, machine: Machine) -> Needs:
    """What all tasks need on each kind of core."""
    cost = costs(graph, machine)
    flows = list(zip(cost.flow_dep.tolist(), cost.flow_bytes.tolist(), strict=True))
    return Needs(
        compute=cost.compute.tolist(),
        cached=cost.cached.tolist(),
        start=cost.task_seconds.tolist(),
        fetched=cost.memory_bytes.tolist(),
        shared=cost.shared_bytes.tolist(),
        flows=rows(flows, cost.flow_ptr.tolist()),
        made=_made(graph, cost.flow_dep),
        bytes=graph.bytes.tolist(),
        reads=_reads(graph),
        near=cost.near.tolist(),
        away=cost.away,
    )


def _reads(graph: TaskGraph) -> list[int]:
    """Per task how many accesses read an argument of the kernel."""
    given = np.array([tensor.is_argument for tensor in graph.program.tensors], np.bool_)
    task = np.repeat(np.arange(len(graph)), np.diff(graph.access_ptr))
    chosen = (graph.access_mode == 1) & given[graph.access_tensor]
    return np.bincount(task[chosen], minlength=len(graph)).tolist()


def _made(graph: TaskGraph, flow_dep: np.ndarray) -> list[list[int]]:
    """Per task the dependences that it produces for and that somebody reads through."""
    deps = graph.deps
    carries = np.zeros(len(deps), np.bool_)
    carries[flow_dep] = True
    dep = np.repeat(np.arange(len(deps)), np.diff(deps.producer_ptr))
    chosen = carries[dep]
    dep, producer = dep[chosen], deps.producers[chosen]
    by_task = np.argsort(producer, kind="stable")
    ends = np.cumsum(np.bincount(producer, minlength=len(graph)))
    return rows(dep[by_task].tolist(), [0, *ends.tolist()])


class Whereabouts:
    """In whose cache the results of tasks are: in that of the core that made all of them, as long as no
    more than the cache holds went through it since (as `order.py` has it)."""

    def __init__(self, needs: Needs, deps: int, cache_bytes: list[int]) -> None:
        self._needs = needs
        self._cache_bytes = cache_bytes  # of each core
        self._home = [NOWHERE] * deps
        self._made_at = [0.0] * deps  # `_touched` of that core just after
        self._touched = [0.0] * len(cache_bytes)

    def seconds(self, task: int, core: int, kind: int) -> float:
        """The time that the inputs take which other tasks made, on this core."""
        near, total = self._needs.near[kind], 0.0
        for dep, size in self._needs.flows[task]:
            total += size * (near if self._holds(core, dep) else self._needs.away)
        return total

    def ran(self, task: int, core: int) -> None:
        """A task has run there."""
        self._touched[core] += self._needs.bytes[task]
        for dep in self._needs.made[task]:
            self._home[dep] = core if self._home[dep] in (NOWHERE, core) else MIXED
            self._made_at[dep] = self._touched[core]

    def _holds(self, core: int, dep: int) -> bool:
        if self._home[dep] != core:
            return False
        return self._touched[core] - self._made_at[dep] <= self._cache_bytes[core]
