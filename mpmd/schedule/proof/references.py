"""That every reference of the tables is in range, so that no later part can read past an end.

In:  the decoded columns. Out: nothing; raises `MalformedTableError`.
Not here: whether loops and drains fit together (`structure`), whether the schedule is right.
"""

from __future__ import annotations

import numpy as np

from mpmd.schedule.proof.decode import BARRIER, LARGEST, RUN, SIGNAL, WAIT, Column, Tables, malformed


def check_references(tables: Tables) -> None:
    """Raise unless every reference is in range."""
    for name, there in (("late programs", len(tables.program_ptr) - 1), ("loops", len(tables.loops)),
                        ("drains", len(tables.drain_ptr) - 1), ("rings", len(tables.rings))):  # fmt: skip
        if there:
            malformed(f"the tables have {there} {name}, of which nothing is proved")
    _check_steps(tables)
    _check_rows(tables)
    _check_functions(tables)
    _check_bases(tables)
    _check_symbols(tables)


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
    _check_range("the op of step", t.op, RUN, BARRIER + 1)
    for op, what, limit in ((RUN, "row", t.rows), (SIGNAL, "event", t.events), (WAIT, "event", t.events)):
        bad = np.flatnonzero((t.op == op) & ((t.a < 0) | (t.a >= limit)))
        if len(bad):
            malformed(f"step {int(bad[0])} names {what} {int(t.a[bad[0]])} of {limit}")
    signals = t.op == SIGNAL
    bad = np.flatnonzero(signals & (t.b <= 0))
    if len(bad):
        malformed(f"step {int(bad[0])} signals an amount of {int(t.b[bad[0]])}, which must be positive")
    total = np.zeros(t.events, np.int64)
    np.add.at(total, t.a[signals], t.b[signals])
    bad = np.flatnonzero(total != t.event_total)
    if len(bad):
        e = int(bad[0])
        malformed(f"event {e} is signalled {int(total[e])} in all, its total says {int(t.event_total[e])}")
    barriers = np.flatnonzero(t.op == BARRIER)
    per_core = np.bincount(t.step_core[barriers], minlength=t.cores)
    wrong = np.flatnonzero(per_core != t.barriers)
    if len(wrong):
        core = int(wrong[0])
        malformed(f"core {core} has {int(per_core[core])} barriers, the header says {t.barriers}")
    if (t.a[barriers] != np.tile(np.arange(t.barriers), t.cores)).any():
        malformed("the barriers of a core are not numbered in order")


def _check_rows(t: Tables) -> None:
    _check_pointers("row_ptr", t.row_ptr, len(t.words))
    _check_range("the function of row", t.row_function, 0, len(t.function_ptr) - 1)
    runs = np.bincount(t.a[t.op == RUN], minlength=t.rows)
    bad = np.flatnonzero(runs != 1)
    if len(bad):
        malformed(f"row {int(bad[0])} is run {int(runs[bad[0]])} times, not once")


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
    launch = t.scalars + len(t.derived)
    _check_range("the scalar of term", t.terms[:, 0], 0, launch)
    _check_range("the op of derived scalar", t.derived[:, 0], 0, 5)
    for column, what in ((t.derived[:, 2:4], "derived scalar"), (t.derived[:, 5:7], "derived scalar"),
                         (t.guards[:, 1:3], "guard")):  # fmt: skip
        _check_range(f"the first term of {what}", column[:, 0], 0, len(t.terms) + 1)
        _check_range(f"the end term of {what}", column[:, 1], 0, len(t.terms) + 1)
    for index, (_, _, lhs, lhs_end, _, rhs, rhs_end) in enumerate(t.derived.tolist()):
        used = np.concatenate([t.terms[lhs:lhs_end, 0], t.terms[rhs:rhs_end, 0]])
        if (used >= t.scalars + index).any():
            malformed(f"derived scalar {index} is computed from a later one")
    _check_range("the word of patch", t.patches[:, 0], 0, len(t.words))
    _check_range("the scalar of patch", t.patches[:, 1], 0, launch)
