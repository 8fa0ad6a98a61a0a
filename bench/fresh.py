"""Kernels that were written after the form of the cost model had been settled.

In:  nothing. Out: `Case`s. Not here: those at which the model was looked at while it was made (`unseen.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

import ml_dtypes
import numpy as np

import mpmd
from bench.unseen import Case
from mpmd import In, Out, bf16, f32, i32

T, H, N, K, C = mpmd.dims("T H N K C")


@mpmd.task
def nearest(x: In[f32, T, H], centre: In[f32, C, H], y: Out[i32, T]):
    distance = (centre[:] * centre[:]).sum(1)[None, :] - 2.0 * (x[:] @ centre[:].T)
    y[:] = distance.argmin(1).astype(i32)


@mpmd.task
def rotated(x: In[f32, T, 2 * H], cos: In[f32, T, H], sin: In[f32, T, H], y: Out[f32, T, 2 * H]):
    a, b = x[:, :H], x[:, H:]
    y[:, :H] = a * cos[:] - b * sin[:]
    y[:, H:] = a * sin[:] + b * cos[:]


@mpmd.task
def root_mean_square(x: In[f32, T, H], weight: In[f32, H], y: Out[f32, T, H]):
    v = x[:]
    y[:] = v * mpmd.rsqrt((v * v).mean(1) + 1e-6)[:, None] * weight[:]


@mpmd.task
def linear_bf16(x: In[bf16, T, K], w: In[bf16, N, K], y: Out[f32, T, N]):
    y[:] = x[:] @ w[:].T


@mpmd.task
def gated(a: In[f32, T, N], b: In[f32, T, N], y: Out[f32, T, N]):
    y[:] = mpmd.tanh(a[:]) * mpmd.sigmoid(b[:])


@mpmd.task
def turned(x: In[f32, T, N], y: Out[f32, N, T]):
    y[:] = x[:].T


@mpmd.task
def column_sums(x: In[f32, T, N], y: Out[f32, N]):
    y[:] = x[:].sum(0)


@mpmd.task
def scored(q: In[f32, T, H], keys: In[f32, N, H], values: In[f32, N, H], y: Out[f32, T, H]):
    y[:] = mpmd.softmax(q[:] @ keys[:].T * 0.125) @ values[:]


@mpmd.kernel
def assignment(x: In[f32, T, H], centre: In[f32, C, H], y: Out[i32, T]):
    for t in mpmd.tiles(T):
        nearest(x[t], centre, y[t])


@mpmd.kernel
def rotary(
    x: In[f32, T, 2 * H],
    weight: In[f32, 2 * H],
    cos: In[f32, T, H],
    sin: In[f32, T, H],
    y: Out[f32, T, 2 * H],
):
    h = mpmd.empty((T, 2 * H), f32)
    for t in mpmd.tiles(T):
        root_mean_square(x[t], weight, h[t])
    for t in mpmd.tiles(T):
        rotated(h[t], cos[t], sin[t], y[t])


@mpmd.kernel
def product_bf16(x: In[bf16, T, K], w: In[bf16, N, K], y: Out[f32, T, N]):
    for n in mpmd.tiles(N):
        linear_bf16(x, w[n], y[:, n])


@mpmd.kernel
def gates(a: In[f32, T, N], b: In[f32, T, N], y: Out[f32, T, N]):
    for t in mpmd.tiles(T):
        gated(a[t], b[t], y[t])


@mpmd.kernel
def transposition(x: In[f32, T, N], y: Out[f32, N, T]):
    for t in mpmd.tiles(T, 64):
        for n in mpmd.tiles(N, 64):
            turned(x[t, n], y[n, t])


@mpmd.kernel
def sums(x: In[f32, T, N], y: Out[f32, N]):
    for n in mpmd.tiles(N, 64):
        column_sums(x[:, n], y[n])


@mpmd.kernel
def heads(q: In[f32, C, T, H], keys: In[f32, C, N, H], values: In[f32, C, N, H], y: Out[f32, C, T, H]):
    for c in mpmd.tiles(C, 1):
        scored(q[c.start], keys[c.start], values[c.start], y[c.start])


def cases() -> Iterator[Case]:
    """All of them, with their arrays."""
    yield Case(
        "nearest of 64 centres, 4096x64", assignment, (_f32(4096, 64), _f32(64, 64), np.zeros(4096, np.int32))
    )
    angles = _f32(512, 384), _f32(512, 384)
    yield Case("norm and rotary 512x768", rotary, (_f32(512, 768), _f32(768), *angles, _zeros(512, 768)))
    for rows in (8, 64):
        short = tuple(_f32(*shape).astype(ml_dtypes.bfloat16) for shape in ((rows, 1024), (2048, 1024)))
        yield Case(f"bf16 product {rows}x2048x1024", product_bf16, (*short, _zeros(rows, 2048)))
    for shape in ((256, 512), (2048, 2048)):
        yield Case(f"gates {shape[0]}x{shape[1]}", gates, (_f32(*shape), _f32(*shape), _zeros(*shape)))
    yield Case("transposition 1024x1024", transposition, (_f32(1024, 1024), _zeros(1024, 1024)))
    yield Case("column sums 1024x2048", sums, (_f32(1024, 2048), _zeros(2048)))
    keys = _f32(16, 256, 64), _f32(16, 256, 64)
    yield Case("16 heads, 4 queries of 256", heads, (_f32(16, 4, 64), *keys, _zeros(16, 4, 64)))


def _f32(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape, np.float32)


def _zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)
