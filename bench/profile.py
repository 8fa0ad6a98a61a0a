"""What time stamps cost: switched off, against a driver without any; and switched on, against off.

In:  nothing. Out: rows of ratios of times, each measured in turns on the same arrays; the median counts.
Without stamps means the same text with every line removed that does something for them. The cases go from
tasks of some 60 ns, which no one would stamp for a timing, to those of a decode step. Not here: instructions
(`instructions.py`).
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np

import mpmd
from bench.decode import CAPACITY, POSITION
from bench.rows import Row, spread
from examples import jacobi, mlp
from examples.smollm2 import kernels, weights
from mpmd.codegen.source import KernelSource
from mpmd.runtime.build import build

Call = Callable[[], object]
Measure = Callable[[Call, int], float]

ROUNDS = 101
LONG_ROUNDS = 41  # where one call takes longer than a round
SECONDS = 2e-3  # of one round, and one side of it
HOOK = re.compile(r"^ *Stamping::(begin|took|end)\(.*\);\n", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """A kernel, the same without stamps, what both are called with, and how many rounds that takes."""

    name: str
    kernel: mpmd.CompiledKernel
    bare: mpmd.CompiledKernel
    arguments: tuple[Any, ...]
    rounds: int = ROUNDS


def rows() -> Iterator[Row]:
    for case in _cases():
        trace = case.kernel.profile(*case.arguments, launches=11)
        mean = trace.busy.sum() / max(1, sum(total.count for total in trace.totals))
        note = f"{len(trace)} spans on {trace.cores} cores, tasks of {mean * 1e6:.2f} us on average"
        ours, peer = partial(case.kernel, *case.arguments), partial(case.bare, *case.arguments)
        calls = max(1, round(SECONDS / _called(ours, 3)))
        for metric, measure, other, call in (
            ("call, stamps off / none", _called, _called, peer),
            ("launch, stamps on / none", _launched, _launched, peer),
            ("call, stamps on / off", _recorded, _called, ours),
        ):
            ratios = _ratios(measure, ours, other, call, calls, case.rounds)
            yield _row(case.name, metric, ratios, note)


def _cases() -> Iterator[Case]:
    random = np.random.default_rng(0)
    for size in (34, 514):
        grids = (random.standard_normal((size, size)).astype(np.float32) for _ in range(2))
        yield _plain(f"jacobi {size}x{size}, 10 iterations", jacobi.jacobi, (*grids, 10, 0.0))
    for rows, width, hidden in ((1, 256, 704), (16, 1024, 2816)):
        shapes = ((rows, width), (hidden, width), (hidden, width), (width, hidden), (rows, width))
        values = tuple((random.standard_normal(shape) / 8).astype(np.float32) for shape in shapes)
        yield _plain(f"mlp {rows}x{width}x{hidden}", mlp.mlp, values)
    yield _decode_step()


def _plain(name: str, kernel: mpmd.Kernel, arrays: tuple[Any, ...]) -> Case:
    compiled = mpmd.compile(kernel, *arrays)
    return Case(name, compiled, _bare(compiled), arrays)


def _decode_step() -> Case:
    """One token of SmolLM2, the weights bound."""
    model = weights.load(weights.read(weights.find_gguf()))
    session = kernels.Session(model, capacity=CAPACITY)
    token, chosen = np.ones(1, np.int32), np.zeros(1, np.int32)
    ends = (session.cache, token, session.logits, chosen, POSITION)
    consts = kernels.weights_of(model, CAPACITY)
    compiled = mpmd.compile(kernels.decode, consts, *ends)
    bound = compiled.bind(weights=consts), _bare(compiled).bind(weights=consts)
    return Case("smollm2-135m decode f32", *bound, ends, rounds=LONG_ROUNDS)


def _bare(compiled: mpmd.CompiledKernel) -> mpmd.CompiledKernel:
    """The kernel from headers in which there is nothing of stamps."""
    executable = build(replace(compiled.source, files=without_stamps(compiled.source))).load()
    return replace(cast(Any, compiled), executable=executable)


def without_stamps(source: KernelSource) -> tuple[tuple[str, str], ...]:
    """The texts without the lines that do something for stamps."""
    files = tuple((name, HOOK.sub("", text)) for name, text in source.files)
    assert files != source.files, "the hooks have another form"
    return files


def _ratios(measure: Measure, ours: Call, other: Measure, peer: Call, calls: int, rounds: int) -> list[float]:
    """Of the two measurements, round by round and in alternating order."""
    found = []
    for number in range(rounds):
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
