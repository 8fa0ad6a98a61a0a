"""Bounds of regions: checked here where they are constant, else conditions at a launch or at a task's start.

In:  the arguments of every call. Out: `Guard`s, for each scalar the interval that they prove, and per call
     what remains to be met when its tasks start.
Not here: evaluating guards (the targets' drivers), their registers (`late.py`).

A launch that breaks a guard is refused, so what the guards say of a scalar may be used as proved:
for the largest extent of a tile, and to tell regions apart. A condition becomes a guard where a launch
knows the values and the call runs in any case; of a loop that runs so often for certain, its first and
last iteration count. Other conditions are met when a task starts, unless the intervals prove them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from mpmd.errors import BoundsError, Note, Span
from mpmd.lang.index import INT_MAX, UNBOUNDED, Index, Interval, Opaque, symbol
from mpmd.lang.program import Scalar
from mpmd.partition.accesses import Access, AxisSpan, Check, Condition, Facts, Law, SiteArguments, SiteNeed
from mpmd.partition.affine import (
    LATE,
    Affine,
    Datum,
    Iteration,
    LateValue,
    LaunchScalars,
    Terms,
    Unknown,
    divided,
    highest,
    is_late,
    lowest,
    reduced,
)
from mpmd.partition.forms import Forms
from mpmd.partition.graph import Derived, Guard, Linear

Intervals = Mapping[int, Interval]
"""Proved bounds, by number of the scalar."""

ROUNDS = 2


@dataclass(frozen=True, eq=False)
class Proof:
    """`needs`: per call, what its tasks must still meet when they start, in order."""

    guards: tuple[Guard, ...]
    intervals: Intervals
    needs: tuple[tuple[SiteNeed, ...], ...]


@dataclass(frozen=True, slots=True)
class _Bound:
    """`lo ≤ Σ terms ≤ hi`, the terms reduced. Without terms: `lo ≤ 0 ≤ hi`."""

    terms: Terms
    lo: int
    hi: int
    law: Law

    @property
    def check(self) -> Check:
        return Check(Affine(0, self.terms), self.lo, self.hi, self.law)


_Item = SiteNeed | _Bound


def prove(sites: Iterable[SiteArguments], launch: LaunchScalars) -> Proof:
    """The conditions of all calls, and the intervals that they leave to the scalars."""
    tightest: dict[Terms, tuple[_Bound, _Bound]] = {}
    late: list[list[_Item]] = []
    known = Forms(launch, intervals_of(launch, ()))
    for bound in _dims(launch):
        _tighten(tightest, bound)
    for arguments in sites:
        bounds, items = _sorted(arguments, launch, known)
        late.append(items)
        for bound in bounds:
            _tighten(tightest, bound)
    for divisor, span, text in launch.divisors:
        value = Affine(divisor.const, divisor.terms)
        law = Law(span, text, "is positive", "is not positive")
        for bound in _between(value, 1, value, INT_MAX, law):
            _tighten(tightest, bound)
    guards = tuple(guard for low, high in tightest.values() for guard in _guards(low, high))
    intervals = intervals_of(launch, guards)
    return Proof(guards, intervals, tuple(tuple(_remaining(items, intervals)) for items in late))


def interval_of(terms: Terms, intervals: Intervals) -> Interval:
    """Proved bounds of `Σ terms`."""
    lo = hi = 0
    for scalar, coefficient in terms:
        bound = intervals[scalar]
        ends = (bound.lo * coefficient, bound.hi * coefficient)
        lo, hi = lo + min(ends), hi + max(ends)
    return Interval(max(-INT_MAX, lo), min(INT_MAX, hi))


def intervals_of(launch: LaunchScalars, guards: Sequence[Guard]) -> Intervals:
    """What guards and operands say of every scalar found so far."""
    intervals = _launch_intervals(launch, guards)
    for number, value in enumerate(launch.late, start=LATE):
        intervals[number] = _late_interval(value, intervals)
    return intervals


# -- which conditions -----------------------------------------------------------------------------


def _dims(launch: LaunchScalars) -> Iterator[_Bound]:
    """That dims which a launch binds do not exceed what the kernel was made for."""
    for number, scalar in enumerate(launch.scalars):
        if scalar.most is not None:
            what, within = f"the extent '{scalar.name}'", f"0 to {scalar.most}"
            law = Law(scalar.span, what, f"stays within {within}", f"leaves {within}")
            yield _Bound(((number, 1),), 0, scalar.most, law)


def _sorted(
    arguments: SiteArguments, launch: LaunchScalars, known: Forms
) -> tuple[list[_Bound], list[_Item]]:
    """The conditions of a call: those of a launch, and in order those of a task's start."""
    at_launch: list[_Bound] = []
    at_start: list[_Item] = []
    certain = _runs(arguments)
    for item in _items(arguments, known):
        if isinstance(item, _Bound):
            guard = _over_iterations(item, launch) if certain else item
            if not certain or is_late(guard.terms):
                at_start.append(item)
            elif guard.terms:
                at_launch.append(guard)
            elif guard.lo > 0 or guard.hi < 0:
                raise BoundsError(
                    item.law.failure,
                    span=item.law.span,
                    label="in some iteration",
                    hints=("shorten the loop, or make the last piece smaller",),
                )
            continue
        at_start.append(item)
        certain = certain and not isinstance(item, Condition)
    return at_launch, at_start


def _runs(arguments: SiteArguments) -> bool:
    """Whether a loop that repeats the call has all its iterations, known before a launch."""
    loop = arguments.site.repeated
    return loop is None or (loop.count.is_const and loop.count.const > 0 and loop.until is None)


def _over_iterations(bound: _Bound, launch: LaunchScalars) -> _Bound:
    """What a condition on all iterations of a loop says of the other values."""
    rest: list[tuple[int, int]] = []
    low, high = bound.lo, bound.hi
    for scalar, coefficient in bound.terms:
        value = launch.late_value(scalar) if scalar >= LATE else None
        if isinstance(value, Iteration):
            ends = (0, coefficient * (value.count.const - 1))
            low = low - min(ends) if low > -INT_MAX else low
            high = high - max(ends) if high < INT_MAX else high
        else:
            rest.append((scalar, coefficient))
    if len(rest) == len(bound.terms) or not rest:
        return _Bound(tuple(rest), low, high, bound.law)
    terms, factor = reduced(tuple(rest))
    within = divided(Interval(low, high), factor)
    return _Bound(terms, within.lo, within.hi, bound.law)


def _items(arguments: SiteArguments, known: Forms) -> Iterator[_Item]:
    """Everything that a call must meet, in order."""
    for need in arguments.needs:
        if isinstance(need, Check):
            yield from _between(need.value, need.lo, need.value, need.hi, need.law)
        else:
            yield need
    span = arguments.site.call.span
    for access in arguments.accesses:
        for number, (axis, size) in enumerate(zip(access.spans, access.tensor.shape, strict=True)):
            if access.limits and access.limits[number].terms:
                yield from _limit_bounds(access, number, span, known)
            elif not _lies_within(axis, size):
                yield from _axis_bounds(access, number, span)


def _remaining(items: Sequence[_Item], intervals: Intervals) -> Iterator[SiteNeed]:
    """What neither the intervals nor the needs before it prove."""
    facts = Facts()
    for item in items:
        if isinstance(item, _Bound):
            known = facts.narrow(item.terms, interval_of(item.terms, intervals))
            if item.lo <= known.lo and known.hi <= item.hi:
                continue
            need: SiteNeed = item.check
        else:
            need = item
        facts.add(need)
        if not isinstance(need, Condition) or not _surely(need.value, intervals):
            yield need


def _surely(value: Affine, intervals: Intervals) -> bool:
    """Whether a value is positive in every instance of every launch."""
    return _least(value, intervals) > 0


def _tighten(tightest: dict[Terms, tuple[_Bound, _Bound]], bound: _Bound) -> None:
    low, high = tightest.get(bound.terms, (bound, bound))
    tightest[bound.terms] = (bound if bound.lo > low.lo else low, bound if bound.hi < high.hi else high)


def _guards(low: _Bound, high: _Bound) -> Iterator[Guard]:
    """One guard where one law gives both bounds, else one for each."""
    value = Linear(0, low.terms)
    if low.lo > high.hi:
        raise BoundsError(
            f"no value can satisfy both: {low.law.text}, and {high.law.text}",
            span=low.law.span,
            related=(Note(high.law.span, "the other region"),),
        )
    if low.law.text == high.law.text and low.law.span == high.law.span:
        yield Guard(value, low.lo, high.hi, low.law.span, low.law.text)
        return
    if low.lo > -INT_MAX:
        yield Guard(value, low.lo, INT_MAX, low.law.span, low.law.text)
    if high.hi < INT_MAX:
        yield Guard(value, -INT_MAX, high.hi, high.law.span, high.law.text)


def _axis_bounds(access: Access, number: int, span: Span) -> Iterator[_Bound]:
    """The region of an axis has no negative extent, and what it has lies inside."""
    instances, size = access.spans[number], access.tensor.shape[number]
    start, extent, last = instances.start, instances.extent, instances.last
    if not extent.terms and lowest(extent.const) == 0:  # an empty region may lie anywhere
        if highest(extent.const) == 0:
            return
        filled = np.asarray(extent.const) > 0
        start, last = start[filled], last[filled]
    what, rule = partial(_axis_text, access, number), f"stays within {size}"
    law = Law(span, what, rule, f"leaves its {size} elements")
    yield from _between(extent, 0, extent, INT_MAX, Law(span, what, rule, "has a negative extent"))
    if start.terms == last.terms:
        yield from _between(start, 0, last, size - 1, law)
    else:
        yield from _between(start, 0, start, INT_MAX, law)
        yield from _between(last, -INT_MAX, last, size - 1, law)


def _limit_bounds(access: Access, number: int, span: Span, known: Forms) -> Iterator[_Bound]:
    """The same for an axis whose extent is a launch's, but for what holds in every launch.

    What intervals alone do not show is a condition all the same where it keeps a task inside of memory: the
    proof of the tables stands on those.
    """
    instances, limit, size = access.spans[number], access.limits[number], access.tensor.shape[number]
    start, extent, last = instances.start, instances.extent, instances.last
    extents = access.tensor.extents[number]
    what, rule = partial(_axis_text, access, number), f"stays within {extents}"
    law = Law(span, what, rule, f"leaves its {extents} elements")
    if _least(extent, known.intervals) < 0:
        yield from _between(extent, 0, extent, INT_MAX, Law(span, what, rule, "has a negative extent"))
    if _least(start, known.intervals) < 0:
        yield from _between(start, 0, start, INT_MAX, law)
    if known.greatest(last - limit) >= 0:
        yield from _between(last - limit, -INT_MAX, last - limit, -1, law)
    if -_least(last * -1, known.intervals) >= size:
        yield from _between(last, -INT_MAX, last, size - 1, law)


def _least(value: Affine, intervals: Intervals) -> int:
    """A lower bound over all instances, by what is known of each scalar alone."""
    return lowest(value.const) + interval_of(value.terms, intervals).lo


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


def _between(low: Affine, lo: int, high: Affine, hi: int, law: Law) -> Iterator[_Bound]:
    """`lo ≤ low` and `high ≤ hi` in every instance, where both have the same terms."""
    least = lo - lowest(low.const) if lo > -INT_MAX else -INT_MAX
    most = hi - highest(high.const) if hi < INT_MAX else INT_MAX
    if low.terms:
        terms, factor = reduced(low.terms)
        within = divided(Interval(least, most), factor)
        yield _Bound(terms, within.lo, within.hi, law)
    elif least > 0 or most < 0:
        yield _Bound((), least, most, law)


# -- intervals ------------------------------------------------------------------------------------


def _launch_intervals(launch: LaunchScalars, guards: Sequence[Guard]) -> dict[int, Interval]:
    """Each launch scalar from its type and its operands, narrowed by every guard that it is in.

    One narrowing may allow the next (`0 ≤ count` and `pos + count ≤ 2048` give `pos ≤ 2048`); the rounds
    are few, since what more of them would find is not worth having.
    """
    intervals = {number: _range_of(scalar) for number, scalar in enumerate(launch.scalars)}
    for number, derived in enumerate(launch.derived, start=len(launch.scalars)):
        intervals[number] = _derived_interval(derived, intervals)
    for _ in range(ROUNDS):
        for guard in guards:
            _narrow(intervals, guard)
        for number, derived in enumerate(launch.derived, start=len(launch.scalars)):
            intervals[number] = _meet(intervals[number], _derived_interval(derived, intervals))
    return intervals


def _narrow(intervals: dict[int, Interval], guard: Guard) -> None:
    """What a guard says of each of its scalars, the others being anywhere in their intervals."""
    for scalar, coefficient in guard.value.terms:
        others = interval_of(tuple(t for t in guard.value.terms if t[0] != scalar), intervals)
        least = -INT_MAX if -INT_MAX in (guard.lo, -others.hi) else guard.lo - others.hi
        most = INT_MAX if INT_MAX in (guard.hi, -others.lo) else guard.hi - others.lo
        intervals[scalar] = _meet(intervals[scalar], divided(Interval(least, most), coefficient))


def _late_interval(value: LateValue, intervals: dict[int, Interval]) -> Interval:
    if isinstance(value, Iteration):
        return Interval(0, max(0, _linear_interval(value.count, intervals).hi - 1))
    if isinstance(value, Datum):
        most = min(2 ** (8 * value.itemsize - 1), INT_MAX)
        return Interval(-most, most)
    if isinstance(value, Unknown):
        return Interval(value.lo, value.hi)
    return _derived_interval(value, intervals)


def _range_of(scalar: Scalar) -> Interval:
    """What the type alone says."""
    dtype = scalar.dtype
    if scalar.most is not None:
        return Interval(0, scalar.most)
    if dtype.is_float:
        return UNBOUNDED
    if dtype.kind == "b":
        return Interval(0, 1)
    bits = 8 * dtype.itemsize
    lo, hi = (0, 2**bits - 1) if dtype.kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return Interval(max(lo, -INT_MAX), min(hi, INT_MAX))


def _meet(a: Interval, b: Interval) -> Interval:
    return Interval(max(a.lo, b.lo), min(a.hi, b.hi))


def _derived_interval(derived: Derived, intervals: dict[int, Interval]) -> Interval:
    known = {
        "a": _linear_interval(derived.lhs, intervals),
        "b": _linear_interval(derived.rhs, intervals),
    }
    return Index(0, ((Opaque(derived.op, symbol("a"), symbol("b")), 1),)).interval(known)


def _linear_interval(value: Linear, intervals: dict[int, Interval]) -> Interval:
    bound = interval_of(value.terms, intervals)
    return Interval(max(-INT_MAX, bound.lo + value.const), min(INT_MAX, bound.hi + value.const))
