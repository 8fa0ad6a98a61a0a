"""The schedule stage: order, memory, sync, prune, and the steps of every core, phase by phase.

In:  a `TaskGraph`, a `Machine`, a policy. Out: a `Schedule`.
Not here: the decisions (one module each); the proof that they are right (`check.py`).
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable

import numpy as np

from mpmd.errors import ArgumentError, CapacityError
from mpmd.machine import Machine
from mpmd.partition.graph import Deps, TaskGraph, column
from mpmd.schedule import memory
from mpmd.schedule.assemble import assemble
from mpmd.schedule.bounds import Bounds
from mpmd.schedule.keep import Kept, keep
from mpmd.schedule.pins import require_places
from mpmd.schedule.prefetch import prefetches
from mpmd.schedule.primitives import Primitives, choose
from mpmd.schedule.rings import rings
from mpmd.schedule.steps import Drain, Schedule
from mpmd.schedule.stretches import Stretch, cores_of, stretches, times_of
from mpmd.uncollected import uncollected

DRAINS = ("auto", "never")

Keeping = Callable[[TaskGraph, Deps, Stretch, Machine], Kept]


@uncollected
def schedule(
    graph: TaskGraph,
    machine: Machine,
    *,
    policy: str = "heft",
    cores: int | None = None,
    drain: str = "auto",
    effort: float = 1.0,
    planning: memory.Planning = memory.plan,
    keeping: Keeping = keep,
) -> Schedule:
    """Who runs what, when, where it lies, and what keeps it in order.

    `effort` is how long the order is improved: 0 for not at all, 1 for what every compilation can spare.
    With `drain="auto"` cores take tasks by ticket also where nobody asked for it but it is predicted to pay.
    `planning` and `keeping` are there to compare with: what others cost tells what these are worth.
    """
    allowed = machine.with_cores(_cores(graph, machine, cores))
    require_places(graph, allowed)
    placed = stretches(graph, allowed, policy, drain_by_cost=_by_cost(graph, drain), effort=effort)
    taking_part = max((s.placement.cores for s in placed), default=1)
    channels, room = rings(graph, placed)
    plan, reuse = planning(graph, placed, machine, taking_part, room)
    deps = Deps.concatenate(graph.deps, reuse)
    kept = [keeping(graph, deps, stretch, machine) for stretch in placed]
    chosen = choose(placed, kept, machine)
    _check_counters(graph, machine, kept, chosen)
    asked = [prefetches(graph, stretch, sync, machine) for stretch, sync in zip(placed, kept, strict=True)]
    steps = assemble(placed, kept, asked, taking_part)
    start, finish = times_of(placed)
    return Schedule(
        graph=graph,
        machine=machine,
        deps=deps,
        memory=plan,
        cores=taking_part,
        core=cores_of(placed),
        start=start,
        finish=finish,
        core_ptr=column(steps.core_ptr),
        op=column(steps.op, np.uint8),
        a=column(steps.a, np.int32),
        b=column(steps.b, np.int32),
        reason=column(steps.reason, np.int32),
        events=len(steps.event_loop),
        waits_before_pruning=sum(k.waits_before_pruning for k in kept),
        event_loop=column(steps.event_loop, np.int32),
        drains=tuple(drain for stretch in placed for drain in _drains(stretch)),
        rings=tuple(dataclasses.replace(r, offset=plan.arena_bytes - room + r.offset) for r in channels),
        primitive=chosen.primitive,
        flag=chosen.flag,
        bounds=sum((stretch.bounds for stretch in placed), Bounds()),
    )


def _drains(stretch: Stretch) -> list[Drain]:
    core, first = stretch.placement.core.tolist(), stretch.phase.first
    return [
        Drain(tuple(first + task for task in drained.tasks), tuple(core[part] for part in drained.parts))
        for drained in stretch.placement.drains
    ]


def _by_cost(graph: TaskGraph, drain: str) -> bool:
    if drain not in DRAINS:
        near = difflib.get_close_matches(drain, DRAINS, n=1)
        raise ArgumentError(
            f"no way to drain {drain!r}",
            span=graph.program.span,
            label=f"drain={drain!r}",
            hints=(f"did you mean {near[0]!r}?",) if near else ("drain is 'auto' or 'never'",),
        )
    return drain == "auto"


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


def _check_counters(graph: TaskGraph, machine: Machine, kept: list[Kept], chosen: Primitives) -> None:
    """Raise unless the primitive that every event can use suffices for those that have no other one."""
    counter, left = machine.counter, chosen.primitive == 0
    signals = np.concatenate([np.zeros(0, np.int64), *(np.diff(k.sync.signal_ptr) for k in kept)])
    events, largest = int(left.sum()), int(signals[left].max(initial=0))
    if events > counter.limit:
        problem = f"{events} events; {machine.name!r} has {counter.limit} {counter.name}s"
    elif largest > counter.maximum:
        problem = (
            f"an event of {largest} signals; {counter.name}s of {machine.name!r} end at {counter.maximum}"
        )
    else:
        return
    raise CapacityError(
        f"kernel {graph.program.name!r} needs {problem}",
        span=graph.program.span,
        hints=("use larger tiles", "use policy='wave', which needs no counters but barriers"),
    )
