"""The tasks of examples/cholesky.py in f32, for machines that have no f64."""

from __future__ import annotations

import mpmd
from mpmd import In, InOut, f32

B, M, N, K = mpmd.dims("B M N K")
BLOCK = 40


@mpmd.task
def factor(a: InOut[f32, B, B]):
    for j in range(B):
        row = a[j, :j]
        pivot = mpmd.sqrt(a[j, j] - (row * row).sum())
        a[j, j] = pivot
        a[j + 1 :, j] = (a[j + 1 :, j] - a[j + 1 :, :j] @ row) / pivot
    lower = mpmd.arange(B)[:, None] >= mpmd.arange(B)[None, :]
    a[:] = mpmd.where(lower, a[:], 0.0)


@mpmd.task
def solve(diagonal: In[f32, B, B], a: InOut[f32, M, B]):
    for j in range(B):
        a[:, j] = (a[:, j] - a[:, :j] @ diagonal[j, :j]) / diagonal[j, j]


@mpmd.task
def update(left: In[f32, M, K], right: In[f32, N, K], a: InOut[f32, M, N]):
    a[:] = a[:] - left[:] @ right[:].T


@mpmd.task
def clear(a: InOut[f32, M, N]):
    a[:] = mpmd.zeros((M, N), f32)


@mpmd.kernel
def cholesky(a: InOut[f32, N, N]):
    blocks = [slice(start, min(start + BLOCK, int(N))) for start in range(0, N, BLOCK)]
    for k, column in enumerate(blocks):
        factor(a[column, column])
        below = blocks[k + 1 :]
        for row in below:
            solve(a[column, column], a[row, column])
            clear(a[column, row])
        for i, row in enumerate(below):
            for other in below[:i]:
                update(a[row, column], a[other, column], a[row, other])
            update(a[row, column], a[row, column], a[row, row])
