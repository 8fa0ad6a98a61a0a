"""Some tasks of a graph as a graph of their own.

In:  a `TaskGraph`, disjoint groups of its tasks. Out: per group its `TaskGraph`, tasks counted from 0.
Not here: which tasks belong together (`unfused.py`).

Program and functions are shared; a dependence is in a group with those of its tasks that are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mpmd.partition.graph import Deps, IntColumn, Phase, TaskGraph, column


def split(graph: TaskGraph, groups: Sequence[IntColumn]) -> Iterator[tuple[TaskGraph, IntColumn]]:
    """Each group (ascending) as straight code, and the numbers in `graph` of its dependences."""
    group_of, place = np.full(len(graph), -1, np.int64), np.zeros(len(graph), np.int64)
    for number, tasks in enumerate(groups):
        group_of[tasks] = number
        place[tasks] = np.arange(len(tasks))
    inner = _Inner.of(graph.deps, group_of, place, len(groups))
    for number, tasks in enumerate(groups):
        deps, numbers = inner.deps(graph.deps, number)
        yield _part(graph, tasks, deps), numbers


def _part(graph: TaskGraph, tasks: IntColumn, deps: Deps) -> TaskGraph:
    word_ptr, words = _rows(graph.word_ptr, tasks)
    access_ptr, accesses = _rows(graph.access_ptr, tasks)
    gangs, gang = _renumbered(graph.gang[tasks])
    _, drain = _renumbered(graph.drain[tasks])
    sites, site = np.unique(graph.site[tasks], return_inverse=True)
    new = {int(old): number for number, old in enumerate(gangs)}
    return replace(
        graph,
        sites=tuple(graph.sites[number] for number in sites.tolist()),
        site=column(site.reshape(-1), np.int32),
        number=column(graph.number[tasks], np.int32),
        word_ptr=column(word_ptr),
        words=column(graph.words[words]),
        work=column(graph.work[tasks], np.float64),
        bytes=column(graph.bytes[tasks], np.float64),
        access_ptr=column(access_ptr),
        access_tensor=column(graph.access_tensor[accesses], np.int32),
        access_mode=column(graph.access_mode[accesses], np.uint8),
        access_lo=column(graph.access_lo[accesses]),
        access_hi=column(graph.access_hi[accesses]),
        deps=deps,
        phases=(Phase(0, len(tasks)),),
        gang=column(gang, np.int32),
        drain=column(drain, np.int32),
        pin=column(graph.pin[tasks], np.int32),
        near=column(graph.near[tasks], np.int32),
        tokens=tuple((new[g], channel, count) for g, channel, count in graph.tokens if g in new),
    )


def _rows(ptr: IntColumn, rows: IntColumn) -> tuple[IntColumn, IntColumn]:
    """The pointer of some rows of a ragged column, and where their entries are."""
    count = np.diff(ptr)[rows]
    ends = np.cumsum(count)
    return np.concatenate([[0], ends]), np.arange(int(count.sum())) + np.repeat(
        ptr[rows] - (ends - count), count
    )


def _renumbered(numbers: npt.NDArray[np.int32]) -> tuple[IntColumn, IntColumn]:
    """The numbers that occur (−1 is none), and each one's place among them."""
    found = np.unique(numbers[numbers >= 0]).astype(np.int64)
    return found, np.where(numbers >= 0, np.searchsorted(found, numbers), -1)


@dataclass(frozen=True, eq=False)
class _Inner:
    """Dependences within groups, by group: number `k` of all is dependence `dep[k]` of the graph."""

    ptr: IntColumn
    dep: IntColumn
    producer_ptr: IntColumn
    producers: IntColumn
    consumer_ptr: IntColumn
    consumers: IntColumn

    @staticmethod
    def of(deps: Deps, group_of: IntColumn, place: IntColumn, groups: int) -> _Inner:
        made = _keys(deps, deps.producer_ptr, deps.producers, group_of)
        used = _keys(deps, deps.consumer_ptr, deps.consumers, group_of)
        both = np.intersect1d(made, used)
        both = both[both >= 0]
        producer_ptr, producers = _members(made, both, place[deps.producers])
        consumer_ptr, consumers = _members(used, both, place[deps.consumers])
        group, dep = np.divmod(both, max(1, len(deps)))
        ptr = np.searchsorted(group, np.arange(groups + 1))
        return _Inner(ptr, dep, producer_ptr, producers, consumer_ptr, consumers)

    def deps(self, of: Deps, group: int) -> tuple[Deps, IntColumn]:
        first, end = int(self.ptr[group]), int(self.ptr[group + 1])
        numbers = self.dep[first:end]
        made, used = self.producer_ptr[first : end + 1], self.consumer_ptr[first : end + 1]
        part = Deps(
            kind=column(of.kind[numbers], np.uint8),
            distance=column(of.distance[numbers], np.uint8),
            tensor=column(of.tensor[numbers], np.int32),
            producer_ptr=column(made - made[0]),
            producers=column(self.producers[made[0] : made[-1]], np.int32),
            consumer_ptr=column(used - used[0]),
            consumers=column(self.consumers[used[0] : used[-1]], np.int32),
        )
        return part, numbers


def _keys(deps: Deps, ptr: IntColumn, tasks: npt.NDArray[np.int32], group_of: IntColumn) -> IntColumn:
    """Of each entry its group and dependence as one number; −1 where an iteration needs another one."""
    dep = np.repeat(np.arange(len(deps)), np.diff(ptr))
    group = group_of[tasks]
    return np.where((group >= 0) & (deps.distance[dep] == 0), group * len(deps) + dep, -1)


def _members(keys: IntColumn, kept: IntColumn, tasks: IntColumn) -> tuple[IntColumn, IntColumn]:
    """The tasks of each kept key, ascending as they were."""
    order = np.argsort(keys, kind="stable")
    order = order[np.isin(keys[order], kept)]
    return np.searchsorted(keys[order], np.append(kept, np.iinfo(np.int64).max)), tasks[order]
