"""The laws of profiles: spans are well-formed, every task is there once, order keeps every dependence.

Over the examples (loops, drains, channels, rows that are finished late) and over tables by hand; then what
overflows, who is recorded, what files know, and what is refused.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mpmd
from examples.jacobi import jacobi
from mpmd import In, Out, f32
from mpmd.blame import blame
from mpmd.errors import NO_SPAN, ArgumentError, BoundsError, Diagnostic, UnsupportedOp
from mpmd.partition.graph import Skip
from mpmd.runtime import profile
from mpmd.runtime.places import Places
from mpmd.runtime.profile import Traces
from mpmd.schedule.proof.decode import decode
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.timeline import SpanKind, Trace
from tests.blame_laws import assert_lawful
from tests.host.assembly import chain, load
from tests.host.example_kernels import EXAMPLES, arrays_for, example
from tests.host.table_kernels import CASES, guarded

RUN, WAIT, BARRIER, TICKET, CHANNEL = SpanKind
NANOSECOND = 1e-9
"""What arithmetic on floats may lose."""


def compiled_example(
    name: str, *, cores: int = 2, **options: Any
) -> tuple[mpmd.CompiledKernel, tuple[Any, ...]]:
    kernel, specs = example(name)
    random = np.random.default_rng(0)
    values = arrays_for(specs, lambda s: (random.standard_normal(s.shape) / 8).astype(s.dtype.numpy))
    return mpmd.compile(kernel, *specs, cores=cores, **options), values


def spans_are_in_order(trace: Trace) -> None:
    """No two spans of a core overlap, and all are inside of the launch."""
    assert trace.lost == 0
    assert (trace.start >= 0).all() and (trace.finish <= trace.makespan).all()
    assert (trace.start <= trace.finish).all()
    same_core = np.diff(trace.core) == 0
    assert (trace.finish[:-1][same_core] <= trace.start[1:][same_core] + NANOSECOND).all()
    assert (np.diff(trace.core) >= 0).all()


def every_task_is_run_once(trace: Trace, plan: Schedule) -> dict[tuple[int, int], tuple[float, float]]:
    """In every iteration of its loop, if it may not be passed over. When each began and ended."""
    graph = plan.graph
    ran = trace.kind == RUN
    times: dict[tuple[int, int], tuple[float, float]] = {}
    cores: dict[tuple[int, int], int] = {}
    columns = (trace.task, trace.iteration, trace.core, trace.start, trace.finish)
    for task, iteration, core, start, finish in zip(*(c[ran].tolist() for c in columns), strict=True):
        begun = times.get((task, iteration), (start, 0.0))[0]
        assert cores.setdefault((task, iteration), core) == core
        times[task, iteration] = begun, finish
    for phase in graph.phases:
        tasks = range(phase.first, phase.end)
        seen = {iteration for task, iteration in times if task in tasks}
        assert seen <= set(range(len(seen))) if phase.loop is not None else seen <= {0}
        for task in tasks:
            late = graph.sites[graph.site[task]].late
            if not any(isinstance(op, Skip) for op in late):
                assert {i for i in seen if (task, i) in times} == seen, graph.task_name(task)
    return times


def pieces_are_parted_by_channels(trace: Trace) -> None:
    """A task has one span more than waits in channels."""
    ran, waits = trace.kind == RUN, int((trace.kind == CHANNEL).sum())
    tasks = np.unique(np.stack([trace.step[ran], trace.task[ran], trace.iteration[ran]]), axis=1).shape[1]
    assert int(ran.sum()) == tasks + waits


def dependences_are_kept(
    trace: Trace, plan: Schedule, times: dict[tuple[int, int], tuple[float, float]]
) -> None:
    """No consumer begins before its producers have ended, as far as the counters of two cores can tell."""
    iterations = range(1 + max((i for _, i in times), default=0))
    for dep in range(len(plan.deps)):
        distance = int(plan.deps.distance[dep])
        for i in iterations:
            producers = [times.get((t, i - distance)) for t in plan.deps.producers_of(dep).tolist()]
            consumers = [times.get((t, i)) for t in plan.deps.consumers_of(dep).tolist()]
            ended = max((time[1] for time in producers if time), default=0.0)
            begun = min((time[0] for time in consumers if time), default=np.inf)
            reason = plan.graph.dep(dep, plan.deps).reason
            assert ended <= begun + trace.uncertainty + NANOSECOND, reason


def names_are_the_users(trace: Trace, plan: Schedule) -> None:
    for span in np.flatnonzero(trace.kind == RUN).tolist():
        task = int(trace.task[span])
        assert trace.name(span) == plan.graph.task_name(task)
        assert trace.places[trace.label[span]] == plan.graph.sites[plan.graph.site[task]].call.span


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(name: str) -> None:
    compiled, values = compiled_example(name)
    with mpmd.profiling() as traces:
        for _ in range(3):
            compiled(*values)
    assert len(traces) == 3 and traces.missing == 0
    plan = compiled.schedule
    for trace in traces:
        assert (trace.source, trace.kernel, trace.cores) == (
            "measured",
            compiled.graph.program.name,
            plan.cores,
        )
        spans_are_in_order(trace)
        times = every_task_is_run_once(trace, plan)
        assert {task for task, _ in times} <= set(range(len(plan.graph)))
        pieces_are_parted_by_channels(trace)
        dependences_are_kept(trace, plan, times)
        names_are_the_users(trace, plan)
        assert_lawful(blame(trace, plan))


def test_more_threads_than_cpus() -> None:
    compiled, values = compiled_example("cholesky", cores=5)
    trace = compiled.profile(*values)
    spans_are_in_order(trace)
    dependences_are_kept(trace, compiled.schedule, every_task_is_run_once(trace, compiled.schedule))


def test_without_fusion_a_call_is_one_trace() -> None:
    compiled, values = compiled_example("mlp", fusion="none")
    trace = compiled.profile(*values)
    spans_are_in_order(trace)
    dependences_are_kept(trace, compiled.schedule, every_task_is_run_once(trace, compiled.schedule))
    assert_lawful(blame(trace, compiled.schedule))


def test_waits_say_what_they_wait_for() -> None:
    compiled, values = compiled_example("jacobi")
    with mpmd.profiling() as traces:
        for _ in range(20):
            compiled(*values)
    for trace in traces:
        for span in np.flatnonzero(trace.kind == WAIT).tolist():
            assert trace.dep[span] == compiled.schedule.reason[trace.step[span]] >= 0
            first = int(compiled.schedule.deps.producers_of(int(trace.dep[span]))[0])
            site = compiled.graph.sites[compiled.graph.site[first]]
            assert trace.name(span) == site.call.task.name
        barriers = np.flatnonzero(trace.kind == BARRIER)
        assert {trace.name(span) for span in barriers.tolist()} <= {"barrier"}


# -- tables by hand ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_a_stamped_launch_computes_the_same(name: str) -> None:
    case = CASES[name]
    run = load(case.source)
    with mpmd.profiling() as traces:
        for _ in range(5):
            arrays = {key: array.copy() for key, array in case.arrays.items()}
            run(*arrays.values(), *case.scalars.values())
            for key, expected in case.after.items():
                np.testing.assert_array_equal(arrays[key], expected, err_msg=key)
    assert len(traces) == 5
    for trace in traces:
        spans_are_in_order(trace)
        pieces_are_parted_by_channels(trace)


@pytest.mark.parametrize(("cores", "items"), [(1, 5), (3, 40)])
def test_a_drain_gives_each_item_one_ticket_and_one_run(cores: int, items: int) -> None:
    """In each turn; and each core one ticket more, which says that there are no items left."""
    case = CASES[f"a drain of {items} items on {cores} cores"]
    run = load(case.source)
    tables = decode(case.source.tables)
    places = Places(tables)
    with mpmd.profiling() as traces:
        run(*(array.copy() for array in case.arrays.values()), *case.scalars.values())
    trace = traces[0]
    for drain in range(len(tables.drain_ptr) - 1):
        steps = np.flatnonzero((tables.op == StepOp.DRAIN) & (tables.a == drain))
        turns = int(trace.iteration[places.in_loop[trace.step]].max()) + 1 if places.in_loop[steps[0]] else 1
        rows = tables.drain_rows[tables.drain_ptr[drain] : tables.drain_ptr[drain + 1]].tolist()
        here = np.isin(trace.step, steps)
        assert sorted(trace.task[here & (trace.kind == RUN)].tolist()) == sorted(rows * turns)
        assert int((here & (trace.kind == TICKET)).sum()) == (len(rows) + len(steps)) * turns


# -- skew -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hand_overs() -> Traces:
    """Launches of a chain that goes from core to core at every step."""
    run = load(chain(2, 20))
    x, y = np.ones(1, np.float32), np.zeros(1, np.float32)
    with mpmd.profiling() as traces:
        for _ in range(20):
            run(x, y)
    return traces


def test_no_wait_ends_before_its_signal_beyond_the_uncertainty(hand_overs: Traces) -> None:
    waits = 0
    for seen in hand_overs.seen:
        places = Places(decode(seen.kernel.source.tables))
        spans = places.spans(seen.launched)
        assert places.early(spans) <= seen.launched.uncertainty + NANOSECOND
        waits += int((spans.kind == WAIT).sum())
    assert waits > 0, "a chain that goes to and fro is waited for"


def test_counters_that_are_further_apart_are_found_and_told(hand_overs: Traces) -> None:
    """The check itself: one core's times are moved by more than anything can explain."""
    seen = hand_overs.seen[-1]
    moved = np.where(seen.launched.core == 0, 0.0, -1e-3)
    shifted = replace(seen.launched, start=seen.launched.start + moved, finish=seen.launched.finish + moved)
    places = Places(decode(seen.kernel.source.tables))
    assert places.early(places.spans(shifted)) == pytest.approx(1e-3, rel=0.1)
    assert profile.trace(shifted, seen.kernel).uncertainty == pytest.approx(1e-3, rel=0.1)


def test_a_signal_of_a_later_iteration_does_not_count_for_an_earlier_one() -> None:
    """Times by hand: in each of three iterations core 1 waits for core 0."""
    case = CASES["a loop of n = 3 iterations"]
    run = load(case.source)
    with mpmd.profiling() as traces:
        run(*(array.copy() for array in case.arrays.values()), *case.scalars.values())
    seen = traces.seen[0]
    places = Places(decode(seen.kernel.source.tables))
    template = places.spans(seen.launched)
    put, add = (int(np.flatnonzero(places.tables.op == 0)[i]) for i in range(2))
    wait = add - 1
    rows = [(0, RUN, put, i, 10.0 * i, 10.0 * i + 5) for i in range(3)]
    rows += [(1, WAIT, wait, i, 10.0 * i, 10.0 * i + 5 - 2 * (i == 1)) for i in range(3)]
    core, kind, step, iteration, start, finish = (np.array([row[c] for row in rows]) for c in range(6))
    spans = replace(
        template, core=core, kind=kind, step=step, iteration=iteration, start=start, finish=finish,
        what=np.zeros(len(rows), np.int64),
    )  # fmt: skip
    assert places.early(spans) == pytest.approx(2.0)


def test_ticks_are_seconds() -> None:
    """A launch takes no longer than the call that made it, by the clock's own rate within 1 %."""
    compiled, values = compiled_example("mlp")
    with mpmd.profiling() as traces:
        begin = time.perf_counter()
        for _ in range(3):
            compiled(*values)
        elapsed = time.perf_counter() - begin
    assert 0 < sum(trace.makespan for trace in traces) <= elapsed * 1.01


# -- what does not fit ------------------------------------------------------------------------------------


def test_spans_that_do_not_fit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    run = load(CASES["a drain of 5 items on 1 cores"].source)
    arrays = [array.copy() for array in CASES["a drain of 5 items on 1 cores"].arrays.values()]
    with mpmd.profiling() as traces:
        run(*arrays)
    whole = traces[0]
    monkeypatch.setattr(profile, "STAMP_BYTES", 4 * 32)
    with mpmd.profiling() as traces:
        run(*arrays)
    part = traces[0]
    assert (len(part), part.lost) == (4, len(whole) - 4)
    assert part.name(0) == whole.name(0)
    assert f"; {part.lost} spans were lost" in str(part)


def test_without_memory_for_stamps_all_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "STAMP_BYTES", 1)
    case = CASES["a loop of 2 iterations"]
    run = load(case.source)
    with mpmd.profiling() as traces:
        run(*(array.copy() for array in case.arrays.values()))
    assert len(traces[0]) == 0 and traces[0].lost > 0


def test_records_that_nobody_takes_go_the_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    run = load(chain(1, 1))
    x, y = np.ones(1, np.float32), np.zeros(1, np.float32)
    monkeypatch.setattr(profile, "RECORD_BYTES", 2000)
    with mpmd.profiling() as traces:
        for _ in range(100):
            run(x, y)
    kept = [seen.launched.number for seen in traces.seen]
    assert 0 < len(kept) < 100 and kept == list(range(kept[-1] - len(kept) + 1, kept[-1] + 1))
    assert traces.missing == 100 - len(kept)


def test_traces_are_bounded() -> None:
    run = load(chain(1, 1))
    x, y = np.ones(1, np.float32), np.zeros(1, np.float32)
    with mpmd.profiling() as every:
        run(x, y)
        few = Traces(most_bytes=2 * every.seen[0].launched.bytes)
        for _ in range(9):
            few.add(every.seen[0])
    assert len(few.seen) == 2


# -- who is recorded --------------------------------------------------------------------------------------

(N,) = mpmd.dims("N")


@mpmd.task
def double(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[:] + x[:]


@mpmd.kernel
def doubled(x: In[f32, N], y: Out[f32, N]):
    for t in mpmd.tiles(N, 16):
        double(x[t], y[t])


def pair() -> tuple[np.ndarray, np.ndarray]:
    return np.ones(64, np.float32), np.zeros(64, np.float32)


def test_every_way_of_calling_is_recorded() -> None:
    x, y = pair()
    with mpmd.profiling() as traces:
        doubled(x, y)  # compiled here, unless it was before
        doubled(x, y)  # the signature of the call before
        doubled(y=y, x=x)
        compiled = mpmd.compile(doubled, x, y, cores=1)
        compiled(x, y)
        compiled(x=x, y=y)
        assert len(traces) == 5, "traces are there at once"
    doubled(x, y)
    assert len(traces) == 5, "and none of what comes after"
    assert [trace.kernel for trace in traces] == ["doubled"] * 5
    assert [len(t.totals) for t in traces[1:3]] == [1, 1]


def test_other_threads_are_recorded_and_profile_is_of_its_own() -> None:
    x, y = pair()
    compiled = mpmd.compile(doubled, x, y, cores=1)
    stop = threading.Event()
    launches = 0

    def others() -> None:
        nonlocal launches
        mine = pair()
        while not stop.is_set():
            compiled(*mine)
            launches += 1

    with mpmd.profiling() as traces:
        thread = threading.Thread(target=others)
        thread.start()
        trace = compiled.profile(x, y, launches=20)
        stop.set()
        thread.join()
    assert len(traces) + traces.missing == launches + 20
    assert len({seen.launched.thread for seen in traces.seen}) == 2
    own = [s.launched for s in traces.seen if s.launched.thread == threading.get_ident()]
    assert len(own) == 20
    assert trace.makespan == sorted(launched.makespan for launched in own)[9]


def test_launches_within_one_another_are_each_recorded() -> None:
    x, y = pair()
    compiled = mpmd.compile(doubled, x, y, cores=1)
    with mpmd.profiling() as outer:
        compiled(x, y)
        with mpmd.profiling() as inner:
            compiled(x, y)
        compiled(x, y)
    assert (len(outer), len(inner)) == (3, 1)
    assert (outer.missing, inner.missing) == (0, 0)
    assert outer[1].makespan == inner[0].makespan
    assert [trace.makespan for trace in outer[1:]] == [outer[1].makespan, outer[2].makespan]


def test_a_kernel_that_nobody_refers_to_is_still_told_of() -> None:
    x, y = pair()
    with mpmd.profiling() as traces:
        mpmd.compile(doubled, x, y, cores=1)(x, y)
    assert traces[0].name(0) == "double#0"


def test_a_launch_that_ended_early_leaves_no_record() -> None:
    case = guarded()
    run = load(case.source)
    with mpmd.profiling() as traces:
        with pytest.raises(BoundsError):
            run(np.array([100]), 9)
        run(np.array([100]), 3)
    assert len(traces) == 1 and traces.missing == 0


def test_a_kernel_with_bound_arguments_is_profiled() -> None:
    @mpmd.kernel
    def bound(w: mpmd.Const[f32, N], y: Out[f32, N]):
        double(w, y)

    x, y = pair()
    trace = mpmd.compile(bound, x, y, cores=1).bind(w=x).profile(y)
    assert trace.totals[0].label == "double" and y[0] == 2


def test_a_kernel_from_a_file_knows_names_and_lines(tmp_path: Path) -> None:
    compiled, values = compiled_example("jacobi")
    compiled.save(tmp_path / "k.mpmd")
    loaded = mpmd.load(tmp_path / "k.mpmd").profile(*values)
    here = compiled.profile(*values)
    assert [
        (t.label, t.place.line, t.count) for t in sorted(loaded.totals, key=lambda t: (t.label, t.place))
    ] == [(t.label, t.place.line, t.count) for t in sorted(here.totals, key=lambda t: (t.label, t.place))]
    runs = {(int(t), loaded.name(s)) for s, t in enumerate(loaded.task) if loaded.kind[s] == RUN}
    assert runs == {(int(t), here.name(s)) for s, t in enumerate(here.task) if here.kind[s] == RUN}
    assert jacobi.__name__ == loaded.kernel


# -- what is refused --------------------------------------------------------------------------------------


def text_of(error: type[Diagnostic], call: Any) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize("launches", [0, -1, True, 2.5])
def test_a_number_of_launches_that_is_none(launches: Any) -> None:
    said = text_of(ArgumentError, lambda: profile.profiled("k", lambda: None, launches, NO_SPAN))
    assert said == "\n".join(
        [
            f"error[argument]: a profile is of at least 1 launch, not of {launches!r}",
            f"  note: launches={launches!r}",
            "  hint: leave it out for one launch, or say how many the median is of",
        ]
    )


def test_launches_without_stamps() -> None:
    said = text_of(UnsupportedOp, lambda: profile.profiled("k", lambda: None, 1, NO_SPAN))
    assert said == "\n".join(
        [
            "error[unsupported]: kernel 'k' cannot be profiled: its launches are not stamped",
            "  hint: compile it for target 'cpu'",
        ]
    )
