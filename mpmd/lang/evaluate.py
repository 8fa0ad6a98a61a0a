"""The evaluator: a `Program` run over NumPy arrays, call after call. It defines what a kernel means.

In:  a program and its arguments; sizes for the tile loops that leave theirs open.
Out: the arguments changed in place; a `Diagnostic` where a slice, an index or a shape does not hold.
Not here: the statements of tasks (`evaluate_task.py`), checking directions (`task/check.py`), anything fast.

Local tensors and `Out` arguments start as NaN (a large negative number for integers, true for bools), so
that a read of what nobody wrote shows in the result.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpmd.errors import ArgumentError, Span
from mpmd.lang import pieces
from mpmd.lang import program as prog
from mpmd.lang.evaluate_task import Array, Environment, Number, run_task, window
from mpmd.lang.extents import actual_shape, dim_values
from mpmd.lang.index import Index
from mpmd.lang.op_reference import convert
from mpmd.lang.pieces import Piece
from mpmd.lang.queues import Unbounded, check_taken
from mpmd.lang.types import Direction, DType, from_numpy

DEFAULT_TILE = 64


# -- programs -----------------------------------------------------------------------------------


def evaluate(
    program: prog.Program,
    arguments: Mapping[str, Array | Number],
    *,
    tile_sizes: Mapping[str, int] | int = DEFAULT_TILE,
) -> None:
    """Run `program` in program order on `arguments`, named as its parameters, in place.

    `tile_sizes` gives the size of each open tile loop, one for all or by the loop's name.
    """
    _check_names(program, arguments)
    dims = dim_values(program, {t.name: np.shape(arguments[t.name]) for t in program.arguments})
    arrays = _storage(program, arguments, dims)
    given = {**arguments, **dims}
    scalars = {s.name: scalar_value(s.name, given[s.name], s.dtype, s.span) for s in program.scalars}
    env = {name: value for name, value in scalars.items() if isinstance(value, int)}
    queues = {channel.id: Unbounded() for channel in program.channels}
    launch = _Launch(program, arrays, scalars, env, tile_sizes, queues)
    launch.run(program.body)
    launch.check_empty(queues, program.span)


@dataclass(frozen=True, slots=True)
class _Launch:
    program: prog.Program
    arrays: tuple[Array, ...]
    scalars: Mapping[str, Number]
    env: Environment
    tile_sizes: Mapping[str, int] | int
    queues: Mapping[int, Unbounded]

    def run(self, body: tuple[prog.Node, ...]) -> None:
        for node in body:
            if isinstance(node, prog.Call):
                self._call(node)
            elif isinstance(node, prog.Loop):
                self._repeat(node)
            else:
                for piece in self._pieces(node):
                    self.env.update(piece.symbols(node.name))
                    self.run(node.body)

    def _pieces(self, node: prog.TileLoop | prog.Split | prog.Segments) -> Iterator[Piece]:
        """Those that have elements; calls are skipped with the others."""
        if isinstance(node, prog.Segments):
            offsets = self._view(node.offsets, node.span)
            name = self.program.tensors[node.offsets.tensor].name
            found = (pieces.segment(offsets, k, node.capacity, name, node.span) for k in range(node.count))
            return (piece for piece in found if piece.size)
        extent = int(node.extent.evaluate(self.env))
        if isinstance(node, prog.Split):
            pieces.check_extent(extent, node.most, "split", node.span)
            return pieces.split(extent, node.parts)
        pieces.check_extent(extent, node.most, "tiles", node.span)
        return pieces.tiles(extent, self._open_size(node.name) if node.size is None else node.size)

    def _open_size(self, name: str) -> int:
        if isinstance(self.tile_sizes, int):
            return self.tile_sizes
        return self.tile_sizes.get(name, DEFAULT_TILE)

    def _repeat(self, loop: prog.Loop) -> None:
        for value in range(int(loop.count.evaluate(self.env))):
            self.env[loop.name] = value
            self.run(loop.body)
            if loop.until is not None and pieces.is_set(self._view(loop.until, loop.span)):
                break

    def _call(self, call: prog.Call) -> None:
        dims = {name: int(value.evaluate(self.env)) for name, value in call.dims}
        tensors: dict[str, Array] = {}
        scalars: dict[str, Number] = {}
        channels: dict[str, int] = {}
        for param, arg in zip(call.task.params, call.args, strict=True):
            if isinstance(arg, prog.View):
                tensors[param.name] = self._view(arg, call.span)
            elif isinstance(arg, prog.ChannelArg):
                channels[param.name] = arg.channel
            else:
                scalars[param.name] = scalar_value(param.name, self._scalar(arg), param.dtype, call.span)
        queues = {name: self.queues[channel] for name, channel in channels.items()}
        run_task(call.task, tensors, scalars, dims, queues, span=call.span)
        received = [p.name for p in call.task.channels if p.direction is Direction.RECV]
        self.check_empty([channels[name] for name in received], call.span)

    def check_empty(self, channels: Iterable[int], span: Span) -> None:
        """A receiver takes all that its sender, which ran before it, has sent."""
        for channel in channels:
            check_taken(self.queues[channel], self.program.channels[channel].name, span)

    def _view(self, view: prog.View, span: Span) -> Array:
        name = self.program.tensors[view.tensor].name
        part = window(self.arrays[view.tensor], view.region, self.env, name, span)
        return part.transpose(view.order)

    def _scalar(self, arg: prog.ScalarArg) -> Number:
        if isinstance(arg.value, Index):
            return int(arg.value.evaluate(self.env))
        return self.scalars[arg.value] if isinstance(arg.value, str) else arg.value


# -- arguments ----------------------------------------------------------------------------------


def _check_names(program: prog.Program, arguments: Mapping[str, Array | Number]) -> None:
    known = [t.name for t in program.arguments] + [s.name for s in program.scalars if s.most is None]
    for name in arguments:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hints = (f"did you mean '{close[0]}'?",) if close else (f"its parameters: {', '.join(known)}",)
            raise ArgumentError(f"'{program.name}' has no parameter '{name}'", span=program.span, hints=hints)
    for name in known:
        if name not in arguments:
            raise ArgumentError(f"'{program.name}' lacks its argument '{name}'", span=program.span)


def _storage(
    program: prog.Program, arguments: Mapping[str, Array | Number], dims: Mapping[str, int]
) -> tuple[Array, ...]:
    arrays: list[Array] = []
    for tensor in program.tensors:
        shape = actual_shape(tensor, dims)
        if tensor.is_argument:
            arrays.append(argument_array(tensor, arguments[tensor.name], shape))
        elif tensor.base is not None:
            arrays.append(reshaped(tensor, arrays[tensor.base], shape))
        else:
            arrays.append(poisoned(shape, tensor.dtype))
    return tuple(arrays)


def argument_array(tensor: prog.Tensor, array: Array | Number, shape: tuple[int, ...]) -> Array:
    """The array of an argument, if it has this shape and fits; what was in an `Out` is gone."""
    if not isinstance(array, np.ndarray):
        raise ArgumentError(
            f"'{tensor.name}' is a tensor, the argument is {type(array).__name__}",
            span=tensor.span,
            label="wants an array",
        )
    if from_numpy(array.dtype) != tensor.dtype or array.shape != shape:
        raise ArgumentError(
            f"'{tensor.name}' is {tensor.dtype.name}{list(shape)}, the array is "
            f"{array.dtype}{list(array.shape)}",
            span=tensor.span,
        )
    if tensor.direction == Direction.OUT:
        array[...] = poison(tensor.dtype)
    return array


def reshaped(tensor: prog.Tensor, base: Array, shape: tuple[int, ...]) -> Array:
    """A view of `base` in the shape of `tensor` in this launch."""
    view = base.reshape(shape)
    if view.size and not np.shares_memory(view, base):
        raise ArgumentError(
            f"'{tensor.name}' reshapes an array that is not contiguous",
            span=tensor.span,
            hints=("pass a contiguous array: numpy.ascontiguousarray(x)",),
        )
    return view


def poison(dtype: DType) -> Number:
    """What an unwritten element holds."""
    if dtype.is_float:
        return float("nan")
    return int(np.iinfo(dtype.numpy).max) // 3 if dtype.is_integer else True


def poisoned(shape: tuple[int, ...], dtype: DType) -> Array:
    return np.full(shape, poison(dtype), dtype.numpy)


def scalar_value(name: str, value: Any, dtype: DType, span: Span) -> Number:
    """A runtime scalar as its dtype holds it; refused where an integer does not fit."""
    if dtype.is_float:
        return float(convert(np.asarray(value, np.float64), dtype.numpy))
    if isinstance(value, float) or int(value) != value:
        raise ArgumentError(f"'{name}' is {dtype.name}, not the float {value}", span=span)
    number = int(value)
    if int(convert(np.asarray(number, np.int64), dtype.numpy)) != number:
        raise ArgumentError(f"{number} does not fit the {dtype.name} '{name}'", span=span)
    return number
