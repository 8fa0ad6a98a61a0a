"""Placement on cores of several kinds: what each policy keeps, and that no schedule beats a lower bound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_graphs import SPAN, Spec, graph, loop, machine, phases
from test_schedule_together import ENDS, mixed, pairs

from mpmd.errors import PlacementError
from mpmd.lang.program import Call, Placement
from mpmd.lang.tile import TaskDef
from mpmd.machine import Machine, WorkClass
from mpmd.partition.graph import TaskGraph, column
from mpmd.schedule.bounds import Bounds, bounds
from mpmd.schedule.build import schedule
from mpmd.schedule.costs import costs
from mpmd.schedule.heft import heft
from mpmd.schedule.improve import improve
from mpmd.schedule.judge import Judge
from mpmd.schedule.links import ranks
from mpmd.schedule.order import POLICIES
from mpmd.schedule.phases import alone
from mpmd.schedule.policies import Choice
from mpmd.schedule.problem import Problem, play, problem


def two_kinds(first: int, second: int, **changes: object) -> Machine:
    """Cores that are fast at products, and cores that are fast at the rest; the latter do none of 16 bits."""
    plain = machine(first + second, **changes)
    rates = plain.leading.rates
    cube = replace(plain.leading, name="cube", cores=first, rates=(4e9, 4e9, 4e9, *rates[3:]))
    vector = replace(plain.leading, name="vector", cores=second, rates=(1e9, 0.0, 1e9, 4e9, *rates[4:]))
    return replace(plain, kinds=(cube, vector))


@st.composite
def cases(draw: st.DrawFn) -> tuple[TaskGraph, Machine]:
    """Layers of tasks that read some or all of the layer before, on one to five cores of one or two kinds."""
    tasks: list[Spec] = []
    width = 0
    for layer in range(draw(st.integers(1, 4))):
        before, width = width, draw(st.integers(1, 5))
        for at in range(width):
            lo, hi = (
                sorted((draw(st.integers(0, before)), draw(st.integers(0, before)))) if before else (0, 0)
            )
            reads = [(f"h{layer - 1}", lo * 256, hi * 256)] if hi > lo else []
            tasks.append((f"f{layer}", reads, [(f"h{layer}", at * 256, at * 256 + 256)]))
    g = graph(tasks, {f"h{n}": 1280 for n in range(4)}, phases=phases((len(tasks), draw(LOOPS))))
    work = np.zeros_like(g.work)
    for task in range(len(tasks)):
        column_ = draw(st.sampled_from([WorkClass.DOT32, WorkClass.DOT16, WorkClass.VECTOR]))
        work[task, column_] = draw(st.sampled_from([0.0, 100.0, 1000.0, 4000.0]))
    g = replace(g, work=column(work, np.float64))
    kinds = draw(st.sampled_from(["one", "two"]))
    cache = draw(st.sampled_from([0, 600, 1 << 16]))
    first, second = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    if kinds == "one":
        return g, machine(first, cache_bytes=cache)
    return g, two_kinds(first, second, cache_bytes=cache)


LOOPS = st.sampled_from([None, None, loop(3)])


def problem_of(g: TaskGraph, m: Machine) -> Problem:
    """Of the graph's one phase, once."""
    part = alone(g, g.phases[0])
    return problem(part, m, costs(part, m))


@settings(max_examples=200, deadline=None)
@given(cases(), st.sampled_from([0.0, 0.2]))
def test_no_schedule_of_any_policy_beats_a_lower_bound(
    case: tuple[TaskGraph, Machine], effort: float
) -> None:
    g, m = case
    for policy in POLICIES:
        plan = schedule(g, m, policy=policy, effort=effort)
        assert plan.bounds == bounds(g, m)
        assert plan.bounds.seconds <= plan.makespan * (1 + 1e-9)


@settings(max_examples=100, deadline=None)
@given(mixed(), st.sampled_from(list(POLICIES)))
def test_gangs_and_drains_do_not_beat_a_lower_bound(case: tuple[TaskGraph, int], policy: str) -> None:
    g, cores = case
    plan = schedule(g, machine(cores), policy=policy)
    assert plan.bounds.seconds <= plan.makespan * (1 + 1e-9)


@settings(max_examples=150, deadline=None)
@given(cases(), st.data())
def test_the_quick_judge_says_what_the_cost_model_says(
    case: tuple[TaskGraph, Machine], data: st.DataObject
) -> None:
    g, m = case
    given_ = problem_of(g, m)
    everywhere = [given_.cores_of_all(able) for able in given_.able]
    core = [data.draw(st.sampled_from(cores)) for cores in everywhere]
    sequence = list(range(len(g)))
    judge = Judge(given_)
    exact = play(given_, core, sequence).makespan
    assert judge.makespan(core, sequence, float("inf")) == pytest.approx(exact, rel=1e-12)
    assert judge.makespan(core, sequence, exact / 2) >= exact / 2 or exact == 0.0


@settings(max_examples=50, deadline=None)
@given(cases())
def test_tasks_are_only_on_cores_that_can_do_them(case: tuple[TaskGraph, Machine]) -> None:
    g, m = case
    for policy in POLICIES:
        plan = schedule(g, m, policy=policy)
        for task in range(len(g)):
            kind = m.kinds[m.kind_of(int(plan.core[task]))]
            assert g.work[task, WorkClass.DOT16] == 0 or kind.rates[WorkClass.DOT16] > 0


@settings(max_examples=100, deadline=None)
@given(cases())
def test_searching_makes_no_schedule_worse_and_keeps_its_order(case: tuple[TaskGraph, Machine]) -> None:
    g, m = case
    given_ = problem_of(g, m)
    first = heft(given_, ranks(given_.links, given_.weight))
    better = improve(given_, first, bound=0.0, effort=0.2)
    assert (
        play(given_, better.core, better.sequence).makespan
        <= play(given_, first.core, first.sequence).makespan
    )
    place = {task: at for at, task in enumerate(better.sequence)}
    for dep in range(len(g.deps)):
        for producer in g.deps.producers_of(dep).tolist():
            assert all(
                place[producer] < place[c]
                for c in g.deps.consumers_of(dep).tolist()
                if g.deps.distance[dep] == 0
            )


def test_the_same_input_gives_the_same_schedule_whatever_was_scheduled_before() -> None:
    g, m = diamond(), two_kinds(2, 2)
    first = schedule(g, m)
    schedule(diamond(8), m)
    again = schedule(g, m)
    assert first.core.tolist() == again.core.tolist() and first.start.tolist() == again.start.tolist()


def diamond(width: int = 5) -> TaskGraph:
    tasks: list[Spec] = [("a", [], [("h", 0, 64)])]
    tasks += [("b", [("h", 0, 64)], [("u", i, i + 1)]) for i in range(width)]
    tasks.append(("c", [("u", 0, width)], []))
    return graph(tasks, {"h": 64, "u": width}, flops=[1000.0 + 100 * i for i in range(width + 2)])


def test_a_gap_is_filled_by_a_task_that_fits() -> None:
    """The long way waits for a hand-over; a short task, less urgent than all, runs meanwhile."""
    tasks: list[Spec] = [
        ("a", [], [("h", 0, 8)]),
        ("b", [], [("u", 0, 8)]),
        ("c", [("h", 0, 8), ("u", 0, 8)], [("v", 0, 8)]),
        ("d", [], [("w", 0, 8)]),
    ]
    g = graph(tasks, {"h": 8, "u": 8, "v": 8, "w": 8}, flops=[1000.0, 9000.0, 9000.0, 2000.0])
    plan = schedule(g, machine(2), effort=0.0)
    assert plan.finish[3] <= plan.start[2]


def test_zigzag_turns_every_other_round() -> None:
    g = graph([("f", [], [("y", i, i + 1)]) for i in range(7)], {})
    assert schedule(g, machine(3), policy="zigzag").core.tolist() == [0, 1, 2, 2, 1, 0, 0]


def test_tiles_are_dealt_to_the_cores_that_can_do_them() -> None:
    g = graph([("f", [], [("y", i, i + 1)]) for i in range(4)], {})
    work = np.zeros_like(g.work)
    work[:, WorkClass.DOT16] = 1000.0
    products = replace(g, work=column(work, np.float64))
    assert schedule(products, two_kinds(2, 3), policy="round_robin").core.tolist() == [0, 1, 0, 1]


def test_each_kind_of_work_goes_to_its_kind_of_core() -> None:
    g = graph([("f", [], [("y", i, i + 1)]) for i in range(8)], {})
    work = np.zeros_like(g.work)
    work[:4, WorkClass.DOT32] = work[4:, WorkClass.VECTOR] = 10000.0
    plan = schedule(replace(g, work=column(work, np.float64)), two_kinds(2, 2))
    assert set(plan.core[:4].tolist()) == {0, 1} and set(plan.core[4:].tolist()) == {2, 3}
    assert plan.makespan <= plan.bounds.seconds * 1.01


def test_members_of_a_gang_take_neighbours_of_the_kinds_that_suit_them() -> None:
    g = pairs(2)
    work = np.zeros_like(g.work)
    work[::2, WorkClass.DOT16] = work[1::2, WorkClass.VECTOR] = 1000.0
    plan = schedule(replace(g, work=column(work, np.float64)), two_kinds(2, 3))
    assert plan.core.tolist() == [0, 2, 1, 3]
    assert plan.start[0] == plan.start[1]


def test_a_gang_without_cores_of_its_own_or_one_for_all_is_refused() -> None:
    g = pairs(1)
    work = np.zeros_like(g.work)
    work[0, WorkClass.DOT16], work[1, WorkClass.VECTOR] = 1000.0, 1000.0
    m = two_kinds(1, 1)
    cube, vector = m.kinds
    only_products = replace(cube, rates=(1e9, 1e9, 1e9, *(0.0,) * (len(cube.rates) - 3)))
    neither = replace(
        m, kinds=(only_products, replace(vector, rates=(1e9, 1e9, 1e9, *vector.rates[3:]), cores=1))
    )
    assert schedule(replace(g, work=column(work, np.float64)), neither).core.tolist() == [0, 1]
    three = graph(
        [("send", [("x", 0, 1)], []), ("send", [("x", 1, 2)], []), ("receive", [], [("y", 0, 1)])],
        {}, calls=ENDS, gang={0: 0, 1: 0, 2: 0},
    )  # fmt: skip
    work = np.zeros_like(three.work)
    work[:2, WorkClass.VECTOR], work[2, WorkClass.DOT8] = 1000.0, 1000.0
    barred = replace(vector, rates=(0.0, 0.0, 0.0, *vector.rates[3:]))
    with pytest.raises(PlacementError) as caught:
        schedule(replace(three, work=column(work, np.float64)), replace(m, kinds=(only_products, barred)))
    assert caught.value.message == (
        "send#0, send#1, receive#0 are joined by channels; there are not enough cores that can do them"
    )
    assert caught.value.label == "runs at the same time as the others"
    assert caught.value.hints == (
        "give it more cores of the kinds that it needs, or ask for no kind with 'on'",
    )


def test_a_task_that_no_core_can_do_is_refused() -> None:
    g = graph([("f", [], [("y", 0, 1)])], {})
    work = np.zeros_like(g.work)
    work[0, WorkClass.DOT16] = 1000.0
    g = replace(g, work=column(work, np.float64))
    vectors_alone = replace(two_kinds(1, 2), kinds=two_kinds(1, 2).kinds[1:])
    with pytest.raises(PlacementError) as caught:
        schedule(g, vectors_alone)
    assert caught.value.message == "'f#0' cannot be done by any core that it may run on of 'toy'"
    assert caught.value.label == "its work: dot16"
    assert caught.value.hints == ("leave 'on' out, or compile for more cores or another machine",)


def test_a_task_pinned_to_a_core_that_cannot_do_it_is_told_which_can() -> None:
    g = graph([("f", [], [("y", 0, 1)])], {}, pin={0: 1})
    work = np.zeros_like(g.work)
    work[0, WorkClass.DOT16] = 1000.0
    with pytest.raises(PlacementError) as caught:
        schedule(replace(g, work=column(work, np.float64)), two_kinds(1, 1))
    assert caught.value.message == "'f#0' cannot be done by core 1 of 'toy'"
    assert caught.value.hints == ("cores of kind cube can do it",)


def test_a_call_that_asks_for_a_kind_stays_on_it() -> None:
    call = Call(TaskDef("f", (), (), SPAN), (), (), SPAN, Placement(on="vector"))
    g = graph([("f", [], [("y", i, i + 1)]) for i in range(6)], {}, calls={"f": call})
    for policy in POLICIES:
        assert set(schedule(g, two_kinds(2, 2), policy=policy).core.tolist()) <= {2, 3}


# -- bounds ---------------------------------------------------------------------------------------


def test_stages_add_up_where_everything_goes_through_one_dependence() -> None:
    """Two layers of 4 equal tiles on 2 cores: each takes two tiles' time, the second a latency more."""
    layers = [
        (f"f{n}", [(f"h{n - 1}", 0, 4)] if n else [], [(f"h{n}", i, i + 1)])
        for n in range(2)
        for i in range(4)
    ]
    g = graph(layers, {"h0": 4, "h1": 4}, flops=10000.0)
    m = machine(2)
    found = bounds(g, m)
    plan = schedule(g, m)
    assert found.stages > max(found.work, found.critical_path)
    assert plan.makespan <= found.seconds * 1.001


def test_bounds_of_what_follows_add_up() -> None:
    one = Bounds(1.0, 2.0, 3.0, 4.0)
    assert one + one == one * 2 == Bounds(2.0, 4.0, 6.0, 8.0) and one.seconds == 4.0


def test_iterations_that_may_overlap_are_bounded_by_their_work_alone() -> None:
    tasks: list[Spec] = [("f", [("x", i, i + 1)], [("y", i, i + 1)]) for i in range(4)]
    once, thrice = (graph(tasks, {}, phases=phases((4, body))) for body in (None, loop(3)))
    m = machine(2)
    assert bounds(thrice, m).work == pytest.approx(3 * bounds(once, m).work)
    assert bounds(thrice, m).critical_path == bounds(once, m).critical_path


def test_a_choice_is_left_alone_where_a_bound_is_met() -> None:
    g, m = graph([("f", [], [("y", i, i + 1)]) for i in range(4)], {}), machine(2)
    given_ = problem_of(g, m)
    choice = Choice([0, 1, 0, 1], [0, 1, 2, 3])
    assert (
        improve(given_, choice, bound=play(given_, choice.core, choice.sequence).makespan, effort=1.0)
        is choice
    )
