"""Runtime parts of region ends: linear parts by number, and the greatest that two can differ.

In:  the linear parts, what is proved of scalars, and which of them rise.
Out: `Parts`: bounds of each part, and of `part a − part b` for many pairs at once.
Not here: comparing boxes (`regions.py`).

A part is bounded in several ways: as it is, and with `min(x, y)` replaced by x or by y (for a lower
bound, `max`). Scalars that rise (the offsets of segments, the cuts of a split) are written as the first
of them plus increments, so that what lies between two of them is a sum of numbers that are not negative.
The difference of two linear forms is then bounded by the intervals of what does not cancel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mpmd.lang.index import Interval
from mpmd.partition.affine import LaunchScalars, Rise, Terms, add_terms
from mpmd.partition.graph import IntColumn
from mpmd.partition.guards import Intervals, interval_of

FAR = 1 << 60
"""Stands for no bound; sums with it stay within 64 bits."""

MOST_FORMS = 8
"""Ways in which one part is bounded."""

MOST_WORK = 1 << 30
"""Products in one comparison of many pairs; beyond it nothing is said of them."""

_AT_ONCE = 1 << 22

_TRUSTED = 1 << 40
"""A greater bound counts as none: what is left are numbers whose sums are exact as floats."""

_CERTAIN = float(1 << 52)

_Form = tuple[int, Terms]
"""A constant, and a linear part in scalars and increments."""


@dataclass(eq=False)
class Parts:
    """Linear parts, numbered from 1 in order of appearance; 0 is none."""

    launch: LaunchScalars
    intervals: Intervals
    numbers: dict[Terms, int] = field(default_factory=lambda: {(): 0})

    def number(self, terms: Terms) -> int:
        return self.numbers.setdefault(terms, len(self.numbers))

    @property
    def low(self) -> IntColumn:
        return np.array(
            [max(-FAR, interval_of(terms, self.intervals).lo) for terms in self.numbers], np.int64
        )

    @property
    def high(self) -> IntColumn:
        return np.array([min(FAR, interval_of(terms, self.intervals).hi) for terms in self.numbers], np.int64)

    def greatest(self, a: IntColumn, b: IntColumn) -> IntColumn:
        """For each pair an upper bound of part `a` − part `b`; `FAR` where there is none."""
        result = np.zeros(len(a), np.int64)
        rows = np.nonzero(a != b)[0]
        if not len(rows):
            return result
        count = len(self.numbers)
        pairs, inverse = np.unique(a[rows] * count + b[rows], return_inverse=True)
        result[rows] = self._greatest(pairs // count, pairs % count)[inverse.reshape(-1)]
        return result

    def _greatest(self, a: IntColumn, b: IntColumn) -> IntColumn:
        forms = _Forms(self.intervals, self.launch.rises)
        above = self._table(a, forms, upper=True)
        below = self._table(b, forms, upper=False)
        result = np.full(len(a), FAR)
        for left in above.T:
            for right in below.T:
                known = np.nonzero((left >= 0) & (right >= 0))[0]
                result[known] = np.minimum(result[known], forms.difference(left[known], right[known]))
        return result

    def _table(self, parts: IntColumn, forms: _Forms, *, upper: bool) -> IntColumn:
        """Per entry the numbers of the forms that bound its part, −1 where there are fewer."""
        terms = list(self.numbers)
        distinct, inverse = np.unique(parts, return_inverse=True)
        found = [
            list(dict.fromkeys(forms.number(self._risen(form)) for form in self._bounds(terms[part], upper)))
            for part in distinct.tolist()
        ]
        table = np.full((len(found), max(map(len, found))), -1)
        for row, numbers in zip(table, found, strict=True):
            row[: len(numbers)] = numbers
        return table[inverse.reshape(-1)]

    def _bounds(self, terms: Terms, upper: bool) -> Iterator[_Form]:
        """The part itself, then forms that are at least as great (`upper`), or at most as great."""
        waiting: list[_Form] = [(0, terms)]
        seen = 0
        while waiting and seen < MOST_FORMS:
            const, form = waiting.pop(0)
            yield const, form
            seen += 1
            for scalar, coefficient in form:
                derived = self.launch.derivation(scalar)
                wanted = "min" if (coefficient > 0) == upper else "max"
                if derived is None or derived.op != wanted:
                    continue
                rest = add_terms(form, ((scalar, -coefficient),))
                for side in (derived.lhs, derived.rhs):
                    scaled = tuple((s, c * coefficient) for s, c in side.terms)
                    waiting.append((const + side.const * coefficient, add_terms(rest, scaled)))
                break

    def _risen(self, form: _Form) -> _Form:
        """A form with scalars that rise written as the first of them and increments."""
        const, terms = form
        total: Terms = ()
        for scalar, coefficient in terms:
            offset, chain = self._chains.get(scalar, (0, ((scalar, 1),)))
            const += offset * coefficient
            total = add_terms(total, tuple((s, c * coefficient) for s, c in chain))
        return const, total

    @cached_property
    def _chains(self) -> dict[int, _Form]:
        """Each scalar that rises, in the first of its chain and increments (numbered below 0)."""
        rises = self.launch.rises
        uppers = {rise.upper for rise in rises.values()}
        chains: dict[int, _Form] = {}
        for first in rises:
            if first in uppers:
                continue
            const, terms, scalar = 0, ((first, 1),), first
            while scalar in rises:
                rise = rises[scalar]
                const += rise.lower_const - rise.upper_const
                terms = add_terms(terms, ((_increment(rise.lower), 1),))
                chains[rise.upper] = (const, terms)
                scalar = rise.upper
        return chains


def _increment(scalar: int) -> int:
    """The number of what lies between a scalar that rises and the next of its chain."""
    return -1 - scalar


class _Forms:
    """Distinct linear forms, and bounds of their differences."""

    def __init__(self, intervals: Intervals, rises: Mapping[int, Rise]) -> None:
        self._intervals = intervals
        self._rises = rises
        self._numbers: dict[_Form, int] = {}

    def number(self, form: _Form) -> int:
        return self._numbers.setdefault(form, len(self._numbers))

    def difference(self, a: IntColumn, b: IntColumn) -> IntColumn:
        """The greatest value of form `a` − form `b`, for each pair."""
        variables = sorted({scalar for _, terms in self._numbers for scalar, _ in terms})
        if len(a) * len(variables) > MOST_WORK:
            return np.full(len(a), FAR)
        const, matrix = self._dense(variables)
        low, high = self._bounds(variables)
        result = np.empty(len(a), np.int64)
        step = max(1, _AT_ONCE // max(1, len(variables)))
        for begin in range(0, len(a), step):
            x, y = a[begin : begin + step], b[begin : begin + step]
            factor = matrix[x] - matrix[y]
            most = np.where(factor > 0, high, low)
            with np.errstate(invalid="ignore"):  # no bound times 0
                total = (const[x] - const[y]) + np.where(factor == 0, 0, factor * most).sum(axis=1)
            result[begin : begin + step] = np.where(total < _CERTAIN, total, FAR)
        return result

    def _dense(self, variables: list[int]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        place = {scalar: number for number, scalar in enumerate(variables)}
        const = np.array([c for c, _ in self._numbers], np.float64)
        matrix = np.zeros((len(self._numbers), len(variables)))
        for number, (_, terms) in enumerate(self._numbers):
            for scalar, coefficient in terms:
                matrix[number, place[scalar]] = coefficient
        return const, matrix

    def _bounds(self, variables: list[int]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The least and the greatest value of each variable, infinite where they are too large to trust."""
        bounds = [
            self._intervals[v] if v >= 0 else Interval(0, self._rises[_increment(v)].most) for v in variables
        ]
        low = [b.lo if b.lo > -_TRUSTED else -np.inf for b in bounds]
        high = [b.hi if b.hi < _TRUSTED else np.inf for b in bounds]
        return np.array(low, np.float64), np.array(high, np.float64)
