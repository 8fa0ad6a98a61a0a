"""The debugger: a kernel run as plain Python means what the evaluator says of its program."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

import mpmd
from mpmd import Accum, In, InOut, Out, bf16, f16, f32, i8, i32, i64
from mpmd.errors import ArgumentError, BoundsError, LanguageError
from mpmd.lang.debug import debug
from tests.generate import Generated, kernels
from tests.unit.agreement import agree

T, H, F, V = mpmd.dims("T H F V")


def _random(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return (np.random.default_rng(0).random(shape, np.float32) * 4 - 2).astype(dtype)


@mpmd.task
def swiglu(x: In[f32, T, H], wg: In[f32, F, H], wu: In[f32, F, H], y: Out[f32, T, F]):
    g = x[:] @ wg[:].T
    y[:] = g * mpmd.sigmoid(g) * (x[:] @ wu[:].T)


@mpmd.task
def pick(x: In[f32, V], y: Out[f32, T]):
    y[:] = mpmd.zeros(y.shape) + x[0]


def gated(x: In[f32, T, H], wg: In[f32, F, H], wu: In[f32, F, H], y: Out[f32, T, 3]):
    h = mpmd.empty((T, F), f32)
    for f in mpmd.tiles(F):
        swiglu(x, wg[f], wu[f], h[:, f])
    flat = h.reshape((T * F,))
    for t in mpmd.tiles(T, 2):
        for i in range(2):
            pick(flat[i::2][: T * F // 2], y[t, i])
        pick(h[t].T[1], y[t, 2])


def test_tiled_kernels_agree() -> None:
    arguments = {
        "x": _random(5, 4),
        "wg": _random(7, 4),
        "wu": _random(7, 4),
        "y": np.zeros((5, 3), np.float32),
    }
    agree(gated, arguments)


@mpmd.task
def mixed(x: In[bf16, T, H], ids: In[i32, T], n: i32, scale: f32, y: Out[bf16, T, H], k: Out[i64, T]):
    total = 0.0
    best = 0
    for i in range(T):
        row = x[i] * scale + 1
        if i % 2 == 0 and ids[i] > n:
            row = mpmd.softmax(row, axis=-1)
        elif ids[i] == 0:
            row = mpmd.gelu(row)
        else:
            row = -row / 3
        total = total + row.sum()
        best = mpmd.maximum(best, ids[i] + n)
        y[i] = row
        k[i] = (row.argmax() + best) // 2 - H
    for j in mpmd.tiles(T, 2):
        y[j] = y[j] + total.astype(bf16)


def mixing(x: In[bf16, T, H], ids: In[i32, T], n: i32, scale: f32, y: Out[bf16, T, H], k: Out[i64, T]):
    mixed(x, ids, n + 1, scale, y, k)


def test_branches_loops_and_weak_numbers_agree() -> None:
    arguments = {
        "x": _random(5, 4, dtype=ml_dtypes.bfloat16),
        "ids": np.array([3, 0, 4, 1, 0], np.int32),
        "n": 1,
        "scale": 0.3,
        "y": np.zeros((5, 4), ml_dtypes.bfloat16),
        "k": np.zeros(5, np.int64),
    }
    agree(mixing, arguments)


@mpmd.task
def integers(a: In[i8, T], b: In[i8, T], y: Out[i8, T], m: Out[f32, T], s: InOut[i32, ()]):
    y[:] = ((a[:] + b[:]) * 3 // b[:] ^ 5) % 7 << 1
    m[:] = mpmd.where((a[:] < b[:]) | (a[:] == 0), a[:] / b[:], 0.5)
    s[()] = s[()] + a[:].sum()


def integral(a: In[i8, T], b: In[i8, T], y: Out[i8, T], m: Out[f32, T], s: InOut[i32, ()]):
    for _ in mpmd.loop(3):
        integers(a, b, y, m, s)


def test_integers_and_repetition_agree() -> None:
    arguments = {
        "a": np.array([-128, -1, 0, 5, 127], np.int8),
        "b": np.array([-1, 0, 3, 7, 2], np.int8),
        "y": np.zeros(5, np.int8),
        "m": np.zeros(5, np.float32),
        "s": np.array(1, np.int32),
    }
    assert agree(integral, arguments)["s"] == 1 + 3 * 3


@mpmd.task
def embed(table: In[f16, V, H], ids: In[i32, T], pos: i32, y: Out[f16, T, H], total: Accum[f32, H]):
    rows = table[ids[:]]
    y[:] = rows[:, ::1] + mpmd.arange(T)[:, None].astype(f16) * pos
    total[:] += rows.sum(axis=0)


def embedding(
    table: In[f16, V, H],
    ids: In[i32, F],
    pos: i32,
    cache: InOut[f16, T, H],
    total: Accum[f32, H],
):
    embed(table, ids, pos + 1, cache[pos : pos + F], total)


def test_gathers_accumulators_and_runtime_offsets_agree() -> None:
    arguments = {
        "table": _random(6, 4, dtype=np.float16),
        "ids": np.array([5, 0, 2], np.int32),
        "pos": 2,
        "cache": _random(8, 4, dtype=np.float16),
        "total": np.ones(4, np.float32),
    }
    agree(embedding, arguments)
    arguments["ids"] = np.array([5, 6, 2], np.int32)
    with pytest.raises(BoundsError, match=r"index 6 is outside axis 0 of 'table', which has 6 elements"):
        debug(embedding)(**arguments)


def test_python_sees_the_values() -> None:
    seen: list[Any] = []

    @mpmd.kernel
    def watched(x: In[f32, T, H], y: Out[f32, T, H]):
        for t in mpmd.tiles(T):
            seen.append((t.start, t.size))
            double(x[t], y[t])

    x, y = _random(5, 2), np.zeros((5, 2), np.float32)
    debug(watched, tile_size=2)(x, y)
    assert seen == [(0, 2), (2, 2), (4, 1)]
    assert np.array_equal(y, x * 2)
    assert len(rows) == 3 and np.array_equal(np.concatenate(rows), x)


rows: list[np.ndarray] = []


@mpmd.task
def double(x: In[f32, T, H], y: Out[f32, T, H]):
    a = x[:]
    y[:] = a + a


@pytest.fixture(autouse=True)
def _a_probe_in_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for a breakpoint inside of `double`: notes the tile that it loads."""
    rows.clear()
    plain = double.function

    def probed(x: Any, y: Any) -> None:
        rows.append(np.asarray(x[:]))
        plain(x, y)

    monkeypatch.setattr(double, "function", probed)


def test_what_does_not_fit_is_refused() -> None:
    x, y = _random(5, 2), np.zeros((5, 2), np.float32)

    def twice(x: In[f32, T, H], y: Out[f32, T, H]):
        double(x, y)

    with pytest.raises(ArgumentError, match=r"'x' is f32\[5, 2\], the array is float64\[5, 2\]"):
        debug(twice)(x.astype(np.float64), y)
    with pytest.raises(ArgumentError, match=r"'T' of kernel 'twice' is 5 in 'x' but 4 in 'y'"):
        debug(twice)(x, y[:4])
    with pytest.raises(ArgumentError, match=r"'twice' takes 2 arguments but 1 is given"):
        debug(twice)(x)
    with pytest.raises(ArgumentError, match="is not a kernel"):
        debug(double)
    with pytest.raises(LanguageError, match=r"mpmd.tiles is called outside of a kernel"):
        mpmd.tiles(4)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=kernels(), tile=st.sampled_from([1, 5, 64]))
def test_random_kernels_agree(case: Generated, tile: int) -> None:
    note(case.source)
    agree(case.define().function, {**case.arrays, **case.scalars}, tile)
