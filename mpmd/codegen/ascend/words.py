"""The tables of a kernel as the cores read them: one array of 64-bit words in global memory.

In:  the bytes of `codegen.tables`, which the checker has proved. Out: words.
Not here: what cores do with them (`include/mpmd/driver.h`).

    0                  cores
    1 …                cores + 1 places: the steps of core c are words[1 + c] to words[2 + c], three each
    steps              op (0 RUN, 1 SIGNAL, 2 WAIT), function or event, where the row begins (RUN) or 0
    rows               as in the tables, but for what lies in the arena: its base is the one after the last
                       argument, its offset that in the arena
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mpmd.codegen.tables import HEADER_WORDS

Words = npt.NDArray[np.int64]
RUN, SIGNAL, WAIT = range(3)


def words(tables: bytes) -> Words:
    """The flat tables of straight code; the emitter has refused everything else."""
    read = _Reader(tables)
    core_ptr, steps = read(np.int32, read.header[2] + 1), read(np.int32, read.header[3] * 4).reshape(-1, 4)
    read(np.int32, read.header[4])
    row_ptr, functions = read(np.int64, read.header[6] + 1), read(np.int32, read.header[6])
    values = read(np.int64, read.header[7])
    function_ptr = read(np.int32, read.header[8] + 1)
    params = read(np.int32, read.header[9] * 6).reshape(-1, 6)
    read(np.int64, read.header[10] * 4)
    bases = read(np.int64, read.header[11] * 3).reshape(-1, 3)
    arena = int((bases[:, 0] == 0).sum())
    for row, function in enumerate(functions.tolist()):
        for _, _, base, offset, *_ in params[function_ptr[function] : function_ptr[function + 1]].tolist():
            kind, _, start = bases[values[row_ptr[row] + base]].tolist()
            if kind:
                values[row_ptr[row] + base] = arena
                values[row_ptr[row] + offset] += start
    first = 1 + len(core_ptr)
    rows_at = first + 3 * len(steps)
    flat = np.zeros((len(steps), 3), np.int64)
    flat[:, :2] = steps[:, :2]
    for number, (op, row, *_) in enumerate(steps.tolist()):
        if op == RUN:
            flat[number, 1:] = functions[row], rows_at + row_ptr[row]
    return np.concatenate([[len(core_ptr) - 1], first + 3 * core_ptr, flat.reshape(-1), values])


def events(tables: bytes) -> int:
    """How many events there are, each with a line of its own."""
    return int(_Reader(tables).header[4])


class _Reader:
    """The sections of the tables, one after another."""

    def __init__(self, tables: bytes) -> None:
        self.header = np.frombuffer(tables, "<i8", HEADER_WORDS).tolist()
        self._tables = tables
        self._at = HEADER_WORDS * 8

    def __call__(self, dtype: npt.DTypeLike, count: int) -> npt.NDArray[np.int64]:
        kind = np.dtype(dtype).newbyteorder("<")
        values = np.frombuffer(self._tables, kind, count, self._at).astype(np.int64)
        self._at += -(-count * kind.itemsize // 8) * 8
        return values
