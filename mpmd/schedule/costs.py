"""Predicted seconds of each task: what it computes, what it moves, and from where.

In:  a `TaskGraph`, a `Machine`. Out: `Costs`, per kind of core and task, and per data flow (an input
     of a task that another task made).
Not here: choosing a core (`order.py`), the time of signals and waits (`Machine.counter`).

A task takes `max(seconds to move its bytes, seconds to compute) + task_seconds`, and more where a core
does not compute while it waits for bytes. Bytes that a task of
the launch made are in some core's cache: cheap to read there, a handover everywhere else. Other bytes
come from memory, at an equal share of its bandwidth; or from the cache that all cores share, if they
are read again, or were left there by the launch before because all that a launch touches fits. So do
those of a local tensor that is too large for all cores' own caches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mpmd.machine import Machine
from mpmd.partition.cost import seconds_of_work
from mpmd.partition.graph import DepKind, FloatColumn, IntColumn, TaskGraph


@dataclass(frozen=True, eq=False)
class Costs:
    """`compute` and `memory` are seconds [kinds, tasks], without the flows; infinite where cores of a kind
    cannot do the task, or its call asks for another kind.

    `memory` is at equal shares of the bandwidths: `memory_bytes` [tasks] are the bytes that share memory's,
    `shared_bytes` those that share that of the cache of all cores (those that are only stored count
    `store_traffic` times), and `cached` [kinds, tasks] is the rest of
    `memory`: bytes that stay in the core's own cache (`kept_bytes`), and what a core computes while it moves
    nothing. The flows of task `t` are `flow_ptr[t]:flow_ptr[t+1]`: the dependence, and the bytes read through
    it. `near` [kinds] and `away` are seconds per byte of a flow on the core that made it, and on another.
    `task_seconds` [kinds] is what starting a task costs.
    """

    compute: FloatColumn
    memory: FloatColumn
    cached: FloatColumn
    memory_bytes: FloatColumn
    shared_bytes: FloatColumn
    kept_bytes: FloatColumn
    flow_ptr: IntColumn
    flow_dep: IntColumn
    flow_bytes: FloatColumn
    near: FloatColumn
    away: float
    task_seconds: FloatColumn

    @cached_property
    def flow_sums(self) -> FloatColumn:
        """Bytes of all flows of each task."""
        before = np.concatenate([[0.0], np.cumsum(self.flow_bytes)])
        return before[self.flow_ptr[1:]] - before[self.flow_ptr[:-1]]

    def durations(self, kind: int = 0, *, per_byte: float) -> FloatColumn:
        """Seconds per task on a kind of core if every flow cost `per_byte`."""
        return (
            np.maximum(self.memory[kind] + self.flow_sums * per_byte, self.compute[kind])
            + self.task_seconds[kind]
        )


def costs(graph: TaskGraph, machine: Machine) -> Costs:
    """The costs of all tasks on each kind of core, when all cores work at once."""
    moved = _access_bytes(graph)
    touched = _touched(graph, moved)
    passing = _passing(graph, touched, machine)
    flow_task, flow_dep, flow_bytes = _flows(graph, moved, passing)
    carried = np.bincount(flow_task, weights=flow_bytes, minlength=len(graph))
    kept = _kept_in_cache(graph, moved, passing, machine)
    needed = np.maximum(graph.bytes - carried - kept, 0.0)
    needed += (machine.store_traffic - 1.0) * np.minimum(_only_stored(graph, moved, kept), needed)
    fetched = needed * _share_from_memory(graph, moved, touched, passing, machine)
    kinds, cores = machine.kinds, machine.cores
    allowed = _allowed(graph, machine)
    shares = [min(kind.bandwidth, machine.bandwidth / cores) for kind in kinds]
    shared = [min(kind.cache_bandwidth, machine.shared_cache_bandwidth / cores) or np.inf for kind in kinds]
    crowding = machine.crowding if cores > 1 else 1.0
    compute = [crowding * seconds_of_work(graph.work, kind) for kind in kinds]
    cached = [
        kept / kind.cache_bandwidth + (1.0 - kind.overlap) * alone
        for kind, alone in zip(kinds, np.where(np.isinf(compute), 0.0, compute), strict=True)
    ]
    memory = [
        fetched / share + (needed - fetched) / there + rest
        for share, there, rest in zip(shares, shared, cached, strict=True)
    ]
    flow_ptr = np.concatenate([[0], np.cumsum(np.bincount(flow_task, minlength=len(graph)))])
    return Costs(
        compute=np.where(allowed, compute, np.inf),
        memory=np.where(allowed, memory, np.inf),
        cached=np.array(cached),
        memory_bytes=fetched,
        shared_bytes=needed - fetched,
        kept_bytes=kept,
        flow_ptr=flow_ptr.astype(np.int64),
        flow_dep=flow_dep,
        flow_bytes=flow_bytes,
        near=np.array([1.0 / kind.cache_bandwidth for kind in kinds]),
        away=1.0 / machine.handover_bandwidth,
        task_seconds=np.array([kind.task_seconds for kind in kinds]),
    )


def _allowed(graph: TaskGraph, machine: Machine) -> npt.NDArray[np.bool_]:
    """[kinds, tasks]: whether the call of a task leaves it to that kind of core."""
    asked = [site.call.placement.on if site.call.placement else None for site in graph.sites]
    by_site = np.array([[on in (None, kind.name) for on in asked] for kind in machine.kinds], np.bool_)
    return by_site[:, graph.site]


def _access_bytes(graph: TaskGraph) -> FloatColumn:
    """Bytes moved per access: the task's bytes split by the sizes of the hulls.

    A hull is too large for a strided region, so it only says in what proportion.
    """
    tasks = _access_tasks(graph)
    hull = (graph.access_hi - graph.access_lo).astype(np.float64)
    total = np.bincount(tasks, weights=hull, minlength=len(graph))
    scale = np.divide(graph.bytes, total, out=np.zeros(len(graph)), where=total > 0)
    return hull * scale[tasks]


def _access_tasks(graph: TaskGraph) -> IntColumn:
    return np.repeat(np.arange(len(graph)), np.diff(graph.access_ptr))


def _flows(
    graph: TaskGraph, moved: FloatColumn, passing: npt.NDArray[np.bool_]
) -> tuple[IntColumn, IntColumn, FloatColumn]:
    """Task, dependence and bytes of every read of what a task made, sorted by task.

    A task that reads one tensor through several dependences reads an equal part through each, and
    through none more than its producers wrote.
    """
    deps = graph.deps
    tensors = len(graph.program.tensors)
    dep = np.repeat(np.arange(len(deps)), np.diff(deps.consumer_ptr))
    raw = (deps.kind[dep] == DepKind.RAW) & passing[deps.tensor[dep]]
    dep, task = dep[raw], deps.consumers[raw].astype(np.int64)
    by_task = np.argsort(task, kind="stable")
    dep, task = dep[by_task], task[by_task]
    read_key, read_bytes = _bytes_by_tensor(graph, moved, 1)
    flow_key = task * tensors + deps.tensor[dep]
    _, group, parts = np.unique(flow_key, return_inverse=True, return_counts=True)
    share = _found(read_key, read_bytes, flow_key) / parts[group.reshape(-1)]
    return task, dep, np.minimum(share, _made(graph, moved)[dep])


def _made(graph: TaskGraph, moved: FloatColumn) -> FloatColumn:
    """Per dependence the bytes that its producers wrote: no more can come from their caches.

    (One row of a cache of keys is written; all its rows are read.)
    """
    deps = graph.deps
    written_key, written = _bytes_by_tensor(graph, moved, 2)
    dep = np.repeat(np.arange(len(deps)), np.diff(deps.producer_ptr))
    key = deps.producers.astype(np.int64) * len(graph.program.tensors) + deps.tensor[dep]
    made = np.bincount(dep, weights=_found(written_key, written, key), minlength=len(deps))
    return made.astype(np.float64)


def _touched(graph: TaskGraph, moved: FloatColumn) -> FloatColumn:
    """Per tensor the bytes of it that any task moves, at most all."""
    size = np.array([tensor.size_bytes for tensor in graph.program.tensors], np.float64)
    return np.minimum(size, np.bincount(graph.access_tensor, weights=moved, minlength=len(size)))


def touched_bytes(graph: TaskGraph) -> float:
    """The bytes that a launch touches."""
    return float(_touched(graph, _access_bytes(graph)).sum())


def _passing(graph: TaskGraph, touched: FloatColumn, machine: Machine) -> npt.NDArray[np.bool_]:
    """Per tensor whether what one task writes may still be in its core's cache when another reads it."""
    caches = sum(kind.cores * kind.cache_bytes for kind in machine.kinds)
    return touched <= caches if machine.shared_cache_bytes else np.ones(len(touched), np.bool_)


def _share_from_memory(
    graph: TaskGraph,
    moved: FloatColumn,
    touched: FloatColumn,
    passing: npt.NDArray[np.bool_],
    machine: Machine,
) -> FloatColumn:
    """Per task the share of what is in no core's cache that comes from memory, and not from the shared one.

    A byte comes from memory once a launch, and is then in the cache, unless its tensor alone is too large
    for that. Launches are taken to follow each other: as long as all that one touches fits, the next one
    finds it. Of somewhat more a part is found (caches replace at random, more or less), of twice as much
    nothing.
    """
    if not machine.shared_cache_bytes:
        return np.ones(len(graph))
    traffic = np.bincount(graph.access_tensor, weights=moved, minlength=len(touched))
    missing = np.clip(touched.sum() / machine.shared_cache_bytes - 1.0, 0.0, 1.0)
    first = np.divide(touched, traffic, out=np.ones(len(touched)), where=traffic > 0)
    by_tensor = missing * np.where(touched > machine.shared_cache_bytes, 1.0, first)
    counts = ~passing | np.array([tensor.is_argument for tensor in graph.program.tensors], np.bool_)
    chosen = moved * counts[graph.access_tensor]
    tasks = _access_tasks(graph)
    total = np.bincount(tasks, weights=chosen, minlength=len(graph))
    fresh = np.bincount(tasks, weights=chosen * by_tensor[graph.access_tensor], minlength=len(graph))
    return np.divide(fresh, total, out=np.full(len(graph), missing), where=total > 0)


def _found(keys: IntColumn, values: FloatColumn, wanted: IntColumn) -> FloatColumn:
    """The value of each wanted key, 0 where it is not among the (ascending) keys."""
    at = np.searchsorted(keys, wanted)
    inside = at < len(keys)
    hit = np.zeros(len(wanted), bool)
    hit[inside] = keys[at[inside]] == wanted[inside]
    result = np.zeros(len(wanted))
    result[hit] = values[at[hit]]
    return result


def _bytes_by_tensor(graph: TaskGraph, moved: FloatColumn, mode: int) -> tuple[IntColumn, FloatColumn]:
    """Bytes read (mode 1) or written (2) per task and root tensor: ascending keys task × tensors + tensor."""
    chosen = (graph.access_mode & mode) > 0
    keys = (_access_tasks(graph) * len(graph.program.tensors) + graph.access_tensor)[chosen]
    share = np.where(graph.access_mode == 3, 0.5, 1.0)[chosen] * moved[chosen]
    distinct, group = np.unique(keys, return_inverse=True)
    total = np.bincount(group.reshape(-1), weights=share, minlength=len(distinct))
    return distinct.astype(np.int64), total.astype(np.float64)


def _only_stored(graph: TaskGraph, moved: FloatColumn, kept: FloatColumn) -> FloatColumn:
    """Bytes that a task stores without having read them, and that do not stay in its core's cache."""
    chosen = moved * (graph.access_mode == 2)
    stored = np.bincount(_access_tasks(graph), weights=chosen, minlength=len(graph))
    return np.maximum(stored - kept, 0.0)


def _kept_in_cache(
    graph: TaskGraph, moved: FloatColumn, passing: npt.NDArray[np.bool_], machine: Machine
) -> FloatColumn:
    """Bytes written to local tensors that fit the caches, by tasks that do: they need not reach memory."""
    local = passing & np.array([not t.is_argument for t in graph.program.tensors], np.bool_)
    writes = (graph.access_mode & 2) > 0
    chosen = np.where(graph.access_mode == 3, 0.5, 1.0) * moved * (writes & local[graph.access_tensor])
    kept = np.bincount(_access_tasks(graph), weights=chosen, minlength=len(graph))
    return np.where(graph.bytes <= machine.leading.cache_bytes, kept, 0.0)
