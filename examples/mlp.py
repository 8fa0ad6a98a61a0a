"""A gated MLP in one launch: `linear` starts on a tile as soon as the tiles of `h` that it reads are there.

python examples/mlp.py --verify
"""

import argparse
import time

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verify", action="store_true", help="compare with NumPy")
    parser.add_argument("--rows", type=int, default=16, help="rows of x (default 16)")
    parser.add_argument("--threads", type=int, default=None, help="cores to use (default: all)")
    options = parser.parse_args()
    rows, hidden, wide = options.rows, 1024, 2816
    random = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray:
        return (random.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)

    x = random.standard_normal((rows, hidden)).astype(np.float32)
    wg, wu, wd = weights(wide, hidden), weights(wide, hidden), weights(hidden, wide)
    y = np.empty((rows, hidden), np.float32)
    kernel = mpmd.compile(mlp, x, wg, wu, wd, y, cores=options.threads)
    kernel(x, wg, wu, wd, y)
    started = time.perf_counter()
    kernel(x, wg, wu, wd, y)
    print(f"mlp: {rows}x{hidden}x{wide} in {(time.perf_counter() - started) * 1e3:.2f} ms")
    if options.verify:
        g = x @ wg.T
        expected = (g / (1 + np.exp(-g)) * (x @ wu.T)) @ wd.T
        worst = np.abs(y - expected).max() / np.abs(expected).max()
        assert worst < 1e-5, f"differs from NumPy by {worst:.1e}"
        print(f"verify: within {worst:.1e} of NumPy, relative to the largest element")


if __name__ == "__main__":
    main()
