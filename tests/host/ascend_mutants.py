"""Mutants of a text's sync: the statements that are taken away together."""

from __future__ import annotations

from mpmd.runtime.ascend_sim import Findings


def statements(found: Findings) -> tuple[tuple[int, ...], ...]:
    """Sync sites in units: a SetFlag with the WaitFlags that it meets, all others alone."""
    unit = {site.number: {site.number} for site in found.sites}
    for first, second in found.pairs:
        joined = unit[first] | unit[second]
        for number in joined:
            unit[number] = joined
    return tuple(sorted({tuple(sorted(numbers)) for numbers in unit.values()}))


def named(found: Findings, numbers: tuple[int, ...]) -> str:
    """'line 59 SetFlag MTE3_V 0 + line 59 WaitFlag MTE3_V 0'."""
    sites = {site.number: site for site in found.sites}
    return " + ".join(f"line {sites[number].line} {sites[number].text}" for number in numbers)
