"""Task graphs made by hand for the tests of the schedule stage, and brute-force oracles over schedules."""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from mpmd.errors import Span
from mpmd.lang.program import Call, Channel, Program, Tensor
from mpmd.lang.tile import TaskDef
from mpmd.lang.types import Direction, u8
from mpmd.machine import Machine, WorkClass
from mpmd.partition.graph import (
    DepKind,
    Deps,
    Element,
    Function,
    Linear,
    LoopInfo,
    Phase,
    Site,
    TaskGraph,
    column,
)
from mpmd.schedule.steps import Schedule, StepOp
from tests.machines import toy

SPAN = Span("kernel.py", 7)

MACHINE = toy(
    cores=3,
    flops=1e9,
    bandwidth=8e9,
    core_bandwidth=4e9,
    cache_bytes=1 << 16,
    cache_bandwidth=2e10,
    handover_bandwidth=2e9,
    memory_bytes=1 << 30,
    task_seconds=1e-7,
    vector_bytes=32,
)

Region = tuple[str, int, int]
Spec = tuple[str, list[Region], list[Region]]
"""One task: the name of its call site, what it reads and what it writes (tensor, lo, hi in bytes)."""


def machine(cores: int, **changes: object) -> Machine:
    return toy(cores, **changes)


def work_of(flops: np.ndarray) -> np.ndarray:
    """The columns of `TaskGraph.work` for tasks that do vector work alone."""
    work = np.zeros((len(flops), len(WorkClass)))
    work[:, WorkClass.VECTOR] = flops
    return work


def loop(count: int = 3, *, until: Element | None = None, name: str = "i") -> LoopInfo:
    return LoopInfo(name, Linear(count), until, SPAN)


def phases(*parts: tuple[int, LoopInfo | None]) -> tuple[Phase, ...]:
    """Phases of so many tasks, one after the other."""
    ends = list(accumulate(count for count, _ in parts))
    return tuple(Phase(end - n, end, info) for end, (n, info) in zip(ends, parts, strict=True))


def graph(
    tasks: list[Spec],
    locals_: dict[str, int],
    *,
    flops: float | list[float] = 1000.0,
    phases: tuple[Phase, ...] | None = None,
    calls: dict[str, Call] | None = None,
    channels: tuple[Channel, ...] = (),
    gang: dict[int, int] | None = None,
    drain: dict[int, int] | None = None,
    pin: dict[int, int] | None = None,
    near: dict[int, str] | None = None,
    tokens: tuple[tuple[int, int, int], ...] = (),
) -> TaskGraph:
    """The graph of tasks in program order. Tensors that are not in `locals_` (name: bytes) are arguments.

    The columns are given for those tasks that have something in them.
    """
    phases = (Phase(0, len(tasks)),) if phases is None else phases
    names = dict.fromkeys(r[0] for _, reads, writes in tasks for r in [*reads, *writes])
    arguments = [n for n in names if n not in locals_]
    ids = {n: i for i, n in enumerate([*arguments, *locals_])}
    tensors = tuple(
        Tensor(i, n, u8, (locals_.get(n, 4096),), (1,), direction, None, SPAN)
        for n, i in ids.items()
        for direction in [None if n in locals_ else Direction.INOUT]
    )
    sites = list(dict.fromkeys(name for name, _, _ in tasks))
    defs = [TaskDef(name, (), (), SPAN) for name in sites]
    functions = tuple(Function(f"f_{d.name}", d, (), frozenset(), (), ()) for d in defs)
    site = [sites.index(name) for name, _, _ in tasks]
    accesses = [
        [(ids[t], 1, lo, hi) for t, lo, hi in reads] + [(ids[t], 2, lo, hi) for t, lo, hi in writes]
        for _, reads, writes in tasks
    ]
    flat = np.array([a for row in accesses for a in row], np.int64).reshape(-1, 4)
    return TaskGraph(
        program=Program("k", tensors, (), tuple(arguments), (), SPAN, channels),
        functions=functions,
        sites=tuple(
            Site((calls or {}).get(d.name, Call(d, (), (), SPAN)), i, ()) for i, d in enumerate(defs)
        ),
        derived=(),
        guards=(),
        tiles=(),
        site=column(site, np.int32),
        number=column([site[:i].count(s) for i, s in enumerate(site)], np.int32),
        word_ptr=column(np.zeros(len(tasks) + 1)),
        words=column(np.zeros(0)),
        work=column(work_of(np.broadcast_to(flops, len(tasks))), np.float64),
        bytes=column([sum(a[3] - a[2] for a in row) for row in accesses], np.float64),
        access_ptr=column(np.cumsum([0, *map(len, accesses)])),
        access_tensor=column(flat[:, 0], np.int32),
        access_mode=column(flat[:, 1], np.uint8),
        access_lo=column(flat[:, 2]),
        access_hi=column(flat[:, 3]),
        deps=_deps(accesses, phases),
        phases=phases,
        gang=_sparse(len(tasks), gang),
        drain=_sparse(len(tasks), drain),
        pin=_sparse(len(tasks), pin),
        near=_sparse(len(tasks), {t: ids[n] for t, n in (near or {}).items()}),
        tokens=tokens,
    )


def _sparse(tasks: int, values: dict[int, int] | None) -> np.ndarray:
    found = np.full(tasks, -1)
    for task, value in (values or {}).items():
        found[task] = value
    return column(found, np.int32)


def _deps(accesses: list[list[tuple[int, int, int, int]]], phases: tuple[Phase, ...]) -> Deps:
    """For each access of a task, one dependence per kind on all tasks of its phase that conflict with it:
    those before it, and in a loop all those of the iteration before."""
    near: dict[Row, set[int]] = {}
    far: dict[Row, set[int]] = {}
    for phase in phases:
        for task in range(phase.first, phase.end):
            _conflicting(accesses, task, range(phase.first, task), near)
            if phase.loop is not None:
                _conflicting(accesses, task, range(phase.first, phase.end), far)
    return deps(near, far)


def _conflicting(
    accesses: list[list[tuple[int, int, int, int]]], task: int, others: range, rows: dict[Row, set[int]]
) -> None:
    for tensor, mode, lo, hi in accesses[task]:
        found: dict[int, set[int]] = {}
        for earlier in others:
            for other, how, a, b in accesses[earlier]:
                if other == tensor and a < hi and lo < b and (mode | how) & 2:
                    kind = DepKind.RAW if mode == 1 else DepKind.WAW if how == 2 else DepKind.WAR
                    found.setdefault(kind, set()).add(earlier)
        for kind, producers in sorted(found.items()):
            rows.setdefault((kind, tensor, tuple(sorted(producers))), set()).add(task)


Row = tuple[int, int, tuple[int, ...]]
"""Kind, tensor and producers of a dependence."""


def deps(near: dict[Row, set[int]], far: dict[Row, set[int]] | None = None) -> Deps:
    """Dependences of distance 0, and of distance 1."""
    rows = [*near, *(far or {})]
    producers = [p for _, _, p in rows]
    consumers = [sorted(c) for c in [*near.values(), *(far or {}).values()]]
    return Deps(
        kind=column([k for k, _, _ in rows], np.uint8),
        distance=column([0] * len(near) + [1] * len(far or {}), np.uint8),
        tensor=column([t for _, t, _ in rows], np.int32),
        producer_ptr=column(np.cumsum([0, *map(len, producers)])),
        producers=column([t for p in producers for t in p], np.int32),
        consumer_ptr=column(np.cumsum([0, *map(len, consumers)])),
        consumers=column([t for c in consumers for t in c], np.int32),
    )


# -- oracles --------------------------------------------------------------------------------

Steps = list[list[tuple[StepOp, int, int]]]


def steps_of(schedule: Schedule) -> Steps:
    return [[(s.op, s.a, s.b) for s in schedule.steps(c)] for c in range(schedule.cores)]


def happens_before(steps: Steps) -> np.ndarray | None:
    """`before[u, v]` over tasks, for counters waited for in full and for barriers; None for a deadlock."""
    nodes = [(c, i) for c, row in enumerate(steps) for i in range(len(row))]
    index = {node: k for k, node in enumerate(nodes)}
    edges: list[list[int]] = [[] for _ in nodes]  # predecessors
    for c, i in nodes:
        op, a, b = steps[c][i]
        if i:
            edges[index[c, i]].append(index[c, i - 1])
        if op == StepOp.WAIT:
            signals = [n for n in nodes if steps[n[0]][n[1]][:2] == (StepOp.SIGNAL, a)]
            if sum(steps[x][y][2] for x, y in signals) != b:
                raise AssertionError("a wait must be for all signals of its event")
            edges[index[c, i]] += [index[n] for n in signals]
        if op == StepOp.BARRIER:
            same = [n for n in nodes if steps[n[0]][n[1]][:2] == (StepOp.BARRIER, a)]
            edges[index[c, i]] += [index[x, y - 1] for x, y in same if y]
    tasks = 1 + max((a for row in steps for op, a, _ in row if op == StepOp.RUN), default=-1)
    seen: dict[int, set[int]] = {}
    pending = list(range(len(nodes)))
    while pending:
        runnable = [k for k in pending if all(e in seen for e in edges[k])]
        if not runnable:
            return None
        for k in runnable:
            seen[k] = set().union(*(seen[e] | {e} for e in edges[k]))
        pending = [k for k in pending if k not in seen]
    before = np.zeros((tasks, tasks), np.bool_)
    for k, earlier in seen.items():
        op, v, _ = steps[nodes[k][0]][nodes[k][1]]
        if op == StepOp.RUN:
            for e in earlier:
                c, i = nodes[e]
                if steps[c][i][0] == StepOp.RUN:
                    before[steps[c][i][1], v] = True
    return before


def conflicts(schedule: Schedule) -> set[tuple[int, int]]:
    """All pairs of tasks that touch one byte, one of them writing: in the arena, or in an argument."""
    g, offset = schedule.graph, schedule.memory.offset
    rows = []
    for task in range(len(g)):
        for k in range(int(g.access_ptr[task]), int(g.access_ptr[task + 1])):
            tensor = int(g.access_tensor[k])
            shift = int(offset[tensor])
            where, shift = (tensor, 0) if shift < 0 else (-1, shift)
            rows.append((task, where, int(g.access_mode[k]), g.access_lo[k] + shift, g.access_hi[k] + shift))
    return {
        (a[0], b[0])
        for a in rows
        for b in rows
        if a[0] < b[0] and a[1] == b[1] and (a[2] | b[2]) & 2 and a[3] < b[4] and b[3] < a[4]
    }


def unordered(steps: Steps, pairs: set[tuple[int, int]]) -> list[tuple[int, int]]:
    before = happens_before(steps)
    assert before is not None, "deadlock"
    return [(u, v) for u, v in sorted(pairs) if not before[u, v] and not before[v, u]]


def mutants(steps: Steps) -> list[tuple[str, Steps]]:
    """Every removal of one wait (with its event, if it was the only one) and of one signal."""
    found = []
    events = sorted({a for row in steps for op, a, _ in row if op == StepOp.WAIT})
    for event in events:
        waits, signals = (
            [(c, i) for c, row in enumerate(steps) for i, s in enumerate(row) if s[:2] == (op, event)]
            for op in (StepOp.WAIT, StepOp.SIGNAL)
        )
        for wait in waits:
            gone = {wait} | (set(signals) if len(waits) == 1 else set())
            found.append((f"wait {event}", _without(steps, gone)))
        for signal in signals:
            fewer = _without(steps, {signal})
            lowered = [
                [(op, a, b - 1) if (op, a) == (StepOp.WAIT, event) else (op, a, b) for op, a, b in row]
                for row in fewer
            ]
            found.append((f"signal {event}", lowered))
    return found


def _without(steps: Steps, gone: set[tuple[int, int]]) -> Steps:
    return [[s for i, s in enumerate(row) if (c, i) not in gone] for c, row in enumerate(steps)]
