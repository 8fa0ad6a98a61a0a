"""Which extents of two tasks are one, where both are given the same region.

In:  the shapes of parameters that take the same view. Out: a `Match`, what each dim is called afterwards.
Not here: names of parameters, values and loops (`compose.py`).

This is unification of the shapes, axis by axis (Robinson 1965), over dims alone: a dim becomes the extent
that stands across from it. What is neither a dim nor equal has no answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mpmd.lang.index import Index, Sym

Shape = Sequence[Index]


@dataclass(frozen=True, slots=True)
class Match:
    """What some dims of the two tasks stand for, in terms of the others. No dim has the name of another."""

    known: Mapping[str, Index] = field(default_factory=dict)

    def of(self, extent: Index) -> Index:
        """The extent with all known dims replaced."""
        return extent.substitute(self.known)

    def with_shapes(self, first: Shape, second: Shape) -> Match | None:
        """The match under which the two shapes are equal too; None where there is none."""
        match: Match | None = self
        for a, b in zip(first, second, strict=True):
            match = match._with(a, b) if match is not None else None
        return match

    def _with(self, first: Index, second: Index) -> Match | None:
        a, b = self.of(first), self.of(second)
        if a == b:
            return self
        for dim, extent in ((_dim(b), a), (_dim(a), b)):
            if dim is not None and dim not in extent.symbols():
                known = {name: value.substitute({dim: extent}) for name, value in self.known.items()}
                return Match({**known, dim: extent})
        return None


def _dim(extent: Index) -> str | None:
    """The name of an extent that is one dim alone."""
    if extent.const == 0 and len(extent.terms) == 1:
        atom, coefficient = extent.terms[0]
        if coefficient == 1 and isinstance(atom, Sym):
            return atom.name
    return None
