"""Cutting tasks for cores of one engine: the same results, one engine a call, refusals with the line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mpmd
from mpmd import In, Out, f16, f32
from mpmd.errors import UnsupportedOp
from mpmd.lang.evaluate import evaluate
from mpmd.lang.kernel.trace import trace
from mpmd.lang.program import Program, TileLoop, calls
from mpmd.lang.tile import Apply, walk
from mpmd.lang.types import TensorSpec
from mpmd.partition.build import partition
from mpmd.partition.engines import for_engines
from mpmd.targets.ascend import machine
from tests.ascend_kernels import CASES, Case

T, K, N = mpmd.dims("T K N")


def traced(case: Case) -> tuple[Program, tuple[np.ndarray[Any, Any], ...]]:
    arrays = case.arguments()
    specs = {
        param.name: TensorSpec(param.annotation.dtype, array.shape)
        for param, array in zip(case.kernel.params, arrays, strict=True)
    }
    return trace(case.kernel.function, specs), arrays


@pytest.mark.parametrize("name", CASES)
def test_parts_mean_what_the_task_means(name: str) -> None:
    program, arrays = traced(CASES[name])
    results = []
    for made in (program, for_engines(program, machine(6))):
        copies = [array.copy() for array in arrays]
        evaluate(made, dict(zip(program.params, copies, strict=True)))
        results.append(copies)
    for plain, cut in zip(*results, strict=True):
        np.testing.assert_array_equal(plain, cut)


@pytest.mark.parametrize("name", CASES)
def test_every_call_is_for_one_engine(name: str) -> None:
    program, _ = traced(CASES[name])
    for call in calls(for_engines(program, machine(6)).body):
        ops = {stmt.op for stmt in walk(call.task.body) if isinstance(stmt, Apply)}
        assert call.placement is not None
        if call.placement.on == "cube":
            assert ops <= {"dot", "transpose", "cast"}
        else:
            assert "dot" not in ops


@mpmd.task
def summed(x: In[f16, T, K], w: In[f16, N, K], y: Out[f32, T, N]):
    acc = mpmd.zeros((T, N), f32)
    for k in mpmd.tiles(K, 16):
        acc = mpmd.maximum(acc + x[:, k] @ w[:, k].T, -1.0)
    y[:] = acc


@mpmd.kernel
def long_sum(x: In[f16, T, K], w: In[f16, N, K], y: Out[f32, T, N]):
    for t in mpmd.tiles(T, 24):
        for n in mpmd.tiles(N):
            summed(x[t], w[n], y[t, n])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(1, 70), st.integers(1, 300))
def test_loops_around_products_are_written_out(rows: int, inner: int, columns: int) -> None:
    random = np.random.default_rng(rows)
    x, w = (random.integers(-3, 4, shape).astype(np.float16) for shape in ((rows, inner), (columns, inner)))
    specs = {
        "x": TensorSpec(f16, x.shape),
        "w": TensorSpec(f16, w.shape),
        "y": TensorSpec(f32, (rows, columns)),
    }
    program = trace(long_sum.function, specs)
    plain, cut = np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.float32)
    evaluate(program, {"x": x, "w": w, "y": plain})
    evaluate(for_engines(program, machine(6)), {"x": x, "w": w, "y": cut})
    np.testing.assert_array_equal(plain, cut)


@mpmd.task
def until(x: In[f16, T, K], w: In[f16, N, K], last: mpmd.i32, y: Out[f32, T, N]):
    acc = mpmd.zeros((T, N), f32)
    for _ in range(last):
        acc = acc + x[:] @ w[:].T
    y[:] = acc


@mpmd.kernel
def endless(x: In[f16, T, K], w: In[f16, N, K], last: mpmd.i32, y: Out[f32, T, N]):
    until(x, w, last, y)


def test_a_loop_that_nothing_bounds_is_refused() -> None:
    half = TensorSpec(f16, (16, 16))
    program = trace(endless.function, {"x": half, "w": half, "last": None, "y": TensorSpec(f32, (16, 16))})
    with pytest.raises(UnsupportedOp) as refused:
        for_engines(program, machine(6))
    assert refused.value.message == "nothing bounds loop '_', which runs to last"
    assert refused.value.span.file == __file__
    assert refused.value.hints[0].endswith("a slice of a tensor bounds it")


@mpmd.task
def turns(x: In[f16, T, K], w: In[f16, K, N], rows: mpmd.i32, y: Out[f32, T, N]):
    """Carried values change places; loops in loops; what is outside of them is used within and behind."""
    scale, a, b = mpmd.full((T, N), 2.0, f32), mpmd.zeros((T, N), f32), mpmd.full((T, N), 1.0, f32)
    for i in range(1, K, 2):
        a, b = b + (x[:] @ w[:]) * scale, mpmd.minimum(a, x[:, i].astype(f32)[:, None])
        for block in mpmd.tiles(rows, 5):
            a = mpmd.minimum(a, 50.0) + x[:, block].astype(f16) @ w[block]
    y[:] = a - b * scale


@mpmd.kernel
def turning(x: In[f16, T, K], w: In[f16, K, N], rows: mpmd.i32, y: Out[f32, T, N]):
    for t in mpmd.tiles(T, 7):
        turns(x[t], w, rows, y[t])


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 20), st.integers(2, 25), st.integers(2, 9), st.data())
def test_loops_around_products_become_loops_around_calls(
    rows: int, inner: int, columns: int, data: st.DataObject
) -> None:
    """However often they run, not at all included."""
    random, last = np.random.default_rng(rows), data.draw(st.integers(0, inner))
    x, w = (random.integers(-2, 3, shape).astype(np.float16) for shape in ((rows, inner), (inner, columns)))
    specs = {"x": TensorSpec(f16, x.shape), "w": TensorSpec(f16, w.shape), "rows": None}
    program = trace(turning.function, {**specs, "y": TensorSpec(f32, (rows, columns))})
    cut = for_engines(program, machine(6))
    if inner > 17:  # more than 8 iterations
        assert any(isinstance(node, TileLoop) for outer in cut.body for node in getattr(outer, "body", ()))
    results = []
    for made in (program, cut):
        y = np.zeros((rows, columns), np.float32)
        evaluate(made, {"x": x, "w": w, "rows": last, "y": y})
        results.append(y)
    np.testing.assert_array_equal(*results)
    partition(cut, machine(6))
