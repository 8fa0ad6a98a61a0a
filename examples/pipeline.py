"""A producer and a consumer that run at the same time: tiles of a product stream into a row softmax.

The two tasks are joined by a channel of two tokens: while one core multiplies the next rows, another
normalises those before. Nothing of the product is ever stored whole. With one core the two take turns.

python examples/pipeline.py --verify
"""

import argparse
import time

import numpy as np

import mpmd
from mpmd import In, Out, Recv, Send, f32

M, N, K, R = mpmd.dims("M N K R")
ROWS = 32


@mpmd.task
def multiply(a: In[f32, M, K], b: In[f32, N, K], scores: Send[f32, R, N]):
    for t in mpmd.tiles(M, ROWS):
        mpmd.send(scores, a[t] @ b[:].T)  # the last token may have fewer rows


@mpmd.task
def normalise(scores: Recv[f32, R, N], y: Out[f32, M, N]):
    for t in mpmd.tiles(M, ROWS):
        y[t] = mpmd.softmax(mpmd.recv(scores, (t.size, N)), axis=1)


@mpmd.kernel
def weights(a: In[f32, M, K], b: In[f32, N, K], y: Out[f32, M, N]):
    """y = softmax(a · bᵀ), row by row."""
    scores = mpmd.channel(f32, (ROWS, N), depth=2)
    multiply(a, b, scores)
    normalise(scores, y)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verify", action="store_true", help="compare with NumPy")
    parser.add_argument("--rows", type=int, default=1000, help="rows of the product (default 1000)")
    parser.add_argument("--threads", type=int, default=None, help="cores to use (default: all)")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    a = random.standard_normal((options.rows, 128), np.float32)
    b = random.standard_normal((512, 128), np.float32)
    y = np.empty((options.rows, 512), np.float32)
    kernel = mpmd.compile(weights, a, b, y, cores=options.threads)
    kernel(a, b, y)  # the first launch starts the workers
    started = time.perf_counter()
    kernel(a, b, y)
    elapsed = time.perf_counter() - started
    print(f"pipeline: {options.rows}x512 in {elapsed * 1e3:.2f} ms")
    if options.verify:
        product = a.astype(np.float64) @ b.T.astype(np.float64)
        expected = np.exp(product - product.max(1, keepdims=True))
        expected /= expected.sum(1, keepdims=True)
        worst = np.abs(y - expected).max()
        assert worst < 1e-5, f"differs from NumPy by {worst:.1e}"
        print(f"verify: within {worst:.1e} of NumPy")


if __name__ == "__main__":
    main()
