"""The longest waits of a launch: who waited for whom, through which dependence, and where that is written.

In:  a `Schedule`, a `Trace` of it, the seconds of its spans on the critical path. Out: `WorstWait`s.
Not here: sums by lines (`schedule/report.py`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mpmd.errors import Span
from mpmd.lang.types import Direction
from mpmd.schedule.edges import Edges, edges
from mpmd.schedule.interleave import channel_ends
from mpmd.schedule.steps import Schedule
from mpmd.timeline import WAITING, Seconds, SpanKind, Trace

_NONE = -1


@dataclass(frozen=True, slots=True)
class WorstWait:
    """One wait on `core`. The seconds `on_path` are those that it cost the launch.

    `producer` and `consumer` are tasks, with the lines that call them; `reason` is the dependence
    ("load#0 → store#2 via h (RAW)"), a barrier or a channel. Where no task follows, the end waited.
    """

    span: int
    core: int
    consumer: str
    consumer_place: Span
    producer: str
    producer_place: Span
    reason: str
    seconds: float
    on_path: float

    def as_json(self) -> dict[str, Any]:
        places = {"consumer_place": str(self.consumer_place), "producer_place": str(self.producer_place)}
        return asdict(self) | places


def worst_waits(schedule: Schedule, trace: Trace, on_path: Seconds, most: int) -> tuple[WorstWait, ...]:
    """The longest ones first."""
    waits = np.flatnonzero(np.isin(trace.kind, WAITING))
    length = (trace.finish - trace.start)[waits]
    chosen = waits[np.argsort(-length, kind="stable")[:most]].tolist()
    resolve = _Resolving(schedule, trace)
    return tuple(resolve.wait(span, float(on_path[span])) for span in chosen)


class _Resolving:
    """Finds what the spans of waits wait for."""

    def __init__(self, schedule: Schedule, trace: Trace) -> None:
        self._schedule, self._trace = schedule, trace
        self._edges: Edges = edges(schedule, trace)
        self._runs = np.flatnonzero(trace.kind == SpanKind.RUN)

    def wait(self, span: int, on_path: float) -> WorstWait:
        trace = self._trace
        producer, reason = self._awaited(span)
        consumer = self._next_run(span)
        end = "the end", self._schedule.graph.program.span
        waiter = self._called(consumer, end)
        made = self._called(producer, (trace.name(span), trace.places[trace.label[span]]))
        return WorstWait(
            span=span,
            core=int(trace.core[span]),
            consumer=waiter[0],
            consumer_place=waiter[1],
            producer=made[0],
            producer_place=made[1],
            reason=reason,
            seconds=float(trace.finish[span] - trace.start[span]),
            on_path=on_path,
        )

    def _called(self, run: int, otherwise: tuple[str, Span]) -> tuple[str, Span]:
        if run == _NONE:
            return otherwise
        return self._trace.name(run), self._trace.places[self._trace.label[run]]

    def _next_run(self, span: int) -> int:
        """The next run of the same core."""
        at = int(np.searchsorted(self._runs, span))
        run = int(self._runs[at]) if at < len(self._runs) else _NONE
        return run if run != _NONE and self._trace.core[run] == self._trace.core[span] else _NONE

    def _awaited(self, span: int) -> tuple[int, str]:
        """The run that came last, and why it was waited for."""
        kind = self._trace.kind[span]
        if kind == SpanKind.BARRIER:
            return self._last(self._runs, span), "barrier"
        if kind == SpanKind.CHANNEL:
            return self._other_end(span)
        at = np.flatnonzero(self._edges.wait == span)
        producer = int(self._edges.producer[at[0]]) if len(at) else _NONE
        dep = int(self._trace.dep[span])
        schedule = self._schedule
        return producer, schedule.graph.dep(dep, schedule.deps).reason if dep >= 0 else "sync"

    def _other_end(self, span: int) -> tuple[int, str]:
        """The last run of the task at the other end of a channel."""
        schedule, trace = self._schedule, self._trace
        task = int(schedule.a[trace.step[span]])
        channel = int(trace.label[span]) - len(schedule.graph.sites)
        ends = channel_ends(schedule)[int(schedule.graph.gang[task]), channel]
        other = ends[Direction.RECV if ends[Direction.SEND] == task else Direction.SEND]
        runs = self._runs[trace.task[self._runs] == other]
        return self._last(runs, span), f"channel {trace.name(span)}"

    def _last(self, runs: np.ndarray, span: int) -> int:
        """Of these runs, of other cores, the one that ended last before a wait did."""
        trace = self._trace
        before = runs[(trace.core[runs] != trace.core[span]) & (trace.start[runs] < trace.finish[span])]
        ended = np.minimum(trace.finish[before], trace.finish[span])
        return int(before[np.argmax(ended)]) if len(before) else _NONE
