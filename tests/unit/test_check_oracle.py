"""The checker agrees with an exhaustive exploration of all interleavings, on thousands of small tables."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from table_builder import Access, barrier, build, local, run, signal, wait

from mpmd.errors import DeadlockError, ProgramOrderError, RaceError, ReuseError
from mpmd.machine import Primitive
from mpmd.schedule.check import check
from tests.machines import toy
from tests.tables import BARRIER, RUN, SIGNAL, WAIT, Step

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


def explore(small: Small) -> tuple[bool, set[tuple[int, int]], set[tuple[int, int]]]:
    """(deadlock possible, rows both about to run in some state, rows i < j where j can come first)."""
    start = (0,) * len(small.cores)
    seen, stack = {start}, [start]
    deadlock, together, reversed_ = False, set(), set()
    while stack:
        state = stack.pop()
        counter: dict[int, int] = {}
        for steps, at in zip(small.cores, state, strict=True):
            for op, a, b, _ in steps[:at]:
                if op == SIGNAL:
                    counter[a] = counter.get(a, 0) + b
        threads = list(zip(small.cores, state, strict=True))
        upcoming = [steps[at] if at < len(steps) else None for steps, at in threads]
        running = [step[1] for step in upcoming if step is not None and step[0] == RUN]
        together |= {(a, b) for a in running for b in running if a < b}
        left = [s[1] for steps, at in threads for s in steps[at:] if s[0] == RUN]
        reversed_ |= {(a, b) for a in left for b in running if a < b}
        after = []
        for core, step in enumerate(upcoming):
            if step is None or step[0] == BARRIER or (step[0] == WAIT and counter.get(step[1], 0) < step[2]):
                continue
            after.append((*state[:core], state[core] + 1, *state[core + 1 :]))
        if all(step is not None and step[0] == BARRIER for step in upcoming):
            after.append(tuple(at + 1 for at in state))
        deadlock |= not after and any(step is not None for step in upcoming)
        for state in after:
            if state not in seen:
                seen.add(state)
                stack.append(state)
    return deadlock, together, reversed_


def conflicting(small: Small) -> set[tuple[int, int]]:
    """Pairs of rows that touch a common cell, one of them writing."""
    cells = [[(mode, set(range(first, first + n))) for mode, first, n in row] for row in small.rows]
    return {
        (i, j)
        for i, one in enumerate(cells)
        for j, other in enumerate(cells)
        if i < j and any((m | k) & 2 and a & b for m, a in one for k, b in other)
    }


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


def verdict(tables: bytes) -> str:
    try:
        check(tables, MACHINE)
    except DeadlockError:
        return "deadlock"
    except RaceError:
        return "race"
    except ProgramOrderError:
        return "order"
    except ReuseError:
        return "reuse"
    return "proved"


def expected_verdict(small: Small) -> str:
    deadlock, together, reversed_ = explore(small)
    conflicts = conflicting(small)
    if deadlock:
        return "deadlock"
    if together & conflicts:
        return "race"
    return "order" if reversed_ & conflicts else "proved"


@pytest.mark.parametrize("seed", range(8))
def test_verdict_is_that_of_all_interleavings(seed: int) -> None:
    """Race iff two conflicting rows can be next at once; deadlock iff some execution gets stuck;
    otherwise conflicts have one order, which is proved iff it is the order of the rows."""
    rng = random.Random(seed)
    seen = {"deadlock": 0, "race": 0, "order": 0, "proved": 0}
    for _ in range(400):
        small = random_small(rng)
        expected = expected_verdict(small)
        found = verdict(small.tables())
        # where a race and a wrong order are both there, either may be met first
        assert found == expected or (found, expected) == ("order", "race"), small
        seen[expected] += 1
    assert min(seen.values()) > 5, seen


def expected_of_locals(small: Small, tensors: list[list[int]]) -> set[str]:
    """The laws that are broken where each access is to the local tensor of that number."""
    deadlock, together, reversed_ = explore(small)
    if deadlock:
        return {"deadlock"}
    uses = []
    for row, (accesses, numbers) in enumerate(zip(small.rows, tensors, strict=True)):
        for (mode, first, cells), t in zip(accesses, numbers, strict=True):
            place, size = PLACES[t]
            start = place + min(first, size - cells)
            uses.append((row, t, mode, set(range(start, start + cells))))
    broken = set()
    directions = set()
    for i, t, mode, cells in uses:
        for j, u, other, touched in uses:
            if not (mode | other) & 2 or not cells & touched or i > j or (i == j and t >= u):
                continue
            if i == j:
                broken.add("reuse")
            elif (i, j) in together:
                broken.add("race")
            elif t == u and (i, j) in reversed_:
                broken.add("order")
            elif t != u:
                directions.add((u, t) if (i, j) in reversed_ else (t, u))
    if any((u, t) in directions for t, u in directions):
        broken.add("reuse")
    return broken or {"proved"}


@pytest.mark.parametrize("seed", range(8))
def test_verdict_on_local_tensors_is_that_of_all_interleavings(seed: int) -> None:
    """The same for local tensors that share bytes: they need an order, and take turns in one direction."""
    rng = random.Random(seed)
    seen = {"deadlock": 0, "race": 0, "order": 0, "reuse": 0, "proved": 0}
    for _ in range(400):
        small = random_small(rng)
        large = [t for t, (_, size) in enumerate(PLACES) if size == CELLS]
        tensors = [
            [rng.choice(large if cells == CELLS else range(len(PLACES))) for _, _, cells in row]
            for row in small.rows
        ]
        expected = expected_of_locals(small, tensors)
        found = verdict(small.local_tables(tensors))
        assert found in expected, (small, tensors)
        seen[found] += 1
    assert min(seen.values()) > 5, seen
