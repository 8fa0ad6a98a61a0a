"""The peer of the decode benchmark: the same model and weights in torch eager, as a user writes it.

In:  lines on stdin, each a number of decode steps. Out: a line for each, the mean seconds of a step.
It is a process of its own, so that no thread of ours is in its way. Its best settings: inference mode,
one bound thread per core, fused SDPA and rms_norm, a preallocated cache, argmax in the step.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
import torch.nn.functional as nn  # pyright: ignore[reportMissingImports]

from bench.measure import timed
from examples.smollm2.weights import Model, find_gguf, load, read, rope_tables


def decoder(model: Model, *, position: int, capacity: int, threads: int) -> Callable[[int], int]:
    """One greedy step at `position`: token in, token out."""
    torch.set_num_threads(threads)
    hidden = model.embedding.shape[1]
    size, group = model.head_size, model.heads // model.kv_heads
    split = [model.heads * size, model.kv_heads * size, model.kv_heads * size]
    names = ("attention_norm", "qkv", "out", "mlp_norm", "gate", "up", "down")
    layers = [tuple(torch.from_numpy(getattr(model, name)[i]) for name in names) for i in range(model.layers)]
    embedding, final_norm = torch.from_numpy(model.embedding), torch.from_numpy(model.final_norm)
    cos, sin = (torch.from_numpy(np.concatenate([t, t], axis=1)) for t in rope_tables(model, capacity))
    keys, values = torch.zeros((2, model.layers, model.kv_heads, capacity, size)).unbind(0)
    c, s = cos[position], sin[position]

    def rotate(x: torch.Tensor) -> torch.Tensor:
        a, b = x.chunk(2, dim=-1)
        return x * c + torch.cat([-b, a], dim=-1) * s

    @torch.inference_mode()
    def step(token: int) -> int:
        x = embedding[token]
        for i, (norm1, qkv, out, norm2, gate, up, down) in enumerate(layers):
            h = nn.rms_norm(x, (hidden,), norm1, model.epsilon)
            q, k, v = nn.linear(h, qkv).split(split)
            keys[i, :, position] = rotate(k.view(model.kv_heads, size))
            values[i, :, position] = v.view(model.kv_heads, size)
            q = rotate(q.view(model.kv_heads, group, size))
            mixed = nn.scaled_dot_product_attention(
                q[None], keys[None, i, :, : position + 1], values[None, i, :, : position + 1]
            )
            x = x + nn.linear(mixed.reshape(-1), out)
            h = nn.rms_norm(x, (hidden,), norm2, model.epsilon)
            x = x + nn.linear(nn.silu(nn.linear(h, gate)) * nn.linear(h, up), down)
        logits = nn.linear(nn.rms_norm(x, (hidden,), final_norm, model.epsilon), embedding)
        return int(logits.argmax())

    return step


def main() -> None:
    position, capacity, threads = map(int, sys.argv[1:])
    model = load(read(find_gguf()))
    step = decoder(model, position=position, capacity=capacity, threads=threads)
    for line in sys.stdin:
        print(timed(lambda: step(1), int(line)), flush=True)


if __name__ == "__main__":
    main()
