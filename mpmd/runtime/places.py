"""Where stamps were taken: steps, tasks and iterations as the tables number them.

In:  the bytes of a kernel's tables, a `Launched`. Out: `Spans`; how early a wait ended at the most.
Not here: names (`profile.py`), the proof that waits suffice (`schedule/check.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mpmd.runtime.recorded import Column, Launched, Seconds
from mpmd.schedule.proof.decode import Tables
from mpmd.schedule.spans import Spans
from mpmd.schedule.steps import StepOp
from mpmd.timeline import SpanKind

NOTHING = -1


@dataclass(frozen=True, eq=False)
class Places:
    """The steps of a kernel, all cores' one after another."""

    tables: Tables

    @cached_property
    def in_loop(self) -> npt.NDArray[np.bool_]:
        """Which steps are repeated: those after a LOOP, up to and with its END."""
        begun, ended = (np.cumsum(self.tables.op == op) for op in (StepOp.LOOP, StepOp.END))
        return begun - ended + (self.tables.op == StepOp.END) > 0

    @cached_property
    def _stretch(self) -> Column:
        """Of each step how many loops have begun or ended before it; loops are counted with their LOOP."""
        begun, ended = (np.cumsum(self.tables.op == op) for op in (StepOp.LOOP, StepOp.END))
        return begun + ended - (self.tables.op == StepOp.END)

    def spans(self, launched: Launched) -> Spans:
        """The spans of a launch. `what` is the task of a RUN, and of a CHANNEL the number of the ring."""
        step = self._own_steps(launched)
        return Spans(
            core=launched.core,
            kind=launched.kind,
            what=self._what(launched, step),
            step=step,
            iteration=np.where(self.in_loop[step], launched.iteration, 0),
            start=launched.start,
            finish=launched.finish,
        )

    def _own_steps(self, launched: Launched) -> Column:
        """With the END of its core in the place of a meeting at the end of a loop."""
        tables, step = self.tables, launched.step.copy()
        meets = np.flatnonzero(step >= len(tables.op))
        if len(meets):
            ends = np.flatnonzero(tables.op == StepOp.END)
            end_of = np.full((tables.cores, len(tables.loops)), NOTHING)
            end_of[tables.step_core[ends], tables.a[ends]] = ends
            step[meets] = end_of[launched.core[meets], (step[meets] - len(tables.op)) // 2]
        return step

    def _what(self, launched: Launched, step: Column) -> Column:
        tables, a = self.tables, self.tables.a[step]
        what = np.full(len(step), NOTHING)
        runs = launched.kind == SpanKind.RUN
        drained = runs & (tables.op[step] == StepOp.DRAIN)
        what[runs] = a[runs]
        what[drained] = tables.drain_rows[tables.drain_ptr[a[drained]] + launched.item[drained]]
        channel = launched.kind == SpanKind.CHANNEL
        what[channel] = launched.item[channel] // 2
        return what

    def early(self, spans: Spans) -> float:
        """By how many seconds at most a wait ended before it could have had its signals; 0: none did.

        A signal is given when the spans of its core before it are over. So this is no error of the launch,
        but of the comparison of two cores' times.
        """
        waits = np.flatnonzero(spans.kind == SpanKind.WAIT)
        event = self.tables.a[spans.step[waits]]
        counts = self.tables.b[spans.step[waits]]
        counts = counts + spans.iteration[waits] * self.tables.event_total[event]
        given = self._given(spans, np.unique(event))
        late = given.when(event, counts) - spans.finish[waits]
        return float(late.max(initial=0.0))

    def _given(self, spans: Spans, events: Column) -> _Given:
        """When each signal of these events was given at the earliest, in all iterations."""
        tables = self.tables
        signals = np.flatnonzero((tables.op == StepOp.SIGNAL) & np.isin(tables.a, events))
        turns = self._turns(spans)[tables.event_loop[tables.a[signals]]]
        step = np.repeat(signals, turns)
        first = np.cumsum(turns) - turns
        iteration = np.arange(len(step)) - np.repeat(first, turns)
        return _Given(tables.a[step], tables.b[step], self._over(spans, step, iteration))

    def _turns(self, spans: Spans) -> Column:
        """Per loop the iterations that were seen; the last entry, which −1 reaches, is straight code's 1."""
        turns = np.ones(len(self.tables.loops) + 1, np.int64)
        inside = self.in_loop[spans.step]
        np.maximum.at(turns, self._loop[spans.step[inside]], spans.iteration[inside] + 1)
        return turns

    @cached_property
    def _loop(self) -> Column:
        """Of each step in a loop the loop's number."""
        opened = np.where(self.tables.op == StepOp.LOOP, np.arange(len(self.tables.op)), 0)
        return self.tables.a[np.maximum.accumulate(opened)]

    def _over(self, spans: Spans, step: Column, iteration: Column) -> Seconds:
        """When the last span before that step on its core was over; 0 where there is none."""
        most = int(max(spans.iteration.max(initial=0), iteration.max(initial=0))) + 1
        order = np.lexsort((spans.start, spans.core))
        keys = self._key(spans.step[order], spans.iteration[order], most)
        keys = np.maximum.accumulate(keys)
        at = np.searchsorted(keys, self._key(step, iteration, most), side="left") - 1
        own = (at >= 0) & (spans.core[order][at] == self.tables.step_core[step])
        return np.where(own, spans.finish[order][at], 0.0)

    def _key(self, step: Column, iteration: Column, most: int) -> Column:
        """Numbers that rise as all cores' steps are taken, one core after another."""
        steps = len(self.tables.op)
        return (self._stretch[step] * most + iteration) * steps + step


@dataclass(frozen=True, eq=False)
class _Given:
    """Signals: by `event` so much is added at `seconds`, or later."""

    event: Column
    amount: Column
    seconds: Seconds

    def when(self, event: Column, count: Column) -> Seconds:
        """When that event can have had that count at the earliest."""
        order = np.lexsort((self.seconds, self.event))
        total = np.concatenate([[0], np.cumsum(self.amount[order])])
        first = np.searchsorted(self.event[order], event, side="left")
        past = np.searchsorted(self.event[order], event, side="right")
        at = np.searchsorted(total[1:], total[first] + count, side="left")
        known = (count > 0) & (at < past)
        return np.where(known, np.append(self.seconds[order], 0.0)[np.where(known, at, -1)], 0.0)
