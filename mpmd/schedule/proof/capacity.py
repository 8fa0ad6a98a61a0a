"""The laws of what a machine has: cores, memory for the arena, counters and how far they count.

In:  the decoded tables and the `Machine`. Out: nothing; raises `ScheduleCapacityError`.
Not here: whether a row stays within its base (`footprints`).
"""

from __future__ import annotations

import numpy as np

from mpmd.errors import NO_SPAN, ScheduleCapacityError
from mpmd.machine import Machine
from mpmd.schedule.proof.decode import Tables

_FEWER = "use larger tiles, or barriers"


def fit(tables: Tables, machine: Machine) -> None:
    """Raise unless `machine` can hold and run the tables."""
    counter = machine.counter
    _at_most(tables.cores, machine.cores, machine, "cores", "compile for fewer cores")
    memory = "bytes of memory for local tensors"
    _at_most(tables.arena_bytes, machine.memory_bytes, machine, memory, "use smaller tensors")
    _at_most(tables.events, counter.limit, machine, f"{counter.name} counters", _FEWER)
    total = tables.event_total
    if total.max(initial=0) > counter.maximum:
        event = int(np.argmax(total))
        raise ScheduleCapacityError(
            f"event {event} counts to {int(total[event])}, a {counter.name} counter of '{machine.name}' to "
            f"{counter.maximum}",
            span=NO_SPAN,
            hints=(_FEWER,),
        )


def _at_most(needed: int, there: int, machine: Machine, what: str, hint: str) -> None:
    if needed > there:
        raise ScheduleCapacityError(
            f"the schedule needs {needed} {what}, '{machine.name}' has {there}", span=NO_SPAN, hints=(hint,)
        )
