"""A task cut at its reduction: what is done for each piece of the summed extent, and what is done once.

In:  a task. Out: the two tasks, and which axes are cut; or why it cannot be cut.
Not here: the calls of the two, and where the sums lie (`split.py`).

The summed value is the one `@`, or the one `sum`, of the body. What it is made of must not mix elements of
the summed extent: element by element, no places counted along it, nothing that the task itself writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from mpmd.lang.index import ONE, ZERO, Index, symbol
from mpmd.lang.ops import OPS, OpKind
from mpmd.lang.tile import (
    Apply,
    Axis,
    Carry,
    Gather,
    Load,
    Loop,
    Param,
    Stmt,
    Store,
    TaskDef,
    TileType,
    ValueId,
    walk,
)
from mpmd.lang.types import Direction, DType
from mpmd.partition.rewrite.bodies import defined, lost_dims, made_of, params_of, types_of, without
from mpmd.partition.rewrite.bodies import loop_names as loops_within
from mpmd.partition.rewrite.places import unused
from mpmd.partition.rewrite.reason import Refused

SUMS = "sums"
"""The parameter that has the sums. A user's parameter of that name keeps the task whole."""


@dataclass(frozen=True, slots=True)
class TaskParts:
    """`piece` stores a sum over a piece of `dim`; `rest` adds up `count` of them and does what remains.

    `summed`: by parameter the axes that are cut. `like`: the number of a parameter with the extents of a sum.
    """

    dim: str
    count: str
    piece: TaskDef
    rest: TaskDef
    summed: Mapping[str, tuple[int, ...]]
    like: int
    dtype: DType


def parts_of_task(task: TaskDef) -> TaskParts | Refused:
    found = _reduction(task)
    if isinstance(found, Refused):
        return found
    root, dim = found
    made = made_of(task.body, root.out)
    if any(param.name == SUMS for param in task.params):
        return Refused(f"it has a parameter '{SUMS}' of its own", task.span)
    written = {stmt.param for stmt in walk(task.body) if isinstance(stmt, Store)}
    if reason := _mixed(task, made[:-1], dim, written):
        return Refused(reason, root.span)
    if dim in {name for extent in root.type.shape for name in extent.symbols()}:
        return Refused(f"the sum over '{dim}' has extents of '{dim}', too", root.span)
    like = [n for n, p in enumerate(task.params) if p.name in written and p.shape == root.type.shape]
    if not like:
        return Refused("nothing that it writes has the extents of the sum", root.span)
    count = unused("P", {*task.dims, *(p.name for p in task.params), *loops_within(task.body)})
    piece, rest = _piece(task, made, root), _rest(task, root, count)
    for made_task in (piece, rest):
        if lost := lost_dims(made_task):
            return Refused(f"no argument of a part says what '{lost[0]}' is", task.span)
    summed = {p.name: axes for p in piece.params if (axes := _axes(p, dim))}
    return TaskParts(dim, count, piece, rest, summed, like[0], root.type.dtype)


def _reduction(task: TaskDef) -> tuple[Apply, str] | Refused:
    """The value that is summed, and the dim over which."""
    every = [stmt for stmt in walk(task.body) if isinstance(stmt, Apply)]
    for op in ("dot", "sum"):
        roots = [stmt for stmt in every if stmt.op == op]
        if not roots:
            continue
        if len(roots) > 1 or roots[0] not in task.body:
            return Refused(f"it has more than one '{op}', or one in a loop or branch", roots[-1].span)
        (root,) = roots
        shape = types_of(task.body)[root.args[0]].shape
        axis = root.attr("axis") if op == "sum" else 1
        extent = shape[axis if isinstance(axis, int) else 0]
        if str(extent) not in task.dims:
            return Refused(f"it sums over {extent} elements, which is no dim of its own", root.span)
        return root, str(extent)
    return Refused("it has no '@' and no sum", task.span)


# -- whether pieces can be told apart -----------------------------------------------------------------


def _mixed(task: TaskDef, made: tuple[Stmt, ...], dim: str, written: set[str]) -> str | None:
    """Why what is summed is not made piece by piece."""
    types = types_of(task.body)
    for param in task.tensors:
        if any(dim in extent.symbols() and extent != symbol(dim) for extent in param.shape):
            return f"'{param.name}' has an extent that is made from '{dim}'"
    for stmt in made:
        if isinstance(stmt, (Load, Gather)) and stmt.param in written:
            return f"it sums what it has written to '{stmt.param}'"
        if not _by_elements(stmt, task, dim, types):
            return f"what it sums needs more than one piece of '{dim}' at once"
    return None


def _by_elements(stmt: Stmt, task: TaskDef, dim: str, types: Mapping[ValueId, TileType]) -> bool:
    if isinstance(stmt, Load):
        pairs = zip(stmt.region, task.param(stmt.param).shape, strict=True)
        return all(
            axis == Axis(ZERO, extent) if extent == symbol(dim) else not _has(dim, axis.start, axis.extent)
            for axis, extent in pairs
        )
    if isinstance(stmt, Gather):
        return not _has(dim, task.param(stmt.param).shape[0], *types[stmt.index].shape)
    return isinstance(stmt, Apply) and _op_by_elements(stmt, dim, types)


def _op_by_elements(stmt: Apply, dim: str, types: Mapping[ValueId, TileType]) -> bool:
    kind = OPS[stmt.op].kind
    if kind in (OpKind.ELEMENTWISE, OpKind.CAST) or stmt.op in ("transpose", "expand"):
        return True
    if stmt.op == "broadcast":
        return all(extent == symbol(dim) or not _has(dim, extent) for extent in stmt.type.shape)
    if kind is OpKind.REDUCTION:
        axis = stmt.attr("axis")
        return isinstance(axis, int) and not _has(dim, types[stmt.args[0]].shape[axis])
    if kind is OpKind.DOT:
        return not _has(dim, types[stmt.args[0]].shape[1])
    return not _has(dim, *_extents(stmt, types))


def _extents(stmt: Apply, types: Mapping[ValueId, TileType]) -> Iterator[Index]:
    yield from stmt.type.shape
    for arg in stmt.args:
        yield from types[arg].shape
    yield from (value for _, value in stmt.attrs if isinstance(value, Index))


def _has(dim: str, *extents: Index) -> bool:
    return any(dim in extent.symbols() for extent in extents)


def _axes(param: Param, dim: str) -> tuple[int, ...]:
    return tuple(number for number, extent in enumerate(param.shape) if extent == symbol(dim))


# -- the two tasks -----------------------------------------------------------------------------------


def _piece(task: TaskDef, made: tuple[Stmt, ...], root: Apply) -> TaskDef:
    """`sums[:] = …`, the reduction alone."""
    used = params_of(made)
    params = tuple(param for param in task.params if param.name in used)
    sums = Param(SUMS, Direction.OUT, root.type.dtype, root.type.shape, root.span)
    store = Store(SUMS, _whole(root.type.shape), root.out, False, root.span)
    return replace(task, name=f"{task.name}_part", params=(*params, sums), body=(*made, store))


def _rest(task: TaskDef, root: Apply, count: str) -> TaskDef:
    """The body with the total of all sums in the place of the reduction."""
    body = without(task.body, root.out)
    at = next((n for n, stmt in enumerate(body) if _comes_after(task, stmt, root)), len(body))
    body = (*body[:at], *_total(task, root, count), *body[at:])
    used = params_of(body)
    params = tuple(param for param in task.params if param.name in used)
    shape = (symbol(count), *root.type.shape)
    sums = Param(SUMS, Direction.IN, root.type.dtype, shape, root.span)
    return replace(task, name=f"{task.name}_rest", params=(sums, *params), body=body)


def _comes_after(task: TaskDef, stmt: Stmt, root: Apply) -> bool:
    return task.body.index(stmt) > task.body.index(root)


def _total(task: TaskDef, root: Apply, count: str) -> tuple[Stmt, ...]:
    """`total = sums[0]`, `for k in range(1, P): total = total + sums[k]`: from the first to the last."""
    first = 1 + max(defined(task.body), default=-1)
    inside, one, after = first + 1, first + 2, first + 3
    name = unused("k", {count, *task.dims, *(p.name for p in task.params), *loops_within(task.body)})
    type_, span = root.type, root.span
    loop = Loop(
        name,
        ONE,
        symbol(count),
        1,
        None,
        (Carry("total", type_, first, inside, after, root.out),),
        (
            Load(one, type_, SUMS, _one_of(symbol(name), type_.shape), span),
            Apply(after, type_, "add", (inside, one), (), span),
        ),
        span,
    )
    return Load(first, type_, SUMS, _one_of(ZERO, type_.shape), span), loop


def _one_of(which: Index, shape: tuple[Index, ...]) -> tuple[Axis, ...]:
    return (Axis(which, ONE, keep=False), *_whole(shape))


def _whole(shape: tuple[Index, ...]) -> tuple[Axis, ...]:
    return tuple(Axis(ZERO, extent) for extent in shape)
