"""The laws of what a machine has: cores, memory for the arena, counters and how far they count.

In:  the decoded tables and the `Machine`; later how far signals are ahead of waits. Out: nothing; raises
`ScheduleCapacityError`. Not here: whether a row stays within its base (`footprints`).

Counters wrap around, so what they must hold is how far the signals that were made can be ahead of a wait.
In straight code that is all that a launch signals; in a loop what all iterations do, unless each core,
before it signals, knows that the waits of some iterations ago are over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mpmd.errors import NO_SPAN, ScheduleCapacityError
from mpmd.machine import Machine
from mpmd.schedule.proof.clocks import Clock
from mpmd.schedule.proof.decode import SIGNAL, WAIT, Column, Tables
from mpmd.schedule.proof.iterations import COPIES, Iterations
from mpmd.schedule.proof.occurrences import Occurrences
from mpmd.schedule.proof.straight import Straight

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


def watched(steps: Straight, loops: Sequence[Iterations], machine: Machine) -> frozenset[int]:
    """On each core the last signal of each event whose counter does not hold all iterations of its loop."""
    tables = steps.tables
    if not len(loops):
        return frozenset()
    most = np.array([min(loop.most, machine.counter.maximum + 1) for loop in loops], np.float64)
    inside = tables.event_loop >= 0
    large = inside & (tables.event_total * most[tables.event_loop] > machine.counter.maximum)
    signals = np.flatnonzero(steps.op == SIGNAL)
    last = {(event, core): s for s, event, core in _named(steps, signals[large[steps.a[signals]]])}
    return frozenset(last.values())


def held_up(steps: Straight, last: Mapping[int, Clock], machine: Machine, places: Occurrences) -> None:
    """Raise unless the signals that are watched come after the waits for those some iterations ago."""
    waits: dict[int, dict[int, int]] = {}  # per event, per step of the tables the first copy
    for wait, event, _ in _named(steps, np.flatnonzero(steps.op == WAIT)):
        waits.setdefault(event, {}).setdefault(int(steps.step[wait]), wait)
    core = steps.step_core
    for signal, event, _ in _named(steps, np.array(sorted(last), np.int64)):
        total = int(steps.tables.event_total[event])
        if total * (COPIES + 1) > machine.counter.maximum:
            raise _too_far(signal, f"event {event} counts to {total} in an iteration", machine, places)
        for wait in waits[event].values():
            if wait - steps.core_ptr[core[wait]] >= last[signal][core[wait]]:
                what = f"nothing keeps {places.step(signal)} from being any number of iterations ahead of "
                raise _too_far(signal, what + places.step(wait), machine, places)


def _named(steps: Straight, index: Column) -> Iterator[tuple[int, int, int]]:
    """(step, event, core) of some steps, in their order."""
    yield from zip(index.tolist(), steps.a[index].tolist(), steps.step_core[index].tolist(), strict=True)


def _too_far(step: int, what: str, machine: Machine, places: Occurrences) -> ScheduleCapacityError:
    counter = machine.counter
    return ScheduleCapacityError(
        f"{what}, and a {counter.name} counter of '{machine.name}' counts to {counter.maximum}",
        span=places.span(step),
        hints=("bound the number of iterations, or end each with a barrier",),
    )


def _at_most(needed: int, there: int, machine: Machine, what: str, hint: str) -> None:
    if needed > there:
        raise ScheduleCapacityError(
            f"the schedule needs {needed} {what}, '{machine.name}' has {there}", span=NO_SPAN, hints=(hint,)
        )
