"""The first program of the design, as a user writes it; clean in every type checker."""

import numpy as np

import mpmd
from mpmd import In, Out, f32

T, H, F, N, K = mpmd.dims("T H F N K")


@mpmd.task
def swiglu(x: In[f32, T, H], wg: In[f32, F, H], wu: In[f32, F, H], y: Out[f32, T, F]):
    g = x[:] @ wg[:].T
    y[:] = g * mpmd.sigmoid(g) * (x[:] @ wu[:].T)


@mpmd.task
def linear(x: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N]):
    y[:] = x[:] @ w[:].T


@mpmd.kernel
def mlp(x: In[f32, T, H], wg: In[f32, F, H], wu: In[f32, F, H], wd: In[f32, H, F], y: Out[f32, T, H]):
    h = mpmd.empty((T, F), f32)
    for f in mpmd.tiles(F):
        swiglu(x, wg[f], wu[f], h[:, f])
    for n in mpmd.tiles(H):
        linear(h, wd[n], y[:, n])


def run() -> np.ndarray:
    x, y = np.ones((16, 64), np.float32), np.empty((16, 64), np.float32)
    wg, wu = np.ones((128, 64), np.float32), np.ones((128, 64), np.float32)
    wd = np.ones((64, 128), np.float32)
    mlp(x, wg, wu, wd, y)
    kernel = mpmd.compile(mlp, x, wg, wu, wd, y, cores=2, tiles={"f": 32})
    print(kernel.program.name, kernel.schedule.makespan, len(kernel.graph), kernel.source.entry)
    return y
