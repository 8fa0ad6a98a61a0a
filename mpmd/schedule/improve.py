"""Better placements of few tasks, by simulated annealing over moves of single tasks and their neighbours.

In:  a `Problem`, a `Choice` to begin with, an effort. Out: a `Choice` that is no worse.
Not here: the first choice (`heft.py`, `beam.py`), what a placement costs (`judge.py`).

Kirkpatrick, Gelatt, Vecchi, "Optimization by simulated annealing" (Science 220, 1983): a move that costs
time is taken with a probability that falls as the search goes on. Moves put a task elsewhere in the
order, on another core, or a task on a core together with what it depends on or what depends on it, or
exchange all tasks of two cores: where handing over is dear, groups have to move as one. Half of the search
begins with all tasks on one core, which no sequence of small moves would find.

The effort is a number of evaluations, never of seconds, and chance comes from a fixed seed: one input has one
answer. Where the budget is too small for the number of tasks, or a lower bound is met, nothing is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log
from random import Random

from mpmd.schedule.beam import MOST_TASKS, beam
from mpmd.schedule.judge import Judge
from mpmd.schedule.policies import Choice
from mpmd.schedule.problem import Problem

LOOKS = 400_000
"""Tasks and inputs that an effort of 1 looks at, counted as if every evaluation went to the end."""

MOST = 10_000
"""Evaluations for an effort of 1."""

PER_PAIR = 40
"""Evaluations for each two tasks: fewer tasks have fewer placements."""

LEAST_PER_TASK = 8
"""With fewer evaluations for each task a search finds little."""

ENOUGH = 1.001
"""A makespan of so many times a lower bound is as good as the best."""

WALKS = 2
"""Walks from each beginning: two that fail to find a good placement are fewer than twice one."""

HOT, COLD = 0.1, 0.01
"""Temperatures at the beginning and the end, in makespans."""

GROUPS = 0.3
"""Share of moves that concern a task and its neighbours."""

EXCHANGES = 0.05
"""Share of those that exchange the tasks of two cores instead."""

STAY = 0.2
"""Share of moves that keep a task's core."""

BESIDE = 0.4
"""Share of moves to another core that go where a neighbour is."""


def improve(problem: Problem, choice: Choice, bound: float, effort: float) -> Choice:
    """The best of what is found. `bound` is a lower bound of every makespan; an effort of 0 does nothing."""
    tasks = len(problem)
    if _evaluations(tasks, tasks, effort) < LEAST_PER_TASK * tasks or problem.cores < 2:
        return choice  # without a judge, who looks at each input of each task
    judge = Judge(problem)
    evaluations = _evaluations(tasks, judge.size, effort)
    if evaluations < LEAST_PER_TASK * tasks:
        return choice
    enough = bound * ENOUGH
    first = _found(judge, choice)
    if first.seconds <= enough:
        return choice
    starts = [first, *(_found(judge, other) for other in _others(problem, judge))]
    best = min(starts, key=_seconds)
    moves = _Moves(judge)
    for start in (min(starts[:-1], key=_seconds), starts[-1]):
        for _ in range(WALKS):
            if best.seconds > enough:
                steps = evaluations // (2 * WALKS)
                best = min(best, _anneal(judge, moves, start, steps, enough), key=_seconds)
    return choice if best.seconds >= first.seconds else Choice(best.core, best.sequence)


def _evaluations(tasks: int, size: int, effort: float) -> int:
    """How many placements are looked at, each of which takes as long as `size` says."""
    return int(effort * min(MOST, LOOKS // max(1, size), PER_PAIR * tasks * tasks))


@dataclass(frozen=True, slots=True)
class _Found:
    seconds: float
    core: list[int]
    sequence: list[int]


def _seconds(found: _Found) -> float:
    return found.seconds


def _found(judge: Judge, choice: Choice) -> _Found:
    seconds = judge.makespan(choice.core, choice.sequence, float("inf"))
    return _Found(seconds, list(choice.core), list(choice.sequence))


def _others(problem: Problem, judge: Judge) -> Iterator[Choice]:
    """Other placements to begin with; the last one has as much as can be on one core."""
    if len(problem) <= MOST_TASKS:
        yield beam(problem, judge)
    order = list(range(len(problem)))
    kinds = sorted(set(problem.kind))
    gathered = [Choice([_first_core(problem, task, kind) for task in order], order) for kind in kinds]
    yield min(gathered, key=lambda c: judge.makespan(c.core, c.sequence, float("inf")))


def _first_core(problem: Problem, task: int, kind: int) -> int:
    able = problem.able[task]
    return problem.cores_of(kind if kind in able else able[0])[0]


def _anneal(judge: Judge, moves: _Moves, start: _Found, evaluations: int, enough: float) -> _Found:
    """The best placement met on a walk of so many steps."""
    chance = moves.chance
    best = now = start
    for step in range(evaluations):
        heat = best.seconds * HOT * (COLD / HOT) ** (step / evaluations)
        limit = now.seconds - heat * log(1.0 - chance.random())
        moved = moves.propose(now.core, now.sequence)
        if moved is None:
            continue
        core, sequence = moved
        seconds = judge.makespan(core, sequence, limit)
        if seconds < limit:
            now = _Found(seconds, core, sequence)
            if seconds < best.seconds:
                best = now
                if seconds <= enough:
                    break
    return best


class _Moves:
    """Random neighbours of a placement."""

    def __init__(self, judge: Judge) -> None:
        problem = judge.problem
        self.judge = judge
        self.chance = Random(1)
        everywhere = {
            able: [c for kind in able for c in problem.cores_of(kind)] for able in set(problem.able)
        }
        self.cores = [everywhere[able] for able in problem.able]
        self.near = [[*b, *a] for b, a in zip(judge.before, judge.after, strict=True)]

    def propose(self, core: list[int], sequence: list[int]) -> tuple[list[int], list[int]] | None:
        """Another placement, whose order respects dependences; None where the move changes nothing."""
        draw = self.chance.random
        task = self._one(range(len(core)))
        if draw() < GROUPS and self.near[task]:
            moved = self._exchange(task, core) if draw() < EXCHANGES else self._gather(task, core)
            return None if moved == core else (moved, sequence)
        moved = core if draw() < STAY else self._to(task, core)
        order = self._beside(task, core, moved[task], sequence)
        return None if moved is core and order is sequence else (moved, order)

    def _one(self, among: Sequence[int]) -> int:
        return among[int(self.chance.random() * len(among))]

    def _gather(self, task: int, core: list[int]) -> list[int]:
        """A task and some of its neighbours on one core, as far as it can do them."""
        draw = self.chance.random
        target = core[task] if draw() < 0.5 else self._one(self.cores[task])
        group = (self.near, self.judge.before, self.judge.after)[int(draw() * 3)][task]
        moved = core[:]
        for member in (task, *group):
            if target in self.cores[member]:
                moved[member] = target
        return moved

    def _exchange(self, task: int, core: list[int]) -> list[int]:
        """All tasks of the task's core on another one, and the other way round, as far as they can."""
        one, other = core[task], self._one(self.cores[task])
        there = {one: other, other: one}
        return [
            there[c] if c in there and there[c] in cores else c
            for c, cores in zip(core, self.cores, strict=True)
        ]

    def _to(self, task: int, core: list[int]) -> list[int]:
        """The task on another core, or by chance on its own."""
        target = self._one(self.cores[task])
        if self.near[task] and self.chance.random() < BESIDE:
            beside = core[self._one(self.near[task])]
            target = beside if beside in self.cores[task] else target
        moved = core[:]
        moved[task] = target
        return moved if target != core[task] else core

    def _beside(self, task: int, core: list[int], target: int, sequence: list[int]) -> list[int]:
        """The order with the task before or after another one of its core, between those that it depends
        on and those that depend on it."""
        before, after = self.judge.before[task], self.judge.after[task]
        at = first = last = sequence.index(task)
        while first > 0 and sequence[first - 1] not in before:
            first -= 1
        while last < len(sequence) - 1 and sequence[last + 1] not in after:
            last += 1
        there = [i for i in range(first, last + 1) if core[sequence[i]] == target and i != at]
        if not there:
            return sequence
        to = self._one(there)
        if core[task] != target and self.chance.random() < 0.5:
            to += -1 if to > at else 1
        if to == at:
            return sequence
        order = sequence[:]
        del order[at]
        order.insert(to, task)
        return order
