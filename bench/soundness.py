"""Random mutations of small valid tables: the checker's verdict against a search of all their states.

In:  nothing. Out: rows; `python -m bench.soundness` runs any number of mutants in pieces, and writes a line
     of counts for each. Not here: what legal means (`tests/state_search.py`, `tests/table_forms.py`), the
     tables (`tests/small_tables.py`), the mutations (`tests/random_mutants.py`).

A piece has a seed, and gives the same counts on every machine. A false acceptance is a hole in the proof; a
false refusal a schedule that could not be used. Both are counted, with the seeds that show them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.rows import Row
from tests.random_mutants import mutant
from tests.small_tables import KINDS, random_tables
from tests.tables import BARRIER, DRAIN, END, LOOP, RUN, WAIT, Sections
from tests.verdicts import broken_laws, refusal

MUTANTS = 100_000
PIECE = 1_000
QUICK = 4 * PIECE
MOST_STEPS = 12
SAME_TABLES = 4
"""Mutants in a row that are of the same tables."""
SHOWN = 20


@dataclass
class Counts:
    """Of some mutants: how many there were by verdict and by law; seeds of those that are judged wrongly."""

    mutants: int = 0
    legal: int = 0
    false_acceptances: list[str] = field(default_factory=list)
    false_refusals: list[str] = field(default_factory=list)
    other_laws: int = 0
    laws: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)

    def add(self, other: Counts) -> None:
        self.mutants += other.mutants
        self.legal += other.legal
        self.false_acceptances += other.false_acceptances
        self.false_refusals += other.false_refusals
        self.other_laws += other.other_laws
        self.laws.update(other.laws)
        self.changes.update(other.changes)

    def line(self, **more: object) -> str:
        """All of it as JSON."""
        counts = {
            **more,
            "mutants": self.mutants,
            "legal": self.legal,
            "false_acceptances": len(self.false_acceptances),
            "false_refusals": len(self.false_refusals),
            "refused_for_another_law_than_those_broken": self.other_laws,
            "refused_for": dict(sorted(self.laws.items())),
            "changes": dict(sorted(self.changes.items())),
            "shown_by": (self.false_acceptances + self.false_refusals)[:SHOWN],
        }
        return json.dumps(counts)


def rows() -> Iterator[Row]:
    counts = Counts()
    for piece in range(QUICK // PIECE):
        counts.add(judged(0, piece))
    case = f"{counts.mutants} mutants of tables of at most {MOST_STEPS} steps"
    yield Row(case, "still legal", "share", counts.legal / counts.mutants)
    yield Row(case, "false acceptances", "mutants", len(counts.false_acceptances))
    yield Row(case, "false refusals", "mutants", len(counts.false_refusals))


def judged(seed: int, piece: int, mutants: int = PIECE) -> Counts:
    """One piece of the experiment with a seed."""
    counts, tables = Counts(), None
    for number in range(mutants):
        name = f"{seed}.{piece}.{number}"
        rng = random.Random(name)
        if tables is None or number % SAME_TABLES == 0:
            tables = _valid(rng)
        changed, what = mutant(rng, tables)
        laws, refused = broken_laws(changed), refusal(changed)
        counts.mutants += 1
        counts.legal += not laws
        counts.changes.update(what)
        if refused is None and laws:
            counts.false_acceptances.append(name)
        elif refused is not None and not laws:
            counts.false_refusals.append(name)
        counts.other_laws += refused is not None and bool(laws) and refused not in laws
        counts.laws[refused or "accepted"] += 1
    return counts


def _valid(rng: random.Random) -> Sections:
    """Random tables that are legal, small, and held together by something that may break."""
    while True:
        made = random_tables(rng, KINDS[rng.choice(list(KINDS))])
        ops = [op for core in made.cores for op, *_ in core if op not in (LOOP, END)]
        tied = any(op in (WAIT, BARRIER, DRAIN) for op in ops) and ops.count(RUN) > 1
        if len(ops) <= MOST_STEPS and tied and refusal(made) is None:
            return made


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.soundness", description="Random mutations, judged twice."
    )
    parser.add_argument("--mutants", type=int, default=MUTANTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path, help="a file to add the counts to, when all is done")
    options = parser.parse_args()
    os.nice(10)
    counts = Counts()
    pieces = range(-(-options.mutants // PIECE))
    with ProcessPoolExecutor(options.processes) as pool:
        for piece, found in enumerate(pool.map(partial(judged, options.seed), pieces)):
            counts.add(found)
            print(piece, found.line(), flush=True)
    line = counts.line(date=time.strftime("%Y-%m-%d"), seed=options.seed)
    print(line)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        with options.out.open("a") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    main()
