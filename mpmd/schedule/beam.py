"""Placements of few tasks by beam search: many beginnings of schedules, grown task by task.

In:  a `Problem` of few tasks. Out: a good `Choice`. Not here: making it better (`improve.py`).

Beam search as in Lowerre, "The Harpy speech recognition system" (1976): of all beginnings with so many tasks
only the most promising are kept. A beginning grows by any ready task on any core that can do it, in
order of their starts, so that every schedule is reached in one way alone. What a beginning promises is
the larger of two bounds: the longest way on from a task that it has, and the load of the cores if the
rest were spread evenly. Caches are taken to be large enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpmd.partition.graph import FloatColumn, IntColumn
from mpmd.schedule.judge import Judge
from mpmd.schedule.policies import Choice
from mpmd.schedule.problem import Problem

WIDTH = 50
"""Beginnings that are kept."""

MOST_TASKS = 24
"""Of more tasks a beginning of this few alternatives says too little."""


@dataclass(frozen=True, slots=True, eq=False)
class _Tables:
    """The problem as arrays. Inputs are padded: `producers` [tasks, inputs, producers] by task number
    `tasks`, which stands for nothing; `bytes` [tasks, inputs] by 0. Times are [tasks, cores]."""

    producers: IntColumn
    bytes: FloatColumn
    memory: FloatColumn
    compute: FloatColumn
    fixed: FloatColumn
    near: FloatColumn
    tail: FloatColumn
    weight: FloatColumn
    depends: npt.NDArray[np.int64]  # [producer, consumer]


@dataclass(frozen=True, slots=True, eq=False)
class _Beginnings:
    """Rows of schedules that have begun. `left` counts what each task still waits for; `latest` is the last
    start, `promise` a lower bound of the makespan, `rest` the work that is left."""

    core: IntColumn
    finish: FloatColumn
    free: FloatColumn
    left: npt.NDArray[np.int64]
    latest: FloatColumn
    promise: FloatColumn
    rest: FloatColumn


def beam(problem: Problem, judge: Judge) -> Choice:
    """The best schedule that is found."""
    tables = _tables(problem, judge)
    state = _start(tables, problem.cores)
    history: list[tuple[IntColumn, IntColumn]] = []
    for _ in range(len(problem)):
        state, parent, task = _grow(problem, tables, state)
        history.append((parent, task))
    at = int(state.free.max(axis=1).argmin())
    core = state.core[at, :-1].tolist()
    sequence: list[int] = []
    for parent, task in reversed(history):
        sequence.append(int(task[at]))
        at = int(parent[at])
    return Choice(core, sequence[::-1])


def _tables(problem: Problem, judge: Judge) -> _Tables:
    tasks = len(problem)
    inputs = [
        [*(([p], size) for p, size in one), *judge.many.get(task, [])] for task, one in enumerate(judge.one)
    ]
    width = max((len(row) for row in inputs), default=0)
    depth = max((len(producers) for row in inputs for producers, _ in row), default=0)
    producers = np.full((tasks, max(width, 1), max(depth, 1)), tasks)
    sizes = np.zeros((tasks, max(width, 1)))
    depends = np.zeros((tasks, tasks), np.int64)
    for task, row in enumerate(inputs):
        depends[judge.before[task], task] = 1
        for at, (found, size) in enumerate(row):
            producers[task, at, : len(found)] = found
            sizes[task, at] = size
    kind = np.array(problem.kind)
    return _Tables(
        producers=producers,
        bytes=sizes,
        memory=np.array(problem.memory)[kind].T,
        compute=np.array(problem.compute)[kind].T,
        fixed=np.array(problem.task_seconds)[kind],
        near=np.array(problem.near)[kind],
        tail=np.array(judge.tail),
        weight=np.array(problem.weight),
        depends=depends,
    )


def _start(tables: _Tables, cores: int) -> _Beginnings:
    tasks = len(tables.tail)
    return _Beginnings(
        core=np.full((1, tasks + 1), -1),
        finish=np.full((1, tasks + 1), -np.inf),
        free=np.zeros((1, cores)),
        left=tables.depends.sum(axis=0)[None, :],
        latest=np.zeros(1),
        promise=np.zeros(1),
        rest=np.array([tables.weight.sum()]),
    )


def _grow(problem: Problem, tables: _Tables, state: _Beginnings) -> tuple[_Beginnings, IntColumn, IntColumn]:
    """The most promising beginnings with one more task, of which each is made, and that task."""
    row, task = np.nonzero((state.left == 0) & (state.core[:, :-1] < 0))
    begin, end = _times(problem, tables, state, row, task)
    able = np.isfinite(end)
    later = able & (begin >= state.latest[row][:, None])
    # Where kinds differ, what is left may only fit before what has been placed last.
    pair, core = np.nonzero(later if later.any() else able)
    row, task, begin, end = row[pair], task[pair], begin[pair, core], end[pair, core]
    free = state.free[row]
    free[np.arange(len(row)), core] = end
    promise = np.maximum(state.promise[row], end + tables.tail[task])
    rest = state.rest[row] - tables.weight[task]
    load = (np.maximum(free, begin[:, None]).sum(axis=1) + rest) / problem.cores
    has = (state.core[row, :-1] >= 0) @ (1 << np.arange(len(tables.tail))) | 1 << task
    kept = _best(np.maximum(promise, load) + load, has, free)
    row, task = row[kept], task[kept]
    grown = _Beginnings(
        core=state.core[row],
        finish=state.finish[row],
        free=free[kept],
        left=state.left[row] - tables.depends[task],
        latest=begin[kept],
        promise=promise[kept],
        rest=rest[kept],
    )
    each = np.arange(len(kept))
    grown.core[each, task] = core[kept]
    grown.finish[each, task] = end[kept]
    return grown, row, task


def _times(
    problem: Problem, tables: _Tables, state: _Beginnings, row: IntColumn, task: IntColumn
) -> tuple[FloatColumn, FloatColumn]:
    """[pairs, cores]: start and finish of each task on each core, after its beginning."""
    producers = tables.producers[task]
    where = state.core[row[:, None, None], producers]
    done = state.finish[row[:, None, None], producers]
    elsewhere = where[..., None] != np.arange(problem.cores)
    known = (done[..., None] + problem.latency * elsewhere).max(axis=(1, 2))
    begin = np.maximum(state.free[row], known)
    handed = (elsewhere & (producers < len(tables.tail))[..., None]).any(axis=2)
    per_byte = np.where(handed, problem.away, tables.near)
    moving = tables.memory[task] + (tables.bytes[task][..., None] * per_byte).sum(axis=1)
    return begin, begin + np.maximum(moving, tables.compute[task]) + tables.fixed


def _best(score: FloatColumn, has: IntColumn, free: FloatColumn) -> IntColumn:
    """The lowest scores, of beginnings with the same tasks and times only one."""
    found: dict[tuple[int, bytes], int] = {}
    times = np.round(free, 12)
    for at in np.argsort(score, kind="stable").tolist():
        found.setdefault((int(has[at]), times[at].tobytes()), at)
        if len(found) == WIDTH:
            break
    return np.array(list(found.values()), np.int64)
