"""Tiles whose extents come from a launch: the evaluator and compiled code take and refuse the same ones."""

from __future__ import annotations

import numpy as np
import pytest

import mpmd
from mpmd import InOut, f32, i32
from mpmd.errors import BoundsError
from mpmd.lang.evaluate import evaluate


@mpmd.task
def zeros(n: i32, y: InOut[f32, 4]):
    y[0] = mpmd.zeros((n,), f32).sum(0) + 1.0


@mpmd.task
def full(n: i32, y: InOut[f32, 4]):
    y[0] = mpmd.full((n - 3,), 2.0, f32).sum(0)


@mpmd.task
def arange(n: i32, y: InOut[f32, 4]):
    y[0] = mpmd.arange(n + 1).sum(0).astype(f32)


@mpmd.task
def unused(n: i32, y: InOut[f32, 4]):
    spare = mpmd.zeros((n,), f32)  # noqa: F841
    y[0] = 1.0


@mpmd.task
def guarded(n: i32, y: InOut[f32, 4]):
    if n > 2:
        y[0] = mpmd.full((n - 2,), 1.0, f32).sum(0)


@mpmd.task
def in_a_loop(n: i32, y: InOut[f32, 4]):
    for i in range(4):
        y[i] = mpmd.full((n - i,), 1.0, f32).sum(0)


@mpmd.task
def piece(n: i32, y: InOut[f32, 4]):
    y[n:] = 5.0


def outcome(run, n: int) -> list[float] | int:
    """What the kernel leaves in `y`, or the line at which it ends."""
    y = np.zeros(4, np.float32)
    try:
        run(n, y)
    except BoundsError as error:
        return error.span.line
    return y.tolist()


@pytest.mark.parametrize("task", [zeros, full, arange, unused, guarded, in_a_loop, piece], ids=str)
def test_a_negative_extent_ends_a_launch_as_it_ends_the_evaluator(task):
    @mpmd.kernel
    def kernel(n: i32, y: InOut[f32, 4]):
        task(n, y)

    compiled = mpmd.compile(kernel, 0, np.zeros(4, np.float32), cores=1)
    reference = {
        n: outcome(lambda n, y: evaluate(compiled.program, {"n": n, "y": y}), n) for n in range(-5, 7)
    }
    assert {n: outcome(compiled, n) for n in reference} == reference
    assert (task is guarded) == all(isinstance(result, list) for result in reference.values())


def test_the_report_of_a_negative_extent():
    @mpmd.kernel
    def kernel(n: i32, y: InOut[f32, 4]):
        full(n, y)

    with pytest.raises(BoundsError) as caught:
        kernel(-4, np.zeros(4, np.float32))
    error = caught.value
    assert error.message == "the extent of a tile, axis 0: -7 is negative"
    assert error.label == "at run time, on core 0 of kernel 'kernel'"
    assert error.hints == ("what the kernel writes may be partly written",)
