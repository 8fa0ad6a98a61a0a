"""Times on a computer that others use at the same time.

In:  measures, each a function that does its work once and returns seconds. Out: a `Reading` of each.
Not here: what is measured (`probes.py`).

The measures take turns, round after round, so that a slow moment meets all of them alike. A low quantile of
the rounds stands for what the computer does while its other users leave it alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import numpy as np

Measure = Callable[[], float]
Progress = Callable[[str, float], None]
"""Is told what is done at the moment, and which share of all is done."""

ENOUGH = 5e-4
"""Seconds of one measurement: long against the clock and the call, short against what others do."""
LOW = 0.1
MOST = 1 << 20
REPEATS = 4


@dataclass(frozen=True, slots=True)
class Reading:
    """Seconds as a rule, seconds undisturbed, and how far half of the rounds lie apart, as a share."""

    seconds: float
    least: float
    spread: float

    def beyond(self, base: Reading, count: int) -> Reading:
        """What each of `count` parts takes, of a whole that takes `base` without them."""
        return Reading((self.seconds - base.seconds) / count, (self.least - base.least) / count, self.spread)


def readings(measures: Mapping[str, Measure], rounds: int, progress: Progress) -> dict[str, Reading]:
    """All measures, interleaved."""
    for measure in measures.values():
        measure()  # what comes first finds cold caches
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for number in range(rounds):
        progress("measuring", number / rounds)
        for name, measure in measures.items():
            taken[name].append(measure())
    return {name: reading(seconds) for name, seconds in taken.items()}


def reading(seconds: list[float]) -> Reading:
    least, first, median, third = np.quantile(seconds, [LOW, 0.25, 0.5, 0.75]).tolist()
    return Reading(median, least, (third - first) / median if median > 0 else 0.0)


def seconds_of(call: Callable[[], object]) -> float:
    """Of one call."""
    started = perf_counter()
    call()
    return perf_counter() - started


def warm_seconds_of(call: Callable[[], object]) -> float:
    """Of the shortest of a few calls in a row: those after the first find what it left in the caches."""
    return min(seconds_of(call) for _ in range(REPEATS))


def count_for(call: Callable[[int], object], enough: float = ENOUGH) -> int:
    """How often a call must repeat its work (it is told how often) to take long enough."""
    count = 8
    while (seconds := min(seconds_of(partial(call, count)) for _ in range(3))) < enough and count < MOST:
        count *= max(2, min(16, int(enough / max(seconds, 1e-7)) + 1))
    return count
