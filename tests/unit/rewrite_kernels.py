"""Small kernels that the tests of rewrites share, and what holds for every rewritten program."""

from typing import Any

import numpy as np

import mpmd
from mpmd import Accum, In, InOut, Out, bf16, f32
from mpmd.lang.evaluate import evaluate
from mpmd.lang.kernel.initialised import check_initialised
from mpmd.lang.program import Program, calls
from mpmd.lang.task.check import check_task
from mpmd.lang.text.printer import parse_program, print_program
from mpmd.partition.rewrite.uses import labels

T, H, N, K = mpmd.dims("T H N K")


@mpmd.task
def norm(x: In[f32, T, H], gain: In[f32, H], y: Out[f32, T, H]):
    v = x[:]
    y[:] = v * mpmd.rsqrt((v * v).mean(1) + 1e-5)[:, None] * gain[:]


@mpmd.task
def linear(x: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N]):
    y[:] = x[:] @ w[:].T


@mpmd.task
def gelu(x: In[f32, T, N], y: Out[f32, T, N]):
    y[:] = mpmd.gelu(x[:])


@mpmd.task
def scale(x: In[f32, T, N], factor: f32, y: Out[f32, T, N]):
    y[:] = x[:] * factor


@mpmd.task
def add(x: In[f32, T, N], z: In[f32, T, N], y: Out[f32, T, N]):
    y[:] = x[:] + z[:]


@mpmd.task
def bump(y: InOut[f32, T, N]):
    y[:] += 1.0


@mpmd.task
def halves(x: In[f32, T, 8], y: Out[f32, T, 8]):
    y[:, :4] = x[:, 4:]
    y[:, 4:] = x[:, :4]


@mpmd.task
def by_rows(x: In[f32, T, N], y: Out[f32, T, N]):
    for i in range(T):
        y[i] = x[i] * 2.0


@mpmd.task
def narrowed(x: In[f32, T, N], y: Out[bf16, T, N]):
    y[:] = x[:] * 1.001


@mpmd.task
def widened(x: In[bf16, T, N], y: Out[f32, T, N]):
    y[:] = x[:].astype(f32) - 1.0


@mpmd.task
def gather_sum(x: In[f32, T, N], w: In[f32, K, N], y: Accum[f32, T, K]):
    y[:] += x[:] @ w[:].T


@mpmd.task
def row_sums(x: In[f32, T, N], y: Out[f32, T]):
    y[:] = mpmd.exp(x[:].sum(1) * 0.01)


@mpmd.task
def from_place(x: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N]):
    y[:] = (x[:] + mpmd.arange(K).astype(f32)[None, :]) @ w[:].T


def id_of(program: Program, name: str) -> int:
    return labels(program)[name]


def tasks_of(program: Program) -> list[str]:
    """The names of the tasks called, in program order."""
    return [call.task.name for call in calls(program.body)]


def results(program: Program, *, tile: int = 16) -> dict[str, np.ndarray]:
    """What the evaluator leaves in every argument, from the same data for the same program arguments."""
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        t.name: random.standard_normal(t.shape).astype(t.dtype.numpy) for t in program.arguments
    }
    evaluate(program, arrays, tile_sizes=tile)
    return arrays


def assert_well_formed(program: Program) -> None:
    """The laws that every traced program keeps, and its text."""
    for task in program.tasks:
        check_task(task)
    check_initialised(program)
    assert parse_program(print_program(program)) == program


def assert_same(program: Program, other: Program, *, tile: int = 16, tolerance: float = 0.0) -> None:
    expected, actual = results(program, tile=tile), results(other, tile=tile)
    for name, array in expected.items():
        np.testing.assert_allclose(actual[name], array, rtol=tolerance, atol=tolerance, err_msg=name)
