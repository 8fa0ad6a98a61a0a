"""Which steps, events, rows and drains are in which loop, and that cores agree on it.

In:  the decoded tables, references in range. Out: `Structure`. Raises `MalformedTableError` where LOOP and
END, barriers or drains do not fit together, and `PhaseError` where a core can be in a loop while another is
in what comes before it or after it.
Not here: the steps of several iterations (`straight`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpmd.errors import PhaseError
from mpmd.schedule.proof.decode import BARRIER, DRAIN, END, LOOP, RUN, SIGNAL, WAIT, Column, Tables, malformed
from mpmd.schedule.proof.witness import Places


@dataclass(frozen=True, eq=False)
class Structure:
    """Loops by number, −1 where something is in straight code.

    `spans[core]` has the steps of LOOP and END of each loop on that core, loops in the order in which all
    cores run them. The rows of a loop are neighbours.
    """

    spans: tuple[tuple[tuple[int, int, int], ...], ...]
    step_loop: Column
    row_loop: Column
    drain_loop: Column


def structure(tables: Tables, places: Places) -> Structure:
    """The loops that everything is in."""
    spans = tuple(_spans(tables, core) for core in range(tables.cores))
    step_loop = np.full(len(tables.op), -1, np.int64)
    for first, end, loop in (span for of_core in spans for span in of_core):
        step_loop[first + 1 : end] = loop
    _check_barriers(tables, step_loop)
    _check_agreement(tables, spans, step_loop)
    drain_loop = _drain_loops(tables, step_loop)
    row_loop = _row_loops(tables, step_loop, drain_loop)
    _check_events(tables, step_loop)
    if tables.cores > 1:
        for span in (span for of_core in spans for span in of_core):
            _check_apart(tables, span, places)
    return Structure(spans, step_loop, row_loop, drain_loop)


def _spans(tables: Tables, core: int) -> tuple[tuple[int, int, int], ...]:
    """(LOOP, END, loop) of each loop of a core."""
    start = int(tables.core_ptr[core])
    op = tables.op[start : tables.core_ptr[core + 1]]
    steps = (start + np.flatnonzero((op == LOOP) | (op == END))).tolist()
    spans = []
    for first, end in zip(steps[::2], [*steps[1::2], -1], strict=False):
        loop = int(tables.a[first])
        if end < 0 or tables.op[first] != LOOP or tables.op[end] != END or tables.a[end] != loop:
            malformed(f"the LOOPs and ENDs of core {core} do not come in pairs")
        if tables.b[first] != 0 or tables.b[end] != end - first - 1:
            malformed(f"the END of loop {loop} on core {core} does not lead back to its LOOP")
        spans.append((first, end, loop))
    if sorted(loop for *_, loop in spans) != list(range(len(tables.loops))):
        malformed(f"core {core} does not run each of the {len(tables.loops)} loops once")
    return tuple(spans)


def _check_barriers(tables: Tables, step_loop: Column) -> None:
    """Raise unless each core has all barriers of straight code, and of each loop, in order."""
    steps = np.flatnonzero(tables.op == BARRIER)
    core, loop, ordinal = tables.step_core[steps], step_loop[steps], tables.a[steps]
    for number, barriers in enumerate([tables.barriers, *tables.loops[:, 6].tolist()], start=-1):
        inside = loop == number
        where = "" if number < 0 else f" in loop {number}"
        per_core = np.bincount(core[inside], minlength=tables.cores)
        for wrong in np.flatnonzero(per_core != barriers)[:1].tolist():
            said = "the header" if number < 0 else "the loop"
            malformed(f"core {wrong} has {per_core[wrong]} barriers{where}, {said} says {barriers}")
        if (ordinal[inside] != np.tile(np.arange(barriers), tables.cores)).any():
            malformed(f"the barriers of a core are not numbered in order{where}")
        ends = tables.b[steps[inside]].reshape(tables.cores, barriers)
        if ((ends < 0) | (ends > 1)).any():
            malformed(f"a barrier{where} neither ends a launch (1) nor goes on with it (0)")
        for wrong in np.flatnonzero((ends != ends[0]).any(axis=1))[:1].tolist():
            malformed(f"core {wrong} and core 0 do not end launches at the same barriers{where}")


def _check_agreement(
    tables: Tables, spans: tuple[tuple[tuple[int, int, int], ...], ...], step_loop: Column
) -> None:
    """Raise unless all cores have the same loops between the same barriers of straight code."""
    if not len(tables.loops):
        return
    straight = np.cumsum((tables.op == BARRIER) & (step_loop < 0))
    seen = [
        [(loop, int(straight[first] - straight[of_core[0][0]])) for first, _, loop in of_core]
        for of_core in spans
    ]
    before = [int(straight[of_core[0][0]]) - core * tables.barriers for core, of_core in enumerate(spans)]
    for core in range(1, tables.cores):
        if seen[core] != seen[0] or before[core] != before[0]:
            malformed(f"core {core} and core 0 do not run their loops between the same barriers")


def _drain_loops(tables: Tables, step_loop: Column) -> Column:
    """The loop of each drain; its steps are at most one on each core."""
    steps = np.flatnonzero(tables.op == DRAIN)
    drain = tables.a[steps]
    drains = len(tables.drain_ptr) - 1
    loops = np.full(drains, -1, np.int64)
    loops[drain] = step_loop[steps]
    for missing in np.setdiff1d(np.arange(drains), drain)[:1].tolist():
        malformed(f"no core takes part in drain {missing}")
    if len(np.unique(drain * tables.cores + tables.step_core[steps])) < len(steps):
        malformed("a core takes part in one drain twice")
    for bad in np.flatnonzero(loops[drain] != step_loop[steps])[:1].tolist():
        malformed(f"the steps of drain {int(drain[bad])} are in different loops")
    return loops


def _row_loops(tables: Tables, step_loop: Column, drain_loop: Column) -> Column:
    """The loop of each row; those of one loop are neighbours."""
    loops = np.full(tables.rows, -1, np.int64)
    runs = np.flatnonzero(tables.op == RUN)
    loops[tables.a[runs]] = step_loop[runs]
    loops[tables.drain_rows] = np.repeat(drain_loop, np.diff(tables.drain_ptr))
    changes = np.flatnonzero(np.diff(loops)) + 1
    starts = loops[[0, *changes]] if len(loops) else loops
    stretches = np.bincount(starts[starts >= 0], minlength=len(tables.loops))
    for bad in np.flatnonzero(stretches > 1)[:1].tolist():
        malformed(f"the rows of loop {bad} are not neighbours")
    for bad in np.flatnonzero((stretches == 0) & (tables.loops[:, 3] >= 0))[:1].tolist():
        malformed(f"loop {bad} has a flag and no row that could set it")
    return loops


def _check_events(tables: Tables, step_loop: Column) -> None:
    steps = np.flatnonzero((tables.op == SIGNAL) | (tables.op == WAIT))
    event = tables.a[steps]
    for bad in np.flatnonzero(step_loop[steps] != tables.event_loop[event])[:1].tolist():
        malformed(
            f"step {int(steps[bad])} names event {int(event[bad])} {_where(int(step_loop[steps[bad]]))}, "
            f"the event is {_where(int(tables.event_loop[event[bad]]))}"
        )


def _where(loop: int) -> str:
    return "in straight code" if loop < 0 else f"in loop {loop}"


def _check_apart(tables: Tables, span: tuple[int, int, int], places: Places) -> None:
    """Raise unless all cores meet between a loop and what is around it."""
    first, end, loop = span
    core = int(tables.step_core[first])
    start, stop = int(tables.core_ptr[core]), int(tables.core_ptr[core + 1])
    opens, closes = (_at_the_edge(tables, loop, op) for op in (LOOP, END))
    if not opens and (first == start or tables.op[first - 1] != BARRIER):
        step, other, verb = first, first - 1 if first > start else first, "enter"
    elif not closes and (end + 1 == stop or tables.op[end + 1] != BARRIER):
        step, other, verb = end, end + 1 if end + 1 < stop else end, "leave"
    else:
        return
    raise PhaseError(
        f"cores do not meet when they {verb} loop {loop}: {places.step(step)} has no barrier next to it",
        span=places.span(other),
        label=f"{places.step(other)} can run while another core is in the loop" if other != step else "",
        hints=("a barrier stands between a loop and all that comes before it or after it",),
    )


def _at_the_edge(tables: Tables, loop: int, op: int) -> bool:
    """Whether on every core a loop's LOOP is the first step, or its END the last one."""
    steps = np.flatnonzero((tables.op == op) & (tables.a == loop))
    edge = tables.core_ptr[:-1] if op == LOOP else tables.core_ptr[1:] - 1
    return bool((steps == edge).all())
