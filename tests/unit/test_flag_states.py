"""The law: words and flags are accepted iff no state breaks what they allow; flags are counters then."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from mpmd.errors import ScheduleError
from mpmd.machine import Primitive
from mpmd.schedule.check import check
from tests import table_forms
from tests.flag_states import as_counters, broken_forms, broken_in_states, flags_are_counters
from tests.machines import toy
from tests.small_tables import KINDS, SCALARS, random_tables
from tests.tables import SIGNAL, WAIT, Sections
from tests.verdicts import broken_laws

COUNTER = Primitive("counter", 100, 10_000, 1e-7, 1e-7)
WORD = Primitive("word", 100, 10_000, 1e-7, 1e-7, kind="word")
FLAG = Primitive("flag", 3, 3, 1e-8, 1e-8, kind="flag")
NEAR = Primitive("near", 3, 3, 1e-8, 1e-8, kind="flag", scope="group")
MACHINE = toy(8, memory_bytes=2**30, group=2, primitives=(COUNTER, WORD, FLAG, NEAR))
TRIED = ("straight", "locals", "loops", "drains", "drains in loops")
TABLES = 200


def with_primitives(rng: random.Random, made: Sections) -> Sections:
    """Some events as words, some as flags, which mostly are taken from as often as they are signalled."""
    for event in range(made.events):
        made.event_primitive[event] = number = rng.choice([0, 1, 2, 2, 2, 3])
        if number < 2:
            continue
        made.event_flag[event] = rng.randrange(2)
        waits = [
            (c, at)
            for c, steps in enumerate(made.cores)
            for at, s in enumerate(steps)
            if s[:2] == (WAIT, event)
        ]
        total = sum(s[2] for steps in made.cores for s in steps if s[:2] == (SIGNAL, event))
        if len(waits) <= total and rng.random() < 0.95:
            for nth, (core, at) in enumerate(waits):
                count = total - len(waits) + 1 if nth == len(waits) - 1 else 1
                made.cores[core][at] = (WAIT, event, count, made.cores[core][at][3])
    return made


def legal(made: Sections) -> frozenset[str]:
    """The codes of the laws that are broken: as the tables stand; if none, in some state."""
    forms = broken_forms(made, MACHINE) | table_forms.broken_forms(as_counters(made))
    if forms:
        return forms
    launches = SCALARS if made.scalars else ((),)
    in_states = (broken_in_states(made, MACHINE, scalars) for scalars in launches)
    return broken_laws(as_counters(made)).union(*in_states)


def refusal(made: Sections) -> str | None:
    try:
        check(made.store(), MACHINE)
    except ScheduleError as error:
        return error.code
    return None


@pytest.mark.parametrize("kind", TRIED)
def test_primitives_are_accepted_iff_they_are_legal(kind: str) -> None:
    seen: Counter[str] = Counter()
    for seed in range(TABLES):
        rng = random.Random(f"{kind} {seed} flags")
        made = with_primitives(rng, random_tables(rng, KINDS[kind]))
        laws, found = legal(made), refusal(made)
        assert found in laws or (found is None and not laws), (
            f"{seed}: refused for {found}, broken: {laws}: {made}"
        )
        seen[found or "accepted"] += 1
        if found is None:
            launches = SCALARS if made.scalars else ((),)
            assert all(flags_are_counters(made, MACHINE, scalars) for scalars in launches), seed
    assert seen["accepted"] >= TABLES // 20, seen
