"""Why a launch took as long as it did: the way back from its end, along what each moment waited for.

In:  a `Schedule`, a `Trace` of it, simulated or measured. Out: a `CriticalPath`, whose parts add up to the
     makespan.
Not here: bounds, which hold for all schedules (`bounds.py`); sums over all cores (`Trace`).

From the end of a run the way goes to what that core did before. From the end of a wait it goes to the run
whose signal came last, if that ended while the core waited; from a barrier to the core that came last; from
a channel to the task at its other end. The time of the wait after that is what sync costs. (Walking back
along the last thing that each event waited for: Yang, Miller, "Critical path analysis for the execution of
parallel and distributed programs", ICDCS 1988.)
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import numpy as np

from mpmd.lang.types import Direction
from mpmd.partition.graph import IntColumn
from mpmd.schedule.interleave import channel_ends
from mpmd.schedule.steps import LAUNCH_ENDS, Schedule, StepOp
from mpmd.timeline import SpanKind, Trace

_NONE = -1


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """`spans` of the trace, in order of time, along which the launch took its makespan, in seconds.

    `run` is computing (and passing tokens). `sync` is waiting for what is on its way already, tickets, and
    what stands between spans: giving signals. `launch` is until the launch begins, or the next one.
    `unseen` are iterations that the trace does not show.
    """

    spans: tuple[int, ...]
    run: float
    sync: float
    launch: float
    unseen: float


def critical_path(schedule: Schedule, trace: Trace) -> CriticalPath:
    """The way back from the end of the launch."""
    way = _Way(schedule, trace)
    if not len(trace):
        return CriticalPath((), 0.0, 0.0, trace.makespan, 0.0)
    way.back(trace.makespan)
    return CriticalPath(tuple(reversed(way.spans)), way.run, way.sync, way.launch, way.unseen)


class _Way:
    """The walk, over the spans that took time."""

    def __init__(self, schedule: Schedule, trace: Trace) -> None:
        self.spans: list[int] = []
        self.run = self.sync = self.launch = self.unseen = 0.0
        self._schedule = schedule
        self._number: list[int] = np.flatnonzero(trace.finish > trace.start).tolist()
        chosen = self._number
        self._kind, self._core = trace.kind[chosen].tolist(), trace.core[chosen].tolist()
        self._step, self._label = trace.step[chosen].tolist(), trace.label[chosen].tolist()
        self._start, self._finish = trace.start[chosen].tolist(), trace.finish[chosen].tolist()
        self._first: list[int] = np.searchsorted(self._core, np.arange(trace.cores + 1)).tolist()
        self._of_step = _Grouped(trace.step[chosen])
        self._barriers = _Grouped(np.where(trace.kind[chosen] == SpanKind.BARRIER, trace.core[chosen], _NONE))
        self._unit = _units_before(schedule)
        self._signals = _Grouped(np.where(schedule.op == StepOp.SIGNAL, schedule.a, _NONE))
        self._channel_ends = channel_ends(schedule)
        self._loop_ends: list[int] = (
            np.flatnonzero(schedule.op == StepOp.END).tolist() if trace.unseen else []
        )

    def back(self, end: float) -> None:
        """From the latest span of all to a core's first."""
        last = int(np.argmax(self._finish))
        core = self._core[last]
        self._between(last, int(self._schedule.core_ptr[core + 1]), end - self._finish[last])
        moment = self._finish[last]
        while (at := self._at(core, moment)) != _NONE:
            core, moment = self._over(at, moment)
        self.launch += moment

    def _at(self, core: int, moment: float) -> int:
        """The last span of a core that began before then."""
        first = self._first[core]
        at = bisect_left(self._start, moment, first, self._first[core + 1]) - 1
        return at if at >= first else _NONE

    def _over(self, at: int, moment: float) -> tuple[int, float]:
        """A span up to a moment, and where the way goes on: before it, or at what it waited for."""
        self.spans.append(self._number[at])
        core, begin, end = self._core[at], self._start[at], min(moment, self._finish[at])
        if self._kind[at] == SpanKind.RUN:
            self.run += end - begin
        else:
            then, other = max(self._awaited(at, end), default=(begin, core))
            self._wait(at, end - max(then, begin))
            if then > begin:
                return other, then
        before = self._at(core, begin)
        if before == _NONE:
            return core, begin
        self._between(before, self._step[at], begin - self._finish[before])
        return core, self._finish[before]

    def _wait(self, at: int, seconds: float) -> None:
        step = self._step[at]
        if self._schedule.op[step] == StepOp.BARRIER and self._schedule.b[step] == LAUNCH_ENDS:
            self.launch += seconds
        else:
            self.sync += seconds

    def _between(self, before: int, step: int, seconds: float) -> None:
        """What stands between a span and a later step of its core."""
        if bisect_left(self._loop_ends, self._step[before]) < bisect_left(self._loop_ends, step):
            self.unseen += seconds
        else:
            self.sync += seconds

    def _awaited(self, at: int, end: float) -> list[tuple[float, int]]:
        """What a wait may have been for: when it was there, and on which core."""
        if self._kind[at] == SpanKind.WAIT:
            signals = self._signals[int(self._schedule.a[self._step[at]])]
            return self._ended([self._unit[signal] for signal in signals], end)
        if self._kind[at] == SpanKind.BARRIER:
            return self._arrived(at, end)
        if self._kind[at] == SpanKind.CHANNEL:
            return self._other_end(at, end)
        return []

    def _ended(self, steps: list[int], moment: float) -> list[tuple[float, int]]:
        """When the last spans of these steps ended, by then."""
        found: list[tuple[float, int]] = []
        for step in steps:
            spans = self._of_step[step]
            number = bisect_right(spans, moment, key=lambda span: self._finish[span])
            found += [(self._finish[span], self._core[span]) for span in spans[max(0, number - 1) : number]]
        return found

    def _arrived(self, at: int, end: float) -> list[tuple[float, int]]:
        """When each core came to the barrier: its span there is the one that overlaps."""
        found: list[tuple[float, int]] = []
        for core in range(len(self._first) - 1):
            spans = self._barriers[core]
            number = bisect_left(spans, end, key=lambda span: self._start[span])
            near = spans[max(0, number - 1) : number]
            found += [(self._start[span], core) for span in near if self._finish[span] > self._start[at]]
        return found

    def _other_end(self, at: int, end: float) -> list[tuple[float, int]]:
        """Until when the task at the other end of a channel ran, by then: its spans do not show tokens."""
        schedule = self._schedule
        task = int(schedule.a[self._step[at]])
        channel = self._label[at] - len(schedule.graph.sites)
        ends = self._channel_ends[int(schedule.graph.gang[task]), channel]
        other = ends[Direction.RECV if ends[Direction.SEND] == task else Direction.SEND]
        found: list[tuple[float, int]] = []
        for step in np.flatnonzero((schedule.op == StepOp.RUN) & (schedule.a == other)).tolist():
            spans = [span for span in self._of_step[step] if self._kind[span] == SpanKind.RUN]
            number = bisect_left(spans, end, key=lambda span: self._start[span])
            near = spans[max(0, number - 1) : number]
            found += [(min(end, self._finish[span]), self._core[span]) for span in near]
        return found


class _Grouped:
    """Positions by value, ascending; of −1 and of what is not there: none."""

    def __init__(self, values: np.ndarray) -> None:
        self._order = np.argsort(values, kind="stable")
        self._sorted = values[self._order]

    def __getitem__(self, value: int) -> list[int]:
        if value < 0:
            return []
        first, end = np.searchsorted(self._sorted, [value, value + 1])
        found: list[int] = self._order[first:end].tolist()
        return found


def _units_before(schedule: Schedule) -> list[int]:
    """Per step the last RUN or DRAIN of its core up to it, −1 for none."""
    units = np.isin(schedule.op, (StepOp.RUN, StepOp.DRAIN))
    latest: IntColumn = np.maximum.accumulate(np.where(units, np.arange(len(units)), _NONE))
    first = np.repeat(schedule.core_ptr[:-1], np.diff(schedule.core_ptr))
    return np.where(latest >= first, latest, _NONE).tolist()
