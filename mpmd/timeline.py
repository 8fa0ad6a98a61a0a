"""`Trace`: what every core did and when, in one launch; measured or simulated, of one type.

In:  `schedule/simulate.py` and `runtime/profile.py` make it. Out: columns, and sums over them.
Not here: how it came about; pictures (`visual/`).

Times are seconds from the moment at which the launch began. Spans of one core do not overlap and are in
order of time; what is in none of them is time in which the core had nothing to do, or did what no span
shows (the launch itself, decoding steps).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from mpmd.errors import Span

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


@dataclass(frozen=True, eq=False)
class Trace:
    """One launch of a kernel, as columns with one entry per span, sorted by core and start.

    `kind` is a `SpanKind`; `task` the task's number in the graph, `step` that of the step in the schedule
    and `dep` that of the dependence which a wait serves (−1: none); `iteration` of the loop around it, 0
    outside. `label` indexes `labels` ("linear") and `places`, the user's line of each label; `number` is
    the task's ordinal, so that a span is `linear#3`. `cores` took part, and `makespan` is the launch's end.
    Of measured times, two on different cores may be wrong against each other by `uncertainty`.
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
