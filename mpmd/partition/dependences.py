"""Dependences from accesses in program order, as hyperedges.

In:  every access of a phase as (task, region, mode), and which regions overlap.
Out: `Deps`. Not here: what overlaps (`regions.py`), what is implied across cores (`schedule.prune`).

One pass keeps, per region, its last writer and its readers. A write needs only the readers since the
last write that covered it: older ones came before that write already, which it follows. So lists are
never walked twice and the work is linear in the accesses and their overlaps. Readers of one region at
one version share a dependence, and so do writers that wait for the same readers.

The accesses of a loop are those of two copies of its body: iteration i, and iteration i + d for any d ≥ 1.
What the pass orders across the copies becomes a dependence from one iteration to the next. That is enough
for all d: a task comes after itself in the iteration before, on its core.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, pairwise

import numpy as np

from mpmd.partition.graph import DepKind, Deps, IntColumn, column

SHARED = 4
"""Readers of one region are a dependence of their own from this many on; fewer are joined to others'."""

_STALE = -2
_NONE = -1


@dataclass(frozen=True, eq=False)
class Accesses:
    """Accesses in program order: those of task `t` are `ptr[t]:ptr[t+1]`; regions are numbered globally."""

    ptr: IntColumn
    region: IntColumn
    mode: IntColumn
    tensor_of_region: Sequence[int]
    overlaps: Sequence[Sequence[int]]  # of each region, itself included where it is written
    covers: Sequence[Sequence[int]]  # the regions that lie within it, itself included


class DepsBuilder:
    """The dependences of a program, phase by phase."""

    def __init__(self) -> None:
        self._table = _DepTable()

    def straight(self, accesses: Accesses, first: int) -> None:
        """Dependences of a phase whose tasks are numbered from `first`."""
        for dep in _walk(accesses):
            self._add(dep, 0, dep.producers, dep.consumers, first)

    def repeated(self, accesses: Accesses, first: int) -> None:
        """Those of a loop whose tasks are numbered from `first`; both copies have accesses, one by one."""
        tasks = (len(accesses.ptr) - 1) // 2
        for dep in _walk(accesses):
            producers, later_producers = _halves(dep.producers, tasks)
            consumers, later_consumers = _halves(dep.consumers, tasks)
            self._add(dep, 0, producers, consumers, first)
            self._add(dep, 0, later_producers, later_consumers, first)
            self._add(dep, 1, producers, later_consumers, first)

    def finish(self) -> Deps:
        return self._table.finish()

    def _add(
        self, dep: _Found, distance: int, producers: Sequence[int], consumers: Sequence[int], first: int
    ) -> None:
        if producers and consumers:
            table = self._table
            number = table.of(dep.kind, dep.tensor, tuple([task + first for task in producers]), distance)
            table.consumers[number] += [task + first for task in consumers]


@dataclass(frozen=True, slots=True)
class _Found:
    """A dependence of one pass."""

    kind: DepKind
    tensor: int
    producers: Sequence[int]
    consumers: Sequence[int]


def _halves(tasks: Sequence[int], count: int) -> tuple[Sequence[int], Sequence[int]]:
    """The tasks of the first copy, and those of the second under the numbers of the first."""
    middle = bisect_left(tasks, count)
    return tasks[:middle], [task - count for task in tasks[middle:]]


def _walk(accesses: Accesses) -> Iterator[_Found]:
    walk = _Walk(accesses)
    ptr, region, mode = accesses.ptr.tolist(), accesses.region.tolist(), accesses.mode.tolist()
    for task in range(len(ptr) - 1):
        begin, end = ptr[task], ptr[task + 1]
        for at in range(begin, end):
            if mode[at] & 1:
                walk.reads(task, region[at])
        for at in range(begin, end):
            if mode[at] & 2:
                walk.overwrites(task, region[at], bool(mode[at] & 1))
        for at in range(begin, end):
            if mode[at] & 1:
                walk.has_read(task, region[at])
        for at in range(begin, end):
            if mode[at] & 2:
                walk.wrote(task, region[at])
    table = walk.deps
    for kind, tensor, producers, consumers in zip(
        table.kinds, table.tensors, table.producers, table.consumers, strict=True
    ):
        yield _Found(DepKind(kind), tensor, producers, consumers)


class _Walk:
    """The state of the pass: what happened to each region so far."""

    def __init__(self, accesses: Accesses) -> None:
        count = len(accesses.tensor_of_region)
        self.tensor = accesses.tensor_of_region
        self.overlaps = accesses.overlaps
        self.covers = accesses.covers
        self.readers: list[list[int]] = [[] for _ in range(count)]
        self.writer = [_NONE] * count  # the last task that wrote this very region, unless overwritten
        self.covered_by = [_NONE] * count  # the last task that wrote all of it
        self.raw = [_STALE] * count  # the dependence of its readers at this version
        self.deps = _DepTable()
        self.war: dict[tuple[int, int, int], int] = {}

    def reads(self, task: int, region: int) -> None:
        dep = self.raw[region]
        if dep == _STALE:
            writer = self.writer
            producers = sorted({writer[other] for other in self.overlaps[region] if writer[other] >= 0})
            dep = self.deps.of(DepKind.RAW, self.tensor[region], tuple(producers)) if producers else _NONE
            self.raw[region] = dep
        if dep >= 0:
            self.deps.add(dep, task)

    def overwrites(self, task: int, region: int, also_reads: bool) -> None:
        """The new writer follows the readers since the last covering write, and the last writers."""
        tensor = self.tensor[region]
        since = self.covered_by[region]
        few: set[int] = set()
        any_reader = False
        for other in self.overlaps[region]:
            readers = self.readers[other]
            if not readers or readers[-1] <= since:
                continue
            any_reader = True
            begin = bisect_right(readers, since)
            if len(readers) - begin < SHARED:
                few.update(readers[begin:])
            else:
                self._war(task, other, begin, len(readers))
        if few:
            self.deps.add(self.deps.of(DepKind.WAR, tensor, tuple(sorted(few))), task)
        if also_reads:
            return  # its read has the same producers
        readers = self.readers[region]
        latest = readers[-1] if readers else _NONE
        producers: set[int] = set()
        for other in self.overlaps[region]:
            writer = self.writer[other]
            between = latest > writer or (other == region and any_reader)  # a reader: it orders the two
            if writer >= 0 and not between:
                producers.add(writer)
        if producers:
            self.deps.add(self.deps.of(DepKind.WAW, tensor, tuple(sorted(producers))), task)

    def has_read(self, task: int, region: int) -> None:
        readers = self.readers[region]
        if not readers or readers[-1] != task:
            readers.append(task)

    def wrote(self, task: int, region: int) -> None:
        for other in self.overlaps[region]:
            self.raw[other] = _STALE
        for other in self.covers[region]:
            self.covered_by[other] = task
            self.writer[other] = _NONE
        self.writer[region] = task

    def _war(self, task: int, region: int, begin: int, end: int) -> None:
        dep = self.war.get((region, begin, end))
        if dep is None:
            producers = tuple(self.readers[region][begin:end])
            dep = self.deps.of(DepKind.WAR, self.tensor[region], producers)
            self.war[region, begin, end] = dep
        self.deps.add(dep, task)


@dataclass(slots=True)
class _DepTable:
    """Dependences being collected; equal (kind, tensor, producers, distance) are one."""

    kinds: list[int] = field(default_factory=list)
    distances: list[int] = field(default_factory=list)
    tensors: list[int] = field(default_factory=list)
    producers: list[tuple[int, ...]] = field(default_factory=list)
    consumers: list[list[int]] = field(default_factory=list)
    known: dict[tuple[int, int, tuple[int, ...], int], int] = field(default_factory=dict)

    def of(self, kind: DepKind, tensor: int, producers: tuple[int, ...], distance: int = 0) -> int:
        key = (int(kind), tensor, producers, distance)
        dep = self.known.setdefault(key, len(self.kinds))
        if dep == len(self.kinds):
            self.kinds.append(int(kind))
            self.distances.append(distance)
            self.tensors.append(tensor)
            self.producers.append(producers)
            self.consumers.append([])
        return dep

    def add(self, dep: int, consumer: int) -> None:
        consumers = self.consumers[dep]
        if not consumers or consumers[-1] != consumer:
            consumers.append(consumer)

    def finish(self) -> Deps:
        consumers = [_ascending(tasks) for tasks in self.consumers]
        return Deps(
            kind=column(self.kinds, np.uint8),
            distance=column(self.distances, np.uint8),
            tensor=column(self.tensors, np.int32),
            producer_ptr=_pointer(self.producers),
            producers=_flat(self.producers),
            consumer_ptr=_pointer(consumers),
            consumers=_flat(consumers),
        )


def _ascending(tasks: list[int]) -> list[int]:
    """Each once: one dependence may have been found in several copies."""
    ascending = all(a < b for a, b in pairwise(tasks))
    return tasks if ascending else sorted(set(tasks))


def _pointer(lists: Sequence[Sequence[int]]) -> IntColumn:
    return column(list(accumulate(map(len, lists), initial=0)))


def _flat(lists: Sequence[Sequence[int]]) -> np.ndarray:
    return column(np.fromiter(chain.from_iterable(lists), np.int32))
