"""Splitting a reduction: a sum over a long extent as sums over its pieces, added up in a fixed order.

In:  a `Program`, the tensor that the call writes, and in how many parts its reduction is to be split.
Out: a `Program` that means the same up to the order of additions; or why that is not right.
Not here: which part of the body goes where (`parts_of_task.py`); sums over the pieces of loops that the user
wrote (`partition/accumulate.py`); whether it pays (`search.py`).

Each piece stores its sum in a tensor with one more axis; one more call adds them up, first to last, and
does the rest of the body. So the bits depend neither on cores nor on timing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import ceil

from mpmd.lang.index import ONE, ZERO, Index, symbol
from mpmd.lang.program import Arg, Call, ChannelArg, Node, Program, Split, Tensor, TensorId, TileLoop, View
from mpmd.lang.tile import Axis, TaskDef
from mpmd.partition.rewrite.parts_of_task import SUMS, TaskParts, parts_of_task
from mpmd.partition.rewrite.places import Site, loop_names, piece_size, replaced, unused
from mpmd.partition.rewrite.reason import Refused
from mpmd.partition.rewrite.uses import use_of
from mpmd.partition.sums_layout import narrowed, part_of_sums, sums_tensor

GRANULE = 16
"""Pieces are multiples of it: a cache line of f32, and a vector of the widest CPUs."""


def split_reduction(program: Program, tensor: TensorId, parts: int) -> Program | Refused:
    """The program in which the call that writes `tensor` is `parts` calls side by side, and one more."""
    writers = use_of(program, tensor).writers
    if len(writers) != 1:
        name = program.tensors[tensor].name
        return Refused(f"not one call makes '{name}', but {len(writers)}", program.tensors[tensor].span)
    site = writers[0]
    if reason := _pinned(site):
        return Refused(reason, site.call.span)
    task = parts_of_task(site.call.task)
    if isinstance(task, Refused):
        return task
    extent = dict(site.call.dims)[task.dim]
    if not extent.is_const:
        return Refused(f"only a launch knows how long '{task.dim}' is", site.call.span)
    size = GRANULE * ceil(extent.const / (parts * GRANULE))
    count = ceil(extent.const / size)
    if count < 2:
        return Refused(f"{extent.const} elements do not make {parts} pieces of {GRANULE}", site.call.span)
    sums = _sums(program, site, task, count)
    loop = _loop(program, task, extent, size, site)
    nodes = _nodes(site.call, task, sums, loop)
    tensors = (*program.tensors, sums)
    return replace(program, tensors=tensors, body=replaced(program.body, site.place, nodes))


def _pinned(site: Site) -> str | None:
    """Why the call has to stay one."""
    if site.call.placement is not None:
        return "the call asks for a place"
    if any(isinstance(arg, ChannelArg) for arg in site.call.args):
        return "tasks that are joined by channels run side by side"
    if any(isinstance(loop, (TileLoop, Split)) and loop.drain for loop in site.loops):
        return "the pieces of a drain are independent of each other"
    return None


def _sums(program: Program, site: Site, task: TaskParts, count: int) -> Tensor:
    view = _view(site.call, task.like)
    target = program.tensors[view.tensor]
    name = unused(f"{target.name}_parts", {tensor.name for tensor in program.tensors})
    return sums_tensor(len(program.tensors), name, task.dtype, view, target, count, site.call.span)


def _loop(program: Program, task: TaskParts, extent: Index, size: int, site: Site) -> TileLoop:
    name = unused(f"{task.dim}_part", set(loop_names(program.body)) | {s.name for s in program.scalars})
    return TileLoop(name, extent, size, (), site.call.span)


def _nodes(call: Call, task: TaskParts, sums: Tensor, loop: TileLoop) -> tuple[Node, Node]:
    """The loop over the pieces, and the call that adds them up."""
    like = _view(call, task.like)
    piece = Axis(symbol(f"{loop.name}.start"), piece_size(loop))
    one = part_of_sums(like, sums.id, Axis(symbol(f"{loop.name}.index"), ONE, keep=False))
    every = part_of_sums(like, sums.id, Axis(ZERO, Index(sums.shape[0])))
    given = {p.name: arg for p, arg in zip(call.task.params, call.args, strict=True)}
    pieces = {name: _piece(task, name, arg, piece) for name, arg in given.items()}
    dims = dict(call.dims)
    first = _call(task.piece, {**pieces, SUMS: one}, {**dims, task.dim: piece.extent}, call)
    last = _call(task.rest, {**given, SUMS: every}, {**dims, task.count: Index(sums.shape[0])}, call)
    return replace(loop, body=(first,)), last


def _call(task: TaskDef, args: Mapping[str, Arg], dims: Mapping[str, Index], origin: Call) -> Call:
    taken = tuple(args[param.name] for param in task.params)
    return Call(task, taken, tuple((dim, dims[dim]) for dim in task.dims), origin.span)


def _piece(task: TaskParts, name: str, arg: Arg, piece: Axis) -> Arg:
    """A piece of an argument, along its axes that are summed over."""
    if not isinstance(arg, View) or name not in task.summed:
        return arg
    kept = [number for number, axis in enumerate(arg.region) if axis.keep]
    for axis in task.summed[name]:
        arg = narrowed(arg, kept[arg.order[axis]], piece)
    return arg


def _view(call: Call, number: int) -> View:
    arg = call.args[number]
    assert isinstance(arg, View), "a tensor parameter takes a view"
    return arg
