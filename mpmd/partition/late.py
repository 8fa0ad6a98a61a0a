"""The late ops of a site: what is computed and checked just before one of its tasks runs.

In:  the needs of a call and the linear parts of its words, over late scalars by their global numbers.
Out: the ops in order, and the number of each late scalar within the site (S + k is what op k gives).
Not here: which needs remain (`guards.py`).

Ops stand in the order of the needs: what a launch must not read before a check, or need not compute
where the task is passed over, comes after it.
"""

from __future__ import annotations

from collections.abc import Iterable

from mpmd.lang.index import INT_MAX
from mpmd.partition.accesses import Check, Condition, Reading, SiteNeed
from mpmd.partition.affine import LATE, Datum, Iteration, LaunchScalars, Terms, Unknown, is_late
from mpmd.partition.graph import Derived, Element, LateGuard, LateOp, Linear, LoopIndex, Skip
from mpmd.partition.guards import Intervals, interval_of


class LateOps:
    """The late ops of one site, as they are found. No launch scalar may be added from here on."""

    def __init__(self, launch: LaunchScalars, intervals: Intervals) -> None:
        self.ops: list[LateOp] = []
        self._launch = launch
        self._intervals = intervals
        self._registers: dict[int, int] = {}

    def meet(self, needs: Iterable[SiteNeed]) -> None:
        """Append what the needs ask for."""
        for need in needs:
            if isinstance(need, Check):
                value = self._linear(need.value.linear)
                self.ops.append(LateGuard(value, need.lo, need.hi, need.law.span, need.law.text))
            elif isinstance(need, Condition):
                self.ops.append(Skip(self._linear(need.value.linear)))
            elif isinstance(need, Reading):
                self.terms(need.value.terms)

    def terms(self, terms: Terms) -> Terms:
        """A linear part in the numbers of the site; ops that it needs are appended."""
        return tuple(sorted((self._number(scalar), c) for scalar, c in terms)) if is_late(terms) else terms

    def _linear(self, value: Linear) -> Linear:
        return Linear(value.const, self.terms(value.terms))

    def _number(self, scalar: int) -> int:
        if scalar < LATE:
            return scalar
        if scalar not in self._registers:
            op = self._op(scalar)
            self._registers[scalar] = len(self._launch) + len(self.ops)
            self.ops.append(op)
        return self._registers[scalar]

    def _op(self, scalar: int) -> LateOp:
        value = self._launch.late_value(scalar)
        if isinstance(value, Iteration):
            return LoopIndex()
        if isinstance(value, Datum):
            return Element(value.tensor, self._linear(value.offset), value.itemsize)
        assert not isinstance(value, Unknown), "an unknown stands in proofs only"
        lhs, rhs = self._linear(value.lhs), self._linear(value.rhs)
        if value.op in ("floordiv", "mod") and value.rhs.terms:
            self._divisor(value, rhs)
        return Derived(value.op, lhs, rhs)

    def _divisor(self, value: Derived, rhs: Linear) -> None:
        if value.rhs.const + interval_of(value.rhs.terms, self._intervals).lo > 0:
            return
        span, what = self._launch.divisor_text(value)
        self.ops.append(LateGuard(rhs, 1, INT_MAX, span, f"{what} is positive"))
