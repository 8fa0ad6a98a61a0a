"""The laws: every moment of a launch has one cause, which is what the trace shows; known patterns show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schedule_graphs import Spec, graph, loop, machine, phases
from test_schedule import locals_of, programs
from test_schedule_together import mixed
from test_simulate import QUIET, handed_over, piped

from mpmd.blame import Blame, Cause, blame
from mpmd.lang.kernel.trace import trace as traced
from mpmd.machine.presets import this_cpu
from mpmd.partition.build import partition
from mpmd.partition.graph import TaskGraph
from mpmd.pipeline import arguments, specs_of
from mpmd.schedule.build import schedule
from mpmd.schedule.order import POLICIES
from mpmd.schedule.simulate import simulate
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.schedule.unfused import unfused
from mpmd.timeline import SpanKind, Trace
from tests.blame_laws import assert_lawful
from tests.generate import Generated, kernels
from tests.generation.scope import Feature

# -- laws -----------------------------------------------------------------------------------------


def blamed(planned: Schedule, *, iterations: int = 3) -> Blame:
    return blame(simulate(planned, iterations=iterations), planned)


@settings(max_examples=30, deadline=None)
@given(programs(), st.integers(1, 4), st.sampled_from(list(POLICIES)))
def test_the_causes_cover_the_launch(tasks: list[Spec], cores: int, policy: str) -> None:
    assert_lawful(blamed(schedule(graph(tasks, locals_of(tasks)), machine(cores), policy=policy)))


@settings(max_examples=60, deadline=None)
@given(mixed(), st.sampled_from(list(POLICIES)))
def test_also_with_gangs_drains_and_loops(case: tuple[TaskGraph, int], policy: str) -> None:
    g, cores = case
    assert_lawful(blamed(schedule(g, machine(cores), policy=policy), iterations=2))


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kernels({Feature.LOOP, Feature.CHANNEL, Feature.DRAIN}, cores=2),
    st.sampled_from([schedule, unfused]),
)
def test_also_of_generated_kernels(case: Generated, plan: Callable[..., Schedule]) -> None:
    kernel, m = case.define(), this_cpu(3)
    specs = specs_of(kernel, arguments(kernel, case.arguments(kernel, case.copies()), {}))
    planned = plan(partition(traced(kernel.function, specs), m), m)
    assert_lawful(blame(simulate(planned, scalars=case.scalars, iterations=2), planned))


# -- what each cause is ---------------------------------------------------------------------------


def causes(found: Blame) -> list[tuple[str, str]]:
    """In order of time: the cause, and the span."""
    names = [found.trace.name(span) if span >= 0 else "" for span in found.span.tolist()]
    return [(Cause(cause).name, name) for cause, name in zip(found.cause.tolist(), names, strict=True)]


def test_a_hand_over_is_a_data_wait() -> None:
    planned, m = handed_over(2)
    found = blamed(planned)
    assert causes(found) == [("COMPUTE", "f#0"), ("DATA_WAIT", "f"), ("COMPUTE", "g#0")]
    assert found.seconds[Cause.DATA_WAIT] == pytest.approx(m.latency)


def test_tasks_that_are_ready_wait_for_their_core() -> None:
    tasks: list[Spec] = [("f", [], [("y", i, i + 1)]) for i in range(3)]
    found = blamed(schedule(graph(tasks, {}), machine(1, **QUIET)))
    assert causes(found) == [("CORE_WAIT", "f#0"), ("CORE_WAIT", "f#1"), ("COMPUTE", "f#2")]


def test_a_task_that_needs_the_one_before_does_not_wait_for_the_core() -> None:
    tasks: list[Spec] = [("f", [], [("h", 0, 1)]), ("g", [("h", 0, 1)], [("y", 0, 1)])]
    found = blamed(schedule(graph(tasks, {"h": 1}), machine(1, **QUIET)))
    assert causes(found) == [("COMPUTE", "f#0"), ("COMPUTE", "g#0")]


def test_a_run_is_split_where_the_next_task_became_ready() -> None:
    """`f` on core 1 makes `h` while `e` runs on core 0, where `g` reads it after `e`."""
    tasks: list[Spec] = [
        ("e", [], [("y", 0, 1)]),
        ("f", [], [("h", 0, 1)]),
        ("g", [("h", 0, 1)], [("z", 0, 1)]),
    ]
    g = graph(tasks, {"h": 1}, flops=[5000.0, 3000.0, 1000.0], pin={0: 0, 1: 1, 2: 0})
    planned = schedule(g, machine(2, **QUIET))
    found = blamed(planned)
    ended = float(found.trace.finish[found.trace.core == 1][0])
    assert causes(found)[:2] == [("COMPUTE", "e#0"), ("CORE_WAIT", "e#0")]
    assert found.finish[0] == ended and causes(found)[-1] == ("COMPUTE", "g#0")


def test_nothing_is_ready_before_the_cores_have_met() -> None:
    tasks: list[Spec] = [(name, [], [(f"{name}{i}", 0, 1)]) for name in "fg" for i in range(2)]
    g = graph(
        tasks,
        {},
        flops=[5000.0, 1000.0, 5000.0, 1000.0],
        phases=phases((2, None), (2, None)),
        pin={0: 0, 1: 1, 2: 0, 3: 1},
    )
    found = blamed(schedule(g, machine(2, **QUIET)))
    assert causes(found) == [("COMPUTE", "f#0"), ("DATA_WAIT", "barrier"), ("COMPUTE", "g#0")]


def test_waits_in_channels_lead_to_the_other_end() -> None:
    found = blamed(piped(1, flops=1e7))
    assert found.share(Cause.COMPUTE) == pytest.approx(1.0)


def test_launches_and_tickets() -> None:
    tasks: list[Spec] = [("f", [("x", i, i + 1)], [("y", i, i + 1)]) for i in range(8)]
    g = graph(tasks, {}, flops=1e5, drain=dict.fromkeys(range(8), 0))
    m = machine(2, launch_seconds=3e-6, task_seconds=0.0, ticket_seconds=1e-6)
    found = blamed(schedule(g, m))
    assert found.seconds[Cause.LAUNCH] == pytest.approx(3e-6)
    assert found.seconds[Cause.STALL] == pytest.approx(5e-6)


def test_what_is_not_shown_of_a_loop_is_charged_as_what_is() -> None:
    tasks: list[Spec] = [("f", [("x", 0, 64)], [("h", 0, 64)])]
    tasks += [("g", [("h", 0, 64)], [("x", i * 32, i * 32 + 32)]) for i in range(2)]
    g = graph(tasks, {"h": 64}, phases=phases((3, loop(100, name="turn"))))
    planned = schedule(g, machine(2, **QUIET))
    every, some = blamed(planned, iterations=100), blamed(planned, iterations=10)
    assert every.unseen == 0 and some.unseen == pytest.approx(0.9 * some.trace.makespan, rel=0.02)
    assert_lawful(some)
    for cause in Cause:
        assert some.share(cause) == pytest.approx(every.share(cause), abs=0.01)
    assert "90 iterations that are not shown, charged as those shown" in str(some)


def test_a_launch_of_which_nothing_is_shown_is_launch() -> None:
    planned, _ = handed_over(2)
    trace = simulate(planned)
    nothing = {
        name: getattr(trace, name)[:0]
        for name in ("core", "kind", "task", "step", "dep", "iteration", "label", "number", "start", "finish")
    }
    empty = Trace(**{**vars(trace), **nothing})
    assert blame(empty, planned).seconds[Cause.LAUNCH] == trace.makespan


def test_the_text_says_where_the_time_went() -> None:
    planned, _ = handed_over(2)
    assert (
        str(blamed(planned))
        == """\
kernel 'k', simulated on toy: 2.4 µs on 2 cores, along the critical path
  compute           2 µs   83.3%  tasks whose results came next on the way
  data-wait       400 ns   16.7%  hand-overs: a result was there, its reader on another core not yet
  core-wait          0 s    0.0%  tasks that held a core for which another one was ready
  launch             0 s    0.0%  launches, until the first core is at work
  stall              0 s    0.0%  between spans: signals, tickets, cores that did not run

on the critical path                       tasks     compute   core-wait   share
  f (kernel.py:7)                              1        1 µs         0 s   41.7%
  g (kernel.py:7)                              1        1 µs         0 s   41.7%

worst waits
     1.4 µs  core 1: g#0 (kernel.py:7) for f#0 (kernel.py:7), f#0 → g#0 via h (RAW); 400 ns of it on the path

advice
  kernel.py:7: the cores are done 700 ns before g#0 is, on average
    make tiles of even or smaller size, or have the cores take them by ticket (drain=True)
  kernel.py:7: tasks of 1 µs with 400 ns of sync between them
    let f do more at once: larger tiles, or one task for it and its reader"""
    )


def test_lines_sum_up_what_their_tasks_take() -> None:
    tasks: list[Spec] = [("f", [], [("y", i, i + 1)]) for i in range(3)]
    found = blamed(schedule(graph(tasks, {}), machine(1, **QUIET)))
    (((label, place), taken),) = found.by_line
    assert (label, place, taken.tasks) == ("f", found.trace.places[0], 3)
    assert taken.core_wait == pytest.approx(2 * taken.compute)
    assert found.as_json()["lines"][0]["tasks"] == 3


# -- waits ----------------------------------------------------------------------------------------


def test_the_worst_wait_names_both_sides() -> None:
    planned, m = handed_over(2)
    found = blamed(planned)
    (wait,) = found.worst_waits()
    assert (wait.producer, wait.consumer, wait.core) == ("f#0", "g#0", int(planned.core[1]))
    assert wait.reason == "f#0 → g#0 via h (RAW)" and wait.on_path == pytest.approx(m.latency)
    assert wait.producer_place == wait.consumer_place == planned.graph.sites[0].call.span
    assert found.as_json()["worst_waits"][0]["producer"] == "f#0"


def test_waits_at_barriers_and_in_channels_name_who_came_last() -> None:
    tasks: list[Spec] = [("f", [], [("h", i, i + 1)]) for i in range(2)] + [
        ("g", [("h", 0, 2)], [("y", i, i + 1)]) for i in range(2)
    ]
    g = graph(tasks, {"h": 2}, flops=[1000.0, 9000.0, 0.0, 0.0])
    planned = schedule(g, machine(2, **QUIET), policy="wave")
    assert (planned.op == StepOp.BARRIER).any()
    worst = blamed(planned).worst_waits(1)[0]
    assert (worst.producer, worst.reason) == ("f#1", "barrier")
    worst = blamed(piped(1, flops=1e7)).worst_waits(1)[0]
    assert (worst.producer, worst.consumer, worst.reason) == ("give#0", "take#0", "channel c")


# -- advice ---------------------------------------------------------------------------------------


def advised(planned: Schedule) -> set[str]:
    found = blamed(planned)
    assert all(advice.place.line and str(advice) in str(found) for advice in found.advice)
    return {advice.pattern for advice in found.advice}


def independent(count: int, flops: float | list[float], cores: int, **changes: object) -> Schedule:
    tasks: list[Spec] = [("f", [("x", i, i + 1)], [("y", i, i + 1)]) for i in range(count)]
    return schedule(graph(tasks, {}, flops=flops), machine(cores, **changes))


def test_even_work_needs_no_advice() -> None:
    assert advised(independent(4, 1e6, 4, **QUIET)) == set()


def test_one_long_task_and_its_tail() -> None:
    assert advised(independent(4, [1e6, 1e5, 1e5, 1e5], 4, **QUIET)) == {"one long task", "tail"}


def test_a_tail_of_even_tasks() -> None:
    assert advised(independent(5, 1e6, 4, **QUIET)) == {"tail"}


def test_launches_of_next_to_nothing() -> None:
    assert advised(independent(2, 1e3, 2, launch_seconds=1e-3)) == {"launch"}


def test_tiny_tasks_between_syncs() -> None:
    tasks: list[Spec] = []
    for step in range(6):
        reads = [(f"h{step - 1}", 0, 2)] if step else []
        tasks += [("f", reads, [(f"h{step}", i, i + 1)]) for i in range(2)]
    planned = schedule(
        graph(tasks, {f"h{step}": 2 for step in range(6)}, flops=100.0, pin={t: t % 2 for t in range(12)}),
        machine(2, **QUIET),
    )
    assert "tiny tasks" in advised(planned)


def test_memory_at_its_bandwidth() -> None:
    tasks: list[Spec] = [("f", [("x", i * 1024, i * 1024 + 1024)], [("y", i, i + 1)]) for i in range(4)]
    planned = schedule(graph(tasks, {}, flops=1.0), machine(4, bandwidth=1e8, **QUIET))
    assert "bandwidth" in advised(planned)


def test_a_core_that_was_kept_from_going_on() -> None:
    planned, m = handed_over(2)
    trace = simulate(planned)
    late, on = 300 * m.latency, trace.core == planned.core[1]
    moved = {
        "start": trace.start + late * (on & (trace.kind == SpanKind.RUN)),
        "finish": trace.finish + late * on,
    }
    slow = replace(trace, source="measured", makespan=trace.makespan + late, **moved)
    found = blame(slow, planned)
    assert {"disturbed"} <= {advice.pattern for advice in found.advice}
    assert "something else ran on these cores" in str(found)
    assert "disturbed" not in {advice.pattern for advice in blame(trace, planned).advice}


def test_one_producer_for_all_others() -> None:
    tasks: list[Spec] = [("f", [], [("h", 0, 64)])]
    tasks += [("g", [("h", 0, 64)], [("y", i, i + 1)]) for i in range(4)]
    planned = schedule(graph(tasks, {"h": 64}, flops=[1e6] + [1e6] * 4), machine(4, **QUIET))
    assert "one producer" in advised(planned)
