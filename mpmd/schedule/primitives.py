"""Which primitive each event is: the cheapest that its shape allows, and the ids of flags.

In:  what is `Kept` of each phase, the `Machine`. Out: `Primitives`, a column each.
Not here: which events there are (`prune.py`, `periodic.py`); the proof (`check.py`).

What an event allows is in `shapes.py`. Flags are few: events of one waiter share one if all waits of the
first come before all signals of the second, which vector clocks tell; where iterations of a loop overlap,
also the other way round, from one iteration to the next. Cores meet between phases, so each phase has all
flags. Events get theirs in the order of their waits, first come, first served, as registers are allocated by
linear scan (Poletto and Sarkar, TOPLAS 1999).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mpmd.machine import Machine, Primitive
from mpmd.partition.graph import IntColumn, column
from mpmd.schedule.clocks import Clocks, replay
from mpmd.schedule.keep import Kept
from mpmd.schedule.periodic import twice
from mpmd.schedule.shapes import allowed, groups
from mpmd.schedule.stretches import Stretch
from mpmd.schedule.sync import Sync


@dataclass(frozen=True, eq=False)
class Primitives:
    """Per event the index of its primitive in `machine.primitives`, and the id of its flag or −1."""

    primitive: npt.NDArray[np.int32]
    flag: npt.NDArray[np.int32]


def choose(placed: Sequence[Stretch], kept: Sequence[Kept], machine: Machine) -> Primitives:
    """Those of all events, phase by phase."""
    left = [primitive.limit for primitive in machine.primitives]
    parts = [_of_phase(stretch, sync, machine, left) for stretch, sync in zip(placed, kept, strict=True)]
    none = np.zeros(0, np.int64)
    return Primitives(
        primitive=column(np.concatenate([none, *(primitive for primitive, _ in parts)]), np.int32),
        flag=column(np.concatenate([none, *(flag for _, flag in parts)]), np.int32),
    )


def _of_phase(stretch: Stretch, kept: Kept, machine: Machine, left: list[int]) -> tuple[IntColumn, IntColumn]:
    """Takes from `left` what other primitives than flags are used up."""
    events = len(kept.sync)
    chosen, ids = np.zeros(events, np.int64), np.full(events, -1, np.int64)
    if len(machine.primitives) == 1 or not events:
        return chosen, ids
    seconds = allowed(kept.sync, kept.distance, stretch, machine)
    order = np.argsort(seconds, axis=0, kind="stable").T.tolist()
    finite = np.isfinite(seconds).T.tolist()
    flags = _Flags.of(stretch, kept, machine) if np.isfinite(seconds[_flag_rows(machine)]).any() else None
    for event in range(events):
        for number in order[event]:
            if not finite[event][number]:
                break
            if machine.primitives[number].kind == "flag":
                ids[event] = -1 if flags is None else flags.take(event, machine.primitives[number])
                if ids[event] < 0:
                    continue
            elif number and left[number] == 0:
                continue
            else:
                left[number] -= 1
            chosen[event] = number
            break
    return chosen, ids


def _flag_rows(machine: Machine) -> list[int]:
    return [n for n, primitive in enumerate(machine.primitives) if primitive.kind == "flag"]


@dataclass
class _Flags:
    """Which events each flag of each group stands for, in the order in which it does."""

    sync: Sync
    clocks: Clocks
    units: int
    overlapping: bool
    group: list[int]
    holders: dict[tuple[str, int, int], tuple[int, int]] = field(default_factory=dict)
    """By primitive, group and id: the first event and the last. All have one waiter: a core that stands at a
    wait for one of them would take what is for another core."""
    known: dict[int, IntColumn] = field(default_factory=dict)

    @staticmethod
    def of(stretch: Stretch, kept: Kept, machine: Machine) -> _Flags:
        placement, sync = stretch.placement, kept.sync
        overlapping = stretch.phase.loop is not None and not stretch.meets
        group = groups(sync.waits[sync.wait_ptr[:-1]], placement, machine).tolist()
        if overlapping:
            clocks = replay(_twice(kept, len(placement.core)), twice(placement))
        else:
            clocks = replay(sync, placement)
        return _Flags(sync, clocks, len(placement.core), overlapping, group)

    def take(self, event: int, primitive: Primitive) -> int:
        """The lowest id that is free for an event, or −1."""
        if self.overlapping and not self._over(event, event, ahead=True):
            return -1
        for number in range(primitive.limit):
            name = primitive.name, self.group[event], number
            first, last = self.holders.get(name, (event, event))
            if first == event or self._follows(event, first, last):
                self.holders[name] = first, event
                return number
        return -1

    def _follows(self, event: int, first: int, last: int) -> bool:
        if self._waiter(last) != self._waiter(event) or not self._over(last, event, ahead=False):
            return False
        return not self.overlapping or self._over(event, first, ahead=True)

    def _over(self, one: int, other: int, *, ahead: bool) -> bool:
        """Whether the wait of `one` comes before all signals of `other`, perhaps of the next iteration."""
        placement = self.clocks.placement
        core = self._waiter(one)
        position = int(placement.position[self.sync.waits[self.sync.wait_ptr[one]]])
        signals = slice(self.sync.signal_ptr[other], self.sync.signal_ptr[other + 1])
        for unit in (self.sync.signals[signals] + ahead * self.units).tolist():
            if int(placement.core[unit]) == core and placement.position[unit] == position:
                continue  # it waits, runs, and then signals
            if self._before(unit)[core] < position:
                return False
        return True

    def _waiter(self, event: int) -> int:
        """The core that waits."""
        return int(self.clocks.placement.core[self.sync.waits[self.sync.wait_ptr[event]]])

    def _before(self, unit: int) -> IntColumn:
        if unit not in self.known:
            self.known[unit] = self.clocks.before(unit)
        return self.known[unit]


def _twice(kept: Kept, units: int) -> Sync:
    """The events of two iterations: those of the first, those that lead on, then those within the second."""
    sync = kept.sync
    every, within = np.arange(len(sync)), np.flatnonzero(kept.distance == 0)
    here, next_ = np.zeros_like(every), np.full_like(every, units)
    signal_ptr, signals = _copies(sync.signal_ptr, sync.signals, [(every, here), (within, next_)])
    wait_ptr, waits = _copies(sync.wait_ptr, sync.waits, [(every, units * kept.distance), (within, next_)])
    return Sync(signal_ptr, signals, signals, wait_ptr, waits, waits)


def _copies(
    ptr: IntColumn, tasks: IntColumn, parts: list[tuple[IntColumn, IntColumn]]
) -> tuple[IntColumn, IntColumn]:
    """Some rows of a CSR pair, one selection after the other, each row's entries moved on."""
    lists = [tasks[ptr[e] : ptr[e + 1]] + shift[e] for events, shift in parts for e in events.tolist()]
    lengths = [len(part) for part in lists]
    return column(np.cumsum([0, *lengths])), column(np.concatenate([np.zeros(0, np.int64), *lists]))
