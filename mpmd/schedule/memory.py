"""Where local tensors lie, and which dependences that adds.

In:  a `TaskGraph` and its placed phases. Out: a `MemoryPlan`, and the REUSE dependences of buffers that
take the place of earlier ones (found by `reuse.py`). Not here: keeping them (`sync.py`, like all); the
memory of channels, which stands behind all buffers (`rings.py`).

Buffers go into one arena, largest first, each into the tightest gap between those that live at the
same time. Two buffers may share a place if in the placed order every access of one comes before
every access of the other, on either side of a barrier where there are barriers. Sharing may cost
signals, and time if the earlier buffer is predicted to be in use still. So buffers share nothing as
long as they fit the caches together; then only where data dependences keep them apart already; and
only when the machine's memory demands it where the prediction has them apart, or just the order.

Phases are apart in every sense. What a loop touches lives throughout the loop, unless its iterations end
with a barrier and each makes the tensor anew (`fresh.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from mpmd.errors import CapacityError
from mpmd.machine import Machine
from mpmd.partition.graph import Deps, FloatColumn, IntColumn, TaskGraph, column
from mpmd.schedule.arena import aligned, most_alive, offsets_of_tensors, packed
from mpmd.schedule.clocks import replay
from mpmd.schedule.fresh import fresh
from mpmd.schedule.reuse import Buffers, access_tasks, reuse_deps
from mpmd.schedule.steps import MemoryPlan
from mpmd.schedule.stretches import Stretch
from mpmd.schedule.sync import insert, of_units


class _Sharing(Enum):
    NEVER = 0
    APART_BY_DATA = 1
    APART_IN_TIME = 2
    APART_IN_ORDER = 3


Planning = Callable[[TaskGraph, Sequence[Stretch], Machine, int, int], tuple[MemoryPlan, Deps]]


def plan(
    graph: TaskGraph, stretches: Sequence[Stretch], machine: Machine, cores: int, reserved: int
) -> tuple[MemoryPlan, Deps]:
    """Offsets of all local tensors, before `reserved` bytes, and what must be ordered for them."""
    buffers = _buffers(graph, stretches)
    return _planned(
        graph, buffers, _first_fitting(graph, machine, stretches, cores, buffers, reserved), reserved
    )


def plan_apart(
    graph: TaskGraph, stretches: Sequence[Stretch], machine: Machine, cores: int, reserved: int
) -> tuple[MemoryPlan, Deps]:
    """The same where no two share a place: what sharing is measured against."""
    buffers = _buffers(graph, stretches)
    offset = _pack(buffers, _may_share(graph, stretches, buffers, _Sharing.NEVER))
    needed = _arena_bytes(buffers, offset) + reserved
    if needed > machine.memory_bytes:
        raise _too_large(graph, machine, buffers, needed, reserved)
    return _planned(graph, buffers, offset, reserved)


def plan_tightest(
    graph: TaskGraph, stretches: Sequence[Stretch], machine: Machine, cores: int, reserved: int
) -> tuple[MemoryPlan, Deps]:
    """The same where all share a place that the order lets."""
    buffers = _buffers(graph, stretches)
    may_share = _may_share(graph, stretches, buffers, _Sharing.APART_IN_ORDER)
    return _planned(graph, buffers, _pack(buffers, may_share), reserved)


def _planned(graph: TaskGraph, buffers: Buffers, offset: IntColumn, reserved: int) -> tuple[MemoryPlan, Deps]:
    memory = MemoryPlan(
        offset=column(offsets_of_tensors(graph.program.tensors, buffers.tensor, offset)),
        arena_bytes=_arena_bytes(buffers, offset) + reserved,
        unshared_bytes=int(buffers.size.sum()) + reserved,
        bound_bytes=most_alive(buffers.size, buffers.first, buffers.last) + reserved,
    )
    return memory, reuse_deps(graph, buffers, offset)


@dataclass(frozen=True, eq=False)
class _Moments:
    """Per task the phase it is in, when it may run in the order (`first` to `last`), and in seconds.

    What `fresh` does not have of the tensors of a loop is in use from `begin` to `end` of the phase.
    """

    phase: IntColumn
    first: IntColumn
    last: IntColumn
    birth: FloatColumn
    death: FloatColumn
    begin: IntColumn
    end: IntColumn
    fresh: frozenset[int]

    def life(self, tensor: int, tasks: IntColumn) -> tuple[int, int]:
        """From the first to the last use of a tensor, by these tasks."""
        if tensor in self.fresh:
            return int(self.first[tasks].min()), int(self.last[tasks].max())
        return int(self.begin[tasks].min()), int(self.end[tasks].max())


def _moments(graph: TaskGraph, stretches: Sequence[Stretch]) -> _Moments:
    phase, first, last, begins, ends = (np.zeros(len(graph), np.int64) for _ in range(5))
    birth, death = np.zeros(len(graph)), np.zeros(len(graph))
    made_anew: set[int] = set()
    begin = 0
    for number, stretch in enumerate(stretches):
        placement, tasks = stretch.placement, slice(stretch.phase.first, stretch.phase.end)
        key = placement.wave.astype(np.int64) if placement.wave.any() else placement.place
        end = begin + int(key.max(initial=0))
        phase[tasks] = number
        first[tasks] = last[tasks] = begin + key[: len(stretch.graph)]
        for drained in placement.drains:
            items, parts = tasks.start + np.array(drained.tasks), np.array(drained.parts)
            first[items], last[items] = begin + key[parts].min(), begin + key[parts].max()
        birth[tasks] = stretch.begin + placement.start[: len(stretch.graph)]
        death[tasks] = stretch.begin + placement.finish[: len(stretch.graph)]
        if stretch.phase.loop is None:
            begins[tasks], ends[tasks] = first[tasks], last[tasks]
        else:
            begins[tasks], ends[tasks] = begin, end
            made_anew |= fresh(graph, stretch.phase) if stretch.meets else set()
        begin = end + 1
    return _Moments(phase, first, last, birth, death, begins, ends, frozenset(made_anew))


def _buffers(graph: TaskGraph, stretches: Sequence[Stretch]) -> Buffers:
    # A task that moves no byte of a tensor does not need it: its hull is empty.
    touched = graph.access_hi > graph.access_lo
    local = np.array([not t.is_argument for t in graph.program.tensors], np.bool_)
    chosen = np.flatnonzero(touched & local[graph.access_tensor])
    by_tensor = chosen[np.argsort(graph.access_tensor[chosen], kind="stable")]
    tensors, starts = np.unique(graph.access_tensor[by_tensor], return_index=True)
    groups = np.split(by_tensor, starts[1:]) if len(tensors) else []
    when = _moments(graph, stretches)
    access_task = access_tasks(graph)
    tasks = [access_task[group] for group in groups]
    lives = [when.life(int(t), by) for t, by in zip(tensors, tasks, strict=True)]
    sizes = [aligned(graph.program.tensors[t].size_bytes) for t in tensors]
    return Buffers(
        tensor=tensors.astype(np.int64),
        size=np.array(sizes, np.int64),
        first=np.array([first for first, _ in lives], np.int64),
        last=np.array([last for _, last in lives], np.int64),
        birth=np.array([when.birth[t].min() for t in tasks], np.float64),
        death=np.array([when.death[t].max() for t in tasks], np.float64),
        accesses=tuple(groups),
        first_phase=np.array([when.phase[t[0]] for t in tasks], np.int64),
        last_phase=np.array([when.phase[t[-1]] for t in tasks], np.int64),
        opening=tuple(g[when.phase[t] == when.phase[t[0]]] for g, t in zip(groups, tasks, strict=True)),
        closing=tuple(g[when.phase[t] == when.phase[t[-1]]] for g, t in zip(groups, tasks, strict=True)),
    )


def _first_fitting(
    graph: TaskGraph,
    machine: Machine,
    stretches: Sequence[Stretch],
    cores: int,
    buffers: Buffers,
    reserved: int,
) -> IntColumn:
    """The placement of buffers with the least sharing that is small enough."""
    limits = {
        _Sharing.NEVER: min(machine.leading.cache_bytes * cores, machine.memory_bytes),
        _Sharing.APART_BY_DATA: machine.memory_bytes,
        _Sharing.APART_IN_TIME: machine.memory_bytes,
        _Sharing.APART_IN_ORDER: machine.memory_bytes,
    }
    needed = 0
    for sharing, limit in limits.items():
        offset = _pack(buffers, _may_share(graph, stretches, buffers, sharing))
        needed = _arena_bytes(buffers, offset) + reserved
        if needed <= limit:
            return offset
    raise _too_large(graph, machine, buffers, needed, reserved)


def _too_large(
    graph: TaskGraph, machine: Machine, buffers: Buffers, needed: int, reserved: int
) -> CapacityError:
    if reserved > machine.memory_bytes:
        return _channels_too_large(graph, machine, reserved)
    largest = graph.program.tensors[int(buffers.tensor[int(buffers.size.argmax())])]
    return CapacityError(
        f"kernel {graph.program.name!r} needs {needed} bytes for its local tensors; "
        f"{machine.name!r} has {machine.memory_bytes}",
        span=largest.span,
        label=f"the largest: {largest.name!r}, {largest.size_bytes} bytes",
        hints=("work on fewer rows at a time, so that local tensors are smaller",),
    )


def _channels_too_large(graph: TaskGraph, machine: Machine, needed: int) -> CapacityError:
    largest = max(graph.program.channels, key=lambda channel: channel.depth * channel.token_bytes)
    return CapacityError(
        f"kernel {graph.program.name!r} needs {needed} bytes for its channels; "
        f"{machine.name!r} has {machine.memory_bytes}",
        span=largest.span,
        label=f"the largest: {largest.depth} tokens of {largest.token_bytes} bytes",
        hints=("give channels a smaller depth, or smaller tokens",),
    )


def _may_share(
    graph: TaskGraph, stretches: Sequence[Stretch], buffers: Buffers, sharing: _Sharing
) -> npt.NDArray[np.bool_]:
    """`[i, j]`: buffer `j` may take the place of buffer `i` when that has been used."""
    if sharing is _Sharing.NEVER:
        return np.zeros((len(buffers), len(buffers)), np.bool_)
    before = buffers.last[:, None] < buffers.first[None, :]
    if sharing is _Sharing.APART_IN_TIME:
        before &= buffers.death[:, None] <= buffers.birth[None, :]
    if sharing is _Sharing.APART_BY_DATA:
        for number, stretch in enumerate(stretches):
            if not stretch.placement.wave.any():
                ends = np.flatnonzero(buffers.last_phase == number)
                begins = np.flatnonzero(buffers.first_phase == number)
                before[np.ix_(ends, begins)] &= _known_over(graph, stretch, buffers, ends, begins)
    return before


def _known_over(
    graph: TaskGraph, stretch: Stretch, buffers: Buffers, ends: IntColumn, begins: IntColumn
) -> npt.NDArray[np.bool_]:
    """`[i, j]`: whoever accesses buffer `begins[j]` in a phase knows by data dependences that what the phase
    does with `ends[i]` is done."""
    placement = stretch.placement
    clocks = replay(insert(of_units(stretch.graph.deps, placement), placement), placement)
    access_task = access_tasks(graph)
    used = np.full((len(ends), placement.cores), -1, np.int64)
    known = np.empty((len(begins), placement.cores), np.int64)
    for i, buffer in enumerate(ends.tolist()):
        units = placement.units(access_task[buffers.closing[buffer]] - stretch.phase.first)
        np.maximum.at(used[i], placement.core[units], placement.position[units])
    for j, buffer in enumerate(begins.tolist()):
        units = placement.units(access_task[buffers.opening[buffer]] - stretch.phase.first)
        by_position = units[np.argsort(placement.position[units], kind="stable")]
        _, first = np.unique(placement.core[by_position], return_index=True)
        known[j] = np.min([clocks.before(int(t)) for t in by_position[first]], axis=0)
    return np.array([(row <= known).all(axis=1) for row in used], np.bool_).reshape(len(ends), len(begins))


def _pack(buffers: Buffers, may_share: npt.NDArray[np.bool_]) -> IntColumn:
    """Offsets, the larger first, then the earlier, then by tensor."""
    return packed(buffers.size, np.lexsort((buffers.tensor, buffers.first, -buffers.size)), may_share)


def _arena_bytes(buffers: Buffers, offset: IntColumn) -> int:
    return int((offset + buffers.size).max(initial=0))
