"""SmolLM2 in plain NumPy: what the compiled kernels are held against.

In:  the model and a sequence of token ids. Out: the logits after every position.
Not here: caches, tiles, threads; the whole sequence is computed at once.
"""

from __future__ import annotations

import numpy as np

from .weights import Array, Model, rope_tables


def logits(model: Model, tokens: list[int], first: int = 0) -> Array:
    """Logits [len(tokens) − first, V] after each position from `first` on."""
    x = model.embedding[np.asarray(tokens)]
    for layer in range(model.layers):
        x = x + _attention(model, layer, _rmsnorm(x, model.attention_norm[layer], model.epsilon))
        h = _rmsnorm(x, model.mlp_norm[layer], model.epsilon)
        gate = h @ model.gate[layer].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ model.up[layer].T)) @ model.down[layer].T
    return _rmsnorm(x[first:], model.final_norm, model.epsilon) @ model.embedding.T


def _rmsnorm(x: Array, weight: Array, epsilon: float) -> Array:
    scale = 1 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.float32(epsilon))
    return (x * scale * weight).astype(np.float32, copy=False)


def _attention(model: Model, layer: int, h: Array) -> Array:
    count, size = len(h), model.head_size
    split = [model.heads, model.heads + model.kv_heads]
    heads = (h @ model.qkv[layer].T).reshape(count, -1, size).swapaxes(0, 1)
    q, k, v = np.split(heads, split)
    q, k = _rotate(model, q), _rotate(model, k)
    group = model.heads // model.kv_heads
    k, v = np.repeat(k, group, axis=0), np.repeat(v, group, axis=0)
    scores = q @ k.swapaxes(1, 2) / np.float32(np.sqrt(size))
    scores = np.where(np.tri(count, dtype=bool), scores, np.float32(-np.inf))
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = weights / weights.sum(axis=-1, keepdims=True) @ v
    rows = mixed.swapaxes(0, 1).reshape(count, -1).astype(np.float32, copy=False)
    return rows @ model.out[layer].T


def _rotate(model: Model, x: Array) -> Array:
    cos, sin = rope_tables(model, x.shape[1])
    a, b = np.split(x, 2, axis=-1)
    rotated = np.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)
    return rotated.astype(np.float32, copy=False)
