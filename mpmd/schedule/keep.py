"""What keeps the dependences of one phase: events or barriers, as its policy and its loop will have it.

In:  all dependences, a `Stretch`. Out: `Kept`.
Not here: how events are found (`sync.py`, `prune.py`, `periodic.py`); the steps (`assemble.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mpmd.partition.graph import Deps, IntColumn, TaskGraph, column
from mpmd.schedule.order import Placement
from mpmd.schedule.periodic import Periodic, periodic, unpruned
from mpmd.schedule.phases import within
from mpmd.schedule.prune import prune
from mpmd.schedule.stretches import Stretch
from mpmd.schedule.sync import Sync, barriers, insert, of_units


@dataclass(frozen=True, eq=False)
class Kept:
    """The sync of a phase, in its own units; reasons are dependences by their number among all.

    `distance` is per event. `waves` are those before which a barrier stands (see `sync.barriers`).
    With `closing` a barrier stands at the end of each iteration (that of `until` is in END).
    """

    sync: Sync
    distance: IntColumn
    waves: IntColumn
    wave_reasons: IntColumn
    closing: bool
    waits_before_pruning: int


_NONE: IntColumn = column(np.zeros(0, np.int64))
_NO_EVENTS = Sync(column([0]), _NONE, _NONE, column([0]), _NONE, _NONE)


_Pruning = Callable[[Sync, Placement], Sync]
_Periods = Callable[[Deps, Deps, Placement], Periodic]


def keep(graph: TaskGraph, deps: Deps, stretch: Stretch) -> Kept:
    """The fewest signals, waits and barriers that keep a phase in order."""
    return _kept(graph, deps, stretch, prune, periodic)


def keep_all(graph: TaskGraph, deps: Deps, stretch: Stretch) -> Kept:
    """All signals and waits that insertion makes: what pruning is measured against."""
    return _kept(graph, deps, stretch, lambda sync, _: sync, unpruned)


def _kept(graph: TaskGraph, deps: Deps, stretch: Stretch, pruning: _Pruning, periods: _Periods) -> Kept:
    placement, loop = stretch.placement, stretch.phase.loop
    inside, numbers = _inside(graph, deps, stretch)
    inside = of_units(inside, placement)
    closing = loop is not None and stretch.meets and loop.until is None
    if placement.wave.any():
        waves, reasons = barriers(inside, placement)
        waits = len(insert(inside, placement).waits)
        return Kept(_NO_EVENTS, _NONE, waves, column(numbers[reasons]), closing, waits)
    if loop is not None and not stretch.meets:
        return _overlapping(deps, stretch, inside, numbers, periods)
    inserted = insert(inside, placement)
    sync = _renumbered(pruning(inserted, placement), numbers)
    return Kept(sync, column(np.zeros(len(sync))), _NONE, _NONE, closing, len(inserted.waits))


def _overlapping(deps: Deps, stretch: Stretch, inside: Deps, numbers: IntColumn, periods: _Periods) -> Kept:
    across, across_numbers = within(deps, stretch.phase, distance=1)
    found = periods(inside, of_units(across, stretch.placement), stretch.placement)
    sync = _renumbered(found.sync, np.concatenate([numbers, across_numbers]))
    return Kept(sync, found.distance, _NONE, _NONE, False, found.waits_before_pruning)


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
