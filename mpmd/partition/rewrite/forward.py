"""What one body stores and the next one loads, passed on as a value.

In:  two bodies, one after the other, whose values and loops have names of their own.
Out: the second body, in which such loads are gone; bodies without stores that nobody needs.
Not here: making one task of the two (`compose.py`).

A load of the region that was stored is the stored value; a load of a part of a parameter that was stored
whole is a slice of it. A store narrows to the parameter's dtype, and so does what is passed on. What is
stored in parts, in loops or in branches, is read back from the parameter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mpmd.lang.index import ZERO, symbol
from mpmd.lang.tile import (
    Apply,
    Attrs,
    Axis,
    Branch,
    Gather,
    Load,
    Loop,
    Param,
    Region,
    Stmt,
    Store,
    TileType,
    ValueId,
    walk,
)
from mpmd.partition.rewrite.bodies import Renaming, defined, types_of

Params = Mapping[str, Param]


@dataclass(frozen=True, slots=True)
class _Stored:
    """All that the first body leaves in a parameter."""

    param: Param
    region: Region
    value: ValueId
    type: TileType

    def gives(self, load: Load) -> bool:
        """Whether the loaded tile can be made of the value."""
        return load.region == self.region or self.region == _whole(self.param)


def passed_on(first: Sequence[Stmt], second: Sequence[Stmt], params: Params) -> tuple[Stmt, ...]:
    """The second body with values of the first in the place of loads."""
    stored = _stored(first, second, params)
    passing = _Passing(stored, 1 + max((*defined(first), *defined(second)), default=-1))
    body = passing.body(second)
    symbols = {f"%{out}": symbol(f"%{value}") for out, value in passing.same.items()}
    return Renaming(symbols=symbols, values=passing.same).body(body)


def _stored(first: Sequence[Stmt], second: Sequence[Stmt], params: Params) -> dict[str, _Stored]:
    """By parameter, where one statement stores all that there is, and the second body adds nothing."""
    types, found = types_of(first), dict[str, _Stored]()
    written = [stmt.param for stmt in (*walk(tuple(first)), *walk(tuple(second))) if isinstance(stmt, Store)]
    for stmt in first:
        if isinstance(stmt, Store) and not stmt.accumulate and written.count(stmt.param) == 1:
            found[stmt.param] = _Stored(params[stmt.param], stmt.region, stmt.value, types[stmt.value])
    return found


class _Passing:
    """One pass over the second body. `same` gathers loads that are a value of the first body."""

    def __init__(self, stored: Mapping[str, _Stored], unused: ValueId) -> None:
        self._stored, self._unused = stored, unused
        self.same: dict[ValueId, ValueId] = {}

    def body(self, body: Sequence[Stmt]) -> tuple[Stmt, ...]:
        return tuple(made for stmt in body for made in self._made(stmt))

    def _made(self, stmt: Stmt) -> Iterator[Stmt]:
        if isinstance(stmt, Load) and stmt.param in self._stored and self._stored[stmt.param].gives(stmt):
            yield from self._in_place_of(stmt, self._stored[stmt.param])
        elif isinstance(stmt, Loop):
            yield replace(stmt, body=self.body(stmt.body))
        elif isinstance(stmt, Branch):
            yield replace(stmt, then=self.body(stmt.then), otherwise=self.body(stmt.otherwise))
        else:
            yield stmt

    def _in_place_of(self, load: Load, stored: _Stored) -> Iterator[Stmt]:
        """The statements that make the loaded tile; none where it is the stored value itself."""
        value = stored.value
        for op, attrs, made in _steps(load, stored):
            out, self._unused = self._unused, self._unused + 1
            yield Apply(out, made, op, (value,), attrs, load.span)
            value = out
        self.same[load.out] = value


def _steps(load: Load, stored: _Stored) -> Iterator[tuple[str, Attrs, TileType]]:
    """The ops from the stored value to the loaded tile, each with its attributes and type."""
    type_ = stored.type
    if type_.dtype != stored.param.dtype:
        type_ = TileType(stored.param.dtype, type_.shape)
        yield "cast", (("dtype", type_.dtype),), type_
    if load.region == stored.region:
        return
    for number, (axis, extent) in enumerate(zip(load.region, stored.param.shape, strict=True)):
        if axis != Axis(ZERO, extent):
            type_ = TileType(type_.dtype, (*type_.shape[:number], axis.extent, *type_.shape[number + 1 :]))
            attrs = (("axis", number), ("start", axis.start), ("extent", axis.extent), ("step", axis.step))
            yield "slice", attrs, type_
    if not all(axis.keep for axis in load.region):
        yield "reshape", (("shape", load.type.shape),), load.type


def _whole(param: Param) -> Region:
    return tuple(Axis(ZERO, extent) for extent in param.shape)


def is_only_stored(param: str, body: Sequence[Stmt]) -> bool:
    """Whether no statement reads a parameter."""
    return not any(isinstance(s, (Load, Gather)) and s.param == param for s in walk(tuple(body)))


def without_stores(body: Sequence[Stmt], params: frozenset[str]) -> tuple[Stmt, ...]:
    """The body that leaves nothing in these parameters."""
    kept: list[Stmt] = []
    for stmt in body:
        if isinstance(stmt, Store) and stmt.param in params:
            continue
        if isinstance(stmt, Loop):
            stmt = replace(stmt, body=without_stores(stmt.body, params))
        elif isinstance(stmt, Branch):
            then, otherwise = (without_stores(arm, params) for arm in (stmt.then, stmt.otherwise))
            stmt = replace(stmt, then=then, otherwise=otherwise)
        kept.append(stmt)
    return tuple(kept)
