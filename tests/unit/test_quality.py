"""Schedules of small graphs against the optimum that a constraint solver proves, in the same cost model."""

from __future__ import annotations

import statistics

import pytest

pytest.importorskip("ortools")

from bench.quality import MEAN, WORST, compared, random_rows
from bench.random_graphs import cases

CASES = 12


def test_schedules_of_small_graphs_are_near_the_proved_optimum() -> None:
    results = [compared(case) for case in cases(CASES)]
    assert all(result.proved for result in results)
    ratios = [result.ratio() for result in results]
    assert min(ratios) >= 1 - 1e-4
    assert statistics.mean(ratios) <= MEAN and max(ratios) <= WORST
    assert min(r.ratio(policy) for r in results for policy in r.seconds) >= 1 - 1e-4
    rows = list(random_rows(results))
    assert rows[0].metric == "heft, mean over optimum" and rows[0].limit == MEAN
