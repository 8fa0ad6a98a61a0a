"""How good schedules are: random graphs against the proved optimum, decode graphs against lower bounds.

In:  nothing. Out: rows; per case with `details`. Not here: graphs (`random_graphs.py`, `models.py`), the
     oracle (`oracle.py`).

The optimum is of the very cost model that schedules are made by: the oracle's placement, played by the
scheduler's own rules, must take what the oracle says. Graphs that the oracle does not finish in time count
with the best that it found, and are reported.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

from bench.models import decodes
from bench.oracle import UNITS, optimum
from bench.random_graphs import RATIOS, Case, cases
from bench.rows import Row
from mpmd.machine import presets
from mpmd.partition.build import partition
from mpmd.schedule.build import schedule
from mpmd.schedule.costs import costs
from mpmd.schedule.order import POLICIES
from mpmd.schedule.problem import play, problem

CASES = 200
MEAN, WORST = 1.02, 1.10
"""What is aimed at: times the optimum, on average and at most."""

OVER_BOUND = 1.10
"""Times the lower bound that a decode graph may take."""

ORACLE_SECONDS = 60.0
MACHINES = ("h100", "a2")


@dataclass(frozen=True, slots=True)
class Compared:
    """`best` is the oracle's makespan, proved or not; `seconds` those of each policy."""

    case: Case
    best: float
    proved: bool
    seconds: dict[str, float]

    def ratio(self, policy: str = "heft") -> float:
        return self.seconds[policy] / self.best


def rows() -> Iterator[Row]:
    yield from random_rows([compared(case) for case in cases(CASES)])
    yield from decode_rows()


def compared(case: Case, *, oracle_seconds: float = ORACLE_SECONDS) -> Compared:
    """One graph, by all policies and by the oracle."""
    given = problem(case.graph, case.machine, costs(case.graph, case.machine))
    planned = {name: schedule(case.graph, case.machine, policy=name) for name in POLICIES}
    seconds = {name: plan.makespan for name, plan in planned.items()}
    bound = planned["heft"].bounds.seconds
    if seconds["heft"] <= bound * (1 + 1 / UNITS):
        return Compared(case, seconds["heft"], True, seconds)  # no schedule is better
    found = optimum(given, most=seconds["heft"], seconds=oracle_seconds)
    if found.core:
        again = play(given, found.core, found.sequence).makespan
        if abs(again - found.seconds) > 1e-4 * found.seconds:
            raise SystemExit(f"{case.name}: the oracle says {found.seconds}, the cost model {again}")
    return Compared(case, found.seconds, found.proved, seconds)


def random_rows(results: list[Compared]) -> Iterator[Row]:
    for ccr in (None, *RATIOS):
        some = [result for result in results if ccr in (None, result.case.ccr)]
        unproved = sum(not result.proved for result in some)
        note = f"{len(some)} graphs" + (f", {unproved} without proof" if unproved else "")
        case = "random graphs" if ccr is None else f"random graphs, ccr {ccr:g}"
        for policy in POLICIES:
            ratios = [result.ratio(policy) for result in some]
            aimed = policy == "heft" and ccr is None
            mean, worst = statistics.mean(ratios), max(ratios)
            yield _row(case, f"{policy}, mean over optimum", mean, MEAN if aimed else None, note)
            yield _row(case, f"{policy}, worst over optimum", worst, WORST if aimed else None, note)


def decode_rows() -> Iterator[Row]:
    for name in MACHINES:
        machine = presets.by_name(name)
        for model, program in decodes(machine):
            graph = partition(program, machine)
            planned = {policy: schedule(graph, machine, policy=policy) for policy in POLICIES}
            case = f"{model} decode on {name}, {machine.cores} cores"
            for policy, plan in planned.items():
                ratio = plan.makespan / plan.bounds.seconds
                limit = OVER_BOUND if policy == "heft" else None
                note = f"{plan.makespan * 1e6:.1f} us, {len(graph)} tasks, {len(plan.drains)} drains"
                yield _row(case, f"{policy} over lower bound", ratio, limit, note)


def _row(case: str, metric: str, ratio: float, limit: float | None, note: str) -> Row:
    """`share` is what is used of the room between 1 and the limit."""
    share = None if limit is None else (ratio - 1) / (limit - 1)
    return Row(case, metric, "x", ratio, limit=limit, share=share, note=note)
