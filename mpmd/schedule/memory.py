"""Where local tensors lie, and which dependences that adds.

In:  a `TaskGraph` and its `Placement`. Out: a `MemoryPlan`, and the REUSE dependences of buffers that
take the place of earlier ones. Not here: keeping those dependences (`sync.py`, like all others).

Buffers go into one arena, largest first, each into the tightest gap between those that live at the
same time. Two buffers may share a place if in the placed order every access of one comes before
every access of the other, on either side of a barrier where there are barriers. Sharing costs
signals, and time if the earlier buffer is predicted to be in use still. So buffers share nothing as
long as they fit the caches together; then only where the prediction has them apart; and wherever
the order allows it only when the machine's memory demands it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from mpmd.errors import CapacityError
from mpmd.machine import Machine
from mpmd.partition.graph import DepKind, Deps, IntColumn, TaskGraph, column
from mpmd.schedule.order import Placement
from mpmd.schedule.steps import MemoryPlan

ALIGNMENT = 64
_PAIRS = 1 << 22  # accesses of two buffers compared one by one up to here, else all with all


class _Sharing(Enum):
    NEVER = 0
    APART_IN_TIME = 1
    APART_IN_ORDER = 2


@dataclass(frozen=True, eq=False)
class _Buffers:
    """The accessed local tensors: sizes, and lifetimes in order (`first`, `last`) and in seconds.

    The accesses of buffer `i` are `accesses[i]`, indices of the graph's access columns.
    """

    tensor: IntColumn
    size: IntColumn
    first: IntColumn
    last: IntColumn
    birth: npt.NDArray[np.float64]
    death: npt.NDArray[np.float64]
    accesses: tuple[IntColumn, ...]

    def __len__(self) -> int:
        return len(self.tensor)


def plan(graph: TaskGraph, placement: Placement, machine: Machine) -> tuple[MemoryPlan, Deps]:
    """Offsets of all local tensors, and what must be ordered for them."""
    access_task = np.repeat(np.arange(len(graph)), np.diff(graph.access_ptr))
    buffers = _buffers(graph, placement, access_task)
    offset = _first_fitting(graph, machine, placement, buffers)
    unshared = int(buffers.size.sum())
    memory = MemoryPlan(
        offset=column(_offsets_of_tensors(graph, buffers, offset)),
        arena_bytes=_arena_bytes(buffers, offset),
        unshared_bytes=unshared,
        bound_bytes=_bound(buffers),
    )
    return memory, _reuse_deps(graph, buffers, offset, access_task)


def _buffers(graph: TaskGraph, placement: Placement, access_task: IntColumn) -> _Buffers:
    # A task that moves no byte of a tensor does not need it: its hull is empty.
    touched = graph.access_hi > graph.access_lo
    local = np.array([not t.is_argument for t in graph.program.tensors], np.bool_)
    chosen = np.flatnonzero(touched & local[graph.access_tensor])
    by_tensor = chosen[np.argsort(graph.access_tensor[chosen], kind="stable")]
    tensors, starts = np.unique(graph.access_tensor[by_tensor], return_index=True)
    groups = np.split(by_tensor, starts[1:]) if len(tensors) else []
    key = placement.wave if placement.wave.any() else placement.place
    tasks = [access_task[group] for group in groups]
    sizes = [_aligned(graph.program.tensors[t].size_bytes) for t in tensors]
    return _Buffers(
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


def _first_fitting(
    graph: TaskGraph, machine: Machine, placement: Placement, buffers: _Buffers
) -> IntColumn:
    """The placement of buffers with the least sharing that is small enough."""
    cached = machine.cache_bytes * placement.cores
    limits = {
        _Sharing.NEVER: min(cached, machine.memory_bytes),
        _Sharing.APART_IN_TIME: machine.memory_bytes,
        _Sharing.APART_IN_ORDER: machine.memory_bytes,
    }
    needed = 0
    for sharing, limit in limits.items():
        offset = _pack(buffers, sharing)
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


def _pack(buffers: _Buffers, sharing: _Sharing) -> IntColumn:
    """Offsets by greedy best fit: larger first, then earlier, then by tensor."""
    offset = np.zeros(len(buffers), np.int64)
    if sharing is _Sharing.NEVER:
        offset[1:] = np.cumsum(buffers.size)[:-1]
        return offset
    placed = np.zeros(0, np.int64)
    for i in np.lexsort((buffers.tensor, buffers.first, -buffers.size)):
        apart = (buffers.last[placed] < buffers.first[i]) | (buffers.last[i] < buffers.first[placed])
        if sharing is _Sharing.APART_IN_TIME:
            before = buffers.death[placed] <= buffers.birth[i]
            apart &= before | (buffers.death[i] <= buffers.birth[placed])
        together = placed[~apart]
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


def _arena_bytes(buffers: _Buffers, offset: IntColumn) -> int:
    return int((offset + buffers.size).max(initial=0))


def _bound(buffers: _Buffers) -> int:
    """The largest sum of sizes over the buffers alive at one moment of the order."""
    if not len(buffers):
        return 0
    when = np.concatenate([buffers.first, buffers.last + 1])
    change = np.concatenate([buffers.size, -buffers.size])
    in_time = np.lexsort((change, when))  # those that end make room first
    return int(np.cumsum(change[in_time]).max())


def _offsets_of_tensors(graph: TaskGraph, buffers: _Buffers, offset: IntColumn) -> IntColumn:
    tensors = graph.program.tensors
    result = np.array([-1 if t.is_argument else 0 for t in tensors], np.int64)
    result[buffers.tensor] = offset
    for tensor in tensors:
        root = tensor
        while root.base is not None:
            root = tensors[root.base]
        result[tensor.id] = result[root.id]
    return result


def _reuse_deps(graph: TaskGraph, buffers: _Buffers, offset: IntColumn, access_task: IntColumn) -> Deps:
    tensor: list[int] = []
    producers: list[IntColumn] = []
    consumers: list[IntColumn] = []
    for later in np.lexsort((buffers.tensor, buffers.first)):
        for earlier in _predecessors(graph, buffers, offset, int(later)):
            a, b = buffers.accesses[earlier], buffers.accesses[later]
            shift = int(offset[earlier] - offset[later])
            for rows, columns in _conflicts(graph, a, b, shift):
                tensor.append(int(buffers.tensor[later]))
                producers.append(np.unique(access_task[rows]))
                consumers.append(np.unique(access_task[columns]))
    return Deps(
        kind=column(np.full(len(tensor), DepKind.REUSE), np.uint8),
        tensor=column(np.array(tensor, np.int32), np.int32),
        producer_ptr=column(np.cumsum([0, *map(len, producers)])),
        producers=column(np.concatenate([np.zeros(0, np.int64), *producers]), np.int32),
        consumer_ptr=column(np.cumsum([0, *map(len, consumers)])),
        consumers=column(np.concatenate([np.zeros(0, np.int64), *consumers]), np.int32),
    )


def _predecessors(graph: TaskGraph, buffers: _Buffers, offset: IntColumn, later: int) -> list[int]:
    """The earlier buffers in the place of `later`, latest first, until the place is accounted for.

    Behind a buffer that is written all over nothing earlier matters: whoever accessed those bytes
    before comes before its writes, and they before `later`.
    """
    end = offset + buffers.size
    shares = (offset < end[later]) & (offset[later] < end) & (buffers.last < buffers.first[later])
    found: list[int] = []
    open_ranges = [(int(offset[later]), int(end[later]))]
    candidates = np.flatnonzero(shares)
    for i in candidates[np.lexsort((candidates, -buffers.last[candidates]))]:
        lo, hi = int(offset[i]), int(end[i])
        if all(b <= lo or hi <= a for a, b in open_ranges):
            continue
        found.append(int(i))
        if _written_all_over(graph, buffers, int(i)):
            pieces = [piece for a, b in open_ranges for piece in ((a, min(b, lo)), (max(a, hi), b))]
            open_ranges = [(a, b) for a, b in pieces if a < b]
        if not open_ranges:
            break
    return found


def _written_all_over(graph: TaskGraph, buffers: _Buffers, i: int) -> bool:
    """Whether the hulls of the writes of buffer `i` cover it. (Conflicts are found by hulls too.)"""
    accesses = buffers.accesses[i]
    writes = accesses[(graph.access_mode[accesses] & 2) > 0]
    by_lo = writes[np.argsort(graph.access_lo[writes], kind="stable")]
    lo, hi = graph.access_lo[by_lo], graph.access_hi[by_lo]
    reached = np.maximum.accumulate(np.concatenate([[0], hi]))
    size = graph.program.tensors[int(buffers.tensor[i])].size_bytes
    return bool((lo <= reached[:-1]).all() and reached[-1] >= size)


def _conflicts(
    graph: TaskGraph, a: IntColumn, b: IntColumn, shift: int
) -> list[tuple[IntColumn, IntColumn]]:
    """Groups of accesses of `a` that must come before groups of accesses of `b`.

    `shift` takes offsets in the buffer of `a` to offsets in that of `b`. Accesses of `b` that conflict
    with the same accesses of `a` share a group.
    """
    lo, hi, mode = graph.access_lo, graph.access_hi, graph.access_mode
    forms, form_of_b = np.unique(
        np.stack([lo[b], hi[b], mode[b] & 2], axis=1), axis=0, return_inverse=True
    )
    form_of_b = form_of_b.reshape(-1)
    if len(forms) * len(a) > _PAIRS:
        return [(a, b)]
    meet = (lo[a] + shift < forms[:, 1:2]) & (forms[:, 0:1] < hi[a] + shift)
    meet &= (forms[:, 2:3] > 0) | ((mode[a] & 2) > 0)
    groups: dict[bytes, list[int]] = {}
    for form, row in enumerate(meet):
        if row.any():
            groups.setdefault(row.tobytes(), []).append(form)
    return [(a[meet[forms_[0]]], b[np.isin(form_of_b, forms_)]) for forms_ in groups.values()]
