"""How errors name a step of an unrolled loop, and the row that it runs.

In:  the straight steps, and how their steps in the tables are named. Out: text and spans for messages.
Not here: what is wrong with the step.
"""

from __future__ import annotations

import numpy as np

from mpmd.errors import Span
from mpmd.schedule.proof.decode import DRAIN, RUN, Column
from mpmd.schedule.proof.straight import FLAG, Straight
from mpmd.schedule.proof.witness import Places

_ITERATIONS = ("an iteration", "the next iteration", "a later iteration")


class Occurrences:
    """Texts and spans for straight steps, and for instances of rows."""

    def __init__(self, steps: Straight, places: Places) -> None:
        self._steps = steps
        self._places = places
        self._at = _steps_of_instances(steps)
        self.unrolled = bool(len(steps.tables.loops))

    def position(self, step: int) -> str:
        """`core 2, step 5`, or `core 2, step 5 of the next iteration`."""
        place = self._places.position(int(self._steps.step[step]))
        loop = int(self._steps.step_loop[step])
        return place if loop < 0 else f"{place} of {_ITERATIONS[int(self._steps.step_copy[step])]}"

    def step(self, step: int) -> str:
        return f"{self._places.name(int(self._steps.step[step]))} ({self.position(step)})"

    def span(self, step: int) -> Span:
        return self._places.span(int(self._steps.step[step]))

    def step_of(self, instance: int) -> int:
        """The step that runs an instance; of an item of a drain one that may."""
        return int(self._at[instance])

    def instance(self, instance: int) -> str:
        """`'gelu#3' (core 2, step 5)`; an item of a drain goes by its row and the drain."""
        step, row = int(self._at[instance]), int(self._steps.row[instance])
        if row == FLAG:
            return f"the flag of loop {int(self._steps.loop[instance])} ({self.position(step)})"
        if self._steps.op[step] == DRAIN:
            return f"row {row}, an item of {self.step(step)}"
        return self.step(step)

    def span_of(self, instance: int) -> Span:
        return self.span(int(self._at[instance]))

    def instances_at(self, step: int) -> Column:
        """What a step runs."""
        at = int(self._steps.a[step])
        if self._steps.op[step] == DRAIN:
            return self._steps.drain_items[self._steps.drain_ptr[at] : self._steps.drain_ptr[at + 1]]
        return np.array([at]) if self._steps.op[step] == RUN else self._steps.row[:0]

    def base(self, base: int) -> str:
        return self._places.base(base)

    def unknown(self, here: int, core: int, known: int, needed: int) -> str:
        """What is proved before an instance of the first steps of a core: `known` of the `needed` ones."""
        before = self.position(self.step_of(here))
        if not self.unrolled:
            return f"what precedes {before} proves {known} steps of core {core} done, {needed} are needed"
        last = int(self._steps.core_ptr[core]) + known - 1
        done = f"the steps of core {core} up to {self.step(last)}" if known else f"no step of core {core}"
        return f"what precedes {before} proves {done} done"


def _steps_of_instances(steps: Straight) -> Column:
    at = np.zeros(steps.instances, np.int64)
    drains = np.flatnonzero(steps.op == DRAIN)[::-1]  # the first one counts
    turn = np.zeros(len(steps.drain_ptr) - 1, np.int64)
    turn[steps.a[drains]] = drains
    at[steps.drain_items] = np.repeat(turn, np.diff(steps.drain_ptr))
    runs = np.flatnonzero(steps.op == RUN)
    at[steps.a[runs]] = runs
    return at
