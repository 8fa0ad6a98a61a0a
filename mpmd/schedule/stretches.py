"""The phases of a graph, each placed on its own, one after the other.

In:  a `TaskGraph`, a `Machine`, a policy, an effort. Out: `Stretch`es.
Not here: what a placement decides (`order.py`, `joint.py`); memory and sync, which look at all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpmd.machine import Machine
from mpmd.partition.graph import FloatColumn, Phase, TaskGraph, column
from mpmd.schedule import joint, order
from mpmd.schedule.bounds import Bounds, iterations, phase_bounds, repeated
from mpmd.schedule.costs import costs
from mpmd.schedule.drains import drained
from mpmd.schedule.order import Placement
from mpmd.schedule.phases import alone
from mpmd.schedule.problem import problem


@dataclass(frozen=True, eq=False)
class Stretch:
    """A phase, its tasks counted from 0. `begin` is its predicted start; an iteration takes `seconds`, and no
    placement takes less than `bounds`."""

    phase: Phase
    graph: TaskGraph
    placement: Placement
    begin: float
    seconds: float
    bounds: Bounds

    @property
    def end(self) -> float:
        return self.begin + self.seconds * iterations(self.phase.loop)

    @property
    def meets(self) -> bool:
        """Whether all cores meet at the end of an iteration, for the loop's sake or the policy's."""
        loop = self.phase.loop
        return loop is not None and (loop.until is not None or bool(self.placement.wave.any()))


def stretches(
    graph: TaskGraph, machine: Machine, policy: str, *, drain_by_cost: bool, effort: float = 1.0
) -> list[Stretch]:
    """All phases but empty straight ones, placed; they share the effort. The cores meet between them."""
    order.require_policy(graph, policy)
    latency = machine.latency
    each = effort / max(1, len(graph.phases))
    found: list[Stretch] = []
    begin = 0.0
    for phase in graph.phases:
        if phase.first == phase.end and phase.loop is None:
            continue
        part = alone(graph, phase)
        cost = costs(part, machine)
        given = problem(part, machine, cost)
        least = phase_bounds(given, cost, machine)
        drains = drained(part, machine, given, by_cost=drain_by_cost)
        if drains or joint.needed(part):
            placed = joint.place(part, machine, policy, given, drains, _makers(part, found))
        else:
            placed = order.place(given, part.site, policy, least.seconds, each)
        seconds = float(placed.finish.max(initial=0.0))
        found.append(Stretch(phase, part, placed, begin, seconds, repeated(least, phase.loop)))
        begin = found[-1].end + latency
    return found


def _makers(graph: TaskGraph, before: Sequence[Stretch]) -> dict[int, int]:
    """Of each tensor that tasks are to run near: the core of its latest writer in earlier phases."""
    makers: dict[int, int] = {}
    for tensor in np.unique(graph.near[graph.near >= 0]).tolist():
        for stretch in reversed(before):
            writer = _writer(stretch.graph, tensor)
            if writer >= 0:
                makers[tensor] = int(stretch.placement.core[writer])
                break
    return makers


def _writer(graph: TaskGraph, tensor: int) -> int:
    """The last task, in program order, that writes a tensor; −1 for none."""
    writes = np.flatnonzero((graph.access_tensor == tensor) & ((graph.access_mode & 2) > 0))
    return int(np.searchsorted(graph.access_ptr, writes[-1], side="right")) - 1 if len(writes) else -1


def cores_of(stretches: Sequence[Stretch]) -> npt.NDArray[np.int32]:
    """The core of every task; −1 where a drain decides."""
    parts = [stretch.placement.core[: len(stretch.graph)] for stretch in stretches]
    return column(np.concatenate([np.zeros(0), *parts]), np.int32)


def times_of(stretches: Sequence[Stretch]) -> tuple[FloatColumn, FloatColumn]:
    """Start and finish of every task (of its first iteration), in seconds of the launch."""
    start, finish = [np.zeros(0)], [np.zeros(0)]
    for stretch in stretches:
        start.append(stretch.placement.start[: len(stretch.graph)] + stretch.begin)
        finish.append(stretch.placement.finish[: len(stretch.graph)] + stretch.begin)
    return column(np.concatenate(start), np.float64), column(np.concatenate(finish), np.float64)
