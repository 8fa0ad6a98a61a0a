"""The tables as the device reads them: flat arrays, laid out like the structs of launch.h.

In:  the bytes of the tables. Out: `DeviceTables`, ready to be copied; the layouts of all that a launch needs.
Not here: what each launch decides (`launch_values.py`), memory (`runtime`), the proof (`schedule.check`).

Each step has been resolved: a RUN names its function and its first word, a wait its counter and what one
turn adds to it. Counters are, in this order: one per event, one for the barriers of straight code, one per
loop for its barriers, one per loop for the meetings at its END, one per drain. Of barriers those that end a
launch are not counted: there the host launches again what follows, a `Stretch` of the steps of each core.

Of the primitives of a CUDA machine the first is a counter and the second a word. A word's signaller stores
what the counter has come to, so its SIGNAL becomes a SIGNAL_WORD with the sum of its turn so far.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpmd.codegen.sections import Column, Numbers, Sections, sections
from mpmd.errors import NO_SPAN, MalformedTableError
from mpmd.schedule.steps import LAUNCH_ENDS, StepOp

LATE, SIGNAL_WORD = 8, 9
WORD = 1
NONE = -1
ROWS_AT = 17920
"""Where the rows of late programs begin in a block's shared memory (`rows_at` of shared.h)."""
ALIGNMENT = 64

STEP = np.dtype(
    [("op", "<i4"), ("index", "<i4"), ("amount", "<i4"), ("total", "<u4"), ("row", "<i8"), ("words", "<i4"),
     ("program", "<i4")]
)  # fmt: skip
LOOP = np.dtype(
    [("count", "<i8"), ("flag_offset", "<i8"), ("until", "<i4"), ("flag_bytes", "<i4"), ("meeting", "<i4"),
     ("unused", "<i4")]
)  # fmt: skip
RING = np.dtype([("slots", "<i8"), ("slot_bytes", "<i8"), ("depth", "<i8"), ("unused", "<i8")])
COUNTER_BYTES, TOKENS_BYTES = 64, 128
PROGRESS = np.dtype(
    {
        "names": ["epoch", "place", "turn", "iteration", "have", "need", "step"],
        "formats": ["<u4", "<i4", "<u4", "<u4", "<i4", "<i4", "<u4"],
        "itemsize": 64,
    }
)
FAILURE = np.dtype(
    [("status", "<u4"), ("core", "<i4"), ("check", "<i4"), ("unused", "<i4"), ("value", "<i8"),
     ("extent", "<i8"), ("limit", "<i8")]
)  # fmt: skip
POINTERS = (
    "steps", "items", "begins", "ends", "stretch_loop", "words", "program_ptr", "ops", "terms", "loops",
    "rings", "scalar", "base", "arena", "slab", "counters", "tokens", "progress", "failure", "turns",
)  # fmt: skip
LAUNCH = np.dtype(
    [
        *((name, "<u8") for name in POINTERS),
        *((name, "<i8") for name in ("slab_bytes", "patience")),
        *((name, "<i4") for name in ("cores", "scalar_count", "loop_count", "row_words", "scratch_at")),
        *((name, "<i4") for name in ("shared_scratch", "epoch", "unused")),
    ]
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one launch of the kernel runs, and what the host does behind it.

    `op` is BARRIER where the next stretch follows, LOOP or END of loop `loop`, whose other end is behind
    stretch `other`, or None after the last one.
    """

    op: StepOp | None
    loop: int
    other: int


@dataclass(frozen=True, eq=False)
class DeviceTables:
    """`begins` and `ends` are by stretch and core; `local` says where local tensors lie in the arena.

    `row_words` and `registers` are what late programs need. `loops` lack their counts, and `words` what the
    launch's scalars add to them. A loop may run `most` iterations in one launch.
    """

    sections: Sections
    steps: npt.NDArray[np.void]
    items: npt.NDArray[np.void]
    stretches: tuple[Stretch, ...]
    begins: Numbers
    ends: Numbers
    stretch_loop: Numbers
    loops: npt.NDArray[np.void]
    rings: npt.NDArray[np.void]
    counters: int
    row_words: int
    registers: int
    arguments: int
    local: Column
    most: Column

    @property
    def scratch_at(self) -> int:
        """Where kept tiles begin in a block's shared memory."""
        return _aligned(ROWS_AT + (self.row_words + self.registers) * 8)


def device_tables(tables: bytes) -> DeviceTables:
    t = sections(tables)
    if len(t.event_primitive) and int(t.event_primitive.max()) > WORD:
        raise MalformedTableError("an event is neither a counter nor a word", span=NO_SPAN)
    loop_of = loop_of_steps(t)
    steps = _steps(t, loop_of)
    stretches, begins, ends = _stretches(t)
    late = t.row_program >= 0
    arguments = int(np.count_nonzero(t.bases[:, 0] == 0))
    return DeviceTables(
        sections=t,
        steps=steps,
        items=_tasks(t, t.drain_rows),
        stretches=stretches,
        begins=begins,
        ends=ends,
        stretch_loop=np.array([_inside(stretches, at) for at in range(len(stretches))], np.int32),
        loops=_loops(t),
        rings=_rings(t),
        counters=t.events + 1 + 2 * len(t.loops) + len(t.drain_ptr) - 1,
        row_words=int(np.diff(t.row_ptr)[late].max(initial=0)),
        registers=int(np.diff(t.program_ptr).max(initial=0)),
        arguments=arguments,
        local=t.bases[arguments:, 2],
        most=_most_iterations(t, steps, loop_of),
    )


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


# -- steps ----------------------------------------------------------------------------------------------


def loop_of_steps(t: Sections) -> Numbers:
    """The loop that each step is in, or −1."""
    result = np.full(len(t.steps), NONE, np.int32)
    for end in np.flatnonzero(t.steps[:, 0] == StepOp.END).tolist():
        result[end - int(t.steps[end, 2]) : end] = t.steps[end, 1]
    return result


def _tasks(t: Sections, rows: Numbers) -> npt.NDArray[np.void]:
    """The steps that run these rows."""
    steps = np.zeros(len(rows), STEP)
    steps["program"] = t.row_program[rows]
    steps["op"] = np.where(steps["program"] >= 0, LATE, int(StepOp.RUN))
    steps["index"] = t.row_function[rows]
    steps["row"] = t.row_ptr[rows]
    steps["words"] = t.row_ptr[rows + 1] - t.row_ptr[rows]
    return steps


def _steps(t: Sections, loop_of: Numbers) -> npt.NDArray[np.void]:
    op, a, b = (t.steps[:, column] for column in range(3))
    steps = np.zeros(len(op), STEP)
    steps["op"], steps["index"], steps["amount"], steps["program"] = op, a, b, NONE
    runs = op == StepOp.RUN
    steps[runs] = _tasks(t, a[runs])
    counted = (op == StepOp.SIGNAL) | (op == StepOp.WAIT)
    steps["total"][counted] = t.event_total[a[counted]]
    for end in np.flatnonzero(op == StepOp.END).tolist():
        steps["amount"][end - int(b[end]) - 1] = b[end]
    _barriers(t, loop_of, steps)
    _drains(t, steps)
    _words(t, steps)
    return steps


def _barriers(t: Sections, loop_of: Numbers, steps: npt.NDArray[np.void]) -> None:
    """Their counters, and what these come to when all cores are there."""
    barrier = t.steps[:, 0] == StepOp.BARRIER
    ends = t.steps[:, 2] == LAUNCH_ENDS
    for loop in range(NONE, len(t.loops)):
        here = barrier & (loop_of == loop)
        first_core = np.arange(len(here)) < t.core_ptr[1]
        ending = np.sort(t.steps[here & ends & first_core, 1])
        meeting = here & ~ends
        ordinal = t.steps[meeting, 1] - np.searchsorted(ending, t.steps[meeting, 1])
        steps["index"][meeting] = t.events + 1 + loop
        steps["amount"][meeting] = (ordinal + 1) * t.cores
        steps["total"][meeting] = np.count_nonzero(meeting & first_core) * t.cores


def _drains(t: Sections, steps: npt.NDArray[np.void]) -> None:
    drain = t.steps[:, 0] == StepOp.DRAIN
    which = t.steps[drain, 1]
    steps["index"][drain] = t.events + 1 + 2 * len(t.loops) + which
    steps["amount"][drain] = t.drain_ptr[which]
    steps["total"][drain] = t.drain_ptr[which + 1] - t.drain_ptr[which]


def _words(t: Sections, steps: npt.NDArray[np.void]) -> None:
    """The signals of words: one core makes those of an event, in the order of its steps."""
    signals = np.flatnonzero(t.steps[:, 0] == StepOp.SIGNAL)
    signals = signals[t.event_primitive[t.steps[signals, 1]] == WORD]
    reached: dict[int, int] = {}
    for at in signals.tolist():
        event = int(t.steps[at, 1])
        reached[event] = reached.get(event, 0) + int(t.steps[at, 2])
        steps["amount"][at] = reached[event]
    steps["op"][signals] = SIGNAL_WORD


# -- stretches --------------------------------------------------------------------------------------------


def _stretches(t: Sections) -> tuple[tuple[Stretch, ...], Numbers, Numbers]:
    """Where no barrier ends a launch there is one stretch, and loops are the cores' own."""
    ops, ends_launch = t.steps[:, 0], (t.steps[:, 0] == StepOp.BARRIER) & (t.steps[:, 2] == LAUNCH_ENDS)
    cut = ends_launch | (ops == StepOp.LOOP) | (ops == StepOp.END)
    if not ends_launch.any():
        cut = np.zeros_like(cut)
    begins, ends = list[list[int]](), list[list[int]]()
    for core in range(t.cores):
        first, end = int(t.core_ptr[core]), int(t.core_ptr[core + 1])
        cuts = (first + np.flatnonzero(cut[first:end])).tolist()
        begins.append([first, *(at + 1 for at in cuts)])
        ends.append([*cuts, end])
    marks = [(StepOp(int(ops[at])), int(t.steps[at, 1])) for at in ends[0][:-1]] if t.cores else []
    stretches = tuple(_stretch(marks, at) for at in range(len(marks)))
    by_stretch = [np.ascontiguousarray(np.array(x, np.int32).reshape(t.cores, -1).T) for x in (begins, ends)]
    return (*stretches, Stretch(None, NONE, NONE)), by_stretch[0], by_stretch[1]


def _stretch(marks: list[tuple[StepOp, int]], at: int) -> Stretch:
    op, number = marks[at]
    if op not in (StepOp.LOOP, StepOp.END):
        return Stretch(op, NONE, NONE)
    partner = StepOp.END if op is StepOp.LOOP else StepOp.LOOP
    return Stretch(op, number, marks.index((partner, number)))


def _inside(stretches: tuple[Stretch, ...], at: int) -> int:
    """The loop of the host's that a stretch is in."""
    for opening, stretch in enumerate(stretches):
        if stretch.op is StepOp.LOOP and opening < at <= stretch.other:
            return stretch.loop
    return NONE


# -- loops, rings -------------------------------------------------------------------------------------------


def _loops(t: Sections) -> npt.NDArray[np.void]:
    loops = np.zeros(len(t.loops), LOOP)
    loops["until"], loops["flag_offset"], loops["flag_bytes"] = t.loops[:, 3], t.loops[:, 4], t.loops[:, 5]
    loops["meeting"] = t.events + 1 + len(t.loops) + np.arange(len(t.loops))
    return loops


def _most_iterations(t: Sections, steps: npt.NDArray[np.void], loop_of: Numbers) -> Column:
    """Counters have 32 bits, and differences of them are compared with a sign."""
    limit = 2**31 - 1
    totals = [int(steps["total"][loop_of == loop].max(initial=0)) for loop in range(len(t.loops))]
    return np.array([limit // max(total, 2 * t.cores) for total in totals], np.int64)


def _rings(t: Sections) -> npt.NDArray[np.void]:
    rings = np.zeros(len(t.rings), RING)
    rings["slots"], rings["slot_bytes"], rings["depth"] = t.rings[:, 4], t.rings[:, 2], t.rings[:, 3]
    return rings
