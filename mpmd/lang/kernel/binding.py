"""One call of a task in a kernel: what was passed, checked against the task's signature.

In:  a `TaskDef`, the Python arguments of the call, its span.
Out: a `Call` of the program.
Not here: what happened to the tensors before (`kernel/initialised.py`); argument arrays (`runtime`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import combinations
from typing import Any

import numpy as np

from mpmd.errors import AliasError, Diagnostic, DirectionError, Note, Span, TypeMismatch
from mpmd.lang.index import Index, Interval, Sym
from mpmd.lang.kernel.channels import ChannelView, channel_argument
from mpmd.lang.kernel.overlap import provably_disjoint
from mpmd.lang.kernel.placement import split_placement
from mpmd.lang.kernel.symbolic import SymFloat, SymInt, as_extent
from mpmd.lang.kernel.views import TensorView
from mpmd.lang.program import Arg, Call, ScalarArg, View
from mpmd.lang.tile import Param, TaskDef
from mpmd.lang.types import Direction, DType


def bind_call(
    task: TaskDef,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    span: Span,
    bounds: Mapping[str, Interval],
) -> Call:
    """The call, or the diagnostic of the first rule that it breaks."""
    kwargs, placement = split_placement(task, kwargs, span)
    given = match_arguments(task.name, [p.name for p in task.params], args, kwargs, span)
    bound = [_argument(task, param, given[param.name], span) for param in task.params]
    views = {p.name: given[p.name] for p in task.shaped}
    dims = _bind_dims(task, views, span)
    _check_extents(task, views, dims, span)
    _check_aliases(task, views, span, bounds)
    return Call(task, tuple(bound), tuple((name, dims[name]) for name in task.dims), span, placement)


def match_arguments(
    name: str,
    names: Sequence[str],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    span: Span,
    *,
    error: type[Diagnostic] = TypeMismatch,
    signature: str = "",
) -> dict[str, Any]:
    """Arguments by parameter name, whether they were given by place or by name.

    `signature` is what a hint says of the parameters, where there is more to say than their names.
    """
    parameters = signature or f"its parameters are {', '.join(names)}"
    for key in kwargs:
        if key not in names:
            close = get_close_matches(key, names, n=1)
            raise error(
                f"'{name}' has no parameter '{key}'",
                span=span,
                label=f"'{key}' is unknown",
                hints=(f"did you mean '{close[0]}'?" if close else parameters,),
            )
        if key in names[: len(args)]:
            raise error(
                f"'{name}' is given '{key}' twice",
                span=span,
                label="by place and by name",
                hints=(f"leave one of the two out; {parameters}",),
            )
    given = dict(zip(names, args, strict=False)) | dict(kwargs)
    missing = [n for n in names if n not in given]
    if len(args) > len(names) or missing:
        count = len(args) + len(kwargs)
        verb = "is" if count == 1 else "are"
        raise error(
            f"'{name}' takes {_number(len(names), 'argument')} but {count} {verb} given",
            span=span,
            label=f"missing {', '.join(missing)}" if missing else f"{len(args) - len(names)} too many",
            hints=(parameters,) if names else (),
        )
    return given


def _argument(task: TaskDef, param: Param, value: Any, span: Span) -> Arg:
    if param.is_scalar:
        return ScalarArg(_scalar(task, param, value, span))
    if param.is_channel:
        return channel_argument(task, param, value, span)
    if not isinstance(value, TensorView):
        shown = f"{type(value).__module__}.{type(value).__name__}".removeprefix("builtins.")
        array = isinstance(value, np.ndarray)
        given = _kind(value) if isinstance(value, ChannelView) else shown
        raise TypeMismatch(
            f"'{param.name}' of '{task.name}' is a tensor, but {given} is given",
            span=span,
            related=(_declared(param),),
            hints=(
                "make the array a parameter of the kernel"
                if array
                else "pass a tensor of the kernel, or a part",
            ),
        )
    if value.dtype != param.dtype:
        raise TypeMismatch(
            f"'{param.name}' of '{task.name}' is {param.dtype}, but '{value.name}' is {value.dtype}",
            span=span,
            label=f"'{value.name}' is {value.dtype}",
            related=(_declared(param),),
            hints=("a call converts nothing: declare the same type, or cast in a task with .astype",),
        )
    if value.ndim != len(param.shape):
        raise TypeMismatch(
            f"'{param.name}' of '{task.name}' has rank {len(param.shape)}, "
            f"but '{value.name}' has rank {value.ndim}",
            span=span,
            label=f"its shape is ({', '.join(map(str, value.extents))})",
            related=(_declared(param),),
            hints=("an integer index drops an axis; a slice keeps it",),
        )
    assert param.direction is not None
    if not permits(value.direction, param.direction):
        whose = f"'{param.name}' of '{task.name}'"
        raise direction_error(value, param.direction, whose, span, _declared(param))
    return value.view


def permits(have: Direction | None, wanted: Direction) -> bool:
    """Whether what a parameter does with a tensor is among what the kernel declared for it."""
    if have in (Direction.IN, Direction.CONST):
        return not wanted.writes
    if have is Direction.ACCUM:
        return wanted is Direction.ACCUM
    return wanted is not Direction.CONST


def direction_error(
    view: TensorView, wanted: Direction, whose: str, span: Span, related: Note
) -> DirectionError:
    """Why a tensor does not permit what a parameter does with it."""
    have = view.direction
    if have in (Direction.IN, Direction.CONST):
        message = f"'{view.name}' is {have.value}, but {whose} writes it ({wanted.value})"
        hint = (
            f"declare '{view.name}' as {'Out or InOut' if wanted is Direction.OUT else 'InOut'} in the kernel"
        )
    elif have is Direction.ACCUM:
        message = f"'{view.name}' is Accum, but {whose} is {wanted.value}"
        hint = f"an Accum tensor is only added to; declare '{view.name}' as InOut in the kernel"
    else:
        message = (
            f"{whose} is Const, but '{view.name}' is {'local to the kernel' if have is None else have.value}"
        )
        hint = f"declare {whose} as In, or '{view.name}' as Const in the kernel"
    label = f"'{view.name}' is {'local' if have is None else have.value}"
    return DirectionError(message, span=span, label=label, related=(related,), hints=(hint,))


def _scalar(task: TaskDef, param: Param, value: Any, span: Span) -> Index | float | str:
    if param.dtype.is_float:
        if isinstance(value, SymFloat) and value.dtype == param.dtype:
            return value.name
        if isinstance(value, (int, float, np.floating, np.integer)) and not isinstance(value, bool):
            return float(value)
    else:
        index = as_extent(value)
        if index is not None:
            _check_fits(task, param, index, span)
            return index
    raise TypeMismatch(
        f"'{param.name}' of '{task.name}' is a scalar {param.dtype}, but {_kind(value)} is given",
        span=span,
        related=(_declared(param),),
        hints=(_scalar_hint(param.dtype, value),),
    )


def _check_fits(task: TaskDef, param: Param, index: Index, span: Span) -> None:
    if not index.is_const:
        return
    low, high = (0, 1) if param.dtype.kind == "b" else _limits(param.dtype)
    if not low <= index.const <= high:
        raise TypeMismatch(
            f"{index} does not fit '{param.name}' of '{task.name}', which is {param.dtype}",
            span=span,
            related=(_declared(param),),
            hints=(f"{param.dtype} holds {low} to {high}",),
        )


def _limits(dtype: DType) -> tuple[int, int]:
    limits = np.iinfo(dtype.numpy)
    return int(limits.min), int(limits.max)


def _kind(value: Any) -> str:
    if isinstance(value, TensorView):
        return f"the tensor '{value.name}'"
    if isinstance(value, ChannelView):
        return f"the channel '{value.name}'"
    if isinstance(value, SymFloat):
        return f"'{value}', a scalar {value.dtype},"
    if isinstance(value, SymInt):
        return f"the integer '{value}'"
    return f"{type(value).__name__} {value!r}"


def _scalar_hint(dtype: DType, value: Any) -> str:
    if isinstance(value, TensorView):
        return f"a value that lies in memory is a 0-d tensor: In[{dtype}, ()]"
    if isinstance(value, SymInt):
        return f"declare the task's parameter as an integer and convert there: .astype({dtype})"
    number = "number" if dtype.is_float else "whole number"
    return f"pass a {number}, or a scalar of the kernel declared as {dtype}"


def _bind_dims(task: TaskDef, views: Mapping[str, TensorView | ChannelView], span: Span) -> dict[str, Index]:
    """Each dim from the axes whose extent it is; all of them must agree."""
    bound: dict[str, tuple[Index, str]] = {}
    for param in task.shaped:
        view = views[param.name]
        for wanted, extent in zip(param.shape, view.extents, strict=True):
            name = bare_symbol(wanted)
            if name is None:
                continue
            first, first_param = bound.setdefault(name, (extent, param.name))
            if first != extent:
                raise TypeMismatch(
                    f"'{name}' of '{task.name}' is {first} in '{first_param}' but {extent} in '{param.name}'",
                    span=span,
                    label=f"{first} and {extent}",
                    related=(_declared(task.param(first_param)), _declared(param)),
                    hints=_extent_hints(first, extent),
                )
    return {name: extent for name, (extent, _) in bound.items()}


def _check_extents(
    task: TaskDef, views: Mapping[str, TensorView | ChannelView], dims: Mapping[str, Index], span: Span
) -> None:
    for param in task.shaped:
        view = views[param.name]
        for axis, (wanted, extent) in enumerate(zip(param.shape, view.extents, strict=True)):
            expected = wanted.substitute(dims)
            if expected != extent:
                says = "" if wanted.is_const else f" ({wanted})"
                raise TypeMismatch(
                    f"axis {axis} of '{param.name}' of '{task.name}' is {expected}{says}, "
                    f"but '{view.name}' has {extent}",
                    span=span,
                    label=f"{expected} and {extent}",
                    related=(_declared(param),),
                    hints=_extent_hints(expected, extent),
                )


def _extent_hints(first: Index, second: Index) -> tuple[str, ...]:
    if first.is_const and second.is_const:
        return ("pass parts of equal extents, or declare another dim in the task",)
    return ("extents must be equal as expressions; give mpmd.tiles a size that divides the extent",)


def _check_aliases(
    task: TaskDef, views: Mapping[str, TensorView], span: Span, bounds: Mapping[str, Interval]
) -> None:
    """A task's body does not see its other arguments change under it."""
    for first, second in combinations(task.tensors, 2):
        a, b = views[first.name], views[second.name]
        if not _same_storage(a, b):
            continue
        written = [p for p in (first, second) if p.direction is not None and p.direction.writes]
        if written and not _disjoint(a, b, bounds):
            raise AliasError(
                f"'{first.name}' and '{second.name}' of '{task.name}' overlap, "
                f"and '{written[0].name}' is written",
                span=span,
                label=f"both are parts of '{a.name}'" if a.name == b.name else "",
                related=(_declared(first), _declared(second)),
                hints=("pass it once and declare that parameter InOut, or write to another tensor",),
            )


def _same_storage(a: TensorView, b: TensorView) -> bool:
    return _root(a) == _root(b)


def _root(view: TensorView) -> int:
    return view.tensor.id if view.tensor.base is None else view.tensor.base


def _disjoint(a: TensorView, b: TensorView, bounds: Mapping[str, Interval]) -> bool:
    return a.tensor.id == b.tensor.id and provably_disjoint(a.region, b.region, bounds)


def bare_symbol(extent: Index) -> str | None:
    """The dim's name where an extent is just that dim."""
    if extent.const == 0 and len(extent.terms) == 1:
        atom, coefficient = extent.terms[0]
        if coefficient == 1 and isinstance(atom, Sym):
            return atom.name
    return None


def _number(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def _declared(param: Param) -> Note:
    kind = "a scalar" if param.direction is None else param.direction.value
    return Note(param.span, f"declares '{param.name}' as {kind} {param.dtype}")


def views_of(call: Call) -> list[tuple[Param, View]]:
    """The tensor parameters of a call with what is bound to them."""
    pairs = zip(call.task.params, call.args, strict=True)
    return [(param, arg) for param, arg in pairs if isinstance(arg, View)]
