"""From the arguments of all calls to dependences: the accesses that can conflict, in program order.

In:  phases with the arguments of every call, a loop's body twice; proved intervals. Out: `Deps`.
Not here: comparing boxes (`regions.py`), the pass over them (`dependences.py`), the copies (`copies.py`).

Tensors that no task of a phase writes (weights) are left out: nothing can conflict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mpmd.partition.accesses import Access, SiteArguments
from mpmd.partition.affine import Column, LaunchScalars, lowest, side_by_side
from mpmd.partition.dependences import Accesses, Regions, repeated, straight
from mpmd.partition.frame import Frame, Shape, frame_of
from mpmd.partition.graph import Deps, IntColumn, Phase
from mpmd.partition.guards import Intervals
from mpmd.partition.parts import Parts
from mpmd.partition.regions import Mask, RegionTable, region_table

TASK, PLACE, MODE = range(3)
"""Of an access: its task, the parameter's number, 1 reads 2 writes 3 both."""

Use = tuple[SiteArguments, int, int]
"""A call, the number of one of its tensor parameters, and what turns its ids into places of the pass."""


@dataclass(frozen=True, eq=False)
class Body:
    """A phase and what its calls pass: once for straight code; for a loop, pairs of iterations to compare."""

    phase: Phase
    cases: Sequence[Sequence[Sequence[SiteArguments]]]


def conflicts(bodies: Sequence[Body], launch: LaunchScalars, intervals: Intervals) -> Deps:
    """The dependences within all phases."""
    found: list[Deps] = []
    for body in bodies:
        first, tasks = body.phase.first, body.phase.end - body.phase.first
        cases = (_accesses(_written_tensors(c, first, tasks), launch, intervals) for c in body.cases)
        if body.phase.loop is None:
            found += [straight(accesses, first) for accesses in cases]
        else:
            found.append(repeated(cases, first, tasks))
    return Deps.concatenate(*found)


def _accesses(
    written: Mapping[int, list[Use]], launch: LaunchScalars, intervals: Intervals
) -> Iterator[Accesses]:
    """What a pass goes over: all that is done to tensors that are written, tensor by tensor."""
    parts = Parts(launch, intervals)
    known: dict[tuple[bytes, bytes, Shape], tuple[RegionTable, Regions]] = {}
    for root, uses in written.items():
        frame = frame_of(arguments.touched[number].tensor.shape for arguments, number, _ in uses)
        blocks = [_block(use, frame, parts, intervals) for use in uses]
        heads = np.concatenate([head for head, _ in blocks])
        if not len(heads):
            continue
        boxes = np.concatenate([box for _, box in blocks])
        writes = heads[:, MODE] >= 2
        used_alike = (boxes.tobytes(), writes.tobytes(), frame.shape)  # as the buffers of another layer
        if used_alike not in known:
            table = region_table(boxes, writes, frame.shape, parts)
            known[used_alike] = table, _regions(table, len(known))
        table, regions = known[used_alike]
        in_order = np.lexsort((heads[:, PLACE], heads[:, TASK]))
        task, place, mode = (heads[in_order, column] for column in (TASK, PLACE, MODE))
        yield Accesses(root, task, place, mode, table.of_access[in_order], regions)


def _written_tensors(
    copies: Sequence[Sequence[SiteArguments]], first: int, tasks: int
) -> dict[int, list[Use]]:
    """By root tensor, in order of first use, all uses of the tensors that some call writes."""
    uses: dict[int, list[Use]] = {}
    written: set[int] = set()
    for copy, sites in enumerate(copies):
        for arguments in sites:
            for number, access in enumerate(arguments.touched):
                uses.setdefault(access.root.id, []).append((arguments, number, copy * tasks - first))
                if access.mode & 2:
                    written.add(access.root.id)
    return {root: found for root, found in uses.items() if root in written}


def _block(use: Use, frame: Frame, parts: Parts, intervals: Intervals) -> tuple[IntColumn, IntColumn]:
    """Of one parameter of one call: what each access is, and its box."""
    arguments, number, shift = use
    access = arguments.touched[number]
    tasks = arguments.site.ids + shift
    runs = frame.project(access, intervals)
    ends: list[Column] = []
    for run in runs:  # in the order of FIRST, FIRST_PART, LAST, LAST_PART, STEP
        first, last = run.first, run.last
        ends += [first.const, parts.number(first.terms), last.const, parts.number(last.terms), run.step]
    boxes = side_by_side(ends, len(tasks))
    heads = side_by_side([tasks, number, access.mode], len(tasks))
    filled = _filled(access, len(tasks))
    return (heads, boxes) if filled is None else (heads[filled], boxes[filled])


def _filled(access: Access, count: int) -> Mask | None:
    """The instances whose region has elements; None where all may have."""
    filled: Mask | None = None
    for span in access.spans:
        if span.extent.terms or lowest(span.extent.const) > 0:
            continue
        some = np.broadcast_to(np.asarray(span.extent.const) > 0, (count,))
        filled = some if filled is None else filled & some
    return filled


def _regions(table: RegionTable, number: int) -> Regions:
    """A table as plain lists."""
    pointer = table.overlap_ptr.tolist()
    pairs, held = table.overlaps.tolist(), table.covers.tolist()
    overlaps = [pairs[begin:end] for begin, end in pairwise(pointer)]
    covers = [[pairs[i] for i in range(begin, end) if held[i]] for begin, end in pairwise(pointer)]
    return Regions(number, overlaps, covers)
