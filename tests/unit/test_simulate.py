"""The laws of simulated launches, and cases in which the answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_graphs import Spec, graph, loop, machine, phases
from test_schedule import locals_of, programs
from test_schedule_together import mixed

import mpmd
from mpmd import In, Out, Recv, Send, f32
from mpmd.errors import CapacityError, DeadlockError, PlacementError
from mpmd.lang.kernel.trace import trace
from mpmd.lang.program import Call, Placement, Scalar
from mpmd.lang.types import i32
from mpmd.machine import CoreKind, Machine
from mpmd.partition.build import partition
from mpmd.partition.graph import Linear, Phase, Skip, TaskGraph, column
from mpmd.pipeline import specs_of
from mpmd.schedule.build import schedule
from mpmd.schedule.costs import costs
from mpmd.schedule.least import least
from mpmd.schedule.order import POLICIES
from mpmd.schedule.simulate import simulate, slowness
from mpmd.schedule.simulation.bandwidth import SharedBandwidth
from mpmd.schedule.simulation.tokens import parts_of
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.timeline import SpanKind, Trace

ROUNDING = 1e-12
"""Seconds."""

RELATIVE = 1e-9

QUIET = {"launch_seconds": 0.0, "task_seconds": 0.0}
"""Nothing costs but work and sync."""


def of_kernel(kernel: mpmd.Kernel, shapes: dict[str, tuple[int, ...]], on: Machine) -> Schedule:
    specs = specs_of(kernel, {name: mpmd.spec(f32, shape) for name, shape in shapes.items()})
    return schedule(partition(trace(kernel.function, specs), on), on)


def runs_of(trace: Trace) -> dict[tuple[int, int], tuple[float, float]]:
    """Per task and iteration its first start and last finish."""
    found: dict[tuple[int, int], tuple[float, float]] = {}
    for at in np.flatnonzero(trace.kind == SpanKind.RUN).tolist():
        key = int(trace.task[at]), int(trace.iteration[at])
        start, finish = found.get(key, (np.inf, 0.0))
        found[key] = min(start, float(trace.start[at])), max(finish, float(trace.finish[at]))
    return found


# -- laws -----------------------------------------------------------------------------------------


def assert_lawful(planned: Schedule, seed: int | None = None) -> None:
    trace = simulate(planned, seed=seed, iterations=3)
    assert_no_overlap(trace)
    ran = runs_of(trace)
    assert_all_ran(planned, ran)
    assert_in_order(planned, ran)
    assert_enough_time(planned, trace, ran)
    again = simulate(planned, seed=seed, iterations=3)
    for name in ("core", "kind", "task", "step", "dep", "start", "finish"):
        assert getattr(trace, name).tobytes() == getattr(again, name).tobytes()


def assert_no_overlap(trace: Trace) -> None:
    assert (trace.finish > trace.start).all() and trace.finish.max(initial=0.0) <= trace.makespan
    same_core = trace.core[1:] == trace.core[:-1]
    assert (trace.core[1:] >= trace.core[:-1]).all()
    assert (trace.start[1:] >= trace.finish[:-1] - ROUNDING)[same_core].all()


def assert_all_ran(planned: Schedule, ran: dict[tuple[int, int], tuple[float, float]]) -> None:
    for phase in planned.graph.phases:
        times = 1 if phase.loop is None else min(3, phase.loop.count.const)
        wanted = {(task, i) for task in range(phase.first, phase.end) for i in range(times)}
        assert wanted <= ran.keys()


def assert_in_order(planned: Schedule, ran: dict[tuple[int, int], tuple[float, float]]) -> None:
    for dep in range(len(planned.deps)):
        far = int(planned.deps.distance[dep])
        for producer in planned.deps.producers_of(dep).tolist():
            for consumer in planned.deps.consumers_of(dep).tolist():
                for iteration in range(3 - far):
                    before, after = ran.get((producer, iteration)), ran.get((consumer, iteration + far))
                    if before is not None and after is not None:
                        assert before[1] <= after[0] + ROUNDING


def assert_enough_time(
    planned: Schedule, trace: Trace, ran: dict[tuple[int, int], tuple[float, float]]
) -> None:
    """No task is faster than alone on the machine, no launch than what bounds all of them."""
    machine = planned.machine
    cost, kind = costs(planned.graph, machine), machine.leading
    alone = np.maximum(cost.compute[0], cost.memory_bytes / kind.bandwidth) + kind.task_seconds
    for (task, _), (start, finish) in ran.items():
        assert finish - start >= alone[task] - ROUNDING
    seconds = trace.makespan - machine.launch_seconds
    moved = sum(cost.memory_bytes[task] for task, _ in ran)
    assert seconds * machine.bandwidth >= moved * (1 - RELATIVE)
    assert trace.busy.max(initial=0.0) <= seconds + ROUNDING
    if trace.unseen == 0:
        assert seconds >= least(planned.graph, machine).seconds * (1 - RELATIVE)


@settings(max_examples=60, deadline=None)
@given(programs(), st.integers(1, 4), st.sampled_from(list(POLICIES)), st.booleans(), st.data())
def test_a_launch_respects_dependences_and_the_machine(
    tasks: list[Spec], cores: int, policy: str, share: bool, data: st.DataObject
) -> None:
    some = st.sampled_from([0.0, 100.0, 3000.0])
    flops = data.draw(st.lists(some, min_size=len(tasks), max_size=len(tasks)))
    shared = {"shared_cache_bytes": data.draw(st.sampled_from([0, 100])), "shared_cache_bandwidth": 6e9}
    m = machine(cores, cache_bytes=0 if share else 1 << 16, jitter=0.3, **shared)
    planned = schedule(graph(tasks, locals_of(tasks), flops=flops), m, policy=policy, drain="never")
    assert_lawful(planned, seed=data.draw(st.sampled_from([None, 1])))


@settings(max_examples=60, deadline=None)
@given(mixed(), st.sampled_from(list(POLICIES)), st.booleans())
def test_so_does_one_with_gangs_drains_pins_and_loops(
    case: tuple[TaskGraph, int], policy: str, share: bool
) -> None:
    g, cores = case
    assert_lawful(schedule(g, machine(cores, cache_bytes=0 if share else 1 << 16), policy=policy))


# -- memory's bandwidth ---------------------------------------------------------------------------

Arrivals = list[tuple[float, int, float]]
"""When a stream begins, of which kind, and its bytes."""


@st.composite
def arrivals(draw: st.DrawFn) -> Arrivals:
    some = st.tuples(st.integers(0, 20), st.integers(0, 1), st.integers(0, 40))
    drawn = draw(st.lists(some, min_size=1, max_size=12))
    return sorted((float(when), kind, float(size)) for when, kind, size in drawn)


def shared(streams: Arrivals, bandwidth: float, caps: list[float]) -> list[float]:
    """When each stream ends, by the class under test."""
    memory, ends = SharedBandwidth(bandwidth, caps), [0.0] * len(streams)
    for number, (when, kind, size) in enumerate(streams):
        while memory.next_end <= when:
            now = memory.next_end
            ends[memory.end()] = now
        memory.begin(when, kind, number, size)
    while memory.next_end < np.inf:
        now = memory.next_end
        ends[memory.end()] = now
    return ends


def filled(streams: Arrivals, bandwidth: float, caps: list[float]) -> list[float]:
    """The same by water filling, with all streams looked at in every interval."""
    left, ends, now = [size for _, _, size in streams], [0.0] * len(streams), 0.0
    pending = list(range(len(streams)))
    while pending:
        flowing = [n for n in pending if streams[n][0] <= now]
        rates: dict[int, float] = {}
        for n in sorted(flowing, key=lambda n: caps[streams[n][1]]):
            rates[n] = min(
                caps[streams[n][1]], (bandwidth - sum(rates.values())) / (len(flowing) - len(rates))
            )
        changes = [streams[n][0] for n in pending if streams[n][0] > now]
        changes += [now + left[n] / rates[n] for n in flowing]
        then = min(changes)
        for n in flowing:
            left[n] -= (then - now) * rates[n]
            if left[n] <= 1e-9:
                ends[n] = then
                pending.remove(n)
        now = then
    return ends


@settings(max_examples=200, deadline=None)
@given(arrivals(), st.sampled_from([3.0, 5.0, 40.0]))
def test_streams_share_the_bandwidth_evenly_up_to_what_a_core_draws(
    streams: Arrivals, bandwidth: float
) -> None:
    caps = [4.0, 1.0]
    ends = shared(streams, bandwidth, caps)
    assert ends == pytest.approx(filled(streams, bandwidth, caps), abs=1e-6)


def streaming(tasks: int, size: int) -> TaskGraph:
    """Tasks that read so many bytes and write one each."""
    return graph([("f", [("x", 0, size)], [("y", i, i + 1)]) for i in range(tasks)], {}, flops=0.0)


def test_one_core_alone_draws_what_a_core_can() -> None:
    m = machine(4, **QUIET)
    assert simulate(schedule(streaming(1, 3999), m)).makespan == pytest.approx(4000 / m.leading.bandwidth)


def test_cores_that_stream_at_once_share_the_bandwidth() -> None:
    m = machine(4, **QUIET)
    trace = simulate(schedule(streaming(4, 3999), m))
    assert trace.makespan == pytest.approx(4 * 4000 / m.bandwidth)
    assert trace.finish.tolist() == pytest.approx([4 * 4000 / m.bandwidth] * 4)


def test_the_last_streams_have_what_the_others_leave() -> None:
    """Two of four cores have twice as much to move: at the end they draw what a core can."""
    m = machine(4, **QUIET)
    sizes = (1000, 1000, 2000, 2000)
    tasks: list[Spec] = [("f", [("x", 0, n - 1)], [("y", i, i + 1)]) for i, n in enumerate(sizes)]
    trace = simulate(schedule(graph(tasks, {}, flops=0.0), m, policy="round_robin"))
    both = 4 * 1000 / m.bandwidth
    assert trace.finish.tolist() == pytest.approx([both, both, both + 1000 / 4e9, both + 1000 / 4e9])


def test_work_hides_the_bytes_that_it_outlasts() -> None:
    m = machine(1, **QUIET)
    g = graph([("f", [("x", 0, 4000)], [])], {}, flops=5000.0)
    assert simulate(schedule(g, m)).makespan == pytest.approx(5e-6)


def test_streams_from_the_shared_cache_share_its_bandwidth() -> None:
    """All that the kernel touches is in there, so that nothing comes from memory."""
    fast = {"shared_cache_bytes": 1 << 20, "shared_cache_bandwidth": 5e10, **QUIET}
    m = machine(4, **fast)
    assert simulate(schedule(streaming(1, 3999), m)).makespan == pytest.approx(4000 / 2e10)
    assert simulate(schedule(streaming(4, 3999), m)).makespan == pytest.approx(4 * 4000 / 5e10)


# -- sync -----------------------------------------------------------------------------------------


def handed_over(cores: int, **changes: object) -> tuple[Schedule, Machine]:
    """A task on core 0 and one on core 1 that needs it."""
    tasks: list[Spec] = [("f", [], [("h", 0, 64)]), ("g", [("h", 0, 64)], [])]
    m = machine(cores, **QUIET, **changes)
    return schedule(graph(tasks, {"h": 64}, pin={0: 0, 1: 1}), m), m


def test_a_result_on_another_core_costs_a_signal_a_wait_and_the_handover() -> None:
    planned, m = handed_over(2)
    trace = simulate(planned)
    made = 1e-6
    assert trace.makespan == pytest.approx(made + m.latency + max(1e-6, 64 / m.handover_bandwidth))
    wait = int(np.flatnonzero(trace.kind == SpanKind.WAIT)[0])
    assert (trace.core[wait], trace.start[wait], trace.name(wait)) == (1, 0.0, "f")
    assert planned.deps.producers_of(int(trace.dep[wait])).tolist() == [0]


def test_a_result_of_the_same_core_is_read_from_its_cache() -> None:
    tasks: list[Spec] = [("f", [], [("h", 0, 4000)]), ("g", [("h", 0, 4000)], [])]
    m = machine(1, **QUIET)
    trace = simulate(schedule(graph(tasks, {"h": 4000}, flops=0.0), m))
    assert trace.makespan == pytest.approx(2 * 4000 / m.leading.cache_bandwidth)
    small = machine(1, cache_bytes=4000, **QUIET)
    between: list[Spec] = [tasks[0], ("other", [("x", 0, 4096)], []), tasks[1]]
    evicted = simulate(schedule(graph(between, {"h": 4000}, flops=0.0), small, policy="round_robin"))
    from_others = 4000 / small.handover_bandwidth
    assert (evicted.finish - evicted.start)[-1] == pytest.approx(from_others)


def test_all_cores_leave_a_barrier_together() -> None:
    tasks: list[Spec] = [("f", [], [("h", i, i + 1)]) for i in range(3)] + [
        ("g", [("h", 0, 3)], [("y", i, i + 1)]) for i in range(3)
    ]
    m = machine(3, **QUIET)
    planned = schedule(graph(tasks, {"h": 3}, flops=[1000.0, 2000.0, 5000.0] + [0.0] * 3), m, policy="wave")
    trace = simulate(planned)
    barriers = trace.kind == SpanKind.BARRIER
    assert trace.finish[barriers].tolist() == pytest.approx([5e-6 + m.latency] * 3)


def test_the_launch_itself_comes_first() -> None:
    m = machine(1, launch_seconds=7e-6)
    planned = schedule(streaming(1, 3999), m)
    trace = simulate(planned)
    assert trace.start[0] == 7e-6 and trace.makespan == pytest.approx(7e-6 + 1e-7 + 4000 / 4e9)
    assert simulate(schedule(graph([], {}), m)).makespan == 7e-6


def test_sync_that_never_comes_is_a_deadlock() -> None:
    planned, _ = handed_over(2)
    late = np.where(planned.op == StepOp.WAIT, planned.b + 1, planned.b)
    with pytest.raises(DeadlockError) as caught:
        simulate(replace(planned, b=column(late, np.int32)))
    assert str(caught.value) == (
        "error[deadlock]: no core of kernel 'k' can go on\n"
        "  --> kernel.py:7:1\n"
        "  related: kernel.py:7 core 1 stands at WAIT 0"
    )


# -- prefetches -----------------------------------------------------------------------------------


def fetching(size: int) -> tuple[Schedule, Machine]:
    """Core 1 needs a result of core 0 and 4000 bytes of an argument, of which it asks for `size` before."""
    tasks: list[Spec] = [("f", [], [("h", 0, 64)]), ("g", [("h", 0, 64), ("w", 0, 4000)], [])]
    m = machine(2, **QUIET, handover_bandwidth=1e15)
    planned = schedule(graph(tasks, {"h": 64}, pin={0: 0, 1: 1}, flops=[1e3, 0.0]), m)
    at = int(planned.core_ptr[1])
    values = {"op": StepOp.PREFETCH, "a": 1, "b": size, "reason": -1}
    steps = {name: np.insert(getattr(planned, name), at, value) for name, value in values.items()}
    return replace(planned, core_ptr=planned.core_ptr + np.array([0, 0, 1]), **steps), m


def test_what_is_fetched_while_a_core_waits_is_there_afterwards() -> None:
    """The wait takes 1.4 µs, in which 4000 bytes can come, and the whole task is nothing but them."""
    for size in (1000, 4000, 8000):
        planned, m = fetching(size)
        left = max(0, 4000 - size) / m.leading.bandwidth
        assert simulate(planned).makespan == pytest.approx(1e-6 + m.latency + left)


def test_what_is_on_its_way_still_is_waited_for() -> None:
    planned, m = fetching(4000)
    slow = replace(m, kinds=(replace(m.leading, bandwidth=1e9),))
    assert simulate(planned, slow).makespan == pytest.approx(4000 / 1e9)


# -- loops ----------------------------------------------------------------------------------------


def repeated(count: int) -> Schedule:
    """Two cores hand a row to and fro."""
    tasks: list[Spec] = [
        ("f", [("x", 0, 64)], [("y", 0, 64)]),
        ("g", [("y", 0, 64)], [("x", 0, 64)]),
        ("h", [("z", 0, 64)], [("z", 0, 64)]),
    ]
    g = graph(tasks, {}, phases=phases((3, loop(count))), pin={0: 0, 1: 1, 2: 0})
    return schedule(g, machine(2))


def test_iterations_that_are_not_played_take_as_long_as_the_later_ones() -> None:
    played, short = simulate(repeated(200), iterations=200), simulate(repeated(200))
    assert (played.unseen, short.unseen) == (0, 184)
    assert int(short.iteration.max()) == 15
    assert short.makespan == pytest.approx(played.makespan, rel=1e-9)


def test_what_comes_after_a_loop_comes_after_all_its_iterations() -> None:
    tasks: list[Spec] = [("f", [("x", 0, 8)], [("x", 0, 8)]), ("g", [("x", 0, 8)], [("y", 0, 8)])]
    for count in (0, 5, 300):
        g = graph(tasks, {}, phases=phases((1, loop(count)), (1, None)))
        trace = simulate(schedule(g, machine(1, **QUIET)))
        assert trace.makespan == pytest.approx((count + 1) * 1e-6)
        assert trace.start[-1] == pytest.approx(count * 1e-6)


def test_scalars_of_the_launch_say_how_often_a_loop_runs_and_which_tasks_are_passed_over() -> None:
    n = Scalar("n", i32, graph([], {}).program.span)
    tasks: list[Spec] = [("f", [("x", 0, 8)], [("x", 0, 8)]), ("g", [("x", 0, 8)], [("x", 0, 8)])]
    info = replace(loop(), count=Linear(0, ((0, 1),)))
    g = graph(tasks, {}, phases=(Phase(0, 2, info),))
    second = replace(g.sites[1], late=(Skip(Linear(-3, ((0, 1),))),))
    g = replace(g, program=replace(g.program, scalars=(n,)), sites=(g.sites[0], second))
    planned = schedule(g, machine(1, launch_seconds=0.0))
    seconds = {count: simulate(planned, scalars={"n": count}).makespan for count in (0, 2, 5)}
    start, whole = 1e-7, 1e-7 + 1e-6
    assert seconds == pytest.approx({0: 0.0, 2: 2 * (whole + start), 5: 5 * 2 * whole})
    assert simulate(planned).makespan == pytest.approx(2 * whole)


# -- drains ---------------------------------------------------------------------------------------


def evenly(cores: int, *, drained: bool) -> Schedule:
    tasks: list[Spec] = [("f", [("x", i, i + 1)], [("y", i, i + 1)]) for i in range(64)]
    g = graph(tasks, {}, flops=1e5, drain=dict.fromkeys(range(64), 0) if drained else {})
    return schedule(g, machine(cores, **QUIET, jitter=0.2, ticket_seconds=1e-7), drain="never")


def test_a_drain_evens_out_what_a_static_split_loses() -> None:
    static, drained = evenly(4, drained=False), evenly(4, drained=True)
    work, losses = 64 * 1e-4 / 4, []
    for seed in range(20):
        slow = [row[0] for row in slowness(static, static.machine, seed)]
        lost = simulate(static, seed=seed).makespan
        assert lost == pytest.approx(work * max(slow))
        shared_out = work / np.mean([1 / s for s in slow])
        found = simulate(drained, seed=seed).makespan
        assert shared_out <= found <= shared_out + 1.2 * 1e-4 + 70 * 1e-7
        losses.append(lost / work - 1)
    assert np.mean(losses) == pytest.approx(0.2, rel=0.15)


def test_tickets_are_taken_until_there_are_none() -> None:
    trace = simulate(evenly(4, drained=True))
    assert (trace.kind == SpanKind.TICKET).sum() == 64 + 4
    assert sorted(trace.task[trace.kind == SpanKind.RUN].tolist()) == list(range(64))
    assert trace.makespan == pytest.approx(16 * (1e-4 + 1e-7) + 1e-7)
    assert {trace.name(at) for at in np.flatnonzero(trace.kind == SpanKind.TICKET)} == {"f"}


# -- channels -------------------------------------------------------------------------------------

N, P = mpmd.dims("N P")


@mpmd.task
def give(a: In[f32, N, P], c: Send[f32, 1, P]):
    for i in range(N):
        mpmd.send(c, mpmd.exp(a[i : i + 1]))


@mpmd.task
def take(c: Recv[f32, 1, P], y: Out[f32, N, P]):
    for i in range(N):
        y[i : i + 1] = mpmd.exp(mpmd.recv(c))


@mpmd.task
def relay(c: Recv[f32, 1, P], d: Send[f32, 1, P], y: Out[f32, N, P]):
    for i in range(N):
        token = mpmd.recv(c)
        mpmd.send(d, token)
        y[i : i + 1] = token


def piped(depth: int, *, cores: int = 2, **changes: object) -> Schedule:
    @mpmd.kernel
    def pipe(x: In[f32, 8, 16], y: Out[f32, 8, 16]):
        c = mpmd.channel(f32, (1, 16), depth=depth)
        give(x, c)
        take(c, y)

    return of_kernel(pipe, {"x": (8, 16), "y": (8, 16)}, machine(cores, **QUIET, **changes))


def part_seconds(planned: Schedule) -> float:
    """What one of the eight equal parts of a task takes alone, where work outweighs its bytes."""
    return float(costs(planned.graph, planned.machine).compute[0][0]) / 8


def test_a_pipeline_of_depth_one_hands_each_token_to_and_fro() -> None:
    """The next token is made while the last one is on its way, and sent when its slot is seen to be free."""
    planned = piped(1, flops=1e7)
    part, latency = part_seconds(planned), planned.machine.latency
    trace = simulate(planned)
    first = part + latency  # of the receiver's parts
    cycle = max(part, 2 * latency)
    assert cycle == part
    assert trace.makespan == pytest.approx(first + 8 * part)


def test_where_tokens_are_slow_depth_hides_their_way() -> None:
    slow = [
        simulate(piped(depth, flops=1e9, bandwidth=1e12, core_bandwidth=1e12)).makespan for depth in (1, 8)
    ]
    planned = piped(1, flops=1e9, bandwidth=1e12, core_bandwidth=1e12)
    part, latency = part_seconds(planned), planned.machine.latency
    assert latency > part
    assert slow[0] == pytest.approx(part + latency + 7 * 2 * latency + part)
    assert slow[1] == pytest.approx(part + latency + 8 * part)


def test_members_on_one_core_come_one_after_the_other() -> None:
    planned = piped(1, cores=1, flops=1e7)
    trace = simulate(planned)
    assert trace.makespan == pytest.approx(16 * part_seconds(planned))
    assert set(trace.kind.tolist()) == {SpanKind.RUN}


def test_waits_in_channels_stand_between_the_parts_of_a_run() -> None:
    planned = piped(1, flops=1e9, bandwidth=1e12, core_bandwidth=1e12)
    trace = simulate(planned)
    assert_no_overlap(trace)
    waits = np.flatnonzero(trace.kind == SpanKind.CHANNEL)
    assert {trace.name(at) for at in waits} == {"c"} and len(waits) > 8
    part = part_seconds(planned)
    assert trace.busy.tolist() == pytest.approx([8 * part] * 2)


def test_work_stands_after_what_is_received_and_before_what_is_sent() -> None:
    @mpmd.kernel
    def chain(x: In[f32, 2, 4], y: Out[f32, 2, 4], z: Out[f32, 2, 4]):
        c = mpmd.channel(f32, (1, 4), depth=1)
        d = mpmd.channel(f32, (1, 4), depth=1)
        give(x, c)
        relay(c, d, y)
        take(d, z)

    planned = of_kernel(chain, dict.fromkeys("xyz", (2, 4)), machine(3))
    assert [parts_of(planned.graph, task).work for task in range(3)] == [
        (0.5, 0.5, 0.0),
        (0.0, 0.5, 0.0, 0.5, 0.0),
        (0.0, 0.5, 0.5),
    ]
    assert parts_of(planned.graph, 1).moves == ((0, False), (1, True), (0, False), (1, True))


# -- other machines -------------------------------------------------------------------------------


def test_the_same_schedule_runs_on_another_machine() -> None:
    planned = schedule(streaming(4, 3999), machine(4, **QUIET))
    faster = machine(4, bandwidth=16e9, **QUIET)
    assert simulate(planned, faster).makespan == pytest.approx(simulate(planned).makespan / 2)


def test_a_machine_with_too_few_cores_is_refused() -> None:
    planned = schedule(streaming(4, 3999), machine(4))
    with pytest.raises(CapacityError) as caught:
        simulate(planned, machine(2))
    assert caught.value.message == "the schedule of kernel 'k' takes 4 cores; 'toy' has 2"
    assert caught.value.hints == ("schedule it for 2 cores",)


def test_a_kind_of_core_that_cannot_run_a_task_is_refused() -> None:
    m = machine(1)
    kind = m.leading
    two = replace(m, kinds=(replace(kind, name="a"), replace(kind, name="b")))
    swapped = replace(m, kinds=(replace(kind, name="b"), replace(kind, name="a")))
    f = Call(graph([("f", [], [])], {}).sites[0].call.task, (), (), m_span(), Placement(on="a"))
    planned = schedule(graph([("f", [], [("y", 0, 1)])], {}, calls={"f": f}), two)
    with pytest.raises(PlacementError) as caught:
        simulate(planned, swapped)
    assert caught.value.message == "'f#0' is on core 0, of kind 'b', which cannot run it"
    assert caught.value.hints == ("schedule the kernel for 'toy'",)


def m_span() -> mpmd.errors.Span:
    return graph([], {}).program.span


def test_cores_of_two_kinds_draw_what_each_can() -> None:
    m = machine(1, **QUIET)
    slow = CoreKind("slow", 1, m.leading.rates, 1e9, 1 << 16, 2e10, 0.0)
    both = replace(m, kinds=(m.leading, slow), bandwidth=5e9)
    g = streaming(2, 3999)
    planned = schedule(replace(g, pin=column([0, 1], np.int32)), both)
    assert simulate(planned).finish.tolist() == pytest.approx([4000 / 4e9, 4000 / 1e9])
