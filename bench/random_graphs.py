"""Random task graphs and machines of two kinds of cores, on which schedules are compared with optima.

In:  a seed. Out: `Case`s: a `TaskGraph`, a `Machine`. Not here: scheduling and comparing (`quality.py`).

Each task writes one local tensor whole; those that depend on it read it whole. How long tasks take differs by
the kind of core: one is fast at matrix products, the other one at vector work. `ccr` is the mean time to
hand over a task's inputs against the mean time to compute it. Pure chains and pure fan-outs, whose
optima are plain to see, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mpmd.errors import Span
from mpmd.lang.program import Call, Program, Tensor
from mpmd.lang.tile import TaskDef
from mpmd.lang.types import u8
from mpmd.machine import CoreKind, Machine, Primitive, WorkClass
from mpmd.partition.graph import DepKind, Deps, Function, Phase, Site, TaskGraph, column

SPAN = Span("random_graphs.py", 1)
RATIOS = (0.1, 1.0, 10.0)
HANDOVER = 1e9  # bytes per second
SECONDS = 1e-4  # of a task, about


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    ccr: float
    graph: TaskGraph
    machine: Machine


def cases(count: int, seed: int = 0) -> Iterator[Case]:
    """So many cases, the ratios of communication to computation in turn."""
    for number in range(count):
        generator = np.random.default_rng([seed, number])
        ccr = RATIOS[number % len(RATIOS)]
        machine = _machine(generator)
        tasks = int(generator.integers(12, 21))
        yield Case(f"random {number}", ccr, _graph(generator, tasks, ccr), machine)


def _machine(generator: np.random.Generator) -> Machine:
    """Two to four cores of two kinds."""
    cores = int(generator.integers(2, 5))
    first = int(generator.integers(1, cores))
    rates = ((1e9, 1e9, 1e9, 4e8, 4e8), (3e8, 3e8, 3e8, 1e9, 1e9))
    kinds = tuple(
        CoreKind(name, number, rate, 1e12, 1 << 30, 1e12, 1e-7)
        for name, number, rate in zip(("cube", "vector"), (first, cores - first), rates, strict=True)
    )
    counter = Primitive("counter", 1 << 20, 1 << 30, 5e-7, 5e-7)
    return Machine("two kinds", kinds, 1e12, HANDOVER, 1 << 40, 64, (counter,))


def _graph(generator: np.random.Generator, tasks: int, ccr: float) -> TaskGraph:
    producers = _producers(generator, tasks)
    work = np.zeros((tasks, len(WorkClass)))
    amount = generator.uniform(0.2, 1.8, tasks) * SECONDS * 1e9
    matrix = generator.uniform(0.0, 1.0, tasks)
    work[:, WorkClass.DOT32], work[:, WorkClass.VECTOR] = amount * matrix, amount * (1 - matrix)
    edges = sum(map(len, producers))
    size = np.maximum(1, generator.uniform(0.2, 1.8, tasks) * ccr * SECONDS * HANDOVER * tasks / edges)
    return _task_graph(producers, work, size.astype(np.int64))


def _producers(generator: np.random.Generator, tasks: int) -> list[list[int]]:
    """Of each task those that it depends on, earlier ones."""
    while True:
        width = int(generator.integers(2, 8))
        found: list[list[int]] = []
        for task in range(tasks):
            near = range(max(0, task - 2 * width), task)
            count = min(len(near), int(generator.choice([0, 1, 1, 2, 2, 3])))
            found.append(sorted(generator.choice(near, count, replace=False).tolist()) if count else [])
        if not (_chain(found) or _fan_out(found)):
            return found


def _chain(producers: list[list[int]]) -> bool:
    return all(found == [task - 1] for task, found in enumerate(producers) if task)


def _fan_out(producers: list[list[int]]) -> bool:
    """Whether nothing has more than one producer, and all have the same."""
    return len({tuple(found) for found in producers if found}) <= 1


def _task_graph(producers: list[list[int]], work: np.ndarray, size: np.ndarray) -> TaskGraph:
    """The graph in which task `t` writes tensor `t`, of `size[t]` bytes, and reads those of its producers."""
    tasks = len(producers)
    task = TaskDef("task", (), (), SPAN)
    tensors = tuple(Tensor(i, f"t{i}", u8, (int(n),), (1,), None, None, SPAN) for i, n in enumerate(size))
    touched = [[*found, t] for t, found in enumerate(producers)]
    tensor = np.array([i for row in touched for i in row])
    mode = np.array([2 if i == t else 1 for t, row in enumerate(touched) for i in row])
    none = column(np.full(tasks, -1), np.int32)
    return TaskGraph(
        program=Program("random", tensors, (), (), (), SPAN, ()),
        functions=(Function("f_task", task, (), frozenset(), (), ()),),
        sites=(Site(Call(task, (), (), SPAN), 0, ()),),
        derived=(),
        guards=(),
        tiles=(),
        site=column(np.zeros(tasks), np.int32),
        number=column(np.arange(tasks), np.int32),
        word_ptr=column(np.zeros(tasks + 1)),
        words=column(np.zeros(0)),
        work=column(work, np.float64),
        bytes=column([sum(size[i] for i in row) for row in touched], np.float64),
        access_ptr=column(np.cumsum([0, *map(len, touched)])),
        access_tensor=column(tensor, np.int32),
        access_mode=column(mode, np.uint8),
        access_lo=column(np.zeros(len(tensor))),
        access_hi=column(size[tensor]),
        deps=_deps(producers),
        phases=(Phase(0, tasks),),
        gang=none,
        drain=none,
        pin=none,
        near=none,
        tokens=(),
    )


def _deps(producers: list[list[int]]) -> Deps:
    """One dependence for each task that others read."""
    readers: dict[int, list[int]] = {}
    for task, found in enumerate(producers):
        for producer in found:
            readers.setdefault(producer, []).append(task)
    rows = sorted(readers.items())
    return Deps(
        kind=column(np.full(len(rows), DepKind.RAW), np.uint8),
        distance=column(np.zeros(len(rows)), np.uint8),
        tensor=column([producer for producer, _ in rows], np.int32),
        producer_ptr=column(np.arange(len(rows) + 1)),
        producers=column([producer for producer, _ in rows], np.int32),
        consumer_ptr=column(np.cumsum([0, *(len(found) for _, found in rows)])),
        consumers=column([task for _, found in rows for task in found], np.int32),
    )
