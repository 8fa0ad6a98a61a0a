"""`Trace`: what every core did and when, in one launch; measured or simulated, of one type.

In:  `schedule/simulate.py` and `runtime/profile.py` make it. Out: columns, sums over them, a file.
Not here: how it came about; pictures (`visual/`); the bytes of a file (`archive.py`).

Times are seconds from the moment at which the launch began. Spans of one core do not overlap and are in
order of time; what is in none of them is time in which the core had nothing to do, or did what no span
shows (the launch itself, decoding steps, a look at an event that was met already). A task that waits in a
channel has several RUN spans, with its CHANNEL spans between them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mpmd.archive import Columns, Format, foreign, read, write
from mpmd.errors import NO_SPAN, Span

Ints = npt.NDArray[np.int32]
Seconds = npt.NDArray[np.float64]


class SpanKind(IntEnum):
    """What a core does in a span."""

    RUN = 0  # computes a task
    WAIT = 1  # waits for an event
    BARRIER = 2  # waits for all cores
    TICKET = 3  # takes a task from a drain
    CHANNEL = 4  # waits for room, or for a token, in a channel


WAITING = (SpanKind.WAIT, SpanKind.BARRIER, SpanKind.CHANNEL)

FORMAT = Format("mpmd-trace", "a trace", 1)

_COLUMNS = ("core", "kind", "task", "step", "dep", "iteration", "label", "number", "start", "finish")
_TABLE_ROWS = 20
"""Labels that the table shows; those with the most time."""


@dataclass(frozen=True, slots=True)
class LabelTotal:
    """The tasks of one name that one line calls: how many were run, and their seconds."""

    label: str
    place: Span
    count: int
    seconds: float

    @property
    def mean(self) -> float:
        return self.seconds / self.count


@dataclass(frozen=True, eq=False)
class Trace:
    """One launch of a kernel, as columns with one entry per span, sorted by core and start.

    `kind` is a `SpanKind`; `task` the task's number in the graph, `step` that of the step in the schedule
    and `dep` that of the dependence which a wait serves (−1: none); `iteration` of the loop around it, 0
    outside. `label` indexes `labels` ("linear") and `places`, the user's line of each label; `number` is
    the task's ordinal, so that a span is `linear#3`. `cores` took part, and `makespan` is the launch's end.
    Of measured times, two on different cores may be wrong against each other by `uncertainty`. So many
    iterations of loops are `unseen`: they have no spans, and in `makespan` they count as much as those seen.
    So many measured spans are `lost`, the last ones of their cores, for which there was no room.
    """

    kernel: str
    source: str  # "measured" or "simulated"
    machine: str
    cores: int
    makespan: float
    uncertainty: float
    labels: tuple[str, ...]
    places: tuple[Span, ...]
    core: Ints
    kind: npt.NDArray[np.uint8]
    task: Ints
    step: Ints
    dep: Ints
    iteration: Ints
    label: Ints
    number: Ints
    start: Seconds
    finish: Seconds
    unseen: int = 0
    lost: int = 0

    def __len__(self) -> int:
        return len(self.core)

    def name(self, span: int) -> str:
        """`linear#3` for a run; else what it waits for."""
        label = self.labels[self.label[span]]
        return label if self.number[span] < 0 else f"{label}#{self.number[span]}"

    def seconds_in(self, *kinds: SpanKind) -> Seconds:
        """Per core the seconds in spans of these kinds."""
        chosen = np.isin(self.kind, kinds)
        length = (self.finish - self.start)[chosen]
        return np.bincount(self.core[chosen], weights=length, minlength=self.cores).astype(np.float64)

    @property
    def busy(self) -> Seconds:
        """Per core the seconds in which it computed."""
        return self.seconds_in(SpanKind.RUN)

    @property
    def waiting(self) -> Seconds:
        """Per core the seconds in which it waited for others."""
        return self.seconds_in(*WAITING)

    @property
    def utilisation(self) -> float:
        """The share of cores × makespan in which tasks were computed."""
        return float(self.busy.sum()) / (self.cores * self.makespan) if self.makespan > 0 else 0.0

    @property
    def totals(self) -> tuple[LabelTotal, ...]:
        """The tasks by name and line, those with the most time first; a task counts once per iteration."""
        ran = self.kind == SpanKind.RUN
        keys: dict[tuple[str, Span], int] = {}
        of_label = [keys.setdefault(key, len(keys)) for key in zip(self.labels, self.places, strict=True)]
        total = np.array(of_label, np.int64)[self.label[ran]]
        turns = int(self.iteration.max(initial=0)) + 1
        first = np.unique(self.task[ran].astype(np.int64) * turns + self.iteration[ran], return_index=True)[1]
        seconds = np.bincount(total, weights=(self.finish - self.start)[ran], minlength=len(keys)).tolist()
        runs = np.bincount(total[first], minlength=len(keys)).tolist()
        found = [
            LabelTotal(label, place, runs[i], seconds[i]) for (label, place), i in keys.items() if runs[i]
        ]
        return tuple(sorted(found, key=lambda total: (-total.seconds, total.label, total.place)))

    def __str__(self) -> str:
        return "\n".join([self.headline, "", *self._core_lines(), "", *self._label_lines()])

    def _repr_html_(self) -> str:
        """For notebooks."""
        from mpmd.visual.notebook import trace_html  # pyright: ignore[reportMissingImports] (visual/ is installed so)

        return trace_html(self)

    @property
    def headline(self) -> str:
        """What it is, how long it took, and how many spans of which kind there are."""
        error = f" ± {_time(self.uncertainty)}" if self.uncertainty else ""
        kinds = {SpanKind.RUN: "runs", SpanKind.WAIT: "waits", SpanKind.BARRIER: "barriers"}
        counts = ", ".join(f"{name}: {int((self.kind == kind).sum())}" for kind, name in kinds.items())
        left = f"; {self.lost} spans were lost" if self.lost else ""
        left += f"; {self.unseen} iterations are not shown" if self.unseen else ""
        return (
            f"kernel '{self.kernel}', {self.source} on {self.machine}: {_time(self.makespan)}{error} on "
            f"{self.cores} cores, {self.utilisation:.1%} busy; {counts}{left}"
        )

    def _core_lines(self) -> Iterator[str]:
        yield f"{'core':>6s}{'busy':>20s}{'waiting':>20s}{'other':>20s}"
        for core, (busy, waiting) in enumerate(zip(self.busy, self.waiting, strict=True)):
            parts = (busy, waiting, self.makespan - busy - waiting)
            yield f"{core:6d}" + "".join(f"{_time(s):>13s}{_share(s, self.makespan):>7s}" for s in parts)

    def _label_lines(self) -> Iterator[str]:
        totals = self.totals
        all_seconds = sum(total.seconds for total in totals)
        yield f"{'task':30s}{'count':>8s}{'total':>13s}{'mean':>13s}{'share':>7s}"
        for total in totals[:_TABLE_ROWS]:
            place = f"  {Path(total.place.file).name}:{total.place.line}" if total.place.line else ""
            yield (
                f"{total.label:30s}{total.count:8d}{_time(total.seconds):>13s}{_time(total.mean):>13s}"
                f"{_share(total.seconds, all_seconds):>7s}{place}"
            )
        if len(totals) > _TABLE_ROWS:
            yield f"and {len(totals) - _TABLE_ROWS} more"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the trace into one file, which `Trace.load` reads."""
        rest = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _COLUMNS}
        rest["places"] = [asdict(place) for place in self.places]
        write(Path(path), FORMAT, rest, {name: getattr(self, name) for name in _COLUMNS}, NO_SPAN)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Trace:
        """The trace in a file that `save` wrote."""
        header, columns = read(Path(path), FORMAT, NO_SPAN)
        try:
            trace = _trace_of(header, columns)
        except (TypeError, KeyError):
            raise foreign(Path(path), FORMAT, NO_SPAN) from None
        if len({len(getattr(trace, name)) for name in _COLUMNS}) != 1 or len(trace.labels) != len(
            trace.places
        ):
            raise foreign(Path(path), FORMAT, NO_SPAN)
        return trace


def _trace_of(header: dict[str, Any], columns: Columns) -> Trace:
    rest: dict[str, Any] = {f.name: header[f.name] for f in fields(Trace) if f.name not in _COLUMNS}
    rest["labels"] = tuple(header["labels"])
    rest["places"] = tuple(Span(**place) for place in header["places"])
    rest |= {name: columns[name] for name in _COLUMNS}
    return Trace(**rest)


def _time(seconds: float) -> str:
    """`12.3 µs`: four digits, in the unit that fits."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if abs(seconds) * scale >= 1:
            return f"{seconds * scale:.4g} {unit}"
    return f"{seconds * 1e9:.4g} ns"


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole > 0 else ""
