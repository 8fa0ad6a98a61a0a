"""The law: the checker accepts small tables if and only if they are legal.

In every launch, no state that they can reach breaks a law (`state_search.py`), nor does anything that the
tables show as they stand (`table_forms.py`). A table that is accepted although it is not legal would be a
hole in every proof; one that is refused although it is, a schedule that cannot be used. There are none.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.mutants import sync_mutants
from tests.small_tables import KINDS, random_tables
from tests.tables import Sections
from tests.verdicts import broken_laws, refusal

TABLES = 150


def compare(made: Sections, seen: Counter[str]) -> None:
    """The checker refuses for a law that is broken, and only then."""
    laws, found = broken_laws(made), refusal(made)
    assert found in laws or (found is None and not laws), f"refused for {found}, broken: {laws}: {made}"
    seen[found or "accepted"] += 1


@pytest.mark.parametrize("kind", KINDS)
def test_random_tables_are_accepted_iff_they_are_legal(kind: str) -> None:
    seen: Counter[str] = Counter()
    for seed in range(TABLES):
        compare(random_tables(random.Random(f"{kind} {seed}"), KINDS[kind]), seen)
    assert seen["accepted"] >= TABLES // 10, seen


@pytest.mark.parametrize("kind", KINDS)
def test_sync_mutants_of_legal_tables_are_accepted_iff_they_are_legal(kind: str) -> None:
    """Less one wait, signal or barrier, with all that belongs to it."""
    seen: Counter[str] = Counter()
    for seed in range(TABLES):
        made = random_tables(random.Random(f"{kind} {seed} mutants"), KINDS[kind])
        if refusal(made) is None:
            for _, mutated, _ in sync_mutants(made.store()):
                compare(Sections.load(mutated), seen)
    assert seen.total() >= TABLES // 5, seen
