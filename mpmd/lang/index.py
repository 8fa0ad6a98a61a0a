"""Integer index expressions: extents, offsets and bounds, in one canonical form.

In:  integers and symbols (named dims, runtime scalars, loop variables, loaded integers).
Out: an `Index`, equal to another exactly when their canonical forms are; it can be evaluated over
     integers or NumPy columns, substituted into, and bounded by intervals.
Not here: what a symbol stands for (the trace and the task parser own that).

An `Index` is `const + Σ coefficient × atom`. An atom is a symbol or a non-affine operation on
indices (`floordiv`, `mod`, `min`, `max`, `mul`), kept whole so that equal expressions stay equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Union

import numpy as np

INT_MAX = 2**62
"""Stands for "no bound known" in an `Interval`."""


@dataclass(frozen=True, slots=True)
class Sym:
    """A named integer: a dim `T`, a scalar `pos`, a tile's `f.start`/`f.size`/`f.index`, a value `%3`."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Opaque:
    """A non-affine operation kept as one atom. `op` is floordiv, mod, min, max or mul."""

    op: str
    lhs: Index
    rhs: Index

    def __str__(self) -> str:
        if self.op in ("min", "max"):
            return f"{self.op}({self.lhs}, {self.rhs})"
        sign = {"floordiv": "//", "mod": "%", "mul": "*"}[self.op]
        return f"({_operand(self.lhs)} {sign} {_operand(self.rhs)})"


Atom = Union[Sym, Opaque]
IndexLike = Union["Index", int]


@dataclass(frozen=True, slots=True)
class Interval:
    """Inclusive bounds; ±INT_MAX where nothing is known."""

    lo: int
    hi: int

    @property
    def exact(self) -> bool:
        return self.lo == self.hi


UNBOUNDED = Interval(-INT_MAX, INT_MAX)


@dataclass(frozen=True, slots=True)
class Index:
    """`const + Σ coefficient × atom`, terms sorted by the atom's text, no zero coefficient."""

    const: int
    terms: tuple[tuple[Atom, int], ...] = ()

    # -- construction and arithmetic -------------------------------------------------------

    @property
    def is_const(self) -> bool:
        return not self.terms

    def __add__(self, other: IndexLike) -> Index:
        other = as_index(other)
        const = self.const + other.const
        if self.terms and other.terms:
            return _collect(const, [*self.terms, *other.terms])
        return Index(const, self.terms or other.terms)

    __radd__ = __add__

    def __neg__(self) -> Index:
        return Index(-self.const, tuple((a, -c) for a, c in self.terms) if self.terms else ())

    def __sub__(self, other: IndexLike) -> Index:
        other = as_index(other)
        if not other.terms:
            return Index(self.const - other.const, self.terms)
        return self + -other

    def __rsub__(self, other: IndexLike) -> Index:
        return as_index(other) - self

    def __mul__(self, other: IndexLike) -> Index:
        other = as_index(other)
        if not other.terms:
            factor = other.const
            if factor == 1:
                return self
            return Index(self.const * factor, tuple((a, c * factor) for a, c in self.terms) if factor else ())
        if not self.terms:
            return other * self.const
        lhs, rhs = sorted((self, other), key=str)
        return _atom(Opaque("mul", lhs, rhs))

    __rmul__ = __mul__

    def __floordiv__(self, other: IndexLike) -> Index:
        other = as_index(other)
        if other.is_const and other.const > 0:
            whole, rest = _split(self, other.const)
            return whole if rest.is_const else whole + _atom(Opaque("floordiv", rest, other))
        if self.is_const and other.is_const and other.const:
            return Index(self.const // other.const)
        return _atom(Opaque("floordiv", self, other))

    def __rfloordiv__(self, other: IndexLike) -> Index:
        return as_index(other) // self

    def __mod__(self, other: IndexLike) -> Index:
        other = as_index(other)
        if other.is_const and other.const > 0:
            _, rest = _split(self, other.const)
            return rest if rest.is_const else _atom(Opaque("mod", rest, other))
        if self.is_const and other.is_const and other.const:
            return Index(self.const % other.const)
        return _atom(Opaque("mod", self, other))

    def __rmod__(self, other: IndexLike) -> Index:
        return as_index(other) % self

    def __str__(self) -> str:
        parts = [f"{'' if c == 1 else '-' if c == -1 else f'{c}*'}{a}" for a, c in self.terms]
        if self.const or not parts:
            parts.append(str(self.const))
        return " + ".join(parts).replace("+ -", "- ")

    # -- questions -------------------------------------------------------------------------

    def symbols(self) -> frozenset[str]:
        """The names of all symbols inside, opaque atoms included."""
        names: set[str] = set()
        for atom, _ in self.terms:
            if isinstance(atom, Sym):
                names.add(atom.name)
            else:
                names |= atom.lhs.symbols() | atom.rhs.symbols()
        return frozenset(names)

    def substitute(self, values: Mapping[str, IndexLike]) -> Index:
        """Every symbol named in `values` replaced; others stay."""
        if not self.terms:
            return self
        total = Index(self.const)
        for atom, coefficient in self.terms:
            total = total + _substitute_atom(atom, values) * coefficient
        return total

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """The value where each symbol is an int or a NumPy integer column (then so is the result).

        Raises KeyError for a symbol that `values` lacks.
        """
        total: Any = self.const
        for atom, coefficient in self.terms:
            total = total + coefficient * _evaluate_atom(atom, values)
        return total

    def interval(self, bounds: Mapping[str, Interval]) -> Interval:
        """Inclusive bounds of the value, given those of its symbols (unknown where not given)."""
        lo = hi = self.const
        for atom, coefficient in self.terms:
            part = _atom_interval(atom, bounds)
            ends = _scale(part, coefficient)
            lo, hi = _clip(lo + ends.lo), _clip(hi + ends.hi)
        return Interval(lo, hi)


ZERO = Index(0)
ONE = Index(1)


def as_index(value: IndexLike) -> Index:
    """An int as a constant `Index`; an `Index` as itself."""
    return value if isinstance(value, Index) else Index(int(value))


def symbol(name: str) -> Index:
    """The `Index` that is one symbol."""
    return Index(0, ((Sym(name), 1),))


def minimum(a: IndexLike, b: IndexLike) -> Index:
    return _extremum("min", as_index(a), as_index(b))


def maximum(a: IndexLike, b: IndexLike) -> Index:
    return _extremum("max", as_index(a), as_index(b))


def ceildiv(a: IndexLike, b: IndexLike) -> Index:
    """`⌈a / b⌉`."""
    return as_index(a) if b == 1 else -((-as_index(a)) // b)


def _extremum(op: str, a: Index, b: Index) -> Index:
    difference = a - b
    if difference.is_const:
        first = difference.const <= 0 if op == "min" else difference.const >= 0
        return a if first else b
    lhs, rhs = sorted((a, b), key=str)
    return _atom(Opaque(op, lhs, rhs))


def _operand(index: Index) -> str:
    """The text of an operand of `//`, `%` or `*`: sums, multiples and negative numbers in parentheses."""
    plain = index.const == 0 and index.terms[0][1] == 1 if len(index.terms) == 1 else not index.terms
    return str(index) if plain and index.const >= 0 else f"({index})"


def _split(value: Index, divisor: int) -> tuple[Index, Index]:
    """`whole` and `rest`: value = whole × divisor + rest, with 0 ≤ rest < divisor where rest is constant."""
    whole = tuple((a, c // divisor) for a, c in value.terms if c % divisor == 0)
    rest = tuple((a, c) for a, c in value.terms if c % divisor)
    return Index(value.const // divisor, whole), Index(value.const % divisor, rest)


def _atom(atom: Atom) -> Index:
    return Index(0, ((atom, 1),))


def _collect(const: int, terms: list[tuple[Atom, int]]) -> Index:
    sums: dict[Atom, int] = {}
    for atom, coefficient in terms:
        sums[atom] = sums.get(atom, 0) + coefficient
    kept = [(a, c) for a, c in sums.items() if c]
    if len(kept) > 1:
        kept.sort(key=lambda term: str(term[0]))
    return Index(const, tuple(kept))


_APPLY: dict[str, Callable[[Index, Index], Index]] = {
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "min": minimum,
    "max": maximum,
    "mul": lambda a, b: a * b,
}

_EVALUATE: dict[str, Callable[[Any, Any], Any]] = {
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "min": np.minimum,
    "max": np.maximum,
    "mul": lambda a, b: a * b,
}


def _substitute_atom(atom: Atom, values: Mapping[str, IndexLike]) -> Index:
    if isinstance(atom, Sym):
        return as_index(values[atom.name]) if atom.name in values else _atom(atom)
    return _APPLY[atom.op](atom.lhs.substitute(values), atom.rhs.substitute(values))


def _evaluate_atom(atom: Atom, values: Mapping[str, Any]) -> Any:
    if isinstance(atom, Sym):
        return values[atom.name]
    return _EVALUATE[atom.op](atom.lhs.evaluate(values), atom.rhs.evaluate(values))


def _clip(value: int) -> int:
    return max(-INT_MAX, min(INT_MAX, value))


def _scale(part: Interval, coefficient: int) -> Interval:
    a, b = part.lo * coefficient, part.hi * coefficient
    return Interval(_clip(min(a, b)), _clip(max(a, b)))


def _atom_interval(atom: Atom, bounds: Mapping[str, Interval]) -> Interval:
    if isinstance(atom, Sym):
        return bounds.get(atom.name, UNBOUNDED)
    a, b = atom.lhs.interval(bounds), atom.rhs.interval(bounds)
    if atom.op == "min":
        return Interval(min(a.lo, b.lo), min(a.hi, b.hi))
    if atom.op == "max":
        return Interval(max(a.lo, b.lo), max(a.hi, b.hi))
    if atom.op == "mul":
        ends = [x * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
        return Interval(_clip(min(ends)), _clip(max(ends)))
    if b.lo <= 0:
        return UNBOUNDED
    if atom.op == "floordiv":
        ends = [x // y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
        return Interval(_clip(min(ends)), _clip(max(ends)))
    return Interval(0, b.hi - 1)
