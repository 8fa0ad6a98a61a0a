"""The critical path of a launch as stretches of time, each on one core.

In:  a `Schedule`, a `Trace` of it. Out: a `Path`.
Not here: finding it (`schedule/critical.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpmd.partition.graph import IntColumn
from mpmd.schedule.critical import critical_path
from mpmd.schedule.steps import Schedule
from mpmd.timeline import Seconds, SpanKind, Trace

CAUSES = ("computes", "waits for data")


@dataclass(frozen=True, eq=False)
class Path:
    """Stretches in order of time: the core, what the time went to, the span of the trace, from when to when."""

    core: IntColumn
    cause: IntColumn
    span: IntColumn
    start: Seconds
    finish: Seconds


def path_of(schedule: Schedule, trace: Trace) -> Path:
    span = np.array(critical_path(schedule, trace).spans, np.int64)
    begin, finish = trace.start[span], trace.finish[span]
    return Path(
        core=trace.core[span].astype(np.int64),
        cause=np.where(trace.kind[span] == SpanKind.RUN, 0, 1).astype(np.int64),
        span=span,
        start=np.maximum(begin, np.concatenate([[0.0], finish[:-1]])[: len(span)]),
        finish=finish,
    )
