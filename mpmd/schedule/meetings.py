"""Barriers in the place of events, where nearly all cores signal and nearly all wait, and it is cheaper.

In:  the sync of a phase, its placement, what each event's signals and waits take. Out: `Meeting`s.
Not here: barriers that a policy asks for (`sync.barriers`); events that are left (`prune.py`).

A barrier stands at a place of the linear order: on each core before the first of its units from there on.
It keeps every pair (signal, wait) that it parts, so events whose signals all come before it and whose waits
all come after it can go. It costs `barrier_seconds` on each core, and what cores wait there longer than they
did: until all of them have come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpmd.machine import Machine
from mpmd.partition.graph import IntColumn, column
from mpmd.schedule.order import Placement
from mpmd.schedule.sync import Sync

NEARLY_ALL = 7 / 8


@dataclass(frozen=True, slots=True)
class Meeting:
    """A barrier before `place` of the linear order, and the dependence that it is there for."""

    place: int
    reason: int


def meetings(
    sync: Sync, seconds: npt.NDArray[np.float64], placement: Placement, machine: Machine
) -> tuple[Meeting, ...]:
    """The barriers that pay, by place. `seconds` is what each event takes."""
    if machine.barrier_seconds <= 0 or not len(sync) or placement.cores < 2:
        return ()
    first, last = _gaps(sync, placement)
    crowd = NEARLY_ALL * placement.cores
    wide = (np.diff(sync.signal_ptr) >= crowd) & (np.diff(sync.wait_ptr) >= crowd)
    price = _Price(placement, machine)
    open_ = np.ones(len(sync), np.bool_)  # events that no barrier has replaced
    chosen: dict[int, Meeting] = {}
    for event in np.flatnonzero(wide)[np.argsort(last[wide], kind="stable")].tolist():
        if not open_[event]:
            continue
        cost = seconds * open_
        ends = sorted({int(first[event]), int(last[event])})
        place = max(ends, key=lambda p: _won(p, first, last, cost, price))
        if _won(place, first, last, cost, price) > 0:
            open_ &= (first > place) | (last < place)
            chosen[place] = Meeting(place, int(sync.wait_reason[sync.wait_ptr[event]]))
    return _needed(chosen, first, last)


def parted(needed: IntColumn, met: tuple[Meeting, ...], placement: Placement) -> IntColumn:
    """Of needed pairs `wait × units + signal`, those that no barrier keeps."""
    places = np.array([meeting.place for meeting in met], np.int64)
    wait, signal = np.divmod(needed, max(1, len(placement.core)))
    before, after = (np.searchsorted(places, placement.place[unit], side="right") for unit in (signal, wait))
    return column(needed[before == after])


def _gaps(sync: Sync, placement: Placement) -> tuple[IntColumn, IntColumn]:
    """Per event the first and the last place at which a barrier parts its signals from its waits."""
    first = np.maximum.reduceat(placement.place[sync.signals], sync.signal_ptr[:-1]) + 1
    return first, np.minimum.reduceat(placement.place[sync.waits], sync.wait_ptr[:-1])


def _won(
    place: int, first: IntColumn, last: IntColumn, seconds: npt.NDArray[np.float64], price: _Price
) -> float:
    return float(seconds[(first <= place) & (place <= last)].sum()) - price.at(place)


def _needed(chosen: dict[int, Meeting], first: IntColumn, last: IntColumn) -> tuple[Meeting, ...]:
    """Those that part an event which no other one parts; a later one may have made an earlier one idle."""
    kept = sorted(chosen)
    for place in sorted(chosen):
        others = np.array([p for p in kept if p != place], np.int64)
        mine = (first <= place) & (place <= last)
        after = np.searchsorted(others, first[mine])
        elsewhere = np.append(others, np.iinfo(np.int64).max)[after] <= last[mine]
        if elsewhere.all():
            kept.remove(place)
    return tuple(chosen[place] for place in kept)


class _Price:
    """What a barrier at a place takes, over all cores."""

    def __init__(self, placement: Placement, machine: Machine) -> None:
        self._barriers = machine.barrier_seconds * placement.cores
        order = placement.order
        self._finished = np.maximum.accumulate(placement.finish[order])
        core = placement.core[order]
        self._places = [np.flatnonzero(core == c) for c in range(placement.cores)]
        self._starts = [placement.start[order[at]] for at in self._places]

    def at(self, place: int) -> float:
        ready = float(self._finished[place - 1]) if place else 0.0
        late = 0.0
        for at, start in zip(self._places, self._starts, strict=True):
            next_ = int(np.searchsorted(at, place))
            if next_ < len(at):
                late += max(0.0, ready - float(start[next_]))
        return self._barriers + late
