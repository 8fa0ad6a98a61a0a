"""What keeps the dependences of one phase: events or barriers, as its policy and its loop will have it.

In:  all dependences, a `Stretch`, the `Machine`. Out: `Kept`.
Not here: how events are found (`sync.py`, `prune.py`, `periodic.py`), which primitive each is
(`primitives.py`); the steps (`assemble.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mpmd.machine import Machine
from mpmd.partition.graph import Deps, IntColumn, TaskGraph, column
from mpmd.schedule.clocks import Clocks
from mpmd.schedule.meetings import Meeting, meetings, parted
from mpmd.schedule.periodic import Periodic, periodic, unpruned
from mpmd.schedule.phases import within
from mpmd.schedule.prune import each_alone, fewest, needed_pairs, prune, single
from mpmd.schedule.shapes import allowed
from mpmd.schedule.stretches import Stretch
from mpmd.schedule.sync import Sync, barriers, insert, of_units


@dataclass(frozen=True, eq=False)
class Kept:
    """The sync of a phase, in its own units; reasons are dependences by their number among all.

    `distance` is per event. A barrier stands before each of `places` of the placement's linear order.
    With `closing` a barrier stands at the end of each iteration (that of `until` is in END).
    """

    sync: Sync
    distance: IntColumn
    places: IntColumn
    place_reasons: IntColumn
    closing: bool
    waits_before_pruning: int


_NONE: IntColumn = column(np.zeros(0, np.int64))
_NO_EVENTS = Sync(column([0]), _NONE, _NONE, column([0]), _NONE, _NONE)


@dataclass(frozen=True, eq=False)
class _Found:
    """What keeps the dependences of straight code, by their numbers in it."""

    sync: Sync
    met: tuple[Meeting, ...]
    waits_before_pruning: int


_Straight = Callable[[Deps, Stretch, Machine], _Found]
_Periods = Callable[..., Periodic]


def keep(graph: TaskGraph, deps: Deps, stretch: Stretch, machine: Machine) -> Kept:
    """The fewest signals, waits and barriers that keep a phase in order."""
    return _kept(graph, deps, stretch, machine, _fewest, periodic)


def keep_all(graph: TaskGraph, deps: Deps, stretch: Stretch, machine: Machine) -> Kept:
    """All signals and waits that insertion makes: what pruning is measured against."""
    return _kept(graph, deps, stretch, machine, _all, unpruned)


def _kept(
    graph: TaskGraph, deps: Deps, stretch: Stretch, machine: Machine, straight: _Straight, periods: _Periods
) -> Kept:
    placement, loop = stretch.placement, stretch.phase.loop
    inside, numbers = _inside(graph, deps, stretch)
    inside = of_units(inside, placement)
    closing = loop is not None and stretch.meets and loop.until is None
    if placement.wave.any():
        waves, reasons = barriers(inside, placement)
        places = np.searchsorted(placement.wave[placement.order], waves)
        waits = len(insert(inside, placement).waits)
        return Kept(_NO_EVENTS, _NONE, column(places), column(numbers[reasons]), closing, waits)
    if loop is not None and not stretch.meets:
        across, across_numbers = within(deps, stretch.phase, distance=1)
        across = of_units(across, placement)
        period = periods(inside, across, placement, alone=machine.alone)
        sync = _renumbered(period.sync, np.concatenate([numbers, across_numbers]))
        return Kept(sync, period.distance, _NONE, _NONE, False, period.waits_before_pruning)
    found = straight(inside, stretch, machine)
    return Kept(
        _renumbered(found.sync, numbers),
        column(np.zeros(len(found.sync))),
        column(np.array([meeting.place for meeting in found.met], np.int64)),
        column(numbers[np.array([meeting.reason for meeting in found.met], np.int64)]),
        closing,
        found.waits_before_pruning,
    )


def _all(deps: Deps, stretch: Stretch, machine: Machine) -> _Found:
    inserted = insert(deps, stretch.placement)
    return _Found(each_alone(inserted) if machine.alone else inserted, (), len(inserted.waits))


def _fewest(deps: Deps, stretch: Stretch, machine: Machine) -> _Found:
    """Events, and barriers where they are cheaper: not where gangs run, whose members cannot be parted."""
    placement, may_join = stretch.placement, single if machine.alone else None
    before = _all(deps, stretch, machine)
    sync = prune(before.sync, placement, may_join)
    if machine.barrier_seconds <= 0 or not len(sync) or (stretch.graph.gang >= 0).any():
        return _Found(sync, (), before.waits_before_pruning)
    seconds = allowed(sync, column(np.zeros(len(sync))), stretch, machine).min(axis=0)
    met = meetings(sync, seconds, placement, machine)
    if met:
        needed = needed_pairs(before.sync, Clocks(before.sync, placement))
        sync = fewest(before.sync, parted(needed, met, placement), placement, may_join)
    return _Found(sync, met, before.waits_before_pruning)


def _renumbered(sync: Sync, numbers: IntColumn) -> Sync:
    """With the reasons' numbers among all dependences."""
    return replace(
        sync,
        signal_reason=column(numbers[sync.signal_reason]),
        wait_reason=column(numbers[sync.wait_reason]),
    )


def _inside(graph: TaskGraph, deps: Deps, stretch: Stretch) -> tuple[Deps, IntColumn]:
    """The dependences within one iteration, and their numbers."""
    if stretch.graph is graph:
        return deps, np.arange(len(deps))
    return within(deps, stretch.phase, distance=0)
