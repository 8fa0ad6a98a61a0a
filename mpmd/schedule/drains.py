"""Which tasks cores take by ticket: those that the user drains, and those where tickets pay.

In:  the `TaskGraph` and the `Problem` of one phase, a `Machine`. Out: groups of independent tasks.
Not here: who takes part and when (`joint.py`).

A static split of a phase loses what its slowest core loses; with tickets the others take over. That
costs a ticket per task, on a line that all cores share.
"""

from __future__ import annotations

import numpy as np

from mpmd.machine import Machine
from mpmd.partition.graph import FloatColumn, IntColumn, TaskGraph
from mpmd.schedule.links import levels
from mpmd.schedule.problem import Problem

ITEMS_PER_CORE = 4
"""Fewer tasks than this for each core leave little to take over."""


def drained(graph: TaskGraph, machine: Machine, given: Problem, *, by_cost: bool) -> list[list[int]]:
    """The groups of one phase, each in program order. One core takes all, so it needs no tickets; of several,
    each must be able to do all tasks of a group."""
    if machine.cores < 2:
        return []
    if (graph.drain >= 0).any() or (graph.gang >= 0).any():
        groups = _by_hand(graph)
    else:
        groups = _by_cost(graph, machine, given) if by_cost and machine.jitter > 0 else []
    return [group for group in groups if _takers(group, given) > 1]


def _by_hand(graph: TaskGraph) -> list[list[int]]:
    """Those of the graph; a core that a call asks for is more than a drain can promise."""
    chosen = np.flatnonzero(graph.drain >= 0)
    groups = _groups(chosen, graph.drain[chosen].astype(np.int64))
    return [g.tolist() for g in groups if len(g) > 1 and (graph.pin[g] < 0).all()]


def _takers(group: list[int], given: Problem) -> int:
    """How many cores can do all of the tasks."""
    kinds = set.intersection(*(set(given.able[task]) for task in group))
    return sum(len(given.cores_of(kind)) for kind in kinds)


def _by_cost(graph: TaskGraph, machine: Machine, given: Problem) -> list[list[int]]:
    """Tasks of one call and one level of dependence: no way leads from one of them to another."""
    seconds = np.array([given.away_seconds(task, able[0]) for task, able in enumerate(given.able)])
    free = np.flatnonzero((graph.pin < 0) & (graph.near < 0))
    level = np.array(levels(given.links), np.int64)
    width = 1 + int(level.max(initial=0))
    groups = _groups(free, graph.site[free].astype(np.int64) * width + level[free])
    return [g.tolist() for g in groups if _pays(g, seconds, machine)]


def _groups(tasks: IntColumn, key: IntColumn) -> list[IntColumn]:
    """Tasks with equal keys, by their keys."""
    by_key = np.argsort(key, kind="stable")
    return np.split(tasks[by_key], 1 + np.flatnonzero(np.diff(key[by_key]))) if len(tasks) else []


def _pays(tasks: IntColumn, seconds: FloatColumn, machine: Machine) -> bool:
    if len(tasks) < ITEMS_PER_CORE * machine.cores:
        return False
    saved = machine.jitter * float(seconds[tasks].sum()) / machine.cores
    return saved > machine.ticket_seconds * len(tasks) / machine.cores
