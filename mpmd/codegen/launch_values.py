"""What a launch decides: derived scalars, guards, the words of rows, how often loops run.

In:  the sections of the tables, how often loops may run, the scalars of the launch as words. Out:
`LaunchValues`; the guard that fails, the loop that is too long, or the overflow.
Not here: the arguments' shapes (`runtime`), late programs (the device runs them).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpmd.codegen.sections import Column, Sections
from mpmd.codegen.source import LaunchInfo

_WORD = range(-(2**63), 2**63)
"""The integers of 64 bits."""


@dataclass(frozen=True, eq=False)
class LaunchValues:
    """`scalars` are the launch's and the derived ones; `counts` are the loops' iterations."""

    scalars: Column
    words: Column
    counts: Column


class Refusal(Exception):
    """The scalars do not allow this launch: `guard` fails, `loop` is too long, or (both None) an overflow."""

    def __init__(self, *, guard: int | None = None, loop: int | None = None) -> None:
        super().__init__("refused")
        self.guard = guard
        self.loop = loop


def scalar_words(info: LaunchInfo, scalars: Mapping[str, int | float]) -> list[int]:
    """The scalars of a launch as the words of rows."""
    return [_word(scalars[s.name], is_float=s.dtype.is_float) for s in info.scalars]


def _word(value: int | float, *, is_float: bool) -> int:
    """A float as the bits of an f64."""
    return struct.unpack("<q", struct.pack("<d", value))[0] if is_float else int(value)


def launch_values(t: Sections, most: Column, scalars: Sequence[int]) -> LaunchValues:
    """A loop may run `most` iterations in one launch."""
    values = _with_derived(t, scalars)
    for number, row in enumerate(t.guards.tolist()):
        if not row[3] <= _linear(t.terms, row[:3], values) <= row[4]:
            raise Refusal(guard=number)
    counts = [max(0, _linear(t.terms, row[:3], values)) for row in t.loops.tolist()]
    for loop, count in enumerate(counts):
        if count > most[loop]:
            raise Refusal(loop=loop)
    known = np.array(values, np.int64)
    return LaunchValues(known, _patched(t.words, t.patches, known), np.array(counts, np.int64))


def _with_derived(t: Sections, scalars: Sequence[int]) -> list[int]:
    values = list(scalars)
    for op, *rest in t.derived.tolist():
        a, b = (_linear(t.terms, row, values) for row in (rest[:3], rest[3:]))
        value = _apply(op, a, b)
        if any(number not in _WORD for number in (a, b, value)):
            raise Refusal
        values.append(value)
    return values


def _linear(terms: Column, row: Sequence[int], values: Sequence[int]) -> int:
    constant, first, end = row
    return constant + sum(c * values[scalar] for scalar, c in terms[first:end].tolist())


def _apply(op: int, a: int, b: int) -> int:
    if op == 0:
        return a // b if b else 0
    if op == 1:
        return a % b if b else 0
    return (min, max, int.__mul__)[op - 2](a, b)


def _patched(words: Column, patches: Column, values: Column) -> Column:
    """Modulo 2^64: guards and bounds say that nothing wraps where it matters."""
    if not len(patches):
        return words
    patched = words.astype(np.uint64)
    with np.errstate(over="ignore"):
        change = patches[:, 2].astype(np.uint64) * values[patches[:, 1]].astype(np.uint64)
    np.add.at(patched, patches[:, 0], change)
    result: npt.NDArray[np.int64] = patched.view(np.int64)
    return result
