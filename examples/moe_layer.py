"""A mixture-of-experts layer in one launch: which rows an expert works on is decided by the data.

A router picks two experts per token. The rows that an expert got are a segment of a sorted list, whose
bounds are known only while the kernel runs. Each segment is cut into tiles, each tile is a product of
its own, and tiles that the data leave empty are passed over. The merge adds the two results of a token
in a fixed order, so that the same input gives the same bits on any number of cores.

python examples/moe_layer.py --verify
"""

import argparse
import time

import numpy as np

import mpmd
from mpmd import Const, In, Out, f32, i32

T, H, F, E, R, S = mpmd.dims("T H F E R S")
TOP = 2  # experts of a token
TILE = 16  # rows of an expert's product


@mpmd.task
def route(x: In[f32, T, H], gate: In[f32, E, H], choice: Out[i32, T, TOP], share: Out[f32, T, TOP]):
    """The two experts with the largest scores, and the softmax of these two."""
    scores = x[:] @ gate[:].T
    first = scores.argmax(1)
    others = mpmd.where(mpmd.arange(E)[None, :] == first[:, None], -3e38, scores)
    second = others.argmax(1)
    part = 1.0 / (1.0 + mpmd.exp(others.max(1) - scores.max(1)))
    choice[:, 0] = first.astype(i32)
    choice[:, 1] = second.astype(i32)
    share[:, 0] = part
    share[:, 1] = 1.0 - part


@mpmd.task
def sort(choice: In[i32, R], offsets: Out[i32, S], place: Out[i32, R], token: Out[i32, R]):
    """Requests in order of their expert: where each goes, and whose row it is."""
    offsets[:] = mpmd.zeros((S,), i32)
    place[:] = mpmd.zeros((R,), i32)
    token[:] = mpmd.zeros((R,), i32)
    begin = mpmd.zeros((), i32)
    for expert in range(S - 1):
        for request in range(R):
            if choice[request] == expert:
                place[request] = begin
                token[begin] = request // TOP
                begin = begin + 1
        offsets[expert + 1] = begin


@mpmd.task
def expert(x: In[f32, T, H], token: In[i32, R], up: In[f32, F, H], down: In[f32, H, F], y: Out[f32, R, H]):
    y[:] = mpmd.silu(x[token[:]] @ up[:].T) @ down[:].T


@mpmd.task
def merge(rows: In[f32, R, H], place: In[i32, T, TOP], share: In[f32, T, TOP], y: Out[f32, T, H]):
    y[:] = share[:, 0][:, None] * rows[place[:, 0]] + share[:, 1][:, None] * rows[place[:, 1]]


@mpmd.kernel
def moe(
    x: In[f32, T, H],
    gate: Const[f32, E, H],
    up: Const[f32, E, F, H],
    down: Const[f32, E, H, F],
    y: Out[f32, T, H],
):
    choice, share = mpmd.empty((T, TOP), i32), mpmd.empty((T, TOP), f32)
    offsets = mpmd.empty((E + 1,), i32)
    place, token = mpmd.empty((T * TOP,), i32), mpmd.empty((T * TOP,), i32)
    rows = mpmd.empty((T * TOP, H), f32)
    for t in mpmd.tiles(T):
        route(x[t], gate, choice[t], share[t])
    sort(choice.reshape((T * TOP,)), offsets, place, token)
    for s in mpmd.segments(offsets, T):  # a token asks an expert at most once
        for t in mpmd.tiles(s, TILE):
            expert(x, token[t], up[s.index], down[s.index], rows[t])
    for t in mpmd.tiles(T):
        merge(rows, place.reshape((T, TOP))[t], share[t], y[t])


def reference(x, gate, up, down):
    """The same in NumPy, token by token."""
    scores = x @ gate.T
    y = np.zeros_like(x)
    for token, row in enumerate(x):
        best = np.argsort(-scores[token], kind="stable")[:TOP]
        share = np.exp(scores[token, best] - scores[token, best].max())
        share /= share.sum()
        for e, weight in zip(best, share, strict=True):
            hidden = up[e] @ row
            y[token] += weight * (down[e] @ (hidden / (1 + np.exp(-hidden))))
    return y


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verify", action="store_true", help="compare with NumPy")
    parser.add_argument("--tokens", type=int, default=96, help="rows of the input (default 96)")
    parser.add_argument("--threads", type=int, default=None, help="cores to use (default: all)")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    hidden, wide, experts = 128, 256, 8
    x = random.standard_normal((options.tokens, hidden), np.float32)
    gate = random.standard_normal((experts, hidden), np.float32)
    up = random.standard_normal((experts, wide, hidden), np.float32) / 8
    down = random.standard_normal((experts, hidden, wide), np.float32) / 8
    y = np.empty_like(x)
    kernel = mpmd.compile(moe, x, gate, up, down, y, cores=options.threads)
    kernel(x, gate, up, down, y)  # the first launch starts the workers
    for seed in range(3):  # other tokens, other experts: the same kernel
        x[:] = np.random.default_rng(seed).standard_normal(x.shape, np.float32)
        started = time.perf_counter()
        kernel(x, gate, up, down, y)
        elapsed = time.perf_counter() - started
        print(f"moe_layer: {options.tokens} tokens, {experts} experts in {elapsed * 1e3:.2f} ms")
        if options.verify:
            expected = reference(x.astype(np.float64), gate, up, down)
            worst = np.abs(y - expected).max() / np.abs(expected).max()
            assert worst < 1e-5, f"differs from NumPy by {worst:.1e}"
            print(f"verify: within {worst:.1e} of NumPy, relative to the largest element")


if __name__ == "__main__":
    main()
