"""Tasks for cores of one engine each: products for cube cores, everything else for vector cores.

In:  a `Program`, a `Machine` with cube and vector cores. Out: a `Program` that means the same, whose calls
     say which kind of core they are for; `UnsupportedOp` with the user's line where a task cannot be cut.
Not here: cutting a body (`engine_cuts.py`, `straight.py`), where on a kind a call runs (`schedule`).

What one part leaves for another lies in a local tensor, with a place for each piece of the loops around, so
that pieces do not wait for each other; the planner of memory lets other tensors have the bytes later.

No core takes a call by ticket: an atomic add that returns what was there before is not on Atlas A2 (the
documentation of `AtomicAdd` has it for later ones alone), and a call is for one kind of core.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod

from mpmd.errors import Span, UnsupportedOp
from mpmd.lang.index import ZERO, Index, Interval, symbol
from mpmd.lang.program import (
    Arg,
    Call,
    Loop,
    Node,
    Placement,
    Program,
    ScalarArg,
    Segments,
    Split,
    Tensor,
    TileLoop,
    View,
)
from mpmd.lang.tile import (
    Apply,
    Axis,
    Branch,
    Load,
    Param,
    Receive,
    Send,
    Stmt,
    Store,
    TaskDef,
    TileType,
    ValueId,
    walk,
)
from mpmd.lang.tile import Loop as TaskLoop
from mpmd.lang.types import Direction
from mpmd.machine import Machine
from mpmd.machine.model import CoreKind
from mpmd.partition.engine_cuts import Stage, handed_over, is_cube_product, stages, whole
from mpmd.partition.engine_loops import around_loops
from mpmd.partition.hoist import free_symbols, hoisted, limits, meaning, needs_hoisting
from mpmd.partition.rewrite.bodies import Renaming, lost_dims, params_of, types_of
from mpmd.partition.rewrite.places import AnyLoop, loop_names, unused, with_size
from mpmd.partition.straight import straight
from mpmd.partition.strips import strip

CUBE, VECTOR = "cube", "vector"
TURNS = 2
"""Places for what parts of a task hand over in one of its loops: an iteration begins before the last ends."""

OPEN_SIZE = 128
"""The size of tile loops that are left open, around tasks that are cut: the side of a product on chip."""


def for_engines(program: Program, machine: Machine) -> Program:
    (vector,) = (kind for kind in machine.kinds if kind.name == VECTOR)
    cutting = _Cutting(vector, list(program.tensors), set(loop_names(program.body)))
    body = cutting.body(program.body, ())
    return replace(program, body=body, tensors=tuple(cutting.tensors))


@dataclass
class _Cutting:
    """`tensors` grows by what parts of tasks hand over, `names` by loops that were tasks': the `lifted` ones.

    `limits` bounds extents, in terms of the program.
    """

    vector: CoreKind
    tensors: list[Tensor]
    names: set[str]
    lifted: set[str] = field(default_factory=set)
    limits: dict[Index, Index] = field(default_factory=dict)

    def body(self, body: tuple[Node, ...], loops: tuple[AnyLoop, ...]) -> tuple[Node, ...]:
        return tuple(made for node in body for made in self._node(node, loops))

    def _node(self, node: Node, loops: tuple[AnyLoop, ...]) -> Iterator[Node]:
        if isinstance(node, Call):
            yield from self._call(node, loops)
            return
        if isinstance(node, TileLoop):
            node = with_size(node, self._open_size(node, loops))
        if isinstance(node, (TileLoop, Split)):
            node = replace(node, drain=False)
        yield replace(node, body=self.body(node.body, (*loops, node)))

    def _open_size(self, loop: TileLoop, loops: tuple[AnyLoop, ...]) -> int | None:
        """The size of a loop that is left open, where that is not a question of speed alone."""
        inside = list(_calls(loop))
        if any(map(_is_mixed, inside)):
            return OPEN_SIZE
        own = [call for call in inside if not _has_products(call)]
        bounds = _bounds((*loops, *_loops(loop.body)))
        return strip(loop, own, bounds, self.vector.cache_bytes, self.vector.cores)

    def _call(self, call: Call, loops: tuple[AnyLoop, ...]) -> Iterator[Node]:
        if _is_mixed(call):
            call = _straightened(call)
            self.limits |= limits(call)
        if any(isinstance(stmt, TaskLoop) for stmt in call.task.body) and (
            _is_mixed(call) or free_symbols(call)
        ):
            for node in around_loops(call, partial(self._place, call, loops), self._fresh):
                yield from self._node(self._bounded(node, loops), loops)
            return
        parts = stages(call.task.body, _written(call.task), meaning(call)) if _is_mixed(call) else ()
        if len(parts) < 2:
            yield _placed(_seen(call), CUBE if _has_products(call) else VECTOR)
            return
        types = types_of(call.task.body)
        places = {
            value: self._place(call, loops, handed_over(value), types[value])
            for value in sorted({value for part in parts for value in part.left})
        }
        for part in parts:
            yield _seen(_part(call, part, parts, types, places))

    def _place(self, call: Call, loops: tuple[AnyLoop, ...], name: str, type_: TileType) -> View:
        """A local tensor for one value of each instance of a call, and the region of this one."""
        known = meaning(call)
        extents = [extent.substitute(known) for extent in type_.shape]
        counts = [self._turn(loop, call.span) for loop in _counted(loops)]
        most = (
            self._most(extent, loops, f"{extent}, an extent of what is handed over", call.span)
            for extent in extents
        )
        shape = (*(count for _, count in counts), *most)
        number = len(self.tensors)
        strides = tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))
        name = f"{call.task.name}.{name}"
        self.tensors.append(Tensor(number, name, type_.dtype, shape, strides, None, None, call.span))
        leading = tuple(Axis(index, Index(1), keep=False) for index, _ in counts)
        region = (*leading, *(Axis(ZERO, extent) for extent in extents))
        return View(number, region, tuple(range(len(extents))))

    def _turn(self, loop: AnyLoop, span: Span) -> tuple[Index, int]:
        """Which place a piece of a loop has, of how many. Iterations of a task's loop take turns in two."""
        index = symbol(f"{loop.name}.index")
        return (index % TURNS, TURNS) if loop.name in self.lifted else (index, _pieces(loop, span))

    def _most(self, extent: Index, loops: tuple[AnyLoop, ...], what: str, span: Span) -> int:
        """The most that an extent can be."""
        bounds = _bounds(loops)
        most = extent.interval(bounds).hi
        if extent in self.limits:
            most = min(most, self.limits[extent].interval(bounds).hi)
        if most >= 2**31:
            raise UnsupportedOp(
                f"nothing bounds {what}",
                span=span,
                label="cut here for cores of one engine",
                hints=("let it be an extent of a tensor, or at most one: a slice of a tensor bounds it",),
            )
        return most

    def _fresh(self, name: str) -> str:
        self.lifted.add(now := unused(name, self.names))
        return now

    def _bounded(self, node: Node, loops: tuple[AnyLoop, ...]) -> Node:
        """A loop that was a task's, with the most that its extent can be."""
        if not isinstance(node, TileLoop) or node.extent.is_const:
            return node
        for limit in _whole_axes(node):
            self.limits.setdefault(node.extent, limit)
        what = f"loop '{node.name}', which runs to {node.extent}"
        return replace(node, most=self._most(node.extent, loops, what, node.span))


def _part(
    call: Call,
    part: Stage,
    parts: Sequence[Stage],
    types: dict[ValueId, TileType],
    places: dict[ValueId, View],
) -> Call:
    """The call of one stage's task."""
    span, task = call.task.span, call.task
    loads = tuple(Load(v, types[v], handed_over(v), whole(types[v]), span) for v in part.taken)
    stores = tuple(Store(handed_over(v), whole(types[v]), v, False, span) for v in part.left)
    body = (*loads, *part.body, *stores)
    used = params_of(body)
    own = [(p, a) for p, a in zip(task.params, call.args, strict=True) if p.name in used]
    params = [_as_used(p, part, parts) for p, _ in own]
    args: list[Arg] = [a for _, a in own]
    for value in (*part.taken, *part.left):
        direction = Direction.IN if value in part.taken else Direction.OUT
        params.append(Param(handed_over(value), direction, types[value].dtype, types[value].shape, span))
        args.append(places[value])
    made = replace(task, name=f"{task.name}_{part.level}", params=tuple(params), body=body)
    known = meaning(call)
    dims = tuple((dim, known.get(dim, symbol(dim))) for dim in made.dims)
    now = replace(call, task=made, args=tuple(args), dims=dims)
    return _placed(now, CUBE if part.is_cube else VECTOR)


def _as_used(param: Param, part: Stage, parts: Sequence[Stage]) -> Param:
    """A parameter of the task as this part uses it."""
    if param.direction is None or not param.direction.writes:
        return param
    storing = [other for other in parts if param.name in _stored(other.body)]
    if part not in storing:
        return replace(param, direction=Direction.IN)
    if param.direction is Direction.OUT and len(storing) > 1:
        return replace(param, direction=Direction.INOUT)
    return param


def _stored(body: Sequence[Stmt]) -> frozenset[str]:
    return frozenset(stmt.param for stmt in walk(tuple(body)) if isinstance(stmt, Store))


def _written(task: TaskDef) -> frozenset[str]:
    return _stored(task.body)


def _straightened(call: Call) -> Call:
    """The call with what it knows of extents and integers in the task, and without the task's loops."""
    if not any(isinstance(stmt, (TaskLoop, Branch)) for stmt in call.task.body):
        return call
    known = {dim: extent for dim, extent in call.dims if extent.is_const}
    for param, arg in zip(call.task.params, call.args, strict=True):
        if isinstance(arg, ScalarArg) and isinstance(arg.value, Index) and arg.value.is_const:
            known[param.name] = arg.value
    task = Renaming(known).task(call.task)
    task = replace(task, body=straight(task.body))
    dims = dict(call.dims)
    return replace(call, task=task, dims=tuple((dim, dims[dim]) for dim in task.dims))


def _is_mixed(call: Call) -> bool:
    """Whether a task has products for cube cores and other work."""
    return _has_products(call) and any(_is_other_work(stmt, meaning(call)) for stmt in walk(call.task.body))


def _is_other_work(stmt: Stmt, known: Mapping[str, Index]) -> bool:
    if isinstance(stmt, Store):
        return stmt.accumulate
    return isinstance(stmt, Apply) and stmt.op != "transpose" and not is_cube_product(stmt, known)


def _has_products(call: Call) -> bool:
    return any(is_cube_product(stmt, meaning(call)) for stmt in walk(call.task.body))


def _placed(call: Call, kind: str) -> Call:
    placement = call.placement or Placement()
    if placement.on is not None or placement.core is not None:
        return call
    return replace(call, placement=replace(placement, on=kind))


def _seen(call: Call) -> Call:
    """The call with what its task reads at run-time places cut out for it."""
    loops = any(isinstance(stmt, (TaskLoop, Branch, Send, Receive)) for stmt in call.task.body)
    if loops or not needs_hoisting(call):
        return call
    made = hoisted(call)
    if lost := lost_dims(made.task):
        raise _refused(call, f"no argument of a part has the extent '{lost[0]}'")
    return made


def _whole_axes(loop: TileLoop) -> Iterator[Index]:
    """The extents of axes of which each piece of a loop reads or writes that piece: it runs no further."""
    start, size = (symbol(f"{loop.name}.{part}") for part in ("start", "size"))
    for call in _calls(loop):
        for stmt in walk(call.task.body):
            if isinstance(stmt, (Load, Store)):
                shape = call.task.param(stmt.param).shape
                for axis, extent in zip(stmt.region, shape, strict=True):
                    if (axis.start, axis.extent, axis.step) == (start, size, 1):
                        yield extent.substitute(meaning(call))


def _loops(body: Sequence[Node]) -> Iterator[AnyLoop]:
    """All loops in it."""
    for node in body:
        if not isinstance(node, Call):
            yield node
            yield from _loops(node.body)


def _calls(node: Node) -> Iterator[Call]:
    if isinstance(node, Call):
        yield node
    else:
        for inner in node.body:
            yield from _calls(inner)


def _counted(loops: tuple[AnyLoop, ...]) -> tuple[AnyLoop, ...]:
    """The loops whose pieces stand side by side; what is repeated takes the same place again."""
    return tuple(loop for loop in loops if not isinstance(loop, Loop))


def _pieces(loop: AnyLoop, span: Span) -> int:
    if isinstance(loop, Split):
        return loop.parts
    if isinstance(loop, Segments):
        return loop.count
    assert isinstance(loop, TileLoop) and loop.size is not None, loop
    most = loop.extent.const if loop.extent.is_const else loop.most
    if most is None:
        raise UnsupportedOp(
            f"nothing bounds loop '{loop.name}' around a task that is cut for cores of one engine",
            span=span,
            label="called here",
            hints=("give the loop most=, the largest extent that a launch may have",),
        )
    return -(-most // loop.size)


def _bounds(loops: tuple[AnyLoop, ...]) -> dict[str, Interval]:
    """Of the symbols of loops."""
    bounds = dict[str, Interval]()
    for loop in _counted(loops):
        bounds[f"{loop.name}.size"] = Interval(0, _longest(loop))
        if isinstance(loop, (TileLoop, Split)):
            last = max(0, (loop.extent.const if loop.extent.is_const else loop.most or 0) - 1)
            bounds[f"{loop.name}.start"] = bounds[f"{loop.name}.index"] = Interval(0, last)
    return bounds


def _longest(loop: AnyLoop) -> int:
    if isinstance(loop, TileLoop):
        return loop.size or OPEN_SIZE
    if isinstance(loop, Segments):
        return loop.capacity
    assert isinstance(loop, Split), loop
    most = loop.extent.const if loop.extent.is_const else loop.most or 0
    return -(-most // loop.parts)


def _refused(call: Call, why: str) -> UnsupportedOp:
    return UnsupportedOp(
        f"task '{call.task.name}' cannot be cut for cores of one engine",
        span=call.task.span,
        label=why,
        hints=("write the products as a task of their own",),
    )
