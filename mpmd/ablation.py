"""Schedules of one program that differ in one thing each: what is left out tells what it is worth.

In:  a `Program`, a `Choice`, a `Machine`. Out: `Variant`s, each of which plans its schedule when asked.
Not here: their times and what they say (`explain.py`).

All are legal: they can be proved, compiled, run and measured like the kernel itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from mpmd.lang.program import Program
from mpmd.machine import Machine
from mpmd.partition.build import partition
from mpmd.partition.graph import TaskGraph
from mpmd.schedule import memory
from mpmd.schedule.build import schedule
from mpmd.schedule.keep import keep_all
from mpmd.schedule.order import POLICIES
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.schedule.unfused import unfused
from mpmd.search import Choice, under

MOST_COUNTS = 8
"""Numbers of cores that are looked at: all of them up to this many, else powers of two."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A schedule that differs from the kernel's own in what it is `about`."""

    about: str
    name: str
    plan: Callable[[], Schedule]


def variants(program: Program, choice: Choice, machine: Machine, own: Schedule) -> Iterator[Variant]:
    """The kernel without each of what makes it what it is; `own` is its schedule on these cores."""
    graph, written = own.graph, replace(choice, rewrites=())
    other = partial(schedule, graph, machine, policy=choice.policy, drain=choice.drain)
    yield Variant("fusion", "one launch per call", partial(apart, program, written, machine))
    if choice.rewrites:
        yield Variant("rewrites", "as written", partial(planned, program, written, machine))
    yield Variant("sync", "all inserted waits", partial(other, keeping=keep_all))
    for policy in POLICIES:
        if policy != choice.policy:
            yield Variant("placement", policy, partial(other, policy=policy))
    for name, planning in (("never shared", memory.plan_apart), ("always shared", memory.plan_tightest)):
        yield Variant("memory", name, partial(other, planning=planning))
    if (own.op == StepOp.PREFETCH).any():
        lazy = replace(machine, prefetch_share=0.0)
        off = partial(schedule, graph, lazy, policy=choice.policy, drain=choice.drain)
        yield Variant("prefetch", "off", off)
    for count in counts(machine.cores):
        fewer = partial(planned, program, choice, machine.with_cores(count))
        yield Variant("cores", f"{count} of {machine.cores}", fewer)


def graph_of(program: Program, choice: Choice, machine: Machine) -> TaskGraph:
    """The tasks of a program under a choice, in pieces that suit the machine's cores."""
    chosen = under(program, choice)
    return partition(chosen.program, machine, tiles=chosen.tiles)


def planned(program: Program, choice: Choice, machine: Machine) -> Schedule:
    """The schedule of a program under a choice."""
    graph = graph_of(program, choice, machine)
    return schedule(graph, machine, policy=choice.policy, drain=choice.drain)


def apart(program: Program, choice: Choice, machine: Machine) -> Schedule:
    """The same tasks, one launch for each call in the source."""
    return unfused(graph_of(program, choice, machine), machine, policy=choice.policy)


def counts(cores: int) -> list[int]:
    """Fewer cores, to see what more of them bring."""
    if cores <= MOST_COUNTS:
        return list(range(1, cores))
    return [1 << power for power in range(cores.bit_length()) if 1 << power < cores]
