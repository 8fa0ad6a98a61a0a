"""Loops of tasks that are cut for engines, as loops of the program around calls.

In:  a `Call` whose task has loops whose course is known only at run time, or that are long.
Out: `Node`s that mean the same: calls of what stands before, in and after each loop, the ones within it in a
     `TileLoop` of the program.
Not here: cutting these calls for engines (`engines.py`); the regions of what they read (`hoist.py`).

What a loop carries lies in a local tensor: the call before the loop writes its first value there, that within
reads it and writes the next one, and that behind reads what is left. What the parts of the task share besides
is handed over like that, too, if it is not as cheap to make again. Iterations of one loop are then tasks that
the schedule orders by what they read and write, and cores of several engines work on several of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Union

from mpmd.errors import Span
from mpmd.lang.index import symbol
from mpmd.lang.program import Call, Node, TileLoop, View
from mpmd.lang.task.prune import used_values
from mpmd.lang.tile import Apply, Carry, Load, Loop, Param, Stmt, Store, TileType, ValueId, walk
from mpmd.lang.types import Direction
from mpmd.partition.engine_cuts import is_made_of_numbers, whole
from mpmd.partition.hoist import meaning
from mpmd.partition.rewrite.bodies import Renaming, defined, params_of, types_of

Place = Callable[[str, TileType], View]
"""Makes a local tensor for a value, by its name and type, and gives the part of it that is this call's."""


def around_loops(call: Call, place: Place, fresh: Callable[[str], str]) -> tuple[Node, ...]:
    """The nodes. `fresh` makes names of loops unique."""
    return _Lifting(call, place, fresh, types_of(call.task.body)).nodes()


@dataclass
class _Lifting:
    call: Call
    place: Place
    fresh: Callable[[str], str]
    types: dict[ValueId, TileType]
    views: dict[ValueId, View] = field(default_factory=dict)
    """Where values lie that one part leaves for others."""
    cheap: dict[ValueId, Stmt] = field(default_factory=dict)
    """What each part makes for itself: numbers, what is made of them alone, loads of what is not written."""

    def nodes(self) -> tuple[Node, ...]:
        parts = _parts(self.call.task.body)
        self._find_cheap()
        self._find_places(parts)
        made = (
            self._loop(p) if isinstance(p, Loop) else self._straight(parts, n) for n, p in enumerate(parts)
        )
        return tuple(node for node in made if node is not None)

    def _straight(self, parts: Sequence[Part], number: int) -> Call | None:
        """What stands between two loops, and the first values of what the second one carries."""
        part = parts[number]
        assert not isinstance(part, Loop)
        left = [(value, self.views[value]) for value in sorted(defined(part)) if value in self.views]
        left += [(carry.init, self.views[carry.out]) for carry in _carried(parts, number + 1)]
        return self._call(part, (), left, f"p{number}")

    def _loop(self, loop: Loop) -> TileLoop | None:
        name, known = self.fresh(loop.name), meaning(self.call)
        start, stop = loop.start.substitute(known), loop.stop.substitute(known)
        if loop.tile is None:
            extent, size = (stop - start + (loop.step - 1)) // loop.step, 1
            symbols = {loop.name: loop.start + symbol(f"{name}.index") * loop.step}
        else:
            extent, size = stop, loop.tile
            symbols = {f"{loop.name}.{part}": symbol(f"{name}.{part}") for part in ("start", "size", "index")}
        body = Renaming(symbols).body(loop.body)
        call = self._call(body, [(carry, self.views[carry.out]) for carry in loop.carried], (), loop.name)
        return TileLoop(name, extent, size, (call,), loop.span) if call else None

    def _call(
        self,
        body: Sequence[Stmt],
        carried: Sequence[tuple[Carry, View]],
        left: Sequence[tuple[ValueId, View]],
        name: str,
    ) -> Call | None:
        """The call of one part; None if it has nothing to do."""
        task, passed = self.call.task, _Passed(self.types, self.call.task.span)
        ends = [*(carry.next for carry, _ in carried), *(value for value, _ in left)]
        taken, again = self._outside(body, ends, {carry.inside for carry, _ in carried})
        for value in sorted(taken):
            passed.load(value, passed.param(f"t{value}", value, self.views[value], Direction.IN))
        for carry, view in carried:
            param = passed.param(f"c{carry.inside}", carry.inside, view, Direction.INOUT)
            passed.load(carry.inside, param)
            passed.store(carry.next, param)
        for number, (value, view) in enumerate(left):
            passed.store(value, passed.param(f"o{number}_{value}", value, view, Direction.OUT))
        again_stmts = (stmt for value, stmt in self.cheap.items() if value in again)
        now = (*again_stmts, *passed.loads, *body, *passed.stores)
        if not any(isinstance(stmt, Store) for stmt in walk(now)):
            return None
        used = params_of(now)
        kept = [(p, a) for p, a in zip(task.params, self.call.args, strict=True) if p.name in used]
        params = (*(self._as_used(param, now) for param, _ in kept), *passed.params)
        made = replace(task, name=f"{task.name}_{name}", params=params, body=now)
        known = meaning(self.call)
        dims = tuple((dim, known.get(dim, symbol(dim))) for dim in made.dims)
        return replace(self.call, task=made, args=(*(arg for _, arg in kept), *passed.args), dims=dims)

    def _as_used(self, param: Param, body: Sequence[Stmt]) -> Param:
        """The parameter as a part of the task uses it."""
        if param.direction is not Direction.OUT and param.direction is not Direction.INOUT:
            return param
        if not _stores(body, param.name):
            return replace(param, direction=Direction.IN)
        parts = _parts(self.call.task.body)
        once = sum(_stores(_as_body(part), param.name) * (1 + isinstance(part, Loop)) for part in parts) == 1
        return param if once else replace(param, direction=Direction.INOUT)

    # -- values -----------------------------------------------------------------------------------

    def _find_cheap(self) -> None:
        body = self.call.task.body
        written = {stmt.param for stmt in walk(body) if isinstance(stmt, Store)}
        numbers = set[ValueId]()
        for stmt in body:
            if isinstance(stmt, Load) and stmt.param not in written:
                self.cheap[stmt.out] = stmt
            elif isinstance(stmt, Apply) and is_made_of_numbers(stmt, numbers):
                numbers.add(stmt.out)
                self.cheap[stmt.out] = stmt
            elif isinstance(stmt, Apply) and stmt.op == "transpose" and stmt.args[0] in self.cheap:
                self.cheap[stmt.out] = stmt

    def _find_places(self, parts: Sequence[Part]) -> None:
        for carry in (carry for number in range(len(parts)) for carry in _carried(parts, number)):
            self.views[carry.out] = self.place(carry.name, carry.type)
        for number, part in enumerate(parts):
            if isinstance(part, Loop):
                ends, own = [carry.next for carry in part.carried], {carry.inside for carry in part.carried}
                taken, _ = self._outside(part.body, ends, own)
            else:
                ends = [carry.init for carry in _carried(parts, number + 1)]
                taken, _ = self._outside(part, ends, set())
            for value in sorted(taken - self.views.keys()):
                self.views[value] = self.place(f"t{value}", self.types[value])

    def _outside(
        self, body: Sequence[Stmt], ends: Sequence[ValueId], own: set[ValueId]
    ) -> tuple[set[ValueId], set[ValueId]]:
        """The values that a part uses and others make: those it takes, and those it makes once more."""
        own = own | set(defined(body))
        taken, again, todo = set[ValueId](), set[ValueId](), [*used_values(tuple(body)), *ends]
        while todo:
            value = todo.pop()
            if value in own or value in again:
                continue
            if value not in self.cheap:
                taken.add(value)
                continue
            again.add(value)
            stmt = self.cheap[value]
            todo += stmt.args if isinstance(stmt, Apply) else ()
        return taken, again


@dataclass
class _Passed:
    """What a part takes and leaves: parameters, arguments, and the statements that read and write them."""

    types: dict[ValueId, TileType]
    span: Span
    params: list[Param] = field(default_factory=list)
    args: list[View] = field(default_factory=list)
    loads: list[Stmt] = field(default_factory=list)
    stores: list[Stmt] = field(default_factory=list)

    def param(self, name: str, value: ValueId, view: View, direction: Direction) -> str:
        type_ = self.types[value]
        self.params.append(Param(name, direction, type_.dtype, type_.shape, self.span))
        self.args.append(view)
        return name

    def load(self, value: ValueId, param: str) -> None:
        type_ = self.types[value]
        self.loads.append(Load(value, type_, param, whole(type_), self.span))

    def store(self, value: ValueId, param: str) -> None:
        self.stores.append(Store(param, whole(self.types[value]), value, False, self.span))


Part = Union[tuple[Stmt, ...], Loop]


def _parts(body: Sequence[Stmt]) -> list[Part]:
    """Loops, and before, between and behind them what stands there, if only nothing."""
    parts, straight = list[Part](), list[Stmt]()
    for stmt in body:
        if isinstance(stmt, Loop):
            parts += [tuple(straight), stmt]
            straight = []
        else:
            straight.append(stmt)
    return [*parts, tuple(straight)]


def _carried(parts: Sequence[Part], number: int) -> tuple[Carry, ...]:
    """What a part carries, if it is a loop and there is one."""
    part = parts[number] if number < len(parts) else ()
    return part.carried if isinstance(part, Loop) else ()


def _as_body(part: Part) -> tuple[Stmt, ...]:
    return (part,) if isinstance(part, Loop) else part


def _stores(body: Sequence[Stmt], param: str) -> bool:
    return any(isinstance(stmt, Store) and stmt.param == param for stmt in walk(tuple(body)))
