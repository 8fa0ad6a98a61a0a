"""The fewest signals and waits that keep what a `Sync` keeps.

In:  a `Sync`, its `Placement`. Out: an irredundant `Sync` that orders the same pairs of tasks.
Not here: what must be ordered (`sync.py`).

No wait of the result can go (with the signals that only it consumes), and no signal (with the counts
of its event), without some pair falling out of order. Two steps lead there:

1. The pairs (signal, wait) of all events, with program order, make a graph without cycles; its
   transitive reduction is unique. A pair is redundant exactly if the waiting core knows of the signal
   already or learns of it by another pair of the same wait. Per-core vector clocks tell: one row per
   wait, holding how far every other core is known to have come. (Removing such synchronisation is
   old: Midkiff and Padua, 1987; doing it for point-to-point waits in general: Park et al., ISC 2014.)
2. Events must cover the pairs that remain; all else in signals × waits is ordered anyway. Those with
   most pairs to cover come first. Then every signal and wait goes whose pairs are covered twice, and
   events with equal waits or equal signals become one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from mpmd.partition.graph import IntColumn, column
from mpmd.schedule.order import Placement
from mpmd.schedule.sync import Sync

_HERE = np.iinfo(np.int64).max  # a core's own entry in its clock: program order knows everything


def prune(sync: Sync, placement: Placement) -> Sync:
    """The same order with no redundant signal, wait or event."""
    events = _cover(sync, _needed_pairs(sync, placement), len(placement.core))
    merged = _merge(_merge(events, by_waits=True), by_waits=False)
    while len(merged) < len(events):
        events = merged
        merged = _merge(_merge(events, by_waits=True), by_waits=False)
    return _pack(sorted(events, key=lambda e: _first_wait(e, placement)))


# -- which pairs are needed -----------------------------------------------------------------


def _needed_pairs(sync: Sync, placement: Placement) -> IntColumn:
    """The transitive reduction of all (signal, wait) pairs, as sorted `wait × tasks + signal`."""
    event = np.repeat(np.arange(len(sync)), np.diff(sync.wait_ptr))
    in_order = np.argsort(placement.place[sync.waits], kind="stable")
    waits, events = sync.waits[in_order], event[in_order].tolist()
    starts = np.flatnonzero(np.diff(waits, prepend=-1)).tolist()
    clocks = _Clocks(sync, placement)
    pairs = [np.zeros(0, np.int64)]
    for first, end in pairwise([*starts, len(waits)]):
        wait = int(waits[first])
        pairs.append(wait * len(placement.core) + clocks.wait(wait, events[first:end]))
    return np.sort(np.concatenate(pairs))


class _Clocks:
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
                at = bisect_right(self.positions[core], position) - 1
                if at >= 0:
                    row = self.rows[core][at]
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


# -- which events cover them ----------------------------------------------------------------


@dataclass(slots=True)
class _Event:
    """Tasks that signal and tasks that wait, each with its reason."""

    signals: dict[int, int] = field(default_factory=dict)
    waits: dict[int, int] = field(default_factory=dict)


def _cover(sync: Sync, needed: IntColumn, tasks: int) -> list[_Event]:
    """Events that cover every needed pair, each of their signals and waits with a pair of its own."""
    tables = [_pair_table(sync, e, needed, tasks) for e in range(len(sync))]
    sizes = np.array([np.count_nonzero(table >= 0) for table in tables], np.int64)
    covered = np.zeros(len(needed) + 1, np.int64)
    covered[-1] = 1  # the pair −1, which is not needed
    chosen: list[tuple[int, IntColumn, IntColumn, IntColumn]] = []
    for e in np.argsort(-sizes, kind="stable").tolist():
        if sizes[e] == 0:
            break
        fresh = covered[tables[e]] == 0
        signals, waits = fresh.any(axis=1).nonzero()[0], fresh.any(axis=0).nonzero()[0]
        if len(signals):
            table = tables[e][signals[:, None], waits]
            covered[table] += 1
            covered[-1] = 1
            chosen.append((e, signals, waits, table))
    return [_drop_covered_twice(sync, *event, covered) for event in reversed(chosen)]  # small ones first


def _pair_table(sync: Sync, e: int, needed: IntColumn, tasks: int) -> IntColumn:
    """Signals × waits of event `e`: the index of the pair among those needed, or −1."""
    signals = sync.signals[sync.signal_ptr[e] : sync.signal_ptr[e + 1]]
    waits = sync.waits[sync.wait_ptr[e] : sync.wait_ptr[e + 1]]
    keys = waits * tasks + signals[:, None]
    at = needed.searchsorted(keys)
    at[at == len(needed)] = 0
    return np.where(needed[at] == keys, at, -1)


def _drop_covered_twice(
    sync: Sync, e: int, signals: IntColumn, waits: IntColumn, table: IntColumn, covered: IntColumn
) -> _Event:
    """Event `e` less the signals and waits all of whose pairs other events cover too."""
    if (covered[table] > 1).any():
        keep = _not_covered_twice(table, covered)
        signals, table = signals[keep], table[keep]
        waits = waits[_not_covered_twice(table.T, covered)]
    at_signal, at_wait = sync.signal_ptr[e] + signals, sync.wait_ptr[e] + waits
    return _Event(
        dict(zip(sync.signals[at_signal].tolist(), sync.signal_reason[at_signal].tolist(), strict=True)),
        dict(zip(sync.waits[at_wait].tolist(), sync.wait_reason[at_wait].tolist(), strict=True)),
    )


def _not_covered_twice(table: IntColumn, covered: IntColumn) -> list[int]:
    """The rows to keep; the pairs of the others are covered once less."""
    keep = []
    for i, row in enumerate(table):
        pairs = row[row >= 0]
        if (covered[pairs] > 1).all():
            covered[pairs] -= 1
        else:
            keep.append(i)
    return keep


def _merge(events: list[_Event], *, by_waits: bool) -> list[_Event]:
    """Events with equal waits (or equal signals) as one. That orders no other pairs."""
    groups: dict[tuple[int, ...], _Event] = {}
    for event in events:
        if not event.signals:
            continue
        key = tuple(sorted(event.waits if by_waits else event.signals))
        group = groups.setdefault(key, _Event())
        group.signals = event.signals | group.signals
        group.waits = event.waits | group.waits
    return list(groups.values())


def _first_wait(event: _Event, placement: Placement) -> tuple[int, int]:
    """Events are numbered by their first wait, then by their first signal."""
    place = placement.place
    return int(min(place[t] for t in event.waits)), int(min(place[t] for t in event.signals))


def _pack(events: list[_Event]) -> Sync:
    signal_ptr, signals, signal_reason = _csr(events, lambda e: e.signals)
    wait_ptr, waits, wait_reason = _csr(events, lambda e: e.waits)
    return Sync(signal_ptr, signals, signal_reason, wait_ptr, waits, wait_reason)


def _csr(
    events: list[_Event], side: Callable[[_Event], dict[int, int]]
) -> tuple[IntColumn, IntColumn, IntColumn]:
    rows = [sorted(side(event).items()) for event in events]
    flat = [item for row in rows for item in row]
    return (
        column(np.cumsum([0, *map(len, rows)])),
        column(np.array([task for task, _ in flat], np.int64)),
        column(np.array([reason for _, reason in flat], np.int64)),
    )
