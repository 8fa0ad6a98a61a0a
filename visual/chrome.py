"""Traces as Chrome JSON, which ui.perfetto.dev and chrome://tracing open.

In:  `Trace`s, and the `Schedule`s that they are launches of. Out: JSON text, the same for the same traces.
Not here: measuring and simulating; pictures that need no viewer (`timeline.py`).

Each trace is a process and each core a track; what was predicted for a kernel stands above what was measured.
Tickets and waits in channels have tracks of their own below their core's. Arrows go from the last producer
on another core to what waited for it; where there are more than `MOST_ARROWS` the rest is left out, and the
text says how many.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count, zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from mpmd.schedule.steps import Schedule, StepOp
from mpmd.timeline import SpanKind, Trace

MOST_ARROWS = 5000
"""Of one trace."""

Event = dict[str, Any]
Edge = tuple[int, int, int]
"""From span to span, for a dependence."""

_LANES = {SpanKind.TICKET: ("tickets", 1), SpanKind.CHANNEL: ("channels", 2)}
"""Kinds with tracks of their own: what these are called, and their place below the core's."""
_SAYS = {SpanKind.WAIT: "wait for ", SpanKind.TICKET: "ticket of ", SpanKind.CHANNEL: "wait in "}
_TRACKS = 3  # of a core
_CATEGORY = {kind: kind.name.lower() for kind in SpanKind}


def chrome_json(traces: Sequence[Trace], schedules: Sequence[Schedule | None] = ()) -> str:
    """One text for all of them. `schedules` gives the schedule of each trace, as far as it goes."""
    pairs = _ordered([(t, s) for t, s in zip_longest(traces, schedules) if t is not None])
    processes = [_Process(number, trace, schedule) for number, (trace, schedule) in enumerate(pairs, start=1)]
    arrows = count(1)
    events = [event for process in processes for event in process.events(arrows)]
    left_out = {process.title: process.left_out for process in processes if process.left_out}
    document: dict[str, Any] = {"displayTimeUnit": "ns", "traceEvents": events}
    if left_out:
        document["otherData"] = {"arrows left out": left_out}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False) + "\n"


def _ordered(pairs: Sequence[tuple[Trace, Schedule | None]]) -> list[tuple[Trace, Schedule | None]]:
    """Kernels as they come first; of each the predictions, then the measurements."""
    first: dict[str, int] = {}
    for trace, _ in pairs:
        first.setdefault(trace.kernel, len(first))
    return sorted(pairs, key=lambda pair: (first[pair[0].kernel], pair[0].source != "simulated"))


@dataclass(frozen=True, eq=False)
class _Process:
    """One trace, and the schedule that it is a launch of, where that is known."""

    number: int
    trace: Trace
    schedule: Schedule | None

    @property
    def title(self) -> str:
        source = "predicted" if self.trace.source == "simulated" else self.trace.source
        return f"{source}: {self.trace.kernel} on {self.trace.machine}"

    @cached_property
    def edges(self) -> list[Edge]:
        return [] if self.schedule is None else list(_edges(self.trace, self.schedule))

    @property
    def left_out(self) -> int:
        """How many arrows are not drawn."""
        return max(0, len(self.edges) - MOST_ARROWS)

    @cached_property
    def _reasons(self) -> dict[int, str]:
        """Of the dependences that spans serve, "load#0 → store#2 via h (RAW)"."""
        if self.schedule is None:
            return {}
        graph, deps = self.schedule.graph, self.schedule.deps
        used = {*self.trace.dep.tolist(), *(dep for _, _, dep in self.edges)} - {-1}
        return {dep: graph.dep(dep, deps).reason for dep in sorted(used)}

    def events(self, arrows: Iterator[int]) -> Iterator[Event]:
        yield self._meta("process_name", 0, {"name": self.title})
        yield self._meta("process_sort_index", 0, {"sort_index": self.number})
        yield from self._tracks()
        yield from self._spans()
        yield from self._arrows(arrows)

    def _tracks(self) -> Iterator[Event]:
        used = set(zip(self.trace.core.tolist(), self.trace.kind.tolist(), strict=True))
        for core in range(self.trace.cores):
            lanes = [
                ("", 0),
                *((f" {name}", at) for kind, (name, at) in _LANES.items() if (core, kind) in used),
            ]
            for name, at in lanes:
                track = core * _TRACKS + at
                yield self._meta("thread_name", track, {"name": f"core {core}{name}"})
                yield self._meta("thread_sort_index", track, {"sort_index": track})

    def _meta(self, name: str, track: int, args: Event) -> Event:
        return {"ph": "M", "pid": self.number, "tid": track, "name": name, "args": args}

    @cached_property
    def _track(self) -> list[int]:
        """Of each span."""
        below = np.array([_LANES.get(kind, ("", 0))[1] for kind in SpanKind])
        return (self.trace.core * _TRACKS + below[self.trace.kind]).tolist()

    def _spans(self) -> Iterator[Event]:
        trace = self.trace
        lines = [f"{Path(place.file).name}:{place.line}" if place.line else "" for place in trace.places]
        columns = (trace.kind, trace.task, trace.step, trace.dep, trace.iteration, trace.label, trace.start)
        lists = (*(column.tolist() for column in columns), (trace.finish - trace.start).tolist())
        for span, row in enumerate(zip(*lists, strict=True)):
            kind, task, step, dep, iteration, label, start, seconds = row
            args: Event = {"step": step, "iteration": iteration}
            if lines[label]:
                args["at"] = lines[label]
            if task >= 0:
                args["task"] = task
            if dep in self._reasons:
                args["for"] = self._reasons[dep]
            yield {
                "ph": "X",
                "pid": self.number,
                "tid": self._track[span],
                "ts": _microseconds(start),
                "dur": _microseconds(seconds),
                "name": _SAYS.get(kind, "") + trace.name(span),
                "cat": _CATEGORY[kind],
                "args": args,
            }

    def _arrows(self, arrows: Iterator[int]) -> Iterator[Event]:
        for source, target, dep in self.edges[:MOST_ARROWS]:
            same = {"pid": self.number, "cat": "sync", "name": self._reasons[dep], "id": next(arrows)}
            begin = _microseconds(self.trace.finish[source])
            yield {"ph": "s", "tid": self._track[source], "ts": begin, **same}
            end = max(begin, _microseconds(self.trace.start[target]))
            yield {"ph": "f", "bp": "e", "tid": self._track[target], "ts": end, **same}


def _edges(trace: Trace, schedule: Schedule) -> Iterator[Edge]:
    """Per WAIT and iteration: of its producers the one that ended last, and the first span behind it."""
    begins: dict[tuple[int, int, int], int] = {}
    ends: dict[tuple[int, int], int] = {}
    runs = np.flatnonzero(trace.kind == SpanKind.RUN)
    columns = (runs, *(column[runs] for column in (trace.core, trace.step, trace.task, trace.iteration)))
    for span, core, step, task, iteration in zip(*(c.tolist() for c in columns), strict=True):
        begins.setdefault((core, step, iteration), span)
        ends[task, iteration] = span
    iterations = _iterations(trace)
    for core, dep, behind in _waits(schedule):
        distance = int(schedule.deps.distance[dep])
        for iteration in iterations.get(behind, ()):
            target = begins.get((core, behind, iteration))
            producers = schedule.deps.producers_of(dep).tolist()
            found = [ends.get((task, iteration - distance)) for task in producers]
            others = [span for span in found if span is not None and trace.core[span] != core]
            if target is not None and others:
                yield max(others, key=lambda span: (trace.finish[span], span)), target, dep


def _iterations(trace: Trace) -> dict[int, list[int]]:
    """Those in which each step was run."""
    found: dict[int, dict[int, None]] = {}
    for step, iteration in zip(trace.step.tolist(), trace.iteration.tolist(), strict=True):
        found.setdefault(step, {})[iteration] = None
    return {step: sorted(iterations) for step, iterations in found.items()}


def _waits(schedule: Schedule) -> Iterator[tuple[int, int, int]]:
    """Per WAIT its core, its dependence, and the step that runs tasks behind it."""
    ops, reasons = schedule.op.tolist(), schedule.reason.tolist()
    for core in range(schedule.cores):
        pending: list[int] = []
        for step in range(int(schedule.core_ptr[core]), int(schedule.core_ptr[core + 1])):
            if ops[step] == StepOp.WAIT and reasons[step] >= 0:
                pending.append(reasons[step])
            elif ops[step] in (StepOp.RUN, StepOp.DRAIN):
                yield from ((core, dep, step) for dep in pending)
                pending = []
            elif ops[step] in (StepOp.LOOP, StepOp.END):
                pending = []


def _microseconds(seconds: float) -> float:
    """With nanoseconds as the last digit."""
    return round(float(seconds) * 1e6, 3)
