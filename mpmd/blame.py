"""Whom to blame for the time of a launch: every moment of it is charged to one cause.

In:  a `Trace`, measured or simulated, and the `Schedule` that it is a launch of. Out: a `Blame`.
Not here: the way back itself (`schedule/critical.py`); single waits (`blame_waits.py`), what to do about it
(`advice.py`), words (`blame_text.py`).

The way goes back from the end of the launch along what each moment waited for last (Yang, Miller, "Critical
path analysis for the execution of parallel and distributed programs", ICDCS 1988). It covers the launch
without a gap. Each stretch of it has one of the causes of `blame_causes.py`: a direct one, where it arises,
which is not spread over those who wait in turn (Böhme, Wolf, de Supinski, Schulz, Geimer, "Scalable
critical-path based performance analysis", IPDPS 2012).

Iterations of loops that a trace does not show are charged as those of the same loop that it shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from math import fsum
from typing import Any

import numpy as np
import numpy.typing as npt

from mpmd.advice import Advice, advise
from mpmd.blame_causes import Cause as Cause
from mpmd.blame_text import text
from mpmd.blame_waits import WorstWait, worst_waits
from mpmd.errors import Span
from mpmd.partition.graph import column
from mpmd.schedule.critical import Part, Stretch, way
from mpmd.schedule.ready import Ready
from mpmd.schedule.steps import Schedule
from mpmd.timeline import Seconds, SpanKind, Trace

_NONE = -1


@dataclass(frozen=True, slots=True)
class OnPath:
    """What the tasks of one line take of the way: how many of them, and seconds by cause."""

    tasks: int
    compute: float
    core_wait: float

    @property
    def total(self) -> float:
        return self.compute + self.core_wait


@dataclass(frozen=True, eq=False)
class Blame:
    """The launch as stretches in order of time: the first begins at 0, each where the one before ends, and
    the last one ends at the makespan.

    `core` is where the way lies; `cause` a `Cause`; `span` that of the trace (−1: none). `unseen` seconds
    are of iterations that the trace does not show.
    """

    trace: Trace
    schedule: Schedule
    core: npt.NDArray[np.int32]
    cause: npt.NDArray[np.uint8]
    span: npt.NDArray[np.int32]
    start: Seconds
    finish: Seconds
    unseen: float

    def __len__(self) -> int:
        return len(self.cause)

    @cached_property
    def seconds(self) -> dict[Cause, float]:
        """By cause; together they are the makespan."""
        length = self.finish - self.start
        return {cause: fsum(length[self.cause == cause].tolist()) for cause in Cause}

    def share(self, cause: Cause) -> float:
        """Of the makespan."""
        return self.seconds[cause] / self.trace.makespan if self.trace.makespan > 0 else 0.0

    @cached_property
    def on_path(self) -> Seconds:
        """Per span of the trace the seconds that lie on the way."""
        inside = self.span >= 0
        length = (self.finish - self.start)[inside]
        return np.bincount(self.span[inside], weights=length, minlength=len(self.trace)).astype(np.float64)

    @cached_property
    def by_line(self) -> tuple[tuple[tuple[str, Span], OnPath], ...]:
        """By name and line the tasks on the way, those with the most time first."""
        trace, length = self.trace, self.finish - self.start
        ran = (self.span >= 0) & np.isin(self.cause, (Cause.COMPUTE, Cause.CORE_WAIT))
        found: dict[tuple[str, Span], list[tuple[int, int, float]]] = {}
        rows = zip(self.span[ran].tolist(), self.cause[ran].tolist(), length[ran].tolist(), strict=True)
        for span, cause, seconds in rows:
            label = int(trace.label[span])
            found.setdefault((trace.labels[label], trace.places[label]), []).append((span, cause, seconds))
        lines = [(line, _on_path(trace, parts)) for line, parts in found.items()]
        return tuple(sorted(lines, key=lambda line: -line[1].total))

    def worst_waits(self, most: int = 5) -> tuple[WorstWait, ...]:
        """Those of all cores that took longest, on the way or beside it."""
        return worst_waits(self.schedule, self.trace, self.on_path, most)

    @cached_property
    def advice(self) -> tuple[Advice, ...]:
        """What may help, what is worth most first; nothing where no pattern shows."""
        return advise(self)

    def as_json(self) -> dict[str, Any]:
        return {
            "kernel": self.trace.kernel,
            "source": self.trace.source,
            "makespan": self.trace.makespan,
            "seconds": {cause.name.lower(): seconds for cause, seconds in self.seconds.items()},
            "unseen": self.unseen,
            "lines": [
                {"call": label, "place": str(place), **asdict(seconds)}
                for (label, place), seconds in self.by_line
            ],
            "worst_waits": [wait.as_json() for wait in self.worst_waits()],
            "advice": [advice.as_json() for advice in self.advice],
        }

    def __str__(self) -> str:
        return text(self)


def _on_path(trace: Trace, parts: Sequence[tuple[int, int, float]]) -> OnPath:
    """Sums over spans with their causes and seconds."""
    tasks = {(int(trace.task[span]), int(trace.iteration[span])) for span, _, _ in parts}
    of = {
        which: fsum(seconds for _, cause, seconds in parts if cause == which)
        for which in (Cause.COMPUTE, Cause.CORE_WAIT)
    }
    return OnPath(len(tasks), of[Cause.COMPUTE], of[Cause.CORE_WAIT])


def blame(trace: Trace, schedule: Schedule) -> Blame:
    """Every moment of the launch, charged to its cause."""
    pieces = _extrapolated(_Charging(trace, schedule).pieces(), trace.makespan)
    unseen = fsum(piece.finish - piece.start for piece in pieces if piece.unseen)
    return Blame(
        trace=trace,
        schedule=schedule,
        core=column([piece.core for piece in pieces], np.int32),
        cause=column([piece.cause for piece in pieces], np.uint8),
        span=column([piece.span for piece in pieces], np.int32),
        start=column([piece.start for piece in pieces], np.float64),
        finish=column([piece.finish for piece in pieces], np.float64),
        unseen=unseen,
    )


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch with its cause. `loop` is the number of the loop around it (−1: none)."""

    core: int
    cause: Cause
    span: int
    start: float
    finish: float
    loop: int
    unseen: bool = False


class _Charging:
    """Finds the cause of each stretch of the way."""

    def __init__(self, trace: Trace, schedule: Schedule) -> None:
        self._trace, self._schedule = trace, schedule
        self._ready = Ready(schedule, trace)
        self._loop = _NONE

    def pieces(self) -> list[_Piece]:
        stretches = way(self._schedule, self._trace)
        following = _following_runs(stretches)
        return [
            piece
            for stretch, after in zip(stretches, following, strict=True)
            for piece in self._charged(stretch, after)
            if piece.finish > piece.start
        ]

    def _charged(self, stretch: Stretch, after: int) -> Iterator[_Piece]:
        if stretch.span != _NONE:
            self._loop = self._ready.loop_of(stretch.span)
        if stretch.part is not Part.RUN:
            yield self._piece(stretch, self._cause(stretch), stretch.start, stretch.finish)
            return
        ready = stretch.finish if after == _NONE else self._ready.since(stretch.span, after)
        split = min(max(ready, stretch.start), stretch.finish)
        yield self._piece(stretch, Cause.COMPUTE, stretch.start, split)
        yield self._piece(stretch, Cause.CORE_WAIT, split, stretch.finish)

    def _cause(self, stretch: Stretch) -> Cause:
        """Of what is no run."""
        if stretch.part is Part.LAUNCH:
            return Cause.LAUNCH
        waited = stretch.span != _NONE and self._trace.kind[stretch.span] != SpanKind.TICKET
        return Cause.DATA_WAIT if waited else Cause.STALL

    def _piece(self, stretch: Stretch, cause: Cause, start: float, finish: float) -> _Piece:
        unseen = stretch.part is Part.UNSEEN
        return _Piece(stretch.core, cause, stretch.span, start, finish, self._loop, unseen)


def _following_runs(stretches: Sequence[Stretch]) -> list[int]:
    """Per stretch the span of the run that comes next on the way, before it leaves the core."""
    found: list[int] = []
    core, run = _NONE, _NONE
    for stretch in reversed(stretches):
        if stretch.core != core:
            core, run = stretch.core, _NONE
        found.append(run)
        if stretch.part is Part.RUN:
            run = stretch.span
    return found[::-1]


def _extrapolated(pieces: Sequence[_Piece], makespan: float) -> list[_Piece]:
    """What is not shown of a loop, in the proportions of what is shown of it."""
    found: list[_Piece] = []
    for piece in pieces:
        found += _like_those_seen(piece, pieces) if piece.unseen else [piece]
    return found or [_Piece(0, Cause.LAUNCH, _NONE, 0.0, makespan, _NONE)]


def _like_those_seen(piece: _Piece, pieces: Sequence[_Piece]) -> list[_Piece]:
    seen = [each for each in pieces if each.loop == piece.loop and not each.unseen]
    if not seen:
        return [piece]
    seconds = [fsum(each.finish - each.start for each in seen if each.cause is cause) for cause in Cause]
    shares = np.cumsum(seconds) / fsum(seconds)
    ends = [*(piece.start + shares[:-1] * (piece.finish - piece.start)).tolist(), piece.finish]
    starts = [piece.start, *ends[:-1]]
    return [
        _Piece(piece.core, cause, _NONE, start, finish, piece.loop, unseen=True)
        for cause, start, finish in zip(Cause, starts, ends, strict=True)
        if finish > start
    ]
