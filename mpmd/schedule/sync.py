"""The signals and waits (or barriers) that keep dependences between cores.

In:  dependences of one phase (the graph's and those of memory reuse), a `Placement`.
Out: `Sync`: counter events, each with the tasks that signal it and those that wait for it.
Not here: loops whose iterations overlap (`periodic.py`); removing what is redundant (`prune.py`);
packing steps (`assemble.py`).

A dependence between two cores is kept by its last producer on the one and its first consumer on the
other; program order does the rest. Every signal adds one, and every wait is for all signals of its
event: a smaller count would not say which of them had come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpmd.partition.graph import Deps, IntColumn, column
from mpmd.schedule.order import Placement


@dataclass(frozen=True, eq=False)
class Sync:
    """Events in CSR form. Event `e` is signalled just after each of the tasks
    `signals[signal_ptr[e]:signal_ptr[e+1]]` and waited for just before each of `waits[…]`.

    No two signals, and no two waits, of an event are on one core. The reasons are dependences that the
    signalling task produces for, and that the waiting task consumes.
    """

    signal_ptr: IntColumn
    signals: IntColumn
    signal_reason: IntColumn
    wait_ptr: IntColumn
    waits: IntColumn
    wait_reason: IntColumn

    def __len__(self) -> int:
        return len(self.signal_ptr) - 1


def of_units(deps: Deps, placement: Placement) -> Deps:
    """The same dependences between units: any part of a drain may run any of its tasks."""
    if not placement.drains:
        return deps
    producer_ptr, producers = _units(deps.producer_ptr, deps.producers, placement)
    consumer_ptr, consumers = _units(deps.consumer_ptr, deps.consumers, placement)
    return Deps(deps.kind, deps.distance, deps.tensor, producer_ptr, producers, consumer_ptr, consumers)


def _units(
    ptr: IntColumn, tasks: npt.NDArray[np.int32], placement: Placement
) -> tuple[IntColumn, npt.NDArray[np.int32]]:
    """A CSR pair with the parts of a drain, each once, in the place of its tasks."""
    dep = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    units, drains = len(placement.core), len(placement.drains)
    drain = placement.drain_of[tasks]
    served, drain_served = np.divmod(np.unique((dep * drains + drain)[drain >= 0]), drains)
    parts = [placement.drains[d].parts for d in drain_served.tolist()]
    of_parts = np.repeat(served, [len(p) for p in parts]) * units + [u for p in parts for u in p]
    keys = np.unique(np.concatenate([(dep * units + tasks)[drain < 0], of_parts]).astype(np.int64))
    dep, unit = np.divmod(keys, units)
    return column(np.searchsorted(dep, np.arange(len(ptr)))), column(unit, np.int32)


def insert(deps: Deps, placement: Placement) -> Sync:
    """One event per dependence between cores, with nothing removed."""
    source_dep, source = _one_per_core(deps.producer_ptr, deps.producers, placement, last=True)
    sink_dep, sink = _one_per_core(deps.consumer_ptr, deps.consumers, placement, last=False)
    waits = _has_other_core(sink_dep, sink, source_dep, source, len(deps), placement)
    sink_dep, sink = sink_dep[waits], sink[waits]
    signals = _has_other_core(source_dep, source, sink_dep, sink, len(deps), placement)
    source_dep, source = source_dep[signals], source[signals]
    used = np.unique(sink_dep)
    return Sync(
        signal_ptr=column(np.searchsorted(source_dep, [*used, len(deps)])),
        signals=column(source),
        signal_reason=column(source_dep),
        wait_ptr=column(np.searchsorted(sink_dep, [*used, len(deps)])),
        waits=column(sink),
        wait_reason=column(sink_dep),
    )


def _one_per_core(
    ptr: IntColumn, members: npt.NDArray[np.int32], placement: Placement, *, last: bool
) -> tuple[IntColumn, IntColumn]:
    """The last (or first) member of each dependence on each core, by dependence, then by core."""
    dep = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    core, position = placement.core[members], placement.position[members]
    by_core = np.lexsort((-position if last else position, core, dep))
    dep, core, chosen = dep[by_core], core[by_core], members[by_core]
    new = np.ones(len(dep), np.bool_)
    new[1:] = (dep[1:] != dep[:-1]) | (core[1:] != core[:-1])
    return dep[new], chosen[new].astype(np.int64)


def _has_other_core(
    dep: IntColumn, task: IntColumn, other_dep: IntColumn, other: IntColumn, deps: int, placement: Placement
) -> npt.NDArray[np.bool_]:
    """For each (dep, task): whether the dependence has an `other` task on a different core."""
    count = np.bincount(other_dep, minlength=deps)[dep]
    key = dep * placement.cores + placement.core[task]
    other_key = other_dep * placement.cores + placement.core[other]
    return count > np.isin(key, other_key)


def barriers(deps: Deps, placement: Placement) -> tuple[IntColumn, IntColumn]:
    """The fewest barriers that keep all dependences between cores: each one's wave, and its reason.

    A barrier of wave `w` stands before the first task of wave `w` or later on every core.
    """
    producer_ptr, consumer_ptr = deps.producer_ptr, deps.consumer_ptr
    needed: list[tuple[int, int, int]] = []  # before which wave, after which, and why
    for dep in range(len(deps)):
        producers = deps.producers[producer_ptr[dep] : producer_ptr[dep + 1]]
        consumers = deps.consumers[consumer_ptr[dep] : consumer_ptr[dep + 1]]
        for core, wave in _first_waves(consumers, placement):
            elsewhere = producers[placement.core[producers] != core]
            if len(elsewhere):
                needed.append((wave, int(placement.wave[elsewhere].max()), dep))
    waves: list[int] = []
    reasons: list[int] = []
    for before, after, dep in sorted(needed):
        if not waves or waves[-1] <= after:
            waves.append(before)
            reasons.append(dep)
    return column(np.array(waves, np.int64)), column(np.array(reasons, np.int64))


def _first_waves(tasks: npt.NDArray[np.int32], placement: Placement) -> list[tuple[int, int]]:
    """Per core among `tasks`, the earliest wave."""
    first: dict[int, int] = {}
    for core, wave in zip(placement.core[tasks].tolist(), placement.wave[tasks].tolist(), strict=True):
        first[core] = min(first.get(core, wave), wave)
    return sorted(first.items())
