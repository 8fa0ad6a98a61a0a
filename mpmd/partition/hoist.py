"""Calls whose tasks see their pieces alone: regions become views of the call, extents become dims.

In:  a `Call` of a task without loops. Its index expressions may name, besides dims, integer scalars of the
     task and symbols of loops of the program around the call.
Out: a call that means the same. Every region that names more than dims is a parameter of its own, which the
     call cuts out of its argument; every extent that does is a dim, which the call binds; other numbers from
     loops are scalars. What was to be checked when the task runs is then what every call is checked for.
Not here: which calls need it (`engines.py`); loops of tasks (`engine_loops.py`).

A tensor that is written stays whole where its accesses differ: parts of one tensor are not to look like two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from mpmd.lang.index import Index, symbol
from mpmd.lang.program import Arg, Call, ScalarArg, View
from mpmd.lang.tile import (
    Apply,
    Attr,
    Axis,
    Gather,
    Load,
    Param,
    Region,
    Stmt,
    Store,
    TileType,
    kept_shape,
    walk,
)
from mpmd.lang.types import Direction, i64
from mpmd.partition.rewrite.bodies import loop_names, params_of, symbols_of, types_of
from mpmd.partition.rewrite.places import unused

EXTENTS = {"iota": ("extent",), "broadcast": ("shape",), "reshape": ("shape",), "slice": ("extent",)}
"""By op the attributes that are extents; other expressions are places and numbers."""


def needs_hoisting(call: Call) -> bool:
    """Whether a region or an extent names more than dims that an argument shows."""
    shown, task = _shown(call), call.task
    shapes = (extent for param in task.shaped for extent in param.shape)
    regions = _indices(stmt.region for stmt in task.body if isinstance(stmt, (Load, Store)))
    types = (extent for type_ in types_of(task.body).values() for extent in type_.shape)
    named = frozenset(s for index in (*shapes, *regions, *types) for s in index.symbols())
    named |= free_symbols(call)
    return any(not name.startswith("%") for name in named - shown)


def free_symbols(call: Call) -> frozenset[str]:
    """What the body names that is of loops around the call."""
    parts = "", ".start", ".size", ".index"
    own = {f"{name}{part}" for name in loop_names(call.task.body) for part in parts}
    known = own.union(call.task.dims, (param.name for param in call.task.scalars))
    return frozenset(name for name in symbols_of(call.task.body) - known if not name.startswith("%"))


def meaning(call: Call) -> dict[str, Index]:
    """What dims and integer scalars of the task are, in terms of the program."""
    known = dict(call.dims)
    for param, arg in zip(call.task.params, call.args, strict=True):
        if isinstance(arg, ScalarArg) and isinstance(arg.value, Index):
            known[param.name] = arg.value
    return known


def limits(call: Call) -> dict[Index, Index]:
    """By extent of a region that of the whole axis, the most that it can be; both in terms of the program."""
    known, found = meaning(call), dict[Index, Index]()
    for stmt in walk(call.task.body):
        if isinstance(stmt, (Load, Store)):
            shape = call.task.param(stmt.param).shape
            for axis, limit in zip(stmt.region, shape, strict=True):
                if axis.keep and axis.step == 1 and axis.extent != limit:
                    found.setdefault(axis.extent.substitute(known), limit.substitute(known))
    return found


def hoisted(call: Call) -> Call:
    hoisting = _Hoisting(call, meaning(call), _shown(call))
    body = tuple(map(hoisting.stmt, call.task.body))
    pairs = [
        (hoisting.param(param), arg)
        for param, arg in zip(call.task.params, call.args, strict=True)
        if param.name not in hoisting.cut
    ]
    pairs += hoisting.made.values()
    used = params_of(body)
    pairs = [(param, arg) for param, arg in pairs if param.direction is not None or param.name in used]
    task = replace(call.task, params=tuple(param for param, _ in pairs), body=body)
    dims = {**dict(call.dims), **hoisting.dims}
    bound = tuple((name, dims[name]) for name in task.dims)
    return replace(call, task=task, args=tuple(arg for _, arg in pairs), dims=bound)


def _shown(call: Call) -> frozenset[str]:
    """The dims that are an extent of an argument."""
    return frozenset(str(extent) for param in call.task.shaped for extent in param.shape) & set(
        call.task.dims
    )


def cut_out(view: View, region: Region, meaning: Mapping[str, Index]) -> View:
    """The region of a view, whose expressions are in the terms of a task, as a view of the same tensor."""
    kept = [number for number, axis in enumerate(view.region) if axis.keep]
    axes, places = list(view.region), list[int]()
    for number, axis in enumerate(region):
        place = kept[view.order[number]]
        base = view.region[place]
        start = base.start + axis.start.substitute(meaning) * base.step
        axes[place] = Axis(start, axis.extent.substitute(meaning), base.step * axis.step, axis.keep)
        if axis.keep:
            places.append(place)
    return View(view.tensor, tuple(axes), tuple(sorted(places).index(place) for place in places))


@dataclass
class _Hoisting:
    """`made` has the parameters that are new, by what they are of; `cut` are those that they replace."""

    call: Call
    meaning: Mapping[str, Index]
    known: frozenset[str]
    cut: frozenset[str] = field(init=False)
    dims: dict[str, Index] = field(default_factory=dict)
    made: dict[object, tuple[Param, Arg]] = field(default_factory=dict)
    _taken: set[str] = field(init=False)

    def __post_init__(self) -> None:
        task = self.call.task
        self._taken = {*(param.name for param in task.params), *task.dims}
        regions: dict[str, set[Region]] = {}
        whole: set[str] = set()
        for stmt in task.body:
            if isinstance(stmt, (Load, Store)):
                regions.setdefault(stmt.param, set()).add(stmt.region)
            elif isinstance(stmt, Gather):
                whole.add(stmt.param)
        written = {stmt.param for stmt in task.body if isinstance(stmt, Store)}
        self.cut = frozenset(
            name
            for name, all_ in regions.items()
            if name not in whole
            and any(map(self._is_free, _indices(all_)))
            and not any(symbol.startswith("%") for index in _indices(all_) for symbol in index.symbols())
            and (name not in written or len(all_) == 1)
        )

    def stmt(self, stmt: Stmt) -> Stmt:
        if isinstance(stmt, Load):
            name, region = self._access(stmt)
            return replace(stmt, type=self._type(stmt.type), param=name, region=region)
        if isinstance(stmt, Store):
            name, region = self._access(stmt)
            return replace(stmt, param=name, region=region)
        if isinstance(stmt, Gather):
            return replace(stmt, type=self._type(stmt.type))
        assert isinstance(stmt, Apply), stmt
        extents = EXTENTS.get(stmt.op, ())
        attrs = tuple((name, self._attr(value, is_extent=name in extents)) for name, value in stmt.attrs)
        return replace(stmt, type=self._type(stmt.type), attrs=attrs)

    def param(self, param: Param) -> Param:
        return replace(param, shape=tuple(map(self._extent, param.shape)))

    def _is_free(self, index: Index) -> bool:
        return not index.symbols() <= self.known

    # -- regions ----------------------------------------------------------------------------------

    def _access(self, stmt: Load | Store) -> tuple[str, Region]:
        """The parameter and the region of it that a load or a store has now."""
        param = self.call.task.param(stmt.param)
        if stmt.param not in self.cut:
            return stmt.param, tuple(
                Axis(self._number(axis.start), self._extent(axis.extent), axis.step, axis.keep)
                for axis in stmt.region
            )
        key = stmt.param, stmt.region
        shape = tuple(map(self._extent, kept_shape(stmt.region)))
        if key not in self.made:
            view = self.call.args[self.call.task.params.index(param)]
            assert isinstance(view, View), view
            direction = self._direction(param, stmt.region)
            now = replace(param, name=unused(stmt.param, self._names()), direction=direction, shape=shape)
            self.made[key] = now, cut_out(view, stmt.region, self.meaning)
        return self.made[key][0].name, tuple(Axis(Index(0), extent) for extent in shape)

    def _names(self) -> set[str]:
        """Those that are taken; the name of a parameter that is cut is free for its first piece."""
        self._taken -= self.cut - {param.name for param, _ in self.made.values()}
        return self._taken

    def _direction(self, param: Param, region: Region) -> Direction | None:
        if param.direction is Direction.ACCUM:
            return param.direction
        stmts = [s for s in self.call.task.body if isinstance(s, (Load, Store)) and s.param == param.name]
        reads, writes = (
            any(isinstance(s, kind) and s.region == region for s in stmts) for kind in (Load, Store)
        )
        if reads and writes:
            return Direction.INOUT
        return (
            Direction.OUT
            if writes
            else Direction.CONST
            if param.direction is Direction.CONST
            else Direction.IN
        )

    # -- numbers ----------------------------------------------------------------------------------

    def _type(self, type_: TileType) -> TileType:
        return TileType(type_.dtype, tuple(map(self._extent, type_.shape)))

    def _attr(self, value: Attr, *, is_extent: bool) -> Attr:
        if isinstance(value, tuple):
            return tuple(self._attr(part, is_extent=is_extent) for part in value)
        if isinstance(value, Index):
            return self._extent(value) if is_extent else self._number(value)
        return value

    def _extent(self, extent: Index) -> Index:
        """The extent, as a dim of its own where it names more than dims."""
        if not self._is_free(extent):
            return extent
        value = extent.substitute(self.meaning)
        if value.is_const:
            return value
        known = next((name for name, other in self.dims.items() if other == value), None)
        if known is None:
            known = unused("E", self._taken)
            self.dims[known] = value
        return symbol(known)

    def _number(self, index: Index) -> Index:
        """The number, as a scalar of its own where loops around the call decide it."""
        scalars = {param.name for param in self.call.task.scalars}
        names = {name for name in index.symbols() if not name.startswith("%")}
        if names <= self.known | scalars:
            return index
        value = index.substitute(self.meaning)
        if value.is_const:
            return value
        if value not in self.made:
            name = unused("i", self._taken)
            self.made[value] = Param(name, None, i64, (), self.call.task.span), ScalarArg(value)
        return symbol(self.made[value][0].name)


def _indices(regions: Iterable[Region]) -> Iterable[Index]:
    return [index for region in regions for axis in region for index in (axis.start, axis.extent)]
