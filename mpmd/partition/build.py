"""The partition stage: a `Program` and a `Machine` to a `TaskGraph`.

In:  a program, a machine, and sizes for tile loops that the caller wants to fix.
Out: every instance with its row, its costs and its accesses, and what orders them.
Not here: placing tasks on cores (`schedule`).

Loops are expanded twice: first with every open tile loop whole, which gives each call's work and the
proved intervals of runtime scalars; from that the tile sizes; then with those sizes, and with partial sums.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mpmd.lang.program import Program
from mpmd.machine import Machine, WorkClass
from mpmd.partition.accesses import Access, SiteArguments, arguments_of
from mpmd.partition.accumulate import accumulate
from mpmd.partition.affine import Column, LaunchScalars, side_by_side
from mpmd.partition.conflicts import Body, conflicts
from mpmd.partition.copies import copies
from mpmd.partition.cost import Costs, Work
from mpmd.partition.drains import check_drains, drains
from mpmd.partition.expand import expand
from mpmd.partition.gangs import gangs
from mpmd.partition.graph import Deps, IntColumn, Phase, Site, TaskGraph, column
from mpmd.partition.guards import Intervals, Proof, interval_of, intervals_of, prove
from mpmd.partition.phases import flag_guards, phases, repeated
from mpmd.partition.placement import nearness, pins
from mpmd.partition.regions import Mask
from mpmd.partition.specialise import specialise
from mpmd.partition.tile import choose_sizes, fixed_sizes
from mpmd.partition.versions import versioned
from mpmd.uncollected import uncollected


@dataclass(frozen=True, eq=False)
class _Expansion:
    """A program under one choice of sizes, with what was proved of its launch scalars."""

    program: Program
    sites: tuple[SiteArguments, ...]
    launch: LaunchScalars
    phases: tuple[Phase, ...]
    proof: Proof
    work: tuple[Work, ...]

    @property
    def tasks(self) -> int:
        return self.phases[-1].end


@uncollected
def partition(program: Program, machine: Machine, *, tiles: Mapping[str, int] | None = None) -> TaskGraph:
    """The task graph of a program. `tiles` fixes sizes by loop name, over those in the source."""
    check_drains(program)
    sizes = fixed_sizes(program, tiles or {})
    expansion = None
    known = {name: size for name, size in sizes.items() if size is not None}
    if known != sizes:
        expansion = _expand(program, sizes)
        known = choose_sizes(program, machine, sizes, expansion.sites, expansion.work)
    summed = accumulate(program, machine, known)
    if expansion is None or known != sizes or summed is not program:
        expansion = _expand(summed, fixed_sizes(summed, known))
    return _graph(expansion, tuple(known.items()))


def _expand(program: Program, sizes: Mapping[str, int | None]) -> _Expansion:
    launch = LaunchScalars(program.scalars)
    instances = versioned(expand(program.body, sizes, repeated=repeated(program)), program)
    sites = tuple(arguments_of(site, program, launch) for site in instances)
    found = phases(program, sites, sum(len(site.ids) for site in instances), launch)
    proof = prove(sites, launch)
    costs = Costs(proof.intervals)
    work = tuple(costs.of(arguments) for arguments in sites)
    return _Expansion(program, sites, launch, found, proof, work)


def _graph(expansion: _Expansion, tiles: tuple[tuple[str, int], ...]) -> TaskGraph:
    program, arguments, count = expansion.program, expansion.sites, expansion.tasks
    instances = [a.site for a in arguments]
    intervals = expansion.proof.intervals
    deps = _dependences(expansion)
    joined = gangs(program, instances, count)
    functions, rows = specialise(program, arguments, expansion.launch, expansion.proof)
    site = np.empty(count, np.int32)
    operations, moved = np.empty((count, len(WorkClass))), np.empty(count)
    for number, (a, work) in enumerate(zip(arguments, expansion.work, strict=True)):
        site[a.site.ids] = number
        for which, amount in enumerate(work.operations):
            operations[a.site.ids, which] = amount
        moved[a.site.ids] = work.bytes
    word_ptr, words = _scatter(arguments, [r.words for r in rows], site)
    accesses = [_accesses(a, intervals) for a in arguments]
    access_ptr, flat = _scatter(arguments, accesses, site)
    access = flat.reshape(-1, 4)
    return TaskGraph(
        program=program,
        functions=functions,
        sites=tuple(
            Site(a.site.call, r.function, r.symbolic, r.late) for a, r in zip(arguments, rows, strict=True)
        ),
        derived=tuple(expansion.launch.derived),
        guards=(*expansion.proof.guards, *flag_guards(program, expansion.launch)),
        tiles=tiles,
        site=column(site, np.int32),
        number=column(_ordinals(arguments, site), np.int32),
        word_ptr=column(word_ptr),
        words=column(words),
        work=column(operations, np.float64),
        bytes=column(moved, np.float64),
        access_ptr=column(access_ptr // 4),
        access_tensor=column(access[:, 0], np.int32),
        access_mode=column(access[:, 1], np.uint8),
        access_lo=column(access[:, 2]),
        access_hi=column(access[:, 3]),
        deps=deps,
        phases=expansion.phases,
        gang=joined.gang,
        drain=drains(program, instances, deps, count),
        pin=pins(instances, count),
        near=nearness(program, instances, count),
        tokens=joined.tokens,
    )


def _dependences(expansion: _Expansion) -> Deps:
    """The dependences of all phases; those of a loop from copies of its body."""
    launch, proof = expansion.launch.branch(), expansion.proof
    bodies: list[Body] = []
    for phase in expansion.phases:
        sites = [a for a in expansion.sites if phase.first <= a.site.ids[0] < phase.end]
        if phase.loop is None:
            bodies.append(Body(phase, [[sites]]))
        else:
            count = phase.loop.count
            most = count.const + interval_of(count.terms, proof.intervals).hi
            bodies.append(Body(phase, copies(phase.loop, sites, expansion.program, launch, most)))
    return conflicts(bodies, launch, intervals_of(launch, proof.guards))


def _scatter(
    arguments: Sequence[SiteArguments], blocks: Sequence[IntColumn], site: np.ndarray
) -> tuple[IntColumn, IntColumn]:
    """Blocks of rows per call as one ragged column in program order."""
    widths = np.array([block.shape[1] for block in blocks], np.int64)
    pointer = np.zeros(len(site) + 1, np.int64)
    if len(site):
        np.cumsum(widths[site], out=pointer[1:])
    flat = np.empty(int(pointer[-1]), np.int64)
    for a, block in zip(arguments, blocks, strict=True):
        flat[pointer[a.site.ids][:, None] + np.arange(block.shape[1])] = block
    return pointer, flat


def _accesses(arguments: SiteArguments, intervals: Intervals) -> IntColumn:
    """[instances, parameters × (root tensor, mode, first byte, past the last byte)]."""
    columns: list[Column] = []
    for access in arguments.touched:
        columns += [access.root.id, access.mode, *_byte_hull(access, intervals)]
    return side_by_side(columns, len(arguments.site.ids))


def _byte_hull(access: Access, intervals: Intervals) -> tuple[Column, Column]:
    """Per instance [first byte, past the last) that it may touch; equal where its region is empty."""
    item = access.tensor.dtype.itemsize
    if not any(span.start.terms or span.extent.terms for span in access.spans):
        low = access.byte_offset.const
        high, empty = low + item, False
        for span, stride in zip(access.spans, access.tensor.strides, strict=True):
            high = high + (span.extent.const - 1) * (span.step * stride * item)
            empty = empty | (span.extent.const <= 0)
        return low, _where(empty, low, high)
    low, high, empty = 0, item, False
    for span, stride, extent in zip(access.spans, access.tensor.strides, access.tensor.shape, strict=True):
        first, last = span.start, span.last
        least = np.maximum(0, first.const + interval_of(first.terms, intervals).lo)
        most = np.minimum(extent - 1, last.const + interval_of(last.terms, intervals).hi)
        low = low + least * (stride * item)
        high = high + most * (stride * item)
        empty = empty | (most < least)
    return low, _where(empty, low, high)


def _where(condition: bool | np.bool_ | Mask, yes: Column, no: Column) -> Column:
    """`np.where` that leaves one integer for all instances one integer."""
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    return yes if condition else no


def _ordinals(arguments: Sequence[SiteArguments], site: np.ndarray) -> IntColumn:
    """Each instance's place among those of its task's name."""
    names: dict[str, int] = {}
    name_of_site = np.array(
        [names.setdefault(a.site.call.task.name, len(names)) for a in arguments], np.int64
    )
    ordinals = np.empty(len(site), np.int64)
    if len(site):
        name = name_of_site[site]
        order = np.argsort(name, kind="stable")
        first = np.searchsorted(name[order], np.arange(len(names)))
        ordinals[order] = np.arange(len(site)) - first[name[order]]
    return ordinals
