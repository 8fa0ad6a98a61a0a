"""Tracing: runs a kernel's Python once, with symbolic tensors, and records the calls of its tasks.

In:  the kernel's function, and for each parameter a `TensorSpec` (None for a runtime scalar).
Out: a `Program`.
Not here: task bodies (`task/parser.py`); views and their indices (`kernel/views.py`); the argument rules
of one call (`kernel/binding.py`); Python values that were read from outside (`kernel/guards.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import FunctionType
from typing import Any

from mpmd.errors import ArgumentError, LanguageError, Note, Span, TypeMismatch
from mpmd.lang.extents import at_bounds
from mpmd.lang.frames import caller_span, function_span, user_frame
from mpmd.lang.index import INT_MAX, Index, symbol
from mpmd.lang.kernel.binding import bind_call, direction_error, match_arguments, permits
from mpmd.lang.kernel.bytecode import bound_to
from mpmd.lang.kernel.carried import check_carried
from mpmd.lang.kernel.channels import ChannelView, check_channels, new_channel
from mpmd.lang.kernel.dynamic import FIXED, Bounds, Launch, launch_of
from mpmd.lang.kernel.initialised import check_initialised
from mpmd.lang.kernel.loops import (
    Head,
    loop_head,
    loop_variable,
    segments_head,
    split_head,
    static,
    tightened,
    tiles_head,
)
from mpmd.lang.kernel.ranges import OpenLoop, intervals
from mpmd.lang.kernel.signature import KernelParam, bind_dims, flattened, kernel_params
from mpmd.lang.kernel.symbolic import SymFloat, SymInt, as_extent, simplest
from mpmd.lang.kernel.views import TensorView, c_strides
from mpmd.lang.program import Arg, Call, Channel, ChannelArg, Node, Program, Scalar, ScalarArg, Tensor
from mpmd.lang.surface import ACTIVE, Task
from mpmd.lang.types import Direction, DType, TensorAnnotation, TensorSpec


def trace(function: FunctionType, specs: Mapping[str, Any], dynamic: Bounds = FIXED) -> Program:
    """The kernel's program under these argument types: by parameter a `TensorSpec`, None for a runtime
    scalar, or what holds them as the parameter's annotation says. `dynamic` bounds dims that launches bind.
    """
    name, parameters = function.__name__, kernel_params(function)
    flat = flattened(name, parameters, {p.name: specs.get(p.name) for p in parameters})
    params, given = flat.params, flat.values
    launch = launch_of(name, params, given, dynamic)
    shapes = {p.name: _shape(function, p, given[p.name], launch) for p in params}
    dims = bind_dims(name, params, {n: s for n, s in shapes.items() if s is not None})
    tracer = Tracer(function, dims, {p.name for p in params}, launch)
    arguments = flat.arguments([tracer.declare(p, given[p.name]) for p in params])
    outer = ACTIVE.set(tracer)
    try:
        _check_no_result(function, function(*arguments))
    finally:
        ACTIVE.reset(outer)
    program = tracer.program(function, params)
    check_channels(program)
    check_initialised(at_bounds(program))
    return program


def _shape(
    function: FunctionType, param: KernelParam, spec: TensorSpec | None, launch: Launch
) -> tuple[Index, ...] | None:
    """The argument's extents; None for a scalar."""
    annotation = param.annotation
    if isinstance(annotation, DType):
        if spec is None:
            return None
        given, wanted = "a tensor", f"a scalar {annotation}"
    elif spec is None:
        given, wanted = "a scalar", f"a tensor {annotation.dtype}"
    elif spec.dtype != annotation.dtype:
        given, wanted = str(spec.dtype), str(annotation.dtype)
    else:
        extents = tuple(Index(extent) for extent in spec.shape)
        first = launch.firsts.get(param.name)
        return extents if first is None else (first, *extents[1:])
    raise ArgumentError(
        f"'{param.name}' of kernel '{function.__name__}' is {wanted}, but the argument is {given}",
        span=param.span,
        label=f"declared as {wanted}",
        hints=("a launch converts nothing: convert the argument, or declare what it is",),
    )


class Tracer:
    """The interpreter that is active while a kernel is traced."""

    def __init__(
        self, function: FunctionType, dims: Mapping[str, Index], names: set[str], launch: Launch | None = None
    ) -> None:
        self._running = [function]  # the kernel, and kernels inside of it that are being traced
        self._scopes: list[dict[str, Index]] = [dict(dims)]  # the dims of each
        self._launch = launch or Launch()
        self._names = names | {dim.name for dim in self._launch.dims}  # taken, as are those of loops
        self._numbers: dict[str, int] = {}  # of each name that was wanted, the last number it was given
        self._tensors: list[Tensor] = []
        self._reshapes: dict[tuple[int, tuple[Index, ...]], Tensor] = {}
        self._scalars: list[Scalar] = []
        self._channels: list[Channel] = []
        self._loops: list[OpenLoop] = [*self._launch.ranges]
        self._bodies: list[list[Node]] = [[]]
        self._left: Span | None = None  # a symbolic loop that was left before its body ended

    # -- what a kernel starts from, and what it comes to ------------------------------------

    def declare(self, param: KernelParam, spec: TensorSpec | None) -> TensorView | SymInt | SymFloat:
        """The value that stands for a parameter."""
        annotation = param.annotation
        if isinstance(annotation, DType):
            self._scalars.append(Scalar(param.name, annotation, param.span))
            return SymFloat(param.name, annotation) if annotation.is_float else SymInt(symbol(param.name))
        assert spec is not None
        first = self._launch.firsts.get(param.name)
        if first is not None:
            extents = (first, *map(Index, spec.shape[1:]))
            tensor = self._add(param.name, spec.dtype, extents, annotation.direction, None, param.span)
        else:
            tensor = self._add(
                param.name,
                spec.dtype,
                tuple(map(Index, spec.shape)),
                annotation.direction,
                None,
                param.span,
                spec.strides,
            )
        return TensorView.whole(self, tensor, annotation.direction, tensor.name)

    def program(self, function: FunctionType, params: Sequence[KernelParam]) -> Program:
        if self._left is not None:
            raise LanguageError(
                "a symbolic loop is left before its body ends",
                span=self._left,
                hints=("its body is traced once for all iterations: no 'break', no 'return', no next()",),
            )
        return Program(
            name=function.__name__,
            tensors=tuple(self._tensors),
            scalars=(*self._scalars, *self._launch.dims),
            params=tuple(p.name for p in params),
            body=tightened(tuple(self._bodies[0]), self._launch.ranges),
            span=function_span(function),
            channels=tuple(self._channels),
        )

    # -- the interpreter's part --------------------------------------------------------------

    def extent(self, dim: str) -> Any:
        scope = self._scopes[-1]
        if dim not in scope:
            close = get_close_matches(dim, scope, n=1)
            raise LanguageError(
                f"dim '{dim}' is not an extent of any parameter of this kernel",
                span=caller_span(),
                label="has no value",
                hints=(
                    f"did you mean '{close[0]}'?" if close else f"its dims are {', '.join(scope) or 'none'}",
                ),
            )
        return simplest(scope[dim])

    def call(self, task: Task, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        bounds = intervals(self._loops)
        call = bind_call(task.definition, args, kwargs, span=caller_span(), bounds=bounds)
        self._check_scope(call)
        self._bodies[-1].append(call)

    def apply(self, operation: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        raise LanguageError(
            f"mpmd.{operation} works on tiles, inside of a task",
            span=caller_span(),
            label="called in a kernel",
            hints=("a kernel only calls tasks: move it into a function under @mpmd.task",),
        )

    def empty(self, shape: Any, dtype: Any) -> TensorView:
        span = caller_span()
        if not isinstance(dtype, DType):
            raise LanguageError(
                f"{dtype!r} is not an element type", span=span, hints=("write mpmd.empty((T, F), mpmd.f32)",)
            )
        wanted = shape if isinstance(shape, (tuple, list)) else [shape]
        outside = "allocate the whole extent outside of the loop, and pass parts of it"
        extents = tuple(self._extent(extent, span, outside) for extent in wanted)
        name = self._fresh(bound_to(user_frame()) or "local")
        tensor = self._add(name, dtype, extents, None, None, span)
        return TensorView.whole(self, tensor, None, name)

    def _extent(self, value: Any, span: Span, otherwise: str) -> Index:
        """An extent of a tensor: a constant, or an expression of dims that a launch binds."""
        index = as_extent(value)
        if index is not None and index.terms and index.symbols() <= {d.name for d in self._launch.dims}:
            if self._launch.most(index) < INT_MAX:
                return index
            otherwise = "the extent must have a bound: divide by constants only"
        return Index(static(value, span, otherwise))

    def channel(self, dtype: Any, shape: Any, depth: Any) -> ChannelView:
        name = self._fresh(bound_to(user_frame()) or "channel")
        view = new_channel(len(self._channels), name, dtype, shape, depth, caller_span())
        self._channels.append(view.channel)
        return view

    def tiles(self, extent: Any, size: Any, most: Any, drain: bool) -> Iterator[Any]:
        return self._traced(loop_variable("mpmd.tiles"), tiles_head(extent, size, most, drain))

    def split(self, extent: Any, parts: Any, most: Any, drain: bool) -> Iterator[Any]:
        return self._traced(loop_variable("mpmd.split"), split_head(extent, parts, most, drain))

    def segments(self, offsets: Any, capacity: Any) -> Iterator[Any]:
        return self._traced(loop_variable("mpmd.segments"), segments_head(offsets, capacity))

    def loop(self, count: Any, until: Any) -> Iterator[Any]:
        return self._traced(loop_variable("mpmd.loop"), loop_head(count, until))

    def inline(self, function: FunctionType, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """A kernel that this kernel calls: its body becomes part of this one."""
        span = caller_span()
        name = function.__name__
        if function in self._running:
            raise LanguageError(
                f"kernel '{name}' calls itself", span=span, hints=("repeat with range, or mpmd.loop",)
            )
        parameters = kernel_params(function)
        given = match_arguments(name, [p.name for p in parameters], args, kwargs, span)
        flat = flattened(name, parameters, given, error=TypeMismatch, span=span)
        params = flat.params
        passed = [_passed(name, p, part.value, span) for p, part in zip(params, flat.parts, strict=True)]
        shapes = {p.name: v.extents for p, v in zip(params, passed, strict=True) if isinstance(v, TensorView)}
        self._scopes.append(bind_dims(name, params, shapes, error=TypeMismatch, span=span))
        self._running.append(function)
        try:
            _check_no_result(function, function(*flat.arguments(passed)))
        finally:
            self._running.pop()
            self._scopes.pop()

    # -- the views' part ---------------------------------------------------------------------

    @property
    def open_loops(self) -> Sequence[OpenLoop]:
        return self._loops

    def reshaped(self, tensor: Tensor, shape: tuple[Index, ...]) -> Tensor:
        base = tensor if tensor.base is None else self._tensors[tensor.base]
        if shape == base.actual:
            return base
        key = (base.id, shape)
        if key not in self._reshapes:
            name = self._fresh(bound_to(user_frame()) or f"{base.name}_view")
            self._reshapes[key] = self._add(name, base.dtype, shape, None, base.id, caller_span())
        return self._reshapes[key]

    def same_storage(self, tensor: Tensor) -> frozenset[int]:
        root = tensor.id if tensor.base is None else tensor.base
        return frozenset(t.id for t in self._tensors if root in (t.id, t.base))

    # -- bookkeeping -------------------------------------------------------------------------

    def _add(
        self,
        name: str,
        dtype: DType,
        extents: tuple[Index, ...],
        direction: Direction | None,
        base: int | None,
        span: Span,
        strides: tuple[int, ...] | None = None,
    ) -> Tensor:
        shape = tuple(self._launch.most(extent) for extent in extents)
        decided = extents if any(extent.terms for extent in extents) else ()
        strides = c_strides(shape) if strides is None else strides
        tensor = Tensor(len(self._tensors), name, dtype, shape, strides, direction, base, span, decided)
        self._tensors.append(tensor)
        return tensor

    def _traced(self, name: str, head: Head) -> Iterator[Any]:
        if head.is_empty:
            return
        loop = head.opened(self._fresh(name))
        item = head.iteration(loop)
        body: list[Node] = []
        yield from self._once(loop, item, body, head.span)
        if body:
            self._bodies[-1].append(head.node(loop, item, tuple(body), self._loops))

    def _once(self, loop: OpenLoop, item: Any, body: list[Node], span: Span) -> Iterator[Any]:
        """Yields the one symbolic iteration, which is recorded in `body`."""
        frame = user_frame()
        before = {} if frame is None else dict(frame.f_locals)
        self._loops.append(loop)
        self._bodies.append(body)
        try:
            yield item
        except GeneratorExit:
            self._left = span
            raise
        finally:
            self._loops.pop()
            self._bodies.pop()
        if frame is not None:
            check_carried(frame.f_code, span, before, dict(frame.f_locals))

    def _fresh(self, wanted: str) -> str:
        name, number = wanted, self._numbers.get(wanted, 1)
        while name in self._names:
            number += 1
            name = f"{wanted}_{number}"
        self._names.add(name)
        self._numbers[wanted] = number
        return name

    def _check_scope(self, call: Call) -> None:
        scalars = {s.name for s in (*self._scalars, *self._launch.dims)}
        known = scalars.union(*(loop.symbols for loop in self._loops))
        for param, arg in zip(call.task.params, call.args, strict=True):
            outside = sorted(_symbols(arg) - known)
            if outside:
                raise _ended(f"'{param.name}' of '{call.task.name}'", outside[0], call.span)
        core = call.placement.core if call.placement is not None else None
        if core is None:
            return
        if outside := sorted(core.symbols() - known):
            raise _ended("'core'", outside[0], call.span)
        if late := sorted(core.symbols() & scalars):
            raise LanguageError(
                f"'core' depends on '{late[0]}', which is known only at launch",
                span=call.span,
                label=f"core={core}",
                hints=("cores are assigned when the kernel is compiled: use constants, or t.index",),
            )


def _ended(what: str, symbol: str, span: Span) -> LanguageError:
    return LanguageError(
        f"{what} depends on '{symbol}', whose loop has ended",
        span=span,
        label=f"'{symbol.partition('.')[0]}' has no value here",
        hints=("use the value inside of the loop; a symbolic loop has no last iteration",),
    )


def _check_no_result(function: FunctionType, result: object) -> None:
    if result is not None:
        raise LanguageError(
            f"kernel '{function.__name__}' returns a value",
            span=function_span(function),
            label=f"returns {result!r}",
            hints=("write results to Out parameters; a helper that returns a view is a plain function",),
        )


def _symbols(arg: Arg) -> set[str]:
    if isinstance(arg, ScalarArg):
        return set(arg.value.symbols()) if isinstance(arg.value, Index) else set()
    if isinstance(arg, ChannelArg):
        return set()
    return {s for axis in arg.region for s in axis.start.symbols() | axis.extent.symbols()}


def _passed(kernel: str, param: KernelParam, value: Any, span: Span) -> Any:
    """An argument of an inlined kernel, under the directions that it declares."""
    annotation = param.annotation
    problem = ""
    if isinstance(annotation, TensorAnnotation):
        if isinstance(value, TensorView) and value.dtype == annotation.dtype:
            if not permits(value.direction, annotation.direction):
                whose = f"'{param.name}' of kernel '{kernel}'"
                declared = Note(param.span, f"declares '{param.name}'")
                raise direction_error(value, annotation.direction, whose, span, declared)
            return value.restricted(annotation.direction, param.name)
        problem = f"a tensor {annotation.dtype}"
    elif annotation.is_float:
        if isinstance(value, (int, float)) or (isinstance(value, SymFloat) and value.dtype == annotation):
            return value
        problem = f"a scalar {annotation}"
    else:
        index = as_extent(value)
        if index is not None:
            return simplest(index)
        problem = f"a scalar {annotation}"
    raise TypeMismatch(
        f"'{param.name}' of kernel '{kernel}' is {problem}, but {value!r} is given",
        span=span,
        label=f"'{param.name}' is given here",
        related=(Note(param.span, f"declares '{param.name}'"),),
        hints=("an inner kernel takes what its annotations say: tensors of the same dtype, and scalars",),
    )
