"""The tables of a kernel as the cores read them: one array of 64-bit words in global memory.

In:  the bytes of `codegen.tables`, which the checker has proved; what the launch decides. Out: words.
Not here: what cores do with them (`include/mpmd/driver.h`; table.h has the same layout as this).

The head (`Head` of table.h), then where each core's steps begin, the steps, and the sections. A step is six
words: its op, then

    RUN      function, where the row begins, its words, its late program (−1: none), 0
    SIGNAL   event, what it has come to in one pass of its loop or straight code, what a pass adds to it, 0 0
    WAIT     event, what it waits for in one pass, what a pass adds to it, 0 0
    BARRIER  0 …
    LOOP     iterations, where it goes on if there are none, 0 …
    END      iterations, where the body begins, base of the flag `until` (−1: none), its offset, its bytes

What lies in the arena has the base after the last argument, and its offset there. The items of a drain are
dealt to its cores: an atomic add that returns what was there before is not on Atlas A2 (its documentation has
`AtomicAdd` of scalars for later ones alone), and any core may take any item. Where cores meet, all of the
launch do, so that those without steps have the meetings, and the loops around them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mpmd.codegen.launch_values import LaunchValues
from mpmd.codegen.sections import Column, Sections
from mpmd.schedule.steps import StepOp

Words = npt.NDArray[np.int64]
RUN, SIGNAL, WAIT, BARRIER, LOOP, END = range(6)
HEAD, STEP = 9, 6
LINE = 8
"""Words of a line."""
ELEMENT = 6
"""The op of late programs that names a base."""
NONE = -1

Step = tuple[int, ...]


def lines(t: Sections) -> int:
    """How many lines there are: one for each event, two for each ring."""
    return t.events + 2 * len(t.rings)


def room(t: Sections) -> int:
    """The words that a core needs for a late row and its registers, in whole lines."""
    late = t.row_program >= 0
    needed = int(np.diff(t.row_ptr)[late].max(initial=0)) + int(np.diff(t.program_ptr).max(initial=0))
    return -(-needed // LINE) * LINE


def most_iterations(t: Sections) -> Column:
    """A line counts in 32 bits what is signalled in one launch."""
    totals = [int(t.event_total[t.event_loop == loop].max(initial=0)) for loop in range(len(t.loops))]
    return np.array([(2**31 - 1) // max(1, total) for total in totals], np.int64)


def words(t: Sections, values: LaunchValues, cores: int) -> Words:
    """For a launch on so many cores, whose scalars have decided `values`."""
    per_core = [_steps(t, values, core) for core in range(t.cores)]
    if any(step[0] == BARRIER or (step[0] == END and step[3] != NONE) for step in per_core[0]):
        per_core += [_meetings(per_core[0])] * (cores - t.cores)
    begins = HEAD + len(per_core) + 1 + STEP * np.cumsum([0, *map(len, per_core)])
    arena = _arena(t)
    sections = (
        _rows(t, values, arena),
        values.scalars,
        t.program_ptr,
        _ops(t, arena),
        t.terms,
        t.rings[:, [4, 2, 3]],
    )
    at = (int(begins[-1]) + np.cumsum([0, *(section.size for section in sections)])).tolist()
    rows, scalars, programs, ops, terms, rings, _ = at
    programs_at = ops + t.program_ptr.astype(np.int64) * 8
    steps = [
        _placed(step, int(begin), rows) for begin, own in zip(begins, per_core, strict=False) for step in own
    ]
    head = [len(per_core), scalars, len(values.scalars), programs, terms, arena, rings, t.events, room(t)]
    parts = [head, begins, steps, sections[0], values.scalars, programs_at, *sections[3:]]
    return np.concatenate([np.asarray(part, np.int64).reshape(-1) for part in parts])


def _arena(t: Sections) -> int:
    """The base after the last argument."""
    return int((t.bases[:, 0] == 0).sum())


# -- steps ----------------------------------------------------------------------------------------------


def _steps(t: Sections, values: LaunchValues, core: int) -> list[Step]:
    """Places are counted in steps from the core's first one, those of rows in words from the first row."""
    steps, reached, begins = list[Step](), dict[int, int](), dict[int, int]()
    for op, a, b, _ in t.steps[t.core_ptr[core] : t.core_ptr[core + 1]].tolist():
        if op == StepOp.RUN:
            steps.append(_run(t, a))
        elif op == StepOp.DRAIN:
            steps += [_run(t, row) for row in _dealt(t, a, core)]
        elif op in (StepOp.SIGNAL, StepOp.WAIT):
            if op == StepOp.SIGNAL:
                reached[a] = reached.get(a, 0) + b
            amount = reached[a] if op == StepOp.SIGNAL else b
            steps.append((SIGNAL if op == StepOp.SIGNAL else WAIT, a, amount, int(t.event_total[a]), 0, 0))
        elif op == StepOp.BARRIER:
            steps.append((BARRIER, 0, 0, 0, 0, 0))
        elif op == StepOp.LOOP:
            begins[a] = len(steps) + 1
            steps.append((LOOP, int(values.counts[a]), NONE, 0, 0, 0))
        elif op == StepOp.END:
            steps.append((END, int(values.counts[a]), begins[a], *_until(t, a)))
            steps[begins[a] - 1] = (LOOP, int(values.counts[a]), len(steps), 0, 0, 0)
    return steps


def _run(t: Sections, row: int) -> Step:
    first, end = t.row_ptr[row : row + 2].tolist()
    return RUN, int(t.row_function[row]), first, end - first, int(t.row_program[row]), 0


def _dealt(t: Sections, drain: int, core: int) -> Sequence[int]:
    """The items of a drain that a core takes: its cores take turns."""
    taking = np.flatnonzero((t.steps[:, 0] == StepOp.DRAIN) & (t.steps[:, 1] == drain))
    cores = (np.searchsorted(t.core_ptr, taking, side="right") - 1).tolist()
    items = t.drain_rows[t.drain_ptr[drain] : t.drain_ptr[drain + 1]].tolist()
    return items[cores.index(core) :: len(cores)]


def _until(t: Sections, loop: int) -> tuple[int, int, int]:
    base, offset, size = t.loops[loop, 3:6].tolist()
    return (NONE, 0, 0) if base == NONE else (*_placed_base(t, base, offset), size)


def _meetings(steps: Sequence[Step]) -> list[Step]:
    """The steps of a core that has no tasks."""
    kept = [number for number, step in enumerate(steps) if step[0] in (BARRIER, LOOP, END)]
    return [
        (op, count, sum(old < place for old in kept), *rest)
        if op in (LOOP, END)
        else (op, count, place, *rest)
        for op, count, place, *rest in (steps[number] for number in kept)
    ]


def _placed(step: Step, begin: int, rows: int) -> Step:
    """The step with places that are counted from the first of all words."""
    op, first, second, *rest = step
    if op == RUN:
        return (op, first, rows + second, *rest)
    return (op, first, begin + STEP * second, *rest) if op in (LOOP, END) else step


# -- rows -----------------------------------------------------------------------------------------------


def _placed_base(t: Sections, base: int, offset: int) -> tuple[int, int]:
    """Base and offset as the cores know them: local tensors lie in the arena."""
    kind, _, start = t.bases[base].tolist()
    return (_arena(t), offset + start) if kind else (base, offset)


def _rows(t: Sections, values: LaunchValues, arena: int) -> Words:
    rows = values.words.astype(np.int64)
    for row, function in enumerate(t.row_function.tolist()):
        first = int(t.row_ptr[row])
        for _, _, base, offset, *_ in t.params[
            t.function_ptr[function] : t.function_ptr[function + 1]
        ].tolist():
            kind, _, start = t.bases[rows[first + base]].tolist()
            if kind:
                rows[first + base] = arena
                rows[first + offset] += start
    return rows


def _ops(t: Sections, arena: int) -> Words:
    ops = t.ops.astype(np.int64)
    for op in np.flatnonzero(ops[:, 0] == ELEMENT).tolist():
        kind, _, start = t.bases[ops[op, 1]].tolist()
        if kind:
            ops[op, 1:3] = arena, ops[op, 2] + start
    return ops
