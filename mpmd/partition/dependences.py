"""Dependences from accesses in program order, as hyperedges.

In:  every access of a phase as (task, region, mode), and which regions overlap; tensor by tensor, as
     accesses to different tensors have nothing to do with each other.
Out: `Deps`. Not here: what overlaps (`regions.py`), what is implied across cores (`schedule.prune`).

One pass keeps, per region, its last writer and its readers. A write needs only the readers since the
last write that covered it: older ones came before that write already, which it follows. So lists are
never walked twice and the work is linear in the accesses and their overlaps. Readers of one region at
one version share a dependence, and so do writers that wait for the same readers. Tensors that are used
alike, as those of the layers of a model are, are walked once.

The accesses of a loop are those of two copies of its body: iteration i, and iteration i + d for any d ≥ 1.
What the pass orders across the copies becomes a dependence from one iteration to the next. That is enough
for all d: a task comes after itself in the iteration before, on its core.

Dependences are numbered as one pass over all tensors, task by task, would find them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain, groupby, pairwise

import numpy as np

from mpmd.partition.graph import DepKind, Deps, IntColumn, column

SHARED = 4
"""Readers of one region are a dependence of their own from this many on; fewer are joined to others'."""

_STALE = -2
_NONE = -1

_READS, _WRITES = range(2)


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of a tensor, or of several that are used alike: those that overlap each, itself included
    where it is written; those that lie within it, itself included. `number` tells them from others."""

    number: int
    overlaps: Sequence[Sequence[int]]
    covers: Sequence[Sequence[int]]


@dataclass(frozen=True, eq=False)
class Accesses:
    """The accesses to one tensor in program order: task, number of the parameter, 1 reads 2 writes 3 both,
    region."""

    tensor: int
    task: IntColumn
    place: IntColumn
    mode: IntColumn
    region: IntColumn
    regions: Regions

    @property
    def form(self) -> tuple[object, ...]:
        """Equal where the same is done in tasks that lie equally far apart."""
        apart = self.task - self.task[0]
        columns = (apart, self.place, self.mode, self.region)
        return self.regions.number, *(values.tobytes() for values in columns)


def straight(of_tensors: Iterable[Accesses], first: int) -> Deps:
    """Dependences of a phase whose tasks are numbered from `first`."""
    known: dict[tuple[object, ...], _Template] = {}
    parts: list[_Template] = []
    for accesses in of_tensors:
        form = accesses.form
        if form not in known:
            known[form] = _template(_walk(accesses), int(accesses.task[0]))
        parts.append(known[form].moved(int(accesses.task[0]), accesses.tensor))
    return _numbered(parts, first)


def repeated(cases: Iterable[Iterable[Accesses]], first: int, tasks: int) -> Deps:
    """Those of a loop of so many tasks, numbered from `first`; both copies have accesses, one by one."""
    table = _DepTable()

    def add(dep: _Found, distance: int, producers: Sequence[int], consumers: Sequence[int]) -> None:
        if producers and consumers:
            numbers = tuple([task + first for task in producers])
            number = table.of(dep.kind, dep.tensor, numbers, distance)
            table.consumers[number] += [task + first for task in consumers]

    for of_tensors in cases:
        found = [dep for accesses in of_tensors for dep in _walk(accesses)]
        for dep in sorted(found, key=lambda dep: dep.born):
            producers, later_producers = _halves(dep.producers, tasks)
            consumers, later_consumers = _halves(dep.consumers, tasks)
            add(dep, 0, producers, consumers)
            add(dep, 0, later_producers, later_consumers)
            add(dep, 1, producers, later_consumers)
    return table.finish()


Born = tuple[int, int, int, int]
"""The task that a dependence was found at, whether in reads or in writes, its parameter, and a number."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A dependence of one pass."""

    kind: DepKind
    tensor: int
    producers: Sequence[int]
    consumers: Sequence[int]
    born: Born


def _halves(tasks: Sequence[int], count: int) -> tuple[Sequence[int], Sequence[int]]:
    """The tasks of the first copy, and those of the second under the numbers of the first."""
    middle = bisect_left(tasks, count)
    return tasks[:middle], [task - count for task in tasks[middle:]]


# -- tensors that are used alike -------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Template:
    """The dependences of a tensor as columns; `born` has one row for each."""

    kind: IntColumn
    tensor: IntColumn
    born: IntColumn
    producers: IntColumn
    producer_counts: IntColumn
    consumers: IntColumn
    consumer_counts: IntColumn

    def moved(self, task: int, tensor: int) -> _Template:
        """For another tensor, whose first task is this one."""
        born = self.born.copy()
        born[:, 0] += task
        return _Template(
            self.kind, np.full(len(self.kind), tensor), born,
            self.producers + task, self.producer_counts, self.consumers + task, self.consumer_counts,
        )  # fmt: skip


def _template(found: Iterable[_Found], task: int) -> _Template:
    """Those of a tensor whose first task is `task`."""
    deps = list(found)
    born = np.array([dep.born for dep in deps], np.int64).reshape(-1, 4)
    born[:, 0] -= task
    return _Template(
        kind=np.array([dep.kind for dep in deps], np.int64),
        tensor=np.zeros(len(deps), np.int64),
        born=born,
        producers=_flat([dep.producers for dep in deps]) - task,
        producer_counts=np.array([len(dep.producers) for dep in deps], np.int64),
        consumers=_flat([dep.consumers for dep in deps]) - task,
        consumer_counts=np.array([len(dep.consumers) for dep in deps], np.int64),
    )


def _numbered(parts: Sequence[_Template], first: int) -> Deps:
    """All of them, by when one pass would have found them."""
    everything = [_template([], 0), *parts]
    born = np.concatenate([part.born for part in everything])
    order = np.lexsort(born.T[::-1])
    kind, tensor = (np.concatenate([getattr(p, n) for p in everything])[order] for n in ("kind", "tensor"))
    producer_ptr, producers = _picked([(p.producers, p.producer_counts) for p in everything], order)
    consumer_ptr, consumers = _picked([(p.consumers, p.consumer_counts) for p in everything], order)
    return Deps(
        kind=column(kind, np.uint8),
        distance=column(np.zeros(len(order)), np.uint8),
        tensor=column(tensor, np.int32),
        producer_ptr=column(producer_ptr),
        producers=column(producers + first, np.int32),
        consumer_ptr=column(consumer_ptr),
        consumers=column(consumers + first, np.int32),
    )


def _picked(parts: Sequence[tuple[IntColumn, IntColumn]], order: IntColumn) -> tuple[IntColumn, IntColumn]:
    """The lists of all parts (values, counts) in another order, as CSR."""
    values, counts = (np.concatenate([part[k] for part in parts]) for k in range(2))
    starts, counts = (np.cumsum(counts) - counts)[order], counts[order]
    ptr = np.concatenate([[0], np.cumsum(counts)])
    return ptr, values[np.arange(ptr[-1]) + np.repeat(starts - ptr[:-1], counts)]


# -- the pass --------------------------------------------------------------------------------------


def _walk(accesses: Accesses) -> Iterator[_Found]:
    walk = _Walk(accesses)
    columns = (accesses.task, accesses.place, accesses.mode, accesses.region)
    rows = zip(*(values.tolist() for values in columns), strict=True)
    for task, of_task in groupby(rows, key=lambda row: row[0]):
        mine = [(place, mode, region) for _, place, mode, region in of_task]
        for place, mode, region in mine:
            if mode & 1:
                walk.at = task, _READS, place
                walk.reads(task, region)
        for place, mode, region in mine:
            if mode & 2:
                walk.at = task, _WRITES, place
                walk.overwrites(task, region, bool(mode & 1))
        for _, mode, region in mine:
            if mode & 1:
                walk.has_read(task, region)
        for _, mode, region in mine:
            if mode & 2:
                walk.wrote(task, region)
    table = walk.deps
    for number, (kind, producers, consumers, at) in enumerate(
        zip(table.kinds, table.producers, table.consumers, walk.born, strict=True)
    ):
        yield _Found(DepKind(kind), accesses.tensor, producers, consumers, (*at, number))


class _Walk:
    """The state of the pass: what happened to each region so far."""

    def __init__(self, accesses: Accesses) -> None:
        count = len(accesses.regions.overlaps)
        self.tensor = accesses.tensor
        self.overlaps, self.covers = accesses.regions.overlaps, accesses.regions.covers
        self.at: tuple[int, int, int] = (0, 0, 0)  # the access that is looked at
        self.born: list[tuple[int, int, int]] = []  # of each dependence, the access that it was found at
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
            dep = self._dep(DepKind.RAW, producers) if producers else _NONE
            self.raw[region] = dep
        if dep >= 0:
            self.deps.add(dep, task)

    def overwrites(self, task: int, region: int, also_reads: bool) -> None:
        """The new writer follows the readers since the last covering write, and the last writers."""
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
            self.deps.add(self._dep(DepKind.WAR, sorted(few)), task)
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
            self.deps.add(self._dep(DepKind.WAW, sorted(producers)), task)

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
            dep = self._dep(DepKind.WAR, self.readers[region][begin:end])
            self.war[region, begin, end] = dep
        self.deps.add(dep, task)

    def _dep(self, kind: DepKind, producers: Sequence[int]) -> int:
        dep = self.deps.of(kind, self.tensor, tuple(producers))
        if dep == len(self.born):
            self.born.append(self.at)
        return dep


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
