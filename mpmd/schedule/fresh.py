"""Which local tensors an iteration of a loop makes anew before it reads them.

In:  a `TaskGraph`, the phase of a loop. Out: tensors whose contents no iteration leaves to another.
Not here: what may lie in their place meanwhile (`memory.py`).

A tensor is fresh if the loop alone uses it and each read lies within what tasks before it, in program
order, surely write: an `Out` parameter that covers its hull without gaps, at a place that the launch
does not decide, in a task that is never passed over. The flag that ends a loop outlives its iteration.
"""

from __future__ import annotations

import numpy as np

from mpmd.partition.graph import Function, IntColumn, Layout, Phase, Skip, TaskGraph, WordKind

_READS, _WRITES = 1, 2


def fresh(graph: TaskGraph, phase: Phase) -> set[int]:
    """The fresh tensors of a loop's body."""
    first, end = int(graph.access_ptr[phase.first]), int(graph.access_ptr[phase.end])
    taken = {*graph.access_tensor[:first].tolist(), *graph.access_tensor[end:].tolist()}
    taken |= {tensor.id for tensor in graph.program.tensors if tensor.is_argument}
    if phase.loop is not None and phase.loop.until is not None:
        taken.add(phase.loop.until.tensor)
    tasks = np.repeat(np.arange(len(graph)), np.diff(graph.access_ptr))
    by_tensor = first + np.argsort(graph.access_tensor[first:end], kind="stable")
    groups = np.split(by_tensor, 1 + np.flatnonzero(np.diff(graph.access_tensor[by_tensor])))
    uses = {int(graph.access_tensor[group[0]]): group for group in groups if len(group)}
    return {t for t, group in uses.items() if t not in taken and _made_anew(graph, group, tasks[group])}


def _made_anew(graph: TaskGraph, accesses: IntColumn, tasks: IntColumn) -> bool:
    """Whether all reads among the accesses, in program order, find what others of them have written."""
    written: list[tuple[int, int]] = []
    first = 0
    while first < len(accesses):
        end = int(np.searchsorted(tasks, tasks[first], side="right"))
        mine = [
            (int(a), int(graph.access_lo[a]), int(graph.access_hi[a]))
            for a in accesses[first:end].tolist()
            if graph.access_lo[a] < graph.access_hi[a]
        ]
        for access, lo, hi in mine:
            if graph.access_mode[access] & _READS and not any(a <= lo and hi <= b for a, b in written):
                return False
        for access, lo, hi in mine:
            if graph.access_mode[access] == _WRITES and _certain(graph, access, int(tasks[first])):
                written = _with(written, lo, hi)
        first = end
    return True


def _with(ranges: list[tuple[int, int]], lo: int, hi: int) -> list[tuple[int, int]]:
    """Disjoint ranges with one more, those that it meets joined to it."""
    meeting = [(a, b) for a, b in ranges if a <= hi and lo <= b]
    apart = [(a, b) for a, b in ranges if b < lo or hi < a]
    return [*apart, (min([lo, *(a for a, _ in meeting)]), max([hi, *(b for _, b in meeting)]))]


def _certain(graph: TaskGraph, access: int, task: int) -> bool:
    """Whether the task writes all bytes of the hull of the access in every iteration."""
    site = graph.sites[graph.site[task]]
    function = graph.functions[site.function]
    number = access - int(graph.access_ptr[task])  # the accesses of elements come after those of parameters
    if number >= len(function.layouts) or any(isinstance(op, Skip) for op in site.late):
        return False
    layout = function.layouts[number]
    moved = {word for word, _, _ in site.symbolic}
    if any(function.words[word].name == layout.name for word in moved):
        return False
    size = _elements(graph, task, function, layout) * function.task.param(layout.name).dtype.itemsize
    return size == int(graph.access_hi[access] - graph.access_lo[access])


def _elements(graph: TaskGraph, task: int, function: Function, layout: Layout) -> int:
    first = int(graph.word_ptr[task])
    elements = 1
    for axis, extent in enumerate(layout.extents):
        if extent is None:
            at = next(
                i
                for i, word in enumerate(function.words)
                if word.kind is WordKind.EXTENT and word.name == layout.name and word.axis == axis
            )
            extent = int(graph.words[first + at])
        elements *= extent
    return elements
