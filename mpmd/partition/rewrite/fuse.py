"""Fusing: the call that makes a tile and the first one that uses it become one call.

In:  a `Program` and the tensor that one call hands to the next.
Out: a `Program` that means the same, in which the two are one; or why that is not right.
Not here: making one task of two (`compose.py`); a producer that many need (`recompute.py`).

The two stand in one body, or in loops side by side over the same pieces. Such loops become one if no piece
of the second meets another piece of the first (Kennedy and McKinley 1993: no dependence may come to
point backwards); what stands between them is passed by only where it has nothing to do with them.
Nobody else is changed: a tensor that others read stays stored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

from mpmd.errors import Span
from mpmd.lang.index import symbol
from mpmd.lang.program import Call, Node, Program, Split, TensorId, TileLoop
from mpmd.lang.substitute import substituted
from mpmd.partition.rewrite.compose import composed
from mpmd.partition.rewrite.effects import effects, has_channels, independent, pieces_apart
from mpmd.partition.rewrite.places import Place, Site, body_at, common, with_body, with_size
from mpmd.partition.rewrite.reason import Refused
from mpmd.partition.rewrite.uses import Uses, use_of


def fused(program: Program, tensor: TensorId) -> Program | Refused:
    """The program in which the first call that writes `tensor` and the next that uses it are one."""
    uses = use_of(program, tensor)
    pair = next_user(uses)
    if pair is None:
        return Refused(f"no call uses '{program.tensors[tensor].name}' after another", program.span)
    first, second = pair
    depth = common(first.place, second.place)
    around = first.place[:depth]
    private = frozenset({tensor}) if _is_private(program, tensor, uses) else frozenset[int]()
    fusing = _Fusing(program, private, second.call.span)
    body = fusing.together(body_at(program.body, around), first.place[depth:], second.place[depth:])
    return body if isinstance(body, Refused) else replace(program, body=with_body(program.body, around, body))


def next_user(uses: Uses) -> tuple[Site, Site] | None:
    """The first writer and the first call after it that reads or writes as well."""
    if not uses.writers:
        return None
    first = uses.writers[0]
    later = [site for site in (*uses.writers, *uses.readers) if site.place > first.place]
    return (first, min(later, key=lambda site: site.place)) if later else None


def _is_private(program: Program, tensor: TensorId, uses: Uses) -> bool:
    """Whether what one call writes is read by one other, and by nobody else."""
    local = not program.tensors[tensor].is_argument
    return local and uses.plain and len(uses.writers) == 1 and len(uses.readers) == 1


@dataclass(frozen=True, slots=True)
class _Fusing:
    program: Program
    private: frozenset[int]
    span: Span

    def together(self, body: tuple[Node, ...], first: Place, second: Place) -> tuple[Node, ...] | Refused:
        """The body in which the calls at the two places are one."""
        i, j = first[0], second[0]
        a, b, between = body[i], body[j], body[i + 1 : j]
        one = self._one(a, first[1:], b, second[1:])
        if isinstance(one, Refused):
            return one
        if independent(between, (b,), self.program):
            return (*body[:i], one, *between, *body[j + 1 :])
        if independent((a,), between, self.program):
            return (*body[:i], *between, one, *body[j + 1 :])
        return Refused("what stands between the two depends on the one and is needed by the other", self.span)

    def _one(self, a: Node, first: Place, b: Node, second: Place) -> Node | Refused:
        if isinstance(a, Call) and isinstance(b, Call):
            return composed(a, b, self.program, private=self.private)
        if isinstance(a, (TileLoop, Split)) and isinstance(b, (TileLoop, Split)):
            return self._one_loop(a, first, b, second)
        return Refused("they do not stand in the same loops", self.span)

    def _one_loop(
        self, a: TileLoop | Split, first: Place, b: TileLoop | Split, second: Place
    ) -> Node | Refused:
        if (reason := _other_pieces(a, b)) is not None:
            return reason
        if isinstance(a, TileLoop) and isinstance(b, TileLoop):
            a, b = with_size(a, b.size), with_size(b, a.size)
        parts = ("start", "size", "index")
        later = substituted(b.body, {f"{b.name}.{part}": symbol(f"{a.name}.{part}") for part in parts})
        if has_channels(a.body) or has_channels(later):
            return Refused("tasks that are joined by channels keep their order", self.span)
        for x, y in product(tuple(effects(a.body, self.program)), tuple(effects(later, self.program))):
            if x.shares(y) and not pieces_apart(a, x.view, y.view):
                name = self.program.tensors[y.view.tensor].name
                return Refused(
                    f"a piece of '{b.name}' needs other pieces of '{name}' than its own", self.span
                )
        inner = self.together((*a.body, *later), first, (len(a.body) + second[0], *second[1:]))
        return inner if isinstance(inner, Refused) else replace(a, body=inner)


def _other_pieces(a: TileLoop | Split, b: TileLoop | Split) -> Refused | None:
    """Why the two loops do not have the same pieces. One whose size is open takes that of the other."""
    if (a.extent, a.most) != (b.extent, b.most):
        return Refused(f"'{a.name}' and '{b.name}' go over different extents", b.span)
    if a.drain or b.drain:
        return Refused("the pieces of a drain are taken by ticket", b.span)
    if isinstance(a, Split) and isinstance(b, Split) and a.parts == b.parts:
        return None
    if isinstance(a, TileLoop) and isinstance(b, TileLoop) and (a.size == b.size or None in (a.size, b.size)):
        return None
    return Refused(f"'{a.name}' and '{b.name}' have pieces of different sizes", b.span)
