"""The `Schedule`: what every core does, step by step, and where every local buffer lies.

In:  `schedule.build` makes it from a `TaskGraph` and a `Machine`.
Out: the value that code generation packs into tables and pictures draw.
Not here: the bytes of the tables (`codegen.tables`); their proof (`schedule.check`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from mpmd.machine import Machine
from mpmd.partition.graph import Deps, FloatColumn, IntColumn, TaskGraph


class StepOp(IntEnum):
    RUN = 0  # a = task
    SIGNAL = 1  # a = event, b = amount added (release)
    WAIT = 2  # a = event, b = count waited for within this launch (acquire)
    BARRIER = 3  # a = ordinal of the barrier; every core passes all of them, in order


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one core, for people. `reason` is the dependence it serves (−1 for a RUN)."""

    core: int
    op: StepOp
    a: int
    b: int
    reason: int


@dataclass(frozen=True, eq=False)
class MemoryPlan:
    """Where local tensors lie: `offset[tensor]` bytes into the arena (−1 for arguments).

    A reshaped view has its root's offset. `unshared_bytes` is what no reuse would need;
    `bound_bytes` is the largest sum of buffers alive at once (no plan needs less).
    """

    offset: IntColumn
    arena_bytes: int
    unshared_bytes: int
    bound_bytes: int


@dataclass(frozen=True, eq=False)
class Schedule:
    """Per core `c` its steps `core_ptr[c]:core_ptr[c+1]` of the columns `op`, `a`, `b`, `reason`.

    `deps` are the graph's and after them the REUSE ones of the memory plan; `reason` indexes them.
    `cores` take part: those of the machine up to the last one that has a task.
    `events` is the number of counters; `core`, `start`, `finish` are per task (seconds, predicted).
    `waits_before_pruning` counts the waits that insertion alone would have made.
    """

    graph: TaskGraph
    machine: Machine
    deps: Deps
    memory: MemoryPlan
    cores: int
    core: npt.NDArray[np.int32]
    start: FloatColumn
    finish: FloatColumn
    core_ptr: IntColumn
    op: npt.NDArray[np.uint8]
    a: npt.NDArray[np.int32]
    b: npt.NDArray[np.int32]
    reason: npt.NDArray[np.int32]
    events: int
    waits_before_pruning: int

    @property
    def makespan(self) -> float:
        """Predicted seconds from the first start to the last finish."""
        return float(self.finish.max(initial=0.0))

    def steps(self, core: int) -> tuple[Step, ...]:
        """The steps of one core, in order."""
        return tuple(
            Step(core, StepOp(int(self.op[i])), int(self.a[i]), int(self.b[i]), int(self.reason[i]))
            for i in range(int(self.core_ptr[core]), int(self.core_ptr[core + 1]))
        )
