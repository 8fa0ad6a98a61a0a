"""The laws of a schedule, by brute force on small graphs: ordered, irredundant, no deadlock."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_graphs import (
    MACHINE,
    Spec,
    conflicts,
    deps,
    graph,
    happens_before,
    machine,
    mutants,
    steps_of,
    unordered,
)

from mpmd.errors import ArgumentError, CapacityError
from mpmd.partition.graph import Deps, TaskGraph
from mpmd.schedule.build import schedule
from mpmd.schedule.costs import costs
from mpmd.schedule.order import POLICIES, place
from mpmd.schedule.problem import problem
from mpmd.schedule.prune import prune
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.schedule.sync import insert

BYTES = 64


@st.composite
def programs(draw: st.DrawFn) -> list[Spec]:
    """Programs over locals `a`…`e`, each written whole before it is used, and an argument `x`."""
    tasks: list[Spec] = [("input", [("x", 0, BYTES)], [("a", 0, BYTES)])]
    written = ["a"]
    for _ in range(draw(st.integers(1, 12))):
        lo = draw(st.sampled_from([0, 16, 32, 48]))
        hi = draw(st.sampled_from([h for h in (16, 32, 48, 64) if h > lo]))
        reads = [(draw(st.sampled_from([*written, "x"])), lo, hi)]
        target = draw(st.sampled_from(["a", "b", "c", "d", "e", "x"]))
        if target in ("x", *written):
            tasks.append((draw(st.sampled_from("fgh")), reads, [(target, lo, hi)]))
        elif draw(st.booleans()):
            tasks.append(("whole", reads, [(target, 0, BYTES)]))
            written.append(target)
        else:
            tasks += [("half", reads, [(target, 0, 32)]), ("half", reads, [(target, 32, 64)])]
            written.append(target)
    return tasks


def locals_of(tasks: list[Spec]) -> dict[str, int]:
    names = dict.fromkeys(r[0] for _, reads, writes in tasks for r in [*reads, *writes])
    return {n: BYTES for n in names if n != "x"}


def all_pairs(deps: Deps) -> set[tuple[int, int]]:
    return {
        (int(u), int(v)) for d in range(len(deps)) for u in deps.producers_of(d) for v in deps.consumers_of(d)
    }


@settings(max_examples=150, deadline=None)
@given(programs(), st.integers(1, 4), st.sampled_from(list(POLICIES)), st.booleans(), st.data())
def test_every_conflict_is_ordered_and_nothing_is_redundant(
    tasks: list[Spec], cores: int, policy: str, share: bool, data: st.DataObject
) -> None:
    some = st.sampled_from([0.0, 100.0, 3000.0])
    flops = data.draw(st.lists(some, min_size=len(tasks), max_size=len(tasks)))
    g = graph(tasks, locals_of(tasks), flops=flops)
    fixed = data.draw(st.sampled_from([0.0, 1e-7]))
    m = machine(cores, cache_bytes=0 if share else 1 << 16, task_seconds=fixed)
    result = schedule(g, m, policy=policy)
    steps = steps_of(result)
    before = happens_before(steps)
    assert before is not None
    for u, v in all_pairs(result.deps):
        assert before[u, v]
    needed = conflicts(result)
    assert unordered(steps, needed) == []
    for name, mutant in mutants(steps):
        assert unordered(mutant, needed), f"{name} is redundant"
    assert_well_formed(result)


def assert_well_formed(result: Schedule) -> None:
    runs = result.a[result.op == StepOp.RUN]
    assert sorted(runs.tolist()) == list(range(len(result.graph)))
    for core in range(result.cores):
        for step in result.steps(core):
            if step.op == StepOp.RUN:
                assert result.core[step.a] == core and step.reason == -1
            else:
                assert 0 <= step.reason < len(result.deps)
    start, finish = result.start, result.finish
    for u, v in all_pairs(result.graph.deps):
        assert finish[u] <= start[v]
    plan = result.memory
    assert plan.bound_bytes <= plan.arena_bytes <= plan.unshared_bytes


@st.composite
def hyperedges(draw: st.DrawFn) -> tuple[int, Deps]:
    """Dependences with many producers and consumers, without regards to any tensor."""
    tasks = draw(st.integers(2, 16))
    rows: dict[tuple[int, int, tuple[int, ...]], set[int]] = {}
    for _ in range(draw(st.integers(1, 10))):
        cut = draw(st.integers(1, tasks - 1))
        producers = draw(st.sets(st.integers(0, cut - 1), min_size=1, max_size=6))
        consumers = draw(st.sets(st.integers(cut, tasks - 1), min_size=1, max_size=6))
        rows.setdefault((0, 0, tuple(sorted(producers))), set()).update(consumers)
    return tasks, deps(rows)


@settings(max_examples=200, deadline=None)
@given(hyperedges(), st.integers(2, 5))
def test_pruning_keeps_the_order_of_many_to_many_dependences_and_leaves_nothing_to_remove(
    shape: tuple[int, Deps], cores: int
) -> None:
    tasks, edges = shape
    base = graph([("t", [], [("x", 0, 1)])] * tasks, {})
    g = TaskGraph(**{**vars(base), "deps": edges})
    result = schedule(g, machine(cores), policy="round_robin")
    steps = steps_of(result)
    needed = all_pairs(edges)
    assert unordered(steps, needed) == []
    for name, mutant in mutants(steps):
        assert unordered(mutant, needed), f"{name} is redundant"
    assert int((result.op == StepOp.WAIT).sum()) <= result.waits_before_pruning


def test_a_signal_whose_every_wait_another_event_serves_is_dropped() -> None:
    """Task 0 signals the large event and two small ones, which between them have all of its readers."""
    edges = deps({(0, 0, (0, 2, 3)): {5, 6}, (0, 0, (0, 1)): {5, 7}, (0, 0, (0, 4)): {6, 8}})
    base = graph([("t", [], [("x", 0, 1)])] * 9, {})
    result = schedule(TaskGraph(**{**vars(base), "deps": edges}), machine(9), policy="round_robin")
    steps = steps_of(result)
    needed = all_pairs(edges)
    assert unordered(steps, needed) == []
    assert all(unordered(mutant, needed) for _, mutant in mutants(steps))
    assert [op for op, _, _ in steps[0]] == [StepOp.RUN, StepOp.SIGNAL, StepOp.SIGNAL]


def all_to_all(width: int, layers: int) -> TaskGraph:
    tasks: list[Spec] = [
        (f"layer{k}", [(f"h{k}", 0, width)] if k else [("x", 0, width)], [(f"h{k + 1}", i, i + 1)])
        for k in range(layers)
        for i in range(width)
    ]
    return graph(tasks, {f"h{k + 1}": width for k in range(layers)})


def test_an_all_to_all_phase_costs_one_event_one_signal_and_one_wait_per_core() -> None:
    result = schedule(all_to_all(4, 3), machine(4))
    assert result.events == 2
    assert int((result.op == StepOp.SIGNAL).sum()) == 8
    assert int((result.op == StepOp.WAIT).sum()) == 8


def test_chains_stay_on_one_core_and_need_no_sync() -> None:
    tasks: list[Spec] = []
    for name, source, target in (("f", "x", "h"), ("g", "h", "u"), ("k", "u", "y")):
        tasks += [(name, [(source, i * 8, i * 8 + 8)], [(target, i * 8, i * 8 + 8)]) for i in range(8)]
    result = schedule(graph(tasks, {"h": 64, "u": 64}), machine(4))
    assert result.events == 0
    for i in range(8):
        assert result.core[i] == result.core[i + 8] == result.core[i + 16]


def test_equal_tiles_of_a_phase_are_split_evenly() -> None:
    tiles = graph([("f", [("x", i, i + 1)], [("y", i, i + 1)]) for i in range(12)], {})
    assert np.bincount(schedule(tiles, machine(4)).core).tolist() == [3, 3, 3, 3]


def test_the_reader_of_one_result_spreads_over_all_cores_when_work_outweighs_the_handover() -> None:
    tasks: list[Spec] = [("norm", [("x", 0, 64)], [("h", 0, 64)])]
    tasks += [("dot", [("h", 0, 64)], [("y", i, i + 1)]) for i in range(8)]
    result = schedule(graph(tasks, {"h": 64}, flops=1e6), machine(4))
    assert np.bincount(result.core[1:]).tolist() == [2, 2, 2, 2]
    assert result.events == 1


def test_waves_have_a_barrier_between_dependent_levels_and_no_events() -> None:
    result = schedule(all_to_all(4, 3), machine(4), policy="wave")
    assert result.events == 0
    for core in range(4):
        ops = [step.op for step in result.steps(core)]
        assert ops == [StepOp.RUN, StepOp.BARRIER, StepOp.RUN, StepOp.BARRIER, StepOp.RUN]
        assert [s.a for s in result.steps(core) if s.op == StepOp.BARRIER] == [0, 1]


def test_round_robin_deals_the_tiles_of_each_site_in_turn() -> None:
    result = schedule(all_to_all(5, 2), machine(3), policy="round_robin")
    assert result.core.tolist() == [0, 1, 2, 0, 1] * 2


def test_one_core_needs_no_sync_under_any_policy() -> None:
    for policy in POLICIES:
        result = schedule(all_to_all(3, 3), machine(4), policy=policy, cores=1)
        assert set(result.op.tolist()) == {StepOp.RUN}


def test_an_empty_graph_has_an_empty_schedule() -> None:
    for policy in POLICIES:
        result = schedule(graph([], {}), MACHINE, policy=policy)
        assert len(result.op) == 0 and result.makespan == 0.0 and result.core_ptr.tolist() == [0, 0]


def test_cores_for_which_there_is_no_task_take_no_part() -> None:
    for policy in POLICIES:
        assert schedule(all_to_all(1, 3), machine(4), policy=policy).cores == 1
        assert schedule(all_to_all(2, 1), machine(4), policy=policy).cores == 2


def test_the_same_graph_gives_the_same_schedule() -> None:
    first, second = (schedule(all_to_all(7, 4), machine(3, cache_bytes=0)) for _ in range(2))
    for name in ("core", "start", "finish", "op", "a", "b", "reason", "core_ptr"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()


def test_columns_are_read_only() -> None:
    result = schedule(all_to_all(3, 2), MACHINE)
    with pytest.raises(ValueError, match="read-only"):
        result.op[0] = 1


def test_prediction_is_never_below_the_work_of_the_busiest_core() -> None:
    result = schedule(all_to_all(6, 3), MACHINE)
    seconds = result.finish - result.start
    assert result.makespan >= np.bincount(result.core, weights=seconds).max()


def test_inserted_sync_is_one_wait_per_dependence_and_consuming_core() -> None:
    g = all_to_all(4, 2)
    m = machine(4)
    placement = place(problem(g, m, costs(g, m)), g.site, "round_robin", bound=0.0, effort=0.0)
    sync = insert(g.deps, placement)
    assert len(sync) == 1 and len(sync.signals) == 4 and len(sync.waits) == 4
    pruned = prune(sync, placement)
    assert pruned.signals.tolist() == sync.signals.tolist()
    assert pruned.waits.tolist() == sync.waits.tolist()


def test_an_unknown_policy_is_answered_with_the_nearest() -> None:
    with pytest.raises(ArgumentError) as caught:
        schedule(all_to_all(2, 2), MACHINE, policy="heff")
    assert caught.value.message == "no scheduling policy 'heff'"
    assert caught.value.hints == ("did you mean 'heft'?",)


def test_cores_outside_the_machine_are_refused() -> None:
    with pytest.raises(CapacityError) as caught:
        schedule(all_to_all(2, 2), MACHINE, cores=4)
    assert caught.value.message == "4 cores asked for; 'toy' has 3"
    with pytest.raises(ArgumentError) as below:
        schedule(all_to_all(2, 2), MACHINE, cores=0)
    assert below.value.message == "cores must be at least 1, not 0"


def test_more_events_than_counters_are_refused() -> None:
    few = machine(2, counter=MACHINE.counter.__class__("counter", 1, 1, 0.0, 0.0))
    with pytest.raises(CapacityError) as caught:
        schedule(all_to_all(2, 4), few, policy="round_robin")
    assert caught.value.message == "kernel 'k' needs 3 events; 'toy' has 1 counters"
