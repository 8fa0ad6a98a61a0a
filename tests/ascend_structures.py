"""Kernels for Ascend whose structure is what they test: loops, scalars, rows that are late, channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import mpmd
from mpmd import In, InOut, Kernel, Out, Recv, Send, f32, i32

T, H, N, P, M, K, R = mpmd.dims("T H N P M K R")
Arguments = tuple[Any, ...]


@mpmd.task
def scaled(x: In[f32, T, H], by: f32, y: Out[f32, T, H]):
    y[:] = x[:] * by


@mpmd.task
def mixed(x: In[f32, T, H], left: In[f32, H], y: InOut[f32, T, H]):
    y[:] = y[:] * 0.5 + x[:] + left[:]


@mpmd.task
def count_down(steps: InOut[i32, 1], most: i32, ended: Out[i32, 1]):
    steps[:] = steps[:] + 1
    ended[:] = mpmd.maximum(steps[:] - most, 0)


@mpmd.kernel
def scales(x: In[f32, T, H], by: f32, first: i32, y: Out[f32, T, H]):
    """Rows of a launch's choosing, from `first` on; the others are copied, in pieces for whoever is free."""
    for s in mpmd.tiles(T, 12, drain=True):
        scaled(x[s], 1.0, y[s])
    scaled(x[first : first + 8], by, y[first : first + 8])


@mpmd.kernel
def sweeps(x: In[f32, N, T, H], y: InOut[f32, T, H], z: Out[f32, T, H], count: i32):
    """Iteration `i` reads the i-th matrix; strips depend on their neighbours of the iteration before."""
    for i in mpmd.loop(count):
        for s in mpmd.split(T, 3):
            mixed(x[i, s], x[i, 0], y[s])
        for s in mpmd.split(T, 2):
            scaled(y[s], 1.5, z[s])


@mpmd.kernel
def until(x: In[f32, T, H], y: InOut[f32, T, H], steps: InOut[i32, 1], count: i32, most: i32):
    ended = mpmd.empty((1,), i32)
    for _ in mpmd.loop(count, until=ended[0]):
        for s in mpmd.split(T, 4):
            mixed(x[s], x[0], y[s])
        count_down(steps, most, ended)


@mpmd.task
def bump(offsets: InOut[i32, P]):
    offsets[:] = offsets[:] + 1


@mpmd.kernel
def ragged(x: In[f32, T, H], offsets: InOut[i32, P], y: InOut[f32, T, H]):
    """Pieces that data decide, which change from one iteration to the next."""
    for _ in mpmd.loop(3):
        for s in mpmd.segments(offsets, 24):
            mixed(x[s], x[0], y[s])
        bump(offsets)


@mpmd.task
def multiply(a: In[f32, M, K], b: In[f32, N, K], scores: Send[f32, R, N]):
    for t in mpmd.tiles(M, 16):
        mpmd.send(scores, a[t] @ b[:].T)


@mpmd.task
def halve(scores: Recv[f32, R, N], halves: Send[f32, R, N], rows: i32):
    for t in mpmd.tiles(rows, 16):
        mpmd.send(halves, mpmd.recv(scores, (t.size, N)) * 0.5)


@mpmd.task
def shift(halves: Recv[f32, R, N], y: Out[f32, M, N]):
    for t in mpmd.tiles(M, 16):
        y[t] = mpmd.recv(halves, (t.size, N)) + 1.0


@mpmd.kernel
def stages(a: In[f32, M, K], b: In[f32, N, K], y: Out[f32, M, N]):
    """More tokens than slots, the last of which is short; two channels of other depths."""
    scores, halves = mpmd.channel(f32, (16, N), depth=2), mpmd.channel(f32, (16, N), depth=1)
    multiply(a, b, scores)
    halve(scores, halves, a.shape[0])
    shift(halves, y)


@mpmd.task
def attend(q: In[f32, T, H], k: In[f32, N, H], v: In[f32, N, H], y: Out[f32, T, H], last: i32):
    """A loop around products and other work, whose course a launch decides."""
    acc, total = mpmd.zeros((T, H), f32), mpmd.zeros((T,), f32)
    for block in mpmd.tiles(last, 8):
        p = mpmd.exp(q[:] @ k[block].T)
        acc, total = acc + p @ v[block], total + p.sum(1)
    y[:] = acc / total[:, None]


@mpmd.kernel
def attention(q: In[f32, T, H], k: In[f32, N, H], v: In[f32, N, H], y: Out[f32, T, H], last: i32):
    for t in mpmd.tiles(T, 16):
        attend(q[t], k, v, y[t], last)


@dataclass(frozen=True, slots=True)
class Case:
    """A kernel and the arguments of a call."""

    kernel: Kernel
    arguments: Callable[[], Arguments]


def random(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


CASES: dict[str, Case] = {
    "scalars": Case(scales, lambda: (random(30, 40), 3.0, 17, np.zeros((30, 40), np.float32))),
    "sweeps": Case(sweeps, lambda: (random(6, 30, 40), random(30, 40), np.zeros((30, 40), np.float32), 5)),
    "until": Case(until, lambda: (random(30, 40), random(30, 40), np.zeros(1, np.int32), 9, 3)),
    "ragged": Case(
        ragged,
        lambda: (random(52, 24), np.array([0, 20, 20, 33, 50], np.int32), random(52, 24)),
    ),
    "channels": Case(stages, lambda: (random(70, 24), random(40, 24), np.zeros((70, 40), np.float32))),
    "attention": Case(
        attention,
        lambda: (*(random(n, 16) / 4 for n in (20, 40, 40)), np.zeros((20, 16), np.float32), 27),
    ),
}
