"""Compile time of the SmolLM2 decode kernel: cold, by number of layers, and in a second process.

Each measurement is a fresh process with a cache directory of its own. No weights are read: the kernel
is compiled for, and launched on, arrays of ones, which are in memory (and with them NumPy) before the
clock starts. The second process is the median of a few; Python's bytecode is kept, as it is for a user.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import numpy as np

from bench.rows import Row, spread

LAYERS = 30
SECOND_PROCESSES = 5
FEW_LAYERS = 2
COLD_LIMIT, WARM_LIMIT = 60.0, 1.0  # seconds
CHECKER_LIMIT = 0.2  # of the seconds of a cold compile
CASE = "smollm2-135m decode f32"


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as cache:
        few = _child(FEW_LAYERS, cache)
    yield _cold_row(FEW_LAYERS, few)
    with tempfile.TemporaryDirectory() as cache:
        cold = _child(LAYERS, cache)
        yield _cold_row(LAYERS, cold)
        yield _checker_row(cold)
        second = sorted((_child(LAYERS, cache) for _ in range(SECOND_PROCESSES)), key=_until_launch)
    warm = second[SECOND_PROCESSES // 2]
    yield Row(case=CASE, metric="text bytes, 30 layers over 2", unit="ratio", ours=cold["text"] / few["text"])
    yield Row(
        case=CASE,
        metric="second process, import to first launch",
        unit="s",
        ours=_until_launch(warm),
        limit=WARM_LIMIT,
        share=_until_launch(warm) / WARM_LIMIT,
        spread=spread([_until_launch(child) for child in second]),
        note=f"import {warm['import']:.2f} s, compile {warm['compile']:.2f} s, launch {warm['launch']:.2f} s;"
        f" median of {SECOND_PROCESSES}",
    )


def _cold_row(layers: int, cold: dict[str, float]) -> Row:
    return Row(
        case=f"{CASE}, {layers} layers",
        metric="cold compile",
        unit="s",
        ours=cold["compile"],
        limit=COLD_LIMIT,
        share=cold["compile"] / COLD_LIMIT,
        note=f"{cold['text']:.0f} bytes of text, {cold['tables']:.0f} of tables",
    )


def _checker_row(cold: dict[str, float]) -> Row:
    share = cold["check"] / cold["compile"]
    return Row(
        case=f"{CASE}, {LAYERS} layers",
        metric="checker's share of a cold compile",
        unit="share",
        ours=share,
        limit=CHECKER_LIMIT,
        share=share / CHECKER_LIMIT,
        note=f"{cold['check']:.3f} s",
    )


def _until_launch(seconds: dict[str, float]) -> float:
    return seconds["import"] + seconds["compile"] + seconds["launch"]


def _child(layers: int, cache: str) -> dict[str, float]:
    environment = dict(os.environ, MPMD_CACHE_DIR=cache)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "bench.compile", str(layers)]
    child = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(child.stdout)


def _measure(layers: int) -> dict[str, float]:
    arrays: dict[str, Any] = _arrays(layers)
    started = time.perf_counter()
    import mpmd
    from examples.smollm2 import kernels
    from mpmd import pipeline

    ready = time.perf_counter()
    cache = kernels.Cache(arrays.pop("keys"), arrays.pop("values"))
    ends = [arrays.pop(name) for name in ("token", "logits", "successor")]
    given = (kernels.Weights(**arrays), cache, *ends, 0)
    checked: list[float] = []
    with patch.object(pipeline, "check", _timed(pipeline.check, checked)):
        compiled = mpmd.compile(kernels.decode, *given)
    built = time.perf_counter()
    compiled(*given)
    launched = time.perf_counter()
    return {
        "import": ready - started,
        "compile": built - ready,
        "check": sum(checked),
        "launch": launched - built,
        "text": float(sum(len(text) for _, text in compiled.source.files)),
        "tables": float(len(compiled.source.tables)),
    }


def _timed(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """The function, which notes how long each call takes."""

    def call(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        result = function(*args, **kwargs)
        seconds.append(time.perf_counter() - started)
        return result

    return call


def _arrays(layers: int) -> dict[str, np.ndarray]:
    """The kernel's arrays, by name: every page of them has been touched."""
    hidden, wide, vocabulary, capacity, heads, head = 576, 1536, 49152, 2048, 3, 64
    cache = (layers, heads, capacity, head)
    shapes = {
        "table": (vocabulary, hidden),
        "attention_norm": (layers, hidden),
        "qkv": (layers, 960, hidden),
        "out": (layers, hidden, hidden),
        "mlp_norm": (layers, hidden),
        "gate": (layers, wide, hidden),
        "up": (layers, wide, hidden),
        "down": (layers, hidden, wide),
        "cos": (capacity, head // 2),
        "sin": (capacity, head // 2),
        "final_norm": (hidden,),
        "keys": cache,
        "values": cache,
        "token": (1,),
        "logits": (1, vocabulary),
        "successor": (1,),
    }
    integers = ("token", "successor")
    return {n: np.ones(s, np.int32 if n in integers else np.float32) for n, s in shapes.items()}


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]))))
