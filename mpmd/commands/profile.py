"""`mpmd profile SCRIPT`: every launch that it makes, stamped; the median one of each kernel is told.

In:  a script. Out: a table per kernel, and what was predicted beside it, or JSON; Chrome JSON into a file.
Not here: the stamps (`runtime/profile.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mpmd.commands.script import require_kernels, run_script
from mpmd.commands.show import duration, show, write
from mpmd.errors import ArgumentError, Span
from mpmd.runtime.profile import profiling
from mpmd.schedule.simulate import simulate
from mpmd.schedule.steps import Schedule
from mpmd.timeline import Trace
from mpmd.visual.chrome import chrome_json  # pyright: ignore[reportMissingImports] (visual/ is installed so)


def profile(script: Path, arguments: list[str], *, output: Path | None, as_json: bool) -> int:
    """The exit status of the script."""
    with profiling() as traces:
        outcome = run_script(script, arguments, quiet=as_json)
        compilations = require_kernels(outcome, script)
        measured = _medians(tuple(traces))
    if not measured and outcome.status == 0:
        raise ArgumentError(
            f"{str(script)!r} launched no kernel",
            span=Span(str(script), 1),
            hints=("`mpmd simulate` shows kernels that are only compiled",),
        )
    plans = {done.kernel.__name__: done.compiled.schedule for done in compilations}
    launches = [_Launch(trace, plans[trace.kernel]) for trace in measured if trace.kernel in plans]
    show("\n\n".join(map(str, launches)), [launch.facts() for launch in launches], as_json=as_json)
    if output is not None:
        traces = [trace for launch in launches for trace in (launch.predicted, launch.measured)]
        write(output, chrome_json(traces, [launch.plan for launch in launches for _ in range(2)]))
    return outcome.status


def _medians(traces: Sequence[Trace]) -> list[Trace]:
    """Of each kernel the launch with the median makespan, in the order of their first launches."""
    launches: dict[str, list[Trace]] = {}
    for trace in traces:
        launches.setdefault(trace.kernel, []).append(trace)
    return [sorted(own, key=lambda trace: trace.makespan)[len(own) // 2] for own in launches.values()]


@dataclass(frozen=True, eq=False)
class _Launch:
    """One launch as it was, and as its schedule says."""

    measured: Trace
    plan: Schedule

    @cached_property
    def predicted(self) -> Trace:
        return simulate(self.plan)

    def __str__(self) -> str:
        return f"{self.measured}\n\npredicted: {duration(self.predicted.makespan)}"

    def facts(self) -> dict[str, Any]:
        trace = self.measured
        return {
            "kernel": trace.kernel,
            "cores": trace.cores,
            "seconds": trace.makespan,
            "predicted_seconds": self.predicted.makespan,
            "uncertainty_seconds": trace.uncertainty,
            "utilisation": trace.utilisation,
            "busy_seconds": trace.busy.tolist(),
            "waiting_seconds": trace.waiting.tolist(),
            "spans_lost": trace.lost,
        }
