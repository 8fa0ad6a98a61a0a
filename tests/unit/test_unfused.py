"""Launches without fusion: which tasks each has, their order, the proof of all of them, their memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import mpmd
from examples import cholesky
from mpmd import Accum, In, InOut, Out, Recv, Send, f32, f64, i32
from mpmd.codegen.notes import step_notes
from mpmd.codegen.tables import pack
from mpmd.errors import ArgumentError, MalformedTableError
from mpmd.lang.kernel.trace import trace
from mpmd.partition.build import partition
from mpmd.partition.graph import TaskGraph
from mpmd.partition.unfused import Launch, launches
from mpmd.pipeline import arguments, specs_of
from mpmd.schedule.build import schedule
from mpmd.schedule.check import check
from mpmd.schedule.steps import LAUNCH_ENDS, Schedule, StepOp
from mpmd.schedule.text import print_schedule
from mpmd.schedule.unfused import unfused
from tests.generate import Generated, kernels
from tests.generation.scope import ALL
from tests.machines import toy
from tests.tables import Sections

T, N, P = mpmd.dims("T N P")
CORES = 4
MACHINE = toy(CORES, cache_bytes=1 << 16)


@mpmd.task
def scale(a: In[f32, T, N], y: Out[f32, T, N]):
    y[:] = a[:] * 2 + 1


@mpmd.task
def shift(a: In[f32, T, N], y: Out[f32, T, N]):
    y[:] = a[:] - 1


@mpmd.task
def mix(a: In[f32, T, N], y: InOut[f32, T, N]):
    y[:] = a[:] - y[:]


@mpmd.task
def add(a: In[f32, T, N], y: Accum[f32, N]):
    y[:] += a[:].sum(0)


@mpmd.task
def send_rows(a: In[f32, T, N], c: Send[f32, P, N], first: Out[f32, N]):
    first[:] = a[0]
    for i in range(T):
        mpmd.send(c, a[i : i + 1])


@mpmd.task
def take_rows(c: Recv[f32, P, N], bias: In[f32, N], y: Out[f32, T, N]):
    for i in range(T):
        y[i : i + 1] = mpmd.recv(c, (1, N)) + bias[:]


@mpmd.task
def halve(a: In[f32, N], y: Out[f32, N]):
    y[:] = a[:] / 2


@mpmd.kernel
def chain(x: In[f32, 24, 8], y: Out[f32, 24, 8]):
    h = mpmd.empty((24, 8), f32)
    for t in mpmd.tiles(24, 6):
        scale(x[t], h[t])
        shift(h[t], y[t])


@mpmd.kernel
def carried(x: In[f32, 24, 8], y: InOut[f32, 24, 8], z: InOut[f32, 6, 8]):
    """Each tile needs what the tile before it made last."""
    for t in mpmd.tiles(24, 6):
        mix(z, y[t])
        mix(y[t], z)


@mpmd.kernel
def unrolled(x: InOut[f32, 24, 8], y: InOut[f32, 24, 8]):
    """Three layers, as models have them."""
    for _ in range(3):
        for t in mpmd.tiles(24, 6):
            mix(x[t], y[t])
        for t in mpmd.tiles(24, 8):
            mix(y[t], x[t])


@mpmd.kernel
def looped(x: InOut[f32, 24, 8], y: InOut[f32, 24, 8], n: i32):
    scale(y, x)
    for _ in mpmd.loop(n):
        for t in mpmd.tiles(24, 6):
            mix(x[t], y[t])
        for t in mpmd.tiles(24, 8):
            mix(y[t], x[t])
    shift(x, y)


@mpmd.kernel
def drained(x: In[f32, 24, 8], y: Out[f32, 24, 8]):
    for t in mpmd.tiles(24, 2, drain=True):
        scale(x[t], y[t])


@mpmd.kernel
def summed(x: In[f32, 24, 8], y: Accum[f32, 8]):
    for t in mpmd.tiles(24, 2):
        add(x[t], y)


@mpmd.kernel
def joined(x: In[f32, 24, 8], y: Out[f32, 24, 8], bias: In[f32, 8], first: Out[f32, 4, 8]):
    c = mpmd.channel(f32, (1, 8), depth=2)
    for t in mpmd.tiles(24, 6):
        send_rows(x[t], c, first[t.index])
        take_rows(c, bias, y[t])


@mpmd.kernel
def entangled(x: In[f32, 24, 8], y: Out[f32, 24, 8]):
    """What the receiver needs beside tokens is made from what the sender makes beside them."""
    c = mpmd.channel(f32, (1, 8), depth=6)
    for t in mpmd.tiles(24, 6):
        first, half = mpmd.empty((8,), f32), mpmd.empty((8,), f32)
        send_rows(x[t], c, first)
        halve(first, half)
        take_rows(c, half, y[t])


def graph_of(kernel: Any, args: Sequence[Any]) -> TaskGraph:
    specs = specs_of(kernel, arguments(kernel, args, {}))
    return partition(trace(kernel.function, specs), MACHINE)


def rows(count: int = 24) -> np.ndarray:
    return np.zeros((count, 8), np.float32)


def names(graph: TaskGraph, found: Sequence[Launch]) -> list[str]:
    """Each launch as the tasks that it has and how many."""
    return [
        " ".join(f"{name}·{tasks.count(name)}" for name in dict.fromkeys(tasks))
        for launch in found
        for tasks in [[graph.sites[graph.site[t]].call.task.name for t in launch.tasks]]
    ]


@pytest.mark.parametrize(
    ("kernel", "args", "expected"),
    [
        (chain, [rows(), rows()], ["scale·4", "shift·4"]),
        (carried, [rows(), rows(), rows(6)], ["mix·1"] * 8),
        (unrolled, [rows(), rows()], ["mix·4", "mix·3"] * 3),
        (looped, [rows(), rows(), 5], ["scale·1", "mix·4", "mix·3", "shift·1"]),
        (drained, [rows(), rows()], ["scale·12"]),
        (joined, [rows(), rows(), rows()[0], rows(4)], ["send_rows·4 take_rows·4"]),
        (entangled, [rows(), rows()], ["send_rows·1 halve·1 take_rows·1"] * 4),
    ],
    ids=["chain", "carried", "unrolled", "looped", "drained", "joined", "entangled"],
)
def test_a_launch_is_all_of_a_call_that_can_run(kernel: Any, args: list[Any], expected: list[str]) -> None:
    graph = graph_of(kernel, args)
    assert names(graph, launches(graph)) == expected


def test_right_looking_cholesky_is_four_launches_a_column() -> None:
    graph = graph_of(cholesky.cholesky, [mpmd.spec(f64, (4 * cholesky.BLOCK,) * 2)])
    assert names(graph, launches(graph)) == [
        *("factor·1", "solve·3", "clear·6", "update·3", "update·3"),
        *("factor·1", "solve·2", "update·2", "update·1"),
        *("factor·1", "solve·1", "update·1", "factor·1"),
    ]


def test_partial_sums_are_launches_like_others() -> None:
    graph = graph_of(summed, [rows(), rows()[0]])
    (first, *_, last) = names(graph, launches(graph))
    assert first == "add·12" or last.startswith("add_sums")


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(kernels(ALL, cores=2), st.integers(2, CORES), st.sampled_from(["heft", "wave"]))
def test_launches_keep_all_dependences_and_are_proved_as_a_whole(
    case: Generated, cores: int, policy: str
) -> None:
    note(case.source)
    kernel = case.define()
    graph = graph_of(kernel, case.arguments(kernel, case.arrays))
    found = launches(graph)
    place = np.full(len(graph), -1)
    for number, launch in enumerate(found):
        assert (place[launch.tasks] == -1).all()
        place[launch.tasks] = number
        phase = graph.phases[launch.phase]
        assert phase.first <= launch.tasks[0] and launch.tasks[-1] < phase.end
    assert (place >= 0).all()
    for dep in np.flatnonzero(graph.deps.distance == 0).tolist():
        producers, consumers = graph.deps.producers_of(dep), graph.deps.consumers_of(dep)
        if len(producers) and len(consumers):
            assert place[producers].max() <= place[consumers].min()
    planned = unfused(graph, MACHINE, policy=policy, cores=cores)
    check(pack(planned), MACHINE)
    assert launch_ends(planned) >= len(found) - 1


def launch_ends(planned: Schedule) -> int:
    first = slice(int(planned.core_ptr[0]), int(planned.core_ptr[1]))
    return int(((planned.op[first] == StepOp.BARRIER) & (planned.b[first] == LAUNCH_ENDS)).sum())


# -- the schedule -----------------------------------------------------------------------------------------


def test_steps_of_a_loop_stand_between_ends_of_launches() -> None:
    planned = unfused(graph_of(looped, [rows(), rows(), 5]), MACHINE, cores=2)
    of_core = [
        [f"{step.op.name} {step.b}" for step in planned.steps(core) if step.op in (3, 4, 5)]
        for core in range(planned.cores)
    ]
    loop_of = [[step.removesuffix(f" {n}") if step.startswith("END") else step for step in core]
               for core, n in zip(of_core, range(9), strict=False)]  # fmt: skip
    for core in loop_of:
        assert [step.split()[0] for step in core] == [
            *("BARRIER", "LOOP", "BARRIER", "BARRIER", "END", "BARRIER")
        ]
    assert launch_ends(planned) == 4


def test_one_launch_is_the_fused_schedule() -> None:
    """Where the source has one call there is nothing to fuse."""
    graph = graph_of(drained, [rows(), rows()])
    alone, fused = unfused(graph, MACHINE), schedule(graph, MACHINE)
    assert launch_ends(alone) == 0
    assert alone.op.tolist() == fused.op.tolist() and alone.a.tolist() == fused.a.tolist()


def test_local_tensors_of_different_launches_share_memory_and_those_of_a_loop_do_not() -> None:
    @mpmd.kernel
    def five(x: In[f32, 24, 8], y: Out[f32, 24, 8]):
        a, b, c, d = (mpmd.empty((24, 8), f32) for _ in range(4))
        for source, target in ((x, a), (a, b), (b, c), (c, d), (d, y)):
            scale(source, target)

    @mpmd.kernel
    def again(x: In[f32, 24, 8], y: Out[f32, 24, 8], n: i32):
        a, b, c, d = (mpmd.empty((24, 8), f32) for _ in range(4))
        for _ in mpmd.loop(n):
            for source, target in ((x, a), (a, b), (b, c), (c, d)):
                scale(source, target)
            scale(d, y)

    straight = unfused(graph_of(five, [rows(), rows()]), MACHINE).memory
    repeated = unfused(graph_of(again, [rows(), rows(), 3]), MACHINE).memory
    tensor = 24 * 8 * 4
    assert (straight.arena_bytes, straight.bound_bytes, straight.unshared_bytes) == tuple(
        tensor * count for count in (2, 2, 4)
    )
    assert repeated.arena_bytes == repeated.bound_bytes == 4 * tensor


def test_predicted_times_count_every_launch() -> None:
    graph = graph_of(unrolled, [rows(), rows()])
    planned = unfused(graph, MACHINE)
    assert planned.makespan >= 6 * MACHINE.launch_seconds
    assert planned.start.min() >= MACHINE.launch_seconds
    assert (planned.finish >= planned.start).all()


# -- what is refused ----------------------------------------------------------------------------------------


def test_cores_that_do_not_end_launches_together_are_refused() -> None:
    planned = unfused(graph_of(chain, [rows(), rows()]), MACHINE, cores=2)
    tables = Sections.load(pack(planned))
    last = max(i for i, step in enumerate(tables.cores[1]) if step[0] == StepOp.BARRIER)
    op, a, _, reason = tables.cores[1][last]
    tables.cores[1][last] = (op, a, 0, reason)
    with pytest.raises(
        MalformedTableError, match="core 1 and core 0 do not end launches at the same barriers"
    ):
        check(tables.store(), MACHINE)
    for core in tables.cores:
        core[last] = (op, a, 2, reason)
    with pytest.raises(MalformedTableError, match="neither ends a launch"):
        check(tables.store(), MACHINE)


def test_an_unknown_fusion_is_named() -> None:
    with pytest.raises(ArgumentError) as caught:
        mpmd.compile(chain, rows(), rows(), fusion="non")
    assert caught.value.message == "there is no fusion 'non'"
    assert caught.value.label == "fusion='non'"
    assert caught.value.hints == ("did you mean 'none'?",)


def test_the_printed_schedule_says_where_launches_end() -> None:
    planned = unfused(graph_of(chain, [rows(), rows()]), MACHINE, cores=2)
    text = print_schedule(planned)
    assert text.count("launch ends, barrier 0\n") == 2
    notes = [note.text for note in step_notes(planned)]
    assert notes.count("barrier 0: the end of a launch") == 2
