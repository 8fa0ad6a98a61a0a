"""Vector clocks: what each core knows of the others when it comes to a task.

In:  a `Sync`, its `Placement`. Out: `Clocks`, one row per wait that tells anything new.
Not here: deciding by it (`prune.py` which signals to drop, `memory.py` which places are free).

A clock holds, per core, the position of the last task that is known to have ended.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from mpmd.partition.graph import IntColumn
from mpmd.schedule.order import Placement
from mpmd.schedule.sync import Sync

_HERE = np.iinfo(np.int64).max  # a core's own entry in its clock: program order knows everything


def waits_in_order(sync: Sync, placement: Placement) -> Iterator[tuple[int, list[int]]]:
    """Each waiting task with its events, in the linear order of tasks."""
    event = np.repeat(np.arange(len(sync)), np.diff(sync.wait_ptr))
    in_order = np.argsort(placement.place[sync.waits], kind="stable")
    waits, events = sync.waits[in_order], event[in_order].tolist()
    starts = np.flatnonzero(np.diff(waits, prepend=-1)).tolist()
    for first, end in pairwise([*starts, len(waits)]):
        yield int(waits[first]), events[first:end]


def replay(sync: Sync, placement: Placement) -> Clocks:
    """The clocks after all waits."""
    clocks = Clocks(sync, placement)
    for task, events in waits_in_order(sync, placement):
        clocks.wait(task, events)
    return clocks


class Clocks:
    """Vector clocks of all cores, as far as the waits seen so far (in the linear order) take them."""

    def __init__(self, sync: Sync, placement: Placement) -> None:
        self.sync, self.placement = sync, placement
        self.by_core = placement.order[np.argsort(placement.core[placement.order], kind="stable")]
        self.signal_core = placement.core[sync.signals].astype(np.int64)
        self.signal_position = placement.position[sync.signals]
        self.signal_ptr = sync.signal_ptr.tolist()
        self.core, self.position = placement.core.tolist(), placement.position.tolist()
        self.now = [np.full(placement.cores, -1, np.int64) for _ in range(placement.cores)]
        for core, clock in enumerate(self.now):
            clock[core] = _HERE
        self.positions: list[list[int]] = [[] for _ in range(placement.cores)]
        self.rows: list[list[IntColumn]] = [[] for _ in range(placement.cores)]
        self.hearsay: list[IntColumn | None] = [None] * len(sync)

    def wait(self, task: int, events: list[int]) -> IntColumn:
        """`task` waits for those events; returns the signals that it would not know of otherwise.

        It knows of a signal otherwise by its clock, or by what other signals tell.
        """
        clock = self.now[self.core[task]]
        parts = [slice(self.signal_ptr[e], self.signal_ptr[e + 1]) for e in events]
        if len(parts) == 1:
            cores, positions = self.signal_core[parts[0]], self.signal_position[parts[0]]
        else:
            cores = np.concatenate([self.signal_core[p] for p in parts])
            positions = np.concatenate([self.signal_position[p] for p in parts])
            cores, positions = _latest_per_core(cores, positions)
        if not (positions > clock[cores]).any():
            return cores[:0]
        for event in events:
            clock = np.maximum(clock, self._hearsay(event))
        news = positions > clock[cores]
        cores, positions = cores[news], positions[news]
        clock[cores] = positions
        self._learn(task, clock)
        return self.by_core[self.placement.core_ptr[cores] + positions]

    def before(self, task: int) -> IntColumn:
        """How far each core is known to have come when `task` starts: positions, −1 for not at all."""
        core, position = self.core[task], self.position[task]
        known = self._row(core, position)
        known = np.full(self.placement.cores, -1, np.int64) if known is None else known.copy()
        known[core] = position - 1
        return known

    def _row(self, core: int, position: int) -> IntColumn | None:
        """The clock of `core` from its latest wait up to `position`; None before the first."""
        at = bisect_right(self.positions[core], position) - 1
        return self.rows[core][at] if at >= 0 else None

    def _learn(self, task: int, clock: IntColumn) -> None:
        core = self.core[task]
        self.now[core] = clock
        self.positions[core].append(self.position[task])
        self.rows[core].append(clock)

    def _hearsay(self, event: int) -> IntColumn:
        """What the signals of an event tell of other cores; what a signal tells of its own is left out.

        All waits before these signals have been seen when the first wait for them is, so it is final.
        """
        known = self.hearsay[event]
        if known is None:
            part = slice(self.signal_ptr[event], self.signal_ptr[event + 1])
            known = np.full(self.placement.cores, -1, np.int64)
            for core, position in zip(
                self.signal_core[part].tolist(), self.signal_position[part].tolist(), strict=True
            ):
                row = self._row(core, position)
                if row is not None:
                    own = known[core]
                    np.maximum(known, row, out=known)
                    known[core] = own
            self.hearsay[event] = known
        return known


def _latest_per_core(cores: IntColumn, positions: IntColumn) -> tuple[IntColumn, IntColumn]:
    by_core = np.lexsort((positions, cores))
    cores, positions = cores[by_core], positions[by_core]
    last = np.append(cores[1:] != cores[:-1], True)
    return cores[last], positions[last]
