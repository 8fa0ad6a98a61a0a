"""Seconds that no schedule takes less than, in the cost model of `problem.py`.

In:  a `TaskGraph`, a `Machine`. Out: `Bounds`. Not here: the parts of a phase (`stages.py`).

`critical_path`: along a way of dependences tasks come one after the other, each at best on the kind of core
that is fastest for it with its inputs near. Inputs are far, and a hand-over takes its latency, only
where a producer and its consumer have no kind of core in common.

`work`: all cores together have cores × seconds. With kinds, let weights `w` say what a core's second is
worth: Σ w[kind of core] × seconds is at least what the tasks are worth, each at least min over kinds of
w[kind] × its seconds there. That holds for all weights (duality of linear programs; Lawler and
Labetoulle, "On preemptive scheduling of unrelated parallel processors", JACM 1978).

`bandwidth`: bytes that come from memory, over what memory gives all cores together.

`stages`: see there. Phases follow one another, since all cores meet between them. Iterations of a loop
may overlap: only where they meet does each take what one takes, else work and bandwidth add up alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from mpmd.machine import Machine
from mpmd.partition.graph import LoopInfo, TaskGraph
from mpmd.schedule.costs import Costs, costs
from mpmd.schedule.phases import alone
from mpmd.schedule.problem import Problem, problem
from mpmd.schedule.stages import longest_way, stages, work_seconds


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower bounds of the makespan. `seconds` is the largest, so the best of them."""

    critical_path: float = 0.0
    work: float = 0.0
    bandwidth: float = 0.0
    stages: float = 0.0

    @property
    def seconds(self) -> float:
        return max(self.critical_path, self.work, self.bandwidth, self.stages)

    def __mul__(self, times: int) -> Bounds:
        return Bounds(
            self.critical_path * times, self.work * times, self.bandwidth * times, self.stages * times
        )

    def __add__(self, after: Bounds) -> Bounds:
        """Of one thing after another: each is over before the next one begins."""
        return Bounds(
            self.critical_path + after.critical_path,
            self.work + after.work,
            self.bandwidth + after.bandwidth,
            self.stages + after.stages,
        )


def bounds(graph: TaskGraph, machine: Machine) -> Bounds:
    """Of a whole launch, with each loop as often as `iterations` says."""
    found = Bounds()
    for phase in graph.phases:
        if phase.first < phase.end:
            part = alone(graph, phase)
            cost = costs(part, machine)
            found += repeated(phase_bounds(problem(part, machine, cost), cost, machine), phase.loop)
    return found


def phase_bounds(given: Problem, cost: Costs, machine: Machine) -> Bounds:
    """Of a phase, once."""
    return Bounds(
        critical_path=longest_way(given),
        work=work_seconds(given),
        bandwidth=float(cost.memory_bytes.sum()) / machine.bandwidth,
        stages=stages(given),
    )


def repeated(once: Bounds, loop: LoopInfo | None) -> Bounds:
    """Of all iterations of a phase."""
    times = iterations(loop)
    if times == 0:
        return Bounds()
    if times == 1:
        return once
    every = once * times
    if loop is not None and loop.until is not None:
        return every
    return Bounds(once.critical_path, every.work, every.bandwidth, once.stages)


def iterations(loop: LoopInfo | None) -> int:
    """How often a phase is predicted to run: once where only the launch will tell."""
    return 1 if loop is None or loop.count.terms else max(0, loop.count.const)
