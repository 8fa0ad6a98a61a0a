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
import numpy.typing as npt

from mpmd.partition.graph import IntColumn, column
from mpmd.schedule.order import Placement
from mpmd.schedule.sync import Sync

_HERE = np.iinfo(np.int32).max  # a core's own entry in its clock: program order knows everything


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
    waits, event = sync.waits[in_order], event[in_order]
    starts = np.flatnonzero(np.diff(waits, prepend=-1))
    clocks = _Clocks(placement)
    tasks = len(placement.core)
    pairs = [np.zeros(0, np.int64)]
    signal_core, signal_position = placement.core[sync.signals], placement.position[sync.signals]
    ptr = sync.signal_ptr.tolist()
    for first, end in pairwise([*starts.tolist(), len(waits)]):
        wait = int(waits[first])
        if end == first + 1:
            one = event[first]
            signals = slice(ptr[one], ptr[one + 1])
            cores, positions = signal_core[signals], signal_position[signals]
        else:
            parts = [slice(ptr[e], ptr[e + 1]) for e in event[first:end].tolist()]
            cores = np.concatenate([signal_core[p] for p in parts])
            positions = np.concatenate([signal_position[p] for p in parts])
        kept_cores, kept_positions = clocks.wait(wait, cores, positions)
        if len(kept_cores):
            pairs.append(wait * tasks + clocks.task_at(kept_cores, kept_positions))
    return np.sort(np.concatenate(pairs))


class _Clocks:
    """Vector clocks of all cores, as far as the waits seen so far (in the linear order) take them."""

    def __init__(self, placement: Placement) -> None:
        self.placement = placement
        self.by_core = placement.order[np.argsort(placement.core[placement.order], kind="stable")]
        self.now = np.full((placement.cores, placement.cores), -1, np.int32)
        np.fill_diagonal(self.now, _HERE)
        self.positions: list[list[int]] = [[] for _ in range(placement.cores)]
        self.rows: list[list[npt.NDArray[np.int32]]] = [[] for _ in range(placement.cores)]

    def task_at(self, cores: IntColumn, positions: IntColumn) -> IntColumn:
        return self.by_core[self.placement.core_ptr[cores] + positions]

    def wait(self, task: int, cores: IntColumn, positions: IntColumn) -> tuple[IntColumn, IntColumn]:
        """`task` waits for those positions; returns the ones that it would not know of otherwise."""
        core = int(self.placement.core[task])
        clock = self.now[core]
        news = positions > clock[cores]
        if not news.all():
            cores, positions = cores[news], positions[news]
        if len(cores) == 0:
            return cores, positions
        if len(cores) > 1:
            cores, positions = self._latest_per_core(cores, positions)
        rows = np.stack([self._row(c, p) for c, p in zip(cores.tolist(), positions.tolist(), strict=True)])
        if len(cores) > 1:
            known = rows[:, cores]
            np.fill_diagonal(known, -1)
            kept = known.max(axis=0) < positions
            cores, positions = cores[kept], positions[kept]
        clock = np.maximum(clock, rows.max(axis=0))
        clock[core] = _HERE
        self.now[core] = clock
        self.positions[core].append(int(self.placement.position[task]))
        self.rows[core].append(clock)
        return cores, positions

    def _latest_per_core(self, cores: IntColumn, positions: IntColumn) -> tuple[IntColumn, IntColumn]:
        by_core = np.lexsort((positions, cores))
        cores, positions = cores[by_core], positions[by_core]
        last = np.append(cores[1:] != cores[:-1], True)
        return cores[last], positions[last]

    def _row(self, core: int, position: int) -> npt.NDArray[np.int32]:
        """What `core` knows when it has done its task at `position`."""
        at = bisect_right(self.positions[core], position) - 1
        row = self.rows[core][at].copy() if at >= 0 else np.full(self.placement.cores, -1, np.int32)
        row[core] = position
        return row


# -- which events cover them ----------------------------------------------------------------


@dataclass(slots=True)
class _Event:
    """Tasks that signal and tasks that wait, each with its reason."""

    signals: dict[int, int] = field(default_factory=dict)
    waits: dict[int, int] = field(default_factory=dict)


def _cover(sync: Sync, needed: IntColumn, tasks: int) -> list[_Event]:
    """Events that cover every needed pair, each of their signals and waits with a pair of its own."""
    tables = [_pair_table(sync, e, needed, tasks) for e in range(len(sync))]
    sizes = np.array([(table >= 0).sum() for table in tables], np.int64)
    covered = np.zeros(len(needed), np.int64)
    chosen: list[tuple[int, IntColumn, IntColumn, IntColumn]] = []
    for e in np.argsort(-sizes, kind="stable").tolist():
        if sizes[e] == 0:
            break
        table = tables[e]
        fresh = (table >= 0) & (covered[table] == 0)
        signals, waits = np.flatnonzero(fresh.any(axis=1)), np.flatnonzero(fresh.any(axis=0))
        if len(signals):
            table = table[np.ix_(signals, waits)]
            covered[table[table >= 0]] += 1
            chosen.append((e, signals, waits, table))
    return [_drop_covered_twice(sync, *event, covered) for event in reversed(chosen)]  # small ones first


def _pair_table(sync: Sync, e: int, needed: IntColumn, tasks: int) -> IntColumn:
    """Signals × waits of event `e`: the index of the pair among those needed, or −1."""
    signals = sync.signals[sync.signal_ptr[e] : sync.signal_ptr[e + 1]]
    waits = sync.waits[sync.wait_ptr[e] : sync.wait_ptr[e + 1]]
    keys = waits[None, :] * tasks + signals[:, None]
    at = np.minimum(np.searchsorted(needed, keys), len(needed) - 1)
    return np.where(needed[at] == keys, at, -1)


def _drop_covered_twice(
    sync: Sync, e: int, signals: IntColumn, waits: IntColumn, table: IntColumn, covered: IntColumn
) -> _Event:
    """Event `e` less the signals and waits all of whose pairs other events cover too."""
    for axis in (0, 1):
        keep = np.ones(table.shape[axis], np.bool_)
        for i in range(table.shape[axis]):
            pairs = table[i] if axis == 0 else table[:, i]
            pairs = pairs[pairs >= 0]
            if (covered[pairs] > 1).all():
                covered[pairs] -= 1
                keep[i] = False
        table = table[keep] if axis == 0 else table[:, keep]
        if axis == 0:
            signals = signals[keep]
        else:
            waits = waits[keep]
    at_signal, at_wait = sync.signal_ptr[e] + signals, sync.wait_ptr[e] + waits
    return _Event(
        dict(zip(sync.signals[at_signal].tolist(), sync.signal_reason[at_signal].tolist(), strict=True)),
        dict(zip(sync.waits[at_wait].tolist(), sync.wait_reason[at_wait].tolist(), strict=True)),
    )


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
    return min(int(placement.place[t]) for t in event.waits), min(int(placement.place[t]) for t in event.signals)


def _pack(events: list[_Event]) -> Sync:
    signal_ptr, signals, signal_reason = _csr(events, lambda e: e.signals)
    wait_ptr, waits, wait_reason = _csr(events, lambda e: e.waits)
    return Sync(signal_ptr, signals, signal_reason, wait_ptr, waits, wait_reason)


def _csr(events: list[_Event], side: Callable[[_Event], dict[int, int]]) -> tuple[IntColumn, IntColumn, IntColumn]:
    rows = [sorted(side(event).items()) for event in events]
    flat = [item for row in rows for item in row]
    return (
        column(np.cumsum([0, *map(len, rows)])),
        column(np.array([task for task, _ in flat], np.int64)),
        column(np.array([reason for _, reason in flat], np.int64)),
    )
