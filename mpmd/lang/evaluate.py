"""The evaluator: a `Program` run over NumPy arrays, call after call. It defines what a kernel means.

In:  a program and its arguments; sizes for the tile loops that leave theirs open.
Out: the arguments changed in place; a `Diagnostic` where a slice, an index or a shape does not hold.
Not here: what an op computes (`op_reference.py`), checking directions (`task/check.py`), anything fast.

Local tensors and `Out` arguments start as NaN (a large negative number for integers, true for bools), so
that a read of what nobody wrote shows in the result.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mpmd.errors import ArgumentError, BoundsError, Span, TypeMismatch
from mpmd.lang import program as prog
from mpmd.lang.index import Index
from mpmd.lang.op_reference import convert
from mpmd.lang.ops import OPS
from mpmd.lang.tile import (
    Apply,
    Attr,
    Attrs,
    Branch,
    Gather,
    Load,
    Loop,
    Region,
    Stmt,
    Store,
    TaskDef,
    TileType,
    ValueId,
)
from mpmd.lang.types import Direction, DType, from_numpy, promote

Array = npt.NDArray[Any]
Number = int | float
Environment = dict[str, int]

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
    arrays = _storage(program, arguments)
    scalars = {s.name: scalar_value(s.name, arguments[s.name], s.dtype, s.span) for s in program.scalars}
    env = {name: value for name, value in scalars.items() if isinstance(value, int)}
    _Launch(program, arrays, scalars, env, tile_sizes).run(program.body)


@dataclass(frozen=True, slots=True)
class _Launch:
    program: prog.Program
    arrays: tuple[Array, ...]
    scalars: Mapping[str, Number]
    env: Environment
    tile_sizes: Mapping[str, int] | int

    def run(self, body: tuple[prog.Node, ...]) -> None:
        for node in body:
            if isinstance(node, prog.Call):
                self._call(node)
            elif isinstance(node, prog.TileLoop):
                self._tile_loop(node)
            else:
                self._loop(node)

    def _tile_loop(self, loop: prog.TileLoop) -> None:
        size = loop.size if loop.size is not None else self._open_size(loop.name)
        for _ in tile_steps(self.env, loop.name, int(loop.extent.evaluate(self.env)), size):
            self.run(loop.body)

    def _open_size(self, name: str) -> int:
        if isinstance(self.tile_sizes, int):
            return self.tile_sizes
        return self.tile_sizes.get(name, DEFAULT_TILE)

    def _loop(self, loop: prog.Loop) -> None:
        for value in range(int(loop.count.evaluate(self.env))):
            self.env[loop.name] = value
            self.run(loop.body)

    def _call(self, call: prog.Call) -> None:
        dims = {name: int(value.evaluate(self.env)) for name, value in call.dims}
        tensors: dict[str, Array] = {}
        scalars: dict[str, Number] = {}
        for param, arg in zip(call.task.params, call.args, strict=True):
            if isinstance(arg, prog.View):
                tensors[param.name] = self._view(arg, call)
            else:
                scalars[param.name] = scalar_value(param.name, self._scalar(arg), param.dtype, call.span)
        run_task(call.task, tensors, scalars, dims, span=call.span)

    def _view(self, view: prog.View, call: prog.Call) -> Array:
        name = self.program.tensors[view.tensor].name
        part = window(self.arrays[view.tensor], view.region, self.env, name, call.span)
        return part.transpose(view.order)

    def _scalar(self, arg: prog.ScalarArg) -> Number:
        if isinstance(arg.value, Index):
            return int(arg.value.evaluate(self.env))
        return self.scalars[arg.value] if isinstance(arg.value, str) else arg.value


def tile_steps(env: Environment, name: str, extent: int, size: int) -> Iterator[int]:
    """Sets in `env` the symbols of each piece of `tiles(extent, size)` in turn; the last may be short."""
    for index, start in enumerate(range(0, extent, size)):
        env[f"{name}.start"] = start
        env[f"{name}.size"] = min(size, extent - start)
        env[f"{name}.index"] = index
        yield index


# -- arguments ----------------------------------------------------------------------------------


def _check_names(program: prog.Program, arguments: Mapping[str, Array | Number]) -> None:
    known = [t.name for t in program.arguments] + [s.name for s in program.scalars]
    for name in arguments:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hints = (f"did you mean '{close[0]}'?",) if close else (f"its parameters: {', '.join(known)}",)
            raise ArgumentError(f"'{program.name}' has no parameter '{name}'", span=program.span, hints=hints)
    for name in known:
        if name not in arguments:
            raise ArgumentError(f"'{program.name}' lacks its argument '{name}'", span=program.span)


def _storage(program: prog.Program, arguments: Mapping[str, Array | Number]) -> tuple[Array, ...]:
    arrays: list[Array] = []
    for tensor in program.tensors:
        if tensor.is_argument:
            arrays.append(argument_array(tensor, arguments[tensor.name]))
        elif tensor.base is not None:
            arrays.append(reshaped(tensor, arrays[tensor.base]))
        else:
            arrays.append(poisoned(tensor.shape, tensor.dtype))
    return tuple(arrays)


def argument_array(tensor: prog.Tensor, array: Array | Number) -> Array:
    """The array of an argument, if it fits; what was in an `Out` is gone."""
    if not isinstance(array, np.ndarray):
        raise ArgumentError(
            f"'{tensor.name}' is a tensor, the argument is {type(array).__name__}",
            span=tensor.span,
            label="wants an array",
        )
    if from_numpy(array.dtype) != tensor.dtype or array.shape != tensor.shape:
        raise ArgumentError(
            f"'{tensor.name}' is {tensor.dtype.name}{list(tensor.shape)}, the array is "
            f"{array.dtype}{list(array.shape)}",
            span=tensor.span,
        )
    if tensor.direction == Direction.OUT:
        array[...] = poison(tensor.dtype)
    return array


def reshaped(tensor: prog.Tensor, base: Array) -> Array:
    """A view of `base` in the shape of `tensor`."""
    view = base.reshape(tensor.shape)
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


# -- regions ------------------------------------------------------------------------------------


def window(array: Array, region: Region, env: Environment, name: str, span: Span) -> Array:
    """The part of `array` that `region` selects, as a view; `BoundsError` where it leaves the array."""
    index: list[slice | int] = []
    for axis, (part, limit) in enumerate(zip(region, array.shape, strict=True)):
        start, extent = int(part.start.evaluate(env)), int(part.extent.evaluate(env))
        check_range(name, axis, start, extent, part.step, limit, span)
        index.append(slice(start, start + extent * part.step, part.step) if part.keep else start)
    return array[(*index, ...)]


def check_range(name: str, axis: int, start: int, extent: int, step: int, limit: int, span: Span) -> None:
    """Whether `extent` elements from `start`, `step` apart, lie within `limit`."""
    stop = start + ((extent - 1) * step + 1 if extent > 0 else extent * step)
    if start < 0 or extent < 0 or stop > limit:
        taken = f"index {start}" if extent == 1 else f"{start}:{stop}"
        raise BoundsError(
            f"{taken} is outside axis {axis} of '{name}', which has {limit} elements",
            span=span,
            label=f"{taken} here",
            hints=("neither indices nor slices are clipped at run time",),
        )


def check_extents(shape: Sequence[int], span: Span) -> None:
    """Whether a tile can have these extents, which a launch may have decided."""
    if min(shape, default=0) < 0:
        raise BoundsError(
            f"a tile of shape {list(shape)} has a negative extent",
            span=span,
            label=f"an extent is {min(shape)} here",
            hints=("keep the stop of a slice, and the size of a tile, from falling below its start",),
        )


# -- tasks --------------------------------------------------------------------------------------


def run_task(
    task: TaskDef,
    tensors: Mapping[str, Array],
    scalars: Mapping[str, Number],
    dims: Mapping[str, int],
    *,
    span: Span | None = None,
) -> None:
    """Run one task's tile IR on views of its tensors. `span` is the call's, for mismatched shapes."""
    env = {**dims, **{name: value for name, value in scalars.items() if isinstance(value, int)}}
    for param in task.tensors:
        wanted = tuple(int(extent.evaluate(env)) for extent in param.shape)
        if tensors[param.name].shape != wanted:
            raise TypeMismatch(
                f"'{param.name}' of '{task.name}' is {list(wanted)}, "
                f"the argument is {list(tensors[param.name].shape)}",
                span=span or task.span,
            )
    Frame(task, tensors, scalars, env).run(task.body)


@dataclass(frozen=True, slots=True)
class Frame:
    """One run of a task: its tensors, and the values and integer symbols defined so far."""

    task: TaskDef
    tensors: Mapping[str, Array]
    scalars: Mapping[str, Number]
    env: Environment
    values: dict[ValueId, Array] = field(default_factory=dict)

    def run(self, body: tuple[Stmt, ...]) -> None:
        for stmt in body:
            self.execute(stmt)

    def execute(self, stmt: Stmt) -> None:
        _STATEMENTS[type(stmt)](self, stmt)

    def define(self, out: ValueId, type_: TileType, value: Array, span: Span) -> None:
        shape = tuple(int(extent.evaluate(self.env)) for extent in type_.shape)
        if value.shape != shape or value.dtype != type_.dtype.numpy:
            raise TypeMismatch(
                f"a value of type {type_} came out as {value.dtype}{list(value.shape)}", span=span
            )
        self.values[out] = value
        if type_.dtype.is_integer and not shape:
            self.env[f"%{out}"] = int(value)

    def apply(self, stmt: Apply) -> None:
        args = tuple(self.values[arg] for arg in stmt.args)
        attrs = self._attrs(stmt.attrs)
        if stmt.op == "scalar":
            attrs["value"] = self.scalars[attrs["name"]]
        elif stmt.op == "slice":
            limit = args[0].shape[attrs["axis"]]
            check_range(
                "the tile", attrs["axis"], attrs["start"], attrs["extent"], attrs["step"], limit, stmt.span
            )
        elif stmt.op == "broadcast":
            check_extents(attrs["shape"], stmt.span)
        elif stmt.op == "iota":
            check_extents((attrs["extent"],), stmt.span)
        elif stmt.op == "reshape" and args[0].size != np.prod(attrs["shape"], dtype=int):
            raise TypeMismatch(
                f"cannot reshape {list(args[0].shape)} to {list(attrs['shape'])}",
                span=stmt.span,
                label=f"{args[0].size} elements",
            )
        value = OPS[stmt.op].reference(args, attrs, stmt.type.dtype.numpy)
        self.define(stmt.out, stmt.type, value, stmt.span)

    def _attrs(self, attrs: Attrs) -> dict[str, Any]:
        return {name: self._attr(value) for name, value in attrs}

    def _attr(self, value: Attr) -> Any:
        if isinstance(value, Index):
            return int(value.evaluate(self.env))
        return tuple(map(self._attr, value)) if isinstance(value, tuple) else value

    def _window(self, stmt: Load | Store) -> Array:
        return window(self.tensors[stmt.param], stmt.region, self.env, stmt.param, stmt.span)

    def load(self, stmt: Load) -> None:
        self.define(stmt.out, stmt.type, np.array(self._window(stmt)), stmt.span)

    def gather(self, stmt: Gather) -> None:
        rows = gather(self.tensors[stmt.param], self.values[stmt.index], stmt.param, stmt.span)
        self.define(stmt.out, stmt.type, rows, stmt.span)

    def store(self, stmt: Store) -> None:
        store(self._window(stmt), self.values[stmt.value], stmt.accumulate, stmt.span)

    def loop(self, stmt: Loop) -> None:
        for carry in stmt.carried:
            self.define(carry.inside, carry.type, self.values[carry.init], stmt.span)
        for _ in self._iterations(stmt):
            self.run(stmt.body)
            after = [self.values[carry.next] for carry in stmt.carried]
            for carry, value in zip(stmt.carried, after, strict=True):
                self.define(carry.inside, carry.type, value, stmt.span)
        for carry in stmt.carried:
            self.define(carry.out, carry.type, self.values[carry.inside], stmt.span)

    def _iterations(self, stmt: Loop) -> Iterator[int]:
        start, stop = int(stmt.start.evaluate(self.env)), int(stmt.stop.evaluate(self.env))
        if stmt.tile is not None:
            yield from tile_steps(self.env, stmt.name, stop, stmt.tile)
            return
        for value in range(start, stop, stmt.step):
            self.env[stmt.name] = value
            yield value

    def branch(self, stmt: Branch) -> None:
        taken = bool(self.values[stmt.condition])
        self.run(stmt.then if taken else stmt.otherwise)
        for result in stmt.results:
            value = self.values[result.then if taken else result.otherwise]
            self.define(result.out, result.type, value, stmt.span)


_STATEMENTS: dict[type, Callable[[Frame, Any], None]] = {
    Apply: Frame.apply,
    Load: Frame.load,
    Gather: Frame.gather,
    Store: Frame.store,
    Loop: Frame.loop,
    Branch: Frame.branch,
}


def gather(table: Array, ids: Array, name: str, span: Span) -> Array:
    """`table[ids]`, rows of axis 0; `BoundsError` for an index outside it."""
    outside = ids[(ids < 0) | (ids >= table.shape[0])]
    if outside.size:
        check_range(name, 0, int(outside[0]), 1, 1, table.shape[0], span)
    return table[ids]


def store(target: Array, value: Array, accumulate: bool, span: Span) -> None:
    """Write a tile, narrowed to the target's dtype; with `accumulate` the sum with what is there."""
    if target.shape != value.shape:
        raise TypeMismatch(f"a store of {list(value.shape)} to {list(target.shape)}", span=span)
    if accumulate:
        value = _sum(target, value)
    target[...] = convert(value, target.dtype)


def _sum(a: Array, b: Array) -> Array:
    left, right = from_numpy(a.dtype), from_numpy(b.dtype)
    assert left is not None and right is not None
    common = promote(left, right).numpy
    return OPS["add"].reference((convert(a, common), convert(b, common)), {}, common)
