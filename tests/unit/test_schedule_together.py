"""The laws of tasks that belong together or have a place: gangs, rings, drains, pins, `near`, `on`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_graphs import MACHINE, SPAN, Spec, graph, loop, machine, phases
from schedule_laws import assert_lawful

from mpmd.errors import ArgumentError, CapacityError, PlacementError
from mpmd.lang.index import as_index
from mpmd.lang.program import Call, Channel, ChannelArg, Placement
from mpmd.lang.tile import Param, TaskDef
from mpmd.lang.types import Direction, f32
from mpmd.machine import Machine
from mpmd.partition.graph import TaskGraph
from mpmd.schedule.build import schedule
from mpmd.schedule.order import POLICIES
from mpmd.schedule.steps import Drain, Ring, Schedule, StepOp

LOCALS = dict.fromkeys("abcd", 64)
CHANNEL = Channel(0, "c", f32, (4, 8), 2, SPAN)


def end_of(name: str, *ends: tuple[int, Direction]) -> Call:
    """A call of a task with these ends of channels and nothing else."""
    params = tuple(Param(f"p{i}", way, f32, (), SPAN) for i, (_, way) in enumerate(ends))
    return Call(TaskDef(name, params, (), SPAN), tuple(ChannelArg(c) for c, _ in ends), (), SPAN)


ENDS = {
    "send": end_of("send", (0, Direction.SEND)),
    "receive": end_of("receive", (0, Direction.RECV)),
    "pass": end_of("pass", (0, Direction.RECV), (1, Direction.SEND)),
    "last": end_of("last", (1, Direction.RECV)),
}


def pairs(count: int, **more: object) -> TaskGraph:
    """Gangs of a sender and a receiver, next to each other, that pass three tokens."""
    tasks: list[Spec] = []
    for i in range(count):
        tasks += [("send", [("x", i, i + 1)], []), ("receive", [], [("y", i, i + 1)])]
    gang = {task: task // 2 for task in range(2 * count)}
    tokens = tuple((i, 0, 3) for i in range(count))
    return graph(tasks, {}, calls=ENDS, channels=(CHANNEL,), gang=gang, tokens=tokens, **more)  # type: ignore[arg-type]


@st.composite
def mixed(draw: st.DrawFn) -> tuple[TaskGraph, int]:
    """Tasks in a loop or not: some in gangs, some drained, some pinned, some near a tensor."""
    tasks: list[Spec] = []
    gang: dict[int, int] = {}
    drain: dict[int, int] = {}
    pin: dict[int, int] = {}
    near: dict[int, str] = {}
    cores = draw(st.integers(1, 4))
    names = st.sampled_from([*LOCALS, "x"])

    def region() -> tuple[str, int, int]:
        lo = draw(st.sampled_from([0, 16, 32]))
        return draw(names), lo, lo + draw(st.sampled_from([16, 32]))

    for number in range(draw(st.integers(1, 4))):
        what = draw(st.sampled_from(["task", "gang", "between", "drain"]))
        first = len(tasks)
        if what == "task":
            tasks.append(("f", [region()], [region()]))
            if draw(st.booleans()):
                pin[first] = draw(st.integers(0, cores - 1))
            elif draw(st.booleans()):
                near[first] = draw(names)
        elif what == "drain":
            source, (target, _, _) = region(), region()
            if source[0] != target:
                tasks += [("tile", [source], [(target, i * 16, i * 16 + 16)]) for i in range(3)]
                drain |= {first + i: number for i in range(3)}
        else:  # with a task between, there may be a way from the sender to the receiver
            tasks.append(("send", [region()], [region()]))
            if what == "between":
                tasks.append(("f", [region()], [region()]))
            tasks.append(("receive", [region()], [region()]))
            gang |= {first: number, len(tasks) - 1: number}
    tokens = tuple((number, 0, 3) for number in sorted(set(gang.values())))
    used = {name for _, reads, writes in tasks for name, _, _ in [*reads, *writes]}
    built = graph(
        tasks,
        {n: 64 for n in LOCALS if n in used},
        phases=phases((len(tasks), loop() if draw(st.booleans()) else None)),
        calls=ENDS,
        channels=(CHANNEL,),
        gang=gang,
        drain=drain,
        pin=pin,
        near={t: n for t, n in near.items() if n in used},
        tokens=tokens,
    )
    return built, cores


@settings(max_examples=150, deadline=None)
@given(mixed(), st.sampled_from(list(POLICIES)), st.booleans())
def test_gangs_drains_and_pins_keep_all_laws(case: tuple[TaskGraph, int], policy: str, share: bool) -> None:
    g, cores = case
    result = schedule(g, machine(cores, cache_bytes=0 if share else 1 << 16), policy=policy)
    assert_lawful(result)
    for task in np.flatnonzero(g.pin >= 0).tolist():
        assert result.core[task] == g.pin[task]
    assert_drains(result)
    assert_gangs(result)


def assert_drains(result: Schedule) -> None:
    """Every task has a RUN or is in one drain, whose DRAIN steps are on the cores that take part."""
    runs = result.a[result.op == StepOp.RUN].tolist()
    drained = [task for drain in result.drains for task in drain.tasks]
    assert sorted([*runs, *drained]) == list(range(len(result.graph)))
    assert all((result.core[task] < 0) == (task in drained) for task in range(len(result.graph)))
    for number, drain in enumerate(result.drains):
        steps = [
            s for c in range(result.cores) for s in result.steps(c) if s.op == StepOp.DRAIN and s.a == number
        ]
        assert tuple(step.core for step in steps) == drain.cores and len(drain.cores) > 1


def assert_gangs(result: Schedule) -> None:
    """Members are on cores of their own, or on one in program order; every two cores have their ring."""
    needed = set()
    for number, _, tokens in result.graph.tokens:
        sender, receiver = np.flatnonzero(result.graph.gang == number).tolist()
        ends = int(result.core[sender]), int(result.core[receiver])
        needed.add(ends)
        if ends[0] == ends[1]:
            assert position(result, sender) < position(result, receiver)
            ring = next(r for r in result.rings if (r.producer, r.consumer) == ends)
            assert ring.depth >= tokens
    assert sorted((r.producer, r.consumer) for r in result.rings) == sorted(needed)
    ends_of_rings = [ring.offset + ring.depth * ring.slot_bytes for ring in result.rings]
    assert [*ends_of_rings[-1:]] in ([], [result.memory.arena_bytes])


def position(result: Schedule, task: int) -> int:
    return int(np.flatnonzero((result.op == StepOp.RUN) & (result.a == task))[0])


# -- gangs and rings ------------------------------------------------------------------------


def test_gangs_take_neighbouring_cores_and_the_same_teams_again() -> None:
    result = schedule(pairs(5), machine(5))
    assert [sorted(result.core[2 * i : 2 * i + 2].tolist()) for i in range(5)] == [[0, 1], [2, 3]] * 2 + [
        [0, 1]
    ]
    assert result.rings == (Ring(0, 0, 1, 2, 192, 0), Ring(0, 2, 3, 2, 192, 384))
    assert result.memory.arena_bytes == 768


def test_members_start_together() -> None:
    result = schedule(pairs(3), machine(4))
    for i in range(3):
        assert result.start[2 * i] == result.start[2 * i + 1]


def test_on_too_few_cores_members_run_one_after_the_other_and_all_tokens_fit() -> None:
    result = schedule(pairs(2), machine(1))
    assert result.a[result.op == StepOp.RUN].tolist() == [0, 1, 2, 3]
    assert result.rings == (Ring(0, 0, 0, 3, 192, 0),)


def test_a_gang_with_a_way_from_one_member_to_another_runs_on_one_core() -> None:
    """The receiver needs what `f` makes of the sender's result: they cannot run at the same time."""
    tasks: list[Spec] = [
        ("send", [], [("a", 0, 64)]),
        ("f", [("a", 0, 64)], [("b", 0, 64)]),
        ("receive", [("b", 0, 64)], []),
    ]
    tasks = [*tasks, *tasks]
    gang = {0: 0, 2: 0, 3: 1, 5: 1}
    g = graph(
        tasks, {"a": 64, "b": 64}, calls=ENDS, channels=(CHANNEL,), gang=gang, tokens=((0, 0, 3), (1, 0, 3))
    )
    for policy in POLICIES:
        result = schedule(g, machine(3), policy=policy)
        assert result.core[[0, 2, 3, 5]].tolist() == [0, 0, 0, 0]
        assert [position(result, t) for t in (0, 2, 3, 5)] == sorted(
            position(result, t) for t in (0, 2, 3, 5)
        )
        assert [(r.producer, r.consumer, r.depth) for r in result.rings] == [(0, 0, 3)]


def test_a_chain_of_three_has_a_ring_between_each_two() -> None:
    second = replace(CHANNEL, id=1, name="d", depth=1)
    tasks: list[Spec] = [("send", [("x", 0, 1)], []), ("pass", [], []), ("last", [], [("y", 0, 1)])]
    g = graph(tasks, {}, calls=ENDS, channels=(CHANNEL, second), gang=dict.fromkeys(range(3), 0),
              tokens=((0, 0, 3), (0, 1, 3)))  # fmt: skip
    result = schedule(g, machine(3))
    assert [(r.channel, r.producer, r.consumer, r.depth) for r in result.rings] == [
        (0, 0, 1, 2),
        (1, 1, 2, 1),
    ]
    alone = schedule(g, machine(2))
    assert [(r.channel, r.depth) for r in alone.rings] == [(0, 3), (1, 3)]


def test_rings_lie_behind_the_local_tensors_and_share_nothing() -> None:
    tasks: list[Spec] = [
        ("send", [("a", 0, 1)], []),
        ("receive", [], [("y", 0, 1)]),
        ("f", [], [("a", 0, 64)]),
    ]
    g = graph(tasks, {"a": 100}, calls=ENDS, channels=(CHANNEL,), gang={0: 0, 1: 0}, tokens=((0, 0, 3),))
    result = schedule(g, machine(2))
    assert result.rings[0].offset == 128 and result.memory.arena_bytes == 128 + 2 * 192


def test_channels_that_do_not_fit_are_refused_at_the_largest() -> None:
    with pytest.raises(CapacityError) as caught:
        schedule(pairs(1), machine(2, memory_bytes=100))
    assert caught.value.message == "kernel 'k' needs 384 bytes for its channels; 'toy' has 100"
    assert caught.value.label == "the largest: 2 tokens of 128 bytes"
    assert caught.value.hints == ("give channels a smaller depth, or smaller tokens",)


def test_members_pinned_to_different_cores_take_them() -> None:
    result = schedule(pairs(2, pin={0: 2, 1: 0, 2: 1}), machine(3))
    assert result.core[:3].tolist() == [2, 0, 1] and result.core[3] != 1


def test_members_all_pinned_to_one_core_share_it() -> None:
    result = schedule(pairs(1, pin={0: 1, 1: 1}), machine(3))
    assert result.core.tolist() == [1, 1]
    assert result.rings == (Ring(0, 1, 1, 3, 192, 0),)


def test_members_pinned_partly_to_one_core_are_refused() -> None:
    second = replace(CHANNEL, id=1, name="d")
    tasks: list[Spec] = [("send", [], []), ("pass", [], []), ("last", [], [("y", 0, 1)])]
    gang = dict.fromkeys(range(3), 0)
    tokens = ((0, 0, 3), (0, 1, 3))
    channels = (CHANNEL, second)
    g = graph(tasks, {}, calls=ENDS, channels=channels, gang=gang, pin={0: 1, 1: 1}, tokens=tokens)
    with pytest.raises(PlacementError) as caught:
        schedule(g, machine(3))
    assert (
        caught.value.message == "send#0, pass#0, last#0 are joined by channels; cores 1 and 1 are asked for"
    )
    assert caught.value.label == "core=1"
    assert caught.value.hints == ("give all of them cores of their own, or all of them the same core",)
    apart = replace(g, pin=np.array([0, 1, -1], np.int32))
    with pytest.raises(PlacementError) as few:
        schedule(apart, machine(2))
    assert few.value.message == "send#0, pass#0, last#0 are joined by channels; cores 0 and 1 are asked for"


def test_a_pin_that_a_gang_on_one_core_cannot_have_is_refused() -> None:
    tasks: list[Spec] = [("send", [], [("a", 0, 64)]), ("receive", [("a", 0, 64)], [])]
    g = graph(
        tasks, {"a": 64}, calls=ENDS, channels=(CHANNEL,), gang={0: 0, 1: 0}, pin={0: 1}, tokens=((0, 0, 3),)
    )
    with pytest.raises(PlacementError) as caught:
        schedule(g, machine(2))
    assert caught.value.message == "send#0, receive#0 are joined by channels; core 1 is asked for"
    assert caught.value.hints == (
        "leave 'core' out: one of them needs what another one makes, so they run on core 0",
    )


# -- pins, near, on -------------------------------------------------------------------------


def placed(placement: Placement, *, pin: int = -1) -> TaskGraph:
    call = Call(TaskDef("f", (), (), SPAN), (), (), SPAN, placement)
    tasks: list[Spec] = [("f", [("x", 0, 1)], [("y", 0, 1)])]
    return graph(tasks, {}, calls={"f": call}, pin={0: pin})


def test_a_core_that_is_not_there_is_refused_at_the_call() -> None:
    for core in (3, -1):
        with pytest.raises(PlacementError) as caught:
            schedule(placed(Placement(core=as_index(core)), pin=core), MACHINE)
        assert caught.value.message == f"'f#0' is to run on core {core}; there are cores 0 to 2"
        assert caught.value.span == SPAN and caught.value.label == f"core={core}"
        assert caught.value.hints == ("give a core below 3, or compile for more cores",)
    with pytest.raises(PlacementError):
        schedule(placed(Placement(core=as_index(2)), pin=2), MACHINE, cores=2)


def test_a_kind_of_core_that_is_not_there_is_answered_with_the_nearest() -> None:
    both = replace(MACHINE, kinds=tuple(replace(MACHINE.leading, name=name) for name in ("cube", "vector")))
    schedule(placed(Placement(on="vector")), both)
    for kind, hint in (("vectr", "did you mean 'vector'?"), ("gpu", "kinds: cube, vector")):
        with pytest.raises(PlacementError) as caught:
            schedule(placed(Placement(on=kind)), both)
        assert caught.value.message == f"'toy' has no cores of kind {kind!r}"
        assert caught.value.span == SPAN and caught.value.label == f"on={kind!r}"
        assert caught.value.hints == (hint,)


def test_tasks_run_where_they_are_pinned_under_every_policy() -> None:
    tasks: list[Spec] = [("f", [("x", i, i + 1)], [("y", i, i + 1)]) for i in range(6)]
    for policy in POLICIES:
        result = schedule(graph(tasks, {}, pin={0: 2, 3: 2, 4: 1}), machine(3), policy=policy)
        assert result.core[[0, 3, 4]].tolist() == [2, 2, 1]


def test_a_task_runs_near_the_latest_writer_of_a_tensor_of_this_or_an_earlier_phase() -> None:
    tasks: list[Spec] = [
        ("f", [], [("a", 0, 8)]),
        ("g", [], [("b", 0, 8)]),
        ("h", [("x", 0, 1)], [("y", 0, 1)]),
    ]
    tasks += [("h", [("x", i, i + 1)], [("z", i, i + 1)]) for i in range(2)]
    g = graph(tasks, {"a": 8, "b": 8}, phases=phases((3, None), (2, loop())), pin={0: 2, 1: 1},
              near={2: "b", 3: "a", 4: "x"})  # fmt: skip
    result = schedule(g, machine(3))
    assert result.core[2] == 1 and result.core[3] == 2


# -- drains ---------------------------------------------------------------------------------


def tiles(count: int, **more: object) -> TaskGraph:
    tasks: list[Spec] = [("f", [("x", i, i + 1)], [("y", i, i + 1)]) for i in range(count)]
    return graph(tasks, {}, **more)  # type: ignore[arg-type]


def jittery(cores: int, jitter: float = 0.1) -> Machine:
    return machine(cores, jitter=jitter, ticket_seconds=1e-9)


def test_a_drain_has_one_step_per_core_and_large_tasks_first() -> None:
    work = [1000.0, 1000.0, 5000.0, 1000.0]
    result = schedule(tiles(4, drain=dict.fromkeys(range(4), 7), flops=work), machine(2))
    assert result.drains == (Drain((2, 0, 1, 3), (0, 1)),)
    for core in range(2):
        assert [(s.op, s.a) for s in result.steps(core)] == [(StepOp.DRAIN, 0)]
    assert result.core.tolist() == [-1] * 4


def test_drained_times_are_those_of_tickets_in_turn() -> None:
    work = [3000.0, 1000.0, 1000.0, 1000.0]
    result = schedule(tiles(4, drain=dict.fromkeys(range(4), 0), flops=work), machine(2, ticket_seconds=1e-8))
    seconds = result.finish - result.start
    assert np.isclose(result.start[0], 1e-8) and np.isclose(result.start[1], 1e-8)
    assert np.isclose(result.start[2], 2e-8 + seconds[1])
    assert np.isclose(result.start[3], 3e-8 + 2 * seconds[1])


def test_no_more_cores_take_part_than_there_are_tasks_and_one_core_needs_no_tickets() -> None:
    two = tiles(2, drain={0: 0, 1: 0})
    assert schedule(two, machine(4)).drains == (Drain((0, 1), (0, 1)),)
    for result in (schedule(two, machine(1)), schedule(tiles(1, drain={0: 0}), machine(2))):
        assert result.drains == () and set(result.op.tolist()) == {StepOp.RUN}


def test_a_pinned_task_is_not_left_to_tickets() -> None:
    result = schedule(tiles(4, drain=dict.fromkeys(range(4), 0), pin={3: 1}), machine(2))
    assert result.drains == () and result.core[3] == 1


def test_everyone_waits_for_all_parts_of_a_drain() -> None:
    tasks: list[Spec] = [("f", [], [("a", 0, 64)])]
    tasks += [("g", [("a", 0, 64)], [("b", i * 16, i * 16 + 16)]) for i in range(4)]
    tasks += [("h", [("b", 0, 64)], [("y", i, i + 1)]) for i in range(2)]
    g = graph(tasks, {"a": 64, "b": 64}, drain=dict.fromkeys(range(1, 5), 0))
    result = schedule(g, machine(2), policy="round_robin")
    assert_lawful(result)
    assert [s.op for s in result.steps(1)] == [
        StepOp.WAIT, StepOp.DRAIN, StepOp.SIGNAL, StepOp.WAIT, StepOp.RUN,
    ]  # fmt: skip


def test_tickets_are_taken_unasked_where_that_is_predicted_to_pay() -> None:
    enough, few = tiles(8), tiles(7)
    assert schedule(enough, jittery(2)).drains == (Drain(tuple(range(8)), (0, 1)),)
    assert schedule(few, jittery(2)).drains == ()
    assert schedule(enough, jittery(2), drain="never").drains == ()
    assert schedule(enough, machine(2)).drains == ()
    assert schedule(enough, jittery(2, jitter=1e-4)).drains == ()
    assert schedule(tiles(8, pin={0: 0}), jittery(2)).drains == ()


def test_tasks_of_one_call_that_depend_on_each_other_are_not_drained_together() -> None:
    tasks: list[Spec] = []
    for k in range(2):
        tasks += [("f", [(f"h{k}", 0, 64)], [(f"h{k + 1}", i, i + 1)]) for i in range(8)]
    result = schedule(graph(tasks, {"h1": 64}), jittery(2))
    assert [sorted(drain.tasks) for drain in result.drains] == [list(range(8)), list(range(8, 16))]
    assert_lawful(result)


def test_an_unknown_way_to_drain_is_refused() -> None:
    for drain, hint in (("nver", "did you mean 'never'?"), ("x", "drain is 'auto' or 'never'")):
        with pytest.raises(ArgumentError) as caught:
            schedule(tiles(2), MACHINE, drain=drain)
        assert caught.value.message == f"no way to drain {drain!r}"
        assert caught.value.label == f"drain={drain!r}" and caught.value.hints == (hint,)
