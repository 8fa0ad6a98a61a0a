"""The law: an index expression means in the compiled text what it means in the evaluator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mpmd
from mpmd import In, Out, f32, i32, i64
from mpmd.errors import BoundsError
from mpmd.lang.evaluate import evaluate

A, B, N = mpmd.dims("A B N")


@mpmd.task
def divided(x: In[f32, N], pos: i32, y: Out[f32, N]):
    """Loop variables, dims and a scalar under //, %, and their product."""
    for i in range(N):
        y[i] = x[(i * pos) % N] + x[i // 3] + x[(N - 1 - i) // 2]


@mpmd.task
def strided(x: In[f32, A, B], pos: i32, y: Out[f32, A]):
    """Products of a variable and a stride or extent that only the row knows."""
    for i in range(A):
        y[i] = x[(i * pos + 1) % A, (i * (pos + B)) % B]


@mpmd.task
def loaded(ids: In[i32, N], x: In[f32, A, B], y: Out[f32, N], k: Out[i64, N]):
    """A number that was loaded as an index, and as the start of a slice with a step."""
    for i in range(N):
        at = ids[i]
        y[i] = x[at, 0] + x[at : at + 2, 1].sum() + x[at : at + 3 : 2, 1].max()
        k[i] = at * i + i % 3


@mpmd.task
def counted(pos: i32, x: In[f32, N], y: Out[f32, N]):
    """Index expressions as values, rounded to the dtype that they meet."""
    for t in mpmd.tiles(N, 4):
        y[t] = (
            x[t] * (pos + 1) + (t.start // 2 + t.size % 3) - pos // 4 + (mpmd.arange(t.size) % 3).astype(f32)
        )


@mpmd.kernel
def everything(
    x: In[f32, N],
    m: In[f32, A, B],
    ids: In[i32, N],
    pos: i32,
    y: Out[f32, N],
    z: Out[f32, A],
    w: Out[f32, N],
    k: Out[i64, N],
    v: Out[f32, N],
):
    divided(x, pos, y)
    strided(m, pos, z)
    loaded(ids, m, w, k)
    for t in mpmd.tiles(N, 5):
        counted(pos, x[t], v[t])


def arguments(pos: int) -> dict[str, Any]:
    random = np.random.default_rng(0)
    n, a, b = 13, 7, 6
    ids = random.integers(0, a - 3, n).astype(np.int32)
    inputs = {"x": random.standard_normal(n, np.float32), "m": random.standard_normal((a, b), np.float32)}
    outputs = {name: np.zeros(n, np.float32) for name in ("y", "w", "v")}
    outputs |= {"z": np.zeros(a, np.float32), "k": np.zeros(n, np.int64)}
    values = {**inputs, "ids": ids, "pos": pos, **outputs}
    return {param.name: values[param.name] for param in everything.params}


@pytest.fixture(scope="module")
def compiled() -> mpmd.CompiledKernel:
    return mpmd.compile(everything, *arguments(1).values(), cores=2)


@pytest.mark.parametrize("pos", [0, 1, 5, 1000])
def test_index_expressions_agree_with_the_evaluator(compiled, pos):
    expected, actual = arguments(pos), arguments(pos)
    evaluate(compiled.program, expected, tile_sizes=dict(compiled.graph.tiles))
    compiled(*actual.values())
    for name, value in expected.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_allclose(actual[name], value, rtol=1e-6, atol=1e-6, err_msg=name)


def test_a_loaded_slice_that_leaves_its_tensor_ends_the_launch(compiled):
    values = arguments(1)
    values["ids"][3] = 5
    with pytest.raises(BoundsError, match="outside 0:7"):
        compiled(*values.values())
