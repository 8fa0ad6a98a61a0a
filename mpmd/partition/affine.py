"""Integer expressions over all instances of a call: a constant column plus launch scalars.

In:  an `Index` over loop symbols and runtime scalars, and the columns of the loop symbols.
Out: an `Affine`; non-affine parts in runtime scalars become `Derived` launch scalars, shared by all.
Not here: what values the scalars may take (`guards.py`), the loops' columns (`expand.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Union

import numpy as np
import numpy.typing as npt

from mpmd.errors import LanguageError, Span
from mpmd.lang.index import Atom, Index, Opaque, Sym
from mpmd.lang.program import Scalar
from mpmd.partition.graph import Derived, IntColumn, Linear

Column = Union[int, npt.NDArray[np.int64]]
"""One integer per instance; an `int` where all instances have the same."""

Terms = tuple[tuple[int, int], ...]
"""(launch scalar, coefficient), sorted by scalar, no zero coefficient."""


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """`const + Σ coefficient × launch scalar`; the terms are the same for all instances of a call."""

    const: Column
    terms: Terms = ()

    def __add__(self, other: Affine) -> Affine:
        return Affine(self.const + other.const, add_terms(self.terms, other.terms))

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


def add_terms(a: Terms, b: Terms) -> Terms:
    """The sum of two linear parts."""
    if not a or not b:
        return a or b
    sums = dict(a)
    for scalar, coefficient in b:
        sums[scalar] = sums.get(scalar, 0) + coefficient
    return tuple(sorted((s, c) for s, c in sums.items() if c))


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


@dataclass(slots=True)
class LaunchScalars:
    """The launch scalars of a program as they are found: its own first, then the derived ones."""

    scalars: tuple[Scalar, ...]
    derived: list[Derived] = field(default_factory=list)
    divisors: list[tuple[Linear, Span, str]] = field(default_factory=list)  # must be positive at a launch
    _ids: dict[str, int] = field(init=False)
    _known: dict[Derived, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ids = {s.name: i for i, s in enumerate(self.scalars)}

    def __len__(self) -> int:
        return len(self.scalars) + len(self.derived)

    def id_of(self, name: str) -> int:
        return self._ids[name]

    def split(self, index: Index, columns: Mapping[str, Column], span: Span) -> Affine:
        """`index` as a constant per instance and a linear part in launch scalars.

        A linear part that would differ between instances is a LanguageError at `span`.
        """
        total = Affine(index.const)
        for atom, coefficient in index.terms:
            total = total + self._atom(atom, columns, span) * coefficient
        return total

    def _atom(self, atom: Atom, columns: Mapping[str, Column], span: Span) -> Affine:
        if isinstance(atom, Sym):
            if atom.name in columns:
                return Affine(columns[atom.name])
            return Affine(0, ((self._ids[atom.name], 1),))
        if not atom.lhs.symbols().union(atom.rhs.symbols()).isdisjoint(self._ids):
            return self._runtime(atom, columns, span)
        return Affine(Index(0, ((atom, 1),)).evaluate(columns))

    def _runtime(self, atom: Opaque, columns: Mapping[str, Column], span: Span) -> Affine:
        lhs, rhs = self.split(atom.lhs, columns, span), self.split(atom.rhs, columns, span)
        a, b = same_everywhere(lhs.const), same_everywhere(rhs.const)
        if atom.op == "mul":
            if not lhs.terms and a is not None:
                return rhs * a
            if not rhs.terms and b is not None:
                return lhs * b
        if a is None or b is None:
            raise LanguageError(
                f"{atom} combines a loop variable and a runtime scalar other than by + and -",
                span=span,
                label="one piece of code serves all iterations of this call",
                hints=(
                    "add or subtract the scalar; or pass both values to the task as scalar parameters "
                    "and combine them there",
                ),
            )
        divisor = Linear(b, rhs.terms)
        if atom.op in ("floordiv", "mod") and divisor.terms:
            self.divisors.append((divisor, span, f"the divisor of {atom}"))
        return Affine(0, ((self._derive(Derived(atom.op, Linear(a, lhs.terms), divisor)), 1),))

    def _derive(self, derived: Derived) -> int:
        if derived not in self._known:
            self._known[derived] = len(self)
            self.derived.append(derived)
        return self._known[derived]
