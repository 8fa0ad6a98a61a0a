"""A task with products and other work, as tasks that have one of the two.

In:  a `Call` whose task has both. Out: `Stage`s in order, each a body with what it takes from earlier
     ones and leaves for later ones.
Not here: tensors for what is handed over (`engines.py`); loops (`straight.py`).

Values get levels: even ones are of vector cores, odd ones of cube cores, and a value is of the lowest level
of its kind that comes after all that it is made of. What costs little is made where it is needed: numbers and
what is made of them alone, loads of what the task does not write, transposes.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field

from mpmd.errors import Span, UnsupportedOp
from mpmd.lang.index import ONE, ZERO, Index
from mpmd.lang.ops import OPS, OpKind
from mpmd.lang.tile import Apply, Axis, Gather, Load, Receive, Region, Send, Stmt, Store, TileType, ValueId
from mpmd.lang.types import f32

FREE = -1
"""The level of what every stage can make itself."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One level: `taken` values come from earlier stages, `left` ones go to later ones."""

    level: int
    body: tuple[Stmt, ...]
    taken: tuple[ValueId, ...]
    left: tuple[ValueId, ...]

    @property
    def is_cube(self) -> bool:
        return self.level % 2 == 1


def stages(body: Sequence[Stmt], written: frozenset[str], known: Mapping[str, Index]) -> tuple[Stage, ...]:
    """The levels of straight code. It stores to `written`; `known` says what its dims are."""
    levels = _Levels(tuple(body), written, known)
    for number, stmt in enumerate(body):
        levels.see(number, stmt)
    return tuple(levels.stage(level) for level in sorted(set(levels.of_stmts) - {FREE}))


def handed_over(value: ValueId) -> str:
    """The name of the parameter for a value that one stage leaves for others."""
    return f"t{value}"


def is_cube_product(stmt: Stmt, known: Mapping[str, Index]) -> bool:
    """Whether a statement is a product for cube cores: of floats, and not of a single row or column."""
    if not isinstance(stmt, Apply) or OPS[stmt.op].kind != OpKind.DOT or stmt.type.dtype != f32:
        return False
    return ONE not in [extent.substitute(known) for extent in stmt.type.shape]


def is_made_of_numbers(stmt: Apply, numbers: Container[ValueId]) -> bool:
    """Whether an operation is of numbers that the text has, and of what is made of them: `numbers`."""
    return OPS[stmt.op].kind != OpKind.DOT and all(arg in numbers for arg in stmt.args)


def whole(type_: TileType) -> Region:
    return tuple(Axis(ZERO, extent) for extent in type_.shape)


@dataclass
class _Levels:
    body: tuple[Stmt, ...]
    written: frozenset[str]
    known: Mapping[str, Index]
    of_stmts: list[int] = field(default_factory=list)
    of_values: dict[ValueId, int] = field(default_factory=dict)
    definition: dict[ValueId, Stmt] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)
    numbers: set[ValueId] = field(default_factory=set)

    def see(self, number: int, stmt: Stmt) -> None:
        """The level of the next statement."""
        level = self._level(stmt)
        self.of_stmts.append(level)
        if isinstance(stmt, (Apply, Load, Gather)):
            self.of_values[stmt.out] = level
            self.definition[stmt.out] = stmt
        if isinstance(stmt, Store):
            self.stored.add(stmt.param)

    def _level(self, stmt: Stmt) -> int:
        if isinstance(stmt, Load):
            if stmt.param in self.stored:
                raise _refused(f"'{stmt.param}' is read after it has been written", stmt.span)
            return 0 if stmt.param in self.written else FREE
        if isinstance(stmt, Store):
            level = max(0, self._source(stmt.value))
            return _even(level) if stmt.accumulate else level
        if isinstance(stmt, Apply):
            return self._of_apply(stmt)
        assert isinstance(stmt, (Gather, Send, Receive)), stmt
        raise _refused(f"it has a {type(stmt).__name__.lower()}", stmt.span)

    def _of_apply(self, stmt: Apply) -> int:
        latest = max((self._source(arg) for arg in stmt.args), default=FREE)
        if is_made_of_numbers(stmt, self.numbers):
            self.numbers.add(stmt.out)
            return FREE
        if stmt.op == "transpose":
            return FREE
        if is_cube_product(stmt, self.known):
            return max(1, latest + 1 + latest % 2 if latest >= 0 else 1)
        if latest >= 0 and latest % 2 and self._is_rounding(stmt):
            return latest
        return _even(max(0, latest))

    def _source(self, value: ValueId) -> int:
        """The level after which a value can be made: that of what a transpose is of."""
        stmt = self.definition[value]
        if isinstance(stmt, Apply) and stmt.op == "transpose":
            return self._source(stmt.args[0])
        return self.of_values[value]

    def _is_rounding(self, stmt: Apply) -> bool:
        """Whether products are rounded on their way out: nobody but stores takes the result."""
        uses = [other for other in self.body if stmt.out in _operands(other)]
        narrow = stmt.op == "cast" and stmt.type.dtype.is_float and stmt.type.dtype.itemsize == 2
        return narrow and all(isinstance(use, Store) and not use.accumulate for use in uses)

    def stage(self, level: int) -> Stage:
        """All statements of a level, after what it makes itself."""
        own = [stmt for stmt, at in zip(self.body, self.of_stmts, strict=True) if at == level]
        needed, taken = self._closure(own, level)
        body = tuple(
            stmt
            for stmt, at in zip(self.body, self.of_stmts, strict=True)
            if at == level or (isinstance(stmt, (Apply, Load)) and stmt.out in needed and at == FREE)
        )
        return Stage(level, body, tuple(sorted(taken)), self._left(level))

    def _closure(self, own: list[Stmt], level: int) -> tuple[set[ValueId], set[ValueId]]:
        """What the statements need of the free values, and of other levels."""
        needed, taken = set[ValueId](), set[ValueId]()
        todo = [value for stmt in own for value in _operands(stmt)]
        while todo:
            value = todo.pop()
            at = self.of_values[value]
            if at == FREE and value not in needed:
                needed.add(value)
                todo += _operands(self.definition[value])
            elif at not in (FREE, level):
                taken.add(value)
        return needed, taken

    def _left(self, level: int) -> tuple[ValueId, ...]:
        later = sorted({at for at in self.of_stmts if at > level})
        wanted: set[ValueId] = set()
        for other in later:
            own = [stmt for stmt, at in zip(self.body, self.of_stmts, strict=True) if at == other]
            wanted |= self._closure(own, other)[1]
        return tuple(sorted(value for value in wanted if self.of_values[value] == level))


def _even(level: int) -> int:
    return level + level % 2


def _operands(stmt: Stmt) -> tuple[ValueId, ...]:
    if isinstance(stmt, Apply):
        return stmt.args
    return (stmt.value,) if isinstance(stmt, Store) else ()


def _refused(why: str, span: Span) -> UnsupportedOp:
    return UnsupportedOp(
        "a task with products and other work cannot be cut for cores of one engine",
        span=span,
        label=why,
        hints=("write the products as a task of their own",),
    )
