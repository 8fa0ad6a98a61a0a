"""The smallest kernel: two tasks, one launch. `scale` and `shift` run tile by tile on all cores.

python examples/hello.py --verify
"""

import argparse

import numpy as np

import mpmd
from mpmd import In, Out, f32

(N,) = mpmd.dims("N")


@mpmd.task
def scale(x: In[f32, N], factor: f32, y: Out[f32, N]):
    y[:] = x[:] * factor


@mpmd.task
def shift(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[:] + 1.0


@mpmd.kernel
def hello(x: In[f32, N], y: Out[f32, N]):
    h = mpmd.empty((N,), f32)
    for t in mpmd.tiles(N, 256):
        scale(x[t], 3.0, h[t])
    for t in mpmd.tiles(N, 384):
        shift(h[t], y[t])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verify", action="store_true", help="compare with NumPy")
    parser.add_argument("--threads", type=int, default=None, help="cores to use (default: all)")
    options = parser.parse_args()
    x = np.arange(1000, dtype=np.float32)
    y = np.empty_like(x)
    kernel = mpmd.compile(hello, x, y, cores=options.threads)
    kernel(x, y)
    print(f"hello({x[:4]} …) = {y[:4]} …")
    if options.verify:
        np.testing.assert_array_equal(y, x * np.float32(3) + np.float32(1))
        print("verify: equal to NumPy")


if __name__ == "__main__":
    main()
