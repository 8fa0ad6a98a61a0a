"""The law: an edge per WAIT and iteration, from the last producer on another core."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from schedule_graphs import Spec, graph, machine
from test_schedule import locals_of, programs
from test_schedule_together import mixed

from mpmd.partition.graph import TaskGraph
from mpmd.schedule.build import schedule
from mpmd.schedule.edges import edges
from mpmd.schedule.order import POLICIES
from mpmd.schedule.simulate import simulate
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.timeline import SpanKind, Trace


def searched(planned: Schedule, trace: Trace) -> Iterator[tuple[int, int, int, int]]:
    """Producer, consumer, wait and dependence of each edge."""
    runs = [at for at in range(len(trace)) if trace.kind[at] == SpanKind.RUN]
    for core in range(planned.cores):
        for step, dep, behind in waits(planned, core):
            before = int(planned.deps.distance[dep])
            producers = planned.deps.producers_of(dep).tolist()
            for turn in np.unique(trace.iteration[trace.step == behind]).tolist():
                others = [
                    at
                    for at in runs
                    if trace.task[at] in producers
                    and trace.iteration[at] == turn - before
                    and trace.core[at] != core
                ]
                behinds = [at for at in runs if (trace.step[at], trace.iteration[at]) == (behind, turn)]
                own = [at for at in behinds if trace.core[at] == core]
                here = (trace.step == step) & (trace.iteration == turn) & (trace.kind == SpanKind.WAIT)
                if others and own:
                    last = max(others, key=lambda at: (trace.finish[at], at))
                    yield last, own[0], int([*np.flatnonzero(here), -1][0]), dep


def waits(planned: Schedule, core: int) -> Iterator[tuple[int, int, int]]:
    """Per WAIT its step, its dependence, and the step that runs tasks behind it."""
    first, end = int(planned.core_ptr[core]), int(planned.core_ptr[core + 1])
    for step in range(first, end):
        if planned.op[step] == StepOp.WAIT and planned.reason[step] >= 0:
            marks = (StepOp.RUN, StepOp.DRAIN, StepOp.LOOP, StepOp.END)
            behind = next((at for at in range(step, end) if planned.op[at] in marks), None)
            if behind is not None and planned.op[behind] in marks[:2]:
                yield step, int(planned.reason[step]), behind


def assert_searched(planned: Schedule) -> None:
    trace = simulate(planned, iterations=3)
    found = edges(planned, trace)
    columns = (found.producer, found.consumer, found.wait, found.dep)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == list(searched(planned, trace))


@settings(max_examples=25, deadline=None)
@given(programs(), st.integers(1, 4), st.sampled_from(list(POLICIES)))
def test_edges_are_those_that_a_search_finds(tasks: list[Spec], cores: int, policy: str) -> None:
    assert_searched(schedule(graph(tasks, locals_of(tasks)), machine(cores), policy=policy))


@settings(max_examples=50, deadline=None)
@given(mixed(), st.sampled_from(list(POLICIES)))
def test_also_with_gangs_drains_and_loops(case: tuple[TaskGraph, int], policy: str) -> None:
    g, cores = case
    assert_searched(schedule(g, machine(cores), policy=policy))
