"""Why a launch took as long as it did: the way back from its end, along what each moment waited for.

In:  a `Schedule`, a `Trace` of it, simulated or measured. Out: the `way`, stretch by stretch, without a gap;
     a `CriticalPath`, its sums by what each stretch is.
Not here: bounds, which hold for all schedules (`bounds.py`); sums over all cores (`Trace`); whom to blame
(`blame.py`).

From the end of a run the way goes to what that core did before. From the end of a wait it goes to the run
whose signal came last, if that ended while the core waited; from a barrier to the core that came last; from
a channel to the task at its other end. The time of the wait after that is what sync costs. (Walking back
along the last thing that each event waited for: Yang, Miller, "Critical path analysis for the execution of
parallel and distributed programs", ICDCS 1988.)
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from enum import Enum
from math import fsum

import numpy as np

from mpmd.lang.types import Direction
from mpmd.partition.graph import IntColumn
from mpmd.schedule.interleave import channel_ends
from mpmd.schedule.steps import LAUNCH_ENDS, Schedule, StepOp
from mpmd.timeline import SpanKind, Trace

_NONE = -1

_Place = tuple[int, float, int]
"""A core, a moment, and the step that comes behind it."""

_Came = tuple[float, int, int]
"""When something that was waited for was there, on which core, in which step."""


class Part(Enum):
    """What a stretch of the way is."""

    RUN = "run"  # computing, or passing tokens
    SYNC = "sync"  # what is on its way already, tickets, and what stands between spans: giving signals
    LAUNCH = "launch"  # until the launch begins, or the next one
    UNSEEN = "unseen"  # iterations that the trace does not show


@dataclass(frozen=True, slots=True)
class Stretch:
    """The way lies on a core from `start` to `finish`, in a span of the trace (−1: between spans)."""

    part: Part
    core: int
    span: int
    start: float
    finish: float


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """`spans` of the trace, in order of time, along which the launch took its makespan; seconds by `Part`."""

    spans: tuple[int, ...]
    run: float
    sync: float
    launch: float
    unseen: float


def critical_path(schedule: Schedule, trace: Trace) -> CriticalPath:
    """The sums over the way."""
    found = way(schedule, trace)
    seconds = {part: fsum(each.finish - each.start for each in found if each.part is part) for part in Part}
    return CriticalPath(
        spans=tuple(each.span for each in found if each.span != _NONE),
        run=seconds[Part.RUN],
        sync=seconds[Part.SYNC],
        launch=seconds[Part.LAUNCH],
        unseen=seconds[Part.UNSEEN],
    )


def way(schedule: Schedule, trace: Trace) -> tuple[Stretch, ...]:
    """The way in order of time: each stretch begins when the one before ends, the first at 0, and the last
    ends with the launch. Some may have no length."""
    if not len(trace):
        return (Stretch(Part.LAUNCH, 0, _NONE, 0.0, trace.makespan),)
    walk = _Way(schedule, trace)
    walk.back()
    return tuple(reversed(walk.stretches))


class _Way:
    """The walk, over the spans that took time. `stretches` are those behind it, the last one first."""

    def __init__(self, schedule: Schedule, trace: Trace) -> None:
        self.stretches: list[Stretch] = []
        self._reached = trace.makespan
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

    def back(self) -> None:
        """From the latest span of all to a core's first."""
        core = self._core[int(np.argmax(self._finish))]
        moment, step = self._reached, int(self._schedule.core_ptr[core + 1])
        while (at := self._at(core, moment)) != _NONE:
            self._between(at, step)
            core, moment, step = self._over(at)
        self._add(Part.LAUNCH, core, _NONE, 0.0)

    def _add(self, part: Part, core: int, span: int, start: float) -> None:
        """The way lies here from `start` to where it is known from. (Measured times may be wrong against each
        other: the way goes back in time all the same.)"""
        start = min(max(start, 0.0), self._reached)
        self.stretches.append(Stretch(part, core, span, start, self._reached))
        self._reached = start

    def _at(self, core: int, moment: float) -> int:
        """The last span of a core that began before then."""
        first = self._first[core]
        at = bisect_left(self._start, moment, first, self._first[core + 1]) - 1
        return at if at >= first else _NONE

    def _between(self, before: int, step: int) -> None:
        """What stands between a span and a later step of its core."""
        if self._finish[before] < self._reached:
            loops = bisect_left(self._loop_ends, step) - bisect_left(self._loop_ends, self._step[before])
            part = Part.UNSEEN if loops > 0 else Part.SYNC
            self._add(part, self._core[before], _NONE, self._finish[before])

    def _over(self, at: int) -> _Place:
        """A span, and where the way goes on: before it, or at what it waited for."""
        core, begin, step = self._core[at], self._start[at], self._step[at]
        if self._kind[at] == SpanKind.RUN:
            self._add(Part.RUN, core, self._number[at], begin)
            return core, begin, step
        then, other, their_step = max(self._awaited(at, self._reached), default=(begin, core, step))
        self._add(self._part_of_wait(step), core, self._number[at], max(then, begin))
        return (other, then, their_step) if then > begin else (core, begin, step)

    def _part_of_wait(self, step: int) -> Part:
        ends = self._schedule.op[step] == StepOp.BARRIER and self._schedule.b[step] == LAUNCH_ENDS
        return Part.LAUNCH if ends else Part.SYNC

    def _awaited(self, at: int, end: float) -> list[_Came]:
        """What a wait may have been for."""
        if self._kind[at] == SpanKind.WAIT:
            signals = self._signals[int(self._schedule.a[self._step[at]])]
            return self._ended([self._unit[signal] for signal in signals], end)
        if self._kind[at] == SpanKind.BARRIER:
            return self._arrived(at, end)
        if self._kind[at] == SpanKind.CHANNEL:
            return self._other_end(at, end)
        return []

    def _ended(self, steps: list[int], moment: float) -> list[_Came]:
        """When the last spans of these steps ended, by then."""
        found: list[_Came] = []
        for step in steps:
            spans = self._of_step[step]
            number = bisect_right(spans, moment, key=lambda span: self._finish[span])
            found += [
                (self._finish[span], self._core[span], step) for span in spans[max(0, number - 1) : number]
            ]
        return found

    def _arrived(self, at: int, end: float) -> list[_Came]:
        """When each core came to the barrier: its span there is the one that overlaps."""
        found: list[_Came] = []
        for core in range(len(self._first) - 1):
            spans = self._barriers[core]
            number = bisect_left(spans, end, key=lambda span: self._start[span])
            near = spans[max(0, number - 1) : number]
            found += [
                (self._start[span], core, self._step[span])
                for span in near
                if self._finish[span] > self._start[at]
            ]
        return found

    def _other_end(self, at: int, end: float) -> list[_Came]:
        """Until when the task at the other end of a channel ran, by then: its spans do not show tokens."""
        schedule = self._schedule
        task = int(schedule.a[self._step[at]])
        channel = self._label[at] - len(schedule.graph.sites)
        ends = self._channel_ends[int(schedule.graph.gang[task]), channel]
        other = ends[Direction.RECV if ends[Direction.SEND] == task else Direction.SEND]
        found: list[_Came] = []
        for step in np.flatnonzero((schedule.op == StepOp.RUN) & (schedule.a == other)).tolist():
            spans = [span for span in self._of_step[step] if self._kind[span] == SpanKind.RUN]
            number = bisect_left(spans, end, key=lambda span: self._start[span])
            near = spans[max(0, number - 1) : number]
            found += [(min(end, self._finish[span]), self._core[span], step) for span in near]
        return found


class _Grouped:
    """Positions by value, ascending; of −1 and of what is not there: none."""

    def __init__(self, values: np.ndarray) -> None:
        self._order = np.argsort(values, kind="stable")
        self._sorted = values[self._order]
        self._found: dict[int, list[int]] = {}

    def __getitem__(self, value: int) -> list[int]:
        if value < 0:
            return []
        if value not in self._found:
            first, end = np.searchsorted(self._sorted, [value, value + 1])
            self._found[value] = self._order[first:end].tolist()
        return self._found[value]


def _units_before(schedule: Schedule) -> list[int]:
    """Per step the last RUN or DRAIN of its core up to it, −1 for none."""
    units = np.isin(schedule.op, (StepOp.RUN, StepOp.DRAIN))
    latest: IntColumn = np.maximum.accumulate(np.where(units, np.arange(len(units)), _NONE))
    first = np.repeat(schedule.core_ptr[:-1], np.diff(schedule.core_ptr))
    return np.where(latest >= first, latest, _NONE).tolist()
