"""What the integers of a tile can be: interval arithmetic along a task.

In:  an op, the intervals of its operands. Out: that of its result.
Not here: the language's types (a result that does not fit its type wraps), extents (`lang/index.py`).

Only bounds that decide whether an i64 can be computed as an i32 matter, so that ops that no index is made
with give what their type holds.
"""

from __future__ import annotations

from collections.abc import Sequence

from mpmd.codegen.ascend.values import range_of
from mpmd.lang.index import INT_MAX, Interval
from mpmd.lang.tile import Apply


def after(stmt: Apply, args: Sequence[Interval]) -> Interval:
    """The result's, as it is before it wraps."""
    whole = range_of(stmt.type.dtype)
    if not all(abs(end) < INT_MAX for arg in args for end in (arg.lo, arg.hi)):
        return whole
    found = _exact(stmt.op, args)
    if found is None:
        return whole
    inside = whole.lo <= found.lo and found.hi <= whole.hi
    return found if inside else whole


def _exact(op: str, args: Sequence[Interval]) -> Interval | None:
    a, b = args[0], args[-1]
    if op == "add":
        return Interval(a.lo + b.lo, a.hi + b.hi)
    if op == "sub":
        return Interval(a.lo - b.hi, a.hi - b.lo)
    if op == "neg":
        return Interval(-a.hi, -a.lo)
    if op == "abs":
        return Interval(0, max(-a.lo, a.hi))
    if op == "mul":
        ends = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
        return Interval(min(ends), max(ends))
    if op == "maximum":
        return Interval(max(a.lo, b.lo), max(a.hi, b.hi))
    if op == "minimum":
        return Interval(min(a.lo, b.lo), min(a.hi, b.hi))
    if op == "mod" and b.lo > 0:
        return Interval(0, b.hi - 1)
    if op == "floordiv" and b.lo > 0:
        ends = [x // y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
        return Interval(min(ends), max(ends))
    return None


def joined(args: Sequence[Interval]) -> Interval:
    return Interval(min(arg.lo for arg in args), max(arg.hi for arg in args))


__all__ = ["Interval", "after", "joined"]
