"""Kernels that no calibration has seen: the examples, and what people write, in several sizes.

In:  nothing. Out: `Case`s: a kernel, its arguments, its runtime scalars. Not here: measuring (`predict.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import mpmd
from examples.cholesky import cholesky
from examples.flash_attention import attention
from examples.hello import hello
from examples.jacobi import jacobi, plate
from examples.mlp import mlp
from examples.moe_layer import moe
from examples.pipeline import weights as scores
from examples.smollm2.kernels import HEAD, KV, Cache, Weights, decode
from mpmd import In, Out, f32

T, H, N, K = mpmd.dims("T H N K")

CAPACITY, POSITION = 512, 128


@dataclass(frozen=True, slots=True)
class Case:
    """`renew` is called before each launch, outside of what is timed."""

    name: str
    kernel: mpmd.Kernel
    args: tuple[Any, ...]
    scalars: Mapping[str, int] = field(default_factory=dict)
    renew: Callable[[], None] = lambda: None


@mpmd.task
def soften(x: In[f32, T, N], y: Out[f32, T, N]):
    y[:] = mpmd.softmax(x[:])


@mpmd.task
def normed(x: In[f32, T, H], weight: In[f32, H], bias: In[f32, H], y: Out[f32, T, H]):
    v = x[:]
    centred = v - v.mean(1)[:, None]
    scale = mpmd.rsqrt((centred * centred).mean(1) + 1e-5)
    y[:] = centred * scale[:, None] * weight[:] + bias[:]


@mpmd.task
def linear(x: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N]):
    y[:] = x[:] @ w[:].T


@mpmd.task
def activate(x: In[f32, T, N], bias: In[f32, N], y: Out[f32, T, N]):
    y[:] = mpmd.gelu(x[:] + bias[:])


@mpmd.task
def summed(x: In[f32, T, N], y: In[f32, T, N], z: Out[f32, T, N]):
    z[:] = x[:] + y[:]


@mpmd.task
def smoothed(x: In[f32, N + 2], y: Out[f32, N]):
    y[:] = 0.25 * x[:-2] + 0.5 * x[1:-1] + 0.25 * x[2:]


@mpmd.kernel
def softmax_rows(x: In[f32, T, N], y: Out[f32, T, N]):
    for t in mpmd.tiles(T):
        soften(x[t], y[t])


@mpmd.kernel
def norm_chain(x: In[f32, T, H], weight: In[f32, H], bias: In[f32, H], y: Out[f32, T, H]):
    a, b = (mpmd.empty((T, H), f32) for _ in range(2))
    for t in mpmd.tiles(T, 16):
        normed(x[t], weight, bias, a[t])
    for t in mpmd.tiles(T, 16):
        normed(a[t], weight, bias, b[t])
    for t in mpmd.tiles(T, 16):
        normed(b[t], weight, bias, y[t])


@mpmd.kernel
def block(x: In[f32, T, K], w: In[f32, N, K], bias: In[f32, N], v: In[f32, K, N], y: Out[f32, T, K]):
    """linear → bias and gelu → linear → residual."""
    h, g = mpmd.empty((T, N), f32), mpmd.empty((T, N), f32)
    p = mpmd.empty((T, K), f32)
    for n in mpmd.tiles(N):
        linear(x, w[n], h[:, n])
    for n in mpmd.tiles(N):
        activate(h[:, n], bias[n], g[:, n])
    for k in mpmd.tiles(K):
        linear(g, v[k], p[:, k])
    for k in mpmd.tiles(K):
        summed(x[:, k], p[:, k], y[:, k])


@mpmd.kernel
def product(x: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N]):
    for t in mpmd.tiles(T, 64):
        for n in mpmd.tiles(N, 128):
            linear(x[t], w[n], y[t, n])


@mpmd.kernel
def many_tiny(x: In[f32, T, N], y: Out[f32, T, N]):
    """Chains of two small tasks each."""
    h = mpmd.empty((T, N), f32)
    for t in mpmd.tiles(T, 1):
        soften(x[t], h[t])
    for t in mpmd.tiles(T, 1):
        summed(x[t], h[t], y[t])


@mpmd.kernel
def stencil(x: In[f32, N + 6], y: Out[f32, N]):
    a, b = mpmd.empty((N + 4,), f32), mpmd.empty((N + 2,), f32)
    for t in mpmd.tiles(N + 4, 8192):
        smoothed(x[t.start : t.start + t.size + 2], a[t])
    for t in mpmd.tiles(N + 2, 8192):
        smoothed(a[t.start : t.start + t.size + 2], b[t])
    for t in mpmd.tiles(N, 8192):
        smoothed(b[t.start : t.start + t.size + 2], y[t])


def cases() -> Iterator[Case]:
    """All of them, with their arrays."""
    yield Case("hello", hello, (_random(1000), _empty(1000)))
    for rows, hidden, wide in (
        (1, 512, 1536),
        (4, 1024, 2816),
        (16, 1024, 2816),
        (64, 512, 1024),
        (1, 2048, 8192),
    ):
        shapes = ((rows, hidden), (wide, hidden), (wide, hidden), (hidden, wide))
        args = tuple(_random(*shape) for shape in shapes)
        yield Case(f"mlp {rows}x{hidden}x{wide}", mlp, (*args, _empty(rows, hidden)))
    for heads, length in ((4, 256), (8, 600)):
        args = tuple(_random(heads, length, 64) for _ in range(3))
        yield Case(f"attention {heads}x{length}x64", attention, (*args, _empty(heads, length, 64), 0.125))
    for shape in ((64, 512), (512, 2048), (2048, 4096)):
        yield Case(f"softmax {shape[0]}x{shape[1]}", softmax_rows, (_random(*shape), _empty(*shape)))
    for shape in ((64, 768), (1024, 1024)):
        args = _random(*shape), _random(shape[1]), _random(shape[1]), _empty(*shape)
        yield Case(f"layernorm chain {shape[0]}x{shape[1]}", norm_chain, args)
    for rows, narrow, wide in ((8, 384, 1536), (128, 384, 1536)):
        args = _random(rows, narrow), _random(wide, narrow), _random(wide), _random(narrow, wide)
        yield Case(f"block {rows}x{narrow}x{wide}", block, (*args, _empty(rows, narrow)))
    yield Case("product 512x512x512", product, (_random(512, 512), _random(512, 512), _empty(512, 512)))
    yield Case("many tiny 1000x64", many_tiny, (_random(1000, 64), _empty(1000, 64)))
    for size in (100_000, 4_000_000):
        yield Case(f"stencil {size}", stencil, (_random(size + 6), _empty(size)))
    yield Case("jacobi 130x130", jacobi, (plate(130), plate(130), 50, -1.0), {"pairs": 50})
    yield _cholesky(600)
    yield Case("pipeline 500x512", scores, (_random(500, 128), _random(512, 128), _empty(500, 512)))
    yield _ragged(96)
    yield _decode(layers=30, vocabulary=49152)


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def _empty(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def _cholesky(size: int) -> Case:
    square = np.random.default_rng(0).standard_normal((size, size))
    matrix = square @ square.T + size * np.eye(size)
    result = matrix.copy()
    return Case(f"cholesky {size}", cholesky, (result,), renew=lambda: np.copyto(result, matrix))


def _ragged(tokens: int) -> Case:
    hidden, wide, experts = 128, 256, 8
    args = _random(tokens, hidden), _random(experts, hidden), _random(experts, wide, hidden)
    down = _random(experts, hidden, wide)
    return Case(f"moe {tokens} tokens", moe, (*args, down, _empty(tokens, hidden)))


def _decode(layers: int, vocabulary: int) -> Case:
    """One step of a model of SmolLM2-135M's shape, with random weights."""
    shapes = {
        "table": (vocabulary, 576),
        "attention_norm": (layers, 576),
        "qkv": (layers, 960, 576),
        "out": (layers, 576, 576),
        "mlp_norm": (layers, 576),
        "gate": (layers, 1536, 576),
        "up": (layers, 1536, 576),
        "down": (layers, 576, 1536),
        "final_norm": (576,),
        "cos": (CAPACITY, HEAD // 2),
        "sin": (CAPACITY, HEAD // 2),
    }
    arrays: dict[str, Any] = {name: _random(*shape) / 24 for name, shape in shapes.items()}
    cache: list[Any] = [_random(layers, KV, CAPACITY, HEAD) for _ in range(2)]
    token = np.zeros(1, np.int32)
    args = (Weights(**arrays), Cache(*cache), token, _empty(1, vocabulary), token.copy(), POSITION)
    return Case("decode step, 30 layers", decode, args, {"pos": POSITION})
