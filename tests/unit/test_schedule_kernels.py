"""Schedules of whole kernels: the checker proves their tables, and refuses them less any piece of sync."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from mpmd.codegen.tables import pack
from mpmd.errors import ProgramOrderError
from mpmd.lang.kernel.trace import trace
from mpmd.machine import Primitive
from mpmd.partition.build import partition
from mpmd.partition.graph import DepKind, TaskGraph
from mpmd.pipeline import specs_of
from mpmd.schedule.build import schedule
from mpmd.schedule.check import check
from mpmd.schedule.order import POLICIES
from tests.generate import Generated, kernels
from tests.machines import like, toy
from tests.mutants import assert_irredundant, swapped_runs

MACHINE = toy(
    cores=4,
    flops=1e10,
    bandwidth=8e9,
    core_bandwidth=4e9,
    cache_bytes=1 << 20,
    cache_bandwidth=2e10,
    handover_bandwidth=2e9,
    memory_bytes=1 << 30,
    task_seconds=1e-8,
    vector_bytes=32,
    counter=Primitive("counter", limit=1 << 20, maximum=1 << 30, signal_seconds=1e-9, wait_seconds=2e-9),
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(kernels(), st.integers(2, 4), st.sampled_from(list(POLICIES)), st.booleans())
def test_tables_of_random_kernels_are_proved_and_need_all_their_sync(
    case: Generated, cores: int, policy: str, share: bool
) -> None:
    note(case.source)
    kernel = case.define()
    program = trace(kernel.function, specs_of(kernel, {**case.arrays, **case.scalars}))
    machine = like(MACHINE, cache_bytes=0) if share else MACHINE
    graph = partition(program, MACHINE)
    assert_irredundant(pack(schedule(graph, machine, policy=policy, cores=cores)), machine)


def dependent(graph: TaskGraph) -> set[tuple[int, int]]:
    """All (producer, consumer) of the graph's own dependences."""
    deps = graph.deps
    assert DepKind.REUSE not in deps.kind.tolist()
    sides = [
        (ptr[:-1].tolist(), ptr[1:].tolist(), tasks.tolist())
        for ptr, tasks in ((deps.producer_ptr, deps.producers), (deps.consumer_ptr, deps.consumers))
    ]
    members = [[tasks[a:b] for a, b in zip(first, end, strict=True)] for first, end, tasks in sides]
    return {(p, c) for before, after in zip(*members, strict=True) for p in before for c in after}


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(kernels(), st.integers(1, 2))
def test_dependent_runs_of_one_core_cannot_be_swapped(case: Generated, cores: int) -> None:
    """No sync keeps two runs of one core in their order, be it an argument or a local tensor they share."""
    note(case.source)
    kernel = case.define()
    graph = partition(trace(kernel.function, specs_of(kernel, {**case.arrays, **case.scalars})), MACHINE)
    pairs = dependent(graph)
    for first, second, mutated in swapped_runs(pack(schedule(graph, MACHINE, cores=cores))):
        if (first, second) in pairs:
            with pytest.raises(ProgramOrderError):
                check(mutated, MACHINE)
