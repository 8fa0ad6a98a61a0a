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


def waits_in_order(sync: Sync, placement: Placement) -> Iterator[tuple[list[int], list[int]]]:
    """All waits in the linear order of tasks: tasks, and the events that each of them waits for.

    Tasks of different cores that stand next to each other and wait for the same are taken together: what
    one of them learns is of no use to the others.
    """
    tasks: list[int] = []
    cores: set[int] = set()
    events: list[int] = []
    for task, awaited in _one_by_one(sync, placement):
        core = int(placement.core[task])
        if tasks and (awaited != events or core in cores):
            yield tasks, events
            tasks, cores = [], set()
        tasks.append(task)
        cores.add(core)
        events = awaited
    if tasks:
        yield tasks, events


def _one_by_one(sync: Sync, placement: Placement) -> Iterator[tuple[int, list[int]]]:
    """Each waiting task with its events."""
    event = np.repeat(np.arange(len(sync)), np.diff(sync.wait_ptr))
    in_order = np.argsort(placement.place[sync.waits], kind="stable")
    waits, events = sync.waits[in_order], event[in_order].tolist()
    starts = np.flatnonzero(np.diff(waits, prepend=-1)).tolist()
    for first, end in pairwise([*starts, len(waits)]):
        yield int(waits[first]), events[first:end]


def replay(sync: Sync, placement: Placement) -> Clocks:
    """The clocks after all waits."""
    clocks = Clocks(sync, placement)
    for tasks, events in waits_in_order(sync, placement):
        clocks.wait(tasks, events)
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
        self.now = np.full((placement.cores, placement.cores), -1, np.int64)
        np.fill_diagonal(self.now, _HERE)
        self.positions: list[list[int]] = [[] for _ in range(placement.cores)]
        self.rows: list[list[IntColumn]] = [[] for _ in range(placement.cores)]
        self.hearsay: list[IntColumn | None] = [None] * len(sync)

    def wait(self, tasks: list[int], events: list[int]) -> tuple[IntColumn, IntColumn]:
        """Tasks of different cores wait for those events: pairs of a task and a signal that it would not
        know of otherwise, that is by its clock, or by what other signals tell.
        """
        waiting = np.array(tasks)
        own = np.array([self.core[task] for task in tasks])
        cores, positions = self._signals(events)
        clocks = self.now[own]
        late = (positions > clocks[:, cores]).any(axis=1)
        waiting, own, clocks = waiting[late], own[late], clocks[late]
        if len(waiting):
            for event in events:
                np.maximum(clocks, self._hearsay(event), out=clocks)
        task, signal = np.nonzero(positions > clocks[:, cores])
        clocks[task, cores[signal]] = positions[signal]
        self.now[own] = clocks
        for learner, core, clock in zip(waiting.tolist(), own.tolist(), clocks, strict=True):
            self.positions[core].append(self.position[learner])
            self.rows[core].append(clock)
        return waiting[task], self.by_core[self.placement.core_ptr[cores[signal]] + positions[signal]]

    def _signals(self, events: list[int]) -> tuple[IntColumn, IntColumn]:
        """The cores that signal these events, and the position of the last of its signals."""
        parts = [slice(self.signal_ptr[e], self.signal_ptr[e + 1]) for e in events]
        if len(parts) == 1:
            return self.signal_core[parts[0]], self.signal_position[parts[0]]
        cores = np.concatenate([self.signal_core[p] for p in parts])
        return _latest_per_core(cores, np.concatenate([self.signal_position[p] for p in parts]))

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
