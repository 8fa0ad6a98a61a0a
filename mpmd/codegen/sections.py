"""The bytes of tables, taken apart into their sections.

In:  bytes that `tables.pack` made. Out: `Sections`, read-only arrays over the same bytes.
Not here: what the numbers mean (`tables.py`); their proof (`schedule.check` decodes by itself).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpmd.codegen.tables import HEADER_WORDS, MAGIC, VERSION
from mpmd.errors import NO_SPAN, MalformedTableError

Column = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Sections:
    """By the names that `tables.py` gives them. `barriers` is of straight code."""

    cores: int
    events: int
    barriers: int
    scalars: int
    arena_bytes: int
    core_ptr: Numbers
    steps: Numbers
    event_total: Numbers
    row_ptr: Column
    row_function: Numbers
    words: Column
    function_ptr: Numbers
    params: Numbers
    axes: Column
    bases: Column
    derived: Column
    terms: Column
    guards: Column
    patches: Column
    row_program: Numbers
    program_ptr: Numbers
    ops: Column
    loops: Column
    event_loop: Numbers
    event_primitive: Numbers
    event_flag: Numbers
    drain_ptr: Numbers
    drain_rows: Numbers
    rings: Column
    uses: Column


def sections(tables: bytes) -> Sections:
    if len(tables) < HEADER_WORDS * 8:
        raise MalformedTableError("the tables have no header", span=NO_SPAN)
    head = np.frombuffer(tables, "<i8", HEADER_WORDS).tolist()
    if head[:2] != [MAGIC, VERSION] or head[18] != len(tables):
        raise MalformedTableError(f"the tables are not of version {VERSION}, or not whole", span=NO_SPAN)
    (cores, steps, events, barriers, rows, words, functions, params, axes, bases, scalars) = head[2:13]
    derived, terms, guards, patches, arena = head[13:18]
    programs, ops, loops, drains, items, rings, uses = head[19:26]
    at = HEADER_WORDS * 8

    def take(dtype: str, *shape: int) -> npt.NDArray[np.generic]:
        nonlocal at
        count = int(np.prod(shape))
        section = np.frombuffer(tables, dtype, count, at).reshape(shape)
        at += -(-section.nbytes // 8) * 8
        return section

    short, long = "<i4", "<i8"
    taken = {
        "core_ptr": take(short, cores + 1),
        "steps": take(short, steps, 4),
        "event_total": take(short, events),
        "row_ptr": take(long, rows + 1),
        "row_function": take(short, rows),
        "words": take(long, words),
        "function_ptr": take(short, functions + 1),
        "params": take(short, params, 6),
        "axes": take(long, axes, 4),
        "bases": take(long, bases, 3),
        "derived": take(long, derived, 7),
        "terms": take(long, terms, 2),
        "guards": take(long, guards, 5),
        "patches": take(long, patches, 3),
        "row_program": take(short, rows),
        "program_ptr": take(short, programs + 1),
        "ops": take(long, ops, 8),
        "loops": take(long, loops, 8),
        "event_loop": take(short, events),
        "event_primitive": take(short, events),
        "event_flag": take(short, events),
        "drain_ptr": take(short, drains + 1),
        "drain_rows": take(short, items),
        "rings": take(long, rings, 6),
        "uses": take(long, uses, 4),
    }
    return Sections(cores, events, barriers, scalars, arena, **taken)  # type: ignore[arg-type]
