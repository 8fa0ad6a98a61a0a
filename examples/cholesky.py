"""Tiled Cholesky factorisation in one launch: an irregular task graph that is no neural network.

The right-looking algorithm on blocks (Buttari, Langou, Kurzak, Dongarra 2009): factor a diagonal
block, solve the blocks below it, update what is left. Blocks of later columns start while earlier
columns still finish; the order comes from the blocks that each call reads and writes, nothing else.

python examples/cholesky.py --verify
"""

import argparse
import time

import numpy as np

import mpmd
from mpmd import In, InOut, f64

B, M, N, K = mpmd.dims("B M N K")
BLOCK = 96


@mpmd.task
def factor(a: InOut[f64, B, B]):
    """The lower factor of one diagonal block, column by column; zeros above."""
    for j in range(B):
        row = a[j, :j]
        pivot = mpmd.sqrt(a[j, j] - (row * row).sum())
        a[j, j] = pivot
        a[j + 1 :, j] = (a[j + 1 :, j] - a[j + 1 :, :j] @ row) / pivot
    lower = mpmd.arange(B)[:, None] >= mpmd.arange(B)[None, :]
    a[:] = mpmd.where(lower, a[:], 0.0)


@mpmd.task
def solve(diagonal: In[f64, B, B], a: InOut[f64, M, B]):
    """a ← a · diagonal⁻ᵀ, column by column."""
    for j in range(B):
        a[:, j] = (a[:, j] - a[:, :j] @ diagonal[j, :j]) / diagonal[j, j]


@mpmd.task
def update(left: In[f64, M, K], right: In[f64, N, K], a: InOut[f64, M, N]):
    a[:] = a[:] - left[:] @ right[:].T


@mpmd.task
def clear(a: InOut[f64, M, N]):
    a[:] = mpmd.zeros((M, N), f64)


@mpmd.kernel
def cholesky(a: InOut[f64, N, N]):
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verify", action="store_true", help="compare with NumPy")
    parser.add_argument("--size", type=int, default=1000, help="rows of the matrix (default 1000)")
    parser.add_argument("--threads", type=int, default=None, help="cores to use (default: all)")
    options = parser.parse_args()
    square = np.random.default_rng(0).standard_normal((options.size, options.size))
    matrix = square @ square.T + options.size * np.eye(options.size)
    result = matrix.copy()
    kernel = mpmd.compile(cholesky, result, cores=options.threads)
    started = time.perf_counter()
    kernel(result)
    elapsed = time.perf_counter() - started
    print(f"cholesky: {options.size}x{options.size}, {len(kernel.graph)} tasks in {elapsed * 1e3:.1f} ms")
    if options.verify:
        expected = np.linalg.cholesky(matrix)
        worst = np.abs(result - expected).max() / np.abs(expected).max()
        assert worst < 1e-12, f"differs from NumPy by {worst:.1e}"
        print(f"verify: within {worst:.1e} of NumPy, relative to the largest element")


if __name__ == "__main__":
    main()
