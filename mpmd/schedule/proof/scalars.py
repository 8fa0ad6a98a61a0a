"""What guards prove about scalars: bounds of integer expressions in them.

In:  the decoded guards and derived scalars; symbols and facts that other parts add.
Out: `Symbols`, how each scalar is computed; `Bounds.of`, an interval for any linear form.
Not here: which symbols there are besides those of a launch (`iterations`, `late`); evaluating the guards
(the launch does, without wrapping; a launch that fails one is refused).

A linear form is `const + Σ coefficient × scalar`. Every scalar is an int64, so each has at least that
interval; facts about one scalar narrow it, facts about several narrow the forms that are multiples of
theirs. `min` and `max` are followed into their operands, so that `start + min(size, extent − start) ≤
extent` is seen. So are quotients by a constant: `c × (x // c)` is at most `x` and at least `x − c + 1`,
so that `x·k // c ≤ x·(k + 1) // c` is seen.

Scalars are computed in 128 bits, and a value that 64 bits do not hold ends the launch: a derived scalar
is what its operands say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import gcd

from mpmd.errors import NO_SPAN, MalformedTableError
from mpmd.schedule.proof.decode import Tables

FLOORDIV, MOD, MIN, MAX, MUL = range(5)
INT64 = (-(2**63), 2**63 - 1)
FAR = 2**1000
"""The open end of an interval: no sum of int64 terms, scaled or not, reaches as far."""
_ROUNDS = 2
"""How often facts are combined with each other."""
_FEW = 32
"""Facts up to this number are tried on every sum."""
_DEPTH = 8
"""How many nested operations are followed before their plain interval is taken."""
_STEP = 2**40
"""Scalars of which one may be so much below the one before are not taken to rise."""
_SHALLOW = 3
"""The same for what is left of a sum beside a fact."""

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


Operation = tuple[int, Form, Form]


def collect(terms: tuple[tuple[int, int], ...]) -> Terms:
    """The terms with those of one scalar added up."""
    sums: dict[int, int] = {}
    for scalar, coefficient in terms:
        sums[scalar] = sums.get(scalar, 0) + coefficient
    return tuple(sorted((s, c) for s, c in sums.items() if c))


def form_of(tables: Tables, const: int, first: int, end: int) -> Form:
    """A linear sum of the tables."""
    return Form(const, collect(tuple((s, c) for s, c in tables.terms[first:end].tolist())))


class Symbols:
    """All scalars: a launch's own and derived ones by their numbers, then those that are added."""

    def __init__(self, tables: Tables) -> None:
        self._own = tables.scalars  # the header may count any number of them; no list is as long
        self._operations: list[Operation | None] = [
            (op, form_of(tables, a, a_first, a_end), form_of(tables, b, b_first, b_end))
            for op, a, a_first, a_end, b, b_first, b_end in tables.derived.tolist()
        ]
        self._intervals: list[Interval] = [INT64] * len(self._operations)
        self._numbers: dict[Operation, int] = {}
        self.launch = tables.launch_scalars

    @property
    def computed(self) -> range:
        """All but those that a launch is given."""
        return range(self._own, self._own + len(self._operations))

    def plain(self, interval: Interval) -> int:
        """A new scalar of which only the interval is known."""
        return self._add(None, interval)

    def derived(self, operation: Operation) -> int:
        """The scalar that an operation gives; of equal operations the same."""
        if operation not in self._numbers:
            self._numbers[operation] = self._add(operation, INT64)
        return self._numbers[operation]

    def operation(self, scalar: int) -> Operation | None:
        return self._operations[scalar - self._own] if scalar >= self._own else None

    def interval(self, scalar: int) -> Interval:
        return self._intervals[scalar - self._own] if scalar >= self._own else INT64

    def _add(self, operation: Operation | None, interval: Interval) -> int:
        self._operations.append(operation)
        self._intervals.append(interval)
        return self.computed[-1]


class Bounds:
    """Intervals of forms, from what is known of the symbols and from facts."""

    def __init__(self, symbols: Symbols, under: Bounds | None = None) -> None:
        self.symbols = symbols
        self.rising: Rising | None = None
        self._under = under
        self._facts: dict[Terms, Interval] = {}
        self._scalars: dict[int, Interval] = {}
        self._memo: dict[tuple[Terms, int], Interval] = {}

    @staticmethod
    def of_launch(tables: Tables) -> Bounds:
        """What every launch that is not refused keeps."""
        bounds = Bounds(Symbols(tables))
        for const, first, end, low, high in tables.guards.tolist():
            bounds.learn(form_of(tables, const, first, end), low, high)
        bounds.settle()
        for scalar, (low, high) in sorted(bounds._scalars.items()):
            if low > high:
                raise MalformedTableError(
                    f"no value of launch scalar {scalar} satisfies the guards: it must be at least {low} and "
                    f"at most {high}",
                    span=NO_SPAN,
                )
        return bounds

    def further(self) -> Bounds:
        """The same, to which more can be added without a change to this."""
        return Bounds(self.symbols, self)

    def together(self, *others: Bounds) -> Bounds:
        """The same, and the facts that others have of their own."""
        joined = self.further()
        joined.rising = self.rising
        for terms, interval in (fact for other in others for fact in other._facts.items()):
            joined._facts[terms] = _meet(joined._facts.get(terms, (-FAR, FAR)), interval)
        joined.combine()
        return joined

    def learn(self, form: Form, low: int, high: int) -> None:
        """From now on `low ≤ form ≤ high`."""
        if not form.terms:
            return
        terms, factor = _primitive(form.terms)
        ends = _divide((low - form.const, high - form.const), factor)
        self._facts[terms] = _meet(self._facts.get(terms, (-FAR, FAR)), ends)
        self._memo.clear()
        if len(terms) == 1:
            self._scalars.pop(terms[0][0], None)

    def settle(self) -> None:
        """Find the intervals of all scalars, in order, so that none is a long way from what is known."""
        own = [terms[0][0] for terms in self._facts if len(terms) == 1 and terms[0][0] < self.symbols.launch]
        for scalar in [*sorted(own), *self.symbols.computed]:
            self._known(scalar)

    def combine(self) -> None:
        """Narrow each scalar by what is known of sums that it is in: `b ≤ 8` and `b − a ≥ 1` say `a ≤ 7`.

        What is known of a derived scalar is carried over to its operands: `n // 4 ≥ 1` says `n ≥ 4`.
        """
        for terms, interval in list(self._facts.items()):
            if len(terms) == 1 and (operation := self.symbols.operation(terms[0][0])) is not None:
                self._carry_over(operation, interval)
        for _ in range(_ROUNDS):
            for terms, (low, high) in self._facts.items():
                for scalar, factor in terms if len(terms) > 1 else ():
                    rest = self._terms(tuple(term for term in terms if term[0] != scalar), _DEPTH)
                    by_sum = _divide((low - rest[1], high - rest[0]), factor)
                    self._scalars[scalar] = _meet(self._known(scalar), by_sum)
            self._memo.clear()

    def _carry_over(self, operation: Operation, interval: Interval) -> None:
        """Learn of the operands what the result says of them."""
        op, lhs, rhs = operation
        low, high = interval
        if op == FLOORDIV and not rhs.terms and rhs.const > 0:
            self.learn(lhs, max(-FAR, low * rhs.const), min(FAR, (high + 1) * rhs.const - 1))
        for operand, other in ((lhs, rhs), (rhs, lhs)):
            least, most = self.of(other)
            if op == MIN:
                self.learn(operand, low, high if least > high else FAR)
            elif op == MAX:
                self.learn(operand, low if most < low else -FAR, high)

    @property
    def possible(self) -> bool:
        """Whether nothing shows that the facts exclude each other."""
        intervals = [self._terms(terms, _DEPTH) for terms in self._facts]
        return all(low <= high for low, high in [*intervals, *self._scalars.values()])

    def of(self, form: Form) -> Interval:
        """The smallest and the largest value proved for `form`, both inclusive."""
        low, high = self._terms(form.terms, _DEPTH)
        return low + form.const, high + form.const

    def when_positive(self, form: Form) -> Form:
        """A form equal to `form` wherever that is ≥ 1: `max(0, x)` is then `x`."""
        while len(form.terms) == 1 and form.const == 0 and form.terms[0][1] == 1:
            operation = self.symbols.operation(form.terms[0][0])
            if operation is None or operation[0] != MAX:
                break
            _, lhs, rhs = operation
            if self.of(lhs)[1] <= 0:
                form = rhs
            elif self.of(rhs)[1] <= 0:
                form = lhs
            else:
                break
        return form

    def _known(self, scalar: int) -> Interval:
        if scalar not in self._scalars:
            self._scalars[scalar] = _meet(self._by_itself(scalar), self._fact(((scalar, 1),)))
        return self._scalars[scalar]

    def _by_itself(self, scalar: int) -> Interval:
        """The interval of a scalar without the facts about it."""
        if self._under is not None and scalar in self._under._scalars:
            return self._under._scalars[scalar]
        interval = self.symbols.interval(scalar)
        operation = self.symbols.operation(scalar)
        return interval if operation is None else _meet(interval, self._operated(*operation))

    def _fact(self, terms: Terms) -> Interval:
        """What is known of primitive terms as a whole."""
        interval = self._facts.get(terms, (-FAR, FAR))
        return interval if self._under is None else _meet(interval, self._under._fact(terms))

    def _terms(self, terms: Terms, depth: int) -> Interval:
        if not terms:
            return 0, 0
        primitive, factor = _primitive(terms)
        key = (primitive, depth)
        if key not in self._memo:
            self._memo[key] = self._bound(primitive, depth)
        return _times(self._memo[key], factor)

    def _bound(self, terms: Terms, depth: int) -> Interval:
        """Of primitive terms."""
        interval = 0, 0
        for scalar, factor in terms:
            interval = _widen(interval, self._known(scalar), factor)
        interval = _meet(interval, self._fact(terms))
        if self.rising is not None:
            interval = _meet(interval, self.rising.of(terms, self._known))
        if depth > _SHALLOW:
            interval = _meet(interval, self._by_facts(terms))
        return _meet(interval, self._followed(terms, depth)) if depth else interval

    def _by_facts(self, terms: Terms) -> Interval:
        """Bounds by what is known of a part of the sum (times a number) and of the rest."""
        interval = -FAR, FAR
        factors = dict(terms)
        for part, known in self._few_facts():
            for scalar, of_part in part:
                factor = factors.get(scalar, 0)
                if factor and factor % of_part == 0:
                    times = factor // of_part
                    rest = Form(0, terms).plus(Form(0, part), -times)
                    interval = _meet(interval, _widen(self._terms(rest.terms, _SHALLOW), known, times))
        return interval

    def _few_facts(self) -> list[tuple[Terms, Interval]]:
        """Facts about sums, where they are few."""
        facts = [] if self._under is None else self._under._few_facts()
        if len(self._facts) <= _FEW:
            facts += [(terms, interval) for terms, interval in self._facts.items() if len(terms) > 1]
        return facts

    def _followed(self, terms: Terms, depth: int) -> Interval:
        """Bounds by replacing the last operation among the terms by its operands."""
        for scalar, factor in reversed(terms):
            operation = self.symbols.operation(scalar)
            if operation is None:
                continue
            op, lhs, rhs = operation
            rest = Form(0, tuple(term for term in terms if term[0] != scalar))
            if op in (MIN, MAX):
                (low_a, high_a), (low_b, high_b) = (
                    self._form(rest.plus(operand, factor), depth - 1) for operand in (lhs, rhs)
                )
                if (op == MIN) == (factor > 0):  # the smaller of the two sums
                    return min(low_a, low_b), min(high_a, high_b)
                return max(low_a, low_b), max(high_a, high_b)
            if op == FLOORDIV and not rhs.terms and rhs.const > 0:
                return self._quotient(rest, factor, lhs, rhs.const, depth)
        return -FAR, FAR

    def _quotient(self, rest: Form, factor: int, dividend: Form, divisor: int, depth: int) -> Interval:
        """Bounds of `rest + factor × (dividend // divisor)`, all of it times as much as makes it whole."""
        times = divisor // gcd(factor, divisor)
        whole = factor * times // divisor
        low, high = self._form(Form(0).plus(rest, times).plus(dividend, whole), depth - 1)
        missing = abs(whole) * (divisor - 1)
        return _divide((low - missing, high) if whole > 0 else (low, high + missing), times)

    def _form(self, form: Form, depth: int) -> Interval:
        low, high = self._terms(form.terms, depth)
        return low + form.const, high + form.const

    def _operated(self, op: int, lhs: Form, rhs: Form) -> Interval:
        """The interval of a derived scalar."""
        a, b = (self._form(operand, _SHALLOW) for operand in (lhs, rhs))
        if op == MIN:
            return min(a[0], b[0]), min(a[1], b[1])
        if op == MAX:
            return max(a[0], b[0]), max(a[1], b[1])
        if op == MUL:
            ends = [x * y for x in a for y in b]
            return min(ends), max(ends)
        if b[0] <= 0:
            return INT64
        if op == MOD:
            return 0, b[1] - 1
        ends = [x // y for x in a for y in b]
        return min(ends), max(ends)


class Rising:
    """Scalars in rows, between neighbours of which the difference is bounded (say, by 0 from below)."""

    def __init__(self, rows: Sequence[Sequence[int]], bounds: Bounds) -> None:
        self._rows: list[list[int]] = []
        self._place: dict[int, tuple[int, int]] = {}
        self._reach: list[tuple[list[int], list[int]]] = []
        for row in rows:
            steps = [bounds.of(Form(0, collect(((b, 1), (a, -1))))) for a, b in pairwise(row)]
            cuts = [at + 1 for at, (low, _) in enumerate(steps) if low < -_STEP]
            for begin, end in pairwise([0, *cuts, len(row)]):
                self._add(row[begin:end], steps[begin : end - 1])

    def _add(self, row: Sequence[int], steps: Sequence[Interval]) -> None:
        low, high = (list(accumulate((step[k] for step in steps), initial=0)) for k in (0, 1))
        self._place |= {scalar: (len(self._rows), at) for at, scalar in enumerate(row)}
        self._reach.append((low, high))
        self._rows.append(list(row))

    def place(self, scalar: int) -> tuple[int, int] | None:
        """The row that a scalar is in, and where."""
        return self._place.get(scalar)

    def at(self, row: int, position: int) -> int | None:
        """The scalar there, if the row has so many."""
        return self._rows[row][position] if position < len(self._rows[row]) else None

    def least(self, row: int, position: int) -> int:
        """How far the scalar there is from the first at least; from there on if the row is not as long."""
        low = self._reach[row][0]
        return low[min(position, len(low) - 1)]

    def of(self, terms: Terms, known: Callable[[int], Interval]) -> Interval:
        """Bounds of a sum: a row's first scalar stands for the others, and the way from it is added."""
        low = high = 0
        rows: dict[int, list[tuple[int, int, int]]] = {}
        for scalar, factor in terms:
            if scalar in self._place:
                row, at = self._place[scalar]
                rows.setdefault(row, []).append((at, scalar, factor))
            else:
                low, high = _widen((low, high), known(scalar), factor)
        if all(len(members) == 1 for members in rows.values()):
            return -FAR, FAR
        for row, members in rows.items():
            members.sort()
            reach = self._reach[row]
            left = sum(factor for *_, factor in members)
            low, high = _widen((low, high), known(members[0][1]), left)
            for (a, _, factor), (b, *_) in pairwise(members):
                left -= factor
                way = reach[0][b] - reach[0][a], reach[1][b] - reach[1][a]
                low, high = _widen((low, high), way, left)
        return low, high


def _widen(interval: Interval, by: Interval, factor: int) -> Interval:
    """The sum of an interval and so many times another one."""
    low, high = _times(by, factor)
    return interval[0] + low, interval[1] + high


def _times(interval: Interval, factor: int) -> Interval:
    """So many times an interval. One without numbers, its low end above the high one, stays one."""
    low, high = interval if factor > 0 else interval[::-1]
    return low * factor, high * factor


def _meet(a: Interval, b: Interval) -> Interval:
    return max(a[0], b[0]), min(a[1], b[1])


def _divide(ends: Interval, factor: int) -> Interval:
    """The integers x with ends[0] ≤ factor × x ≤ ends[1]."""
    if factor < 0:
        ends, factor = (-ends[1], -ends[0]), -factor
    return -(-ends[0] // factor), ends[1] // factor


def _primitive(terms: Terms) -> tuple[Terms, int]:
    """(t, n) with terms = n × t, the coefficients of t without common divisor and the first above zero."""
    factor = gcd(*(c for _, c in terms))
    if terms[0][1] < 0:
        factor = -factor
    return (terms, 1) if factor == 1 else (tuple((s, c // factor) for s, c in terms), factor)
