"""Bodies of tasks under other names: what joining two tasks, or taking a part of one, needs.

In:  statements, and what their symbols, values, parameters and loops are to be called.
Out: the same statements in those names; what statements define, use and need.
Not here: which names (`compose.py`); which part (`split.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mpmd.lang.index import Index
from mpmd.lang.task.prune import used_values
from mpmd.lang.tile import (
    Apply,
    Attr,
    Attrs,
    Axis,
    Branch,
    Carry,
    Gather,
    Load,
    Loop,
    Param,
    Receive,
    Region,
    Send,
    Stmt,
    Store,
    TaskDef,
    TileType,
    ValueId,
    walk,
)


@dataclass(frozen=True, slots=True)
class Renaming:
    """New names; what is in none of the maps keeps its own.

    `symbols` has dims, integer scalars, loop variables and values (`%3`) as they stand in index expressions.
    """

    symbols: Mapping[str, Index] = field(default_factory=dict)
    values: Mapping[ValueId, ValueId] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    loops: Mapping[str, str] = field(default_factory=dict)

    def body(self, body: Iterable[Stmt]) -> tuple[Stmt, ...]:
        return tuple(self._stmt(stmt) for stmt in body)

    def task(self, task: TaskDef) -> TaskDef:
        return replace(task, params=tuple(map(self.param, task.params)), body=self.body(task.body))

    def param(self, param: Param) -> Param:
        return replace(param, name=self.params.get(param.name, param.name), shape=self._shape(param.shape))

    def region(self, region: Region) -> Region:
        return tuple(
            Axis(
                axis.start.substitute(self.symbols),
                axis.extent.substitute(self.symbols),
                axis.step,
                axis.keep,
            )
            for axis in region
        )

    def _stmt(self, stmt: Stmt) -> Stmt:
        if isinstance(stmt, Loop):
            return self._loop(stmt)
        if isinstance(stmt, Branch):
            return self._branch(stmt)
        if isinstance(stmt, Apply):
            args = tuple(map(self._value, stmt.args))
            attrs = self._attrs(stmt.op, stmt.attrs)
            return replace(
                stmt, out=self._value(stmt.out), type=self._type(stmt.type), args=args, attrs=attrs
            )
        param = self.params.get(stmt.param, stmt.param)
        if isinstance(stmt, Store):
            return replace(stmt, param=param, region=self.region(stmt.region), value=self._value(stmt.value))
        if isinstance(stmt, Send):
            return replace(stmt, param=param, value=self._value(stmt.value))
        out, type_ = self._value(stmt.out), self._type(stmt.type)
        if isinstance(stmt, Load):
            return replace(stmt, out=out, type=type_, param=param, region=self.region(stmt.region))
        if isinstance(stmt, Gather):
            return replace(stmt, out=out, type=type_, param=param, index=self._value(stmt.index))
        return replace(stmt, out=out, type=type_, param=param)

    def _loop(self, loop: Loop) -> Loop:
        return replace(
            loop,
            name=self.loops.get(loop.name, loop.name),
            start=loop.start.substitute(self.symbols),
            stop=loop.stop.substitute(self.symbols),
            carried=tuple(self._carry(carry) for carry in loop.carried),
            body=self.body(loop.body),
        )

    def _carry(self, carry: Carry) -> Carry:
        init, inside, after, out = map(self._value, (carry.init, carry.inside, carry.next, carry.out))
        return Carry(carry.name, self._type(carry.type), init, inside, after, out)

    def _branch(self, branch: Branch) -> Branch:
        results = tuple(
            replace(
                result,
                out=self._value(result.out),
                type=self._type(result.type),
                then=self._value(result.then),
                otherwise=self._value(result.otherwise),
            )
            for result in branch.results
        )
        return replace(
            branch,
            condition=self._value(branch.condition),
            then=self.body(branch.then),
            otherwise=self.body(branch.otherwise),
            results=results,
        )

    def _value(self, value: ValueId) -> ValueId:
        return self.values.get(value, value)

    def _shape(self, shape: tuple[Index, ...]) -> tuple[Index, ...]:
        return tuple(extent.substitute(self.symbols) for extent in shape)

    def _type(self, type_: TileType) -> TileType:
        return TileType(type_.dtype, self._shape(type_.shape))

    def _attrs(self, op: str, attrs: Attrs) -> Attrs:
        if op == "scalar":  # its attribute names a parameter
            return tuple((name, self.params.get(str(value), str(value))) for name, value in attrs)
        return tuple((name, self._attr(value)) for name, value in attrs)

    def _attr(self, value: Attr) -> Attr:
        if isinstance(value, Index):
            return value.substitute(self.symbols)
        return tuple(map(self._attr, value)) if isinstance(value, tuple) else value


def defined(body: Iterable[Stmt]) -> Iterator[ValueId]:
    """Every value that the statements define, those of inner blocks included."""
    for stmt in walk(tuple(body)):
        if isinstance(stmt, (Apply, Load, Gather, Receive)):
            yield stmt.out
        elif isinstance(stmt, Loop):
            yield from (value for carry in stmt.carried for value in (carry.inside, carry.out))
        elif isinstance(stmt, Branch):
            yield from (result.out for result in stmt.results)


def loop_names(body: Iterable[Stmt]) -> list[str]:
    return [stmt.name for stmt in walk(tuple(body)) if isinstance(stmt, Loop)]


def types_of(body: Iterable[Stmt]) -> dict[ValueId, TileType]:
    """The type of every value."""
    types: dict[ValueId, TileType] = {}
    for stmt in walk(tuple(body)):
        if isinstance(stmt, (Apply, Load, Gather, Receive)):
            types[stmt.out] = stmt.type
        elif isinstance(stmt, Loop):
            types |= {value: carry.type for carry in stmt.carried for value in (carry.inside, carry.out)}
        elif isinstance(stmt, Branch):
            types |= {result.out: result.type for result in stmt.results}
    return types


def made_of(body: Sequence[Stmt], wanted: ValueId) -> tuple[Stmt, ...]:
    """The statements that a value is made of, up to the one that defines it."""
    return _closure(body, {wanted}, lambda stmt: False)


def without(body: Sequence[Stmt], given: ValueId) -> tuple[Stmt, ...]:
    """The statements that are needed for what is stored, where one value is there already."""
    rest = [stmt for stmt in body if given not in defined((stmt,))]
    return _closure(rest, set(), lambda stmt: any(isinstance(inner, Store) for inner in walk((stmt,))))


def _closure(
    body: Sequence[Stmt], wanted: set[ValueId], is_needed: Callable[[Stmt], bool]
) -> tuple[Stmt, ...]:
    """The statements that are needed, and all that they are made of."""
    kept: list[Stmt] = []
    for stmt in reversed(body):
        if is_needed(stmt) or not wanted.isdisjoint(defined((stmt,))):
            kept.append(stmt)
            wanted |= used_values((stmt,))
    return tuple(reversed(kept))


def symbols_of(body: Iterable[Stmt]) -> frozenset[str]:
    """Every symbol that stands in an index expression."""
    found: set[str] = set()
    for stmt in walk(tuple(body)):
        for index in _indices(stmt):
            found |= index.symbols()
    return frozenset(found)


def _indices(stmt: Stmt) -> Iterator[Index]:
    if isinstance(stmt, (Load, Store)):
        yield from (index for axis in stmt.region for index in (axis.start, axis.extent))
    if isinstance(stmt, (Load, Gather, Receive, Apply)):
        yield from stmt.type.shape
    if isinstance(stmt, Loop):
        yield from (stmt.start, stmt.stop, *(e for carry in stmt.carried for e in carry.type.shape))
    if isinstance(stmt, Branch):
        yield from (extent for result in stmt.results for extent in result.type.shape)
    if isinstance(stmt, Apply):
        for _, value in stmt.attrs:
            parts = value if isinstance(value, tuple) else (value,)
            yield from (part for part in parts if isinstance(part, Index))


def params_of(body: Iterable[Stmt]) -> frozenset[str]:
    """The parameters that the statements use, scalars included."""
    stmts = tuple(walk(tuple(body)))
    named = {stmt.param for stmt in stmts if isinstance(stmt, (Load, Gather, Store, Send, Receive))}
    scalars = {str(s.attr("name")) for s in stmts if isinstance(s, Apply) and s.op == "scalar"}
    return frozenset(named | scalars) | symbols_of(stmts)


def lost_dims(task: TaskDef) -> list[str]:
    """Dims of a task that no axis has as its extent, so that no argument says what they are."""
    alone = {str(extent) for param in task.shaped for extent in param.shape}
    names = {param.name for param in task.scalars} | {
        f"{name}{part}" for name in loop_names(task.body) for part in ("", ".start", ".size", ".index")
    }
    used = symbols_of(task.body).union(task.dims) - names - alone
    return sorted(name for name in used if not name.startswith("%"))
