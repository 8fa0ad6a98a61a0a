"""The sync of a loop whose iterations overlap: from one iteration to the next, and within one.

In:  the dependences of a loop's body at distances 0 and 1, the placement of one iteration.
Out: a `Sync` of the body, and the distance of each event: whose signals its waits are for.
Not here: loops whose iterations end with a barrier, which are like straight code (`sync.py`).

All is decided on two iterations side by side, the first and the second copy of the body. Edges go
forward in time, so a way from one task to another in the iteration after it lies within two copies, and
their transitive reduction is that of all iterations.

A counter does not say who has signalled. A core that is an iteration ahead could signal in the place of
one that is late, so an event counts signals of several cores only if each of them, when it comes to
signal again, knows that all others have signalled before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mpmd.partition.graph import Deps, IntColumn, column
from mpmd.schedule.clocks import Clocks
from mpmd.schedule.order import Placement
from mpmd.schedule.prune import MayJoin, each_alone, fewest, needed_pairs, single, told_apart
from mpmd.schedule.sync import Sync, insert


@dataclass(frozen=True, eq=False)
class Periodic:
    """`sync` is in units of one iteration. Reasons count the dependences within, then those across.

    Waits of an event with distance 1 are for its signals of the iteration before.
    """

    sync: Sync
    distance: IntColumn
    waits_before_pruning: int


def periodic(within: Deps, across: Deps, placement: Placement, *, alone: bool) -> Periodic:
    """The irredundant sync of a body: dependences at distance 0 and at distance 1.

    With `alone` an event counts the signals of one core only, whatever the cores know of each other.
    """
    found = _unroll(within, across, placement, alone)
    return _of_one(fewest(found.events, found.needed, found.doubled, found.may_join), found)


def unpruned(within: Deps, across: Deps, placement: Placement, *, alone: bool) -> Periodic:
    """All signals and waits that insertion makes of these, told apart where counters must tell them apart."""
    found = _unroll(within, across, placement, alone)
    return _of_one(found.events, found)


@dataclass(frozen=True, eq=False)
class _Unrolled:
    """Two iterations: the events of the second one, and the pairs of their signals and waits that are needed.

    Reasons count from `first` on.
    """

    doubled: Placement
    events: Sync
    needed: IntColumn
    may_join: MayJoin
    units: int
    first: int
    waits: int


def _unroll(within: Deps, across: Deps, placement: Placement, alone: bool) -> _Unrolled:
    units, first = len(placement.core), len(within)
    doubled = twice(placement)
    unrolled = Deps.concatenate(
        Deps.concatenate(within, _shifted(within, units, units)), _shifted(across, 0, units)
    )
    inserted = insert(unrolled, doubled)
    clocks = Clocks(inserted, doubled)
    needed = needed_pairs(inserted, clocks)
    may_join = single if alone else _Ahead(clocks, units).may_join
    later = _later(inserted, first)
    events = each_alone(later) if alone else told_apart(later, may_join)
    waits = int((inserted.wait_reason >= first).sum())
    second = needed[needed // len(doubled.core) >= units]
    return _Unrolled(doubled, events, second, may_join, units, first, waits)


def _of_one(sync: Sync, found: _Unrolled) -> Periodic:
    """The sync of the second of two iterations, as that of each one."""
    one = replace(
        sync,
        signals=column(sync.signals % found.units),
        waits=column(sync.waits % found.units),
        signal_reason=column(sync.signal_reason - found.first),
        wait_reason=column(sync.wait_reason - found.first),
    )
    distance = 1 - sync.signals[sync.signal_ptr[:-1]] // max(1, found.units)
    return Periodic(one, column(distance), found.waits)


def twice(placement: Placement) -> Placement:
    """Two iterations one after the other. Units of the second follow those of the first."""
    units, placed = len(placement.core), len(placement.order)
    per_core = np.diff(placement.core_ptr)
    return replace(
        placement,
        core=column(np.tile(placement.core, 2), np.int32),
        start=column(np.tile(placement.start, 2), np.float64),
        finish=column(np.tile(placement.finish, 2), np.float64),
        wave=column(np.tile(placement.wave, 2), np.int32),
        order=column(np.concatenate([placement.order, placement.order + units])),
        place=column(np.concatenate([placement.place, placement.place + placed])),
        position=column(np.concatenate([placement.position, placement.position + per_core[placement.core]])),
        core_ptr=column(placement.core_ptr * 2),
        drains=(),
    )


def _shifted(deps: Deps, producers: int, consumers: int) -> Deps:
    return replace(
        deps,
        producers=column(deps.producers + producers, np.int32),
        consumers=column(deps.consumers + consumers, np.int32),
    )


def _later(sync: Sync, first: int) -> Sync:
    """The events whose reasons are dependences from `first` on; they stand last."""
    at = int(np.searchsorted(sync.signal_reason[sync.signal_ptr[:-1]], first))
    signal, wait = int(sync.signal_ptr[at]), int(sync.wait_ptr[at])
    return Sync(
        signal_ptr=column(sync.signal_ptr[at:] - signal),
        signals=sync.signals[signal:],
        signal_reason=sync.signal_reason[signal:],
        wait_ptr=column(sync.wait_ptr[at:] - wait),
        waits=sync.waits[wait:],
        wait_reason=sync.wait_reason[wait:],
    )


class _Ahead:
    """Which cores can be an iteration ahead of which others."""

    def __init__(self, clocks: Clocks, units: int) -> None:
        self.clocks, self.units = clocks, units
        self.core, self.position = clocks.placement.core.tolist(), clocks.placement.position.tolist()
        self.known: dict[int, list[int]] = {}

    def may_join(self, signals: Sequence[int]) -> bool:
        """Whether one event can count the signals of these units (of one copy)."""
        units = [signal % self.units for signal in signals]
        if len({signal // self.units for signal in signals}) > 1:
            return False
        return all(self._knows(later, earlier) for later in units for earlier in units)

    def _knows(self, later: int, earlier: int) -> bool:
        """Whether `later`, in the second copy, follows `earlier` in the first."""
        if later not in self.known:
            self.known[later] = self.clocks.before(later + self.units).tolist()
        return self.known[later][self.core[earlier]] >= self.position[earlier]
