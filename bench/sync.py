"""How much sync the examples need: edges between cores, waits inserted, waits left, and that none can go.

In:  nothing. Out: rows, per example and number of cores, on CPUs and on machines with words and flags.
Not here: how long the sync takes (`mpmd explain`).

A mutant is the tables less one wait, signal, count or barrier, consistently; irredundant is what has no
mutant that the checker proves. Every mutant of an example of more than `MUTANTS` would take hours, so of
those a sample, by a fixed seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bench.rows import Row, print_rows
from mpmd.codegen.tables import pack
from mpmd.machine import Machine, Primitive
from mpmd.machine.presets import this_cpu
from mpmd.machine.presets.nvidia import H100
from mpmd.schedule.check import check
from mpmd.schedule.report import cross_edges
from mpmd.schedule.steps import Schedule, StepOp
from tests.host.example_kernels import EXAMPLES, example, scheduled
from tests.mutants import Mutant, is_refused, sync_mutants

MUTANTS = 400
SEED = 1


@dataclass(frozen=True, slots=True)
class Counts:
    """`mutants` were tried of `pieces` that there are; `accepted` names those that the checker proved."""

    edges: int
    inserted: int
    waits: int
    barriers: int
    pieces: int
    mutants: int
    refused: int
    accepted: tuple[str, ...]


def rows() -> Iterator[Row]:
    for machine in (this_cpu(2), this_cpu(4), H100.with_cores(8), _with_all_primitives()):
        for name in EXAMPLES:
            yield from _rows(name, machine, counts(planned(name, machine), machine))


def _with_all_primitives() -> Machine:
    """Four CPU cores in two groups that also have words and flags: every law of sync at once."""
    base = this_cpu(4)
    word = Primitive("word", 1 << 16, 1 << 30, signal_seconds=1e-8, wait_seconds=8e-8, kind="word")
    flag = Primitive("flag", 4, 15, signal_seconds=5e-9, wait_seconds=5e-9, kind="flag", scope="group")
    return replace(
        base, name=f"{base.name} with words and flags", group=2, primitives=(base.counter, word, flag)
    )


def planned(name: str, machine: Machine) -> Schedule:
    """The schedule of an example."""
    kernel, specs = example(name)
    return scheduled(kernel, specs, machine)


def counts(made: Schedule, machine: Machine, most: int = MUTANTS) -> Counts:
    """What a schedule's sync comes to; up to `most` of its mutants are tried."""
    tables = pack(made)
    check(tables, machine)
    found = list(sync_mutants(tables))
    tried = _sample(found, most)
    accepted = [what for what, mutated, expected in tried if not is_refused(mutated, machine, expected)]
    return Counts(
        edges=cross_edges(made),
        inserted=made.waits_before_pruning,
        waits=int((made.op == StepOp.WAIT).sum()),
        barriers=int((made.op == StepOp.BARRIER).sum()) // made.cores,
        pieces=len(found),
        mutants=len(tried),
        refused=len(tried) - len(accepted),
        accepted=tuple(accepted),
    )


def _sample(found: Sequence[Mutant], most: int) -> Sequence[Mutant]:
    return found if len(found) <= most else random.Random(SEED).sample(found, most)


def _rows(name: str, machine: Machine, found: Counts) -> Iterator[Row]:
    case = f"{name}, {machine.cores} cores of {machine.name}"
    yield Row(
        case=case,
        metric="waits left",
        unit="waits",
        ours=found.waits,
        limit=found.edges,
        share=found.waits / found.edges if found.edges else None,
        note=f"of {found.inserted} inserted; {found.edges} edges between cores; {found.barriers} barriers",
    )
    yield Row(
        case=case,
        metric="mutants refused",
        unit="mutants",
        ours=found.refused,
        limit=found.mutants,
        share=found.refused / found.mutants if found.mutants else None,
        note=f"of {found.pieces} pieces of sync"
        + "".join(f"; not needed: {what}" for what in found.accepted[:3]),
    )


if __name__ == "__main__":
    print_rows(rows(), as_json=True)
