"""A launch as tables: what it was, what each core did, which tasks took how long.

In:  a `Trace`. Out: parts of what a command shows. Where there are many cores, three of them stand for all.
Not here: why (`blamed.py`); the same as text for Python (`str(trace)`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mpmd.commands.show import Table, duration
from mpmd.timeline import Trace

MOST_CORES = 16
MOST_TASKS = 20
"""Rows that are shown; those with the most time."""


def traced(trace: Trace) -> list[str | Table]:
    """All that there is to say without its schedule."""
    return [trace.headline, _cores(trace), _tasks(trace)]


def _cores(trace: Trace) -> Table:
    rows = []
    for name, core in _shown(trace):
        busy, waiting = float(trace.busy[core]), float(trace.waiting[core])
        parts = (busy, waiting, trace.makespan - busy - waiting)
        times = [text for part in parts for text in (duration(part), _share(part, trace.makespan))]
        rows.append((name, *times))
    return Table(("core", "busy", "", "waiting", "", "other", ""), rows)


def _shown(trace: Trace) -> Iterator[tuple[str, int]]:
    """Each core under its number, or of many those with the most, the median and the least work."""
    if trace.cores <= MOST_CORES:
        yield from ((str(core), core) for core in range(trace.cores))
        return
    order = np.argsort(-trace.busy, kind="stable").tolist()
    for name, core in (("busiest", order[0]), ("median", order[trace.cores // 2]), ("idlest", order[-1])):
        yield f"{core} ({name} of {trace.cores})", core


def _tasks(trace: Trace) -> Table:
    totals = trace.totals
    whole = sum(total.seconds for total in totals)
    rows = [
        (
            total.label,
            f"{Path(total.place.file).name}:{total.place.line}" if total.place.line else "",
            str(total.count),
            duration(total.seconds),
            duration(total.mean),
            _share(total.seconds, whole),
        )
        for total in totals[:MOST_TASKS]
    ]
    if len(totals) > MOST_TASKS:
        rows.append((f"and {len(totals) - MOST_TASKS} more", "", "", "", "", ""))
    return Table(("task", "at", "count", "total", "mean", "share"), rows, left=("at",))


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole > 0 else ""
