"""HEFT: each task, most urgent first, on the core where it ends first, in a gap if one fits.

In:  a `Problem`, and how urgent each task is. Out: the core of each task, and an order.
Not here: making it better afterwards (`improve.py`); what a placement costs (`problem.py`).

Topcuoglu, Hariri, Wu, "Performance-effective and low-complexity task scheduling for heterogeneous
computing" (IEEE TPDS 2002): tasks in order of their upward ranks, each where its finish is earliest,
with insertion into gaps. That takes time tasks × cores; here it takes time tasks × log cores, and
finds the same core: a core that made none of a task's inputs differs from others of its kind only in
when it is free, so of those the best is found in a sorted list. The cores that made inputs are few
and are looked at one by one.

One rule is added, for locality: while there is much more work than the longest way to the end takes,
nothing is urgent, and a task whose inputs have just been made on a core follows there at once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence

from mpmd.schedule.policies import Choice
from mpmd.schedule.problem import NOWHERE, Data, Problem

HOMES = 4
"""So many of the cores that hold inputs of a task are looked at: those with the most bytes."""

GAPS = 256
"""So many gaps of each kind of core are remembered: the latest ones."""

LOOKS = 8
"""So many gaps are looked at for one task."""


def heft(problem: Problem, rank: Sequence[float]) -> Choice:
    """`rank` is how urgent each task is; a task that another one waits for is more urgent than that."""
    state = _Heft(problem, rank)
    state.run()
    # Tasks that start at one moment and take no time keep the order in which they were placed.
    return Choice(state.core, sorted(state.sequence, key=state.start.__getitem__))


class _Heft:
    """What has been placed so far."""

    def __init__(self, problem: Problem, rank: Sequence[float]) -> None:
        self.problem, self.links = problem, problem.links
        self.rank, self.weight = rank, problem.weight
        tasks, kinds = len(problem), len(problem.near)
        self.core = [NOWHERE] * tasks
        self.start = [0.0] * tasks
        self.sequence: list[int] = []
        self.free = [0.0] * problem.cores
        self.touched = [0.0] * problem.cores
        self.by_free = [[(0.0, -c) for c in reversed(problem.cores_of(k))] for k in range(kinds)]
        self.gaps: list[list[tuple[float, float, int]]] = [[] for _ in range(kinds)]  # end, start, core
        self.smallest = [_smallest(problem, k) for k in range(kinds)]
        self.data = Data(len(problem.links.producers))
        self.producers_left = problem.links.producers[:]
        self.deps_left = [sum(1 for d in row if self.producers_left[d]) for row in problem.links.consumed]
        self.work_left = sum(problem.weight)

    def run(self) -> None:
        for task in sorted(range(len(self.problem)), key=lambda t: (-self.rank[t], t)):
            if self.core[task] == NOWHERE:
                self._put(task)
                calm = self.work_left > self.rank[task] * self.problem.cores
                follower = self._finish(task)
                while calm and follower != NOWHERE:
                    core = self.core[task]
                    self._append(follower, core, self._seconds(follower, core, *self._inputs(follower)))
                    task, follower = follower, self._finish(follower)

    def _put(self, task: int) -> None:
        """Where the task ends first."""
        total, held = self._inputs(task)
        known, early = self._known(task)
        best_end, best, best_begin, best_seconds = float("inf"), NOWHERE, 0.0, 0.0
        for core in self._candidates(task, known, early, held):
            seconds = self._seconds(task, core, total, held)
            begin = known
            if core == early:
                begin = self.data.known(self.links.consumed[task], core, self.problem.latency)
            begin = max(begin, self.free[core])
            if begin + seconds < best_end:
                best_end, best, best_begin, best_seconds = begin + seconds, core, begin, seconds
        for kind in self.problem.able[task]:
            if self.gaps[kind] and best_begin > known:
                seconds = self.problem.away_seconds(task, kind)
                at = self._gap(kind, known, seconds, best_end)
                if at >= 0:
                    self._insert(task, kind, at, max(known, self.gaps[kind][at][1]), seconds)
                    return
        self._append(task, best, best_seconds)

    def _candidates(self, task: int, known: float, early: int, held: dict[int, float]) -> Iterator[int]:
        """Cores that hold inputs, and of every kind the one that is best among all others."""
        able, kind_of = self.problem.able[task], self.problem.kind
        if held:
            yield from (c for c in sorted(held, key=lambda c: (-held[c], c))[:HOMES] if kind_of[c] in able)
        if early >= 0 and early not in held and kind_of[early] in able:
            yield early
        for kind in able:
            by_free = self.by_free[kind]
            # the one that is free last before the task can start, so that others keep room; else the first
            at = bisect_right(by_free, (known, 1)) - 1
            yield -by_free[max(at, 0)][1]

    def _known(self, task: int) -> tuple[float, int]:
        """When cores in general know of all inputs, and the core that knows earlier (−1: none does)."""
        data, known, early = self.data, 0.0, NOWHERE
        for dep in self.links.consumed[task]:
            core = data.last_core[dep]
            if core != NOWHERE:
                time = data.last_time[dep] + self.problem.latency
                if time > known:
                    known, early = time, core
                elif time == known and core != early:
                    early = NOWHERE
        return known, early

    def _inputs(self, task: int) -> tuple[float, dict[int, float]]:
        """Bytes of all flows, and of those whose data is in a core's cache, by core."""
        data, problem = self.data, self.problem
        held: dict[int, float] = {}
        for dep, size in problem.flows[task]:
            home = data.home[dep]
            if home >= 0:
                passed = self.touched[home] - data.made_at[dep]
                if passed <= problem.cache_bytes[problem.kind[home]]:
                    held[home] = held.get(home, 0.0) + size
        return problem.flow_bytes[task], held

    def _seconds(self, task: int, core: int, total: float, held: dict[int, float]) -> float:
        problem = self.problem
        kind = problem.kind[core]
        here = held.get(core, 0.0)
        moving = problem.memory[kind][task] + (total - here) * problem.away + here * problem.near[kind]
        return max(moving, problem.compute[kind][task]) + problem.task_seconds[kind]

    def _gap(self, kind: int, known: float, seconds: float, before: float) -> int:
        """A gap in which the task would end before `before`; −1 for none."""
        gaps = self.gaps[kind]
        first = bisect_left(gaps, (known + seconds,))
        for at in range(first, min(len(gaps), first + LOOKS)):
            end, start, _ = gaps[at]
            finish = max(start, known) + seconds
            if finish <= end and finish < before and seconds > 0.0:
                return at
        return NOWHERE

    def _insert(self, task: int, kind: int, at: int, begin: float, seconds: float) -> None:
        end, start, core = self.gaps[kind].pop(at)
        self._remember(kind, core, start, begin)
        self._remember(kind, core, begin + seconds, end)
        self._place(task, core, begin, seconds)

    def _append(self, task: int, core: int, seconds: float) -> None:
        kind = self.problem.kind[core]
        known = self.data.known(self.links.consumed[task], core, self.problem.latency)
        begin = max(self.free[core], known)
        self._remember(kind, core, self.free[core], begin)
        by_free = self.by_free[kind]
        del by_free[bisect_left(by_free, (self.free[core], -core))]
        self.free[core] = begin + seconds
        insort(by_free, (self.free[core], -core))
        self._place(task, core, begin, seconds)

    def _remember(self, kind: int, core: int, start: float, end: float) -> None:
        """A gap in which some task could run."""
        if end - start >= self.smallest[kind]:
            insort(self.gaps[kind], (end, start, core))
            if len(self.gaps[kind]) > GAPS:
                del self.gaps[kind][0]

    def _place(self, task: int, core: int, begin: float, seconds: float) -> None:
        self.core[task] = core
        self.start[task] = begin
        self.touched[core] += self.problem.touches[task]
        self.work_left -= self.weight[task]
        self.sequence.append(task)
        self.data.made(self.links.produced[task], core, begin + seconds, self.touched[core])

    def _finish(self, task: int) -> int:
        """Of the tasks that can be placed now, the most urgent that could follow on this core at once."""
        core, found = self.core[task], NOWHERE
        for dep in self.links.produced[task]:
            self.producers_left[dep] -= 1
            if self.producers_left[dep] == 0:
                for consumer in self.links.consumers[dep]:
                    self.deps_left[consumer] -= 1
                    if self.deps_left[consumer] or not self._follows(consumer, core):
                        continue
                    if found == NOWHERE or self.rank[consumer] > self.rank[found]:
                        found = consumer
        return found

    def _follows(self, task: int, core: int) -> bool:
        """Whether most of the task's inputs are on that core, and it need not wait there."""
        if self.problem.kind[core] not in self.problem.able[task]:
            return False
        _, held = self._inputs(task)
        if not held or held.get(core, 0.0) < max(held.values()):
            return False
        known = self.data.known(self.links.consumed[task], core, self.problem.latency)
        return known <= self.free[core]


def _smallest(problem: Problem, kind: int) -> float:
    """Seconds of the shortest task that the kind can do, with its inputs near; it must be some time."""
    near, fixed = problem.near[kind], problem.task_seconds[kind]
    each = (
        max(memory + size * near, compute) + fixed
        for memory, compute, size in zip(
            problem.memory[kind], problem.compute[kind], problem.flow_bytes, strict=True
        )
    )
    return min((seconds for seconds in each if seconds > 0.0), default=float("inf"))
