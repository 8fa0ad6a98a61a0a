"""What is known of the symbols of a task body, and a small prover of inequalities over them.

In:  a `TaskDef`; extents that are fixed. Out: `Facts` at every statement, which answer "is this ≥ 0?".
Not here: what is to be proved (`task/check.py`, `task/coverage.py`).

A proof is a sum of known facts: the goal loses one atom after the other to facts that contain it with
the same sign, until a constant is left. A `no` only means that no short proof was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from mpmd.lang.index import Atom, Index, Opaque, Sym, symbol
from mpmd.lang.tile import Apply, Branch, Gather, Load, Loop, Receive, Stmt, TaskDef, TileType, ValueId, walk
from mpmd.lang.types import i64, u8

_DEPTH = 7
"""Atoms that a proof may remove; the laws here need three or four."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Each of `known` is ≥ 0."""

    known: tuple[Index, ...]

    def with_(self, *facts: Index) -> Facts:
        return Facts((*self.known, *(f for f in facts if not f.is_const)))

    def proves(self, goal: Index) -> bool:
        """Whether goal ≥ 0 was proved."""
        return _proves(goal, self.known, _DEPTH)

    def refutes(self, goal: Index) -> bool:
        """Whether goal < 0 was proved."""
        return self.proves(-1 - goal)


@lru_cache(maxsize=65536)
def _proves(goal: Index, known: tuple[Index, ...], depth: int) -> bool:
    if not goal.terms:
        return goal.const >= 0
    if depth == 0:
        return False
    for atom, coefficient in goal.terms:
        if isinstance(atom, Opaque) and atom.op in ("min", "max"):
            return _by_cases(goal, atom, coefficient, known, depth)
    atom, coefficient = max(goal.terms, key=lambda term: _rank(term[0], known))
    for fact in (*known, *_definition(atom, known, depth)):
        share = dict(fact.terms).get(atom, 0)
        if share * coefficient > 0 and _proves(_without(goal, coefficient, fact, share), known, depth - 1):
            return True
    return False


def _rank(atom: Atom, known: tuple[Index, ...]) -> int:
    """What to remove first: quotients, then the latest symbols, whose facts speak of the earlier ones."""
    if isinstance(atom, Opaque):
        return len(known)
    mentions = (at for at in reversed(range(len(known))) if atom in dict(known[at].terms))
    return next(mentions, -1)


def _without(goal: Index, coefficient: int, fact: Index, share: int) -> Index:
    """A goal without the atom that it has in common with the fact, from which the old one follows.

    goal × k − fact × c ≥ 1 − k gives goal × k > −k, so goal ≥ 0, as all of them are integers.
    """
    k = abs(share)
    return goal * k - fact * abs(coefficient) + (k - 1)


def _by_cases(goal: Index, atom: Opaque, coefficient: int, known: tuple[Index, ...], depth: int) -> bool:
    """min(a, b) is one of a and b, and at most each; max likewise."""
    rest = goal - Index(0, ((atom, coefficient),))
    cases = (_proves(rest + side * coefficient, known, depth - 1) for side in (atom.lhs, atom.rhs))
    return all(cases) if (atom.op == "min") == (coefficient > 0) else any(cases)


def _definition(atom: Atom, known: tuple[Index, ...], depth: int) -> tuple[Index, ...]:
    """What follows from the operation that an atom is."""
    if isinstance(atom, Sym):
        return ()
    value = Index(0, ((atom, 1),))
    a, b = atom.lhs, atom.rhs
    if atom.op == "mul":
        both = _proves(a, known, depth - 1) and _proves(b, known, depth - 1)
        return (value,) if both else ()
    if not _proves(b - 1, known, depth - 1):
        return ()
    if atom.op == "mod":
        return value, b - 1 - value
    return (a - value * b, value * b + b - 1 - a) if b.is_const else ()


# -- facts of a task --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Values:
    """The values of a body: how each is computed (where an op does), and its type."""

    applies: Mapping[ValueId, Apply]
    types: Mapping[ValueId, TileType]


def values_of(task: TaskDef) -> Values:
    applies: dict[ValueId, Apply] = {}
    types: dict[ValueId, TileType] = {}
    for stmt in walk(task.body):
        if isinstance(stmt, Apply):
            applies[stmt.out] = stmt
            types[stmt.out] = stmt.type
        elif isinstance(stmt, (Load, Gather, Receive)):
            types[stmt.out] = stmt.type
        elif isinstance(stmt, Loop):
            types.update({v: c.type for c in stmt.carried for v in (c.inside, c.out)})
        elif isinstance(stmt, Branch):
            types.update({result.out: result.type for result in stmt.results})
    return Values(applies, types)


def task_facts(task: TaskDef, fixed: Mapping[str, int]) -> Facts:
    """Extents are not negative; a dim of `fixed` has that extent."""
    known: dict[Index, None] = {}
    for param in task.shaped:
        for extent in param.shape:
            known[extent] = None
    for dim in sorted(fixed):
        known[symbol(dim) - fixed[dim]] = None
        known[fixed[dim] - symbol(dim)] = None
    return Facts(()).with_(*known)


def loop_facts(loop: Loop) -> tuple[Index, ...]:
    """What holds in every iteration that runs."""
    if loop.tile is None:
        variable = symbol(loop.name)
        return variable - loop.start, loop.stop - 1 - variable
    start, size, index = (symbol(f"{loop.name}.{part}") for part in ("start", "size", "index"))
    steps = start - index * loop.tile
    return start, index, size - 1, loop.tile - size, loop.stop - start - size, steps, -steps


def value_facts(stmt: Stmt, values: Values) -> tuple[Index, ...]:
    """What is known of a rank-0 integer as `%3`, from the op that gives it."""
    if not isinstance(stmt, (Apply, Load)) or stmt.type.rank or not stmt.type.dtype.is_integer:
        return ()
    value = symbol(f"%{stmt.out}")
    if isinstance(stmt, Apply) and stmt.op in ("argmax", "argmin"):
        extent = values.types[stmt.args[0]].shape[_axis(stmt)]
        return value, extent - 1 - value
    if isinstance(stmt, Apply) and (same := _as_index(stmt.out, values)) is not None:
        return value - same, same - value
    return (value, 255 - value) if stmt.type.dtype == u8 else ()


def condition_facts(condition: ValueId, holds: bool, values: Values) -> tuple[Index, ...]:
    """What a rank-0 bool says of integers where it is true (or false)."""
    stmt = values.applies.get(condition)
    if stmt is None:
        return ()
    if stmt.op == "not":
        return condition_facts(stmt.args[0], not holds, values)
    if stmt.op == ("and" if holds else "or"):
        return tuple(fact for arg in stmt.args for fact in condition_facts(arg, holds, values))
    if stmt.op not in _COMPARE:
        return ()
    a, b = (_integer(arg, values) for arg in stmt.args)
    if a is None or b is None:
        return ()
    op = stmt.op if holds else _OPPOSITE[stmt.op]
    return {
        "lt": (b - a - 1,),
        "le": (b - a,),
        "gt": (a - b - 1,),
        "ge": (a - b,),
        "eq": (a - b, b - a),
        "ne": (),
    }[op]


_OPPOSITE = {"lt": "ge", "le": "gt", "gt": "le", "ge": "lt", "eq": "ne", "ne": "eq"}
_COMPARE = frozenset(_OPPOSITE)


def _integer(value: ValueId, values: Values) -> Index | None:
    """An integer value as an index expression: what it was made of, or its own symbol."""
    type_ = values.types[value]
    if type_.rank or not type_.dtype.is_integer:
        return None
    known = _as_index(value, values)
    return symbol(f"%{value}") if known is None else known


def _as_index(value: ValueId, values: Values) -> Index | None:
    """The index expression that an `index`, a constant, or a widening cast of one stands for."""
    stmt = values.applies.get(value)
    if stmt is None:
        return None
    if stmt.op == "index":
        index = stmt.attr("value")
        return index if isinstance(index, Index) else None
    if stmt.op == "const":
        number = stmt.attr("value")
        return Index(number) if isinstance(number, int) else None
    if stmt.op == "cast" and stmt.type.dtype == i64 and values.types[stmt.args[0]].dtype.is_integer:
        return _integer(stmt.args[0], values)
    return None


def _axis(stmt: Apply) -> int:
    axis = stmt.attr("axis")
    return axis if isinstance(axis, int) else 0


def walk_with_facts(body: tuple[Stmt, ...], facts: Facts, values: Values) -> Iterator[tuple[Stmt, Facts]]:
    """Every statement that can run, with what is known where it runs."""
    for stmt in body:
        yield stmt, facts
        facts = facts.with_(*value_facts(stmt, values))
        for block, inside in inner_blocks(stmt, values):
            if not any(facts.refutes(fact) for fact in _entry(stmt, inside)):
                yield from walk_with_facts(block, facts.with_(*inside), values)


def inner_blocks(stmt: Stmt, values: Values) -> tuple[tuple[tuple[Stmt, ...], tuple[Index, ...]], ...]:
    """The blocks inside of a statement, each with what holds in it."""
    if isinstance(stmt, Loop):
        return ((stmt.body, loop_facts(stmt)),)
    if isinstance(stmt, Branch):
        return (
            (stmt.then, condition_facts(stmt.condition, True, values)),
            (stmt.otherwise, condition_facts(stmt.condition, False, values)),
        )
    return ()


def _entry(stmt: Stmt, inside: tuple[Index, ...]) -> tuple[Index, ...]:
    """Facts in outer symbols without which a block does not run."""
    return (stmt.stop - 1 - stmt.start,) if isinstance(stmt, Loop) else inside
