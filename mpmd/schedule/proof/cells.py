"""Pieces of one axis that follow each other: footprints that lie in different ones are apart.

In:  footprints, what is known of them. Out: `Cells.apart`, for many pairs at once. False proves nothing.
Not here: any other reason for two places to be apart (`symbolic`).

Pieces are parted by scalars that rise (`scalars.Rising`): elements of an offsets tensor, or the quotients
of a split. A footprint whose offset moves with one of them by a pitch, and that stays within the pitch,
takes rows from `scalar + low` to below `next + high`. If no row of one piece can reach the first of
another, their footprints share nothing; whether that is so takes one comparison.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mpmd.schedule.proof.boxes import Mask
from mpmd.schedule.proof.decode import Column
from mpmd.schedule.proof.footprints import Footprints
from mpmd.schedule.proof.late import Knowledge
from mpmd.schedule.proof.scalars import Form, Rising, Terms
from mpmd.schedule.proof.symbolic import Place

_OPEN = 2**60
"""Instead of a bound where there is none."""


class _Cell(NamedTuple):
    """Rows from `scalar + low` to below `next + high`, of the scalar at `position` in a row of scalars; base,
    pitch and the rest of the offset, which must be another's too."""

    row: int
    rest: tuple[int, int, Terms]
    position: int
    low: int
    high: int


class Cells:
    """The cells of all footprints of one set of tables."""

    def __init__(self, prints: Footprints, known: Knowledge) -> None:
        count = len(prints)
        self._kind = np.full(count, -1, np.int64)
        self._first, self._low = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self._high = np.full(count, _OPEN, np.int64)
        self._reach = np.zeros((count, 2), np.int64)  # how far the scalar, and the next one, are at least
        kinds: dict[tuple[object, ...], int] = {}
        for number in np.flatnonzero(prints.relation != 0).tolist():
            loop = int(prints.loop[number])
            rising = known.among[loop].rising
            cell = None if rising is None else _cell(prints, number, rising, known)
            if rising is None or cell is None:
                continue
            self._kind[number] = kinds.setdefault((loop, cell.row, *cell.rest), len(kinds))
            self._first[number] = cell.position
            self._low[number], self._high[number] = cell.low, cell.high
            self._reach[number] = [rising.least(cell.row, cell.position + k) for k in (0, 1)]

    @property
    def any(self) -> bool:
        return bool((self._kind >= 0).any())

    def apart(self, a: Column, b: Column) -> Mask:
        """Per pair whether the footprints lie in cells that do not meet."""
        alike = (self._kind[a] >= 0) & (self._kind[a] == self._kind[b])
        return alike & (self._before(a, b) | self._before(b, a))

    def _before(self, a: Column, b: Column) -> Mask:
        """Whether the rows of `a` end where those of `b` begin, or earlier."""
        way = self._reach[b, 0] - self._reach[a, 1]
        return (self._first[a] < self._first[b]) & (way >= self._high[a] - self._low[b])


def _cell(prints: Footprints, number: int, rising: Rising, known: Knowledge) -> _Cell | None:
    place = prints.place(number)
    for scalar, pitch in place.offset.terms:
        found = rising.place(scalar)
        if found is None or pitch <= 1:
            continue
        split = _rows(place, pitch)
        if split is None:
            continue
        first, last = split
        row, position = found
        rest: Terms = tuple(term for term in place.offset.terms if term[0] != scalar)
        high = _OPEN
        following = rising.at(row, position + 1)
        if following is not None:
            beyond = last.plus(Form(1 + first, ((scalar, 1),))).plus(Form(0, ((following, 1),)), -1)
            high = min(_OPEN, known.of_context[int(prints.context[number])].of(beyond)[1])
        base = int(prints.base[number])
        return _Cell(row, (base, pitch, rest), position, first, high)
    return None


def _rows(place: Place, pitch: int) -> tuple[int, Form] | None:
    """Of a place whose rows are within the pitch: the first from the scalar on, and the last from there."""
    first, column = divmod(place.offset.const, pitch)
    last, reach = Form(0), column
    for stride, extent in place.axes:
        if stride % pitch == 0:
            last = last.plus(extent.plus(Form(-1)), stride // pitch)
        elif extent.terms:
            return None
        else:
            reach += stride * (extent.const - 1)
    return (first, last) if reach < pitch else None
