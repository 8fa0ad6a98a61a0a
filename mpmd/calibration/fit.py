"""The constants of a core, from the times of tasks whose work is known.

In:  `Sample`s: work by `WorkClass`, bytes, seconds. Out: constants, and how well they explain the samples.
Not here: measuring (`timing.py`); the cost model itself (`partition/cost.py`, `schedule/costs.py`), which
this turns round.

Samples are weighted so that the relative errors count, not those in seconds. No constant may be negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mpmd.machine import WorkClass
from mpmd.partition.graph import FloatColumn


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """`seconds` of one task: its work by `WorkClass` and the bytes that it moves, all of them in cache."""

    name: str
    work: FloatColumn
    bytes: float
    seconds: float
    spread: float


@dataclass(frozen=True, slots=True)
class Constant:
    """A measured figure; how far its samples spread, and how far they are from what it predicts."""

    value: float
    spread: float
    residual: float = 0.0


def together(
    samples: Sequence[Sample], classes: Sequence[WorkClass], seconds: Sequence[float]
) -> tuple[Constant, ...]:
    """Seconds per unit of each of the classes, from `seconds`: what the samples take for these alone."""
    whole = np.array([sample.seconds for sample in samples])
    work = np.array([sample.work[list(classes)] for sample in samples])
    solution = non_negative(work / whole[:, None], np.array(seconds) / whole)
    residual = float(np.median(np.abs((work @ solution - seconds) / whole)))
    spread = float(np.median([sample.spread for sample in samples]))
    return tuple(Constant(float(value), spread, residual) for value in solution)


def per_unit(samples: Sequence[Sample], amounts: Sequence[float], seconds: Sequence[float]) -> Constant:
    """Seconds per unit: the median of the samples, of which each has its amount and its seconds."""
    each = np.array(seconds) / np.array(amounts)
    value = max(float(np.median(each)), 0.0)
    residual = float(np.median(np.abs(each / value - 1.0))) if value > 0 else 0.0
    return Constant(value, float(np.median([sample.spread for sample in samples])), residual)


def non_negative(matrix: FloatColumn, target: FloatColumn) -> FloatColumn:
    """The least squares among solutions without negative entries, by trying all sets of positive ones
    (there are few unknowns; Lawson and Hanson, "Solving Least Squares Problems", 1974, for many)."""
    unknowns = matrix.shape[1]
    best, least = np.zeros(unknowns), float(target @ target)
    for size in range(1, unknowns + 1):
        for chosen in combinations(range(unknowns), size):
            found = np.linalg.lstsq(matrix[:, chosen], target, rcond=None)[0]
            error = float(((matrix[:, chosen] @ found - target) ** 2).sum())
            if (found >= 0).all() and error < least:
                best, least = np.zeros(unknowns), error
                best[list(chosen)] = found
    return best


def cache_bytes(footprints: Sequence[float], seconds: Sequence[float], cached: float, memory: float) -> float:
    """The size of the shared cache that explains the seconds per byte of passes over footprints.

    `cached` and `memory` are seconds per byte from either. Found by trying sizes: one that is 1/16 larger
    than the one before, from half of the smallest footprint to the largest.
    """
    sizes = min(footprints) / 2 * (17 / 16) ** np.arange(64)
    sizes = sizes[sizes <= max(footprints)]
    missing = np.clip(np.divide.outer(np.array(footprints), sizes) - 1.0, 0.0, 1.0)
    predicted = cached + (memory - cached) * missing
    errors = (np.log(predicted) - np.log(np.array(seconds))[:, None]) ** 2
    return float(sizes[int(np.argmin(errors.sum(axis=0)))])
