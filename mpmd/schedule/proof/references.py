"""That every reference of the tables is in range, so that no later part can read past an end.

In:  the decoded columns. Out: nothing; raises `MalformedTableError`.
Not here: whether loops and drains fit together (`structure`), whether the schedule is right.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mpmd.schedule.proof.decode import (
    DRAIN,
    ELEMENT,
    END,
    GUARD,
    LARGEST,
    LOOP,
    PATCH,
    PREFETCH,
    RUN,
    SIGNAL,
    SKIP,
    WAIT,
    Column,
    Tables,
    malformed,
)


def check_references(tables: Tables) -> None:
    """Raise unless every reference is in range."""
    _check_steps(tables)
    _check_rows(tables)
    _check_functions(tables)
    _check_bases(tables)
    _check_symbols(tables)
    _check_programs(tables)
    _check_loops(tables)
    _check_rings(tables)


def _check_pointers(name: str, pointers: Column, count: int) -> None:
    if pointers[0] != 0 or pointers[-1] != count or (np.diff(pointers) < 0).any():
        malformed(f"section '{name}' does not rise from 0 to {count}")


def _check_range(what: str, values: Column, low: int, high: int) -> None:
    """Raise unless low ≤ every value < high."""
    bad = np.flatnonzero((values < low) | (values >= high))
    if len(bad):
        malformed(f"{what} {int(bad[0])} is {int(values[bad[0]])}, outside {low} to {high - 1}")


def _check_steps(t: Tables) -> None:
    _check_pointers("core_ptr", t.core_ptr, len(t.op))
    _check_range("the op of step", t.op, RUN, PREFETCH + 1)
    loops, drains = len(t.loops), len(t.drain_ptr) - 1
    named = (
        (RUN, "row", t.rows),
        (SIGNAL, "event", t.events),
        (WAIT, "event", t.events),
        (LOOP, "loop", loops),
        (END, "loop", loops),
        (DRAIN, "drain", drains),
        (PREFETCH, "row", t.rows),
    )
    for op, what, limit in named:
        bad = np.flatnonzero((t.op == op) & ((t.a < 0) | (t.a >= limit)))
        if len(bad):
            malformed(f"step {int(bad[0])} names {what} {int(t.a[bad[0]])} of {limit}")
    signals = t.op == SIGNAL
    bad = np.flatnonzero(signals & (t.b <= 0))
    if len(bad):
        malformed(f"step {int(bad[0])} signals an amount of {int(t.b[bad[0]])}, which must be positive")
    for bad in np.flatnonzero((t.op == PREFETCH) & (t.b < 0))[:1].tolist():
        malformed(f"step {bad} asks for {int(t.b[bad])} bytes")
    total = np.zeros(t.events, np.int64)
    np.add.at(total, t.a[signals], t.b[signals])
    bad = np.flatnonzero(total != t.event_total)
    if len(bad):
        e = int(bad[0])
        malformed(f"event {e} is signalled {int(total[e])} in all, its total says {int(t.event_total[e])}")


def _check_rows(t: Tables) -> None:
    _check_pointers("row_ptr", t.row_ptr, len(t.words))
    _check_range("the function of row", t.row_function, 0, len(t.function_ptr) - 1)
    _check_pointers("drain_ptr", t.drain_ptr, len(t.drain_rows))
    _check_range("the row of item", t.drain_rows, 0, t.rows)
    runs = np.bincount(t.a[t.op == RUN], minlength=t.rows)
    items = np.bincount(t.drain_rows, minlength=t.rows)
    for bad in np.flatnonzero(runs + items != 1)[:1].tolist():
        taken = f" and an item of drains {items[bad]} times" if items[bad] else ""
        malformed(f"row {bad} is run {runs[bad]} times{taken}, not once")


def _check_functions(t: Tables) -> None:
    _check_pointers("function_ptr", t.function_ptr, len(t.params))
    mode, item, base, offset, first, end = t.params.T
    _check_range("the mode of parameter", mode, 1, 4)
    _check_range("the item bytes of parameter", item, 1, 65)
    _check_range("the first axis of parameter", first, 0, len(t.axes) + 1)
    _check_range("the end axis of parameter", end, 0, len(t.axes) + 1)
    if (first > end).any() or (end - first > 32).any():
        malformed(f"parameter {int(np.argmax((first > end) | (end - first > 32)))} has no proper axes")
    _check_range("the extent of axis", t.axes[:, 1], 0, LARGEST)
    _check_range("the stride of axis", t.axes[:, 3], -LARGEST, LARGEST)
    longest = np.iinfo(np.int64).max
    shortest = np.full(len(t.function_ptr) - 1, longest)
    np.minimum.at(shortest, t.row_function, np.diff(t.row_ptr))
    for function in np.flatnonzero(shortest < longest).tolist():
        limit = int(shortest[function])
        low, high = t.function_ptr[function], t.function_ptr[function + 1]
        _check_range(f"a BASE word in function {function}, parameter", base[low:high], 0, limit)
        _check_range(f"an OFFSET word in function {function}, parameter", offset[low:high], 0, limit)
        for p in range(low, high):
            axes = t.axes[first[p] : end[p]]
            _check_range(f"an EXTENT word in function {function}, axis", axes[:, 0], -1, limit)
            _check_range(f"a STRIDE word in function {function}, axis", axes[:, 2], -1, limit)


def _check_bases(t: Tables) -> None:
    _check_range("the kind of base", t.bases[:, 0], 0, 2)
    _check_range("the bytes of base", t.bases[:, 1], 0, LARGEST)
    _check_range("the place of base", t.bases[:, 2], 0, LARGEST)
    kind, size, start = t.bases.T
    if (np.diff(kind) < 0).any():
        malformed(f"base {int(np.argmin(np.diff(kind))) + 1} is an argument and follows a local tensor")
    for bad in np.flatnonzero((kind == 0) & (start != 0))[:1]:
        malformed(f"base {int(bad)} is an argument and has a place in the arena")
    for bad in np.flatnonzero((kind == 1) & (start + size > t.arena_bytes))[:1]:
        ends = int(start[bad] + size[bad])
        malformed(f"base {int(bad)} ends {ends} bytes into the arena of {t.arena_bytes}")


def _check_symbols(t: Tables) -> None:
    launch = t.launch_scalars
    _check_range("the scalar of term", t.terms[:, 0], 0, launch + _longest_program(t))
    _check_range("the op of derived scalar", t.derived[:, 0], 0, 5)
    for operand in (t.derived[:, 2:4], t.derived[:, 5:7]):
        _check_terms(t, "derived scalar", *operand.T)
    for what, first, end in (("guard", *t.guards[:, 1:3].T), ("loop", *t.loops[:, 1:3].T)):
        _check_terms(t, what, first, end)
        for bad in np.flatnonzero(_highest(t, first, end) >= launch)[:1].tolist():
            malformed(f"{what} {bad} names a scalar that the launch does not have")
    highest = np.maximum(_highest(t, *t.derived[:, 2:4].T), _highest(t, *t.derived[:, 5:7].T))
    for bad in np.flatnonzero(highest >= t.scalars + np.arange(len(t.derived)))[:1].tolist():
        malformed(f"derived scalar {bad} is computed from a later one")
    _check_range("the word of patch", t.patches[:, 0], 0, len(t.words))
    _check_range("the scalar of patch", t.patches[:, 1], 0, launch)


def _check_terms(t: Tables, what: str, first: Column, end: Column) -> None:
    _check_range(f"the first term of {what}", first, 0, len(t.terms) + 1)
    _check_range(f"the end term of {what}", end, 0, len(t.terms) + 1)


def _spread(first: Column, end: Column) -> tuple[Column, Column]:
    """Of ranges: for each number in one of them, which range it is in, and itself."""
    length = np.maximum(end - first, 0)
    owner = np.repeat(np.arange(len(first)), length)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(length) - length, length) + first[owner]


def _highest(t: Tables, first: Column, end: Column) -> Column:
    """The highest scalar or register in each range of terms; −1 where it is empty."""
    owner, term = _spread(first, end)
    highest = np.full(len(first), -1, np.int64)
    np.maximum.at(highest, owner, t.terms[term, 0])
    return highest


def _longest_program(t: Tables) -> int:
    _check_pointers("program_ptr", t.program_ptr, len(t.ops))
    return int(np.diff(t.program_ptr).max(initial=0))


def _check_programs(t: Tables) -> None:
    programs = len(t.program_ptr) - 1
    _check_range("the late program of row", t.row_program, -1, programs)
    kind = t.ops[:, 0]
    _check_range("the kind of late op", kind, 0, PATCH + 1)
    at = np.arange(len(t.ops)) - np.repeat(t.program_ptr[:-1], np.diff(t.program_ptr))
    silent = np.isin(kind, (GUARD, SKIP, PATCH))
    for kinds, first, end in (((0, 1, 2, 3, 4), 2, 3), ((0, 1, 2, 3, 4), 5, 6), ((GUARD, SKIP), 2, 3),
                              ((ELEMENT, PATCH), 3, 4)):  # fmt: skip
        op = np.flatnonzero(np.isin(kind, kinds))
        _check_terms(t, "late op", t.ops[op, first], t.ops[op, end])
        _check_registers(t, op, at, t.ops[op, first], t.ops[op, end], silent)
    element, patch = np.flatnonzero(kind == ELEMENT), np.flatnonzero(kind == PATCH)
    _check_range("the base of late element", t.ops[element, 1], 0, len(t.bases))
    if (~np.isin(t.ops[element, 5], (4, 8))).any():
        malformed("a late element has neither 4 nor 8 bytes")
    shortest = np.full(programs, np.iinfo(np.int64).max)
    rows = np.flatnonzero(t.row_program >= 0)
    np.minimum.at(shortest, t.row_program[rows], np.diff(t.row_ptr)[rows])
    limit = shortest[np.repeat(np.arange(programs), np.diff(t.program_ptr))[patch]]
    for bad in np.flatnonzero((t.ops[patch, 1] < 0) | (t.ops[patch, 1] >= limit))[:1].tolist():
        malformed(
            f"late op {int(patch[bad])} patches word {int(t.ops[patch[bad], 1])} of rows of {limit[bad]}"
        )


def _check_registers(
    t: Tables, op: Column, at: Column, first: Column, end: Column, silent: npt.NDArray[np.bool_]
) -> None:
    """Raise unless the terms of late ops name scalars of the launch, or what earlier ops of theirs gave."""
    owner, term = _spread(first, end)
    register, own = t.terms[term, 0] - t.launch_scalars, at[op[owner]]
    giver = np.clip(op[owner] - own + register, 0, len(silent) - 1)
    for bad in np.flatnonzero((register >= 0) & ((register >= own) | silent[giver]))[:1]:
        malformed(f"late op {int(op[owner[bad]])} uses what no earlier op of its program gives")


def _check_loops(t: Tables) -> None:
    _check_range("the loop of event", t.event_loop, -1, len(t.loops))
    _check_range("the base of the flag of loop", t.loops[:, 3], -1, len(t.bases))
    for loop in np.flatnonzero(t.loops[:, 3] >= 0).tolist():
        base, offset, size = t.loops[loop, 3:6].tolist()
        if size not in (1, 2, 4, 8) or not 0 <= offset <= int(t.bases[base, 1]) - size:
            malformed(f"the flag of loop {loop} has bytes {offset} to {offset + size} of base {base}")


def _check_rings(t: Tables) -> None:
    producer, consumer, slot, depth, offset, _ = t.rings.T
    _check_range("the producer of ring", producer, 0, t.cores)
    _check_range("the consumer of ring", consumer, 0, t.cores)
    _check_range("the depth of ring", depth, 1, 2**31)
    _check_range("the bytes of a slot of ring", slot, 64, LARGEST)
    _check_range("the place of ring", offset, 0, LARGEST)
    for bad in np.flatnonzero(slot % 64 != 0)[:1].tolist():
        malformed(f"the slots of ring {bad} have {int(slot[bad])} bytes, not whole lines of 64")
    room = np.minimum(depth.astype(float) * slot + offset, float(LARGEST))
    for bad in np.flatnonzero(room > t.arena_bytes)[:1].tolist():
        malformed(f"ring {bad} ends beyond the arena of {t.arena_bytes} bytes")
    row, ring, side, tokens = t.uses.T
    _check_range("the row of use", row, 0, t.rows)
    _check_range("the ring of use", ring, 0, len(t.rings))
    _check_range("the side of use", side, 0, 2)
    _check_range("the tokens of use", tokens, 0, 2**31)
    if len(np.unique((row * max(1, len(t.rings)) + ring) * 2 + side)) < len(row):
        malformed("a row uses one side of a ring twice")
