"""Since when tasks of a launch could have run: when the last one ended that they depend on.

In:  a `Schedule`, a `Trace` of it. Out: moments. Not here: who waited (`edges.py`), the way (`critical.py`).
"""

from __future__ import annotations

from math import inf

import numpy as np

from mpmd.partition.graph import IntColumn
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.timeline import SpanKind, Trace


class Ready:
    """Looks up what a trace shows. Dependences of the memory plan count like any other."""

    def __init__(self, schedule: Schedule, trace: Trace) -> None:
        self._schedule, self._trace = schedule, trace
        self._deps_of, self._deps_ptr = _deps_by_consumer(schedule)
        self._turns = int(trace.iteration.max(initial=0)) + 1
        self._key, self._end = _last_ends(trace, self._turns)
        self._made: dict[tuple[int, int], float] = {}
        self._barriers = np.cumsum(schedule.op == StepOp.BARRIER)
        self._loop, self._loop_first, self._loop_end = _loops(schedule)
        loops = [phase.loop for phase in schedule.graph.phases if phase.loop is not None]
        self._meets = [loop.until is not None for loop in loops]

    def loop_of(self, span: int) -> int:
        """The number of the loop in which a span is, −1 for none."""
        return int(self._loop[self._trace.step[span]])

    def since(self, before: int, after: int) -> float:
        """When the task of run `after` could have begun, if what its core did first was run `before`.

        Never before all cores had met, where they meet between the two; nor was it ready while it ran itself.
        """
        trace = self._trace
        task, iteration = int(trace.task[after]), int(trace.iteration[after])
        same = (task, iteration) == (int(trace.task[before]), int(trace.iteration[before]))
        if same or self._met(before, after):
            return inf
        own = self._deps_of[self._deps_ptr[task] : self._deps_ptr[task + 1]].tolist()
        distance = self._schedule.deps.distance
        return max((self._made_by(dep, iteration - int(distance[dep])) for dep in own), default=-inf)

    def _met(self, before: int, after: int) -> bool:
        """Whether all cores met between two runs of one core."""
        trace = self._trace
        first, second = int(trace.step[before]), int(trace.step[after])
        loop = int(self._loop[first])
        if loop < 0 or loop != self._loop[second] or trace.iteration[before] == trace.iteration[after]:
            return bool(self._barriers[second] > self._barriers[first])
        start, end = int(self._loop_first[first]), int(self._loop_end[first])
        within = self._barriers[end] - self._barriers[first] + self._barriers[second] - self._barriers[start]
        return self._meets[loop] or bool(within > 0)

    def _made_by(self, dep: int, iteration: int) -> float:
        """When the last producer of a dependence ended, in an iteration."""
        if (dep, iteration) not in self._made:
            wanted = self._schedule.deps.producers_of(dep).astype(np.int64) * self._turns + iteration
            wanted = wanted if iteration >= 0 else wanted[:0]
            at = np.minimum(np.searchsorted(self._key, wanted), len(self._key) - 1)
            ended = self._end[at[self._key[at] == wanted]]
            self._made[dep, iteration] = float(ended.max(initial=-inf))
        return self._made[dep, iteration]


def _deps_by_consumer(schedule: Schedule) -> tuple[IntColumn, IntColumn]:
    """The dependences whose consumer each task is, and where each task's begin."""
    deps = schedule.deps
    dep = np.repeat(np.arange(len(deps)), np.diff(deps.consumer_ptr))
    order = np.argsort(deps.consumers, kind="stable")
    count = np.bincount(deps.consumers, minlength=len(schedule.graph))
    return dep[order], np.concatenate([[0], np.cumsum(count)])


def _last_ends(trace: Trace, turns: int) -> tuple[IntColumn, np.ndarray]:
    """Ascending keys task × turns + iteration, and when each ended. (A task may have several spans.)"""
    runs = np.flatnonzero(trace.kind == SpanKind.RUN)[::-1]
    keys = trace.task[runs].astype(np.int64) * turns + trace.iteration[runs]
    distinct, last = np.unique(keys, return_index=True)
    return distinct, trace.finish[runs[last]]


def _loops(schedule: Schedule) -> tuple[IntColumn, IntColumn, IntColumn]:
    """Per step its loop, and the loop's LOOP and END on its core; −1 in straight code."""
    loop, first, last = (np.full(len(schedule.op), -1) for _ in range(3))
    for end in np.flatnonzero(schedule.op == StepOp.END).tolist():
        start = end - int(schedule.b[end]) - 1
        body = slice(start, end + 1)
        loop[body], first[body], last[body] = schedule.a[end], start, end
    return loop, first, last
