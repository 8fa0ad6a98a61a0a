"""The steps of every core, from what was placed and what keeps it in order.

In:  `Stretch`es, what is `Kept` of each, what is asked for early. Out: `Steps`, the columns of a `Schedule`.
Not here: any decision.

Around a unit stand its prefetch, the barriers before it, its waits, the unit itself, its signals. A phase
begins with the barrier that parts it from the one before it, then LOOP; it ends with the barrier that
closes an iteration, then END. One core meets nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Union

import numpy as np

from mpmd.partition.graph import IntColumn
from mpmd.schedule.keep import Kept
from mpmd.schedule.order import Placement
from mpmd.schedule.prefetch import Prefetches
from mpmd.schedule.steps import StepOp
from mpmd.schedule.stretches import Stretch

_PREFETCH, _BARRIER, _LOOP, _WAIT, _RUN, _SIGNAL, _END = range(7)  # the order of steps at one position
_BEFORE, _AFTER = -1, int(np.iinfo(np.int64).max)  # positions of what frames a phase

_Group = tuple[Union[IntColumn, int], ...]
"""Steps of one kind: kind, op, core, position, a, b, reason."""


@dataclass(frozen=True, eq=False)
class Steps:
    """Per core its steps `core_ptr[c]:core_ptr[c+1]`, and per event the loop it is in."""

    core_ptr: IntColumn
    op: IntColumn
    a: IntColumn
    b: IntColumn
    reason: IntColumn
    event_loop: IntColumn


@dataclass(frozen=True, slots=True)
class _First:
    """The first numbers that a phase gives to its loop, events, drains, and barriers of straight code."""

    loop: int = 0
    event: int = 0
    drain: int = 0
    barrier: int = 0


def assemble(
    stretches: Sequence[Stretch], kept: Sequence[Kept], asked: Sequence[Prefetches], cores: int
) -> Steps:
    """All steps, phase by phase."""
    first = _First()
    parts: list[tuple[IntColumn, ...]] = []
    loops: list[IntColumn] = [np.zeros(0, np.int64)]
    for stretch, sync, early in zip(stretches, kept, asked, strict=True):
        parted = bool(parts) and cores > 1
        parts.append(_phase(stretch, sync, early, cores, first, parted))
        loop = stretch.phase.loop
        loops.append(np.full(len(sync.sync), -1 if loop is None else first.loop))
        first = _First(
            loop=first.loop + (loop is not None),
            event=first.event + len(sync.sync),
            drain=first.drain + len(stretch.placement.drains),
            barrier=first.barrier + parted + (len(sync.places) if loop is None else 0),
        )
    core, op, a, b, reason = _joined(parts)
    core_ptr = np.concatenate([[0], np.cumsum(np.bincount(core, minlength=cores))])
    return Steps(core_ptr, op, a, b, reason, np.concatenate(loops))


def _joined(parts: list[tuple[IntColumn, ...]]) -> list[IntColumn]:
    """The phases' columns one after the other, on every core."""
    if len(parts) == 1:
        return list(parts[0])
    columns = [np.concatenate([np.zeros(0, np.int64), *(p[k] for p in parts)]) for k in range(5)]
    by_core = np.argsort(columns[0], kind="stable")
    return [values[by_core] for values in columns]


def _phase(
    stretch: Stretch, kept: Kept, asked: Prefetches, cores: int, first: _First, parted: bool
) -> tuple[IntColumn, ...]:
    """Columns core, op, a, b, reason of a phase, by core, then in order."""
    looped = stretch.phase.loop is not None
    everyone = np.arange(cores)
    ordinals = (0 if looped else first.barrier + parted) + np.arange(len(kept.places))
    groups = [*_units(stretch, first.drain), *_sync(stretch.placement, kept, first.event)]
    if len(asked.tasks):
        groups.append(_prefetches(stretch, asked))
    if len(kept.places) and cores > 1:
        groups.append(_meetings(stretch.placement, kept, ordinals, cores))
    if parted:
        groups.append((_BARRIER, StepOp.BARRIER, everyone, _BEFORE, first.barrier, 0, -1))
    if kept.closing and cores > 1:
        groups.append((_BARRIER, StepOp.BARRIER, everyone, _AFTER, len(ordinals), 0, -1))
    if looped:
        groups.append((_LOOP, StepOp.LOOP, everyone, _BEFORE, first.loop, 0, -1))
        groups.append((_END, StepOp.END, everyone, _AFTER, first.loop, 0, -1))
    kind, op, core, position, a, b, reason = _columns(groups)
    in_order = np.lexsort((a, kind, position, core))
    kind, op, core, a, b, reason = (values[in_order] for values in (kind, op, core, a, b, reason))
    if looped:
        loop, end = (np.flatnonzero(kind == k) for k in (_LOOP, _END))  # by core
        b[end] = end - loop - 1
    return core, op, a, b, reason


def _columns(groups: list[_Group]) -> list[IntColumn]:
    sizes = [np.size(group[2]) for group in groups]
    return [
        np.concatenate([np.broadcast_to(g[k], size) for g, size in zip(groups, sizes, strict=True)])
        for k in range(7)
    ]


def _units(stretch: Stretch, first_drain: int) -> list[_Group]:
    """A RUN of every task that has a core, a DRAIN of every part."""
    placement = stretch.placement
    tasks = np.flatnonzero(placement.core[: len(stretch.graph)] >= 0)
    run = (_RUN, StepOp.RUN, *_at(placement, tasks), stretch.phase.first + tasks, 0, -1)
    drains = [
        (_RUN, StepOp.DRAIN, *_at(placement, np.array(drained.parts)), first_drain + i, 0, -1)
        for i, drained in enumerate(placement.drains)
    ]
    return [run, *drains]


def _prefetches(stretch: Stretch, asked: Prefetches) -> _Group:
    at = _at(stretch.placement, asked.tasks)
    return _PREFETCH, StepOp.PREFETCH, *at, stretch.phase.first + asked.tasks, asked.bytes, -1


def _sync(placement: Placement, kept: Kept, first_event: int) -> list[_Group]:
    sync = kept.sync
    events = first_event + np.arange(len(sync))
    signals, waits = np.diff(sync.signal_ptr), np.diff(sync.wait_ptr)
    count = np.repeat(signals * (1 - kept.distance), waits)
    return [
        (_WAIT, StepOp.WAIT, *_at(placement, sync.waits), np.repeat(events, waits), count, sync.wait_reason),
        (_SIGNAL, StepOp.SIGNAL, *_at(placement, sync.signals), np.repeat(events, signals), 1,
         sync.signal_reason),
    ]  # fmt: skip


def _meetings(placement: Placement, kept: Kept, ordinals: IntColumn, cores: int) -> _Group:
    """A barrier on every core, at the first of its units that comes after it."""
    by_core = placement.order[np.argsort(placement.core[placement.order], kind="stable")]
    place = placement.place[by_core]
    ptr = [*placement.core_ptr.tolist(), *[len(by_core)] * (cores - placement.cores)]
    positions = [np.searchsorted(place[a:b], kept.places, side="left") for a, b in pairwise(ptr)]
    core = np.repeat(np.arange(cores), len(ordinals))
    return (_BARRIER, StepOp.BARRIER, core, np.concatenate(positions), np.tile(ordinals, cores), 0,
            np.tile(kept.place_reasons, cores))  # fmt: skip


def _at(placement: Placement, units: IntColumn) -> tuple[IntColumn, IntColumn]:
    return placement.core[units].astype(np.int64), placement.position[units]
