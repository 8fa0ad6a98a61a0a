"""One phase of a graph as a graph of its own, and the dependences that belong to it.

In:  a `TaskGraph`, its dependences. Out: graphs and dependences in which tasks count from 0.
Not here: placing (`order.py`, `joint.py`), sync (`sync.py`, `periodic.py`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mpmd.partition.graph import Deps, IntColumn, Phase, TaskGraph, column


def alone(graph: TaskGraph, phase: Phase) -> TaskGraph:
    """The tasks of a phase with the dependences within one iteration of it."""
    if phase.first == 0 and phase.end == len(graph) and not graph.deps.distance.any():
        return graph
    first, end = phase.first, phase.end
    tasks = slice(first, end)
    accesses = slice(int(graph.access_ptr[first]), int(graph.access_ptr[end]))
    words = slice(int(graph.word_ptr[first]), int(graph.word_ptr[end]))
    deps, _ = within(graph.deps, phase, distance=0)
    return replace(
        graph,
        site=graph.site[tasks],
        number=graph.number[tasks],
        word_ptr=column(graph.word_ptr[first : end + 1] - words.start),
        words=graph.words[words],
        work=graph.work[tasks],
        bytes=graph.bytes[tasks],
        access_ptr=column(graph.access_ptr[first : end + 1] - accesses.start),
        access_tensor=graph.access_tensor[accesses],
        access_mode=graph.access_mode[accesses],
        access_lo=graph.access_lo[accesses],
        access_hi=graph.access_hi[accesses],
        deps=deps,
        phases=(replace(phase, first=0, end=end - first),),
        gang=graph.gang[tasks],
        drain=graph.drain[tasks],
        pin=graph.pin[tasks],
        near=graph.near[tasks],
    )


def within(deps: Deps, phase: Phase, *, distance: int) -> tuple[Deps, IntColumn]:
    """The dependences of a phase with that distance, and their numbers among all."""
    member = _a_member(deps)
    chosen = np.flatnonzero((phase.first <= member) & (member < phase.end) & (deps.distance == distance))
    producer_ptr, producers = _take(deps.producer_ptr, deps.producers, chosen)
    consumer_ptr, consumers = _take(deps.consumer_ptr, deps.consumers, chosen)
    part = Deps(
        kind=column(deps.kind[chosen], np.uint8),
        distance=column(deps.distance[chosen], np.uint8),
        tensor=column(deps.tensor[chosen], np.int32),
        producer_ptr=column(producer_ptr),
        producers=column(producers - phase.first, np.int32),
        consumer_ptr=column(consumer_ptr),
        consumers=column(consumers - phase.first, np.int32),
    )
    return part, chosen


def _a_member(deps: Deps) -> IntColumn:
    """A task of each dependence that has both sides, −1 of the others (which order nothing)."""
    both = (np.diff(deps.producer_ptr) > 0) & (np.diff(deps.consumer_ptr) > 0)
    member = np.full(len(deps), -1, np.int64)
    member[both] = deps.producers[deps.producer_ptr[:-1][both]]
    return member


def _take(
    ptr: IntColumn, members: npt.NDArray[np.int32], rows: IntColumn
) -> tuple[IntColumn, npt.NDArray[np.int32]]:
    """Some rows of a CSR pair."""
    count = np.diff(ptr)[rows]
    ends = np.cumsum(count)
    at = np.arange(int(count.sum())) + np.repeat(ptr[rows] - (ends - count), count)
    return np.concatenate([[0], ends]), members[at]
