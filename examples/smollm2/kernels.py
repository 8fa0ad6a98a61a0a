"""SmolLM2's forward pass as mpmd tasks, and the kernels made of them: prefill, decode and generate.

In:  a `Model`. Out: a `Session` that holds the key/value cache and feeds tokens through the kernels.
Not here: text (`tokenizer.py`), reading files (`weights.py`).

One decode step is one launch: embedding, all layers, final norm, output head and argmax. The
position is a runtime scalar, so one compiled kernel serves every step. `generate` repeats the step inside
of the launch, feeding itself, until the answer ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

import mpmd
from mpmd import Const, In, InOut, Out, f32, i32

from .weights import Model, rope_tables

HEAD = 64  # elements of a head
GROUP = 3  # query heads that share a key/value head
KV = 3  # key/value heads
CHUNK = 64  # prompt tokens that one prefill launch takes

T, H, F, M, N, K, L, P, V, S = mpmd.dims("T H F M N K L P V S")
EPSILON = 1e-5
SCALE = 1 / math.sqrt(HEAD)
MASKED = -1e30


@mpmd.task
def embed(tokens: In[i32, T], table: In[f32, V, H], x: Out[f32, T, H]):
    x[:] = table[tokens[:]]


@mpmd.task
def norm_linear(x: In[f32, T, H], norm: In[f32, H], w: In[f32, N, H], y: Out[f32, T, N]):
    """RMSNorm is recomputed by every tile: cheaper than waiting for one core to do it."""
    v = x[:]
    h = v * mpmd.rsqrt((v * v).mean(1) + EPSILON)[:, None] * norm[:]
    y[:] = h @ w[:].T


@mpmd.task
def rotate_keys(
    k: In[f32, T, HEAD],
    v: In[f32, T, HEAD],
    cos: In[f32, T, HEAD // 2],
    sin: In[f32, T, HEAD // 2],
    keys: Out[f32, T, HEAD],
    values: Out[f32, T, HEAD],
):
    a = k[:, : HEAD // 2]
    b = k[:, HEAD // 2 :]
    keys[:, : HEAD // 2] = a * cos[:] - b * sin[:]
    keys[:, HEAD // 2 :] = a * sin[:] + b * cos[:]
    values[:] = v[:]


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
    """The queries of one group, as rows (token, head), against all keys up to their own."""
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


@mpmd.task
def add_linear(a: In[f32, T, K], w: In[f32, N, K], x: In[f32, T, N], y: Out[f32, T, N]):
    y[:] = x[:] + a[:] @ w[:].T


@mpmd.task
def swiglu(x: In[f32, T, H], norm: In[f32, H], gate: In[f32, N, H], up: In[f32, N, H], y: Out[f32, T, N]):
    v = x[:]
    h = v * mpmd.rsqrt((v * v).mean(1) + EPSILON)[:, None] * norm[:]
    g = h @ gate[:].T
    y[:] = g * mpmd.sigmoid(g) * (h @ up[:].T)


@mpmd.task
def pick(logits: In[f32, T, V], token: Out[i32, T]):
    token[:] = logits[:].argmax(1)


@mpmd.task
def is_last(token: In[i32, 1], last: i32, ended: Out[i32, 1]):
    ended[:] = token[:] == last


@dataclass(frozen=True)
class Weights:
    """The weights of all layers, stacked, and the tables of the rotations."""

    table: Const[f32, V, H]
    attention_norm: Const[f32, L, H]
    qkv: Const[f32, L, N, H]
    out: Const[f32, L, H, K]
    mlp_norm: Const[f32, L, H]
    gate: Const[f32, L, F, H]
    up: Const[f32, L, F, H]
    down: Const[f32, L, H, F]
    final_norm: Const[f32, H]
    cos: Const[f32, S, HEAD // 2]
    sin: Const[f32, S, HEAD // 2]


@dataclass(frozen=True)
class Cache:
    """Keys and values of every position read so far."""

    keys: InOut[f32, L, KV, S, HEAD]
    values: InOut[f32, L, KV, S, HEAD]


def layers(x, tokens, weights: Weights, cache: Cache, pos):
    """All layers on the first `tokens` rows of `x`, from position `pos`: plain Python, traced inline.

    Returns the last residual stream. `tokens` is a number or, in prefill, a runtime scalar.
    """
    w, keys, values = weights, cache.keys, cache.values
    rows, hidden = x.shape
    head_count = GROUP * KV + 2 * KV
    n, here = slice(0, tokens), slice(pos, pos + tokens)
    cos, sin = w.cos[here], w.sin[here]
    for layer in range(w.qkv.shape[0]):
        heads = mpmd.empty((rows, head_count, HEAD), f32)
        flat = heads.reshape((rows, head_count * HEAD))
        for t in mpmd.tiles(head_count * HEAD):
            norm_linear(x[n], w.attention_norm[layer], w.qkv[layer, t], flat[n, t])
        mixed = mpmd.empty((rows, GROUP * KV, HEAD), f32)
        for g in range(KV):
            k, v = heads[n, GROUP * KV + g], heads[n, GROUP * KV + KV + g]
            rotate_keys(k, v, cos, sin, keys[layer, g, here], values[layer, g, here])
            group = slice(g * GROUP, (g + 1) * GROUP)
            attend(heads[n, group], cos, sin, keys[layer, g], values[layer, g], pos, mixed[n, group])
        after = mpmd.empty((rows, hidden), f32)
        joined = mixed.reshape((rows, hidden))
        for t in mpmd.tiles(hidden):
            add_linear(joined[n], w.out[layer, t], x[n, t], after[n, t])
        wide = mpmd.empty((rows, w.gate.shape[1]), f32)
        for t in mpmd.tiles(w.gate.shape[1]):
            swiglu(after[n], w.mlp_norm[layer], w.gate[layer, t], w.up[layer, t], wide[n, t])
        x = mpmd.empty((rows, hidden), f32)
        for t in mpmd.tiles(hidden):
            add_linear(wide[n], w.down[layer, t], after[n, t], x[n, t])
    return x


@mpmd.kernel
def prefill(weights: Weights, cache: Cache, tokens: In[i32, CHUNK], count: i32, pos: i32):
    """Writes the keys and values of `count` prompt tokens from position `pos` into the cache."""
    x = mpmd.empty((CHUNK, H), f32)
    embed(tokens[:count], weights.table, x[:count])
    layers(x, count, weights, cache, pos)


def score(weights: Weights, cache: Cache, token, logits, pos):
    """One token at position `pos`: its logits. Traced inline."""
    x = mpmd.empty((1, H), f32)
    embed(token, weights.table, x)
    x = layers(x, 1, weights, cache, pos)
    for t in mpmd.tiles(V):
        norm_linear(x, weights.final_norm, weights.table[t], logits[:, t])


@mpmd.kernel
def decode(
    weights: Weights,
    cache: Cache,
    token: In[i32, 1],
    logits: Out[f32, 1, V],
    successor: Out[i32, 1],
    pos: i32,
):
    """One token at position `pos`: its logits and their argmax."""
    score(weights, cache, token, logits, pos)
    pick(logits, successor)


@mpmd.kernel
def generate(
    weights: Weights,
    cache: Cache,
    tokens: InOut[i32, P],
    logits: InOut[f32, M, V],
    ended: InOut[i32, 1],
    count: i32,
    pos: i32,
    last: i32,
):
    """`count` steps from `tokens[0]` at position `pos`, or fewer: the answer ends with token `last`."""
    for i in mpmd.loop(count, until=ended[0]):
        row, successor = logits[i : i + 1], tokens[i + 1 : i + 2]
        score(weights, cache, tokens[i : i + 1], row, pos + i)
        pick(row, successor)
        is_last(successor, last, ended)


def weights_of(model: Model, capacity: int) -> Weights:
    """What the kernels read, for so many positions."""
    cos, sin = rope_tables(model, capacity)
    arrays: dict[str, Any] = {"table": model.embedding, "cos": cos, "sin": sin}
    for field in fields(Weights):
        if field.name not in arrays:
            arrays[field.name] = getattr(model, field.name)
    return Weights(**arrays)


class Session:
    """One conversation: the cache, the compiled kernels, and the position reached.

    `capacity` is the largest number of positions, `ahead` of tokens that a launch may generate; `cores` the
    number of threads (None: all).
    """

    def __init__(
        self, model: Model, *, capacity: int = 2048, ahead: int = 1, cores: int | None = None
    ) -> None:
        if (model.head_size, model.heads, model.kv_heads) != (HEAD, GROUP * KV, KV):
            raise SystemExit("These kernels are written for 9 query heads and 3 key/value heads of 64.")
        shape = (model.layers, KV, capacity, HEAD)
        arrays: list[Any] = [np.zeros(shape, np.float32) for _ in range(2)]
        self.cache, self.cache_bytes = Cache(*arrays), sum(array.nbytes for array in arrays)
        self.logits = np.empty((ahead, len(model.embedding)), np.float32)
        self.position, self.capacity, self.ahead = 0, capacity, ahead
        weights = weights_of(model, capacity)
        tokens, one = np.zeros(CHUNK, np.int32), np.zeros(1, np.int32)
        compiled = mpmd.compile(prefill, weights, self.cache, tokens, 1, 0, cores=cores)
        self._prefill = compiled.bind(weights=weights)
        if ahead == 1:
            ends = (one, self.logits, one.copy(), 0)
            compiled = mpmd.compile(decode, weights, self.cache, *ends, cores=cores)
        else:
            ends = (np.zeros(ahead + 1, np.int32), self.logits, one, 0, 0, 0)
            compiled = mpmd.compile(generate, weights, self.cache, *ends, cores=cores)
        self._decode = compiled.bind(weights=weights)

    def read(self, tokens: list[int]) -> None:
        """Put prompt tokens into the cache, a chunk a launch."""
        for start in range(0, len(tokens), CHUNK):
            part = tokens[start : start + CHUNK]
            chunk = np.zeros(CHUNK, np.int32)
            chunk[: len(part)] = part
            self._prefill(self.cache, chunk, len(part), self.position)
            self.position += len(part)

    def answer(self, token: int, most: int, last: int) -> list[int]:
        """Feed a token in one launch; returns the most probable next ones, up to `most` or `ahead`.

        The answer ends with token `last`. Row `i` of `self.logits` is what token `i` was picked from.
        """
        if self.ahead == 1:
            given, chosen = np.array([token], np.int32), np.empty(1, np.int32)
            self._decode(self.cache, given, self.logits, chosen, self.position)
        else:
            count = min(most, self.ahead, self.capacity - self.position)
            tokens, ended = np.full(self.ahead + 1, token, np.int32), np.zeros(1, np.int32)
            self._decode(self.cache, tokens, self.logits, ended, count, self.position, last)
            stop = np.flatnonzero(tokens[1 : count + 1] == last)
            chosen = tokens[1 : 1 + (int(stop[0]) + 1 if len(stop) else count)]
        self.position += len(chosen)
        return chosen.tolist()
