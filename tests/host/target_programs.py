"""The programs of the target matrix: one source each, small arguments, and how exact results have to be.

In:  a name, a seed. Out: `Case`: a kernel, what to call it with, tolerances.
Not here: targets (`target_matrix.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

import mpmd
from examples import cholesky, flash_attention, hello, jacobi, mlp, pipeline
from examples.smollm2 import kernels as smollm2
from tests.host import short_cholesky
from tests.host.short_mlp import short_mlp

TOLERANCES: Mapping[Any, float] = {
    np.dtype(np.float64): 1e-12,
    np.dtype(np.float32): 1e-5,
    np.dtype(np.float16): 2e-3,
    np.dtype(ml_dtypes.bfloat16): 1.6e-2,
}
"""By the dtype of a result, of its largest element: sums are added up in another order on each target, and
what is rounded to 16 bits is rounded twice. Integers are equal."""


@dataclass(frozen=True)
class Case:
    """A kernel with the arguments of one call; results are written into them."""

    kernel: mpmd.Kernel
    arguments: tuple[Any, ...]


def case(program: str, seed: int = 0) -> Case:
    """Fresh arrays: the same for each seed."""
    return PROGRAMS[program](np.random.default_rng(seed))


def _hello(random: np.random.Generator) -> Case:
    x = random.standard_normal(1000).astype(np.float32)
    return Case(hello.hello, (x, np.zeros_like(x)))


def _mlp(kernel: mpmd.Kernel, dtype: Any) -> Callable[[np.random.Generator], Case]:
    def made(random: np.random.Generator) -> Case:
        rows, hidden, wide = 24, 48, 80
        shapes = (rows, hidden), (wide, hidden), (wide, hidden), (hidden, wide)
        arrays = [(random.standard_normal(s) / np.sqrt(s[-1])).astype(dtype) for s in shapes]
        return Case(kernel, (*arrays, np.zeros((rows, hidden), dtype)))

    return made


def _attention(random: np.random.Generator) -> Case:
    q, k, v = (random.standard_normal((2, 70, 16)).astype(np.float32) for _ in range(3))
    return Case(flash_attention.attention, (q, k, v, np.zeros_like(q), 0.25))


def _cholesky(random: np.random.Generator) -> Case:
    a = random.standard_normal((150, 150))
    return Case(cholesky.cholesky, (a @ a.T + 150 * np.eye(150),))


def _short_cholesky(random: np.random.Generator) -> Case:
    a = random.standard_normal((90, 90))
    return Case(short_cholesky.cholesky, ((a @ a.T + 90 * np.eye(90)).astype(np.float32),))


def _pipeline(random: np.random.Generator) -> Case:
    a, b = (random.standard_normal(s).astype(np.float32) for s in ((70, 16), (48, 16)))
    return Case(pipeline.weights, (a, b, np.zeros((70, 48), np.float32)))


def _stencil(random: np.random.Generator) -> Case:
    grid = random.random((19, 19)).astype(np.float32)
    return Case(jacobi.jacobi, (grid, grid.copy(), 2, 0.0))


def _decode(random: np.random.Generator) -> Case:
    """Two layers of SmolLM2's decode step: its heads, with fewer words and a narrower MLP."""
    layers, wide, vocabulary, context = 2, 96, 64, 32
    heads = smollm2.KV * (smollm2.GROUP + 2) * smollm2.HEAD
    hidden = smollm2.KV * smollm2.GROUP * smollm2.HEAD

    def weights(*shape: int) -> np.ndarray:
        return (random.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)

    angles = np.arange(context)[:, None] / 100 ** (np.arange(smollm2.HEAD // 2) / smollm2.HEAD)
    model = smollm2.Weights(
        table=weights(vocabulary, hidden), attention_norm=weights(layers, hidden),
        qkv=weights(layers, heads, hidden), out=weights(layers, hidden, hidden),
        mlp_norm=weights(layers, hidden), gate=weights(layers, wide, hidden),
        up=weights(layers, wide, hidden), down=weights(layers, hidden, wide), final_norm=weights(hidden),
        cos=np.cos(angles).astype(np.float32), sin=np.sin(angles).astype(np.float32),
    )  # fmt: skip
    cache = [weights(layers, smollm2.KV, context, smollm2.HEAD) for _ in range(2)]
    token = np.array([7], np.int32)
    logits = np.zeros((1, vocabulary), np.float32)
    return Case(smollm2.decode, (model, smollm2.Cache(*cache), token, logits, np.zeros(1, np.int32), 5))


PROGRAMS: Mapping[str, Callable[[np.random.Generator], Case]] = {
    "hello": _hello,
    "mlp f32": _mlp(mlp.mlp, np.float32),
    "mlp f16": _mlp(short_mlp(mpmd.f16), np.float16),
    "mlp bf16": _mlp(short_mlp(mpmd.bf16), ml_dtypes.bfloat16),
    "flash attention": _attention,
    "Cholesky": _cholesky,
    "Cholesky f32": _short_cholesky,
    "pipeline": _pipeline,
    "stencil": _stencil,
    "SmolLM2 decode": _decode,
}
