"""The bytes of the tables as columns, every index and count checked.

In:  bytes in the format that the docstring of `codegen.tables` describes (nothing is shared with it).
Out: `Tables`. Raises `MalformedTableError` where the bytes are not tables; never anything else.
Not here: whether references are in range (`references`), whether the schedule is right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from mpmd.errors import NO_SPAN, MalformedTableError

Column = npt.NDArray[np.int64]

RUN, SIGNAL, WAIT, BARRIER, LOOP, END, DRAIN, PREFETCH = range(8)
ITERATION, ELEMENT, GUARD, SKIP, PATCH = range(5, 10)  # ops of late programs; below are the derived ones

_MAGIC = 0x4D504D44
_VERSION = 4
_HEADER = 32
LARGEST = 2**52
"""Offsets, extents and strides above this are refused: no memory has them, and sums stay exact."""

# name in the header, in the header's order from word 2
_COUNTS = (
    "cores", "steps", "events", "barriers", "rows", "words", "functions", "params", "axes", "bases",
    "scalars", "derived", "terms", "guards", "patches", "arena", "total", "programs", "ops",
    "loops", "drains", "items", "rings", "uses",
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
    ("row_program", 4, 1, "rows", 0),
    ("program_ptr", 4, 1, "programs", 1),
    ("ops", 8, 8, "ops", 0),
    ("loops", 8, 8, "loops", 0),
    ("event_loop", 4, 1, "events", 0),
    ("event_primitive", 4, 1, "events", 0),
    ("event_flag", 4, 1, "events", 0),
    ("drain_ptr", 4, 1, "drains", 1),
    ("drain_rows", 4, 1, "items", 0),
    ("rings", 8, 6, "rings", 0),
    ("uses", 8, 4, "uses", 0),
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
    row_program: Column
    program_ptr: Column
    ops: Column
    loops: Column
    event_loop: Column
    event_primitive: Column
    event_flag: Column
    drain_ptr: Column
    drain_rows: Column
    rings: Column
    uses: Column

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

    @property
    def launch_scalars(self) -> int:
        """The program's own scalars and the derived ones."""
        return self.scalars + len(self.derived)


def decode(tables: bytes) -> Tables:
    """The columns of `tables`, as they are there."""
    counts, sections = _split(bytes(tables))
    steps = sections.pop("steps")
    return Tables(
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


def malformed(message: str, label: str = "") -> NoReturn:
    raise MalformedTableError(
        message, span=NO_SPAN, label=label, hints=("the bytes were damaged, or another version wrote them",)
    )


def _split(tables: bytes) -> tuple[dict[str, int], dict[str, Any]]:
    if len(tables) < _HEADER * 8:
        malformed(f"the tables end after {len(tables)} bytes, within their header")
    header = [int(word) for word in np.frombuffer(tables, "<i8", _HEADER)]
    if header[0] != _MAGIC or header[1] != _VERSION:
        malformed(f"not tables of version {_VERSION}: magic {header[0]:#x}, version {header[1]}")
    counts: dict[str, int] = dict(zip(_COUNTS, header[2:], strict=False))
    if any(header[2 + len(_COUNTS) :]):
        malformed("the reserved words of the header are not zero")
    for name, count in counts.items():
        if count < 0 or (name not in ("arena", "scalars") and count > len(tables)):
            malformed(f"the header counts {count} {name}, in {len(tables)} bytes")
    if counts["cores"] == 0:
        malformed("the tables are for no core")
    if not 0 <= counts["scalars"] < 2**31 or counts["arena"] > LARGEST:
        malformed(f"the header has {counts['scalars']} scalars and an arena of {counts['arena']} bytes")
    sections: dict[str, Any] = {}
    at = _HEADER * 8
    for name, size, width, count, more in _SECTIONS:
        numbers = (counts[count] + more) * width
        end = at + numbers * size
        padded = end + -end % 8
        if padded > len(tables):
            malformed(f"section '{name}' needs {padded} bytes of tables, there are {len(tables)}")
        if any(tables[end:padded]):
            malformed(f"the padding after section '{name}' is not zero")
        column = np.frombuffer(tables, f"<i{size}", numbers, at).astype(np.int64)
        sections[name] = column.reshape(-1, width) if width > 1 else column
        at = padded
    if at != len(tables) or at != counts["total"]:
        said = counts["total"]
        malformed(f"the sections take {at} bytes, the header says {said}, there are {len(tables)}")
    return counts, sections
