"""What one call costs beside its work: a kernel of one tiny task, from Python, warm and after a sleep."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np

import mpmd
from bench.rows import Row, spread
from mpmd import In, Out, f32

(N,) = mpmd.dims("N")
BATCHES, CALLS = 15, 2000
IDLE_SECONDS, IDLE_CALLS = 0.05, 25


@mpmd.task
def add(a: In[f32, N], b: In[f32, N], y: Out[f32, N]):
    y[:] = a[:] + b[:]


@mpmd.kernel
def trivial(a: In[f32, N], b: In[f32, N], y: Out[f32, N]):
    for t in mpmd.tiles(N, 16):
        add(a[t], b[t], y[t])


def rows() -> Iterator[Row]:
    for cores, size in ((1, 16), (2, 32)):
        a, b, y = np.ones((3, size), np.float32)
        compiled = mpmd.compile(trivial, a, b, y, cores=cores)
        case = f"three arrays, {cores} core{'s' if cores > 1 else ''}"
        yield _row(case, "call of a compiled kernel", _batches(lambda c=compiled, v=(a, b, y): c(*v)))
        if cores == 1:
            yield _row(case, "call of @mpmd.kernel", _batches(lambda v=(a, b, y): trivial(*v)))
        else:
            asleep = _asleep(lambda c=compiled, v=(a, b, y): c(*v))
            yield _row(case, "call after 50 ms idle", asleep)


def _row(case: str, metric: str, seconds: list[float]) -> Row:
    value = statistics.median(seconds)
    around = spread(seconds)
    return Row(case, metric, "us", value * 1e6, spread=around, noisy=around > 0.3)


def _batches(call: Callable[[], object]) -> list[float]:
    samples = []
    for _ in range(BATCHES):
        call()
        started = time.perf_counter()
        for _ in range(CALLS):
            call()
        samples.append((time.perf_counter() - started) / CALLS)
    return samples


def _asleep(call: Callable[[], object]) -> list[float]:
    samples = []
    for _ in range(IDLE_CALLS):
        time.sleep(IDLE_SECONDS)
        started = time.perf_counter()
        call()
        samples.append(time.perf_counter() - started)
    return samples
