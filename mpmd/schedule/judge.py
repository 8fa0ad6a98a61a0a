"""The makespan of one placement after another of the same problem, quickly.

In:  a `Problem`. Out: a `Judge`. Not here: which placements to try (`improve.py`).

It says what `play` says, and stops where a limit is reached: a task's finish and the shortest way from
there to the end are a lower bound of the makespan, so most bad placements cost a part of a full pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from mpmd.schedule.links import ranks
from mpmd.schedule.problem import Problem
from mpmd.schedule.stages import best_seconds


class Judge:
    """`before` and `after` are the tasks that a task depends on, and that depend on it."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        tasks = range(len(problem))
        producers: list[list[int]] = [[] for _ in problem.links.producers]
        for task in tasks:
            for dep in problem.links.produced[task]:
                producers[dep].append(task)
        read = [dict(row) for row in problem.flows]
        consumed = [[d for d in row if producers[d]] for row in problem.links.consumed]
        # Most dependences have one producer, and are looked at without a loop.
        self.one = [
            [(producers[d][0], read[t].get(d, 0.0)) for d in consumed[t] if len(producers[d]) == 1]
            for t in tasks
        ]
        crowds = (
            [(producers[d], read[t].get(d, 0.0)) for d in consumed[t] if len(producers[d]) > 1] for t in tasks
        )
        self.many = {task: row for task, row in enumerate(crowds) if row}
        self.rates = [
            (
                problem.memory[kind],
                problem.compute[kind],
                problem.near[kind],
                problem.task_seconds[kind],
                problem.cache_bytes[kind],
            )
            for kind in problem.kind
        ]
        self.before = [sorted({p for d in consumed[t] for p in producers[d]}) for t in tasks]
        self.after: list[list[int]] = [[] for _ in tasks]
        for task in tasks:
            for producer in self.before[task]:
                self.after[producer].append(task)
        self.tail = tails(problem)

    @property
    def size(self) -> int:
        """What one full pass looks at: tasks and their inputs."""
        return len(self.before) + sum(map(len, self.before))

    def makespan(self, core: Sequence[int], sequence: Sequence[int], limit: float) -> float:
        """Seconds of the placement, or some lower bound of them that is not below `limit`."""
        one, many, tail, rates = self.one, self.many, self.tail, self.rates
        latency, away, touches = self.problem.latency, self.problem.away, self.problem.touches
        free, touched = [0.0] * len(rates), [0.0] * len(rates)
        finish, passed = [0.0] * len(core), [0.0] * len(core)
        worst = 0.0
        for task in sequence:
            c = core[task]
            memory, compute, near, fixed, cache_bytes = rates[c]
            begin, through = free[c], touched[c]
            moving = memory[task]
            for producer, size in one[task]:
                known = finish[producer]
                if core[producer] != c:
                    known += latency
                    moving += size * away
                elif through - passed[producer] <= cache_bytes:
                    moving += size * near
                else:
                    moving += size * away
                if known > begin:
                    begin = known
            if task in many:
                known, hot = self._crowds(many[task], c, core, finish, passed, through - cache_bytes)
                begin = known if known > begin else begin
                moving += sum(
                    size * (near if near_by else away)
                    for (_, size), near_by in zip(many[task], hot, strict=True)
                )
            end = begin + (moving if moving > compute[task] else compute[task]) + fixed
            finish[task] = free[c] = end
            passed[task] = touched[c] = through + touches[task]
            end += tail[task]
            if end > worst:
                worst = end
                if end >= limit:
                    return end
        return worst

    def _crowds(
        self,
        inputs: Sequence[tuple[list[int], float]],
        c: int,
        core: Sequence[int],
        finish: Sequence[float],
        passed: Sequence[float],
        oldest: float,
    ) -> tuple[float, list[bool]]:
        """When core `c` knows of all producers, and which inputs are in its cache."""
        found, hot = 0.0, []
        for producers, _ in inputs:
            here = [p for p in producers if core[p] == c]
            there = max((finish[p] for p in producers if core[p] != c), default=-self.problem.latency)
            found = max(found, there + self.problem.latency, max((finish[p] for p in here), default=0.0))
            hot.append(len(here) == len(producers) and max(passed[p] for p in here) >= oldest)
        return found, hot


def tails(problem: Problem) -> list[float]:
    """Seconds that must pass after each task, at least: every task after it on its best core."""
    least = best_seconds(problem)
    return [rank - own for rank, own in zip(ranks(problem.links, least), least, strict=True)]
