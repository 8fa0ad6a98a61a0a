"""The laws of what a machine has: cores, memory for the arena, and how far its counters and words count.

In:  the decoded tables and the `Machine`; later how far signals are ahead of waits. Out: nothing; raises
`CoResidencyError`, `ScheduleCapacityError`. Not here: how many counters, words and flags there are
(`primitives`), what flags hold (`flags`), whether a row stays within its base (`footprints`).

Counters and words wrap around, so what they must hold is how far the signals that were made can be ahead
of a wait. In straight code that is all that a launch signals; in a loop what all iterations do, unless each
core, before it signals, knows that the waits of some iterations ago are over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mpmd.errors import NO_SPAN, CoResidencyError, ScheduleCapacityError
from mpmd.machine import Machine, Primitive
from mpmd.schedule.proof.clocks import Clock
from mpmd.schedule.proof.decode import SIGNAL, WAIT, Column, Tables
from mpmd.schedule.proof.iterations import COPIES, Iterations
from mpmd.schedule.proof.occurrences import Occurrences
from mpmd.schedule.proof.straight import Straight


def fit(tables: Tables, machine: Machine) -> None:
    """Raise unless `machine` can hold and run the tables."""
    if tables.cores > machine.cores:
        raise CoResidencyError(
            f"the schedule needs {tables.cores} cores, '{machine.name}' has {machine.cores}",
            span=NO_SPAN,
            label="a core that is not there when the others wait for it never comes",
            hints=("compile for fewer cores",),
        )
    if tables.arena_bytes > machine.memory_bytes:
        raise ScheduleCapacityError(
            f"the schedule needs {tables.arena_bytes} bytes of memory for local tensors, "
            f"'{machine.name}' has {machine.memory_bytes}",
            span=NO_SPAN,
            hints=("use smaller tensors",),
        )


def watched(steps: Straight, loops: Sequence[Iterations], machine: Machine) -> frozenset[int]:
    """On each core the last signal of each event whose primitive does not hold all iterations of its loop."""
    tables = steps.tables
    if not len(loops):
        return frozenset()
    maximum = _maximum(tables, machine)
    most = np.array([loop.most for loop in loops], np.float64)
    inside = tables.event_loop >= 0
    large = inside & (tables.event_total * most[tables.event_loop] > maximum)
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
        primitive = machine.primitives[int(steps.tables.event_primitive[event])], machine.name
        if total * (COPIES + 1) > primitive[0].maximum:
            raise _too_far(signal, f"event {event} counts to {total} in an iteration", primitive, places)
        for wait in waits[event].values():
            if wait - steps.core_ptr[core[wait]] >= last[signal][core[wait]]:
                what = f"nothing keeps {places.step(signal)} from being any number of iterations ahead of "
                raise _too_far(signal, what + places.step(wait), primitive, places)


def _named(steps: Straight, index: Column) -> Iterator[tuple[int, int, int]]:
    """(step, event, core) of some steps, in their order."""
    yield from zip(index.tolist(), steps.a[index].tolist(), steps.step_core[index].tolist(), strict=True)


def _maximum(tables: Tables, machine: Machine) -> npt.NDArray[np.float64]:
    """How far the primitive of each event counts. Flags are taken from and do not count on."""
    most = [float("inf") if p.kind == "flag" else p.maximum for p in machine.primitives]
    return np.array(most)[tables.event_primitive]


def _too_far(step: int, what: str, of: tuple[Primitive, str], places: Occurrences) -> ScheduleCapacityError:
    primitive, machine = of
    return ScheduleCapacityError(
        f"{what}, and a {primitive.name} of '{machine}' counts to {primitive.maximum}",
        span=places.span(step),
        hints=("bound the number of iterations, or end each with a barrier",),
    )
