"""Runtime parts of region ends: linear parts by number, and the greatest that two can differ.

In:  the linear parts, what is proved of scalars, and which of them rise.
Out: `Parts`: bounds of each part, and of `part a − part b` for many pairs at once.
Not here: comparing boxes (`regions.py`).

A part is bounded in several forms: as it is, and with `min(x, y)` replaced by x or by y (for a lower
bound, `max`). What two forms differ by is bounded by the intervals of the scalars that do not cancel.
Scalars that rise (the offsets of segments, the cuts of a split) form chains: of two of one chain, the
earlier one is at most the later one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mpmd.lang.index import Interval
from mpmd.partition.affine import LaunchScalars, Terms, add_terms
from mpmd.partition.graph import IntColumn
from mpmd.partition.guards import Intervals, interval_of

FAR = 1 << 60
"""Stands for no bound; sums with it stay within 64 bits."""

MOST_FORMS = 8
"""Forms by which one part is bounded."""

MOST_WORK = 1 << 30
"""Products in one comparison of many pairs; beyond it nothing is said of them."""

_AT_ONCE = 1 << 22

_TRUSTED = 1 << 40
"""A greater bound counts as none: what is left are numbers whose sums are exact as floats."""

_CERTAIN = float(1 << 52)

_NONE = -1

Floats = npt.NDArray[np.float64]


@dataclass(eq=False)
class Parts:
    """Linear parts, numbered from 1 in order of appearance; 0 is none."""

    launch: LaunchScalars
    intervals: Intervals
    numbers: dict[Terms, int] = field(default_factory=lambda: {(): 0})

    def number(self, terms: Terms) -> int:
        return self.numbers.setdefault(terms, len(self.numbers))

    def bounds(self) -> tuple[IntColumn, IntColumn]:
        """The least and the greatest value of each part."""
        found = [interval_of(terms, self.intervals) for terms in self.numbers]
        low, high = (np.array(ends, np.int64) for ends in zip(*((b.lo, b.hi) for b in found), strict=True))
        return np.maximum(low, -FAR), np.minimum(high, FAR)

    def greatest(self, a: IntColumn, b: IntColumn) -> IntColumn:
        """For each pair an upper bound of part `a` − part `b`; `FAR` where there is none."""
        result = np.zeros(len(a), np.int64)
        rows = np.nonzero(a != b)[0]
        if len(rows):
            count = len(self.numbers)
            pairs, inverse = np.unique(a[rows] * count + b[rows], return_inverse=True)
            result[rows] = self._greatest(pairs // count, pairs % count)[inverse.reshape(-1)]
        return result

    def _greatest(self, a: IntColumn, b: IntColumn) -> IntColumn:
        forms = _Forms(self.intervals, _chains(self.launch))
        above = self._table(a, forms, upper=True)
        below = self._table(b, forms, upper=False)
        differences = forms.finish()
        result = np.full(len(a), FAR)
        for left, left_const in above:
            for right, right_const in below:
                rows = np.nonzero(differences.useful(left, right))[0]
                most = differences.greatest(left[rows], right[rows])
                most = np.where(most < FAR, most + left_const[rows] - right_const[rows], FAR)
                result[rows] = np.minimum(result[rows], most)
        return result

    def _table(self, parts: IntColumn, forms: _Forms, *, upper: bool) -> list[tuple[IntColumn, IntColumn]]:
        """Columns of forms that bound each part, each a number and a constant; −1 where there are fewer."""
        terms = list(self.numbers)
        distinct, inverse = np.unique(parts, return_inverse=True)
        found = [
            [(forms.number(form, pivot), const) for const, form, pivot in self._bounds(terms[part], upper)]
            for part in distinct.tolist()
        ]
        width = max(map(len, found))
        padded = [row + [(_NONE, 0)] * (width - len(row)) for row in found]
        table = np.array(padded, np.int64)[inverse.reshape(-1)]
        return [(table[:, column, 0], table[:, column, 1]) for column in range(width)]

    def _bounds(self, terms: Terms, upper: bool) -> Iterator[tuple[int, Terms, int]]:
        """The part itself, then forms at least as great (`upper`), or at most as great: constant and terms.

        The third is the scalar that later forms replace, −1 for none.
        """
        waiting: list[tuple[int, Terms]] = [(0, terms)]
        for _ in range(MOST_FORMS):
            if not waiting:
                return
            const, form = waiting.pop(0)
            replaced = self._replaced(form, upper)
            waiting += [(const + more, other) for more, other in replaced[1]]
            yield const, form, replaced[0]

    def _replaced(self, form: Terms, upper: bool) -> tuple[int, list[tuple[int, Terms]]]:
        """The first scalar of a form that can be replaced, and the forms that result."""
        for scalar, coefficient in form:
            derived = self.launch.derivation(scalar)
            if derived is not None and derived.op == ("min" if (coefficient > 0) == upper else "max"):
                rest = add_terms(form, ((scalar, -coefficient),))
                sides = [
                    (side.const * coefficient, tuple((s, c * coefficient) for s, c in side.terms))
                    for side in (derived.lhs, derived.rhs)
                ]
                return scalar, [(const, add_terms(rest, terms)) for const, terms in sides]
        return _NONE, []


# -- forms ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Link:
    """A scalar's place in a chain: the value is at least that of lower ranks, less the constants.

    `value + const` rises with `rank`; it exceeds that of the first of the chain by at most `reach`.
    """

    chain: int
    rank: int
    const: int
    reach: int


def _chains(launch: LaunchScalars) -> dict[int, _Link]:
    """The scalars that rise."""
    rises = launch.rises
    uppers = {rise.upper for rise in rises.values()}
    links: dict[int, _Link] = {}
    for first in rises:
        if first in uppers:
            continue
        link = _Link(first, 0, 0, 0)
        scalar = first
        while True:
            links[scalar] = link
            rise = rises.get(scalar)
            if rise is None:
                break
            const = link.const + rise.upper_const - rise.lower_const
            link = _Link(first, link.rank + 1, const, min(FAR, link.reach + rise.most))
            scalar = rise.upper
    return links


@dataclass(slots=True)
class _Forms:
    """Distinct linear forms, as they are found."""

    intervals: Intervals
    links: dict[int, _Link]
    numbers: dict[tuple[Terms, int], int] = field(default_factory=dict)

    def number(self, terms: Terms, pivot: int) -> int:
        return self.numbers.setdefault((terms, pivot), len(self.numbers))

    def finish(self) -> _Differences:
        """The forms as columns: of each, at most one scalar in a chain is taken out of its terms."""
        scalars = sorted({scalar for terms, _ in self.numbers for scalar, _ in terms})
        place = {scalar: number for number, scalar in enumerate(scalars)}
        matrix = np.zeros((len(self.numbers), len(scalars)))
        chained = np.full((len(self.numbers), 5), _NONE, np.int64)
        pivot = np.full(len(self.numbers), _NONE, np.int64)
        for number, (terms, replaced) in enumerate(self.numbers):
            for scalar, coefficient in terms:
                matrix[number, place[scalar]] = coefficient
            rising = [(scalar, c) for scalar, c in terms if scalar in self.links]
            if len(rising) == 1:
                (scalar, coefficient), link = rising[0], self.links[rising[0][0]]
                chained[number] = link.chain, coefficient, link.rank, link.const, link.reach
            if replaced in place:
                pivot[number] = place[replaced]
        bounds = [self.intervals[scalar] for scalar in scalars]
        members = np.array([scalar in self.links for scalar in scalars], bool)
        return _Differences(matrix, chained, pivot, members, *_floats(bounds))


def _floats(bounds: list[Interval]) -> tuple[Floats, Floats]:
    """The least and the greatest values, infinite where they are too large to trust."""
    low = [b.lo if b.lo > -_TRUSTED else -np.inf for b in bounds]
    high = [b.hi if b.hi < _TRUSTED else np.inf for b in bounds]
    return np.array(low, np.float64), np.array(high, np.float64)


@dataclass(frozen=True, eq=False)
class _Differences:
    """Bounds of the differences of forms. `chained`: chain, coefficient, rank, constant, reach, or −1."""

    matrix: Floats  # [forms, scalars]
    chained: IntColumn  # [forms, 5]
    pivot: IntColumn
    members: npt.NDArray[np.bool_]  # whether a scalar is in a chain
    low: Floats
    high: Floats

    def useful(self, a: IntColumn, b: IntColumn) -> npt.NDArray[np.bool_]:
        """Where both are forms, and neither has one that bounds more closely.

        A form whose pivot does not cancel is bounded at least as well by those that replace it.
        """
        known = (a >= 0) & (b >= 0)
        for one, other in ((a, b), (b, a)):
            pivot = self.pivot[one]
            known &= (pivot < 0) | (self.matrix[other, pivot] == self.matrix[one, pivot])
        return known

    def greatest(self, a: IntColumn, b: IntColumn) -> IntColumn:
        """The greatest value of form `a` − form `b`, for each pair; constants are left out."""
        if not len(a):
            return np.zeros(0, np.int64)
        count = len(self.matrix)
        pairs, inverse = np.unique(a * count + b, return_inverse=True)
        a, b = pairs // count, pairs % count
        used = np.nonzero((self.matrix[np.unique(np.concatenate([a, b]))] != 0).any(axis=0))[0]
        if len(a) * len(used) > MOST_WORK:
            return np.full(len(inverse), FAR)
        result = np.empty(len(a), np.int64)
        step = max(1, _AT_ONCE // max(1, len(used)))
        for begin in range(0, len(a), step):
            part = slice(begin, begin + step)
            result[part] = self._sums(a[part], b[part], used)
        return result[inverse.reshape(-1)]

    def _sums(self, a: IntColumn, b: IntColumn, used: IntColumn) -> IntColumn:
        factor = self.matrix[np.ix_(a, used)] - self.matrix[np.ix_(b, used)]
        together = (self.chained[a, 0] >= 0) & (self.chained[a, :2] == self.chained[b, :2]).all(axis=1)
        factor[np.ix_(together, self.members[used])] = 0
        most = np.where(factor > 0, self.high[used], self.low[used])
        with np.errstate(invalid="ignore"):  # no bound, times 0
            total = np.where(factor == 0, 0, factor * most).sum(axis=1)
        total += np.where(together, self._along(self.chained[a], self.chained[b]), 0)
        return np.where(total < _CERTAIN, total, FAR).astype(np.int64)

    @staticmethod
    def _along(a: IntColumn, b: IntColumn) -> Floats:
        """The greatest value of c · x − c · y for x and y of one chain, c being the coefficient."""
        _, factor, rank, const, reach = a.T
        _, _, other_rank, other_const, other_reach = b.T
        up = np.where(factor > 0, rank > other_rank, rank < other_rank)  # else the difference is not positive
        rise = np.where(up, np.abs(reach - other_reach), 0).astype(np.float64)
        return np.abs(factor) * rise - factor * (const - other_const)
