"""Causal attention that never stores the score matrix: online softmax over blocks of keys.

The recurrence of Milakov and Gimelshein (2018), in the tiling of FlashAttention (Dao et al. 2022):
a running maximum `m` and sum `total` rescale what has been accumulated whenever the maximum grows.

python examples/flash_attention.py --verify
"""

import argparse
import time

import numpy as np

import mpmd
from mpmd import In, Out, f32, i32

HEADS, T, S, D = mpmd.dims("HEADS T S D")
KEYS = 128  # keys of one block


@mpmd.task
def attend(q: In[f32, T, D], k: In[f32, S, D], v: In[f32, S, D], first: i32, scale: f32, y: Out[f32, T, D]):
    """Rows `first` … of the queries against all keys up to their own."""
    m = mpmd.full((T,), -1e30, f32)
    total = mpmd.zeros((T,), f32)
    acc = mpmd.zeros((T, D), f32)
    row = first + mpmd.arange(T)
    for block in mpmd.tiles(first + T, KEYS):
        column = block.start + mpmd.arange(block.size)
        s = mpmd.where(column[None, :] <= row[:, None], (q[:] @ k[block].T) * scale, -1e30)
        higher = mpmd.maximum(m, s.max(1))
        p = mpmd.exp(s - higher[:, None])
        shrink = mpmd.exp(m - higher)
        total = total * shrink + p.sum(1)
        acc = acc * shrink[:, None] + p @ v[block]
        m = higher
    y[:] = acc / total[:, None]


@mpmd.kernel
def attention(
    q: In[f32, HEADS, S, D],
    k: In[f32, HEADS, S, D],
    v: In[f32, HEADS, S, D],
    y: Out[f32, HEADS, S, D],
    scale: f32,
):
    for h in range(HEADS):
        for t in mpmd.tiles(S, 64):
            attend(q[h, t], k[h], v[h], t.start, scale, y[h, t])


def reference(q: np.ndarray, k: np.ndarray, v: np.ndarray, scale: float) -> np.ndarray:
    scores = np.where(np.tri(q.shape[1], dtype=bool), q @ k.swapaxes(1, 2) * np.float32(scale), -np.inf)
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True) @ v


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verify", action="store_true", help="compare with NumPy")
    parser.add_argument("--length", type=int, default=1000, help="rows of q, k and v (default 1000)")
    parser.add_argument("--threads", type=int, default=None, help="cores to use (default: all)")
    options = parser.parse_args()
    shape = (8, options.length, 64)
    random = np.random.default_rng(0)
    q, k, v = (random.standard_normal(shape).astype(np.float32) for _ in range(3))
    y, scale = np.empty(shape, np.float32), 64**-0.5
    kernel = mpmd.compile(attention, q, k, v, y, scale, cores=options.threads)
    kernel(q, k, v, y, scale)
    started = time.perf_counter()
    kernel(q, k, v, y, scale)
    print(f"attention: {shape[0]} heads of {shape[1:]} in {(time.perf_counter() - started) * 1e3:.1f} ms")
    if options.verify:
        expected = reference(q, k, v, scale)
        worst = np.abs(y - expected).max() / np.abs(expected).max()
        assert worst < 1e-5, f"differs from NumPy by {worst:.1e}"
        print(f"verify: within {worst:.1e} of NumPy, relative to the largest element")


if __name__ == "__main__":
    main()
