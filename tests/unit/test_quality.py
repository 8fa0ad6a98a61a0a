"""Schedules against the proved optimum of small graphs, and of decode graphs against their lower bounds."""

from __future__ import annotations

import statistics

import pytest

from bench.models import decodes
from bench.random_graphs import cases
from mpmd.machine import presets
from mpmd.partition.build import partition
from mpmd.schedule.build import schedule

CASES = 12


def test_schedules_of_small_graphs_are_near_the_proved_optimum() -> None:
    pytest.importorskip("ortools")
    from bench.quality import MEAN, WORST, compared, random_rows

    results = [compared(case) for case in cases(CASES)]
    assert all(result.proved for result in results)
    ratios = [result.ratio() for result in results]
    assert min(ratios) >= 1 - 1e-4
    assert statistics.mean(ratios) <= MEAN and max(ratios) <= WORST
    assert min(r.ratio(policy) for r in results for policy in r.seconds) >= 1 - 1e-4
    rows = list(random_rows(results))
    assert rows[0].metric == "heft, mean over optimum" and rows[0].limit == MEAN


@pytest.mark.parametrize("name", ["h100", "a2"])
def test_decode_steps_are_within_a_tenth_of_the_lower_bound_without_drains(name: str) -> None:
    machine = presets.by_name(name)
    for _, program in decodes(machine, layers=3):
        plan = schedule(partition(program, machine), machine)
        assert 1 <= plan.makespan / plan.bounds.seconds <= 1.1
        assert plan.drains == ()
