"""The greatest and the least value of a linear form in scalars, some of which are made from others.

In:  the scalars, and intervals of them. Out: bounds that hold in every launch, for every task that runs.
Not here: differences of the many parts that a tensor's regions have (`parts.py`).

An interval alone loses what scalars have in common: of `min(16, T − 32) − T` it says at most 16. So the
form is bounded in several ways: as it is; with `min(a, b)` replaced by `a` and by `b`; with `a // c` replaced
by the fraction `a / c`, in which `T` may cancel. The best of them counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor

from mpmd.lang.index import INT_MAX, Interval
from mpmd.partition.affine import LATE, Affine, Iteration, LaunchScalars, Terms, highest
from mpmd.partition.graph import Derived, Linear

MOST_FORMS = 16
"""Forms by which one is bounded."""

_Form = tuple[Fraction, dict[int, Fraction]]
"""A constant, and the factor of each scalar."""

_Bound = tuple[Fraction, Linear, Fraction]
"""A constant, a linear part, and its share."""


@dataclass(frozen=True, slots=True)
class Forms:
    """What is known of scalars."""

    launch: LaunchScalars
    intervals: Mapping[int, Interval]

    def greatest(self, value: Affine) -> int:
        """An upper bound of the value over all instances and launches; INT_MAX where there is none."""
        return min(INT_MAX, highest(value.const) + self._upper(value.terms))

    def least(self, value: Affine) -> int:
        """A lower bound."""
        return -self.greatest(value * -1)

    def _upper(self, terms: Terms) -> int:
        best = INT_MAX
        waiting: list[_Form] = [(Fraction(0), {s: Fraction(c) for s, c in terms})]
        for _ in range(MOST_FORMS):
            if not waiting:
                break
            form = waiting.pop(0)
            best = min(best, self._by_intervals(form))
            waiting += self._above(form)
        return best

    def _by_intervals(self, form: _Form) -> int:
        total, factors = form
        for scalar, factor in factors.items():
            bound = self.intervals[scalar]
            end = bound.hi if factor > 0 else bound.lo
            if abs(end) >= INT_MAX:
                return INT_MAX
            total += factor * end
        return floor(total)

    def _above(self, form: _Form) -> Iterator[_Form]:
        """Forms nowhere below this one, with one scalar fewer that is made from others."""
        const, factors = form
        for scalar in sorted(factors, reverse=True):  # those made last come first
            factor = factors[scalar]
            bounds = tuple(self._bounds(scalar, upper=factor > 0))
            for more, linear, share in bounds:
                result = {s: f for s, f in factors.items() if s != scalar}
                for part, coefficient in linear.terms:
                    result[part] = result.get(part, Fraction(0)) + factor * share * coefficient
                known = {s: f for s, f in result.items() if f}
                yield const + factor * (share * linear.const + more), known
            if bounds:
                return

    def _bounds(self, scalar: int, *, upper: bool) -> Iterator[_Bound]:
        """Linear bounds of a scalar in others."""
        value = self.launch.late_value(scalar) if scalar >= LATE else None
        derived = self.launch.derivation(scalar)
        if isinstance(value, Iteration) and upper:
            yield Fraction(-1), value.count, Fraction(1)
        elif derived is not None:
            yield from _bounds_of(derived, upper=upper)


def _bounds_of(derived: Derived, *, upper: bool) -> Iterator[_Bound]:
    if derived.op == ("min" if upper else "max"):
        yield Fraction(0), derived.lhs, Fraction(1)
        yield Fraction(0), derived.rhs, Fraction(1)
    elif derived.op == "floordiv" and not derived.rhs.terms and derived.rhs.const > 0:
        share = Fraction(1, derived.rhs.const)
        yield (Fraction(0) if upper else share - 1), derived.lhs, share
