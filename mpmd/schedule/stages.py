"""What the parts of a phase take at least: between two dependences that much has to go through.

In:  a `Problem`. Out: seconds. Not here: whole launches, and what each figure means (`bounds.py`).

A dependence is a cut: whatever leads to one of its producers is over before whatever comes of its
consumers begins. So between two cuts, one behind the other, lies a stage: the tasks that come of the
first and lead to the second. Stages follow one another, and what each takes at least adds up. That
holds for any cuts; those are chosen that everything goes through, so that stages hold all tasks.

Let F be the moment when the last producer of a cut ends, on some core. A task of the stage behind it
starts at F or later on that core, and a latency later on any other one. From there on a stage takes at least

- its longest way;
- for any q, q and the work of the tasks that are followed by a way of at least q, on all cores (after
  Fernandez and Bussell, "Bounds on the number of processors and time for multiprocessor optimal
  schedules", IEEE Trans. Computers 1973);
- for any k, the k + 1 shortest of its k × cores + 1 longest tasks: some core has so many of them (Dell'Amico
  and Martello, "Optimal scheduling of tasks on identical parallel processors", ORSA J. Computing 1995).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mpmd.partition.graph import FloatColumn, IntColumn
from mpmd.schedule.links import ranks
from mpmd.schedule.problem import Problem

MOST_STAGES = 4000
"""In more stages each would be of few tasks, and finding what they take would take long."""

WEIGHTS = 32
"""So many rates of exchange between the kinds of cores are tried."""


def longest_way(problem: Problem) -> float:
    """Seconds of the longest way of dependences."""
    least = best_seconds(problem)
    return max(_ranks(problem, least), default=0.0)


def best_seconds(problem: Problem) -> list[float]:
    """Seconds of each task on the kind of core that is best for it, with its inputs as near as can be."""
    return least_seconds(problem).min(axis=0, initial=np.inf).tolist()


def work_seconds(problem: Problem) -> float:
    """What all tasks take at least if the cores share them evenly."""
    everything = np.arange(len(problem))
    return _work(least_seconds(problem)[:, everything], _counts(problem), 0.0)


def stages(problem: Problem) -> float:
    """The sum over all stages."""
    seconds = least_seconds(problem)
    best = seconds.min(axis=0, initial=np.inf)
    cuts = _cuts(problem)
    stage = _stage_of(problem, cuts)
    way = np.array(_ways(problem, best.tolist(), stage.tolist()), np.float64)
    order = np.argsort(stage, kind="stable")
    ends = np.searchsorted(stage[order], np.arange(len(cuts) + 2))
    counts = _counts(problem)
    total = 0.0
    for number in range(len(cuts) + 1):
        tasks = order[ends[number] : ends[number + 1]]
        late = problem.latency if number else 0.0
        total += _stage(seconds[:, tasks], best[tasks], way[tasks], counts, late)
    return total


def least_seconds(problem: Problem) -> FloatColumn:
    """[kinds, tasks]: seconds with all inputs near, but those that no core of the kind can have made."""
    kinds = range(len(problem.near))
    near = [np.array(problem.flow_bytes)] * len(kinds)
    if len(set(problem.able)) > 1:
        near = _near_bytes(problem)
    total = np.array(problem.flow_bytes)
    able = np.array([[k in row for row in problem.able] for k in kinds], np.bool_).reshape(len(kinds), -1)
    rows = []
    for k in kinds:
        per_byte = min(problem.near[k], problem.away)
        moving = np.array(problem.memory[k]) + near[k] * per_byte + (total - near[k]) * problem.away
        rows.append(np.maximum(moving, problem.compute[k]) + problem.task_seconds[k])
    return np.where(able, np.array(rows), np.inf)


def _near_bytes(problem: Problem) -> list[FloatColumn]:
    """Per kind and task: bytes of the flows whose producers can all run on that kind of core."""
    common = [(1 << len(problem.near)) - 1] * len(problem.links.producers)
    for able, deps in zip(problem.able, problem.links.produced, strict=True):
        for dep in deps:
            common[dep] &= sum(1 << kind for kind in able)
    return [
        np.array([sum(size for dep, size in row if common[dep] >> kind & 1) for row in problem.flows])
        for kind in range(len(problem.near))
    ]


def _counts(problem: Problem) -> FloatColumn:
    return np.array([len(problem.cores_of(kind)) for kind in range(len(problem.near))], np.float64)


# -- ways -----------------------------------------------------------------------------------------


def _ranks(problem: Problem, seconds: list[float]) -> list[float]:
    """Of each task the longest way from its start, with latencies where a hand-over cannot be avoided."""
    if len(set(problem.able)) <= 1:
        return ranks(problem.links, seconds)
    links, latency = problem.links, problem.latency
    after: list[dict[tuple[int, ...], float]] = [{} for _ in links.producers]
    rank = seconds[:]
    for task in range(len(seconds) - 1, -1, -1):
        able = problem.able[task]
        longest = 0.0
        for dep in links.produced[task]:
            for other, way in after[dep].items():
                longest = max(longest, way if set(able) & set(other) else way + latency)
        rank[task] += longest
        for dep in links.consumed[task]:
            after[dep][able] = max(after[dep].get(able, 0.0), rank[task])
    return rank


def _ways(problem: Problem, seconds: Sequence[float], stage: Sequence[int]) -> list[float]:
    """Of each task the longest way from its start to the end of its stage."""
    links = problem.links
    after: list[tuple[int, float]] = [(-1, 0.0)] * len(links.producers)  # stage, way
    way = list(seconds)
    for task in range(len(way) - 1, -1, -1):
        mine = stage[task]
        way[task] += max((after[d][1] for d in links.produced[task] if after[d][0] == mine), default=0.0)
        for dep in links.consumed[task]:
            if after[dep][0] != mine or after[dep][1] < way[task]:
                after[dep] = (mine, way[task])
    return way


# -- cuts -----------------------------------------------------------------------------------------


def _cuts(problem: Problem) -> list[tuple[int, int]]:
    """Pairs of a task and a dependence, of which that task is the first consumer, in order.

    At such a task, all those before it that are still to be used are producers of the dependence, and all
    those from there on that use something earlier are consumers of it.
    """
    links, tasks = problem.links, len(problem)
    first_of = [min(row, default=tasks) for row in links.consumers]
    producers: list[list[int]] = [[] for _ in links.producers]
    for task, row in enumerate(links.produced):
        for dep in row:
            producers[dep].append(task)
    first = [min((first_of[d] for d in row), default=tasks) for row in links.produced]
    last = [max((producers[d][-1] for d in row if producers[d]), default=-1) for row in links.consumed]
    open_before = _covered(((t + 1, f) for t, f in enumerate(first) if f < tasks), tasks)
    open_after = _covered(((p + 1, t) for t, p in enumerate(last) if p >= 0), tasks)
    found: dict[int, int] = {}
    for dep, consumers in enumerate(links.consumers):
        at = first_of[dep]
        if at < tasks and producers[dep] and at not in found:
            before = sum(1 for p in producers[dep] if first[p] == at)
            after = sum(1 for c in consumers if last[c] < at)
            if before == open_before[at] and after == open_after[at]:
                found[at] = dep
    apart = -(-tasks // MOST_STAGES)
    chosen: list[tuple[int, int]] = []
    for at, dep in sorted(found.items()):
        if not chosen or at - chosen[-1][0] >= apart:
            chosen.append((at, dep))
    return chosen


def _covered(ranges: object, size: int) -> list[int]:
    """How many of the ranges (first, last) each number lies in."""
    change = np.zeros(size + 2, np.int64)
    pairs = np.array(list(ranges), np.int64).reshape(-1, 2)  # type: ignore[call-overload]
    np.add.at(change, pairs[:, 0], 1)
    np.add.at(change, pairs[:, 1] + 1, -1)
    return np.cumsum(change).tolist()


def _stage_of(problem: Problem, cuts: Sequence[tuple[int, int]]) -> IntColumn:
    """The stage of each task; one more than there are where a task is in none."""
    links, tasks = problem.links, len(problem)
    none = len(cuts) + 1
    between = np.searchsorted([at for at, _ in cuts], np.arange(tasks), side="right").tolist()
    comes, leads = [False] * tasks, [False] * tasks
    entered = {dep: number + 1 for number, (_, dep) in enumerate(cuts)}
    reached = [-1] * len(links.producers)  # the latest stage that a producer is in
    for task in range(tasks):
        mine = between[task]
        comes[task] = mine == 0 or any(
            entered.get(d) == mine or reached[d] == mine for d in links.consumed[task]
        )
        if comes[task]:
            for dep in links.produced[task]:
                reached[dep] = mine
    reached = [none] * len(links.producers)
    for task in range(tasks - 1, -1, -1):
        mine = between[task]
        leads[task] = mine == len(cuts) or any(
            entered.get(d) == mine + 1 or reached[d] == mine for d in links.produced[task]
        )
        if leads[task]:
            for dep in links.consumed[task]:
                reached[dep] = mine
    stage = np.where(np.array(comes, np.bool_) & np.array(leads, np.bool_), between, none)
    return stage.astype(np.int64)


# -- one stage ------------------------------------------------------------------------------------


def _stage(
    seconds: FloatColumn, best: FloatColumn, way: FloatColumn, counts: FloatColumn, late: float
) -> float:
    """What a stage takes at least, if it begins on one core at 0 and on others at `late`."""
    if len(best) == 0:
        return 0.0
    found = float(way.max())
    if len(best) == 1:
        return found
    tail = way - best
    for least in np.unique(np.quantile(tail, (0.0, 0.25, 0.5, 0.75), method="lower")).tolist():
        found = max(found, least + _work(seconds[:, tail >= least], counts, late))
    return max(found, _crowded(best, int(counts.sum()), late))


def _work(seconds: FloatColumn, counts: FloatColumn, late: float) -> float:
    """Seconds in which cores that share the tasks evenly have done them; one core is not late."""
    if seconds.shape[1] == 0:
        return 0.0
    weights = _weights(seconds, counts)
    each_kind = np.zeros((*weights.shape, seconds.shape[1]))
    np.multiply(weights[:, :, None], seconds, out=each_kind, where=weights[:, :, None] > 0)
    worth = each_kind.min(axis=1).sum(axis=1)
    each = weights @ counts
    shared = float(((worth + late * (each - weights.max(axis=1))) / each).max())
    alone = float(seconds[counts > 0].sum(axis=1).min(initial=np.inf))
    return min(alone, max(shared, late))


def _weights(seconds: FloatColumn, counts: FloatColumn) -> FloatColumn:
    """[rates of exchange, kinds]: what a second of a core of each kind is worth.

    Among those that matter are the ones at which some task is as dear on one kind as on another.
    """
    kinds = np.flatnonzero(counts > 0)
    single = np.eye(len(counts))[kinds]
    if len(kinds) == 1:
        return single
    with np.errstate(invalid="ignore"):
        ratio = seconds[kinds[0]] / seconds
    both = ratio[:, np.isfinite(ratio).all(axis=0) & (ratio > 0).all(axis=0)]
    if both.shape[1] == 0:
        return single
    weights = np.zeros((WEIGHTS, len(counts)))
    at = np.quantile(both[kinds], np.linspace(0.0, 1.0, WEIGHTS), axis=1, method="nearest")
    weights[:, kinds] = at
    return np.concatenate([single, weights])


def _crowded(best: FloatColumn, cores: int, late: float) -> float:
    """What the core takes that has most of the longest tasks."""
    longest = -np.sort(-best)
    before = np.concatenate([[0.0], np.cumsum(longest)])
    rounds = np.arange(1, 1 + (len(longest) - 1) // cores)
    several = rounds * cores + 1  # so many tasks: some core has rounds + 1 of them
    found = float((before[several] - before[several - rounds - 1]).max(initial=0.0))
    rounds = np.arange(1, 1 + (len(longest) + cores - 2) // cores)
    several = (rounds - 1) * cores + 2  # a late core has `rounds` of them, or the other one has rounds + 1
    there = before[several] - before[several - rounds] + late
    here = before[several] - before[np.maximum(several - rounds - 1, 0)]
    return max(found, float(np.minimum(there, here).max(initial=0.0)))
