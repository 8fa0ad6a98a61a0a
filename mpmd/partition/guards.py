"""Bounds of regions: checked here where they are constant, else conditions on the launch scalars.

In:  the arguments of every call. Out: `Guard`s, and for each launch scalar the interval they prove.
Not here: evaluating guards at a launch (the targets' drivers).

A launch that breaks a guard is refused, so what the guards say of a scalar may be used as proved:
for the largest extent of a tile, and to tell regions apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np

from mpmd.errors import BoundsError, Note, Span
from mpmd.lang.index import INT_MAX, UNBOUNDED, Index, Interval, Opaque, symbol
from mpmd.lang.program import Scalar
from mpmd.partition.accesses import Access, AxisSpan, SiteArguments
from mpmd.partition.affine import Affine, LaunchScalars, Terms, highest, lowest
from mpmd.partition.graph import Derived, Guard, Linear

Intervals = tuple[Interval, ...]
"""Proved bounds, one per launch scalar."""

ROUNDS = 2


@dataclass(frozen=True, slots=True, eq=False)
class _Law:
    """What must hold of `what` (text, or an axis of an access), and what to say where it never can."""

    span: Span
    what: str | tuple[Access, int]
    rule: str
    breach: str

    @property
    def text(self) -> str:
        return f"{self._what} {self.rule}"

    @property
    def failure(self) -> str:
        return f"{self._what} {self.breach}"

    @property
    def _what(self) -> str:
        return self.what if isinstance(self.what, str) else _axis_text(*self.what)


@dataclass(frozen=True, slots=True)
class _Condition:
    """`lo ≤ Σ terms ≤ hi`, normalised: coefficients without common factor, the first one positive."""

    terms: Terms
    lo: int
    hi: int
    law: _Law


def prove(sites: Iterable[SiteArguments], launch: LaunchScalars) -> tuple[tuple[Guard, ...], Intervals]:
    """The conditions of all regions, and the intervals that they leave to the launch scalars."""
    tightest: dict[Terms, tuple[_Condition, _Condition]] = {}
    for condition in _conditions(sites, launch):
        low, high = tightest.get(condition.terms, (condition, condition))
        tightest[condition.terms] = (
            condition if condition.lo > low.lo else low,
            condition if condition.hi < high.hi else high,
        )
    guards: list[Guard] = []
    for terms, (low, high) in tightest.items():
        value = Linear(0, terms)
        if low.lo > high.hi:
            raise BoundsError(
                f"no value can satisfy both: {low.law.text}, and {high.law.text}",
                span=low.law.span,
                related=(Note(high.law.span, "the other region"),),
            )
        if low.law.text == high.law.text and low.law.span == high.law.span:
            guards.append(Guard(value, low.lo, high.hi, low.law.span, low.law.text))
            continue
        if low.lo > -INT_MAX:
            guards.append(Guard(value, low.lo, INT_MAX, low.law.span, low.law.text))
        if high.hi < INT_MAX:
            guards.append(Guard(value, -INT_MAX, high.hi, high.law.span, high.law.text))
    return tuple(guards), _intervals(launch, guards)


def interval_of(terms: Terms, intervals: Sequence[Interval]) -> Interval:
    """Proved bounds of `Σ terms`."""
    lo = hi = 0
    for scalar, coefficient in terms:
        bound = intervals[scalar]
        ends = (bound.lo * coefficient, bound.hi * coefficient)
        lo, hi = lo + min(ends), hi + max(ends)
    return Interval(max(-INT_MAX, lo), min(INT_MAX, hi))


def _conditions(sites: Iterable[SiteArguments], launch: LaunchScalars) -> Iterator[_Condition]:
    for arguments in sites:
        span = arguments.site.call.span
        for access in arguments.accesses:
            for number, (axis, size) in enumerate(zip(access.spans, access.tensor.shape, strict=True)):
                if _lies_within(axis, size):
                    continue
                yield from _axis_conditions(access, number, span)
    for divisor, span, text in launch.divisors:
        law = _Law(span, text, "is positive", "is not positive")
        value = Affine(divisor.const, divisor.terms)
        yield from _between(value, 1, value, INT_MAX, law)


def _axis_conditions(access: Access, number: int, span: Span) -> Iterator[_Condition]:
    """The region of an axis has no negative extent, and what it has lies inside."""
    instances, size = access.spans[number], access.tensor.shape[number]
    start, extent, last = instances.start, instances.extent, instances.last
    if not extent.terms and lowest(extent.const) == 0:  # an empty region may lie anywhere
        if highest(extent.const) == 0:
            return
        filled = np.asarray(extent.const) > 0
        start, last = start[filled], last[filled]
    what, rule = (access, number), f"stays within {size}"
    law = _Law(span, what, rule, f"leaves its {size} elements")
    yield from _between(extent, 0, extent, INT_MAX, _Law(span, what, rule, "has a negative extent"))
    if start.terms == last.terms:
        yield from _between(start, 0, last, size - 1, law)
    else:
        yield from _between(start, 0, start, INT_MAX, law)
        yield from _between(last, -INT_MAX, last, size - 1, law)


def _lies_within(axis: AxisSpan, size: int) -> bool:
    """Whether the region of an axis is known, and inside, in every instance."""
    if axis.start.terms or axis.extent.terms:
        return False
    start, extent, last = axis.start.const, axis.extent.const, axis.last.const
    return lowest(extent) >= 0 and lowest(start) >= 0 and highest(last) < size


def _axis_text(access: Access, number: int) -> str:
    name, axis = access.tensor.name, access.region[number]
    if not axis.keep:
        return f"index {axis.start} of axis {number} of '{name}'"
    stop = axis.start + axis.extent * axis.step
    step = f":{axis.step}" if axis.step != 1 else ""
    return f"region {axis.start}:{stop}{step} of axis {number} of '{name}'"


def _between(low: Affine, lo: int, high: Affine, hi: int, law: _Law) -> Iterator[_Condition]:
    """`lo ≤ low` and `high ≤ hi` in every instance, where both have the same terms."""
    least = lo - lowest(low.const) if lo > -INT_MAX else -INT_MAX
    most = hi - highest(high.const) if hi < INT_MAX else INT_MAX
    terms = low.terms
    if not terms:
        if least > 0 or most < 0:
            raise BoundsError(
                law.failure,
                span=law.span,
                label="in some iteration",
                hints=("shorten the loop, or make the last piece smaller",),
            )
        return
    factor = gcd(*(c for _, c in terms)) * (1 if terms[0][1] > 0 else -1)
    terms = tuple((s, c // factor) for s, c in terms)
    least, most = _divided(least, most, factor)
    yield _Condition(terms, least, most, law)


def _divided(least: int, most: int, factor: int) -> tuple[int, int]:
    """The bounds of `x` where those of `factor · x` are given."""
    if factor < 0:
        least, most, factor = -most, -least, -factor
    low = -(-least // factor) if least > -INT_MAX else -INT_MAX
    high = most // factor if most < INT_MAX else INT_MAX
    return low, high


def _intervals(launch: LaunchScalars, guards: Sequence[Guard]) -> Intervals:
    """Each scalar from its type and its operands, narrowed by every guard that it is in.

    One narrowing may allow the next (`0 ≤ count` and `pos + count ≤ 2048` give `pos ≤ 2048`); the rounds
    are few, since what more of them would find is not worth having.
    """
    intervals = [_range_of(scalar) for scalar in launch.scalars]
    for derived in launch.derived:
        intervals.append(_derived_interval(derived, intervals))
    for _ in range(ROUNDS):
        for guard in guards:
            _narrow(intervals, guard)
        for number, derived in enumerate(launch.derived, start=len(launch.scalars)):
            intervals[number] = _meet(intervals[number], _derived_interval(derived, intervals))
    return tuple(intervals)


def _narrow(intervals: list[Interval], guard: Guard) -> None:
    """What a guard says of each of its scalars, the others being anywhere in their intervals."""
    for scalar, coefficient in guard.value.terms:
        others = interval_of(tuple(t for t in guard.value.terms if t[0] != scalar), intervals)
        least = -INT_MAX if -INT_MAX in (guard.lo, -others.hi) else guard.lo - others.hi
        most = INT_MAX if INT_MAX in (guard.hi, -others.lo) else guard.hi - others.lo
        low, high = _divided(least, most, coefficient)
        intervals[scalar] = _meet(intervals[scalar], Interval(low, high))


def _range_of(scalar: Scalar) -> Interval:
    """What the type alone says."""
    dtype = scalar.dtype
    if dtype.is_float:
        return UNBOUNDED
    if dtype.kind == "b":
        return Interval(0, 1)
    bits = 8 * dtype.itemsize
    lo, hi = (0, 2**bits - 1) if dtype.kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return Interval(max(lo, -INT_MAX), min(hi, INT_MAX))


def _meet(a: Interval, b: Interval) -> Interval:
    return Interval(max(a.lo, b.lo), min(a.hi, b.hi))


def _derived_interval(derived: Derived, intervals: list[Interval]) -> Interval:
    known = {
        "a": _linear_interval(derived.lhs, intervals),
        "b": _linear_interval(derived.rhs, intervals),
    }
    return Index(0, ((Opaque(derived.op, symbol("a"), symbol("b")), 1),)).interval(known)


def _linear_interval(value: Linear, intervals: list[Interval]) -> Interval:
    bound = interval_of(value.terms, intervals)
    return Interval(max(-INT_MAX, bound.lo + value.const), min(INT_MAX, bound.hi + value.const))
