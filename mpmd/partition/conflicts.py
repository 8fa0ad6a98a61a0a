"""From the arguments of all calls to dependences: the accesses that can conflict, in program order.

In:  the arguments of every call, proved intervals. Out: `Deps`.
Not here: comparing boxes (`regions.py`), the pass over them (`dependences.py`).

Tensors that no task writes (weights) are left out: nothing can conflict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from mpmd.partition.accesses import Access, SiteArguments
from mpmd.partition.affine import Terms
from mpmd.partition.dependences import Accesses, dependences
from mpmd.partition.frame import Frame, frame_of
from mpmd.partition.graph import Deps, IntColumn
from mpmd.partition.guards import Intervals, interval_of
from mpmd.partition.regions import FIRST, FIRST_PART, LAST, LAST_PART, STEP, Mask, RegionTable, region_table


@dataclass(slots=True)
class _TensorAccesses:
    """Accesses of one root tensor, call after call."""

    uses: list[tuple[SiteArguments, int]] = field(default_factory=list)  # (call, parameter)
    written: bool = False


@dataclass(slots=True)
class _Parts:
    """Runtime parts of region ends, numbered from 1 in order of appearance; 0 is none."""

    numbers: dict[Terms, int] = field(default_factory=lambda: {(): 0})

    def number(self, terms: Terms) -> int:
        return self.numbers.setdefault(terms, len(self.numbers))

    def bounds(self, intervals: Intervals) -> tuple[IntColumn, IntColumn]:
        bounds = [interval_of(terms, intervals) for terms in self.numbers]
        return np.array([b.lo for b in bounds], np.int64), np.array([b.hi for b in bounds], np.int64)


def conflicts(sites: Sequence[SiteArguments], tasks: int, intervals: Intervals) -> Deps:
    """The dependences among all instances."""
    tensors: dict[int, _TensorAccesses] = {}
    for arguments in sites:
        for number, access in enumerate(arguments.accesses):
            entry = tensors.setdefault(access.root.id, _TensorAccesses())
            entry.uses.append((arguments, number))
            entry.written |= bool(access.mode & 2)
    parts = _Parts()
    task_columns: list[IntColumn] = []
    mode_columns: list[IntColumn] = []
    region_columns: list[IntColumn] = []
    place_columns: list[IntColumn] = []
    tensor_of_region: list[IntColumn] = []
    overlaps: list[list[int]] = []
    covers: list[list[int]] = []
    for root, entry in tensors.items():
        if not entry.written:
            continue
        frame = frame_of(arguments.accesses[n].tensor.shape for arguments, n in entry.uses)
        blocks = [_block(arguments, n, frame, parts, intervals) for arguments, n in entry.uses]
        task, mode, place = (np.concatenate([block[i] for block in blocks]) for i in range(3))
        rows = np.concatenate([block[3] for block in blocks])
        if not len(rows):
            continue
        low, high = parts.bounds(intervals)
        table = region_table(rows, mode >= 2, frame.shape, low, high)
        task_columns.append(task)
        mode_columns.append(mode)
        place_columns.append(place)
        region_columns.append(table.of_access + len(overlaps))
        tensor_of_region.append(np.full(table.count, root, np.int64))
        _extend(overlaps, covers, table)
    task, mode, place, region = map(_joined, (task_columns, mode_columns, place_columns, region_columns))
    order = np.lexsort((place, task))
    return dependences(
        Accesses(
            ptr=np.searchsorted(task[order], np.arange(tasks + 1)),
            region=region[order],
            mode=mode[order],
            tensor_of_region=_joined(tensor_of_region),
            overlaps=overlaps,
            covers=covers,
        )
    )


def _joined(columns: Sequence[IntColumn]) -> IntColumn:
    return np.concatenate(columns) if columns else np.zeros(0, np.int64)


def _block(
    arguments: SiteArguments, number: int, frame: Frame, parts: _Parts, intervals: Intervals
) -> tuple[IntColumn, IntColumn, IntColumn, IntColumn]:
    """Of one parameter of one call: tasks, modes, parameter numbers and boxes, empty regions left out."""
    access = arguments.accesses[number]
    tasks = arguments.site.ids
    runs = frame.project(access, intervals)
    rows = np.empty((len(tasks), 5 * len(runs)), np.int64)
    for axis, run in enumerate(runs):
        at = 5 * axis
        rows[:, at + FIRST] = run.first.const
        rows[:, at + FIRST_PART] = parts.number(run.first.terms)
        rows[:, at + LAST] = run.last.const
        rows[:, at + LAST_PART] = parts.number(run.last.terms)
        rows[:, at + STEP] = run.step
    filled = _filled(access, len(tasks))
    if filled is not None:
        tasks, rows = tasks[filled], rows[filled]
    return tasks, np.full(len(tasks), access.mode), np.full(len(tasks), number), rows


def _filled(access: Access, count: int) -> Mask | None:
    """The instances whose region has elements; None where all may have."""
    filled: Mask | None = None
    for span in access.spans:
        if span.extent.terms or np.all(np.asarray(span.extent.const) > 0):
            continue
        some = np.broadcast_to(np.asarray(span.extent.const) > 0, (count,))
        filled = some if filled is None else filled & some
    return filled


def _extend(overlaps: list[list[int]], covers: list[list[int]], table: RegionTable) -> None:
    """Append a tensor's lists, in the numbering of all tensors."""
    offset = len(overlaps)
    pointer = table.overlap_ptr.tolist()
    pairs = (table.overlaps + offset).tolist()
    held = table.covers.tolist()
    for begin, end in pairwise(pointer):
        overlaps.append(pairs[begin:end])
        covers.append([pairs[i] for i in range(begin, end) if held[i]])
