"""Prefetches: before a wait, of what nobody in the launch writes, no more than is predicted to pay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import mpmd
from mpmd import Const, In, InOut, Out, f32
from mpmd.codegen.tables import pack
from mpmd.lang.kernel.trace import trace
from mpmd.machine import Machine
from mpmd.partition.build import partition
from mpmd.pipeline import arguments, specs_of
from mpmd.schedule.build import schedule
from mpmd.schedule.check import check
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.schedule.text import print_schedule
from tests.machines import toy
from tests.mutants import assert_irredundant, is_refused, prefetch_mutants

N, M = mpmd.dims("N M")
MACHINE = toy(2, prefetch_share=0.5)
SIDE = 64


@mpmd.task
def product(x: In[f32, N], w: In[f32, M, N], y: Out[f32, M]):
    y[:] = (x[:][None, :] * w[:]).sum(1)


@mpmd.kernel
def layers(x: In[f32, N], w: Const[f32, M, N], v: Const[f32, M, N], y: Out[f32, M]):
    """The second product waits for the first one; its weights are there before."""
    h = mpmd.empty((64,), f32)
    product(x, w, h, core=0)
    product(h, v, y, core=1)


@mpmd.kernel
def rewritten(x: In[f32, N], w: InOut[f32, M, N], v: Const[f32, M, N], y: Out[f32, M]):
    """The launch writes what the second product reads."""
    h = mpmd.empty((64,), f32)
    product(x, v, w[0], core=0)
    product(x, w, h, core=1)
    product(h, v, y, core=0)


@mpmd.kernel
def chosen(x: InOut[f32, M], w: Const[f32, 9, M, N]):
    """Which weights the second product reads is known only when it starts: those of its iteration."""
    h = mpmd.empty((64,), f32)
    for i in mpmd.loop(9):
        product(x, w[0], h, core=0)
        product(h, w[i], x, core=1)


def planned(kernel: mpmd.Kernel, machine: Machine = MACHINE, **arrays: object) -> Schedule:
    given = arguments(kernel, (), arrays)
    program = trace(kernel.function, specs_of(kernel, given))
    result = schedule(partition(program, machine), machine)
    assert check(pack(result), machine).prefetches == (result.op == StepOp.PREFETCH).sum()
    return result


def of_layers(machine: Machine = MACHINE) -> Schedule:
    vector, matrix = mpmd.spec(f32, (SIDE,)), mpmd.spec(f32, (SIDE, SIDE))
    return planned(layers, machine, x=vector, w=matrix, v=matrix, y=vector)


def asked(result: Schedule) -> list[tuple[int, int, int]]:
    """Core, task, bytes."""
    return [
        (step.core, step.a, step.b)
        for core in range(result.cores)
        for step in result.steps(core)
        if step.op is StepOp.PREFETCH
    ]


def test_weights_are_asked_for_before_the_wait() -> None:
    result = of_layers()
    ((core, task, most),) = asked(result)
    assert (core, task) == (1, 1) and 0 < most <= (SIDE + 1) * SIDE * 4 and most % 64 == 0
    assert [step.op for step in result.steps(1)] == [StepOp.PREFETCH, StepOp.WAIT, StepOp.RUN]
    assert f"  prefetch product#1, {most} bytes of each argument\n" in print_schedule(result)


def test_no_more_is_asked_for_than_the_machine_allows() -> None:
    assert asked(of_layers(replace(MACHINE, prefetch_share=0.0))) == []
    share = 1024 / MACHINE.leading.cache_bytes
    assert asked(of_layers(replace(MACHINE, prefetch_share=share))) == [(1, 1, 1024)]


def test_no_more_is_asked_for_than_memory_gives_until_the_wait_ends() -> None:
    result = of_layers()
    ((_, task, most),) = asked(result)
    assert most <= result.start[task] * MACHINE.leading.bandwidth


def test_what_the_launch_writes_is_not_asked_for() -> None:
    vector, matrix = mpmd.spec(f32, (SIDE,)), mpmd.spec(f32, (SIDE, SIDE))
    result = planned(rewritten, x=vector, w=matrix, v=matrix, y=vector)
    assert 1 not in [task for _, task, _ in asked(result)]


def test_what_is_known_only_at_the_start_is_not_asked_for() -> None:
    vector, matrices = mpmd.spec(f32, (SIDE,)), mpmd.spec(f32, (9, SIDE, SIDE))
    assert 1 not in [task for _, task, _ in asked(planned(chosen, x=vector, w=matrices))]


def test_prefetches_change_no_sync_and_are_refused_behind_their_row() -> None:
    with_, without = pack(of_layers()), pack(of_layers(replace(MACHINE, prefetch_share=0.0)))
    assert assert_irredundant(with_, MACHINE) == assert_irredundant(without, MACHINE) == 2
    mutants = list(prefetch_mutants(with_))
    assert len(mutants) == 1
    for what, mutated, expected in mutants:
        assert is_refused(mutated, MACHINE, expected), what


def test_prefetches_are_the_same_each_time() -> None:
    assert pack(of_layers()) == pack(of_layers())
    assert np.array_equal(of_layers().b, of_layers().b)
