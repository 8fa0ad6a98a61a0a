"""The partition stage against brute force, over random programs."""

from __future__ import annotations

from itertools import product
from operator import mul

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mpmd.errors import BoundsError
from mpmd.lang.program import Program, View
from mpmd.partition import TaskGraph, partition
from mpmd.partition.graph import WordKind
from tests.unit.partition_programs import (
    MACHINE,
    Instance,
    admitted,
    conflicting_pairs,
    elements,
    inside,
    instances,
    programs,
    reachable,
    words_of,
)

ONE_CORE = MACHINE.with_cores(1)
"""Makes no partial sums: the tasks are those of the program as written."""

quick = settings(deadline=None, suppress_health_check=list(HealthCheck))


def expanded(program: Program, graph: TaskGraph, scalars: dict[str, int]) -> list[Instance]:
    return list(instances(program.body, dict(graph.tiles), scalars))


@quick
@given(programs())
def test_conflicting_instances_are_ordered_and_no_others_are_joined(program: Program) -> None:
    graph = partition(program, ONE_CORE)
    every = expanded(program, graph, {})
    assert len(every) == len(graph)
    conflicts = conflicting_pairs(program, every)
    assert conflicts <= reachable(graph)
    flat = {
        t.id for t in program.tensors if t.shape in ((6, 4), (12,), (2, 6), (3, 4))
    }  # shapes that do not nest
    if all(arg.tensor not in flat for i in every for arg in i.call.args if isinstance(arg, View)):
        ordered = _aligned(program, every)
        if ordered:
            assert set(graph.to_networkx().edges) <= conflicts


def _aligned(program: Program, every: list[Instance]) -> bool:
    """Whether all views of each root have one shape, so that boxes are exact."""
    shapes: dict[int, set[tuple[int, ...]]] = {}
    for instance in every:
        for arg in instance.call.args:
            if isinstance(arg, View):
                seen = program.tensors[arg.tensor]
                root = seen.id if seen.base is None else seen.base
                shapes.setdefault(root, set()).add(seen.shape)
    return all(len(s) == 1 for s in shapes.values())


@quick
@given(programs(reshapes=False))
def test_constant_regions_give_no_dependence_without_a_conflict(program: Program) -> None:
    graph = partition(program, ONE_CORE)
    conflicts = conflicting_pairs(program, expanded(program, graph, {}))
    assert set(graph.to_networkx().edges) <= conflicts <= reachable(graph)


@quick
@given(
    programs(scalars=("pos", "n")), st.lists(st.tuples(st.integers(-1, 6), st.integers(-1, 6)), max_size=4)
)
def test_runtime_regions_are_guarded_and_ordered_for_every_admitted_launch(
    program: Program, values: list[tuple[int, int]]
) -> None:
    try:
        graph = partition(program, ONE_CORE)
    except BoundsError:
        assume(False)
    ordered = reachable(graph)
    for pos, n in values:
        scalars = {"pos": pos, "n": n}
        every = expanded(program, graph, scalars)
        if admitted(graph, scalars):
            assert all(inside(program, i) for i in every)
            assert conflicting_pairs(program, every) <= ordered


@quick
@given(programs(scalars=("pos",)), st.integers(0, 5))
def test_rows_hold_what_each_instance_passes(program: Program, pos: int) -> None:
    try:
        graph = partition(program, ONE_CORE)
    except BoundsError:
        assume(False)
    assume(admitted(graph, {"pos": pos}))
    for task, instance in enumerate(expanded(program, graph, {"pos": pos})):
        shown = graph.task(task)
        assert shown.site.call is instance.call  # program order
        words = words_of(graph, instance, {"pos": pos}, task)
        named = {(w.kind, w.name, w.axis): int(v) for w, v in zip(shown.function.words, words, strict=True)}
        begin = int(graph.access_ptr[task])
        for number, (layout, arg) in enumerate(zip(shown.function.layouts, instance.call.args, strict=True)):
            assert isinstance(arg, View)
            root, offsets = elements(program, arg, instance.values)
            extents = [
                named[WordKind.EXTENT, layout.name, axis] if e is None else e
                for axis, e in enumerate(layout.extents)
            ]
            assert extents == [int(e.evaluate(instance.values)) for e in arg.shape]
            assert all(e <= bound for e, bound in zip(extents, layout.bounds, strict=True))
            base, offset = named[WordKind.BASE, layout.name, -1], named[WordKind.OFFSET, layout.name, -1]
            assert base == root == graph.access_tensor[begin + number]
            strides = [s or 0 for s in layout.strides]
            places = product(*map(range, extents))
            assert {offset // 4 + sum(map(mul, place, strides)) for place in places} == offsets
            if offsets:
                lo, hi = int(graph.access_lo[begin + number]), int(graph.access_hi[begin + number])
                assert lo <= 4 * min(offsets) and 4 * max(offsets) + 4 <= hi


@quick
@given(programs())
def test_dependences_are_well_formed(program: Program) -> None:
    deps = partition(program, ONE_CORE).deps
    for dep in range(len(deps)):
        producers, consumers = deps.producers_of(dep), deps.consumers_of(dep)
        assert len(producers) and len(consumers)
        assert (np.diff(producers) > 0).all() and (np.diff(consumers) > 0).all()
        assert producers[-1] < consumers[0]
