"""The decode step of real models as programs, from their shapes alone.

In:  nothing. Out: `Program`s. Not here: weights, text (`examples/smollm2`).

SmolLM2 is the example's own kernel. Llama-3.2-1B is made of the example's tasks, with attention and a
cache of its own: it has four query heads to a key/value head, and eight of those.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import mpmd
from bench.separated import Cache as AnyCache
from bench.separated import Shape, decode
from examples.smollm2.kernels import (
    HEAD,
    MASKED,
    Weights,
    add_linear,
    embed,
    norm_linear,
    pick,
    rotate_keys,
    swiglu,
)
from examples.smollm2.kernels import Cache as SmallCache
from examples.smollm2.kernels import decode as smollm2
from mpmd import In, InOut, Out, f32, i32
from mpmd.lang.kernel.trace import trace
from mpmd.lang.program import Program
from mpmd.machine import Machine
from mpmd.pipeline import arguments, specs_of

CAPACITY = 2048
GROUP, KV = 4, 8  # of Llama-3.2-1B

T, S, V, L = mpmd.dims("T S V L")
SCALE = 1 / math.sqrt(HEAD)


@mpmd.task
def attend(
    q: In[f32, T, GROUP, HEAD],
    cos: In[f32, T, HEAD // 2],
    sin: In[f32, T, HEAD // 2],
    keys: In[f32, S, HEAD],
    values: In[f32, S, HEAD],
    pos: i32,
    y: Out[f32, T, GROUP, HEAD],
):
    """The example's attention of one group, with as many queries as this model has."""
    a = q[:, :, : HEAD // 2]
    b = q[:, :, HEAD // 2 :]
    c = cos[:][:, None, :]
    s = sin[:][:, None, :]
    qa = (a * c - b * s).reshape((T * GROUP, HEAD // 2))
    qb = (a * s + b * c).reshape((T * GROUP, HEAD // 2))
    scores = (qa @ keys[: pos + T, : HEAD // 2].T + qb @ keys[: pos + T, HEAD // 2 :].T) * SCALE
    last = pos + mpmd.arange(T * GROUP) // GROUP
    scores = mpmd.where(mpmd.arange(pos + T)[None, :] <= last[:, None], scores, MASKED)
    e = mpmd.exp(scores - scores.max(1)[:, None])
    mixed = (e @ values[: pos + T]) / e.sum(1)[:, None]
    y[:] = mixed.reshape((T, GROUP, HEAD))


@dataclass(frozen=True)
class Cache:
    """Keys and values of every position read so far."""

    keys: InOut[f32, L, KV, S, HEAD]
    values: InOut[f32, L, KV, S, HEAD]


def layer(x, weights: Weights, cache: Cache, number, pos):
    """One layer on one token. Plain Python, traced inline."""
    w, hidden, here = weights, x.shape[1], slice(pos, pos + 1)
    heads = mpmd.empty((1, GROUP * KV + 2 * KV, HEAD), f32)
    flat = heads.reshape((1, (GROUP + 2) * KV * HEAD))
    for t in mpmd.tiles((GROUP + 2) * KV * HEAD):
        norm_linear(x, w.attention_norm[number], w.qkv[number, t], flat[:, t])
    mixed = mpmd.empty((1, GROUP * KV, HEAD), f32)
    for g in range(KV):
        keys, values = cache.keys[number, g], cache.values[number, g]
        k, v = heads[:, GROUP * KV + g], heads[:, (GROUP + 1) * KV + g]
        rotate_keys(k, v, w.cos[here], w.sin[here], keys[here], values[here])
        group = slice(g * GROUP, (g + 1) * GROUP)
        attend(heads[:, group], w.cos[here], w.sin[here], keys, values, pos, mixed[:, group])
    joined = mixed.reshape((1, hidden))
    after = mpmd.empty((1, hidden), f32)
    for t in mpmd.tiles(hidden):
        add_linear(joined, w.out[number, t], x[:, t], after[:, t])
    wide = mpmd.empty((1, w.gate.shape[1]), f32)
    for t in mpmd.tiles(w.gate.shape[1]):
        swiglu(after, w.mlp_norm[number], w.gate[number, t], w.up[number, t], wide[:, t])
    out = mpmd.empty((1, hidden), f32)
    for t in mpmd.tiles(hidden):
        add_linear(wide, w.down[number, t], after[:, t], out[:, t])
    return out


@mpmd.kernel
def llama(
    weights: Weights,
    cache: Cache,
    token: In[i32, 1],
    logits: Out[f32, 1, V],
    successor: Out[i32, 1],
    pos: i32,
):
    """One token at position `pos`: its logits and their argmax."""
    x = mpmd.empty((1, weights.table.shape[1]), f32)
    embed(token, weights.table, x)
    for number in range(weights.qkv.shape[0]):
        x = layer(x, weights, cache, number, pos)
    for t in mpmd.tiles(weights.table.shape[0]):
        norm_linear(x, weights.final_norm, weights.table[t], logits[:, t])
    pick(logits, successor)


SMOLLM2 = Shape(layers=30, hidden=576, wide=1536, group=3, kv=3, vocabulary=49152)
LLAMA = Shape(layers=16, hidden=2048, wide=8192, group=GROUP, kv=KV, vocabulary=128256)


def decodes(machine: Machine, *, layers: int | None = None) -> Iterator[tuple[str, Program]]:
    """Names and programs, of all layers or so many. Where no core does both, tasks are products or free of
    them."""
    apart = all(min(kind.rates) <= 0 for kind in machine.kinds)
    for name, shape, kernel, cache in (
        ("SmolLM2-135M", SMOLLM2, smollm2, SmallCache),
        ("Llama-3.2-1B", LLAMA, llama, Cache),
    ):
        shape = shape if layers is None else replace(shape, layers=layers)
        yield name, _traced(decode(shape), AnyCache, shape) if apart else _traced(kernel, cache, shape)


def _traced(kernel: Any, cache: Any, shape: Shape) -> Program:
    """The program of a decode kernel; no array is made."""
    layers, hidden, wide, group, kv = shape.layers, shape.hidden, shape.wide, shape.group, shape.kv
    vocabulary = shape.vocabulary
    shapes = {
        "table": (vocabulary, hidden), "attention_norm": (layers, hidden),
        "qkv": (layers, (group + 2) * kv * HEAD, hidden), "out": (layers, hidden, group * kv * HEAD),
        "mlp_norm": (layers, hidden), "gate": (layers, wide, hidden), "up": (layers, wide, hidden),
        "down": (layers, hidden, wide), "final_norm": (hidden,), "cos": (CAPACITY, HEAD // 2),
        "sin": (CAPACITY, HEAD // 2),
    }  # fmt: skip
    weights: dict[str, Any] = {name: mpmd.spec(f32, shape) for name, shape in shapes.items()}
    cached: Any = mpmd.spec(f32, (layers, kv, CAPACITY, HEAD))
    one, logits = mpmd.spec(i32, (1,)), mpmd.spec(f32, (1, vocabulary))
    given = (Weights(**weights), cache(cached, cached), one, logits, one, 0)
    return trace(kernel.function, specs_of(kernel, arguments(kernel, given, {})))
