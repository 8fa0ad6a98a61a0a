"""Traces as Chrome JSON, which ui.perfetto.dev and chrome://tracing open.

In:  `Trace`s, and the `Schedule`s that they are launches of. Out: JSON text, the same for the same traces.
Not here: measuring and simulating; which spans an arrow joins (`schedule/edges.py`); pictures that need no
viewer (`timeline.py`, `page.py`).

Each trace is a process and each core a track; what was predicted for a kernel stands above what was measured.
Tickets and waits in channels have tracks of their own below their core's. Arrows go from the last producer
on another core to what waited for it; where there are more than `MOST_ARROWS` the rest is left out, and the
text says how many.

Events are written from columns, without an object for each: a launch may have a million of them. Times are
whole nanoseconds, rounded before they are subtracted, so that spans which do not overlap do not seem to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count, zip_longest
from pathlib import Path

import numpy as np

from mpmd.partition.graph import IntColumn
from mpmd.schedule.edges import Edges, edges
from mpmd.schedule.steps import Schedule
from mpmd.timeline import Seconds, SpanKind, Trace

MOST_ARROWS = 5000
"""Of one trace."""

_LANES = {SpanKind.TICKET: ("tickets", 1), SpanKind.CHANNEL: ("channels", 2)}
"""Kinds with tracks of their own: what these are called, and their place below the core's."""
_SAYS = {SpanKind.WAIT: "wait for ", SpanKind.TICKET: "ticket of ", SpanKind.CHANNEL: "wait in "}
_TRACKS = 10
"""From a core's number to the next one's. Core 0 has it, too: Perfetto takes track 0 of each process for the
one with the number of the process."""


def chrome_json(traces: Sequence[Trace], schedules: Sequence[Schedule | None] = ()) -> str:
    """One text for all of them. `schedules` gives the schedule of each trace, as far as it goes."""
    pairs = _ordered([(t, s) for t, s in zip_longest(traces, schedules) if t is not None])
    processes = [_Process(number, trace, schedule) for number, (trace, schedule) in enumerate(pairs, start=1)]
    arrows = count(1)
    events = ",\n".join(event for process in processes for event in process.events(arrows))
    left_out = {process.title: process.left_out for process in processes if process.left_out}
    rest = f',"otherData":{_json({"arrows left out": left_out})}' if left_out else ""
    return f'{{"displayTimeUnit":"ns","traceEvents":[{events}]{rest}}}\n'


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

    @property
    def left_out(self) -> int:
        """How many arrows are not drawn."""
        return 0 if self._edges is None else max(0, len(self._edges) - MOST_ARROWS)

    def events(self, arrows: Iterator[int]) -> Iterator[str]:
        yield self._meta("process_name", 0, {"name": self.title})
        yield self._meta("process_sort_index", 0, {"sort_index": self.number})
        yield from self._tracks()
        yield from self._spans()
        yield from self._arrows(arrows)

    def _tracks(self) -> Iterator[str]:
        used = set(zip(self.trace.core.tolist(), self.trace.kind.tolist(), strict=True))
        for core in range(self.trace.cores):
            own = [(f" {name}", at) for kind, (name, at) in _LANES.items() if (core, kind) in used]
            for name, at in [("", 0), *own]:
                track = (core + 1) * _TRACKS + at
                yield self._meta("thread_name", track, {"name": f"core {core}{name}"})
                yield self._meta("thread_sort_index", track, {"sort_index": track})

    def _meta(self, name: str, track: int, args: dict[str, str | int]) -> str:
        return _json({"ph": "M", "pid": self.number, "tid": track, "name": name, "args": args})

    @cached_property
    def _track(self) -> list[int]:
        """Of each span."""
        below = np.array([_LANES.get(kind, ("", 0))[1] for kind in SpanKind])
        return ((self.trace.core + 1) * _TRACKS + below[self.trace.kind]).tolist()

    @cached_property
    def _begin(self) -> IntColumn:
        return _nanoseconds(self.trace.start)

    @cached_property
    def _end(self) -> IntColumn:
        return _nanoseconds(self.trace.finish)

    @cached_property
    def _edges(self) -> Edges | None:
        return None if self.schedule is None else edges(self.schedule, self.trace)

    @cached_property
    def _reasons(self) -> dict[int, str]:
        """Of the dependences that spans serve, "load#0 → store#2 via h (RAW)", within quotes."""
        if self.schedule is None or self._edges is None:
            return {}
        graph, deps = self.schedule.graph, self.schedule.deps
        used = np.union1d(self.trace.dep, self._edges.dep[:MOST_ARROWS])
        return {dep: _json(graph.dep(dep, deps).reason) for dep in used[used >= 0].tolist()}

    def _spans(self) -> Iterator[str]:
        """Text between the columns is made once per label, kind and dependence."""
        trace, pid = self.trace, self.number
        labels = [_json(label)[1:-1] for label in trace.labels]
        places = [_place(place.file, place.line) for place in trace.places]
        heads = [f'"cat":"{kind.name.lower()}","name":"{_SAYS.get(kind, "")}' for kind in SpanKind]
        reasons = {dep: f',"for":{reason}' for dep, reason in self._reasons.items()}
        times = (_microseconds(self._begin), _microseconds(self._end - self._begin))
        columns = (trace.kind, trace.label, trace.number, trace.task, trace.step, trace.iteration, trace.dep)
        for track, ts, dur, kind, label, number, task, step, turn, dep in zip(
            self._track, *times, *(column.tolist() for column in columns), strict=True
        ):
            name = f"{labels[label]}#{number}" if number >= 0 else labels[label]
            of_task = f',"task":{task}' if task >= 0 else ""
            yield (
                f'{{"ph":"X","pid":{pid},"tid":{track},"ts":{ts},"dur":{dur},{heads[kind]}{name}","args":'
                f'{{"step":{step},"iteration":{turn}{places[label]}{of_task}{reasons.get(dep, "")}}}}}'
            )

    def _arrows(self, arrows: Iterator[int]) -> Iterator[str]:
        """From the end of a span to the beginning of another, which is not before it."""
        if self._edges is None:
            return
        source, target = (spans[:MOST_ARROWS] for spans in (self._edges.producer, self._edges.consumer))
        begin = self._end[source]
        times = (_microseconds(begin), _microseconds(np.maximum(begin, self._begin[target])))
        columns = (source.tolist(), target.tolist(), self._edges.dep[:MOST_ARROWS].tolist())
        for s, f, dep, began, ended in zip(*columns, *times, strict=True):
            same = f'"pid":{self.number},"cat":"sync","name":{self._reasons[dep]},"id":{next(arrows)}'
            yield f'{{"ph":"s","tid":{self._track[s]},"ts":{began},{same}}}'
            yield f'{{"ph":"f","bp":"e","tid":{self._track[f]},"ts":{ended},{same}}}'


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _place(file: str, line: int) -> str:
    return f',"at":{_json(f"{Path(file).name}:{line}")}' if line else ""


def _nanoseconds(seconds: Seconds) -> IntColumn:
    return np.rint(seconds * 1e9).astype(np.int64)


def _microseconds(nanoseconds: IntColumn) -> list[str]:
    """With nanoseconds as the last digit."""
    whole, rest = np.divmod(nanoseconds, 1000)
    return [f"{w}.{r:03d}" for w, r in zip(whole.tolist(), rest.tolist(), strict=True)]
