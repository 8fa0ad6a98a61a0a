"""The proof of emitted tables: no races, no deadlock, no idle or impossible sync, enough capacity.

In:  table bytes (format in `codegen.tables`, decoded here independently) and the `Machine`.
Out: a `Certificate`. Raises the `ScheduleError` of the first law that is broken, with a witness.
Not here: making or mending schedules. Nothing is shared with what orders, places, inserts or prunes.

The laws, in the order in which they are checked; each part of `proof` says how:
  capacity   the machine has the cores, memory and counters; every access lies within its base
  matching   every wait can be satisfied, every event that is signalled is waited for
  liveness   the steps can all happen
  order      every two accesses to the same bytes of an argument or of a local tensor, one of them a
             write, are ordered in all executions, as the program orders them
  turns      of every two local tensors that share bytes, all accesses of one come before those of the
             other, wherever they conflict
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpmd.machine import Machine
from mpmd.schedule.proof import capacity, clocks, events, execute, footprints, overlap, races, turns
from mpmd.schedule.proof.decode import WAIT, decode
from mpmd.schedule.proof.references import check_references
from mpmd.schedule.proof.scalars import Bounds
from mpmd.schedule.proof.witness import Places, StepNote, StepNotes


@dataclass(frozen=True, slots=True)
class Certificate:
    """That the tables with this hash keep all laws on this machine, and how much was looked at."""

    sha256: str
    machine: str
    steps: int
    events: int
    waits: int
    accesses: int
    footprints: int
    overlaps: int


def check(
    tables: bytes, machine: Machine, *, names: StepNotes | Sequence[StepNote] | None = None
) -> Certificate:
    """Prove the tables, or raise. `names` gives every step a text and a span for messages."""
    decoded = decode(tables)
    check_references(decoded)
    places = Places(decoded, names)
    capacity.fit(decoded, machine)
    bounds = Bounds(decoded)
    accesses, prints = footprints.footprints(decoded, bounds, places)
    events.match(decoded, places)
    order = execute.extension(decoded, places)
    written = np.zeros(len(prints), np.bool_)
    written[accesses.footprint[accesses.writes]] = True
    pairs = overlap.overlapping(prints, written, bounds)
    guarantees = clocks.guarantees(decoded, order)
    happened = races.ordered(decoded, order, guarantees, accesses, prints, pairs, places)
    turns.taken(decoded, accesses, prints, written, happened, bounds, places)
    return Certificate(
        sha256=hashlib.sha256(tables).hexdigest(),
        machine=machine.name,
        steps=len(decoded.op),
        events=decoded.events,
        waits=int((decoded.op == WAIT).sum()),
        accesses=len(accesses.row),
        footprints=len(prints),
        overlaps=len(pairs[0]),
    )
