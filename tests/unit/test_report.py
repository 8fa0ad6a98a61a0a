"""What a schedule's sync and memory come to, and why its launch takes as long as it does."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_graphs import Spec, graph, loop, machine, phases
from test_schedule import all_to_all, locals_of, programs
from test_schedule_together import mixed
from test_simulate import QUIET, handed_over, piped

from mpmd.partition.graph import TaskGraph
from mpmd.schedule.build import schedule
from mpmd.schedule.critical import critical_path
from mpmd.schedule.order import POLICIES
from mpmd.schedule.report import cross_edges, memory_report, sync_report, worst_waits
from mpmd.schedule.simulate import simulate
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.timeline import SpanKind

# -- the critical path ----------------------------------------------------------------------------


def assert_path(planned: Schedule) -> None:
    trace = simulate(planned)
    path = critical_path(planned, trace)
    parts = (path.run, path.sync, path.launch, path.unseen)
    assert sum(parts) == pytest.approx(trace.makespan) and min(parts) >= 0
    spans = list(path.spans)
    assert (np.diff(trace.finish[spans]) > 0).all()
    if len(trace):
        assert trace.finish[spans[-1]] == trace.finish.max()
        first = spans[0]
        assert not ((trace.core == trace.core[first]) & (trace.finish <= trace.start[first])).any()


@settings(max_examples=60, deadline=None)
@given(programs(), st.integers(1, 4), st.sampled_from(list(POLICIES)))
def test_the_parts_of_the_path_add_up(tasks: list[Spec], cores: int, policy: str) -> None:
    assert_path(schedule(graph(tasks, locals_of(tasks)), machine(cores), policy=policy))


@settings(max_examples=60, deadline=None)
@given(mixed(), st.sampled_from(list(POLICIES)))
def test_also_with_gangs_drains_and_loops(case: tuple[TaskGraph, int], policy: str) -> None:
    g, cores = case
    assert_path(schedule(g, machine(cores), policy=policy))


def test_the_path_goes_to_the_run_whose_signal_came_last() -> None:
    planned, m = handed_over(2)
    trace = simulate(planned)
    path = critical_path(planned, trace)
    assert [trace.name(at) for at in path.spans] == ["f#0", "f", "g#0"]
    assert path.sync == pytest.approx(m.latency) and path.run == pytest.approx(2e-6)


def test_at_a_barrier_it_goes_to_the_core_that_came_last() -> None:
    tasks: list[Spec] = [("f", [], [("h", i, i + 1)]) for i in range(3)] + [
        ("g", [("h", 0, 3)], [("y", i, i + 1)]) for i in range(3)
    ]
    m = machine(3, **QUIET)
    planned = schedule(graph(tasks, {"h": 3}, flops=[1000.0, 2000.0, 5000.0] + [0.0] * 3), m, policy="wave")
    trace = simulate(planned)
    path = critical_path(planned, trace)
    assert trace.task[path.spans[0]] == 2
    assert path.sync == pytest.approx(m.latency)
    assert path.run == pytest.approx(trace.makespan - m.latency)


def test_in_a_channel_it_goes_to_the_other_end() -> None:
    planned = piped(1, flops=1e7)
    trace = simulate(planned)
    path = critical_path(planned, trace)
    assert path.sync == pytest.approx(0, abs=1e-15) and path.run == pytest.approx(trace.makespan)
    assert {trace.name(at) for at in path.spans} == {"give#0", "c", "take#0"}


def test_tickets_are_sync() -> None:
    tasks: list[Spec] = [("f", [("x", i, i + 1)], [("y", i, i + 1)]) for i in range(8)]
    g = graph(tasks, {}, flops=1e5, drain=dict.fromkeys(range(8), 0))
    planned = schedule(g, machine(2, **QUIET, ticket_seconds=1e-6))
    path = critical_path(planned, simulate(planned))
    assert path.sync == pytest.approx(5e-6)


# -- sync -----------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(programs(), st.integers(1, 4))
def test_cross_edges_are_the_pairs_on_different_cores(tasks: list[Spec], cores: int) -> None:
    planned = schedule(graph(tasks, locals_of(tasks)), machine(cores, cache_bytes=0), policy="round_robin")
    pairs = [
        (u, v)
        for dep in range(len(planned.deps))
        for u, v in product(planned.deps.producers_of(dep), planned.deps.consumers_of(dep))
    ]
    assert cross_edges(planned) == sum(planned.core[u] != planned.core[v] for u, v in pairs)


def test_a_report_of_sync_in_words() -> None:
    report = sync_report(schedule(all_to_all(4, 3), machine(4, launch_seconds=0.0)))
    assert str(report) == (
        "sync\n"
        "  dependences           2, 0 for reuse of memory\n"
        "  edges between cores   24\n"
        "  waits                 8 of 8 inserted\n"
        "  signals               8 of 2 events\n"
        "  barriers              0\n"
        "  on the critical path  800 ns (19.5%)\n"
        "  all cores waited      2.4 µs"
    )
    assert report.as_json()["waits"] == 8 and json.dumps(report.as_json())


def test_barriers_are_counted_once_for_all_cores() -> None:
    report = sync_report(schedule(all_to_all(4, 3), machine(4), policy="wave"))
    assert (report.barriers, report.waits, report.events) == (2, 0, 0)


def test_the_worst_waits_name_both_lines() -> None:
    planned = schedule(all_to_all(4, 3), machine(4))
    first, second = worst_waits(planned, simulate(planned))
    assert (first.waits, first.awaited, first.count) in (("layer1", "layer0", 4), ("layer2", "layer1", 4))
    assert first.seconds >= second.seconds
    assert first.as_json()["for_place"] == "kernel.py:7:1"
    assert len(worst_waits(planned, simulate(planned), most=1)) == 1


def test_a_wait_that_nothing_follows_is_for_the_end() -> None:
    tasks: list[Spec] = [("f", [("x", 0, 8)], [("x", 0, 8)])]
    planned = schedule(
        graph(tasks * 2, {}, phases=phases((1, loop(2)), (1, None)), pin={0: 0, 1: 1}), machine(2)
    )
    trace = simulate(planned)
    assert sum(w.count for w in worst_waits(planned, trace)) == int((trace.kind == SpanKind.BARRIER).sum())
    assert {w.waits for w in worst_waits(planned, trace)} == {"f", "the end"}


# -- memory ---------------------------------------------------------------------------------------


def pipeline(size: int) -> list[Spec]:
    return [
        (f"s{k}", [(f"h{k}", 0, size)], [(f"h{k + 1}", i * size // 2, (i + 1) * size // 2)])
        for k in range(4)
        for i in range(2)
    ]


def test_a_report_of_memory_in_words() -> None:
    planned = schedule(graph(pipeline(256), {f"h{k}": 256 for k in range(1, 4)}), machine(2, cache_bytes=300))
    report = memory_report(planned)
    assert str(report) == (
        "memory\n"
        "  arena                    512 B\n"
        "  no plan needs less than  512 B\n"
        "  without reuse            768 B\n"
        "  reuse                    dependences: 1, waits: 0\n"
        "  largest task, core       128% of 300 B by 's0#0'; tasks that do not fit: 8"
    )
    assert report.as_json()["budgets"][0]["larger"] == 8 and json.dumps(report.as_json())


def test_waits_for_reuse_are_told_from_others() -> None:
    """What `p` makes goes where `g` reads from, on another core and much earlier."""
    tasks: list[Spec] = [
        ("f", [("x", 0, 64)], [("h", 0, 64)]),
        ("g", [("h", 0, 64)], [("y", 0, 64)]),
        ("before", [("x", 0, 64)], [("z", 0, 64)]),
        ("p", [("x", 0, 64)], [("u", 0, 64)]),
    ]
    g = graph(tasks, {"h": 64, "u": 64}, flops=[0.0, 0.0, 1e6, 0.0], pin={0: 0, 1: 0, 2: 1, 3: 1})
    planned = schedule(g, machine(2, cache_bytes=0, memory_bytes=64))
    report = memory_report(planned)
    assert (report.arena_bytes, report.unshared_bytes, report.bound_bytes) == (64, 128, 64)
    assert report.reuse_waits == int((planned.op == StepOp.WAIT).sum()) == 1


def test_rings_are_part_of_the_arena() -> None:
    report = memory_report(piped(2))
    assert report.ring_bytes == report.arena_bytes == 2 * 128
    assert "256 B, 256 B of them channels" in str(report)
