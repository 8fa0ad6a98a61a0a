"""Runs a kernel as the Python it is, tasks included, on NumPy: `breakpoint()` and `print` work anywhere.

In:  a kernel (or its plain function), and arrays. Out: the arrays changed in place.
Not here: the tiles that a task sees meanwhile (`debug_tile.py`), what ops compute (`op_reference.py`).

Loops run for real, one iteration after another. One thing differs from compiled code: an index that
comes out negative counts from the end, as for any Python integer; compiled, only a constant does.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from mpmd.errors import ArgumentError, LanguageError, Span
from mpmd.lang import pieces
from mpmd.lang.debug_tile import Live
from mpmd.lang.evaluate import DEFAULT_TILE, argument_array, poisoned, reshaped, scalar_value
from mpmd.lang.evaluate_task import Array, Frame, Number, window
from mpmd.lang.frames import caller_span, user_frame
from mpmd.lang.index import ZERO, Index
from mpmd.lang.kernel.binding import bind_call, match_arguments
from mpmd.lang.kernel.channels import ChannelView
from mpmd.lang.kernel.dynamic import FIXED, Bounds, largest
from mpmd.lang.kernel.loops import (
    CONSTANT_SIZES,
    LoopHead,
    SegmentsHead,
    Stretch,
    loop_head,
    loop_variable,
    segments_head,
    split_head,
    static,
    tiles_head,
)
from mpmd.lang.kernel.signature import KernelParam, Parameter, bind_dims, flattened, kernel_params
from mpmd.lang.kernel.symbolic import as_extent
from mpmd.lang.kernel.trace import Tracer
from mpmd.lang.kernel.views import TensorView, TileSpan
from mpmd.lang.pieces import Piece, check_extent
from mpmd.lang.program import ChannelArg, ScalarArg, Tensor, View
from mpmd.lang.queues import Queue, Unbounded, check_taken
from mpmd.lang.surface import ACTIVE, Interpreter, Task, resolve_annotations
from mpmd.lang.types import DType, TensorAnnotation, TensorSpec


def debug(kernel: Callable[..., Any], *, tile_size: int = DEFAULT_TILE) -> Callable[..., None]:
    """`debug(kernel)(*arguments)` runs the kernel's and its tasks' Python functions on NumPy arrays.

    `tile_size` is that of the tile loops that leave theirs open.
    """
    function = inspect.unwrap(kernel)
    if not isinstance(function, FunctionType) or isinstance(kernel, Task):
        raise ArgumentError(
            f"{kernel!r} is not a kernel",
            span=caller_span(),
            hints=("mpmd.debug takes a function under @mpmd.kernel",),
        )
    resolve_annotations(function, user_frame())
    parameters = kernel_params(function)

    bounds: Bounds = getattr(kernel, "dynamic", FIXED)

    def run(*args: Any, **kwargs: Any) -> None:
        _run(function, parameters, bounds, tile_size, args, kwargs)

    return run


def _run(
    function: FunctionType,
    parameters: Sequence[Parameter],
    bounds: Bounds,
    tile_size: int,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> None:
    names = [parameter.name for parameter in parameters]
    given = match_arguments(function.__name__, names, args, kwargs, caller_span(), error=ArgumentError)
    flat = flattened(function.__name__, parameters, given)
    values = flat.values
    specs: dict[str, TensorSpec] = {}
    for param in flat.params:
        if isinstance(param.annotation, TensorAnnotation):
            specs[param.name] = TensorSpec(param.annotation.dtype, np.shape(values[param.name]))
    largest(function.__name__, flat.params, {p.name: specs.get(p.name) for p in flat.params}, bounds)
    shapes = {name: tuple(map(Index, spec.shape)) for name, spec in specs.items()}
    dims = bind_dims(function.__name__, flat.params, shapes)
    debugger = KernelDebugger(function, dims, values, tile_size)
    arguments = flat.arguments([debugger.declare(param, specs.get(param.name)) for param in flat.params])
    _active(debugger, lambda: function(*arguments))
    debugger.check_taken()


def _active(interpreter: Interpreter, run: Callable[[], None]) -> None:
    outer = ACTIVE.set(interpreter)
    try:
        run()
    finally:
        ACTIVE.reset(outer)


class KernelDebugger(Tracer):
    """A tracer whose numbers are known: loops iterate, and calls run their task instead of being recorded."""

    def __init__(
        self,
        function: FunctionType,
        dims: Mapping[str, Index],
        given: Mapping[str, Any],
        tile_size: int,
    ) -> None:
        super().__init__(function, dims, set(given))
        self._given = given
        self._tile_size = tile_size
        self._arrays: dict[int, Array] = {}
        self._queues: dict[int, Unbounded] = {}

    def declare(self, param: KernelParam, spec: TensorSpec | None) -> Any:
        value = self._given[param.name]
        if spec is None:
            assert isinstance(param.annotation, DType)
            return scalar_value(param.name, value, param.annotation, param.span)
        view = super().declare(param, spec)
        assert isinstance(view, TensorView)
        self._arrays[view.tensor.id] = argument_array(view.tensor, value, view.tensor.shape)
        return view

    def empty(self, shape: Any, dtype: Any) -> TensorView:
        view = super().empty(shape, dtype)
        self._arrays[view.tensor.id] = poisoned(view.tensor.shape, dtype)
        return view

    def reshaped(self, tensor: Tensor, shape: tuple[Index, ...]) -> Tensor:
        result = super().reshaped(tensor, shape)
        self._arrays.setdefault(result.id, reshaped(result, self._arrays[tensor.id], result.shape))
        return result

    def channel(self, dtype: Any, shape: Any, depth: Any) -> ChannelView:
        view = super().channel(dtype, shape, depth)
        self._queues[view.channel.id] = Unbounded()
        return view

    def check_taken(self) -> None:
        """Refuses tokens that nobody has received when the kernel is done."""
        for channel in self._channels:
            check_taken(self._queues[channel.id], channel.name, channel.span)

    def tiles(self, extent: Any, size: Any, most: Any, drain: bool) -> Iterator[TileSpan]:
        loop_variable("mpmd.tiles")
        _check_bound("tiles", extent, most)
        head = tiles_head(extent, size, None, drain)
        step = self._tile_size if head.size is None else head.size
        return _divided(head.stretch, pieces.tiles(head.stretch.extent.const, step))

    def split(self, extent: Any, parts: Any, most: Any, drain: bool) -> Iterator[TileSpan]:
        loop_variable("mpmd.split")
        _check_bound("split", extent, most)
        head = split_head(extent, parts, None, drain)
        return _divided(head.stretch, pieces.split(head.stretch.extent.const, head.parts))

    def segments(self, offsets: Any, capacity: Any) -> Iterator[TileSpan]:
        loop_variable("mpmd.segments")
        return self._segments(segments_head(offsets, capacity))

    def _segments(self, head: SegmentsHead) -> Iterator[TileSpan]:
        offsets = self._array(head.offsets.view, head.offsets.name, head.span)
        for number in range(head.count):
            piece = pieces.segment(offsets, number, head.capacity, head.offsets.name, head.span)
            if piece.size:
                yield TileSpan(
                    "segment", Index(piece.start), Index(piece.size), Index(piece.index), within=None
                )

    def loop(self, count: Any, until: Any) -> Iterator[Any]:
        loop_variable("mpmd.loop")
        number = as_extent(count)
        return self._repeat(loop_head(count if number is None else max(0, number.const), until))

    def _repeat(self, head: LoopHead) -> Iterator[int]:
        for value in range(head.count.const):
            yield value
            if head.until is not None and pieces.is_set(
                self._array(head.until.view, head.until.name, head.span)
            ):
                return

    def _array(self, view: View, name: str, span: Span) -> Array:
        return window(self._arrays[view.tensor], view.region, {}, name, span).transpose(view.order)

    def call(self, task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        span = caller_span()
        call = bind_call(task.definition, args, kwargs, span=span, bounds={})
        tensors: dict[str, Array] = {}
        scalars: dict[str, Number] = {}
        queues: dict[str, Queue] = {}
        for param, arg in zip(task.definition.params, call.args, strict=True):
            if isinstance(arg, View):
                tensors[param.name] = self._array(arg, param.name, span)
            elif isinstance(arg, ChannelArg):
                queues[param.name] = self._queues[arg.channel]
            else:
                scalars[param.name] = scalar_value(param.name, _number(arg), param.dtype, span)
        dims = {name: extent.const for name, extent in call.dims}
        live = Live(Frame(task.definition, tensors, scalars, {**dims}, queues))
        _active(TaskDebugger(live, dims), lambda: task.function(*live.arguments()))


def _check_bound(what: str, extent: Any, most: Any) -> None:
    """Here every extent is known; it may still be one that a launch decides."""
    span = caller_span()
    number = extent.span[1] if isinstance(extent, TileSpan) else as_extent(extent)
    if number is not None:
        check_extent(number.const, None if most is None else static(most, span, CONSTANT_SIZES), what, span)


def _number(arg: ScalarArg) -> Number:
    assert not isinstance(arg.value, str)
    return arg.value.const if isinstance(arg.value, Index) else arg.value


def _divided(stretch: Stretch, found: Iterator[Piece]) -> Iterator[TileSpan]:
    """The pieces, as indices of tensors."""
    within = (stretch.origin, stretch.origin + stretch.extent)
    for piece in found:
        start = stretch.origin + piece.start
        yield TileSpan("tile", start, Index(piece.size), Index(piece.index), within=within)


class TaskDebugger:
    """The interpreter that is active while a task's function runs."""

    def __init__(self, live: Live, dims: Mapping[str, int]) -> None:
        self._live = live
        self._dims = dims

    def extent(self, dim: str) -> int:
        return self._dims[dim]

    def apply(self, operation: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return self._live.function(operation, args, kwargs)

    def tiles(self, extent: Any, size: Any, most: Any, drain: bool) -> Iterator[TileSpan]:
        if size is None:
            raise _belongs_in_a_kernel("mpmd.tiles without a size")
        if most is not None or drain:
            raise _belongs_in_a_kernel("'most' or 'drain' of mpmd.tiles")
        stretch = Stretch("tiles", Index(operator.index(extent)), ZERO, None, None, caller_span())
        return _divided(stretch, pieces.tiles(stretch.extent.const, size))

    def split(self, extent: Any, parts: Any, most: Any, drain: bool) -> Iterator[Any]:
        raise _belongs_in_a_kernel("mpmd.split")

    def segments(self, offsets: Any, capacity: Any) -> Iterator[Any]:
        raise _belongs_in_a_kernel("mpmd.segments")

    def call(self, task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        raise _belongs_in_a_kernel(f"a call of task '{task.__name__}'")

    def empty(self, shape: Any, dtype: Any) -> Any:
        raise _belongs_in_a_kernel("mpmd.empty")

    def loop(self, count: Any, until: Any) -> Iterator[Any]:
        raise _belongs_in_a_kernel("mpmd.loop")

    def channel(self, dtype: Any, shape: Any, depth: Any) -> Any:
        raise _belongs_in_a_kernel("mpmd.channel")

    def inline(self, function: FunctionType, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        raise _belongs_in_a_kernel(f"a call of kernel '{function.__name__}'")


def _belongs_in_a_kernel(what: str) -> LanguageError:
    return LanguageError(f"{what} belongs in a kernel, not in a task", span=caller_span())
