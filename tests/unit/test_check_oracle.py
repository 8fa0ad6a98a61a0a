"""The checker agrees with an exhaustive exploration of all interleavings, on thousands of small tables."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

import pytest
from table_builder import Access, barrier, build, local, run, signal, wait

from mpmd.errors import ScheduleError
from mpmd.machine import Primitive
from mpmd.schedule.check import check
from tests.machines import toy
from tests.state_search import search
from tests.tables import BARRIER, RUN, SIGNAL, WAIT, Step
from tests.unrolled import unroll

COUNTER = Primitive("counter", 100, 100, 1e-7, 1e-7)
MACHINE = toy(8, memory_bytes=2**30, counter=COUNTER)
CELLS = 3
PLACES = ((0, 3), (0, 3), (1, 2), (1, 3))
"""Where local tensors lie in an arena of four cells, and how many they have."""


@dataclass(frozen=True)
class Small:
    """A small set of tables: steps per core, and per row its accesses as (mode, first cell, cells)."""

    cores: list[list[Step]]
    rows: list[list[tuple[int, int, int]]]

    def local_tables(self, tensors: list[list[int]]) -> bytes:
        """With the accesses not to one argument but to local tensors, `tensors` numbers them per row."""
        rows = [
            [Access(mode, local(t), min(first, PLACES[t][1] - cells), (cells,))
             for (mode, first, cells), t in zip(row, numbers, strict=True)]
            for row, numbers in zip(self.rows, tensors, strict=True)
        ]  # fmt: skip
        return build(cores=self.cores, rows=rows, tensors=PLACES)

    def tables(self) -> bytes:
        rows = [[Access(mode, 0, first, (cells,)) for mode, first, cells in row] for row in self.rows]
        return build(cores=self.cores, rows=rows, arguments=[CELLS])


def random_small(rng: random.Random) -> Small:
    """At most 12 steps; thresholds at or below totals, repeated signals, amounts, barriers."""
    cores: list[list[Step]] = [[] for _ in range(rng.choice([2, 2, 3, 3, 4]))]
    events = rng.randint(1, 3)
    rows: list[list[tuple[int, int, int]]] = []
    barriers = 1 if rng.random() < 0.2 else 0
    barrier_at = rng.randint(3, 8)
    for n in range(rng.randint(5, 12 - barriers * len(cores))):
        if barriers and n == barrier_at:
            for steps in cores:
                steps.append(barrier(0))
        steps = rng.choice(cores)
        kind = rng.random()
        if kind < 0.35:
            first = rng.randrange(CELLS)
            row = [(rng.choice([1, 2, 2, 3]), first, rng.randint(1, CELLS - first))]
            if rng.random() < 0.3:
                row.append((1, rng.randrange(CELLS), 1))
            steps.append(run(len(rows)))
            rows.append(row)
        elif kind < 0.7:
            steps.append(signal(rng.randrange(events), rng.choice([1, 1, 1, 2])))
        else:
            steps.append(wait(rng.randrange(events), 1))
    if barriers and not any(step[0] == BARRIER for step in cores[0]):
        for steps in cores:
            steps.append(barrier(0))
    totals = [sum(s[2] for steps in cores for s in steps if s[:2] == (SIGNAL, e)) for e in range(events)]
    waited = {s[1] for steps in cores for s in steps if s[0] == WAIT}
    for steps in cores:  # waits that can be satisfied, events that are waited for
        steps[:] = [
            wait(s[1], rng.randint(1, totals[s[1]])) if s[0] == WAIT else s
            for s in steps
            if (s[0] != WAIT or totals[s[1]]) and (s[0] != SIGNAL or s[1] in waited)
        ]
    if rng.random() < 0.3:  # not numbered in the order of the cores
        number = list(range(len(rows)))
        rng.shuffle(number)
        cores = [[run(number[s[1]]) if s[0] == RUN else s for s in steps] for steps in cores]
    return Small(cores, rows)


def refusal(tables: bytes) -> str | None:
    try:
        check(tables, MACHINE)
    except ScheduleError as error:
        return "order" if error.code == "program-order" else error.code
    return None


@pytest.mark.parametrize("seed", range(8))
def test_verdict_is_that_of_all_interleavings(seed: int) -> None:
    rng = random.Random(seed)
    seen: Counter[str] = Counter()
    for _ in range(400):
        small = random_small(rng)
        compare(small.tables(), seen, small)
    assert min(seen[law] for law in ("deadlock", "race", "order", "proved")) > 5, seen


@pytest.mark.parametrize("seed", range(8))
def test_verdict_on_local_tensors_is_that_of_all_interleavings(seed: int) -> None:
    """The same for local tensors that share bytes: they need an order, and take turns in one direction."""
    rng = random.Random(seed)
    seen: Counter[str] = Counter()
    for _ in range(400):
        small = random_small(rng)
        large = [t for t, (_, size) in enumerate(PLACES) if size == CELLS]
        tensors = [
            [rng.choice(large if cells == CELLS else range(len(PLACES))) for _, _, cells in row]
            for row in small.rows
        ]
        compare(small.local_tables(tensors), seen, small, tensors)
    assert min(seen[law] for law in ("deadlock", "race", "order", "reuse", "proved")) > 5, seen


def compare(tables: bytes, seen: Counter[str], *shown: object) -> None:
    """Refused for a law that some execution breaks, and accepted if there is none."""
    broken, found = search(unroll(tables)).broken, refusal(tables)
    assert found in broken or (found is None and not broken), (broken, found, *shown)
    seen[found or "proved"] += 1
