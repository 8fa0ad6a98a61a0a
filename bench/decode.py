"""One decode step of SmolLM2 (f32, batch 1): share of the DRAM read bandwidth, peer, memory.

In:  nothing. Out: rows. The step streams every weight once, so its limit is bytes / bandwidth, with
the bandwidth probed before and after every sample.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.measure import Probe, Sample, median_seconds, timed
from bench.peer import Peer
from bench.rows import Row, spread
from examples.smollm2 import weights
from examples.smollm2.kernels import Session

POSITION = 128
CAPACITY = 2048
SAMPLES = 15
STEPS = 8  # decode steps in one sample
CASE = "smollm2-135m decode f32"


def rows() -> Iterator[Row]:
    model = weights.load(weights.read(weights.find_gguf()))
    threads = len(os.sched_getaffinity(0))
    probe = Probe()
    session = Session(model, capacity=CAPACITY)

    def ours() -> None:
        session.position = POSITION
        session.answer(1, 1, -1)

    measures: dict[str, Callable[[], float]] = {"ours": lambda: timed(ours, STEPS)}
    process, peer = _torch(threads), None
    if process is not None:
        measures["peer"] = lambda: process.seconds(STEPS)
        peer = "torch eager"
    samples: dict[str, list[Sample]] = {name: [] for name in measures}
    for _ in range(SAMPLES):
        for name, measure in measures.items():
            samples[name].append(probe.sample(measure))
    if process is not None:
        process.close()
    quiet = {name: probe.quiet(taken) for name, taken in samples.items()}
    mine = quiet["ours"]
    cache = 2 * model.layers * model.kv_heads * (POSITION + 1) * model.head_size * 4
    moved = model.weight_bytes + cache
    seconds = median_seconds(mine)
    theirs = median_seconds(quiet["peer"]) if peer else None
    placements = ", ".join(sorted({s.before.placement for s in mine}))
    yield Row(
        case=CASE,
        metric="DRAM bandwidth used",
        unit="GB/s",
        ours=moved / seconds / 1e9,
        limit=statistics.median(s.dram for s in mine) / 1e9,
        share=statistics.median(moved / s.seconds / s.dram for s in mine),
        spread=spread([s.seconds for s in mine]),
        noisy=probe.noisy(mine),
        note=f"{threads} threads, placement {placements}",
    )
    yield Row(
        case=CASE,
        metric="time per token",
        unit="ms",
        ours=seconds * 1e3,
        peer=peer,
        peer_value=theirs * 1e3 if theirs else None,
        ratio=theirs / seconds if theirs else None,
        spread=spread([s.seconds for s in mine]),
        noisy=probe.noisy(mine),
        note=None if peer else "no peer: torch is not installed",
    )
    yield _memory()


def _torch(threads: int) -> Peer | None:
    """The peer, warm; None where torch is not installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    process = Peer("bench.peer_torch", position=POSITION, capacity=CAPACITY, threads=threads)
    process.seconds(1)
    return process


def _memory() -> Row:
    """Peak resident memory of a fresh process that loads, compiles and decodes, over weights + cache."""
    child = subprocess.run([sys.executable, "-m", "bench.decode"], capture_output=True, text=True, check=True)
    peak, given = map(float, child.stdout.split())
    over = (peak - given) / 1e6
    return Row(
        case=CASE,
        metric="peak memory over weights + cache",
        unit="MB",
        ours=over,
        limit=200.0,
        share=over / 200,
        note=f"weights + cache {given / 1e6:.0f} MB",
    )


def _print_memory() -> None:
    model = weights.load(weights.read(weights.find_gguf()))
    session = Session(model, capacity=CAPACITY)
    session.read([1] * 64)
    for _ in range(8):
        session.answer(1, 1, -1)
    # Not getrusage: its maximum starts from the parent's.
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    print(peak, model.weight_bytes + session.cache_bytes)


if __name__ == "__main__":
    _print_memory()
