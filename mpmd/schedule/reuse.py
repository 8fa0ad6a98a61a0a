"""The dependences between buffers that lie in one place at different times.

In:  a `TaskGraph`, its local buffers with offsets and lifetimes (`memory.py`).
Out: REUSE dependences: what must have ended before a buffer may take over the place of another.
Not here: choosing places (`memory.py`), signals (`sync.py`).

An access of the earlier buffer comes before every access of the later one that conflicts with it:
their hulls meet and one of them writes. Accesses whose order follows from the graph's own
dependences take no part. A read of the later buffer follows the writes that it reads from; a write
of the earlier buffer precedes a read of all that it wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpmd.partition.graph import DepKind, Deps, IntColumn, TaskGraph, column

Mask = npt.NDArray[np.bool_]

_Rows = tuple[Mask, Mask]
"""Distinct rows of a matrix, and which rows equal each."""

_FORMS = 1 << 24  # hulls of two buffers are compared one by one up to so many pairs, else all with all

_BLOCK = 256
"""Buffers that are looked at in one go."""


@dataclass(frozen=True, eq=False)
class Buffers:
    """The accessed local tensors: sizes, and lifetimes in order (`first`, `last`) and in seconds.

    `accesses[i]` are indices of the graph's access columns. A buffer is used in phases from `first_phase`
    to `last_phase`, in these by its `opening` and `closing` accesses.
    """

    tensor: IntColumn
    size: IntColumn
    first: IntColumn
    last: IntColumn
    birth: npt.NDArray[np.float64]
    death: npt.NDArray[np.float64]
    accesses: tuple[IntColumn, ...]
    first_phase: IntColumn
    last_phase: IntColumn
    opening: tuple[IntColumn, ...]
    closing: tuple[IntColumn, ...]

    def __len__(self) -> int:
        return len(self.tensor)


def access_tasks(graph: TaskGraph) -> IntColumn:
    """The task of each access."""
    return np.repeat(np.arange(len(graph)), np.diff(graph.access_ptr))


def reuse_deps(graph: TaskGraph, buffers: Buffers, offset: IntColumn) -> Deps:
    """What every buffer must wait for, in order of first use."""
    implied = _implied(graph)
    places, conflicts = _Places(graph, buffers, offset), _Conflicts(graph)
    producers, consumers = _Entries(), _Entries()
    tensor: list[int] = []
    for later in np.lexsort((buffers.tensor, buffers.first)).tolist():
        for earlier in places.predecessors(later):
            shift = int(offset[earlier] - offset[later])
            for a, b in _sides(graph, implied, buffers.closing[earlier], buffers.opening[later]):
                groups = conflicts.groups(a, b, shift)
                producers.add(len(tensor), groups.of_a, a)
                consumers.add(len(tensor), groups.of_b, b)
                tensor += [int(buffers.tensor[later])] * groups.count
    tasks = access_tasks(graph)
    producer_ptr, producer = producers.csr(tasks, len(tensor))
    consumer_ptr, consumer = consumers.csr(tasks, len(tensor))
    return Deps(
        kind=column(np.full(len(tensor), DepKind.REUSE), np.uint8),
        distance=column(np.zeros(len(tensor)), np.uint8),
        tensor=column(np.array(tensor, np.int32), np.int32),
        producer_ptr=column(producer_ptr),
        producers=column(producer, np.int32),
        consumer_ptr=column(consumer_ptr),
        consumers=column(consumer, np.int32),
    )


class _Entries:
    """(dependence, access) pairs of one side, gathered block by block."""

    def __init__(self) -> None:
        self.dep: list[IntColumn] = [np.zeros(0, np.int64)]
        self.access: list[IntColumn] = [np.zeros(0, np.int64)]

    def add(self, first: int, members: Mask, accesses: IntColumn) -> None:
        group, index = np.nonzero(members)
        self.dep.append(first + group)
        self.access.append(accesses[index])

    def csr(self, tasks: IntColumn, deps: int) -> tuple[IntColumn, IntColumn]:
        dep, task = np.concatenate(self.dep), tasks[np.concatenate(self.access)]
        # nearly in order already; there are fewer tasks than accesses + 1
        key = np.sort(dep * (len(tasks) + 1) + task, kind="stable")
        key = key[np.diff(key, prepend=-1) > 0]
        dep, task = np.divmod(key, len(tasks) + 1)
        return np.concatenate([[0], np.cumsum(np.bincount(dep, minlength=deps))]), task


# -- which buffers ---------------------------------------------------------------------------


class _Places:
    """Which buffers lay where a buffer lies, the latest first."""

    def __init__(self, graph: TaskGraph, buffers: Buffers, offset: IntColumn) -> None:
        self._graph, self._buffers = graph, buffers
        self._offset, self._end = offset, offset + buffers.size
        self._latest = np.lexsort((np.arange(len(buffers)), -buffers.last))
        self._before = -buffers.last[self._latest]
        self._all_over: dict[int, bool] = {}

    def predecessors(self, later: int) -> list[int]:
        """The earlier buffers in the place of `later`, latest first, until the place is accounted for.

        Those that end in an earlier phase are: all cores meet before the one in which `later` begins.
        Behind a buffer that is written all over nothing earlier matters: whoever accessed those bytes
        before comes before its writes, and they before `later`.
        """
        found: list[int] = []
        open_ranges = [(int(self._offset[later]), int(self._end[later]))]
        for i in self._sharing(later):
            lo, hi = int(self._offset[i]), int(self._end[i])
            if all(b <= lo or hi <= a for a, b in open_ranges):
                continue
            found.append(i)
            if self._written_all_over(i):
                pieces = [piece for a, b in open_ranges for piece in ((a, min(b, lo)), (max(a, hi), b))]
                open_ranges = [(a, b) for a, b in pieces if a < b]
            if not open_ranges:
                break
        return found

    def _sharing(self, later: int) -> Iterator[int]:
        """Buffers that share bytes with `later` and end before it, in the phase in which it begins."""
        buffers, lo, hi = self._buffers, self._offset[later], self._end[later]
        begin = int(np.searchsorted(self._before, -buffers.first[later], side="right"))
        for at in range(begin, len(buffers), _BLOCK):  # the place is mostly accounted for by the first block
            block = self._latest[at : at + _BLOCK]
            shares = (self._offset[block] < hi) & (lo < self._end[block])
            shares &= buffers.last_phase[block] == buffers.first_phase[later]
            yield from block[shares].tolist()

    def _written_all_over(self, i: int) -> bool:
        if i not in self._all_over:
            self._all_over[i] = _written_all_over(self._graph, self._buffers, i)
        return self._all_over[i]


def _written_all_over(graph: TaskGraph, buffers: Buffers, i: int) -> bool:
    """Whether the hulls of the writes of buffer `i` cover it. (Conflicts are found by hulls too.)"""
    accesses = buffers.accesses[i]
    writes = accesses[(graph.access_mode[accesses] & 2) > 0]
    by_lo = writes[np.argsort(graph.access_lo[writes], kind="stable")]
    lo, hi = graph.access_lo[by_lo], graph.access_hi[by_lo]
    reached = np.maximum.accumulate(np.concatenate([[0], hi]))
    size = graph.program.tensors[int(buffers.tensor[i])].size_bytes
    return bool((lo <= reached[:-1]).all() and reached[-1] >= size)


# -- which accesses --------------------------------------------------------------------------


def _sides(graph: TaskGraph, implied: Mask, a: IntColumn, b: IntColumn) -> list[tuple[IntColumn, IntColumn]]:
    """The accesses of two buffers that may conflict: before writes, and before reads that stand alone."""
    writes_a, writes_b = (graph.access_mode[a] & 2) > 0, (graph.access_mode[b] & 2) > 0
    reads_alone = b[~writes_b & ~implied[b]]
    sides = [(a[~writes_a | ~implied[a]], b[writes_b]), (a[writes_a], reads_alone)]
    return [side for side in sides if len(side[0]) and len(side[1])]


def _implied(graph: TaskGraph) -> Mask:
    """Per access: a read all of whose hull is read from writes of one dependence, or a write all of
    whose hull one reader reads."""
    deps = graph.deps
    raw = np.flatnonzero((deps.kind == DepKind.RAW) & (deps.distance == 0))
    reads, read_dep = _accesses_of(graph, deps.consumer_ptr, deps.consumers, raw, mode=1)
    writes, write_dep = _accesses_of(graph, deps.producer_ptr, deps.producers, raw, mode=2)
    implied = np.zeros(len(graph.access_mode), np.bool_)
    only_reads = graph.access_mode[reads] == 1
    lo, hi = _union(graph, writes, write_dep, len(deps))
    inside = (lo[read_dep] <= graph.access_lo[reads]) & (graph.access_hi[reads] <= hi[read_dep])
    implied[reads[inside & only_reads]] = True
    lo, hi = _widest(graph, reads, read_dep, len(deps))
    inside = (lo[write_dep] <= graph.access_lo[writes]) & (graph.access_hi[writes] <= hi[write_dep])
    implied[writes[inside]] = True
    return implied


def _accesses_of(
    graph: TaskGraph, ptr: IntColumn, members: npt.NDArray[np.int32], chosen: IntColumn, *, mode: int
) -> tuple[IntColumn, IntColumn]:
    """The accesses of the members of the chosen dependences, to its tensor and in that mode."""
    dep = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    wanted = np.isin(dep, chosen)
    dep, task = dep[wanted], members[wanted]
    first, count = graph.access_ptr[task], graph.access_ptr[task + 1] - graph.access_ptr[task]
    before = np.cumsum(count) - count
    access = np.arange(int(count.sum())) + np.repeat(first - before, count)
    dep = np.repeat(dep, count)
    match = (graph.access_tensor[access] == graph.deps.tensor[dep]) & ((graph.access_mode[access] & mode) > 0)
    return access[match], dep[match]


def _union(graph: TaskGraph, access: IntColumn, dep: IntColumn, deps: int) -> tuple[IntColumn, IntColumn]:
    """Per dependence the union of hulls where that is one range, else an empty range."""
    by_lo = np.lexsort((graph.access_lo[access], dep))
    access, dep = access[by_lo], dep[by_lo]
    span = int(graph.access_hi.max(initial=0)) + 1  # keeps dependences apart in one running maximum
    lo, hi = graph.access_lo[access] + dep * span, graph.access_hi[access] + dep * span
    reached = np.maximum.accumulate(hi)
    follows = np.zeros(len(dep), np.bool_)
    follows[1:] = dep[1:] == dep[:-1]
    gap = follows & (lo > np.concatenate([[0], reached[:-1]])[: len(lo)])
    union_lo, union_hi = np.zeros(deps, np.int64), np.zeros(deps, np.int64)
    heads = ~follows
    union_lo[dep[heads]] = graph.access_lo[access[heads]]
    np.maximum.at(union_hi, dep, graph.access_hi[access])
    union_hi[dep[gap]] = -1
    return union_lo, union_hi


def _widest(graph: TaskGraph, access: IntColumn, dep: IntColumn, deps: int) -> tuple[IntColumn, IntColumn]:
    """Per dependence the widest hull."""
    width = graph.access_hi[access] - graph.access_lo[access]
    by_width = np.lexsort((access, width, dep))
    lo, hi = np.zeros(deps, np.int64), np.zeros(deps, np.int64)
    lo[dep[by_width]] = graph.access_lo[access[by_width]]  # the last, so the widest, stays
    hi[dep[by_width]] = graph.access_hi[access[by_width]]
    return lo, hi


# -- which pairs -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Groups:
    """`count` dependences: which accesses of each side belong to each."""

    count: int
    of_a: Mask
    of_b: Mask


class _Conflicts:
    """Finds groups of accesses. What it found for some hulls it keeps: layers are alike."""

    def __init__(self, graph: TaskGraph) -> None:
        self._graph = graph
        self._known: dict[tuple[bytes, bytes, int], tuple[_Rows, _Rows]] = {}

    def groups(self, a: IntColumn, b: IntColumn, shift: int) -> _Groups:
        """Groups of accesses of `a` whose hulls meet those of the same accesses of `b`.

        `shift` takes offsets in the buffer of `a` to offsets in that of `b`. Of the two ways to group
        (by equal partners in `b`, by equal partners in `a`) the one with fewer members is taken.
        """
        forms_a, form_of_a = _forms(self._graph, a)
        forms_b, form_of_b = _forms(self._graph, b)
        if len(forms_a) * len(forms_b) > _FORMS:
            return _Groups(1, np.ones((1, len(a)), np.bool_), np.ones((1, len(b)), np.bool_))
        by_a, by_b = self._rows(forms_a, forms_b, shift)
        groups_a = _Groups(len(by_a[0]), by_a[1][:, form_of_a], by_a[0][:, form_of_b])
        groups_b = _Groups(len(by_b[0]), by_b[0][:, form_of_a], by_b[1][:, form_of_b])
        return min(groups_a, groups_b, key=lambda g: int(g.of_a.sum() + g.of_b.sum()))

    def _rows(self, forms_a: IntColumn, forms_b: IntColumn, shift: int) -> tuple[_Rows, _Rows]:
        """Which forms of `b` those of `a` meet, and the other way round."""
        key = forms_a.tobytes(), forms_b.tobytes(), shift
        if key not in self._known:
            lo_a, hi_a = forms_a[:, 0:1] + shift, forms_a[:, 1:2] + shift
            meet = (lo_a < forms_b[:, 1]) & (forms_b[:, 0] < hi_a)
            self._known[key] = _distinct(meet), _distinct(meet.T)
        return self._known[key]


def _forms(graph: TaskGraph, accesses: IntColumn) -> tuple[IntColumn, IntColumn]:
    """The distinct hulls, ascending, and which one each access has."""
    lo, hi = graph.access_lo[accesses], graph.access_hi[accesses]
    order = np.lexsort((hi, lo))
    lo, hi = lo[order], hi[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (lo[1:] != lo[:-1]) | (hi[1:] != hi[:-1])
    form = np.empty(len(order), np.int64)
    form[order] = np.cumsum(new) - 1
    return np.stack([lo[new], hi[new]], axis=1), form


def _distinct(meet: Mask) -> _Rows:
    """The distinct rows that are not empty, and for each of them which rows equal it."""
    rows: dict[bytes, list[int]] = {}
    for i in np.flatnonzero(meet.any(axis=1)).tolist():
        rows.setdefault(meet[i].tobytes(), []).append(i)
    members = np.zeros((len(rows), len(meet)), np.bool_)
    for group, equal in enumerate(rows.values()):
        members[group, equal] = True
    return meet[[equal[0] for equal in rows.values()]], members
