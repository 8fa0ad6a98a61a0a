"""The law: the checker accepts small tables if and only if no state that they can reach breaks a law.

A table that is accepted although some execution of it goes wrong would be a hole in every proof, so there
is none. A table that is refused although no execution goes wrong is a schedule that cannot be used; there
are none but for the reasons below, each of which is a promise that the checker does not try to use.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from mpmd.errors import (
    DeadlockError,
    PhaseError,
    ProgramOrderError,
    RaceError,
    ReuseError,
    ScheduleError,
    UnmatchedWaitError,
)
from mpmd.machine import Primitive
from mpmd.schedule.check import check
from tests.machines import toy
from tests.mutants import sync_mutants
from tests.small_tables import SCALARS, May, random_tables
from tests.state_search import Outcome, search
from tests.tables import Sections
from tests.unrolled import unroll

COUNTER = Primitive("counter", 100, 100, 1e-7, 1e-7)
MACHINE = toy(8, memory_bytes=2**30, counter=COUNTER)
KINDS = {
    "straight": May(),
    "locals": May(local=True),
    "loops": May(loop=True),
    "locals in loops": May(loop=True, local=True),
    "drains": May(drain=True),
    "drains in loops": May(drain=True, loop=True),
    "rings": May(ring=True),
    "rings in loops": May(ring=True, loop=True),
}
TABLES = 150
REFUSALS: dict[type[ScheduleError], str] = {
    PhaseError: "loops have a barrier on both sides, though program order may be enough",
    ReuseError: "tensors with common bytes take turns in one direction, though what is lost may not be read",
}
OF_LOOPS: dict[type[ScheduleError], str] = {
    UnmatchedWaitError: "a wait asks for something of its own iteration or of the one before",
}
OF_DRAINS: dict[type[ScheduleError], str] = {
    RaceError: "any core may take any item at any time, though only one may come to the drain in time",
}
OF_RINGS: dict[type[ScheduleError], str] = {
    RaceError: "the two ends count as unordered, though what is received was sent before",
    DeadlockError: "the ends of a ring must be able to run at once, though it may hold all that is sent",
}


def outcomes(made: Sections) -> list[Outcome]:
    """What the tables can do, in every launch."""
    tables = made.store()
    return [search(unroll(tables, scalars)) for scalars in (SCALARS if made.scalars else ((),))]


def broken(found: list[Outcome]) -> set[type[ScheduleError]]:
    """The laws that some execution breaks."""
    laws = {
        DeadlockError: any(outcome.stuck for outcome in found),
        RaceError: any(outcome.together for outcome in found),
        ProgramOrderError: any(outcome.reversed for outcome in found),
        ReuseError: any(outcome.lost for outcome in found),
    }
    return {law for law, holds in laws.items() if holds}


def refused(made: Sections) -> type[ScheduleError] | None:
    """The law that the checker says is broken."""
    try:
        check(made.store(), MACHINE)
    except ScheduleError as error:
        return type(error)
    return None


def excused(kind: str) -> set[type[ScheduleError]]:
    """The laws under which tables of a kind may be refused though nothing goes wrong."""
    may = KINDS[kind]
    parts = [(True, REFUSALS), (may.loop, OF_LOOPS), (may.drain, OF_DRAINS), (may.ring, OF_RINGS)]
    return {law for has, laws in parts if has for law in laws}


def compare(kind: str, made: Sections, seen: Counter[str]) -> None:
    """The checker's verdict is that of the search."""
    laws, found = broken(outcomes(made)), refused(made)
    if found is None:
        assert not laws, f"accepted, and {laws}: {made}"
        seen["accepted"] += 1
    elif found in laws:
        seen[found.__name__] += 1
    else:
        assert found in excused(kind) or laws, f"refused as {found}: {made}"
        seen["refused for less"] += 1


@pytest.mark.parametrize("kind", KINDS)
def test_random_tables_are_accepted_iff_no_state_breaks_a_law(kind: str) -> None:
    seen: Counter[str] = Counter()
    for seed in range(TABLES):
        compare(kind, random_tables(random.Random(f"{kind} {seed}"), KINDS[kind]), seen)
    assert seen["accepted"] >= TABLES // 10, seen


@pytest.mark.parametrize("kind", KINDS)
def test_mutants_of_accepted_tables_are_accepted_iff_no_state_breaks_a_law(kind: str) -> None:
    """Less one wait, signal or barrier, with all that belongs to it."""
    seen: Counter[str] = Counter()
    mutants = 0
    for seed in range(TABLES):
        made = random_tables(random.Random(f"{kind} {seed} mutants"), KINDS[kind])
        if refused(made) is not None:
            continue
        for _, mutated, _ in sync_mutants(made.store()):
            compare(kind, Sections.load(mutated), seen)
            mutants += 1
    assert mutants >= TABLES // 5, seen
