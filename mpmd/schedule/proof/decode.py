"""The bytes of the tables as columns, every index and count checked.

In:  bytes in the format that the docstring of `codegen.tables` describes (nothing is shared with it).
Out: `Tables`, whose every reference is in range, so that no later part can read past an end.
Not here: whether the schedule is right; only whether the bytes are tables at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from mpmd.errors import NO_SPAN, MalformedTableError

Column = npt.NDArray[np.int64]

RUN, SIGNAL, WAIT, BARRIER = range(4)

_MAGIC = 0x4D504D44
_VERSION = 2
_HEADER = 24
_LARGEST = 2**52
"""Offsets, extents and strides above this are refused: no memory has them, and sums stay exact."""

# name in the header, in the header's order from word 2
_COUNTS = (
    "cores", "steps", "events", "barriers", "rows", "words", "functions", "params", "axes", "bases",
    "scalars", "derived", "terms", "guards", "patches", "arena", "total",
)  # fmt: skip

# section, bytes per number, numbers per entry, count it goes by, entries more than that
_SECTIONS = (
    ("core_ptr", 4, 1, "cores", 1),
    ("steps", 4, 4, "steps", 0),
    ("event_total", 4, 1, "events", 0),
    ("row_ptr", 8, 1, "rows", 1),
    ("row_function", 4, 1, "rows", 0),
    ("words", 8, 1, "words", 0),
    ("function_ptr", 4, 1, "functions", 1),
    ("params", 4, 6, "params", 0),
    ("axes", 8, 4, "axes", 0),
    ("bases", 8, 3, "bases", 0),
    ("derived", 8, 7, "derived", 0),
    ("terms", 8, 2, "terms", 0),
    ("guards", 8, 5, "guards", 0),
    ("patches", 8, 3, "patches", 0),
)


@dataclass(frozen=True, eq=False)
class Tables:
    """The sections as int64 columns, named as in the format; `op`, `a`, `b` are the columns of steps."""

    cores: int
    events: int
    barriers: int
    scalars: int
    arena_bytes: int
    core_ptr: Column
    op: Column
    a: Column
    b: Column
    event_total: Column
    row_ptr: Column
    row_function: Column
    words: Column
    function_ptr: Column
    params: Column
    axes: Column
    bases: Column
    derived: Column
    terms: Column
    guards: Column
    patches: Column

    @property
    def rows(self) -> int:
        return len(self.row_function)

    @property
    def arguments(self) -> int:
        """How many bases are arguments: the first ones."""
        return int((self.bases[:, 0] == 0).sum())

    @property
    def step_core(self) -> Column:
        """The core of each step."""
        return np.repeat(np.arange(self.cores), np.diff(self.core_ptr))


def decode(tables: bytes) -> Tables:
    """The columns of `tables`; `MalformedTableError` where they are not tables. Never anything else."""
    counts, sections = _split(bytes(tables))
    steps = sections.pop("steps")
    decoded = Tables(
        cores=counts["cores"],
        events=counts["events"],
        barriers=counts["barriers"],
        scalars=counts["scalars"],
        arena_bytes=counts["arena"],
        op=steps[:, 0].copy(),
        a=steps[:, 1].copy(),
        b=steps[:, 2].copy(),
        **sections,
    )
    _check_steps(decoded)
    _check_rows(decoded)
    _check_functions(decoded)
    _check_bases(decoded)
    _check_symbols(decoded)
    return decoded


def _malformed(message: str, label: str = "") -> NoReturn:
    raise MalformedTableError(
        message, span=NO_SPAN, label=label, hints=("the bytes were damaged, or another version wrote them",)
    )


def _split(tables: bytes) -> tuple[dict[str, int], dict[str, Any]]:
    if len(tables) < _HEADER * 8:
        _malformed(f"the tables end after {len(tables)} bytes, within their header")
    header = [int(word) for word in np.frombuffer(tables, "<i8", _HEADER)]
    if header[0] != _MAGIC or header[1] != _VERSION:
        _malformed(f"not tables of version {_VERSION}: magic {header[0]:#x}, version {header[1]}")
    counts: dict[str, int] = dict(zip(_COUNTS, header[2:], strict=False))
    if any(header[2 + len(_COUNTS) :]):
        _malformed("the reserved words of the header are not zero")
    for name, count in counts.items():
        if count < 0 or (name not in ("arena", "scalars") and count > len(tables)):
            _malformed(f"the header counts {count} {name}, in {len(tables)} bytes")
    if counts["cores"] == 0:
        _malformed("the tables are for no core")
    if not 0 <= counts["scalars"] < 2**31 or counts["arena"] > _LARGEST:
        _malformed(f"the header has {counts['scalars']} scalars and an arena of {counts['arena']} bytes")
    sections: dict[str, Any] = {}
    at = _HEADER * 8
    for name, size, width, count, more in _SECTIONS:
        numbers = (counts[count] + more) * width
        end = at + numbers * size
        padded = end + -end % 8
        if padded > len(tables):
            _malformed(f"section '{name}' needs {padded} bytes of tables, there are {len(tables)}")
        if any(tables[end:padded]):
            _malformed(f"the padding after section '{name}' is not zero")
        column = np.frombuffer(tables, f"<i{size}", numbers, at).astype(np.int64)
        sections[name] = column.reshape(-1, width) if width > 1 else column
        at = padded
    if at != len(tables) or at != counts["total"]:
        said = counts["total"]
        _malformed(f"the sections take {at} bytes, the header says {said}, there are {len(tables)}")
    return counts, sections


def _check_pointers(name: str, pointers: Column, count: int) -> None:
    if pointers[0] != 0 or pointers[-1] != count or (np.diff(pointers) < 0).any():
        _malformed(f"section '{name}' does not rise from 0 to {count}")


def _check_range(what: str, values: Column, low: int, high: int) -> None:
    """Raise unless low ≤ every value < high."""
    bad = np.flatnonzero((values < low) | (values >= high))
    if len(bad):
        _malformed(f"{what} {int(bad[0])} is {int(values[bad[0]])}, outside {low} to {high - 1}")


def _check_steps(t: Tables) -> None:
    _check_pointers("core_ptr", t.core_ptr, len(t.op))
    _check_range("the op of step", t.op, RUN, BARRIER + 1)
    for op, what, limit in ((RUN, "row", t.rows), (SIGNAL, "event", t.events), (WAIT, "event", t.events)):
        bad = np.flatnonzero((t.op == op) & ((t.a < 0) | (t.a >= limit)))
        if len(bad):
            _malformed(f"step {int(bad[0])} names {what} {int(t.a[bad[0]])} of {limit}")
    signals = t.op == SIGNAL
    bad = np.flatnonzero(signals & (t.b <= 0))
    if len(bad):
        _malformed(f"step {int(bad[0])} signals an amount of {int(t.b[bad[0]])}, which must be positive")
    total = np.zeros(t.events, np.int64)
    np.add.at(total, t.a[signals], t.b[signals])
    bad = np.flatnonzero(total != t.event_total)
    if len(bad):
        e = int(bad[0])
        _malformed(f"event {e} is signalled {int(total[e])} in all, its total says {int(t.event_total[e])}")
    barriers = np.flatnonzero(t.op == BARRIER)
    per_core = np.bincount(t.step_core[barriers], minlength=t.cores)
    wrong = np.flatnonzero(per_core != t.barriers)
    if len(wrong):
        core = int(wrong[0])
        _malformed(f"core {core} has {int(per_core[core])} barriers, the header says {t.barriers}")
    if (t.a[barriers] != np.tile(np.arange(t.barriers), t.cores)).any():
        _malformed("the barriers of a core are not numbered in order")


def _check_rows(t: Tables) -> None:
    _check_pointers("row_ptr", t.row_ptr, len(t.words))
    _check_range("the function of row", t.row_function, 0, len(t.function_ptr) - 1)
    runs = np.bincount(t.a[t.op == RUN], minlength=t.rows)
    bad = np.flatnonzero(runs != 1)
    if len(bad):
        _malformed(f"row {int(bad[0])} is run {int(runs[bad[0]])} times, not once")


def _check_functions(t: Tables) -> None:
    _check_pointers("function_ptr", t.function_ptr, len(t.params))
    mode, item, base, offset, first, end = t.params.T
    _check_range("the mode of parameter", mode, 1, 4)
    _check_range("the item bytes of parameter", item, 1, 65)
    _check_range("the first axis of parameter", first, 0, len(t.axes) + 1)
    _check_range("the end axis of parameter", end, 0, len(t.axes) + 1)
    if (first > end).any() or (end - first > 32).any():
        _malformed(f"parameter {int(np.argmax((first > end) | (end - first > 32)))} has no proper axes")
    _check_range("the extent of axis", t.axes[:, 1], 0, _LARGEST)
    _check_range("the stride of axis", t.axes[:, 3], -_LARGEST, _LARGEST)
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
    _check_range("the bytes of base", t.bases[:, 1], 0, _LARGEST)
    _check_range("the place of base", t.bases[:, 2], 0, _LARGEST)
    kind, size, start = t.bases.T
    if (np.diff(kind) < 0).any():
        _malformed(f"base {int(np.argmin(np.diff(kind))) + 1} is an argument and follows a local tensor")
    for bad in np.flatnonzero((kind == 0) & (start != 0))[:1]:
        _malformed(f"base {int(bad)} is an argument and has a place in the arena")
    for bad in np.flatnonzero((kind == 1) & (start + size > t.arena_bytes))[:1]:
        ends = int(start[bad] + size[bad])
        _malformed(f"base {int(bad)} ends {ends} bytes into the arena of {t.arena_bytes}")


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
            _malformed(f"derived scalar {index} is computed from a later one")
    _check_range("the word of patch", t.patches[:, 0], 0, len(t.words))
    _check_range("the scalar of patch", t.patches[:, 1], 0, launch)
