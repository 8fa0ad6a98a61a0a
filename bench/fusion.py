"""One launch against one launch per call in the source: the same tasks, tiles and library, interleaved.

In:  nothing. Out: rows; `ours` is fused, the peer what `fusion="none"` makes of the same kernel.

Every sample of one is followed by one of the other, between the same probes, and the ratio is the median
over these pairs: what the host does to the machine meanwhile it does to both. A model's shape counts here,
and not its weights, which are random.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import mpmd
from bench.measure import Probe, Sample, median_seconds, timed
from bench.rows import Row, spread
from examples import cholesky, hello, mlp
from examples.smollm2 import kernels as smollm2
from mpmd import In, InOut, f32
from mpmd.partition.unfused import launches

N, T = mpmd.dims("N T")
SAMPLES = 15
PEER = "a launch per call"
STAGES, TILES, TILE = 100, 16, 256
LAYERS, VOCABULARY, CAPACITY, POSITION = 30, 49152, 2048, 128


@mpmd.task
def forth(a: In[f32, N], b: InOut[f32, N]):
    b[:] = b[:] + a[:]


@mpmd.kernel
def tiny(a: InOut[f32, N], b: InOut[f32, N]):
    """Calls of tasks that take a fraction of a microsecond, each over the tiles of the one before it."""
    for _ in range(STAGES):
        for t in mpmd.tiles(N, TILE):
            forth(a[t], b[t])
        for t in mpmd.tiles(N, TILE):
            forth(b[t], a[t])


@mpmd.kernel
def empty(a: InOut[f32, N], b: InOut[f32, N]):
    """Two tiles, one a core, in each of the launches: what is measured is launches."""
    for _ in range(STAGES):
        for t in mpmd.tiles(N, 16):
            forth(a[t], b[t])
        for t in mpmd.tiles(N, 16):
            forth(b[t], a[t])


@dataclass(frozen=True)
class Case:
    """A kernel, its arguments, and how many calls make one sample. `restore` undoes what a call did."""

    name: str
    kernel: mpmd.Kernel
    args: tuple[Any, ...]
    calls: int
    restore: Callable[[], None] = lambda: None


def rows() -> Iterator[Row]:
    probe = Probe()
    yield _of_a_launch(probe)
    for case in cases():
        yield from _of_case(case, probe)


def cases() -> Iterator[Case]:
    random = np.random.default_rng(0)

    def values(*shape: int) -> np.ndarray:
        return (random.standard_normal(shape, np.float32) / np.sqrt(shape[-1])).astype(np.float32)

    yield Case("hello, 1000 elements", hello.hello, (values(1000), values(1000)), 2000)
    yield Case("hello, 1M elements", hello.hello, (values(1 << 20), values(1 << 20)), 20)
    weights = (values(2816, 1024), values(2816, 1024), values(1024, 2816))
    yield Case("mlp 16x1024x2816", mlp.mlp, (values(16, 1024), *weights, values(16, 1024)), 20)
    zeros = (np.zeros(TILES * TILE, np.float32), np.zeros(TILES * TILE, np.float32))
    yield Case(f"tiny tasks, {2 * STAGES * TILES} of them", tiny, zeros, 50)
    square = values(1000, 1000).astype(np.float64)
    matrix = square @ square.T + 1000 * np.eye(1000)
    result = matrix.copy()
    yield Case("cholesky 1000", cholesky.cholesky, (result,), 1, lambda: np.copyto(result, matrix))
    yield Case("decode, SmolLM2-135M's shape, f32", smollm2.decode, _decoding(values), 4)


def _decoding(values: Callable[..., np.ndarray]) -> tuple[Any, ...]:
    heads, wide = smollm2.KV * (smollm2.GROUP + 2) * smollm2.HEAD, 1536
    hidden = smollm2.KV * smollm2.GROUP * smollm2.HEAD
    shapes = {
        "table": (VOCABULARY, hidden),
        "attention_norm": (LAYERS, hidden),
        "qkv": (LAYERS, heads, hidden),
        "out": (LAYERS, hidden, hidden),
        "mlp_norm": (LAYERS, hidden),
        "gate": (LAYERS, wide, hidden),
        "up": (LAYERS, wide, hidden),
        "down": (LAYERS, hidden, wide),
        "final_norm": (hidden,),
        "cos": (CAPACITY, smollm2.HEAD // 2),
        "sin": (CAPACITY, smollm2.HEAD // 2),
    }
    made: dict[str, Any] = {name: values(*shape) for name, shape in shapes.items()}
    past: list[Any] = [values(LAYERS, smollm2.KV, CAPACITY, smollm2.HEAD) for _ in range(2)]
    token, successor = np.zeros(1, np.int32), np.zeros(1, np.int32)
    logits = np.zeros((1, VOCABULARY), np.float32)
    return smollm2.Weights(**made), smollm2.Cache(*past), token, logits, successor, POSITION


def _of_case(case: Case, probe: Probe) -> Iterator[Row]:
    apart = mpmd.compile(case.kernel, *case.args, fusion="none")
    written = mpmd.compile(case.kernel, *case.args, choice=None)
    searched = mpmd.compile(case.kernel, *case.args)
    made = {"as written": written}
    if searched.choice != written.choice:
        made["with rewrites"] = searched
    samples = _interleaved(case, {"apart": apart, **made}, probe)
    count = len(launches(apart.graph))
    for how, fused in made.items():
        note = (
            f"{how}, {len(fused.graph)} tasks on {fused.schedule.cores} cores; {count} launches; "
            f"local memory {_kilobytes(fused)} kB against {_kilobytes(apart)} kB"
        )
        yield _row(case.name, "time of a call", samples[how], samples["apart"], probe, note)


def _kilobytes(kernel: mpmd.CompiledKernel) -> int:
    return round(kernel.schedule.memory.arena_bytes / 1000)


def _of_a_launch(probe: Probe) -> Row:
    """Of launches with next to no work, less what the work takes in one launch."""
    args = (np.zeros(32, np.float32), np.zeros(32, np.float32))
    case = Case("next to no work, 2 cores", empty, args, 200)
    made = {
        fusion: mpmd.compile(empty, *args, cores=2, fusion=fusion, choice=None) for fusion in ("none", "all")
    }
    samples = _interleaved(case, {"apart": made["none"], "as written": made["all"]}, probe)
    per_launch = [s.seconds / (2 * STAGES) for s in samples["apart"]]
    return Row(
        case.name,
        "a launch",
        "us",
        statistics.median(per_launch) * 1e6,
        spread=spread(per_launch),
        noisy=probe.noisy(samples["apart"]),
        note=f"in one launch the same takes {median_seconds(samples['as written']) * 5e3:.3f} us",
    )


def _interleaved(case: Case, made: dict[str, mpmd.CompiledKernel], probe: Probe) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {name: [] for name in made}
    for _ in range(SAMPLES):
        for name, kernel in made.items():
            samples[name].append(probe.sample(lambda k=kernel: _seconds(case, k)))
    return samples


def _seconds(case: Case, kernel: mpmd.CompiledKernel) -> float:
    case.restore()
    if case.calls > 1:
        return timed(lambda: kernel(*case.args), case.calls)
    kernel(*case.args)
    case.restore()
    started = time.perf_counter()
    kernel(*case.args)
    return time.perf_counter() - started


def _row(case: str, metric: str, ours: list[Sample], theirs: list[Sample], probe: Probe, note: str) -> Row:
    quiet = probe.quiet(ours), probe.quiet(theirs)
    every = list(zip(ours, theirs, strict=True))
    pairs = [(a, b) for a, b in every if a in quiet[0] and b in quiet[1]] or every
    return Row(
        case,
        metric,
        "ms",
        median_seconds([a for a, _ in pairs]) * 1e3,
        peer=PEER,
        peer_value=median_seconds([b for _, b in pairs]) * 1e3,
        ratio=statistics.median(b.seconds / a.seconds for a, b in pairs),
        spread=spread([a.seconds for a, _ in pairs]),
        noisy=probe.noisy(ours) or probe.noisy(theirs),
        note=note,
    )
