"""The Ascend judge on whole kernels: right ones run clean, and no sync is taken away unseen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from mpmd.runtime.ascend_sim import Findings, Simulated, compile_text
from tests.host.ascend_mutants import named, statements

SEEDS = range(16)
GROUPS = 2
CHAIN = Path(__file__).with_name("ascend_chain.h")

Run = Callable[[int, Iterable[int]], tuple[Findings, float]]
"""A seed and sites to drop: what was found, and the largest error of the result."""


def simulated(path: Path) -> Simulated:
    return compile_text(((path.name, path.read_text()),), main=path.name, strict=True)


# -- a kernel of our own: tiles through group flags and through words ----------------------------


def chain_on(kernel: Simulated) -> Run:
    def run(seed: int, dropped: Iterable[int] = ()) -> tuple[Findings, float]:
        tiles, depth, m, k, n = 7, 2, 32, 64, 32
        values = np.random.default_rng(seed)
        x = values.standard_normal((tiles * m, k)).astype(np.float32)
        w = (values.standard_normal((k, n)) / 8).astype(ml_dtypes.bfloat16)
        h = np.zeros((GROUPS * depth * m, k), ml_dtypes.bfloat16)
        y, z = np.zeros((tiles * m, n), np.float32), np.zeros((tiles * m, n), np.float32)
        words = np.zeros((tiles, 16), np.int32)
        found = kernel.run(
            {"x": x, "w": w, "h": h, "y": y, "z": z, "words": words},
            groups=GROUPS, seed=seed, dropped=dropped, undefined=("h", "y", "z"),
        )  # fmt: skip
        softened = np.exp(x - x.max(1, keepdims=True)).astype(ml_dtypes.bfloat16).astype(np.float32)
        expected = np.maximum(softened @ w.astype(np.float32), 0) + np.float32(0.5)
        return found, float(np.abs(z - expected).max())

    return run


@pytest.fixture(scope="module")
def chain() -> Run:
    return chain_on(simulated(CHAIN))


TOLERANCE = 1e-3
"""A half or bfloat16 that rounds the other way, times a weight."""


def test_a_right_kernel_is_clean_and_right_whatever_the_seed(chain: Run) -> None:
    """Seven tiles on two groups with two slots each: every credit is used again."""
    for seed in SEEDS:
        found, error = chain(seed, ())
        assert found.reports == ()
        assert error < TOLERANCE


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_every_compiler_takes_the_headers_without_a_warning(
    compiler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    monkeypatch.setenv("CXX", compiler)
    assert chain_on(simulated(CHAIN))(0, ())[0].reports == ()


def test_nothing_of_its_sync_can_be_taken_away(chain: Run) -> None:
    """Whatever the seed: a statement, or a SetFlag with its WaitFlags."""
    found, _ = chain(0, ())
    units = statements(found)
    assert (len(found.sites), len(units)) == (34, 23)
    unseen = [named(found, unit) for unit in units for seed in range(4) if not chain(seed, unit)[0].reports]
    assert unseen == []


def test_half_a_pair_is_missed_too(chain: Run) -> None:
    found, _ = chain(0, ())
    assert [site for site in found.sites if not chain(0, (site.number,))[0].reports] == []


def test_the_same_seed_finds_the_same(chain: Run) -> None:
    for seed in range(4):
        first = chain(seed, (0, 1))[0]
        assert first.reports
        assert first == chain(seed, (0, 1))[0]


# -- a kernel by hand, unchanged, where it lies beside the checkout ------------------------------


def shared_example() -> Path | None:
    named_by_user = os.environ.get("MPMD_ASCEND_EXAMPLE")
    beside = Path(__file__).resolve().parents[3] / "shared" / "ascend" / "mix_kernel_example.h"
    candidate = Path(named_by_user) if named_by_user else beside
    return candidate if candidate.is_file() else None


@pytest.fixture(scope="module")
def example() -> Run:
    path = shared_example()
    if path is None:
        pytest.skip("mix_kernel_example.h is not here; MPMD_ASCEND_EXAMPLE names it")
    kernel = simulated(path)

    def run(seed: int, dropped: Iterable[int] = ()) -> tuple[Findings, float]:
        tiles, depth, m, k, n = 8, 2, 64, 128, 128
        values, rows = np.random.default_rng(seed), tiles * m
        x = values.standard_normal((rows, k)).astype(np.float16)
        w1 = (values.standard_normal((k, n)) / 11).astype(np.float16)
        w2 = (values.standard_normal((n, n)) / 11).astype(np.float16)
        p = np.zeros((GROUPS * depth * m, n), np.float32)
        h, y = np.zeros((rows, n), np.float16), np.zeros((rows, n), np.float32)
        words = np.zeros((tiles * 2, 16), np.int32)
        found = kernel.run(
            {"x": x, "w1": w1, "w2": w2, "p": p, "h": h, "y": y, "sig": words},
            groups=GROUPS, seed=seed, dropped=dropped, undefined=("p", "h", "y"),
        )  # fmt: skip
        product = x.astype(np.float32) @ w1.astype(np.float32)
        scale = np.sqrt((product * product).mean(1, keepdims=True) + np.float32(1e-6))
        expected = (product / scale).astype(np.float16).astype(np.float32) @ w2.astype(np.float32)
        return found, float(np.abs(y - expected).max())

    return run


def test_the_example_is_clean_and_right_whatever_the_seed(example: Run) -> None:
    for seed in SEEDS:
        found, error = example(seed, ())
        assert found.reports == ()
        assert error < TOLERANCE


def test_what_of_the_example_can_be_taken_away_is_implied_by_the_rest(example: Run) -> None:
    """`Signal` waits for MTE3, which has waited for V: what is issued after that is after both.

    A word's reader issues what comes next after reading it. A kernel's end waits for all pipes by itself.
    """
    found, _ = example(0, ())
    units = statements(found)
    assert (len(found.sites), len(units)) == (46, 35)
    assert [named(found, unit) for unit in units if not example(0, unit)[0].reports] == [
        "line 59 SetFlag MTE3_V 0 + line 59 WaitFlag MTE3_V 0",
        "line 60 SetFlag V_MTE2 0 + line 60 WaitFlag V_MTE2 0",
        "line 64 PipeBarrier ALL",
        "line 98 PipeBarrier ALL",
    ]
