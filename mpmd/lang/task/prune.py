"""Carried values and branch results that nobody reads are dropped: they would cost copies.

In:  the statements of a parsed body. Out: the same without unread `Carry`s and `Result`s.
Not here: unread `Apply`s and `Load`s (emitters print what is used).

A name that is assigned afresh in every iteration looks carried to the parser; here it turns out not
to be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from mpmd.lang.index import Index
from mpmd.lang.tile import Apply, Axis, Branch, Gather, Load, Loop, Receive, Send, Stmt, Store, ValueId, walk


def prune(body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
    """Drops until nothing more can be dropped: what fed only a dropped value is unread in turn."""
    while True:
        kept = _kept(body, used_values(body))
        if kept == body:
            return body
        body = kept


def used_values(body: Iterable[Stmt]) -> frozenset[ValueId]:
    """Every value that a statement of the body reads, as an operand or as `%3` in an index."""
    found: set[ValueId] = set()
    for stmt in walk(tuple(body)):
        found.update(_operands(stmt))
        for index in _indices(stmt):
            found.update(int(name[1:]) for name in index.symbols() if name[0] == "%")
    return frozenset(found)


def _kept(body: tuple[Stmt, ...], used: frozenset[ValueId]) -> tuple[Stmt, ...]:
    kept: list[Stmt] = []
    for stmt in body:
        if isinstance(stmt, Loop):
            carried = tuple(c for c in stmt.carried if c.inside in used or c.out in used)
            stmt = replace(stmt, carried=carried, body=_kept(stmt.body, used))
        elif isinstance(stmt, Branch):
            results = tuple(r for r in stmt.results if r.out in used)
            then, otherwise = _kept(stmt.then, used), _kept(stmt.otherwise, used)
            stmt = replace(stmt, results=results, then=then, otherwise=otherwise)
        kept.append(stmt)
    return tuple(kept)


def _operands(stmt: Stmt) -> tuple[ValueId, ...]:
    if isinstance(stmt, Apply):
        return stmt.args
    if isinstance(stmt, Gather):
        return (stmt.index,)
    if isinstance(stmt, (Store, Send)):
        return (stmt.value,)
    if isinstance(stmt, Loop):
        return tuple(v for carry in stmt.carried for v in (carry.init, carry.next))
    if isinstance(stmt, Branch):
        return (stmt.condition, *(v for result in stmt.results for v in (result.then, result.otherwise)))
    return ()


def _indices(stmt: Stmt) -> Iterator[Index]:
    if isinstance(stmt, (Load, Store)):
        for axis in stmt.region:
            yield from _axis_indices(axis)
    elif isinstance(stmt, Receive):
        yield from stmt.type.shape
    elif isinstance(stmt, Loop):
        yield stmt.start
        yield stmt.stop
    elif isinstance(stmt, Apply):
        for _, value in stmt.attrs:
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Index):
                    yield part


def _axis_indices(axis: Axis) -> tuple[Index, Index]:
    return axis.start, axis.extent
