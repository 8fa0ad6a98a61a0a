"""The micro-benchmarks of several cores: memory, hand-over, launches, tickets, and uneven cores.

In:  the number of cores, sizes of caches. Out: measures by name.
Not here: one core alone (`probes.py`), taking turns (`timing.py`), what follows (`fit.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

import mpmd
from mpmd import In, InOut, Out, f32
from mpmd.calibration import tasks
from mpmd.calibration.compiling import as_written
from mpmd.calibration.timing import Measure, count_for, warm_seconds_of

PIECE = 1 << 14
"""Elements of one task of a pass over memory: 64 KiB."""

LINE = 16
"""Elements of the smallest hand-over: a cache line."""

BLOCK = 1 << 12
"""Elements of a large one."""

TICKETS = 2000
UNEVEN = 48
"""Tasks for each core where cores may take them from each other."""

PRODUCTS = 8
STARTS = 4096
"""Tasks for each core where all compute, and where they do next to nothing."""


def passes(footprint: int, cores: int) -> Measure:
    """Seconds of one pass over `footprint` bytes by so many cores."""
    pieces = max(cores, footprint // (4 * PIECE))
    pieces -= pieces % cores

    @mpmd.kernel
    def stream(x: In[f32, pieces, PIECE], y: Out[f32, pieces]):
        for t in mpmd.tiles(pieces, 1):
            tasks.total(x[t.start], y[t])

    data, sums = np.ones((pieces, PIECE), np.float32), np.zeros(pieces, np.float32)
    compiled = as_written(stream, data, sums, cores=cores)
    return partial(warm_seconds_of, partial(compiled, data, sums))


def copies(footprint: int, cores: int) -> Measure:
    """Seconds of a copy by so many cores that reads half of `footprint` bytes and writes the other half."""
    pieces = max(cores, footprint // (8 * PIECE))
    pieces -= pieces % cores

    @mpmd.kernel
    def copied(x: In[f32, pieces, PIECE], y: Out[f32, pieces, PIECE]):
        for t in mpmd.tiles(pieces, 1):
            tasks.passed_on(x[t.start], y[t.start])

    x, y = np.ones((2, pieces, PIECE), np.float32)
    compiled = as_written(copied, x, y, cores=cores)
    return partial(warm_seconds_of, partial(compiled, x, y))


HANDOVERS = 200
"""There and back in one launch."""


def handover(elements: int) -> Measure:
    """Seconds of handing over so many elements, from a core's cache to another core's."""

    @mpmd.kernel
    def back_and_forth(x: InOut[f32, elements], y: InOut[f32, elements]):
        for _ in mpmd.loop(HANDOVERS):
            tasks.passed_on(x, y, core=0)
            tasks.passed_on(y, x, core=1)

    x, y = np.ones((2, elements), np.float32)
    compiled = as_written(back_and_forth, x, y, cores=2)
    return lambda: warm_seconds_of(lambda: compiled(x, y)) / (2 * HANDOVERS)


def launches(cores: int) -> Measure:
    """Seconds of a launch in which each core has next to nothing to do."""

    @mpmd.kernel
    def tiny(x: In[f32, cores, LINE], y: Out[f32, cores, LINE]):
        for core in range(cores):
            tasks.passed_on(x[core], y[core], core=core)

    x, y = np.ones((2, cores, LINE), np.float32)
    compiled = as_written(tiny, x, y, cores=cores)

    def repeated(count: int) -> None:
        for _ in range(count):
            compiled(x, y)

    count = count_for(repeated)
    return lambda: warm_seconds_of(lambda: repeated(count)) / count


def starts() -> Measure:
    """Seconds of a launch of many tasks that do next to nothing, each with a row and data of its own."""

    @mpmd.kernel
    def many(x: In[f32, STARTS, LINE], y: Out[f32, STARTS, LINE]):
        for t in mpmd.tiles(STARTS, 1):
            tasks.passed_on(x[t.start], y[t.start])

    x, y = np.ones((2, STARTS, LINE), np.float32)
    compiled = as_written(many, x, y, cores=1)
    return partial(warm_seconds_of, partial(compiled, x, y))


def products(cores: int) -> Measure:
    """Seconds of a launch in which each core computes products, on data of its own."""

    @mpmd.kernel
    def crowd(x: In[f32, cores, 64, 256], w: In[f32, cores, 256, 256], y: Out[f32, cores, 64, 256]):
        for core in range(cores):
            for _ in range(PRODUCTS):
                tasks.dot_rows(x[core], w[core], y[core], core=core)

    x, w, y = (np.ones((cores, rows, 256), np.float32) for rows in (64, 256, 64))
    compiled = as_written(crowd, x, w, y, cores=cores)
    return partial(warm_seconds_of, partial(compiled, x, w, y))


def crowd(cores: int) -> Measure:
    """How many times as long products take on all cores as on one, both measured in the same moment."""
    alone, together = products(1), products(cores)
    return lambda: together() / alone()


def tickets(cores: int) -> Measure:
    """Seconds of a launch whose tasks do next to nothing and are all taken by ticket."""

    @mpmd.kernel
    def drained(x: In[f32, LINE], y: Out[f32, TICKETS, LINE]):
        for t in mpmd.tiles(TICKETS, 1, drain=True):
            tasks.passed_on(x, y[t.start])

    x, y = np.ones(LINE, np.float32), np.zeros((TICKETS, LINE), np.float32)
    compiled = as_written(drained, x, y, cores=cores)
    return partial(warm_seconds_of, partial(compiled, x, y))


def shared_out(cores: int, *, drain: bool) -> Measure:
    """Seconds of a launch of equal tasks, dealt out beforehand or taken by ticket."""
    count = UNEVEN * cores

    @mpmd.kernel
    def even(x: In[f32, 64, 64], y: Out[f32, count, 64, 64]):
        for t in mpmd.tiles(count, 1, drain=drain):
            tasks.tanh(x, y[t.start])

    x, y = np.ones((64, 64), np.float32), np.zeros((count, 64, 64), np.float32)
    compiled = as_written(even, x, y, cores=cores)
    return partial(warm_seconds_of, partial(compiled, x, y))


def footprints(shared_cache_bytes: int) -> Sequence[int]:
    """Sizes around that of the shared cache."""
    return [shared_cache_bytes * eighths // 8 for eighths in (4, 6, 8, 12)]
