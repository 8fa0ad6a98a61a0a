"""What time stamps cost: switched off, against a driver without any; and switched on, against off.

In:  nothing. Out: rows of ratios of times, each measured in turns on the same arrays; the median counts.
Without stamps means the same text with every line removed that does something for them. The cases go from
tasks of some 60 ns, which no one would stamp for a timing, to those of a decode step.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

import mpmd
from bench.rows import Row, spread
from examples import jacobi, mlp
from mpmd.runtime.build import build
from mpmd.runtime.load import Executable

Call = Callable[[], object]
Measure = Callable[[Call, int], float]

ROUNDS = 101
SECONDS = 2e-3  # of one round, and one side of it
HOOK = re.compile(r"^ *Stamping::(begin|took|end)\(.*\);\n", re.MULTILINE)


def rows() -> Iterator[Row]:
    for case, kernel, arrays in _cases():
        compiled = mpmd.compile(kernel, *arrays)
        plain, bare = compiled.executable, _without_stamps(compiled)
        trace = compiled.profile(*arrays, launches=11)
        mean = trace.busy.sum() / max(1, sum(total.count for total in trace.totals))
        note = f"{len(trace)} spans on {trace.cores} cores, tasks of {mean * 1e6:.2f} us on average"
        calls = max(1, round(SECONDS / _called(partial(plain, *arrays), 20)))
        ours, peer = partial(plain, *arrays), partial(bare, *arrays)
        yield _row(case, "call, stamps off / none", _ratios(_called, ours, _called, peer, calls), note)
        yield _row(case, "launch, stamps on / none", _ratios(_launched, ours, _launched, peer, calls), note)
        yield _row(case, "call, stamps on / off", _ratios(_recorded, ours, _called, ours, calls), note)


def _cases() -> Iterator[tuple[str, mpmd.Kernel, tuple[Any, ...]]]:
    random = np.random.default_rng(0)
    for size in (34, 514):
        grids = (random.standard_normal((size, size)).astype(np.float32) for _ in range(2))
        yield f"jacobi {size}x{size}, 10 iterations", jacobi.jacobi, (*grids, 10, 0.0)
    for rows, width, hidden in ((1, 256, 704), (16, 1024, 2816)):
        shapes = ((rows, width), (hidden, width), (hidden, width), (width, hidden), (rows, width))
        values = tuple((random.standard_normal(shape) / 8).astype(np.float32) for shape in shapes)
        yield f"mlp {rows}x{width}x{hidden}", mlp.mlp, values


def _without_stamps(compiled: mpmd.CompiledKernel) -> Executable:
    """The kernel from headers in which there is nothing of stamps."""
    files = tuple((name, HOOK.sub("", text)) for name, text in compiled.source.files)
    assert files != compiled.source.files, "the hooks have another form"
    return build(replace(compiled.source, files=files)).load()


def _ratios(measure: Measure, ours: Call, other: Measure, peer: Call, calls: int) -> list[float]:
    """Of the two measurements, round by round and in alternating order."""
    found = []
    for number in range(ROUNDS):
        sides = [lambda: measure(ours, calls), lambda: other(peer, calls)]
        if number % 2:
            base, own = sides[1](), sides[0]()
        else:
            own, base = sides[0](), sides[1]()
        found.append(own / base)
    return found


def _called(call: Call, calls: int) -> float:
    """Seconds of a call, after one that wakes the workers."""
    call()
    times = []
    for _ in range(calls):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def _recorded(call: Call, calls: int) -> float:
    """The same while launches are stamped, and their records copied."""
    with mpmd.profiling():
        return _called(call, calls)


def _launched(call: Call, calls: int) -> float:
    """Seconds from a launch's beginning to its end, by the stamps of these two alone."""
    with mpmd.profiling() as traces:
        for _ in range(calls + 1):
            call()
    return statistics.median(seen.launched.makespan for seen in traces.seen[1:])


def _row(case: str, metric: str, ratios: list[float], note: str) -> Row:
    """The spread is that of the middle half."""
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Row(
        case, metric, "ratio", middle, spread=spread([low, middle, high]), noisy=high - low > 0.1, note=note
    )
