"""What one call costs beside its work: one tiny task a core, called from Python, warm and after a sleep.

Calls are timed one by one, and a row's value is a p50: now and then the host takes a CPU away for
milliseconds, which would be most of a mean. The mean is in the note; the clock's 50 ns are in both.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np

import mpmd
from bench.rows import Row, spread
from mpmd import In, Out, f32

(N,) = mpmd.dims("N")
BATCHES, CALLS = 15, 2000  # warm
IDLE_SECONDS, IDLE_CALLS = 0.05, 25


@mpmd.task
def add(a: In[f32, N], b: In[f32, N], y: Out[f32, N]):
    y[:] = a[:] + b[:]


@mpmd.kernel
def trivial(a: In[f32, N], b: In[f32, N], y: Out[f32, N]):
    for t in mpmd.tiles(N, 16):
        add(a[t], b[t], y[t])


@mpmd.kernel
def whole(a: In[f32, N], b: In[f32, N], y: Out[f32, N]):
    add(a, b, y)


def rows() -> Iterator[Row]:
    for cores, size in ((1, 16), (2, 32)):
        a, b, y = np.ones((3, size), np.float32)
        compiled = mpmd.compile(trivial, a, b, y, cores=cores)
        case = f"three arrays, {cores} core{'s' if cores > 1 else ''}"
        assert compiled.schedule.cores == cores, "a core without a task takes no part"
        yield _warm(case, "call of a compiled kernel", lambda c=compiled, v=(a, b, y): c(*v))
        if cores == 1:
            yield _warm(case, "call of @mpmd.kernel", lambda v=(a, b, y): trivial(*v))
            yield _dynamic(case)
        else:
            yield _asleep(case, lambda c=compiled, v=(a, b, y): c(*v))


def _dynamic(case: str) -> Row:
    """Every call has another extent than the one before it, and none compiles."""
    given = itertools.cycle([tuple(np.ones((3, size), np.float32)) for size in (16, 15, 9)])
    compiled = mpmd.compile(whole, *next(given), cores=1, dynamic={"N": 4096})
    return _warm(case, "call with a new extent, dynamic dim", lambda: compiled(*next(given)))


def _warm(case: str, metric: str, call: Callable[[], object]) -> Row:
    """The median over batches of each batch's p50; the spread is that of the p50s."""
    call()
    batches = [[_seconds(call) for _ in range(CALLS)] for _ in range(BATCHES)]
    halves = [statistics.median(batch) for batch in batches]
    around = spread(halves)
    return Row(
        case,
        metric,
        "us",
        statistics.median(halves) * 1e6,
        spread=around,
        noisy=around > 0.3,
        note=f"p50; mean {statistics.fmean(map(statistics.fmean, batches)) * 1e6:.2f} us",
    )


def _asleep(case: str, call: Callable[[], object]) -> Row:
    samples = []
    for _ in range(IDLE_CALLS):
        time.sleep(IDLE_SECONDS)
        samples.append(_seconds(call))
    fast, middle, slow = statistics.quantiles(samples, n=4)
    note = f"p50 of {IDLE_CALLS} calls; quartiles {fast * 1e6:.0f} and {slow * 1e6:.0f} us"
    return Row(case, "call after 50 ms idle", "us", middle * 1e6, note=note)


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
