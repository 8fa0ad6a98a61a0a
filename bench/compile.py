"""Compile time of the SmolLM2 decode kernel: cold, by number of layers, and in a second process.

Each measurement is a fresh process with a cache directory of its own. No weights are read: shapes
compile, and the second process launches on zeros.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import numpy as np

from bench.rows import Row

LAYERS = 30
FEW_LAYERS = 2
COLD_LIMIT, WARM_LIMIT = 60.0, 1.0  # seconds
CASE = "smollm2-135m decode f32"


def rows() -> Iterator[Row]:
    cold = {}
    for layers in (FEW_LAYERS, LAYERS):
        with tempfile.TemporaryDirectory() as cache:
            cold[layers] = _child(layers, cache)
            yield Row(
                case=f"{CASE}, {layers} layers",
                metric="cold compile",
                unit="s",
                ours=cold[layers]["compile"],
                limit=COLD_LIMIT,
                share=cold[layers]["compile"] / COLD_LIMIT,
                note=f"{cold[layers]['text']:.0f} bytes of text, {cold[layers]['tables']:.0f} of tables",
            )
            if layers == LAYERS:
                warm = _child(layers, cache)
    yield Row(
        case=CASE,
        metric="text bytes, 30 layers over 2",
        unit="ratio",
        ours=cold[LAYERS]["text"] / cold[FEW_LAYERS]["text"],
    )
    yield Row(
        case=CASE,
        metric="second process, import to first launch",
        unit="s",
        ours=warm["import"] + warm["compile"] + warm["launch"],
        limit=WARM_LIMIT,
        share=(warm["import"] + warm["compile"] + warm["launch"]) / WARM_LIMIT,
        note=f"import {warm['import']:.2f} s, compile {warm['compile']:.2f} s, launch {warm['launch']:.2f} s",
    )


def _child(layers: int, cache: str) -> dict[str, float]:
    environment = dict(os.environ, MPMD_CACHE_DIR=cache)
    command = [sys.executable, "-m", "bench.compile", str(layers)]
    child = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(child.stdout)


def _measure(layers: int) -> dict[str, float]:
    started = time.perf_counter()
    import mpmd
    from examples.smollm2 import kernels

    imported = time.perf_counter()
    hidden, wide, vocabulary, capacity, head = 576, 1536, 49152, 2048, kernels.HEAD
    cache = (layers, kernels.KV, capacity, head)
    f32 = np.float32
    arrays = {
        "table": np.zeros((vocabulary, hidden), f32),
        "attention_norm": np.zeros((layers, hidden), f32),
        "qkv": np.zeros((layers, 960, hidden), f32),
        "out": np.zeros((layers, hidden, hidden), f32),
        "mlp_norm": np.zeros((layers, hidden), f32),
        "gate": np.zeros((layers, wide, hidden), f32),
        "up": np.zeros((layers, wide, hidden), f32),
        "down": np.zeros((layers, hidden, wide), f32),
        "cos": np.zeros((capacity, head // 2), f32),
        "sin": np.zeros((capacity, head // 2), f32),
        "final_norm": np.zeros(hidden, f32),
        "keys": np.zeros(cache, f32),
        "values": np.zeros(cache, f32),
        "token": np.zeros(1, np.int32),
        "logits": np.zeros((1, vocabulary), f32),
        "successor": np.zeros(1, np.int32),
    }
    ready = time.perf_counter()
    compiled = mpmd.compile(kernels.decode, *arrays.values(), 0)
    built = time.perf_counter()
    compiled(*arrays.values(), 0)
    launched = time.perf_counter()
    return {
        "import": imported - started,
        "compile": built - ready,
        "launch": launched - built,
        "text": float(sum(len(text) for _, text in compiled.source.files)),
        "tables": float(len(compiled.source.tables)),
    }


if __name__ == "__main__":
    print(json.dumps(_measure(int(sys.argv[1]))))
