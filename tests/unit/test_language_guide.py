"""The language guide says what is so: its examples run, and it names every op and function."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mpmd
from mpmd.lang import functions
from mpmd.lang.evaluate import evaluate
from mpmd.lang.evaluate_task import run_task
from mpmd.lang.kernel.trace import trace
from mpmd.lang.surface import OpFunction
from mpmd.lang.types import DTYPES, Direction, TensorSpec, f32

GUIDE = Path(__file__).parents[2] / "docs" / "language.md"


@pytest.fixture(scope="module")
def names() -> Iterator[dict[str, Any]]:
    """What the guide's Python blocks define, run in order as one file."""
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    code = "\n".join(blocks)
    lines = code.splitlines(keepends=True)
    linecache.cache[str(GUIDE)] = (len(code), None, lines, str(GUIDE))
    defined: dict[str, Any] = {}
    exec(compile(code, str(GUIDE), "exec"), defined)
    yield defined
    del linecache.cache[str(GUIDE)]


def _float_spec(*shape: int) -> TensorSpec:
    return TensorSpec(f32, shape)


def test_the_first_example_computes_what_it_says(names: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.random((5, 4), np.float32), rng.random((70, 4), np.float32)
    y, z = np.zeros((5, 70), np.float32), np.zeros((5, 70), np.float32)
    mpmd.debug(names["gated"])(x, w, y)
    program = trace(
        names["gated"].function, {"x": _float_spec(5, 4), "w": _float_spec(70, 4), "y": _float_spec(5, 70)}
    )
    evaluate(program, {"x": x, "w": w, "y": z})
    g = x @ w.T
    np.testing.assert_allclose(y, g / (1 + np.exp(-g)), rtol=1e-5)
    assert y.tobytes() == z.tobytes()


def test_the_example_of_a_dynamic_dim_serves_every_extent(names: dict[str, Any]) -> None:
    kernel, rng = names["prefill"], np.random.default_rng(0)
    specs = {"x": _float_spec(1, 4), "w": _float_spec(4, 4), "y": _float_spec(1, 4)}
    program = trace(kernel.function, specs, kernel.dynamic)
    for extent in (0, 1, 16, 37):
        x, w, y = (
            rng.random((extent, 4), np.float32),
            rng.random((4, 4), np.float32),
            np.zeros((extent, 4), np.float32),
        )
        evaluate(program, {"x": x, "w": w, "y": y})
        np.testing.assert_allclose(y, x @ w.T @ w.T, rtol=1e-5)


def test_the_other_examples_run(names: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    row, q = rng.random(4, np.float32), rng.random((3, 4), np.float32)
    cache, y = np.zeros((8, 4), np.float32), np.zeros((3, 8), np.float32)
    mpmd.debug(names["step"])(row, q, 2, cache, y)
    assert np.array_equal(cache[2], row)
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-5)
    assert [np.count_nonzero(line) for line in y] == [3, 4, 5]


def test_the_examples_of_ragged_pieces_and_of_bundles_run(names: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.random((9, 4), np.float32), rng.random((3, 2, 4), np.float32)
    y = np.zeros((9, 2), np.float32)
    mpmd.debug(names["experts"])(x, w, np.array([1, 3, 3, 8], np.int32), y)
    np.testing.assert_allclose(y[1:3], x[1:3] @ w[0].T, rtol=1e-5)
    np.testing.assert_allclose(y[3:8], x[3:8] @ w[2].T, rtol=1e-5)
    assert not y[[0, 8]].any()
    layers = [
        names["Gated"](rng.random((2, 4), np.float32), rng.random((4, 2), np.float32)) for _ in range(2)
    ]
    z = np.zeros_like(x)
    mpmd.debug(names["gates"])(layers, x, z)
    for layer in layers:
        g = x @ layer.up.T
        x = (g / (1 + np.exp(-g))) @ layer.down.T
    np.testing.assert_allclose(z, x, rtol=1e-5)


def test_the_example_of_inline_functions_runs(names: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    x, w, y = rng.random((5, 4), np.float32), rng.random(4, np.float32), np.zeros((5, 4), np.float32)
    run_task(names["norm"].definition, {"x": x, "w": w, "y": y}, {}, {"T": 5, "H": 4})
    np.testing.assert_allclose(y, w * x / np.sqrt((x * x).mean(axis=1, keepdims=True) + 1e-6), rtol=1e-5)


def test_the_example_of_channels_runs(names: dict[str, Any]) -> None:
    x, y = np.random.default_rng(0).random((8, 3), np.float32), np.zeros((4, 3), np.float32)
    mpmd.debug(names["folded"])(x, y)
    np.testing.assert_array_equal(y, np.maximum(x[:4], x[4:]))


def test_every_name_is_mentioned() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    words = set(re.findall(r"\w+", text))
    wanted = {n for n, v in vars(functions).items() if isinstance(v, OpFunction)}
    wanted |= {"bool_" if name == "bool" else name for name in DTYPES}
    wanted |= {direction.value for direction in Direction}
    assert wanted - words == set()
