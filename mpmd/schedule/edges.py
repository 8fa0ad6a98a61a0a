"""The sync of a launch as edges between its spans: who waited, for whom, and for which dependence.

In:  a `Schedule`, a `Trace` of it. Out: `Edges`, columns with one entry per WAIT and iteration.
Not here: how long the launch took for that (`critical.py`), pictures.

A WAIT serves a dependence, and the span behind it is the first one of the next task, or of the next drain, on
its core. Of the producers on other cores the one that ended last is the one that was waited for. With n
producers and m waits that is n + m steps, not n·m.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpmd.partition.graph import IntColumn
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.timeline import Ints, SpanKind, Trace

_NONE = -1
_RUNS = (StepOp.RUN, StepOp.DRAIN)
_LIMITS = (StepOp.LOOP, StepOp.END)


@dataclass(frozen=True, eq=False)
class Edges:
    """`producer` and `consumer` are spans of the trace, `dep` a dependence; `wait` is the span of the WAIT
    (−1: it took no time). In order of cores, then of steps, then of iterations."""

    producer: IntColumn
    consumer: IntColumn
    wait: IntColumn
    dep: IntColumn

    def __len__(self) -> int:
        return len(self.dep)


def edges(schedule: Schedule, trace: Trace) -> Edges:
    """The edges of those waits whose producers and consumers the trace shows."""
    runs = np.flatnonzero(trace.kind == SpanKind.RUN)
    turns = int(trace.iteration.max(initial=0)) + 2  # one more: for the iteration before the first
    waits, behind = _waits(schedule)
    at, consumer = _joined(behind * turns, turns, *_firsts(trace, runs, trace.step, turns))
    wait, iteration = waits[at], trace.iteration[consumer].astype(np.int64)
    dep = schedule.reason[wait].astype(np.int64)
    before = iteration - schedule.deps.distance[dep]
    producer = _producers(schedule, trace, runs, turns, dep * turns + before + 1, trace.core[consumer])
    found = producer != _NONE
    return Edges(
        producer=producer[found],
        consumer=consumer[found],
        wait=_spans_of_waits(trace, turns, (wait * turns + iteration)[found]),
        dep=dep[found],
    )


def _waits(schedule: Schedule) -> tuple[IntColumn, IntColumn]:
    """The WAITs that serve dependences, and the step that runs tasks behind each, within its loop."""
    op, steps = schedule.op, len(schedule.op)
    following = np.full(steps + 1, steps)
    marks = np.isin(op, (*_RUNS, *_LIMITS))
    following[:-1] = np.minimum.accumulate(np.where(marks, np.arange(steps), steps)[::-1])[::-1]
    waits = np.flatnonzero((op == StepOp.WAIT) & (schedule.reason >= 0))
    behind = following[waits]
    end = schedule.core_ptr[np.searchsorted(schedule.core_ptr, waits, side="right")]
    real = behind < end
    real[real] = np.isin(op[behind[real]], _RUNS)
    return waits[real], behind[real]


def _firsts(trace: Trace, runs: IntColumn, by: Ints, turns: int) -> tuple[IntColumn, IntColumn]:
    """Ascending keys `by` × turns + iteration, and the first run of each. (Spans of a core are in order.)"""
    keys = by[runs].astype(np.int64) * turns + trace.iteration[runs]
    distinct, first = np.unique(keys, return_index=True)
    return distinct, runs[first]


def _joined(first: IntColumn, count: int, keys: IntColumn, values: IntColumn) -> tuple[IntColumn, IntColumn]:
    """All values with keys from each of `first` on, below `first + count`; and which of `first` it was."""
    lo, hi = np.searchsorted(keys, first), np.searchsorted(keys, first + count)
    number = np.repeat(np.arange(len(first)), hi - lo)
    offset = np.arange(len(number)) - np.repeat(np.cumsum(hi - lo) - (hi - lo), hi - lo)
    return number, values[lo[number] + offset]


def _producers(
    schedule: Schedule, trace: Trace, runs: IntColumn, turns: int, wanted: IntColumn, core: Ints
) -> IntColumn:
    """Of each wanted dependence × turns + iteration + 1 the run that ended last on another core."""
    keys, span = _ends(schedule, trace, runs, turns, np.unique(wanted))
    last = np.flatnonzero(np.diff(keys, append=_NONE) != 0)
    group = np.repeat(np.arange(len(last)), np.diff(last, prepend=_NONE))
    elsewhere = np.flatnonzero(trace.core[span] != trace.core[span[last]][group])
    other = np.full(len(last), _NONE)
    other[group[elsewhere]] = span[elsewhere]  # of several the last one stays
    at = np.searchsorted(keys[last], wanted)
    found = np.full(len(wanted), _NONE)
    there = np.flatnonzero(at < len(last))
    there = there[keys[last][at[there]] == wanted[there]]
    best, second = span[last][at[there]], other[at[there]]
    found[there] = np.where(trace.core[best] != core[there], best, second)
    return found


def _ends(
    schedule: Schedule, trace: Trace, runs: IntColumn, turns: int, wanted: IntColumn
) -> tuple[IntColumn, IntColumn]:
    """Keys dependence × turns + iteration + 1, ascending, and a producer's last run in each, by ends."""
    deps = schedule.deps
    used = np.unique(wanted // turns)
    count = np.diff(deps.producer_ptr)[used]
    dep = np.repeat(used, count)
    within = np.arange(len(dep)) - np.repeat(np.cumsum(count) - count, count)
    task = deps.producers[deps.producer_ptr[dep] + within].astype(np.int64)
    at, span = _joined(task * turns, turns, *_firsts(trace, runs[::-1], trace.task, turns))
    keys = dep[at] * turns + trace.iteration[span] + 1
    order = np.lexsort((span, trace.finish[span], keys))
    return keys[order], span[order]


def _spans_of_waits(trace: Trace, turns: int, wanted: IntColumn) -> IntColumn:
    """The span of each WAIT step × turns + iteration."""
    waits = np.flatnonzero(trace.kind == SpanKind.WAIT)
    keys = trace.step[waits].astype(np.int64) * turns + trace.iteration[waits]
    order = np.argsort(keys, kind="stable")
    at = np.searchsorted(keys[order], wanted)
    found = np.full(len(wanted), _NONE)
    there = np.flatnonzero(at < len(order))
    there = there[keys[order][at[there]] == wanted[there]]
    found[there] = waits[order][at[there]]
    return found
