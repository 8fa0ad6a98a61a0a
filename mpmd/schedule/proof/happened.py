"""What has happened before each instance of a row, in all executions.

In:  the linear extension, what waits guarantee.
Out: `Happened`: per instance how many steps of each core are surely done, and an order of the instances.
Not here: what waits guarantee (`clocks`), what has to be ordered (`races`).

An item of a drain may run on any core that takes part, as soon as one is there: what all of them know
when they get there has happened before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpmd.schedule.proof.clocks import Clock, Guarantees, join_barrier
from mpmd.schedule.proof.decode import BARRIER, DRAIN, RUN, WAIT, Column
from mpmd.schedule.proof.straight import Straight


@dataclass(frozen=True, eq=False)
class Happened:
    """`clock[instance]` counts the steps done of each core; `sequence` has the instances as they can come."""

    clock: Clock
    sequence: Column


def happened(steps: Straight, order: list[int], promised: Guarantees) -> Happened:
    """The clocks of all instances, in one sweep along the extension."""
    known = np.zeros((steps.instances, steps.cores), np.int32)
    clock = np.zeros((steps.cores, steps.cores), np.int32)
    turns = _Turns(steps)
    sequence: list[int] = []
    op, a, b = steps.op.tolist(), steps.a.tolist(), steps.b.tolist()
    core_of, ptr = steps.step_core.tolist(), steps.core_ptr.tolist()
    barrier = -1
    for position, step in enumerate(order):
        core = core_of[step]
        if op[step] == RUN:
            known[a[step]] = clock[core]
            sequence.append(a[step])
        elif op[step] == WAIT:
            row = clock[core]
            np.maximum(row, promised.clock[a[step], b[step]], out=row)
        elif op[step] == BARRIER and a[step] != barrier:
            barrier = a[step]
            join_barrier(clock, steps, order[position : position + steps.cores])
        elif op[step] == DRAIN:
            clock[core, core] = step - ptr[core]
            items, all_know = turns.join(a[step], clock[core])
            known[items] = all_know
            sequence += items.tolist()
    runs = np.flatnonzero(steps.op == RUN)
    core = steps.step_core[runs]
    known[steps.a[runs], core] = runs - steps.core_ptr[core]
    return Happened(known, np.array(sequence, np.int64))


class _Turns:
    """The turns of drains that some cores have reached and others not yet, and what those know."""

    def __init__(self, steps: Straight) -> None:
        self._steps = steps
        turns = steps.a[steps.op == DRAIN]
        self._missing = np.bincount(turns, minlength=len(steps.drain_ptr) - 1).tolist()
        self._known: dict[int, Clock] = {}

    def join(self, turn: int, knows: Clock) -> tuple[Column, Clock]:
        """The items of a turn and what all cores know of it, when the last one comes; before, none."""
        known = self._known[turn] = np.minimum(self._known.get(turn, knows), knows)
        self._missing[turn] -= 1
        if self._missing[turn]:
            return self._steps.drain_items[:0], known
        first, end = self._steps.drain_ptr[turn : turn + 2]
        return self._steps.drain_items[first:end], self._known.pop(turn)
