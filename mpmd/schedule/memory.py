"""Where local tensors lie, and which dependences that adds.

In:  a `TaskGraph` and its `Placement`. Out: a `MemoryPlan`, and the REUSE dependences of buffers that
take the place of earlier ones (found by `reuse.py`). Not here: keeping them (`sync.py`, like all).

Buffers go into one arena, largest first, each into the tightest gap between those that live at the
same time. Two buffers may share a place if in the placed order every access of one comes before
every access of the other, on either side of a barrier where there are barriers. Sharing may cost
signals, and time if the earlier buffer is predicted to be in use still. So buffers share nothing as
long as they fit the caches together; then only where data dependences keep them apart already; and
only when the machine's memory demands it where the prediction has them apart, or just the order.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
import numpy.typing as npt

from mpmd.errors import CapacityError
from mpmd.machine import Machine
from mpmd.partition.graph import Deps, IntColumn, TaskGraph, column
from mpmd.schedule.clocks import replay
from mpmd.schedule.order import Placement
from mpmd.schedule.reuse import Buffers, access_tasks, reuse_deps
from mpmd.schedule.steps import MemoryPlan
from mpmd.schedule.sync import insert

ALIGNMENT = 64


class _Sharing(Enum):
    NEVER = 0
    APART_BY_DATA = 1
    APART_IN_TIME = 2
    APART_IN_ORDER = 3


def plan(graph: TaskGraph, placement: Placement, machine: Machine) -> tuple[MemoryPlan, Deps]:
    """Offsets of all local tensors, and what must be ordered for them."""
    buffers = _buffers(graph, placement)
    offset = _first_fitting(graph, machine, placement, buffers)
    unshared = int(buffers.size.sum())
    memory = MemoryPlan(
        offset=column(_offsets_of_tensors(graph, buffers, offset)),
        arena_bytes=_arena_bytes(buffers, offset),
        unshared_bytes=unshared,
        bound_bytes=_bound(buffers),
    )
    return memory, reuse_deps(graph, buffers, offset)


def _buffers(graph: TaskGraph, placement: Placement) -> Buffers:
    # A task that moves no byte of a tensor does not need it: its hull is empty.
    touched = graph.access_hi > graph.access_lo
    local = np.array([not t.is_argument for t in graph.program.tensors], np.bool_)
    chosen = np.flatnonzero(touched & local[graph.access_tensor])
    by_tensor = chosen[np.argsort(graph.access_tensor[chosen], kind="stable")]
    tensors, starts = np.unique(graph.access_tensor[by_tensor], return_index=True)
    groups = np.split(by_tensor, starts[1:]) if len(tensors) else []
    key = placement.wave if placement.wave.any() else placement.place
    access_task = access_tasks(graph)
    tasks = [access_task[group] for group in groups]
    sizes = [_aligned(graph.program.tensors[t].size_bytes) for t in tensors]
    return Buffers(
        tensor=tensors.astype(np.int64),
        size=np.array(sizes, np.int64),
        first=np.array([key[t].min() for t in tasks], np.int64),
        last=np.array([key[t].max() for t in tasks], np.int64),
        birth=np.array([placement.start[t].min() for t in tasks], np.float64),
        death=np.array([placement.finish[t].max() for t in tasks], np.float64),
        accesses=tuple(groups),
    )


def _aligned(size: int) -> int:
    return max(ALIGNMENT, -(-size // ALIGNMENT) * ALIGNMENT)


def _first_fitting(graph: TaskGraph, machine: Machine, placement: Placement, buffers: Buffers) -> IntColumn:
    """The placement of buffers with the least sharing that is small enough."""
    cached = machine.cache_bytes * placement.cores
    limits = {
        _Sharing.NEVER: min(cached, machine.memory_bytes),
        _Sharing.APART_BY_DATA: machine.memory_bytes,
        _Sharing.APART_IN_TIME: machine.memory_bytes,
        _Sharing.APART_IN_ORDER: machine.memory_bytes,
    }
    needed = 0
    for sharing, limit in limits.items():
        offset = _pack(buffers, _may_share(graph, placement, buffers, sharing))
        needed = _arena_bytes(buffers, offset)
        if needed <= limit:
            return offset
    largest = graph.program.tensors[int(buffers.tensor[int(buffers.size.argmax())])]
    raise CapacityError(
        f"kernel {graph.program.name!r} needs {needed} bytes for its local tensors; "
        f"{machine.name!r} has {machine.memory_bytes}",
        span=largest.span,
        label=f"the largest: {largest.name!r}, {largest.size_bytes} bytes",
        hints=("work on fewer rows at a time, so that local tensors are smaller",),
    )


def _may_share(
    graph: TaskGraph, placement: Placement, buffers: Buffers, sharing: _Sharing
) -> npt.NDArray[np.bool_]:
    """`[i, j]`: buffer `j` may take the place of buffer `i` when that has been used."""
    if sharing is _Sharing.NEVER:
        return np.zeros((len(buffers), len(buffers)), np.bool_)
    before = buffers.last[:, None] < buffers.first[None, :]
    if sharing is _Sharing.APART_IN_TIME:
        before &= buffers.death[:, None] <= buffers.birth[None, :]
    if sharing is _Sharing.APART_BY_DATA and not placement.wave.any():
        before &= _known_over(graph, placement, buffers)
    return before


def _known_over(graph: TaskGraph, placement: Placement, buffers: Buffers) -> npt.NDArray[np.bool_]:
    """`[i, j]`: whoever accesses buffer `j` knows by data dependences that `i` is done with."""
    clocks = replay(insert(graph.deps, placement), placement)
    access_task = access_tasks(graph)
    used = np.full((len(buffers), placement.cores), -1, np.int64)
    known = np.empty((len(buffers), placement.cores), np.int64)
    for i, accesses in enumerate(buffers.accesses):
        tasks = access_task[accesses]
        np.maximum.at(used[i], placement.core[tasks], placement.position[tasks])
        by_position = tasks[np.argsort(placement.position[tasks], kind="stable")]
        _, first = np.unique(placement.core[by_position], return_index=True)
        known[i] = np.min([clocks.before(int(t)) for t in by_position[first]], axis=0)
    return (
        np.stack([(row <= known).all(axis=1) for row in used]) if len(buffers) else np.zeros((0, 0), np.bool_)
    )


def _pack(buffers: Buffers, may_share: npt.NDArray[np.bool_]) -> IntColumn:
    """Offsets by greedy best fit: larger first, then earlier, then by tensor."""
    offset = np.zeros(len(buffers), np.int64)
    placed = np.zeros(0, np.int64)
    for i in np.lexsort((buffers.tensor, buffers.first, -buffers.size)):
        together = placed[~(may_share[i, placed] | may_share[placed, i])]
        offset[i] = _best_gap(offset[together], buffers.size[together], int(buffers.size[i]))
        placed = np.append(placed, i)
    return offset


def _best_gap(lo: IntColumn, size: IntColumn, need: int) -> int:
    """The start of the smallest gap of at least `need` between the taken ranges, else their end."""
    by_lo = np.argsort(lo, kind="stable")
    lo, hi = lo[by_lo], (lo + size)[by_lo]
    ends = np.maximum.accumulate(np.concatenate([[0], hi]))
    gaps = lo - ends[:-1]
    fits = np.flatnonzero(gaps >= need)
    return int(ends[fits[gaps[fits].argmin()]] if len(fits) else ends[-1])


def _arena_bytes(buffers: Buffers, offset: IntColumn) -> int:
    return int((offset + buffers.size).max(initial=0))


def _bound(buffers: Buffers) -> int:
    """The largest sum of sizes over the buffers alive at one moment of the order."""
    if not len(buffers):
        return 0
    when = np.concatenate([buffers.first, buffers.last + 1])
    change = np.concatenate([buffers.size, -buffers.size])
    in_time = np.lexsort((change, when))  # those that end make room first
    return int(np.cumsum(change[in_time]).max())


def _offsets_of_tensors(graph: TaskGraph, buffers: Buffers, offset: IntColumn) -> IntColumn:
    tensors = graph.program.tensors
    result = np.array([-1 if t.is_argument else 0 for t in tensors], np.int64)
    result[buffers.tensor] = offset
    for tensor in tensors:
        root = tensor
        while root.base is not None:
            root = tensors[root.base]
        result[tensor.id] = result[root.id]
    return result
