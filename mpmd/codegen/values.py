"""Where each value of a task's body comes from, where it is used, and what follows without a target.

In:  a `TaskDef`. Out: `Definitions`. Not here: decisions (`fuse.py`).

Positions number the statements in program order. A loop or a branch has one where it begins and one
where it ends (a branch also one between its arms); its statements lie between.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from typing import Union

from mpmd.errors import Span
from mpmd.lang.index import ONE, Index
from mpmd.lang.ops import OPS, OpKind
from mpmd.lang.tile import (
    Apply,
    Attr,
    Branch,
    Carry,
    Gather,
    Load,
    Loop,
    Receive,
    Result,
    Send,
    Stmt,
    Store,
    TaskDef,
    TileType,
    ValueId,
)

Definition = Union[Apply, Load, Gather, Receive, Carry, Result]


@dataclass
class Definitions:
    """Everything that is known of a body by looking through it once. Statements are known by identity:
    two equal stores are two statements."""

    task: TaskDef
    definition: dict[ValueId, Definition] = field(default_factory=dict)
    type: dict[ValueId, TileType] = field(default_factory=dict)
    uses: dict[ValueId, int] = field(default_factory=dict)
    stores: dict[str, list[Store]] = field(default_factory=dict)
    _position: dict[int, int] = field(default_factory=dict)
    _middle: dict[int, int] = field(default_factory=dict)
    _end: dict[int, int] = field(default_factory=dict)
    _end_of: dict[int, int] = field(default_factory=dict)
    _span: dict[ValueId, Span] = field(default_factory=dict)
    _count: int = 0

    @staticmethod
    def of(task: TaskDef) -> Definitions:
        values = Definitions(task)
        values._visit(task.body)
        return values

    def position(self, stmt: Stmt) -> int:
        return self._position[id(stmt)]

    def middle(self, branch: Branch) -> int:
        return self._middle[id(branch)]

    def end(self, stmt: Loop | Branch) -> int:
        return self._end[id(stmt)]

    def end_of(self, position: int) -> int:
        """Where the loop that begins at `position` ends."""
        return self._end_of[position]

    def holder(self, value: ValueId) -> ValueId:
        """The value whose buffer holds `value`: what a loop leaves lies where it was carried."""
        stmt = self.definition[value]
        return stmt.inside if isinstance(stmt, Carry) else value

    def span(self, value: ValueId) -> Span:
        """The user's line that made a value."""
        stmt = self.definition[value]
        if isinstance(stmt, (Carry, Result)):
            return self._span[value]
        return stmt.span

    def is_trivial(self, value: ValueId) -> bool:
        """Whether computing it again costs nothing: loads, numbers, and casts and shapes of such."""
        stmt = self.definition[value]
        if isinstance(stmt, Apply) and OPS[stmt.op].kind in (OpKind.SHAPE, OpKind.CAST, OpKind.LEAF):
            return all(self.is_trivial(arg) for arg in stmt.args)
        return isinstance(stmt, (Load, Gather))

    def reads_in_place(self, value: ValueId, kept: Set[ValueId]) -> set[tuple[ValueId, bool]]:
        """The kept values that computing `value` in place reads; True: not at the element's own place."""
        found: set[tuple[ValueId, bool]] = set()
        todo, done = [(value, False)], set[tuple[ValueId, bool]]()
        while todo:
            at, moved = todo.pop()
            if (at, moved) in done:
                continue
            done.add((at, moved))
            stmt = self.definition[at]
            if at in kept:
                found.add((at, moved))
            elif isinstance(stmt, Apply):
                shaped = OPS[stmt.op].kind == OpKind.SHAPE
                todo += [
                    (arg, moved or shaped or self.type[arg].shape != stmt.type.shape) for arg in stmt.args
                ]
            elif isinstance(stmt, Gather):
                todo.append((stmt.index, True))
        return found

    def params_under(self, value: ValueId) -> set[str]:
        """The parameters whose elements `value` may be made of."""
        found: set[str] = set()
        todo, done = [value], set[ValueId]()
        while todo:
            at = todo.pop()
            if at in done:
                continue
            done.add(at)
            stmt = self.definition[at]
            if isinstance(stmt, Apply):
                todo += stmt.args
            elif isinstance(stmt, (Load, Gather)):
                found.add(stmt.param)
                todo += [stmt.index] if isinstance(stmt, Gather) else []
        return found

    # -- looking through the body -----------------------------------------------------------------

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _visit(self, body: tuple[Stmt, ...]) -> None:
        for stmt in body:
            self._position[id(stmt)] = self._next()
            if isinstance(stmt, Store):
                self.stores.setdefault(stmt.param, []).append(stmt)
                self._use(stmt.value)
            elif isinstance(stmt, Send):
                self._use(stmt.value)
            elif isinstance(stmt, Loop):
                self._loop(stmt)
            elif isinstance(stmt, Branch):
                self._branch(stmt)
            else:
                self._define(stmt.out, stmt.type, stmt)
                args = stmt.args if isinstance(stmt, Apply) else ()
                self._use(*args, *((stmt.index,) if isinstance(stmt, Gather) else ()))

    def _loop(self, loop: Loop) -> None:
        begin = self._position[id(loop)]
        for carry in loop.carried:
            self._define(carry.inside, carry.type, carry)
            self._span[carry.inside] = self._span[carry.out] = loop.span
            self._use(carry.init, carry.next)
        self._visit(loop.body)
        self._end[id(loop)] = self._end_of[begin] = self._next()
        for carry in loop.carried:
            self._define(carry.out, carry.type, carry)

    def _branch(self, branch: Branch) -> None:
        self._use(branch.condition)
        self._visit(branch.then)
        self._middle[id(branch)] = self._next()
        self._visit(branch.otherwise)
        self._end[id(branch)] = self._next()
        for result in branch.results:
            self._define(result.out, result.type, result)
            self._span[result.out] = branch.span
            self._use(result.then, result.otherwise)

    def _define(self, value: ValueId, type_: TileType, definition: Definition) -> None:
        self.definition[value] = definition
        self.type[value] = type_

    def _use(self, *values: ValueId) -> None:
        for value in values:
            self.uses[value] = self.uses.get(value, 0) + 1


def is_alias(stmt: Apply) -> bool:
    """Whether the op only moves or repeats elements."""
    return OPS[stmt.op].kind == OpKind.SHAPE


def is_unit_reshape(a: tuple[Index, ...], b: tuple[Index, ...]) -> bool:
    """Whether a reshape only adds and drops extents of 1."""
    return [n for n in a if n != ONE] == [n for n in b if n != ONE]


def symbol_uses(stmt: Stmt) -> tuple[ValueId, ...]:
    """The values that a statement's own index expressions name (`%3`), ascending."""
    names: set[str] = set()
    for index in _indices(stmt):
        names |= index.symbols()
    return tuple(sorted(int(name[1:]) for name in names if name.startswith("%")))


def _indices(stmt: Stmt) -> Iterator[Index]:
    if isinstance(stmt, (Load, Store)):
        for axis in stmt.region:
            yield axis.start
            yield axis.extent
    if isinstance(stmt, Loop):
        yield stmt.start
        yield stmt.stop
        for carry in stmt.carried:
            yield from carry.type.shape
    if isinstance(stmt, Branch):
        for result in stmt.results:
            yield from result.type.shape
    if isinstance(stmt, (Apply, Load, Gather, Receive)):
        yield from stmt.type.shape
    if isinstance(stmt, Apply):
        for _, attr in stmt.attrs:
            yield from _in_attr(attr)


def _in_attr(attr: Attr) -> Iterator[Index]:
    if isinstance(attr, Index):
        yield attr
    elif isinstance(attr, tuple):
        for part in attr:
            yield from _in_attr(part)
