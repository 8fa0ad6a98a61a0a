"""Kernels for Ascend that fit the simulator: each with arguments, and how close results have to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

import mpmd
from mpmd import In, InOut, Kernel, Out, bf16, f16, f32

T, H, F, N, K, S, D = mpmd.dims("T H F N K S D")
Arrays = tuple[np.ndarray[Any, Any], ...]


@mpmd.task
def scale(x: In[f32, N], factor: f32, y: Out[f32, N]):
    y[:] = x[:] * factor


@mpmd.task
def shift(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[:] + 1.0


@mpmd.kernel
def hello(x: In[f32, N], y: Out[f32, N]):
    h = mpmd.empty((N,), f32)
    for t in mpmd.tiles(N, 64):
        scale(x[t], 3.0, h[t])
    for t in mpmd.tiles(N, 96):
        shift(h[t], y[t])


@mpmd.task
def soft(x: In[f32, T, H], y: Out[f32, T, H]):
    y[:] = mpmd.softmax(x[:])


@mpmd.kernel
def softmax(x: In[f32, T, H], y: Out[f32, T, H]):
    for t in mpmd.tiles(T, 16):
        soft(x[t], y[t])


@mpmd.task
def norm(x: In[f16, T, H], w: In[f16, H], y: Out[f16, T, H]):
    v = x[:].astype(f32)
    y[:] = (v * mpmd.rsqrt((v * v).mean(1) + 1e-6)[:, None]).astype(f16) * w[:]


@mpmd.kernel
def rmsnorm(x: In[f16, T, H], w: In[f16, H], y: Out[f16, T, H]):
    h = mpmd.empty((T, H), f16)
    for t in mpmd.tiles(T, 24):
        norm(x[t], w, h[t])
    for t in mpmd.tiles(T, 16):
        norm(h[t], w, y[t])


@mpmd.task
def fold(x: In[bf16, T, H], y: Out[f32, T]):
    y[:] = mpmd.tanh(x[:]).max(1) + mpmd.silu(x[:].astype(f32)).min(1) + x[:].sum(0).sum(0)


@mpmd.kernel
def folds(x: In[bf16, T, H], y: Out[f32, T]):
    fold(x, y)


@mpmd.task
def swiglu16(x: In[f16, T, H], wg: In[f16, F, H], wu: In[f16, F, H], y: Out[f16, T, F]):
    g = x[:] @ wg[:].T
    y[:] = g * mpmd.sigmoid(g) * (x[:] @ wu[:].T)


@mpmd.task
def linear16(x: In[f16, T, K], w: In[f16, N, K], y: Out[f32, T, N]):
    y[:] = x[:] @ w[:].T


@mpmd.kernel
def mlp16(x: In[f16, T, H], wg: In[f16, F, H], wu: In[f16, F, H], wd: In[f16, H, F], y: Out[f32, T, H]):
    h = mpmd.empty((T, F), f16)
    for f in mpmd.tiles(F, 64):
        swiglu16(x, wg[f], wu[f], h[:, f])
    for n in mpmd.tiles(H, 64):
        linear16(h, wd[n], y[:, n])


@mpmd.task
def swiglub(x: In[bf16, T, H], wg: In[bf16, F, H], wu: In[bf16, F, H], y: Out[bf16, T, F]):
    g = x[:] @ wg[:].T
    y[:] = g * mpmd.sigmoid(g) * (x[:] @ wu[:].T)


@mpmd.task
def linearb(x: In[bf16, T, K], w: In[bf16, N, K], y: Out[f32, T, N]):
    y[:] = x[:] @ w[:].T


@mpmd.kernel
def mlpb(x: In[bf16, T, H], wg: In[bf16, F, H], wu: In[bf16, F, H], wd: In[bf16, H, F], y: Out[f32, T, H]):
    h = mpmd.empty((T, F), bf16)
    for f in mpmd.tiles(F, 64):
        swiglub(x, wg[f], wu[f], h[:, f])
    for n in mpmd.tiles(H, 64):
        linearb(h, wd[n], y[:, n])


@mpmd.task
def gram(x: In[bf16, T, K], w: In[bf16, K, N], y: Out[f32, T, N]):
    y[:] = x[:] @ w[:]


@mpmd.kernel
def product(x: In[bf16, K, T], w: In[bf16, K, N], y: Out[f32, T, N]):
    for n in mpmd.tiles(N, 160):
        gram(x.T, w[:, n], y[:, n])


@mpmd.task
def gram32(x: In[f32, T, K], w: In[f32, K, N], y: Out[f32, T, N]):
    y[:] = x[:] @ w[:]


@mpmd.kernel
def products32(x: In[f32, K, T], w: In[f32, K, N], y: Out[f32, T, N], g: Out[f32, T, T]):
    """Every way in which factors of floats can lie."""
    for n in mpmd.tiles(N, 160):
        gram32(x.T, w[:, n], y[:, n])
    gram32(y, y.T, g)


@mpmd.task
def attend(q: In[f16, T, D], k: In[f16, S, D], v: In[f16, S, D], y: Out[f32, T, D]):
    m = mpmd.full((T,), -1e30, f32)
    total = mpmd.zeros((T,), f32)
    acc = mpmd.zeros((T, D), f32)
    for block in mpmd.tiles(S, 32):
        s = (q[:] @ k[block].T) * 0.125
        higher = mpmd.maximum(m, s.max(1))
        p = mpmd.exp(s - higher[:, None])
        shrink = mpmd.exp(m - higher)
        total = total * shrink + p.sum(1)
        acc = acc * shrink[:, None] + p.astype(f16) @ v[block]
        m = higher
    y[:] = acc / total[:, None]


@mpmd.kernel
def attention(q: In[f16, S, D], k: In[f16, S, D], v: In[f16, S, D], y: Out[f32, S, D]):
    for t in mpmd.tiles(S, 32):
        attend(q[t], k, v, y[t])


@mpmd.task
def relax(old: In[f32, T + 2, H + 2], new: Out[f32, T, H]):
    new[:] = 0.25 * (old[:T, 1 : H + 1] + old[2:, 1 : H + 1] + old[1 : T + 1, :H] + old[1 : T + 1, 2:])


@mpmd.kernel
def stencil(a: InOut[f32, N, K], b: InOut[f32, N, K]):
    for old, new in ((a, b), (b, a), (a, b)):
        for s in mpmd.split(N - 2, 4):
            relax(old[s.start : s.start + s.size + 2], new[s.start + 1 : s.start + s.size + 1, 1 : K - 1])


@dataclass(frozen=True, slots=True)
class Case:
    """A kernel, its arguments, and the largest error relative to the largest element."""

    kernel: Kernel
    arguments: Callable[[], Arrays]
    tolerance: float


def _random(*shape: int, dtype: Any = np.float32) -> np.ndarray[Any, Any]:
    random = np.random.default_rng(sum(shape))
    return (random.standard_normal(shape) / 4).astype(dtype)


_HALF, _BRAIN = np.float16, ml_dtypes.bfloat16


def _mlp(dtype: Any) -> Arrays:
    x, wide, narrow = _random(24, 96, dtype=dtype), (160, 96), (96, 160)
    weights = (_random(*wide, dtype=dtype), _random(*wide, dtype=dtype), _random(*narrow, dtype=dtype))
    return (x, *weights, np.zeros((24, 96), np.float32))


CASES: dict[str, Case] = {
    "hello": Case(hello, lambda: (_random(500), np.zeros(500, np.float32)), 0.0),
    "softmax": Case(softmax, lambda: (_random(50, 200), np.zeros((50, 200), np.float32)), 1e-5),
    "ragged softmax": Case(softmax, lambda: (_random(50, 37), np.zeros((50, 37), np.float32)), 1e-5),
    "rmsnorm": Case(
        rmsnorm,
        lambda: (_random(50, 72, dtype=_HALF), _random(72, dtype=_HALF), np.zeros((50, 72), _HALF)),
        2e-3,
    ),
    "folds": Case(folds, lambda: (_random(13, 75, dtype=_BRAIN), np.zeros(13, np.float32)), 1e-2),
    "mlp f16": Case(mlp16, lambda: _mlp(_HALF), 2e-3),
    "mlp bf16": Case(mlpb, lambda: _mlp(_BRAIN), 1e-2),
    "product": Case(
        product,
        lambda: (
            _random(140, 150, dtype=_BRAIN),
            _random(140, 170, dtype=_BRAIN),
            np.zeros((150, 170), np.float32),
        ),
        1e-5,
    ),
    "products f32": Case(
        products32,
        lambda: (
            _random(37, 150),
            _random(37, 170),
            np.zeros((150, 170), np.float32),
            np.zeros((150, 150), np.float32),
        ),
        1e-5,
    ),
    "attention": Case(
        attention,
        lambda: (*(_random(80, 48, dtype=_HALF) for _ in range(3)), np.zeros((80, 48), np.float32)),
        2e-3,
    ),
    "stencil": Case(stencil, lambda: (_random(26, 34), _random(26, 34)), 1e-6),
}
