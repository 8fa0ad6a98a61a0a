"""Which tasks cores take by ticket: those that the user drains, and those where tickets pay.

In:  the `TaskGraph` of one phase, its costs, a `Machine`. Out: groups of independent tasks.
Not here: who takes part and when (`joint.py`).

A static split of a phase loses what its slowest core loses; with tickets the others take over. That
costs a ticket per task, on a line that all cores share.
"""

from __future__ import annotations

import numpy as np

from mpmd.machine import Machine
from mpmd.partition.graph import FloatColumn, IntColumn, TaskGraph
from mpmd.schedule.costs import Costs
from mpmd.schedule.links import levels, link

ITEMS_PER_CORE = 4
"""Fewer tasks than this for each core leave little to take over."""


def drained(graph: TaskGraph, machine: Machine, cost: Costs, *, by_cost: bool) -> list[list[int]]:
    """The groups of one phase, each in program order. One core takes all, so it needs no tickets."""
    if machine.cores < 2:
        return []
    if (graph.drain >= 0).any() or (graph.gang >= 0).any():
        return _by_hand(graph)
    return _by_cost(graph, machine, cost) if by_cost and machine.jitter > 0 else []


def _by_hand(graph: TaskGraph) -> list[list[int]]:
    """Those of the graph; a core that a call asks for is more than a drain can promise."""
    chosen = np.flatnonzero(graph.drain >= 0)
    groups = [chosen[graph.drain[chosen] == drain] for drain in np.unique(graph.drain[chosen])]
    return [g.tolist() for g in groups if len(g) > 1 and (graph.pin[g] < 0).all()]


def _by_cost(graph: TaskGraph, machine: Machine, cost: Costs) -> list[list[int]]:
    """Tasks of one call and one level of dependence: no way leads from one of them to another."""
    seconds = cost.durations(per_byte=cost.away)
    free = np.flatnonzero((graph.pin < 0) & (graph.near < 0))
    level = np.array(levels(link(graph.deps, len(graph))), np.int64)
    _, group = np.unique(np.stack([graph.site[free], level[free]]), axis=1, return_inverse=True)
    group = group.reshape(-1)
    by_group = free[np.argsort(group, kind="stable")]
    parts = np.split(by_group, np.cumsum(np.bincount(group))[:-1]) if len(free) else []
    return [part.tolist() for part in parts if _pays(part, seconds, machine)]


def _pays(tasks: IntColumn, seconds: FloatColumn, machine: Machine) -> bool:
    if len(tasks) < ITEMS_PER_CORE * machine.cores:
        return False
    saved = machine.jitter * float(seconds[tasks].sum()) / machine.cores
    return saved > machine.ticket_seconds * len(tasks) / machine.cores
