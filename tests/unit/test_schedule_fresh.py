"""The law: in a loop whose iterations meet, what each makes anew may share a place, and nothing else."""

from __future__ import annotations

import numpy as np
from schedule_graphs import machine
from schedule_laws import assert_lawful

import mpmd
from mpmd import In, InOut, Out, f32, i32
from mpmd.lang.kernel.trace import trace
from mpmd.partition.build import partition
from mpmd.partition.graph import DepKind
from mpmd.pipeline import specs_of
from mpmd.schedule.build import schedule
from mpmd.schedule.order import POLICIES
from mpmd.schedule.steps import Schedule

T, N = mpmd.dims("T N")
BYTES = 8 * 64 * 4


@mpmd.task
def step(a: In[f32, T, N], y: Out[f32, T, N]):
    y[:] = a[:] * 2


@mpmd.task
def half(a: In[f32, T, N], y: Out[f32, T, N]):
    y[:] = a[:] * 3


@mpmd.task
def judge(a: In[f32, T, N], flag: Out[i32, 1]):
    flag[0] = a[0:1, 0:1].sum(axis=1).sum(axis=0).astype(i32)


def planned(kernel: mpmd.Kernel, *names: str, cores: int = 3, policy: str = "heft") -> Schedule:
    arrays = {"x": np.ones((8, 64), np.float32), "flag": np.zeros(1, np.int32)}
    small = machine(cores, cache_bytes=0)
    program = trace(kernel.function, specs_of(kernel, {n: arrays[n] for n in names or ("x", "flag")}))
    result = schedule(partition(program, small), small, policy=policy)
    assert_lawful(result)
    return result


def reuses(result: Schedule) -> int:
    return int((result.deps.kind == DepKind.REUSE).sum())


@mpmd.kernel
def chained(x: InOut[f32, 8, 64], flag: Out[i32, 1]):
    """Four tensors one after the other, each written whole and then read."""
    for _ in mpmd.loop(5, until=flag[0]):
        a, b, c, d = (mpmd.empty((8, 64), f32) for _ in range(4))
        for t in mpmd.tiles(8, 4):
            step(x[t], a[t])
        for t in mpmd.tiles(8, 4):
            step(a[t], b[t])
        step(b, c)
        step(c, d)
        for t in mpmd.tiles(8, 4):
            step(d[t], x[t])
        judge(x, flag)


def test_tensors_that_every_iteration_makes_anew_take_turns() -> None:
    for policy in POLICIES:
        result = planned(chained, policy=policy)
        assert result.memory.arena_bytes == 2 * BYTES and reuses(result) > 0


@mpmd.kernel
def unmet(x: InOut[f32, 8, 64]):
    for _ in mpmd.loop(5):
        a, b, c = (mpmd.empty((8, 64), f32) for _ in range(3))
        step(x, a)
        step(a, b)
        step(b, c)
        step(c, x)


def test_iterations_that_overlap_share_nothing() -> None:
    result = planned(unmet, "x")
    assert result.memory.arena_bytes == 3 * BYTES and reuses(result) == 0


@mpmd.kernel
def carried(x: InOut[f32, 8, 64], flag: Out[i32, 1]):
    a, b, c = (mpmd.empty((8, 64), f32) for _ in range(3))
    step(x, c)
    for _ in mpmd.loop(5, until=flag[0]):
        step(c, a)
        step(a, b)
        step(b, c)
        judge(c, flag)
    step(c, x)


def test_what_an_iteration_leaves_to_the_next_keeps_its_place() -> None:
    """`a` and `b` overlap, and `c` goes round."""
    assert planned(carried).memory.arena_bytes == 3 * BYTES


@mpmd.kernel
def partly(x: InOut[f32, 8, 64], flag: Out[i32, 1]):
    """The lower half of `a` is not made in the loop, that of `c` not without gaps."""
    a, b, c, d = (mpmd.empty((8, 64), f32) for _ in range(4))
    step(x, a)
    for _ in mpmd.loop(5, until=flag[0]):
        step(x[0:4], a[0:4])
        step(a, b)
        step(b[:, 0:32], c[:, 0:32])
        step(b[:, 32:64], c[:, 32:64])
        step(c, d)
        step(d, x)
        judge(x, flag)


def test_a_tensor_that_is_not_surely_made_all_over_keeps_its_place() -> None:
    """Only `b` and `d` take turns."""
    result = planned(partly)
    assert result.memory.arena_bytes == 3 * BYTES


@mpmd.kernel
def flagged(x: InOut[f32, 8, 64]):
    a, b = mpmd.empty((8, 64), f32), mpmd.empty((8, 64), f32)
    flag = mpmd.empty((1,), i32)
    for _ in mpmd.loop(5, until=flag[0]):
        judge(x, flag)
        step(x, a)
        step(a, b)
        step(b, x)


def test_the_flag_is_read_when_the_iteration_is_over() -> None:
    result = planned(flagged, "x")
    assert result.memory.arena_bytes == 2 * BYTES + 64 and reuses(result) == 0


@mpmd.kernel
def later(x: InOut[f32, 8, 64], flag: Out[i32, 1]):
    a, b, c = (mpmd.empty((8, 64), f32) for _ in range(3))
    for _ in mpmd.loop(5, until=flag[0]):
        step(x, a)
        step(a, b)
        step(b, c)
        step(c, x)
        judge(x, flag)
    half(a, x)


def test_a_tensor_that_is_read_after_the_loop_keeps_its_place() -> None:
    assert planned(later).memory.arena_bytes == 3 * BYTES
