"""What the parts of a phase take at least: between two dependences that much has to go through.

In:  a `Problem`. Out: seconds. Not here: whole launches, and what each figure means (`bounds.py`).

A dependence is a cut: whatever leads to one of its producers is over before whatever comes of its
consumers begins. So between two cuts, one behind the other, lies a stage: the tasks that come of the
first and lead to the second. Stages follow one another, and what each takes at least adds up. That
holds for any cuts; those are chosen that everything goes through, so that stages hold all tasks.

Let F be the moment when the last producer of a cut ends, on some core. A task of the stage behind it
starts at F or later on that core, and a latency later on any other one (on all, if no core can run both a
producer and a consumer). From there on a stage takes at least

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
from mpmd.schedule.problem import Problem

MOST_STAGES = 4000
"""In more stages each would be of few tasks, and finding what they take would take long."""

WEIGHTS = 32
"""So many rates of exchange between the kinds of cores are tried."""


def longest_way(problem: Problem) -> float:
    """Seconds of the longest way of dependences."""
    least = best_seconds(problem)
    return max(_ways(problem, least, [0] * len(problem)), default=0.0)


def best_seconds(problem: Problem) -> list[float]:
    """Seconds of each task on the kind of core that is best for it, with its inputs as near as can be."""
    return least_seconds(problem).min(axis=0, initial=np.inf).tolist()


def work_seconds(problem: Problem) -> float:
    """What all tasks take at least if the cores share them evenly."""
    everything = np.arange(len(problem))
    return _work(least_seconds(problem)[:, everything], _counts(problem), 0.0)


def stages(problem: Problem) -> float:
    """The sum over all stages.

    The producers of a cut may all be on one core, one after the other; else all that is read through
    it is handed over. Of all such choices, cut by cut, that of the least sum is found.
    """
    producers = _producers(problem)
    cuts, stage = _cuts(problem, producers)
    order = np.argsort(stage, kind="stable")
    ends = np.searchsorted(stage[order], np.arange(len(cuts) + 2))
    parts = [order[ends[number] : ends[number + 1]] for number in range(len(cuts) + 1)]
    counts = _counts(problem)
    near = least_seconds(problem)
    entry = np.array([-1, *cuts, -1])[stage]
    far = least_seconds(problem, entry.tolist())
    ways = [_best_and_way(problem, seconds, stage) for seconds in (near, far)]
    gathered, spread = 0.0, 0.0  # the least sums up to a cut whose producers are on one core, or are not
    for number, tasks in enumerate(parts):
        late = problem.latency if number else 0.0
        apart = late if number and _handed(problem, producers, cuts[number - 1]) else 0.0
        late -= apart
        leaving = tasks[np.isin(tasks, producers[cuts[number]])] if number < len(cuts) else tasks[:0]
        serial = float(near[counts > 0][:, leaving].sum(axis=1).min(initial=np.inf))
        one, many = (
            apart + _stage(seconds[:, tasks], best[tasks], way[tasks], counts, late)
            for seconds, (best, way) in zip((near, far), ways, strict=True)
        )
        spread, gathered = (
            min(gathered + one, spread + many),
            min(gathered + max(one, serial), spread + max(many, serial)),
        )
    return spread


def _handed(problem: Problem, producers: Sequence[Sequence[int]], dep: int) -> bool:
    """Whether no core can run a producer of the dependence and a consumer of it."""
    before = {kind for task in producers[dep] for kind in problem.able[task]}
    return all(before.isdisjoint(problem.able[task]) for task in problem.links.consumers[dep])


def least_seconds(problem: Problem, handed: Sequence[int] = ()) -> FloatColumn:
    """[kinds, tasks]: seconds with all inputs near, but those that no core of the kind can have made.

    `handed` is a dependence per task, whose data is handed over (−1: none).
    """
    kinds = range(len(problem.near))
    total = np.array(problem.flow_bytes)
    able = np.array([[k in row for row in problem.able] for k in kinds], np.bool_).reshape(len(kinds), -1)
    near = _near_bytes(problem, handed) if handed or len(set(problem.able)) > 1 else [total] * len(kinds)
    rows = []
    for k in kinds:
        per_byte = min(problem.near[k], problem.away)
        moving = np.array(problem.memory[k]) + near[k] * per_byte + (total - near[k]) * problem.away
        rows.append(np.maximum(moving, problem.compute[k]) + problem.task_seconds[k])
    return np.where(able, np.array(rows), np.inf)


def _near_bytes(problem: Problem, handed: Sequence[int]) -> list[FloatColumn]:
    """Per kind and task: bytes of the flows whose producers can all run on that kind of core, less those
    that are handed over all the same."""
    if len(set(problem.able)) == 1:
        left = [
            total if other < 0 else total - sum(size for dep, size in row if dep == other)
            for total, row, other in zip(problem.flow_bytes, problem.flows, handed, strict=True)
        ]
        return [np.array(left)] * len(problem.near)
    common = [(1 << len(problem.near)) - 1] * len(problem.links.producers)
    for able, deps in zip(problem.able, problem.links.produced, strict=True):
        mine = sum(1 << kind for kind in able)
        for dep in deps:
            common[dep] &= mine
    without = handed or [-1] * len(problem)
    return [
        np.array(
            [
                sum(size for dep, size in row if common[dep] >> kind & 1 and dep != other)
                for row, other in zip(problem.flows, without, strict=True)
            ],
            np.float64,
        )
        for kind in range(len(problem.near))
    ]


def _counts(problem: Problem) -> FloatColumn:
    return np.array([len(problem.cores_of(kind)) for kind in range(len(problem.near))], np.float64)


# -- ways -----------------------------------------------------------------------------------------


def _best_and_way(
    problem: Problem, seconds: FloatColumn, stage: IntColumn
) -> tuple[FloatColumn, FloatColumn]:
    """Of each task its seconds on the best kind of core, and the longest way to the end of its stage."""
    best = seconds.min(axis=0, initial=np.inf)
    return best, np.array(_ways(problem, best.tolist(), stage.tolist()), np.float64)


def _ways(problem: Problem, seconds: Sequence[float], stage: Sequence[int]) -> list[float]:
    """Of each task the longest way from its start to the end of its stage.

    There are latencies on it where a hand-over cannot be avoided: no kind of core can do both tasks.
    """
    links, latency = problem.links, problem.latency
    apart = {
        (one, other): latency * set(one).isdisjoint(other)
        for one in set(problem.able)
        for other in set(problem.able)
    }
    after: list[dict[tuple[int, ...], float]] = [{} for _ in links.producers]  # by what consumers are able
    of_stage = [-1] * len(links.producers)
    way = list(seconds)
    for task in range(len(way) - 1, -1, -1):
        mine, able = stage[task], problem.able[task]
        longest = 0.0
        for dep in links.produced[task]:
            if of_stage[dep] == mine:
                for other, follows in after[dep].items():
                    longest = max(longest, follows + apart[able, other])
        way[task] += longest
        for dep in links.consumed[task]:
            if of_stage[dep] != mine:
                of_stage[dep], after[dep] = mine, {}
            if after[dep].get(able, 0.0) < way[task]:
                after[dep][able] = way[task]
    return way


# -- cuts -----------------------------------------------------------------------------------------


def _cuts(problem: Problem, producers: Sequence[Sequence[int]]) -> tuple[list[int], IntColumn]:
    """The dependences that are cuts, in order; and the stage of each task, one more than there are for none.

    A stage ends only where something that comes of its beginning is used: else it and the one before it
    need not follow one another.
    """
    links, tasks = problem.links, len(problem)
    places = _places(problem, producers)
    apart = -(-tasks // MOST_STAGES)
    cuts: list[int] = []
    between, comes = [0] * tasks, [True] * tasks
    reached = [0] * len(links.producers)  # the latest stage that a producer is in
    since = 0
    for task in range(tasks):
        dep = places.get(task, -1)
        if (
            dep >= 0
            and task - since >= apart
            and any(comes[p] and between[p] == len(cuts) for p in producers[dep])
        ):
            cuts.append(dep)
            since = task
        mine = between[task] = len(cuts)
        consumed = links.consumed[task]
        comes[task] = mine == 0 or any(d == cuts[-1] or reached[d] == mine for d in consumed)
        if comes[task]:
            for dep in links.produced[task]:
                reached[dep] = mine
    leads = _leading(problem, cuts, between)
    stage = np.where(np.array(comes, np.bool_) & np.array(leads, np.bool_), between, len(cuts) + 1)
    return cuts, stage.astype(np.int64)


def _leading(problem: Problem, cuts: Sequence[int], between: Sequence[int]) -> list[bool]:
    """Whether something leads from each task to the cut that ends its stage."""
    links, last = problem.links, len(cuts)
    leads = [True] * len(problem)
    reached = [-1] * len(links.producers)  # the stage of a consumer from which something leads on
    for task in range(len(problem) - 1, -1, -1):
        mine = between[task]
        leads[task] = mine == last or any(d == cuts[mine] or reached[d] == mine for d in links.produced[task])
        if leads[task]:
            for dep in links.consumed[task]:
                reached[dep] = mine
    return leads


def _places(problem: Problem, producers: Sequence[Sequence[int]]) -> dict[int, int]:
    """Where everything goes through one dependence: its first consumer, and the dependence.

    All tasks before that one which are still to be used are then its producers, and all those from there
    on that use something earlier are its consumers.
    """
    links, tasks = problem.links, len(problem)
    first_of = [min(row, default=tasks) for row in links.consumers]
    first = [min((first_of[d] for d in row), default=tasks) for row in links.produced]
    last = [max((producers[d][-1] for d in row if producers[d]), default=-1) for row in links.consumed]
    open_before = _covered([(t + 1, f) for t, f in enumerate(first) if f < tasks], tasks)
    open_after = _covered([(p + 1, t) for t, p in enumerate(last) if p >= 0], tasks)
    found: dict[int, int] = {}
    for dep, consumers in enumerate(links.consumers):
        at = first_of[dep]
        if at < tasks and producers[dep] and at not in found:
            before = sum(1 for p in producers[dep] if first[p] == at)
            after = sum(1 for c in consumers if last[c] < at)
            if before == open_before[at] and after == open_after[at]:
                found[at] = dep
    return found


def _producers(problem: Problem) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in problem.links.producers]
    for task, row in enumerate(problem.links.produced):
        for dep in row:
            found[dep].append(task)
    return found


def _covered(ranges: Sequence[tuple[int, int]], size: int) -> list[int]:
    """How many of the ranges (first, last) each number lies in."""
    change = np.zeros(size + 2, np.int64)
    pairs = np.array(ranges, np.int64).reshape(-1, 2)
    np.add.at(change, pairs[:, 0], 1)
    np.add.at(change, pairs[:, 1] + 1, -1)
    return np.cumsum(change).tolist()


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
    if len(counts) == 1:
        found = max(found, _followed(best, tail, float(counts[0]), late))
    else:
        for least in np.unique(np.quantile(tail, (0.0, 0.25, 0.5, 0.75), method="lower")).tolist():
            found = max(found, least + _work(seconds[:, tail >= least], counts, late))
    return max(found, _crowded(best, int(counts.sum()), late))


def _followed(best: FloatColumn, tail: FloatColumn, cores: float, late: float) -> float:
    """For every tail, it and the work of the tasks with that tail or a longer one, on cores all alike."""
    order = np.argsort(-tail, kind="stable")
    work = np.cumsum(best[order])
    shared = (work + late * (cores - 1)) / cores
    return float((tail[order] + np.minimum(work, np.maximum(shared, late))).max())


def _work(seconds: FloatColumn, counts: FloatColumn, late: float) -> float:
    """Seconds in which cores that share the tasks evenly have done them; one core is not late."""
    if seconds.shape[1] == 0:
        return 0.0
    weights = _weights(seconds, counts)
    each_kind = np.full((*weights.shape, seconds.shape[1]), np.inf)
    np.multiply(weights[:, :, None], seconds, out=each_kind, where=np.isfinite(seconds)[None])
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
