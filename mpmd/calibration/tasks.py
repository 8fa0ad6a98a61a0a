"""The tasks of the micro-benchmarks.

In:  nothing. Out: tasks, each of which is one kind of work alone.
Not here: which shapes they run on, and how often (`probes.py`).
"""

from __future__ import annotations

import mpmd
from mpmd import In, Out, bf16, f32, i8, i32

M, N, K = mpmd.dims("M N K")


@mpmd.task
def dot_rows(x: In[f32, M, K], w: In[f32, N, K], y: Out[f32, M, N]):
    y[:] = x[:] @ w[:].T


@mpmd.task
def dot_columns(x: In[f32, M, K], w: In[f32, K, N], y: Out[f32, M, N]):
    y[:] = x[:] @ w[:]


@mpmd.task
def dot_bf16(x: In[bf16, M, K], w: In[bf16, N, K], y: Out[f32, M, N]):
    y[:] = x[:] @ w[:].T


@mpmd.task
def dot_i8(x: In[i8, M, K], w: In[i8, N, K], y: Out[i32, M, N]):
    y[:] = x[:] @ w[:].T


@mpmd.task
def copy(x: In[f32, M, N], y: Out[f32, M, N]):
    y[:] = x[:]


@mpmd.task
def add(x: In[f32, M, N], w: In[f32, M, N], y: Out[f32, M, N]):
    y[:] = x[:] + w[:]


@mpmd.task
def exponential(x: In[f32, M, N], y: Out[f32, M, N]):
    y[:] = mpmd.exp(x[:])


@mpmd.task
def silu(x: In[f32, M, N], y: Out[f32, M, N]):
    y[:] = mpmd.silu(x[:])


@mpmd.task
def tanh(x: In[f32, M, N], y: Out[f32, M, N]):
    y[:] = mpmd.tanh(x[:])


@mpmd.task
def softmax(x: In[f32, M, N], y: Out[f32, M, N]):
    y[:] = mpmd.softmax(x[:])


@mpmd.task
def centred(x: In[f32, M, N], y: Out[f32, M, N]):
    v = x[:]
    y[:] = v - v.mean(1)[:, None]


@mpmd.task
def shares(x: In[f32, M, N], y: Out[f32, M, N]):
    v = x[:] * 0.5
    y[:] = v * (1.0 / v.sum(1))[:, None]


@mpmd.task
def polynomial(x: In[f32, M, N], y: Out[f32, M, N]):
    v = x[:]
    low = (((v * 0.1 + 0.2) * v + 0.3) * v + 0.4) * v + 0.5
    y[:] = ((((low * v + 0.6) * v + 0.7) * v + 0.8) * v + 0.9) * v


@mpmd.task
def row_sums(x: In[f32, M, N], y: Out[f32, M]):
    y[:] = x[:].sum(1)


@mpmd.task
def row_maxima(x: In[f32, M, N], y: Out[f32, M]):
    y[:] = x[:].max(1)


@mpmd.task
def total(x: In[f32, N], y: Out[f32, 1]):
    y[:] = x[:].sum(0)[None]


@mpmd.task
def passed_on(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[:]
