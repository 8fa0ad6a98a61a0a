"""The schedule stage: order, memory, sync, prune, and the steps of every core.

In:  a `TaskGraph`, a `Machine`, a policy. Out: a `Schedule`.
Not here: the decisions (one module each); the proof that they are right (`check.py`).
"""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np

from mpmd.errors import ArgumentError, CapacityError
from mpmd.machine import Machine
from mpmd.partition.graph import Deps, IntColumn, TaskGraph, column
from mpmd.schedule import memory, order
from mpmd.schedule.prune import prune
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.schedule.sync import Sync, barriers, insert

_BARRIER, _WAIT, _RUN, _SIGNAL = range(4)  # the order of steps around one task


def schedule(
    graph: TaskGraph, machine: Machine, *, policy: str = "heft", cores: int | None = None
) -> Schedule:
    """Who runs what, when, where it lies, and what keeps it in order."""
    allowed = dataclasses.replace(machine, cores=_cores(graph, machine, cores))
    placement = order.place(graph, allowed, policy)
    plan, reuse = memory.plan(graph, placement, machine)
    deps = Deps.concatenate(graph.deps, reuse)
    inserted = insert(deps, placement)
    if placement.wave.any():
        waves, reasons = barriers(deps, placement)
        sync = _NO_EVENTS
    else:
        waves = reasons = _NONE
        sync = prune(inserted, placement)
        _check_counters(graph, machine, sync)
    core_ptr, op, a, b, reason = _steps(placement, sync, waves, reasons)
    return Schedule(
        graph=graph,
        machine=machine,
        deps=deps,
        memory=plan,
        cores=placement.cores,
        core=placement.core,
        start=placement.start,
        finish=placement.finish,
        core_ptr=core_ptr,
        op=column(op, np.uint8),
        a=column(a, np.int32),
        b=column(b, np.int32),
        reason=column(reason, np.int32),
        events=len(sync),
        waits_before_pruning=len(inserted.waits),
        event_loop=column(np.full(len(sync), -1), np.int32),
        drains=(),
        rings=(),
    )


_NONE: IntColumn = column(np.zeros(0, np.int64))
_NO_EVENTS = Sync(column([0]), _NONE, _NONE, column([0]), _NONE, _NONE)


def _cores(graph: TaskGraph, machine: Machine, cores: int | None) -> int:
    if cores is None:
        return machine.cores
    if cores < 1:
        raise ArgumentError(f"cores must be at least 1, not {cores}", span=graph.program.span)
    if cores > machine.cores:
        raise CapacityError(
            f"{cores} cores asked for; {machine.name!r} has {machine.cores}",
            span=graph.program.span,
            hints=(f"use cores={machine.cores} or fewer",),
        )
    return cores


def _check_counters(graph: TaskGraph, machine: Machine, sync: Sync) -> None:
    counter = machine.counter
    largest = int(np.diff(sync.signal_ptr).max(initial=0))
    if len(sync) > counter.limit:
        problem = f"{len(sync)} events; {machine.name!r} has {counter.limit} counters"
    elif largest > counter.maximum:
        problem = f"an event of {largest} signals; counters of {machine.name!r} end at {counter.maximum}"
    else:
        return
    raise CapacityError(
        f"kernel {graph.program.name!r} needs {problem}",
        span=graph.program.span,
        hints=("use larger tiles", "use policy='wave', which needs no counters but barriers"),
    )


def _steps(
    placement: order.Placement, sync: Sync, waves: IntColumn, wave_reasons: IntColumn
) -> tuple[IntColumn, IntColumn, IntColumn, IntColumn, IntColumn]:
    """Core offsets, then the columns op, a, b, reason: around each task its waits and its signals."""
    tasks = np.arange(len(placement.core))
    events = np.arange(len(sync))
    signals = np.diff(sync.signal_ptr)
    barrier_core = np.repeat(np.arange(placement.cores), len(waves))
    barrier = np.tile(np.arange(len(waves)), placement.cores)
    none = np.full(len(tasks), -1, np.int64)
    ones = np.ones(len(sync.signals), np.int64)
    parts = [  # phase, op, core, position of the task it stands at, a, b, reason
        (_BARRIER, StepOp.BARRIER, barrier_core, _barrier_positions(placement, waves), barrier, barrier * 0,
         wave_reasons[barrier]),
        (_WAIT, StepOp.WAIT, *_at(placement, sync.waits), np.repeat(events, np.diff(sync.wait_ptr)),
         np.repeat(signals, np.diff(sync.wait_ptr)), sync.wait_reason),
        (_RUN, StepOp.RUN, *_at(placement, tasks), tasks, none + 1, none),
        (_SIGNAL, StepOp.SIGNAL, *_at(placement, sync.signals), np.repeat(events, signals), ones,
         sync.signal_reason),
    ]  # fmt: skip
    phase, op = (np.concatenate([np.full(len(p[2]), p[k], np.int64) for p in parts]) for k in (0, 1))
    core, position, a, b, reason = (np.concatenate([p[k] for p in parts]) for k in range(2, 7))
    in_order = np.lexsort((a, phase, position, core))
    core_ptr = np.concatenate([[0], np.cumsum(np.bincount(core, minlength=placement.cores))])
    return column(core_ptr), op[in_order], a[in_order], b[in_order], reason[in_order]


def _at(placement: order.Placement, tasks: IntColumn) -> tuple[IntColumn, IntColumn]:
    return placement.core[tasks].astype(np.int64), placement.position[tasks]


def _barrier_positions(placement: order.Placement, waves: IntColumn) -> IntColumn:
    """Per core, for each barrier, the position of the first task that comes after it."""
    by_core = placement.order[np.argsort(placement.core[placement.order], kind="stable")]
    wave = placement.wave[by_core]
    parts = [wave[a:b] for a, b in pairwise(placement.core_ptr.tolist())]
    return np.concatenate([np.searchsorted(part, waves, side="left") for part in parts])
