"""A launch of a schedule, event by event, on a machine of which only the numbers are known.

In:  a `Schedule`, its `Machine` or another one. Out: a `Trace` of the same type as a measured one.
Not here: the events (`simulation/launch.py`), what tasks need (`simulation/needs.py`, by `costs.py`); the
times that placement predicted, of which nothing is used; values (`interleave.py`).

The cores go through their steps as on a machine. What is modelled:

- A task starts in its kind's `task_seconds`, then computes and moves bytes at the same time. Bytes from
  memory share its bandwidth with the streams that run at the moment, and bytes from the cache that all
  cores share do that with its; bytes in a core's cache take their time at its rate, near or handed over
  (`costs.py`). A task that is passed over only starts.
- A signal takes its core `signal_seconds`; whoever waits goes on `wait_seconds` after the last signal that
  it wants, of the event's primitive. From a barrier all go on `barrier_seconds` after the last one has
  come (a signal and a wait where those are not known). Tokens of channels are seen like signals, and so
  are their slots when they are free again.
- A ticket takes `ticket_seconds`; so does the last one, which is for nothing. What a core prefetches
  streams while it does something else, and its next streams come behind it.
- The cores begin `launch_seconds` after the launch, and so much after a barrier that ends one
  (`unfused.py`).
- A loop is played iteration by iteration, up to a number. Those that are `unseen` take each core as long
  as one in the later half of those that it played.

With a seed cores are slower at times: each core, in all that it does of one call site, by a share that is
drawn evenly, such that the slowest of all is expected to lose the machine's `jitter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from mpmd.errors import CapacityError, PlacementError
from mpmd.machine import Machine
from mpmd.partition.graph import IntColumn
from mpmd.schedule.simulation.launch import Launch
from mpmd.schedule.simulation.needs import Needs, needs
from mpmd.schedule.simulation.passed import Passed
from mpmd.schedule.spans import named
from mpmd.schedule.steps import Schedule
from mpmd.timeline import Trace

ITERATIONS = 16
"""How many iterations of a loop are played."""


def simulate(
    schedule: Schedule,
    machine: Machine | None = None,
    *,
    scalars: Mapping[str, int] = MappingProxyType({}),
    seed: int | None = None,
    iterations: int = ITERATIONS,
) -> Trace:
    """The launch as it would go. `scalars` are runtime scalars and dims of the launch, as far as known."""
    machine = schedule.machine if machine is None else machine
    _require_cores(schedule, machine)
    needed = needs(schedule.graph, machine)
    _require_kinds(schedule, machine, needed)
    launch = Launch(
        schedule,
        machine,
        needed,
        Passed(schedule.graph, scalars),
        None if seed is None else slowness(schedule, machine, seed),
        max(2, iterations),
    )
    makespan = launch.run()
    return named(
        schedule,
        launch.spans(),
        source="simulated",
        machine=machine.name,
        makespan=makespan,
        uncertainty=0.0,
        unseen=launch.unseen,
    )


def slowness(schedule: Schedule, machine: Machine, seed: int) -> list[list[float]]:
    """[core][call site]: how many times as long as predicted its tasks take there.

    Of n even draws from 0 to m the largest is expected to be m·n / (n + 1).
    """
    shape = schedule.cores, len(schedule.graph.sites)
    most = machine.jitter * (schedule.cores + 1) / schedule.cores
    drawn: list[list[float]] = (1.0 + np.random.default_rng(seed).uniform(0.0, most, shape)).tolist()
    return drawn


def cores_of_tasks(schedule: Schedule) -> IntColumn:
    """The core of each task; of a drained one the first that takes part."""
    core = schedule.core.astype(np.int64)
    for drain in schedule.drains:
        core[list(drain.tasks)] = drain.cores[0]
    return core


def _require_cores(schedule: Schedule, machine: Machine) -> None:
    if schedule.cores > machine.cores:
        graph = schedule.graph
        raise CapacityError(
            f"the schedule of kernel {graph.program.name!r} takes {schedule.cores} cores; "
            f"{machine.name!r} has {machine.cores}",
            span=graph.program.span,
            hints=(f"schedule it for {machine.cores} cores",),
        )


def _require_kinds(schedule: Schedule, machine: Machine, needed: Needs) -> None:
    """Every task is where it can run."""
    graph = schedule.graph
    kind = np.array([machine.kind_of(core) for core in range(schedule.cores)], np.int64)
    task, core = np.arange(len(graph)), cores_of_tasks(schedule)
    wrong = np.flatnonzero(np.isinf(np.array(needed.compute)[kind[core], task]))
    for bad in wrong[:1].tolist():
        name = machine.kinds[int(kind[core[bad]])].name
        raise PlacementError(
            f"{graph.task_name(bad)!r} is on core {core[bad]}, of kind {name!r}, which cannot run it",
            span=graph.sites[graph.site[bad]].call.span,
            label="called here",
            hints=(f"schedule the kernel for {machine.name!r}",),
        )
