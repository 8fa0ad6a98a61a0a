"""How near each call comes to what the computer can do: operations and bytes against time, per call.

In:  nothing. Out: rows, the share of the roof that each call reaches; `python -m bench.roofline` also writes
     the figures into a folder, for `bench.plots`. Not here: the plot; the kernels (`unseen.py`).

Operations and bytes are those of the task graph, of all tasks of a line, and the seconds those in which cores
ran them, in the launch of median time, divided by the number of cores. Bytes are counted as moved once per
task: where tasks find them in a cache, a call may lie above the roof of memory. The roof is probed before and
after.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import mpmd
from bench import unseen
from bench.measure import Limits, Probe
from bench.rows import Row, print_rows
from bench.unseen import Case
from mpmd.timeline import SpanKind

LAUNCHES = 15


@dataclass(frozen=True, slots=True)
class Reached:
    """What one line of a kernel calls. `seconds` are of all `cores` at once; so are the peaks."""

    kernel: str
    call: str
    flops: float
    bytes: float
    seconds: float
    cores: int
    peak_flops: float
    peak_bandwidth: float

    @property
    def rate(self) -> float:
        """Operations per second."""
        return self.flops / self.seconds

    @property
    def roof(self) -> float:
        """What memory or the arithmetic units allow."""
        return min(self.peak_flops, self.peak_bandwidth * self.flops / self.bytes)


def rows() -> Iterator[Row]:
    for found in measured():
        if found.flops and found.bytes:
            yield Row(
                case=f"{found.kernel}, {found.call}",
                metric="operations",
                unit="Gop/s",
                ours=found.rate / 1e9,
                limit=found.roof / 1e9,
                share=found.rate / found.roof,
                note=f"{found.flops / found.bytes:.3g} op/B",
            )


def measured() -> Iterator[Reached]:
    """Each calling line of each kernel, in turn."""
    probe = Probe()
    for case in unseen.cases():
        before = probe.limits()
        yield from _calls(case, before, probe)


def _calls(case: Case, before: Limits, probe: Probe) -> Iterator[Reached]:
    compiled = mpmd.compile(case.kernel, *case.args)
    graph = compiled.graph
    case.renew()
    with mpmd.profiling() as traces:
        for _ in range(LAUNCHES):
            case.renew()
            compiled(*case.args)
    trace = sorted(traces, key=lambda trace: trace.makespan)[len(traces) // 2]
    after = probe.limits()
    names = [f"{site.call.task.name}:{site.call.span.line}" for site in graph.sites]
    lines = list(dict.fromkeys(names))
    line_of = np.array([lines.index(name) for name in names])[graph.site]
    ran = np.flatnonzero(trace.kind == SpanKind.RUN)
    seconds = np.bincount(line_of[trace.task[ran]], weights=(trace.finish - trace.start)[ran])
    runs = np.unique(np.stack([trace.task[ran], trace.iteration[ran]]), axis=1)[0]
    for number in np.unique(line_of[runs]).tolist():
        own = runs[line_of[runs] == number]
        yield Reached(
            kernel=case.name,
            call=lines[number],
            flops=float(graph.flops[own].sum()),
            bytes=float(graph.bytes[own].sum()),
            seconds=float(seconds[number]) / trace.cores,
            cores=trace.cores,
            peak_flops=max(before.fma, after.fma),
            peak_bandwidth=max(before.dram, after.dram),
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.roofline", description="Calls below their roofs.")
    parser.add_argument("--out", type=Path, help="a folder for the figures")
    options = parser.parse_args()
    if options.out is None:
        print_rows(rows(), as_json=False)
        return
    options.out.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(asdict(found)) for found in measured()]
    (options.out / "roofline.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
