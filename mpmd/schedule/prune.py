"""The fewest signals and waits that keep what a `Sync` keeps.

In:  a `Sync`, its `Placement`. Out: an irredundant `Sync` that orders the same pairs of tasks.
Not here: what must be ordered (`sync.py`), two iterations of a loop (`periodic.py`).

No wait of the result can go (with the signals that only it consumes), and no signal (with the counts
of its event), without some pair falling out of order. Two steps lead there:

1. The pairs (signal, wait) of all events, with program order, make a graph without cycles; its
   transitive reduction is unique. A pair is redundant exactly if the waiting core knows of the signal
   already or learns of it by another pair of the same wait, which vector clocks tell. (Removing such
   synchronisation is old: Midkiff and Padua, "Compiler algorithms for synchronization", 1987; by what
   tasks know of each other: Park, Smelyanskiy, Sundaram, Dubey, ISC 2014.)
2. Events must cover the pairs that remain; all else in signals × waits is ordered anyway. Those with
   most pairs to cover come first. Then every signal and wait goes whose pairs are covered twice, and
   events with equal waits or equal signals become one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mpmd.partition.graph import IntColumn, column
from mpmd.schedule.clocks import Clocks, waits_in_order
from mpmd.schedule.order import Placement
from mpmd.schedule.sync import Sync

MayJoin = Callable[[Sequence[int]], bool]
"""Whether one event can count the signals of these tasks."""


def prune(sync: Sync, placement: Placement, may_join: MayJoin | None = None) -> Sync:
    """The same order with no redundant signal, wait or event."""
    return fewest(sync, needed_pairs(sync, Clocks(sync, placement)), placement, may_join)


def fewest(sync: Sync, needed: IntColumn, placement: Placement, may_join: MayJoin | None) -> Sync:
    """Few events that cover the needed pairs. They join signals as they may, or (None) freely."""
    events = _cover(sync, needed, len(placement.core))
    merged = _merge_by_signals(_merge_by_waits(events, may_join))
    while len(merged) < len(events):
        events = merged
        merged = _merge_by_signals(_merge_by_waits(events, may_join))
    return _pack(sorted(events, key=lambda e: _first_wait(e, placement)))


# -- which pairs are needed -----------------------------------------------------------------


def needed_pairs(sync: Sync, clocks: Clocks) -> IntColumn:
    """The transitive reduction of all (signal, wait) pairs, as sorted `wait × tasks + signal`.

    The (fresh) clocks have seen all waits after it.
    """
    placement = clocks.placement
    tasks = len(placement.core)
    pairs = [np.zeros(0, np.int64)]
    for waiting, events in waits_in_order(sync, placement):
        waits, signals = clocks.wait(waiting, events)
        pairs.append(np.sort(waits * tasks + signals))
    return np.sort(np.concatenate(pairs), kind="stable")  # which is quick where much is in order already


# -- which events cover them ----------------------------------------------------------------


@dataclass(slots=True)
class _Event:
    """Tasks that signal and tasks that wait, each with its reason."""

    signals: dict[int, int] = field(default_factory=dict)
    waits: dict[int, int] = field(default_factory=dict)

    def add(self, other: _Event) -> None:
        """What both do; where a task has a reason already, it stays."""
        self.signals = other.signals | self.signals
        self.waits = other.waits | self.waits


def _cover(sync: Sync, needed: IntColumn, tasks: int) -> list[_Event]:
    """Events that cover every needed pair, each of their signals and waits with a pair of its own."""
    if not len(needed):
        return []
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
    keys = waits[:, None] * tasks + signals  # by wait, as those needed are: that is quicker to search
    at = needed.searchsorted(keys)
    at[at == len(needed)] = 0
    return np.where(needed[at] == keys, at, -1).T


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


def _merge_by_waits(events: list[_Event], may_join: MayJoin | None) -> list[_Event]:
    """Events with equal waits as one, where their signals may join. That orders no other pairs."""
    groups: dict[tuple[int, ...], list[_Event]] = {}
    for event in events:
        if not event.signals:
            continue
        same_waits = groups.setdefault(tuple(sorted(event.waits)), [])
        for group in same_waits:
            if may_join is None or may_join([*group.signals, *event.signals]):
                group.add(event)
                break
        else:
            same_waits.append(_Event(event.signals, event.waits))
    return [group for same_waits in groups.values() for group in same_waits]


def _merge_by_signals(events: list[_Event]) -> list[_Event]:
    """Events with equal signals as one. That orders no other pairs either."""
    groups: dict[tuple[int, ...], _Event] = {}
    for event in events:
        groups.setdefault(tuple(sorted(event.signals)), _Event()).add(event)
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


# -- events that cannot count several cores -----------------------------------------------------


def single(signals: Sequence[int]) -> bool:
    """Whether an event may count these signals where it has one signaller."""
    return len(signals) == 1


def each_alone(sync: Sync) -> Sync:
    """An event for every signal, with all waits of the one that it was of."""
    event = np.repeat(np.arange(len(sync)), np.diff(sync.signal_ptr))
    count = np.diff(sync.wait_ptr)[event]
    ends = np.cumsum(count)
    waits = np.arange(int(count.sum())) + np.repeat(sync.wait_ptr[event] - (ends - count), count)
    return Sync(
        signal_ptr=column(np.arange(len(sync.signals) + 1)),
        signals=sync.signals,
        signal_reason=sync.signal_reason,
        wait_ptr=column(np.concatenate([[0], ends])),
        waits=sync.waits[waits],
        wait_reason=sync.wait_reason[waits],
    )


def told_apart(sync: Sync, may_join: MayJoin) -> Sync:
    """Every event whose signals may not be counted together as several, each with all waits."""
    groups: list[tuple[int, list[int]]] = []  # event, indices of signals
    for event in range(len(sync)):
        parts: list[list[int]] = []
        for at in range(int(sync.signal_ptr[event]), int(sync.signal_ptr[event + 1])):
            for part in parts:
                if may_join(sync.signals[[*part, at]].tolist()):
                    part.append(at)
                    break
            else:
                parts.append([at])
        groups += [(event, part) for part in parts]
    signals = np.array([at for _, part in groups for at in part], np.int64)
    spans = [np.arange(sync.wait_ptr[event], sync.wait_ptr[event + 1]) for event, _ in groups]
    waits = np.concatenate([np.zeros(0, np.int64), *spans])
    return Sync(
        signal_ptr=column(np.cumsum([0, *(len(part) for _, part in groups)])),
        signals=sync.signals[signals],
        signal_reason=sync.signal_reason[signals],
        wait_ptr=column(np.cumsum([0, *map(len, spans)])),
        waits=sync.waits[waits],
        wait_reason=sync.wait_reason[waits],
    )
