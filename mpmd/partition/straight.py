"""Bodies of tasks without short loops: every iteration written out.

In:  statements. Out: the same without the loops that have constant bounds and few iterations; other loops
     stand as they are, and all that is in them. `UnsupportedOp` with the user's line for branches.
Not here: what becomes of them (`engine_cuts.py`), or of the loops that are left (`engine_loops.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mpmd.errors import Span, UnsupportedOp
from mpmd.lang.index import Index, symbol
from mpmd.lang.tile import Branch, Loop, Stmt, ValueId
from mpmd.partition.rewrite.bodies import Renaming, defined

MOST_ITERATIONS = 8
"""Written out, parts of several iterations become one; longer loops would make much text."""


def straight(body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
    return tuple(_Unrolling(1 + max(defined(body), default=-1)).body(body, Renaming()))


@dataclass
class _Unrolling:
    """`next` is the first value that nobody has."""

    next: ValueId
    outs: dict[ValueId, ValueId] = field(default_factory=dict)

    def body(self, body: tuple[Stmt, ...], names: Renaming) -> Iterator[Stmt]:
        values = dict(names.values)
        for stmt in body:
            names = Renaming(names.symbols, values)
            if isinstance(stmt, Branch):
                raise _refused("a branch", stmt.span)
            if isinstance(stmt, Loop) and _places(stmt, names) is not None:
                yield from self._loop(stmt, names, values)
            else:
                yield from names.body((stmt,))

    def _loop(self, loop: Loop, names: Renaming, values: dict[ValueId, ValueId]) -> Iterator[Stmt]:
        """The iterations; afterwards `values` says what the carried names are."""
        places = _places(loop, names)
        assert places is not None, loop
        now = {carry.inside: values.get(carry.init, carry.init) for carry in loop.carried}
        for number, place in enumerate(places):
            fresh = {value: self._fresh() for value in defined(loop.body)}
            inner = Renaming(
                {**names.symbols, **_symbols(loop, number, place, places.stop), **_named(fresh)},
                {**values, **now, **fresh},
            )
            yield from self.body(loop.body, inner)
            seen = {**values, **now, **fresh, **self.outs}
            now = {carry.inside: _final(seen, carry.next) for carry in loop.carried}
        for carry in loop.carried:
            values[carry.out] = now[carry.inside]
            self.outs[names.values.get(carry.out, carry.out)] = now[carry.inside]

    def _fresh(self) -> ValueId:
        self.next += 1
        return self.next - 1


def _places(loop: Loop, names: Renaming) -> range | None:
    """Where the iterations begin, if they are few and known."""
    start, stop = loop.start.substitute(names.symbols), loop.stop.substitute(names.symbols)
    if not (start.is_const and stop.is_const):
        return None
    places = range(start.const, stop.const, loop.step)
    return places if len(places) <= MOST_ITERATIONS else None


def _final(seen: dict[ValueId, ValueId], value: ValueId) -> ValueId:
    """The value that a name stands for: what an inner loop leaves has a name of its own."""
    now = seen.get(value, value)
    return now if now == value or now not in seen else _final(seen, now)


def _symbols(loop: Loop, number: int, place: int, stop: int) -> dict[str, Index]:
    if loop.tile is None:
        return {loop.name: Index(place)}
    return {
        f"{loop.name}.start": Index(place),
        f"{loop.name}.index": Index(number),
        f"{loop.name}.size": Index(min(loop.tile, stop - place)),
    }


def _named(values: dict[ValueId, ValueId]) -> dict[str, Index]:
    return {f"%{value}": symbol(f"%{now}") for value, now in values.items()}


def _refused(what: str, span: Span) -> UnsupportedOp:
    return UnsupportedOp(
        f"{what} cannot be written out for cores of one engine",
        span=span,
        label="its course is not known when the kernel is compiled",
        hints=("write it as a task of its own, or choose with mpmd.where",),
    )
