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
from mpmd.schedule.bounds import Bounds


class StepOp(IntEnum):
    RUN = 0  # a = task
    SIGNAL = 1  # a = event, b = amount added (release)
    WAIT = 2  # a = event, b = count (acquire); in iteration `i` of a loop: until i × total + b, so that a
    #           count that is carried from the iteration before is negative or 0. Of a flag: takes b away
    BARRIER = (
        3  # a = ordinal of the barrier among those of its loop, or of the straight code; b = LAUNCH_ENDS
    )
    #              where the cores go back to the host, which launches them again for what follows; else 0
    LOOP = 4  # a = loop; the steps up to its END are repeated
    END = 5  # a = loop, b = how many steps lie between its LOOP and this
    DRAIN = 6  # a = drain: takes tasks by ticket until there are none
    PREFETCH = 7  # a = task that this core runs later, b = bytes at most: asks for the first bytes of each
    #               argument that the task only reads


LAUNCH_ENDS = 1


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


@dataclass(frozen=True, slots=True)
class Drain:
    """Tasks that cores take by ticket, in this order; and the cores that take part."""

    tasks: tuple[int, ...]
    cores: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ring:
    """The memory of a channel between two cores; between one core and itself all tokens of a gang fit in.

    `offset` is that of the first token in the arena; a token has `slot_bytes`, a multiple of 64.
    """

    channel: int
    producer: int
    consumer: int
    depth: int
    slot_bytes: int
    offset: int


@dataclass(frozen=True, eq=False)
class Schedule:
    """Per core `c` its steps `core_ptr[c]:core_ptr[c+1]` of the columns `op`, `a`, `b`, `reason`.

    `deps` are the graph's and after them the REUSE ones of the memory plan; `reason` indexes them.
    `cores` take part: those of the machine up to the last one that has a task.
    `events` is the number of events; `primitive[event]` indexes `machine.primitives`, and `flag[event]` is
    the id of a flag within its group of cores (−1: the event is no flag). `core`, `start`, `finish` are per
    task (seconds, predicted).
    `waits_before_pruning` counts the waits that insertion alone would have made. No schedule of the graph on
    the cores that it may use takes less than `bounds`.

    Every core goes through the phases of the graph in order, with a BARRIER between two of them. A loop's
    steps stand between LOOP and END on every core; loops are numbered in order of their phases. All signals
    and waits of an event are in one loop, `event_loop[event]`, or all in straight code (−1). A task of a
    drain has core −1 and no RUN; its drain's DRAIN step is on each of `Drain.cores`. A flag of `until` is
    read by every core after a barrier that ends the iteration (END itself has it, and another one after).
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
    event_loop: npt.NDArray[np.int32]
    drains: tuple[Drain, ...]
    rings: tuple[Ring, ...]
    primitive: npt.NDArray[np.int32]
    flag: npt.NDArray[np.int32]
    bounds: Bounds

    @property
    def makespan(self) -> float:
        """Predicted seconds from the first start to the last finish, of a last loop's last iteration."""
        end = float(self.finish.max(initial=0.0))
        if not self.graph.phases or (loop := self.graph.phases[-1].loop) is None or loop.count.terms:
            return end
        body = slice(self.graph.phases[-1].first, self.graph.phases[-1].end)
        begin = float(self.start[body].min(initial=end))
        return end + (end - begin) * max(0, loop.count.const - 1)

    def steps(self, core: int) -> tuple[Step, ...]:
        """The steps of one core, in order."""
        return tuple(
            Step(core, StepOp(int(self.op[i])), int(self.a[i]), int(self.b[i]), int(self.reason[i]))
            for i in range(int(self.core_ptr[core]), int(self.core_ptr[core + 1]))
        )

    def _repr_html_(self) -> str:
        """For notebooks."""
        from mpmd.visual.notebook import schedule_html  # pyright: ignore[reportMissingImports] (visual/ is installed so)

        return schedule_html(self)

    def _repr_svg_(self) -> str:
        """For notebooks that show no HTML."""
        from mpmd.visual.notebook import schedule_picture  # pyright: ignore[reportMissingImports] (visual/ is installed so)

        return schedule_picture(self)
