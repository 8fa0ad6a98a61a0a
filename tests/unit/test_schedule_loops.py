"""The laws of schedules with loops, by playing four iterations: ordered, irredundant, no deadlock."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from loop_oracle import Play, body_of, dependent, lessened
from schedule_graphs import Row, Spec, deps, graph, loop, machine, phases
from schedule_laws import assert_framed, assert_lawful

from mpmd.partition.graph import DepKind, Element, Linear, LoopInfo, TaskGraph
from mpmd.schedule.build import schedule
from mpmd.schedule.order import POLICIES
from mpmd.schedule.steps import Schedule, StepOp

BYTES = 64
LOCALS = dict.fromkeys("abcd", BYTES)
FLAG = Element(0, Linear(0), 1)


@st.composite
def bodies(draw: st.DrawFn, most: int = 6) -> list[Spec]:
    """Tasks over tensors `a` to `d` and an argument `x`, which read what the last iteration wrote too."""
    tasks: list[Spec] = []
    for _ in range(draw(st.integers(1, most))):
        regions = []
        for _ in range(2):
            lo = draw(st.sampled_from([0, 16, 32, 48]))
            hi = draw(st.sampled_from([h for h in (16, 32, 48, 64) if h > lo]))
            regions.append((draw(st.sampled_from([*LOCALS, "x"])), lo, hi))
        reads = regions[:1] if draw(st.booleans()) else []
        tasks.append((draw(st.sampled_from("fgh")), reads, regions[1:]))
    return tasks


@settings(max_examples=150, deadline=None)
@given(
    bodies(),
    bodies(3),
    bodies(3),
    st.integers(1, 4),
    st.sampled_from(list(POLICIES)),
    st.booleans(),
    st.data(),
)
def test_everything_in_and_around_a_loop_is_ordered_and_nothing_is_redundant(
    body: list[Spec],
    first: list[Spec],
    last: list[Spec],
    cores: int,
    policy: str,
    share: bool,
    data: st.DataObject,
) -> None:
    kinds = [loop(), loop(until=FLAG)]
    info = data.draw(st.sampled_from(kinds))
    parts: list[tuple[list[Spec], LoopInfo | None]] = [(body, info)]
    if data.draw(st.booleans()):
        parts.insert(0, (first, None))
    if data.draw(st.booleans()):
        parts.append((last, data.draw(st.sampled_from([None, loop()]))))
    tasks = [task for part, _ in parts for task in part]
    flops = data.draw(st.lists(st.sampled_from([0.0, 3000.0]), min_size=len(tasks), max_size=len(tasks)))
    g = graph(tasks, LOCALS, flops=flops, phases=phases(*((len(part), info) for part, info in parts)))
    result = schedule(g, machine(cores, cache_bytes=0 if share else 1 << 16), policy=policy)
    assert_lawful(result)


@st.composite
def carried(draw: st.DrawFn) -> tuple[int, dict[Row, set[int]], dict[Row, set[int]]]:
    """Dependences within an iteration and from one to the next, without regards to any tensor."""
    tasks = draw(st.integers(2, 8))
    near: dict[Row, set[int]] = {}
    far: dict[Row, set[int]] = {}
    for _ in range(draw(st.integers(0, 5))):
        cut = draw(st.integers(1, tasks - 1))
        producers = draw(st.sets(st.integers(0, cut - 1), min_size=1, max_size=4))
        consumers = draw(st.sets(st.integers(cut, tasks - 1), min_size=1, max_size=4))
        near.setdefault((0, 0, tuple(sorted(producers))), set()).update(consumers)
    for _ in range(draw(st.integers(1, 5))):
        producers, consumers = (
            draw(st.sets(st.integers(0, tasks - 1), min_size=1, max_size=4)) for _ in range(2)
        )
        far.setdefault((0, 0, tuple(sorted(producers))), set()).update(consumers)
    return tasks, near, far


@settings(max_examples=300, deadline=None)
@given(carried(), st.integers(2, 5))
def test_dependences_of_both_distances_are_kept_by_no_more_than_they_need(
    shape: tuple[int, dict[Row, set[int]], dict[Row, set[int]]], cores: int
) -> None:
    tasks, near, far = shape
    base = graph([("t", [], [(f"x{i}", 0, 1)]) for i in range(tasks)], {}, phases=phases((tasks, loop())))
    result = schedule(replace(base, deps=deps(near, far)), machine(cores), policy="round_robin")
    body = body_of(result)
    play = Play(result, body)
    needed = dependent(result)
    assert play.ends and needed <= play.before
    for what, fewer in lessened(body):
        assert not (needed <= Play(result, fewer).before), f"{what} is redundant"
    assert int((result.op == StepOp.WAIT).sum()) <= max(1, cores) * result.waits_before_pruning
    assert_framed(result)


def test_a_core_that_can_be_an_iteration_ahead_has_events_of_its_own() -> None:
    """Nothing holds back the tasks on cores 0 and 1: one counter could have two signals of either."""
    base = graph([("t", [], [(f"x{i}", 0, 1)]) for i in range(3)], {}, phases=phases((3, loop())))
    result = schedule(replace(base, deps=deps({(0, 0, (0, 1)): {2}})), machine(3), policy="round_robin")
    assert result.events == 2
    held = deps({(0, 0, (0, 1)): {2}}, {(1, 0, (2,)): {0, 1}})
    result = schedule(replace(base, deps=held), machine(3), policy="round_robin")
    assert result.events == 2
    waits = sorted(step.b for core in range(3) for step in result.steps(core) if step.op == StepOp.WAIT)
    assert waits == [0, 0, 2]


def test_a_dependence_on_the_iteration_before_waits_for_what_it_has_signalled() -> None:
    tasks: list[Spec] = [("f", [("h", 0, 64)], [("u", 0, 64)]), ("f", [("x", 0, 64)], [("h", 0, 64)])]
    g = graph(tasks, {"h": 64, "u": 64}, phases=phases((2, loop())))
    result = schedule(g, machine(2), policy="round_robin")
    assert [(s.op, s.a, s.b) for s in result.steps(0)] == [
        (StepOp.LOOP, 0, 0),
        (StepOp.WAIT, 0, 0),
        (StepOp.RUN, 0, 0),
        (StepOp.SIGNAL, 1, 1),
        (StepOp.END, 0, 3),
    ]
    assert [(s.op, s.a, s.b) for s in result.steps(1)] == [
        (StepOp.LOOP, 0, 0),
        (StepOp.WAIT, 1, 1),
        (StepOp.RUN, 1, 0),
        (StepOp.SIGNAL, 0, 1),
        (StepOp.END, 0, 3),
    ]
    assert result.event_loop.tolist() == [0, 0]


def test_no_barrier_ends_an_iteration_but_those_of_a_flag_which_end_has() -> None:
    tasks: list[Spec] = [("f", [("x", i, i + 1)], [("y", i, i + 1)]) for i in range(2)]
    for info, expected in (
        (loop(), [StepOp.LOOP, StepOp.RUN, StepOp.END]),
        (loop(until=FLAG), [StepOp.LOOP, StepOp.RUN, StepOp.END]),
    ):
        result = schedule(graph(tasks, {}, phases=phases((2, info))), machine(2))
        for core in range(2):
            assert [step.op for step in result.steps(core)] == expected
        alone = schedule(graph(tasks, {}, phases=phases((2, info))), machine(1))
        assert [s.op for s in alone.steps(0)] == [StepOp.LOOP, StepOp.RUN, StepOp.RUN, StepOp.END]


def test_phases_are_parted_by_barriers_on_all_cores() -> None:
    tasks: list[Spec] = [
        ("f", [("x", 0, 1)], [("y", 0, 1)]),
        *[("g", [("y", 0, 1)], [("z", i, i + 1)]) for i in range(3)],
    ]
    g = graph(tasks, {}, phases=phases((1, None), (3, loop()), (0, None)))
    result = schedule(g, machine(3))
    assert result.cores == 3
    for core in range(3):
        ops = [s.op for s in result.steps(core) if s.op != StepOp.RUN]
        assert ops == [StepOp.BARRIER, StepOp.LOOP, StepOp.END]
    assert [s.reason for s in result.steps(0) if s.op == StepOp.BARRIER] == [-1]


def test_a_loop_takes_its_iterations_and_later_phases_begin_after_them() -> None:
    tasks: list[Spec] = [(name, [("x", 0, 1)], [("y", 0, 1)]) for name in "fgh"]
    few, many = (
        schedule(graph(tasks, {}, phases=phases((1, None), (1, loop(n)), (1, None))), machine(2))
        for n in (1, 11)
    )
    body = few.finish[1] - few.start[1]
    assert few.finish[0] < few.start[1] < few.start[2]
    assert np.isclose(many.start[2] - few.start[2], 10 * body)
    assert np.isclose(many.makespan - few.makespan, 10 * body)
    last = graph(tasks, {}, phases=phases((2, None), (1, loop(11))))
    result = schedule(last, machine(2))
    assert np.isclose(result.makespan - result.start[2], 11 * (result.finish[2] - result.start[2]))


def test_the_size_of_a_schedule_does_not_depend_on_how_often_a_loop_runs() -> None:
    tasks: list[Spec] = [("f", [("h", 0, 64)], [("u", i, i + 1)]) for i in range(4)]
    few, many = (schedule(graph(tasks, {}, phases=phases((4, loop(n)))), machine(2)) for n in (2, 10**9))
    assert few.op.tolist() == many.op.tolist() and few.b.tolist() == many.b.tolist()


# -- memory ---------------------------------------------------------------------------------


def reuses(result: Schedule) -> int:
    return int((result.deps.kind == DepKind.REUSE).sum())


def chain(names: str) -> list[Spec]:
    return [("f", [(a, 0, 64)], [(b, 0, 64)]) for a, b in pairwise(names)]


def test_what_a_loop_touches_shares_no_place_within_it() -> None:
    tasks = chain("xabcdy")
    locals_ = dict.fromkeys("abcd", 64)
    straight = schedule(graph(tasks, locals_), machine(2, cache_bytes=0))
    assert straight.memory.arena_bytes == 128
    for info in (loop(), loop(until=FLAG)):
        result = schedule(graph(tasks, locals_, phases=phases((5, info))), machine(2, cache_bytes=0))
        assert result.memory.arena_bytes == result.memory.bound_bytes == 256 and reuses(result) == 0


def test_tensors_of_different_phases_share_a_place_at_no_cost() -> None:
    tasks = [*chain("xay"), *chain("xby"), *chain("xcy")]
    g = graph(tasks, dict.fromkeys("abc", 64), phases=phases((2, None), (2, loop()), (2, None)))
    result = schedule(g, machine(2, cache_bytes=0))
    assert result.memory.arena_bytes == 64 and reuses(result) == 0


def test_a_tensor_that_later_phases_read_lives_through_those_between() -> None:
    tasks = [*chain("xay"), *chain("xby"), *chain("ay")]
    g = graph(tasks, dict.fromkeys("ab", 64), phases=phases((2, None), (2, loop()), (1, None)))
    result = schedule(g, machine(2, cache_bytes=0))
    assert result.memory.arena_bytes == 128


def test_a_straight_phase_reuses_places_beside_a_loop() -> None:
    tasks = [*chain("xabcdy"), *chain("xey")]
    g = graph(tasks, dict.fromkeys("abcde", 64), phases=phases((5, None), (2, loop())))
    result = schedule(g, machine(2, cache_bytes=0), policy="round_robin")
    assert result.memory.arena_bytes == 128
    reused = np.flatnonzero(result.deps.kind == DepKind.REUSE).tolist()
    assert all(int(result.deps.producers_of(dep).max()) < 5 for dep in reused)


def test_graphs_of_one_straight_phase_are_scheduled_as_they_are() -> None:
    """No copy is made of them: that is the path of most kernels."""
    from mpmd.schedule.phases import alone

    g: TaskGraph = graph(chain("xay"), {"a": 64})
    assert alone(g, g.phases[0]) is g
