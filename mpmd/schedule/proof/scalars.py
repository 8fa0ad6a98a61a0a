"""What the guards prove about the scalars of a launch: bounds of integer expressions in them.

In:  the decoded guards and derived scalars. Out: `Bounds.of`, an interval for any linear form.
Not here: evaluating the guards (the launch does, without wrapping; a launch that fails one is refused).

A linear form is `const + Σ coefficient × scalar`. Every launch scalar is an int64, so each has at
least that interval; guards on one scalar narrow it, guards on several narrow the forms that are
multiples of theirs. `min` and `max` are followed into their operands, so that `start + min(size,
extent − start) ≤ extent` is seen.
"""

from __future__ import annotations

from dataclasses import dataclass

from mpmd.errors import NO_SPAN, MalformedTableError
from mpmd.schedule.proof.decode import Tables

FLOORDIV, MOD, MIN, MAX, MUL = range(5)
_INT64 = (-(2**63), 2**63 - 1)
_DEPTH = 8
"""How many nested `min`/`max` are followed before their plain interval is taken."""

Interval = tuple[int, int]
Terms = tuple[tuple[int, int], ...]
"""(scalar, coefficient), sorted by scalar, no coefficient zero."""


@dataclass(frozen=True, slots=True)
class Form:
    """`const + Σ coefficient × scalar`."""

    const: int
    terms: Terms = ()

    def plus(self, other: Form, factor: int = 1) -> Form:
        """`self + factor × other`."""
        terms = (*self.terms, *((s, c * factor) for s, c in other.terms))
        return Form(self.const + other.const * factor, collect(terms))


def collect(terms: tuple[tuple[int, int], ...]) -> Terms:
    """The terms with those of one scalar added up."""
    sums: dict[int, int] = {}
    for scalar, coefficient in terms:
        sums[scalar] = sums.get(scalar, 0) + coefficient
    return tuple(sorted((s, c) for s, c in sums.items() if c))


class Bounds:
    """Intervals of forms over the launch scalars of one set of tables."""

    def __init__(self, tables: Tables) -> None:
        self._scalars = tables.scalars
        self._guards = _guards(tables)
        self._derived = _derived(tables)
        self._scalar: dict[int, Interval] = {}
        self._memo: dict[tuple[Terms, int], Interval] = {}
        self._narrow()

    def of(self, form: Form) -> Interval:
        """The smallest and the largest value proved for `form`, both inclusive."""
        low, high = self._terms(form.terms, _DEPTH)
        return low + form.const, high + form.const

    def when_positive(self, form: Form) -> Form:
        """A form equal to `form` wherever that is ≥ 1: `max(0, x)` is then `x`."""
        while len(form.terms) == 1 and form.const == 0 and form.terms[0][1] == 1:
            op, lhs, rhs = self._operation(form.terms[0][0])
            if op != MAX or not (self._fits(lhs) and self._fits(rhs)):
                break
            if self.of(lhs)[1] <= 0:
                form = rhs
            elif self.of(rhs)[1] <= 0:
                form = lhs
            else:
                break
        return form

    def _narrow(self) -> None:
        """Intervals of scalars that have a guard of their own, and of the derived ones."""
        own: dict[int, Interval] = {}
        for form, low, high in self._guards:
            if len(form.terms) == 1:
                ((scalar, factor),) = form.terms
                ends = _divide((low - form.const, high - form.const), factor)
                own[scalar] = _meet(own.get(scalar, _INT64), ends)
        for scalar, interval in sorted(own.items()):
            if scalar < self._scalars:
                self._scalar[scalar] = _some(scalar, interval)
        for index in range(len(self._derived)):
            scalar = self._scalars + index
            interval = _meet(self._operated(*self._derived[index]), own.get(scalar, _INT64))
            self._scalar[scalar] = _some(scalar, interval)

    def _operation(self, scalar: int) -> tuple[int, Form, Form]:
        if scalar < self._scalars:
            return -1, Form(0), Form(0)
        return self._derived[scalar - self._scalars]

    def _terms(self, terms: Terms, depth: int) -> Interval:
        if not terms:
            return 0, 0
        key = (terms, depth)
        if key not in self._memo:
            self._memo[key] = self._bound(terms, depth)
        return self._memo[key]

    def _bound(self, terms: Terms, depth: int) -> Interval:
        low = high = 0
        for scalar, factor in terms:
            ends = [end * factor for end in self._scalar.get(scalar, _INT64)]
            low, high = low + min(ends), high + max(ends)
        interval = low, high
        for form, guard_low, guard_high in self._guards:
            ratio = _ratio(terms, form.terms)
            if ratio is not None:
                numerator, denominator = ratio
                ends = [(end - form.const) * numerator for end in (guard_low, guard_high)]
                interval = _meet(interval, _divide((min(ends), max(ends)), denominator))
        if depth:
            interval = _meet(interval, self._followed(terms, depth))
        return interval

    def _followed(self, terms: Terms, depth: int) -> Interval:
        """Bounds by replacing the last `min` or `max` among the terms by its operands."""
        for scalar, factor in reversed(terms):
            op, lhs, rhs = self._operation(scalar)
            if op in (MIN, MAX) and self._fits(lhs) and self._fits(rhs):
                rest = Form(0, tuple(term for term in terms if term[0] != scalar))
                (low_a, high_a), (low_b, high_b) = (
                    self._form(rest.plus(operand, factor), depth - 1) for operand in (lhs, rhs)
                )
                if (op == MIN) == (factor > 0):  # the smaller of the two sums
                    return min(low_a, low_b), min(high_a, high_b)
                return max(low_a, low_b), max(high_a, high_b)
        return _unknown(terms)

    def _form(self, form: Form, depth: int) -> Interval:
        low, high = self._terms(form.terms, depth)
        return low + form.const, high + form.const

    def _fits(self, form: Form) -> bool:
        """Whether the launch computes `form` without wrapping."""
        low, high = self.of(form)
        return _INT64[0] <= low and high <= _INT64[1]

    def _operated(self, op: int, lhs: Form, rhs: Form) -> Interval:
        """The interval of a derived scalar; all of int64 where the launch's arithmetic might wrap."""
        if not (self._fits(lhs) and self._fits(rhs)):
            return _INT64
        a, b = self.of(lhs), self.of(rhs)
        if op == MIN:
            return min(a[0], b[0]), min(a[1], b[1])
        if op == MAX:
            return max(a[0], b[0]), max(a[1], b[1])
        if op == MUL:
            ends = [x * y for x in a for y in b]
            product = min(ends), max(ends)
            return product if _INT64[0] <= product[0] and product[1] <= _INT64[1] else _INT64
        if b[0] <= 0:
            return _INT64
        if op == MOD:
            return 0, b[1] - 1
        ends = [x // y for x in a for y in b]
        return min(ends), max(ends)


def _unknown(terms: Terms) -> Interval:
    """Bounds that every sum of int64 terms keeps."""
    widest = sum(abs(factor) for _, factor in terms) * 2**63
    return -widest, widest


def _guards(tables: Tables) -> list[tuple[Form, int, int]]:
    return [
        (_form(tables, const, first, end), low, high)
        for const, first, end, low, high in tables.guards.tolist()
    ]


def _derived(tables: Tables) -> list[tuple[int, Form, Form]]:
    return [
        (op, _form(tables, a, a_first, a_end), _form(tables, b, b_first, b_end))
        for op, a, a_first, a_end, b, b_first, b_end in tables.derived.tolist()
    ]


def _form(tables: Tables, const: int, first: int, end: int) -> Form:
    return Form(const, collect(tuple((s, c) for s, c in tables.terms[first:end].tolist())))


def _meet(a: Interval, b: Interval) -> Interval:
    return max(a[0], b[0]), min(a[1], b[1])


def _some(scalar: int, interval: Interval) -> Interval:
    if interval[0] > interval[1]:
        raise MalformedTableError(
            f"no value of launch scalar {scalar} satisfies the guards: it must be at least {interval[0]} "
            f"and at most {interval[1]}",
            span=NO_SPAN,
        )
    return interval


def _divide(ends: Interval, factor: int) -> Interval:
    """The integers x with ends[0] ≤ factor × x ≤ ends[1]."""
    if factor < 0:
        ends, factor = (-ends[1], -ends[0]), -factor
    return -(-ends[0] // factor), ends[1] // factor


def _ratio(terms: Terms, of: Terms) -> tuple[int, int] | None:
    """(n, d) with terms = n/d × of and d > 0, if there is one."""
    if len(terms) != len(of):
        return None
    n, d = terms[0][1], of[0][1]
    if any(s != t or a * d != b * n for (s, a), (t, b) in zip(terms, of, strict=True)):
        return None
    return (n, d) if d > 0 else (-n, -d)
