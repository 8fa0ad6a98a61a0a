"""The law: whatever is changed in legal tables, the checker accepts them if and only if they stay legal."""

from __future__ import annotations

from bench.soundness import judged

MUTANTS = 1_000


def test_mutants_of_legal_tables_are_accepted_iff_they_are_legal() -> None:
    counts = judged(1, 0, MUTANTS)
    assert not counts.false_acceptances, counts.line()
    assert not counts.false_refusals, counts.line()
    assert counts.legal >= 0.3 * counts.mutants, counts.line()
    assert len(counts.changes) == 20, "every kind of change is made"
