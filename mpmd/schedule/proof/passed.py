"""When an instance of a row is surely over, for others that come later.

In:  the straight steps, and per instance how many steps of each core have happened before it.
Out: `Passed`. Not here: how that is found (`races`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpmd.schedule.proof.boxes import Mask
from mpmd.schedule.proof.decode import RUN, Column
from mpmd.schedule.proof.straight import Straight

Clock = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Passed:
    """What has happened before each instance, and how it shows that one is over: by steps `core`, `step`
    (counted from one) that are done, `ptr` giving which. An item of a drain is over when several are."""

    ptr: Column
    core: Column
    step: Column
    happened: Clock

    @staticmethod
    def of(steps: Straight, happened: Clock) -> Passed:
        """An instance is over when the step that runs it is; an item when all cores have left its drain."""
        runs = np.flatnonzero(steps.op == RUN)
        turn = np.repeat(np.arange(len(steps.drain_ptr) - 1), np.diff(steps.drain_ptr))
        left = steps.drains_left()
        entry, part = np.nonzero(left[turn])
        instance = np.concatenate([steps.a[runs], steps.drain_items[entry]])
        core = np.concatenate([steps.step_core[runs], part])
        own = runs - steps.core_ptr[steps.step_core[runs]] + 1
        step = np.concatenate([own, left[turn[entry], part].astype(np.int64)])
        order = np.argsort(instance, kind="stable")
        ptr = np.searchsorted(instance[order], np.arange(steps.instances + 1))
        return Passed(ptr, core[order], step[order], happened)

    def before(self, a: Column, b: Column) -> Mask:
        """Whether instances `a` surely come before instances `b`."""
        shown, pair = self.shown(a)
        late = self.step[shown] > self.happened[b[pair], self.core[shown]]
        return np.bincount(pair[late], minlength=len(a)) == 0

    def shown(self, instances: Column) -> tuple[Column, Column]:
        """The steps that show that instances are over, and the position of each one's instance."""
        count = self.ptr[instances + 1] - self.ptr[instances]
        position = np.repeat(np.arange(len(instances)), count)
        nth = np.arange(len(position)) - np.repeat(np.cumsum(count) - count, count)
        return self.ptr[instances[position]] + nth, position

    def not_before(self, a: int, b: int) -> tuple[int, int, int]:
        """Of two instances a core, its steps that are known to be done before `b`, those that show `a`."""
        steps = np.arange(self.ptr[a], self.ptr[a + 1])
        missing = steps[self.step[steps] > self.happened[b, self.core[steps]]]
        first = int(missing[0])
        core = int(self.core[first])
        return core, int(self.happened[b, core]), int(self.step[first])
