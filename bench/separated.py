"""A decode step whose tasks are either products or free of them, for machines with cores for each.

In:  a `Shape`. Out: a kernel. Not here: the models' shapes (`models.py`).

It is what `examples/smollm2` computes, cut where a cube core would hand over to a vector core. Attention
goes over the whole cache and masks what has not been read yet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import mpmd
from examples.smollm2.kernels import EPSILON, HEAD, MASKED, Weights, embed, pick, rotate_keys
from mpmd import In, InOut, Out, f32, i32

T, H, N, K, G, S, V, L, B = mpmd.dims("T H N K G S V L B")
SCALE = 1 / math.sqrt(HEAD)


@dataclass(frozen=True, slots=True)
class Shape:
    """`group` query heads share each of `kv` key/value heads."""

    layers: int
    hidden: int
    wide: int
    group: int
    kv: int
    vocabulary: int


@dataclass(frozen=True)
class Cache:
    """Keys and values of every position read so far, of `B` key/value heads."""

    keys: InOut[f32, L, B, S, HEAD]
    values: InOut[f32, L, B, S, HEAD]


@mpmd.task
def normalise(x: In[f32, T, H], norm: In[f32, H], y: Out[f32, T, H]):
    v = x[:]
    y[:] = v * mpmd.rsqrt((v * v).mean(1) + EPSILON)[:, None] * norm[:]


@mpmd.task
def product(x: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N]):
    y[:] = x[:] @ w[:].T


@mpmd.task
def rotate_queries(
    q: In[f32, G, HEAD], cos: In[f32, 1, HEAD // 2], sin: In[f32, 1, HEAD // 2], y: Out[f32, G, HEAD]
):
    a = q[:, : HEAD // 2]
    b = q[:, HEAD // 2 :]
    y[:, : HEAD // 2] = (a * cos[:] - b * sin[:]) * SCALE
    y[:, HEAD // 2 :] = (a * sin[:] + b * cos[:]) * SCALE


@mpmd.task
def soften(scores: In[f32, G, S], pos: i32, y: Out[f32, G, S]):
    """Softmax over the positions up to `pos`."""
    s = mpmd.where(mpmd.arange(S)[None, :] <= pos, scores[:], MASKED)
    e = mpmd.exp(s - s.max(1)[:, None])
    y[:] = e / e.sum(1)[:, None]


@mpmd.task
def mix(p: In[f32, G, S], values: In[f32, S, HEAD], y: Out[f32, G, HEAD]):
    y[:] = p[:] @ values[:]


@mpmd.task
def add(a: In[f32, T, N], b: In[f32, T, N], y: Out[f32, T, N]):
    y[:] = a[:] + b[:]


@mpmd.task
def gate(g: In[f32, T, N], u: In[f32, T, N], y: Out[f32, T, N]):
    v = g[:]
    y[:] = v * mpmd.sigmoid(v) * u[:]


def decode(shape: Shape) -> Any:
    """The kernel of a model with so many heads."""
    group, kv = shape.group, shape.kv

    def normalised(x, norm):
        y = mpmd.empty(x.shape, f32)
        normalise(x, norm, y)
        return y

    def times(x, w):
        y = mpmd.empty((1, w.shape[0]), f32)
        for t in mpmd.tiles(w.shape[0]):
            product(x, w[t], y[:, t])
        return y

    def plus(a, b):
        y = mpmd.empty(a.shape, f32)
        add(a, b, y)
        return y

    def attended(heads, keys, values, cos, sin, pos, here):
        mixed = mpmd.empty((group * kv, HEAD), f32)
        for g in range(kv):
            k, v = group * kv + g, (group + 1) * kv + g
            rotate_keys(heads[k : k + 1], heads[v : v + 1], cos, sin, keys[g, here], values[g, here])
            rows = slice(g * group, (g + 1) * group)
            rotated, scores, shares = (
                mpmd.empty((group, n), f32) for n in (HEAD, keys.shape[1], keys.shape[1])
            )
            rotate_queries(heads[rows], cos, sin, rotated)
            product(rotated, keys[g], scores)
            soften(scores, pos, shares)
            mix(shares, values[g], mixed[rows])
        return mixed.reshape((1, group * kv * HEAD))

    @mpmd.kernel
    def separated(
        weights: Weights,
        cache: Cache,
        token: In[i32, 1],
        logits: Out[f32, 1, V],
        successor: Out[i32, 1],
        pos: i32,
    ):
        w, here = weights, slice(pos, pos + 1)
        x = mpmd.empty((1, shape.hidden), f32)
        embed(token, w.table, x)
        for n in range(shape.layers):
            flat = times(normalised(x, w.attention_norm[n]), w.qkv[n])
            heads = flat.reshape(((group + 2) * kv, HEAD))
            joined = attended(heads, cache.keys[n], cache.values[n], w.cos[here], w.sin[here], pos, here)
            x = plus(x, times(joined, w.out[n]))
            inner = normalised(x, w.mlp_norm[n])
            wide = mpmd.empty((1, shape.wide), f32)
            gate(times(inner, w.gate[n]), times(inner, w.up[n]), wide)
            x = plus(x, times(wide, w.down[n]))
        final = normalised(x, w.final_norm)
        for t in mpmd.tiles(shape.vocabulary):
            product(final, w.table[t], logits[:, t])
        pick(logits, successor)

    return separated
