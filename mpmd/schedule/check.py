"""The proof of emitted tables: no races, no deadlock, no idle or impossible sync, enough capacity.

In:  table bytes (format in `codegen.tables`, decoded here independently) and the `Machine`.
Out: a `Certificate`. Raises the `ScheduleError` of the first law that is broken, with a witness.
Not here: making or mending schedules. Nothing is shared with what orders, places, inserts or prunes.

The laws, in the order in which they are checked; each part of `proof` says how:
  phases     all cores meet between a loop and what is around it
  residence  all cores that wait for each other are there: the machine has them, gangs are on different ones
  capacity   the machine has the memory, counters, words and flags, each holds what can be signalled before it
             is waited for; every access lies within its base
  words      one core signals
  flags      one core waits and takes away what was signalled; of two events, one is over before the other
  scope      signals reach who waits for them
  matching   every wait can be satisfied, every event that is signalled is waited for
  channels   the ends of a ring fit together, and its memory is its own
  liveness   the steps can all happen
  order      every two accesses to the same bytes of an argument or of a local tensor, one of them a
             write, are ordered in all executions, as the program orders them
  prefetches what is asked for early has been written, and is read later
  turns      of every two local tensors that share bytes, all accesses of one come before those of the
             other, wherever they conflict
Loops are proved for all their iterations at once, in a time that does not depend on how many they are:
a few copies of the body stand for any of them (`proof.iterations`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpmd.machine import Machine
from mpmd.schedule.proof import (
    capacity,
    clocks,
    events,
    execute,
    flags,
    footprints,
    overlap,
    prefetches,
    races,
    rings,
    turns,
)
from mpmd.schedule.proof.decode import PREFETCH, WAIT, Tables, decode
from mpmd.schedule.proof.happened import happened
from mpmd.schedule.proof.iterations import iterations
from mpmd.schedule.proof.late import contents
from mpmd.schedule.proof.occurrences import Occurrences
from mpmd.schedule.proof.primitives import as_counters, check_primitives
from mpmd.schedule.proof.references import check_references
from mpmd.schedule.proof.scalars import Bounds
from mpmd.schedule.proof.straight import straight
from mpmd.schedule.proof.structure import structure
from mpmd.schedule.proof.witness import Places, StepNote, StepNotes

LAWS = (
    "phases", "residence", "capacity", "words", "flags", "scope", "matching", "channels", "liveness", "order",
    "prefetches", "turns",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Certificate:
    """That the tables with this hash keep these laws on this machine, and how much was looked at."""

    sha256: str
    machine: str
    steps: int
    events: int
    waits: int
    accesses: int
    footprints: int
    overlaps: int
    loops: int
    drains: int
    rings: int
    late: int  # rows that are finished when they run
    words: int
    flags: int  # events that flags stand for
    prefetches: int
    laws: tuple[str, ...]


def check(
    tables: bytes, machine: Machine, *, names: StepNotes | Sequence[StepNote] | None = None
) -> Certificate:
    """Prove the tables, or raise. `names` gives every step a text and a span for messages."""
    decoded = decode(tables)
    check_references(decoded)
    named = Places(decoded, names)
    found = structure(decoded, named)
    capacity.fit(decoded, machine)
    check_primitives(decoded, machine, named)
    prefetches.match(decoded, found.step_loop, named)
    decoded = as_counters(decoded, machine)
    launch = Bounds.of_launch(decoded)
    loops = iterations(decoded, launch)
    steps = straight(decoded, found, loops)
    places = Occurrences(steps, named)
    held = contents(steps, loops, launch, places)
    accesses, prints = footprints.footprints(steps, held, places)
    events.match(decoded, named)
    rings.match(decoded, found.row_loop, named)
    rings.together(steps, held.conditions, places)
    order = execute.extension(steps, rings.gangs(steps, places), places)
    written = np.zeros(len(prints), np.bool_)
    written[accesses.footprint[accesses.writes]] = True
    judge = overlap.Judge(held.known)
    pairs = overlap.touching(prints, written, judge)
    watched = capacity.watched(steps, loops, machine)
    promised = clocks.guarantees(steps, order, watched)
    capacity.held_up(steps, promised.signals, machine, places)
    known = happened(steps, order, promised)
    races.ordered(steps, known, accesses, prints, pairs, judge, places)
    flags.check_flags(steps, order, promised, loops, machine, places)
    prefetches.check_prefetches(steps, order, promised, known.clock, accesses, prints, pairs, judge, places)
    turns.taken(steps, accesses, prints, written, known.clock, judge, places)
    return Certificate(
        sha256=hashlib.sha256(tables).hexdigest(),
        machine=machine.name,
        steps=len(decoded.op),
        events=decoded.events,
        waits=int((decoded.op == WAIT).sum()),
        accesses=len(accesses.row),
        footprints=len(prints),
        overlaps=len(pairs[0]),
        loops=len(decoded.loops),
        drains=len(decoded.drain_ptr) - 1,
        rings=len(decoded.rings),
        late=int((decoded.row_program >= 0).sum()),
        words=_events_of(decoded, machine, "word"),
        flags=_events_of(decoded, machine, "flag"),
        prefetches=int((decoded.op == PREFETCH).sum()),
        laws=LAWS,
    )


def _events_of(tables: Tables, machine: Machine, kind: str) -> int:
    """How many events are of primitives of a kind."""
    return sum(
        int((tables.event_primitive == n).sum()) for n, p in enumerate(machine.primitives) if p.kind == kind
    )
