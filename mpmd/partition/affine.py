"""Integer expressions over all instances of a call: a constant column plus scalars known later.

In:  an `Index` over loop symbols and runtime scalars, and what the loop symbols are.
Out: an `Affine`; non-affine parts in runtime scalars become `Derived` scalars, shared by all.
Not here: what values the scalars may take (`guards.py`), the loops' columns (`expand.py`), the
registers of a site (`late.py`).

Two kinds of scalars have numbers. Launch scalars, from 0: the program's own, then those derived from
them. Late scalars, from `LATE`: known only when a task starts, because they depend on the iteration of
a loop or on data. Equal late values have equal numbers, in the whole program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import gcd
from typing import Union

import numpy as np
import numpy.typing as npt

from mpmd.errors import Span
from mpmd.lang.index import INT_MAX, Atom, Index, Interval, Opaque, Sym, symbol
from mpmd.lang.program import Scalar
from mpmd.partition.graph import Derived, IntColumn, Linear

Column = Union[int, npt.NDArray[np.int64]]
"""One integer per instance; an `int` where all instances have the same."""

Terms = tuple[tuple[int, int], ...]
"""(scalar, coefficient), sorted by scalar, no zero coefficient."""

LATE = 1 << 40
"""The number of the first late scalar."""


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """`const + Σ coefficient × scalar`; the terms are the same for all instances of a call."""

    const: Column
    terms: Terms = ()

    def __add__(self, other: Affine) -> Affine:
        return Affine(self.const + other.const, add_terms(self.terms, other.terms))

    def __sub__(self, other: Affine) -> Affine:
        return self + other * -1

    def __mul__(self, factor: int) -> Affine:
        if factor == 1:
            return self
        if not factor:
            return Affine(0)
        terms = tuple((s, c * factor) for s, c in self.terms) if self.terms else ()
        return Affine(self.const * factor, terms)

    def shifted(self, by: Column) -> Affine:
        return Affine(self.const + by, self.terms)

    def __getitem__(self, rows: npt.NDArray[np.bool_]) -> Affine:
        return Affine(self.const if isinstance(self.const, int) else self.const[rows], self.terms)

    @property
    def is_late(self) -> bool:
        return is_late(self.terms)

    @property
    def linear(self) -> Linear:
        """The value where it is one for all instances."""
        const = same_everywhere(self.const)
        assert const is not None, "loops whose variables meet runtime values in one operation are unrolled"
        return Linear(const, self.terms)


Scope = Mapping[str, Affine]
"""What the loop symbols are; other symbols are runtime scalars."""


def add_terms(a: Terms, b: Terms) -> Terms:
    """The sum of two linear parts."""
    if not a or not b:
        return a or b
    sums = dict(a)
    for scalar, coefficient in b:
        sums[scalar] = sums.get(scalar, 0) + coefficient
    return tuple(sorted((s, c) for s, c in sums.items() if c))


def reduced(terms: Terms) -> tuple[Terms, int]:
    """A linear part without common factor, its first coefficient positive; and the factor."""
    factor = gcd(*(c for _, c in terms)) * (1 if terms[0][1] > 0 else -1)
    return terms if factor == 1 else tuple((s, c // factor) for s, c in terms), factor


def divided(bound: Interval, factor: int) -> Interval:
    """The bounds of `x` where those of `factor · x` are given."""
    least, most = bound.lo, bound.hi
    if factor < 0:
        least, most, factor = -most, -least, -factor
    low = -(-least // factor) if least > -INT_MAX else -INT_MAX
    return Interval(low, most // factor if most < INT_MAX else INT_MAX)


def multiplied(bound: Interval, factor: int) -> Interval:
    """The bounds of `factor · x` where those of `x` are given."""
    ends = [end if abs(end) >= INT_MAX else end * abs(factor) for end in (bound.lo, bound.hi)]
    return Interval(*ends) if factor > 0 else Interval(-ends[1], -ends[0])


def is_late(terms: Terms) -> bool:
    """Whether a linear part is known only when a task starts."""
    return bool(terms) and terms[-1][0] >= LATE


def lowest(column: Column) -> int:
    return column if isinstance(column, int) else int(column.min())


def highest(column: Column) -> int:
    return column if isinstance(column, int) else int(column.max())


def same_everywhere(column: Column) -> int | None:
    """The one value of a column, or None where it varies."""
    if isinstance(column, int):
        return column
    first = int(column[0])
    return first if (column == first).all() else None


def side_by_side(columns: Sequence[Column], rows: int) -> IntColumn:
    """A matrix of so many rows from its columns."""
    matrix = np.empty((rows, len(columns)), np.int64)
    if all(isinstance(c, int) for c in columns):
        matrix[:] = columns
        return matrix
    for number, values in enumerate(columns):
        matrix[:, number] = values
    return matrix


@dataclass(frozen=True, slots=True)
class Iteration:
    """A late scalar: the iteration of a repeated loop, 0 ≤ iteration < count (in launch scalars)."""

    loop: str
    count: Linear


@dataclass(frozen=True, slots=True)
class Datum:
    """A late scalar: an integer of a tensor (a root), `offset` bytes in.

    Where `version` is equal too, no task writes to the tensor between two reads.
    """

    tensor: int
    offset: Linear
    itemsize: int
    version: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A late scalar of which only bounds are known; it stands in proofs and never in a row."""

    name: str
    lo: int
    hi: int


LateValue = Union[Iteration, Datum, Derived, Unknown]


@dataclass(frozen=True, slots=True)
class Rise:
    """`lower ≤ upper ≤ lower + most` for two scalars, each with a constant added."""

    lower: int
    lower_const: int
    upper: int
    upper_const: int
    most: int


@dataclass(slots=True)
class LaunchScalars:
    """The scalars of a program as they are found: launch scalars, late ones, and how they are ordered.

    `late[k]` has the number `LATE + k`. `rises` has at most one entry per lower and per upper scalar.
    """

    scalars: tuple[Scalar, ...]
    derived: list[Derived] = field(default_factory=list)
    late: list[LateValue] = field(default_factory=list)
    divisors: list[tuple[Linear, Span, str]] = field(default_factory=list)  # must be positive at a launch
    rises: dict[int, Rise] = field(default_factory=dict)  # by lower
    _ids: dict[str, int] = field(init=False)
    _known: dict[LateValue, int] = field(default_factory=dict)
    _texts: dict[Derived, tuple[Span, str]] = field(default_factory=dict)  # of late divisors
    _raised: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._ids = {s.name: i for i, s in enumerate(self.scalars)}

    def __len__(self) -> int:
        return len(self.scalars) + len(self.derived)

    def branch(self) -> LaunchScalars:
        """The same scalars so far; what the branch finds from here on (for a proof) stays out of this one."""
        branch = LaunchScalars(self.scalars, [*self.derived], [*self.late], [*self.divisors], {**self.rises})
        branch._known, branch._texts, branch._raised = {**self._known}, {**self._texts}, {*self._raised}
        return branch

    def id_of(self, name: str) -> int:
        return self._ids[name]

    def split(self, index: Index, scope: Scope, span: Span) -> Affine:
        """`index` as a constant per instance and a linear part in scalars."""
        total = Affine(index.const)
        for atom, coefficient in index.terms:
            total = total + self._atom(atom, scope, span) * coefficient
        return total

    def late_scalar(self, value: LateValue) -> Affine:
        """A late value as an expression."""
        if value not in self._known:
            self._known[value] = LATE + len(self.late)
            self.late.append(value)
        return Affine(0, ((self._known[value], 1),))

    def unknown(self, name: str, lo: int, hi: int) -> Affine:
        """A number of which nothing is known but its bounds: one for each name."""
        return self.late_scalar(Unknown(name, lo, hi))

    def late_value(self, scalar: int) -> LateValue:
        return self.late[scalar - LATE]

    def derivation(self, scalar: int) -> Derived | None:
        """How a scalar is computed from others, if it is."""
        if scalar >= LATE:
            value = self.late[scalar - LATE]
            return value if isinstance(value, Derived) else None
        return self.derived[scalar - len(self.scalars)] if scalar >= len(self.scalars) else None

    def divisor_text(self, derived: Derived) -> tuple[Span, str]:
        """Where a late quotient stands, and what to call its divisor."""
        return self._texts[derived]

    def rise(self, lower: Affine, upper: Affine, most: int) -> None:
        """From here on: `lower ≤ upper ≤ lower + most` wherever both are used."""
        if not (_is_scalar(lower) and _is_scalar(upper)):
            return
        (low, _), (high, _) = lower.terms[0], upper.terms[0]
        if low != high and low not in self.rises and high not in self._raised:
            self.rises[low] = Rise(low, lower.linear.const, high, upper.linear.const, most)
            self._raised.add(high)

    def _atom(self, atom: Atom, scope: Scope, span: Span) -> Affine:
        if isinstance(atom, Sym):
            if atom.name in scope:
                return scope[atom.name]
            return Affine(0, ((self._ids[atom.name], 1),))
        lhs, rhs = self.split(atom.lhs, scope, span), self.split(atom.rhs, scope, span)
        if not lhs.terms and not rhs.terms:
            return Affine(_applied(atom.op, lhs.const, rhs.const))
        if atom.op == "mul":
            for a, b in ((lhs, rhs), (rhs, lhs)):
                factor = None if a.terms else same_everywhere(a.const)
                if factor is not None:
                    return b * factor
        if atom.op in ("floordiv", "mod") and isinstance(rhs.const, int) and not rhs.terms and rhs.const > 0:
            return self._divide(atom.op, lhs, rhs.const)
        return self._derive(Derived(atom.op, lhs.linear, rhs.linear), span, f"the divisor of {atom}")

    def _divide(self, op: str, value: Affine, divisor: int) -> Affine:
        """A quotient or remainder by a constant; what the divisor divides stays out of it."""
        whole = tuple((s, c // divisor) for s, c in value.terms if c % divisor == 0)
        rest = tuple((s, c) for s, c in value.terms if c % divisor)
        if rest:
            divided = Linear(Affine(value.const).linear.const, rest)
            part = self._derived(Derived(op, divided, Linear(divisor)))
        else:
            part = Affine(_applied(op, value.const, divisor))
        return part + Affine(0, whole) if op == "floordiv" else part

    def _derive(self, derived: Derived, span: Span, divisor: str) -> Affine:
        if derived.op in ("floordiv", "mod"):
            if is_late(derived.lhs.terms) or is_late(derived.rhs.terms):
                self._texts.setdefault(derived, (span, divisor))
            else:
                self.divisors.append((derived.rhs, span, divisor))
        return self._derived(derived)

    def _derived(self, derived: Derived) -> Affine:
        if is_late(derived.lhs.terms) or is_late(derived.rhs.terms):
            return self.late_scalar(derived)
        if derived not in self._known:
            self._known[derived] = len(self)
            self.derived.append(derived)
        return Affine(0, ((self._known[derived], 1),))


def _is_scalar(value: Affine) -> bool:
    return len(value.terms) == 1 and value.terms[0][1] == 1 and same_everywhere(value.const) is not None


def _applied(op: str, a: Column, b: Column) -> Column:
    result = Index(0, ((Opaque(op, symbol("a"), symbol("b")), 1),)).evaluate({"a": a, "b": b})
    return result if np.ndim(result) else int(result)
