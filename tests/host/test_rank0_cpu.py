"""Tensors without axes: arguments, local tensors and views of one element, on one core and on two."""

from __future__ import annotations

import numpy as np
import pytest

import mpmd
from mpmd import In, InOut, Out, f32

(N,) = mpmd.dims("N")


@mpmd.task
def one(y: Out[f32, ()]):
    y[()] = 1.0


@mpmd.task
def add_total(x: In[f32, N], s: InOut[f32, ()]):
    s[()] = s[()] + x[:].sum(0)


@mpmd.task
def divide(x: In[f32, N], s: In[f32, ()], y: Out[f32, N]):
    y[:] = x[:] / s[()]


@mpmd.kernel
def normalise(x: In[f32, N], s: Out[f32, ()], y: Out[f32, N]):
    one(s)
    for t in mpmd.tiles(N, 16):
        add_total(x[t], s)
    for t in mpmd.tiles(N, 16):
        divide(x[t], s, y[t])


@mpmd.kernel
def views(y: Out[f32, 3], z: Out[f32, ()]):
    s = mpmd.empty((1,), f32)
    local = mpmd.empty((), f32)
    one(s[0])
    one(local)
    add_total(s, local)
    one(z)
    add_total(local.reshape((1,)), z)
    for i in range(3):
        one(y[i])
    add_total(s, y[1])


@pytest.mark.parametrize("cores", [1, 2])
def test_tensors_without_axes(cores: int) -> None:
    x, s, y = np.arange(64, dtype=np.float32), np.zeros((), np.float32), np.zeros(64, np.float32)
    mpmd.compile(normalise, x, s, y, cores=cores)(x, s, y)
    assert s == x.sum() + 1 and np.allclose(y, x / s)
    y = np.zeros(3, np.float32)
    mpmd.compile(views, y, s, cores=cores)(y, s)
    assert s == 3 and y.tolist() == [1, 2, 1]
