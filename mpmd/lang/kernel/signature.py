"""A kernel's parameters, and the extents that its dims get from the arrays or views it is given.

In:  the kernel's Python function; what is passed for its parameters; shapes by parameter name.
Out: `Parameter`s with their spans; the leaves of what was passed (`Flat`); dims bound and checked.
Not here: parameters that hold several tensors (`kernel/bundles.py`), arrays (`runtime`), the calls inside
(`kernel/binding.py`).
"""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from mpmd.errors import ArgumentError, Diagnostic, LanguageError, Note, Span
from mpmd.lang.frames import function_span, user_frame
from mpmd.lang.index import Index
from mpmd.lang.kernel.binding import bare_symbol
from mpmd.lang.kernel.bundles import Form, Leaf, Part, form_of, parts, rebuilt
from mpmd.lang.types import TensorAnnotation


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter, as the function declares it."""

    name: str
    annotation: Form
    span: Span


@dataclass(frozen=True, slots=True)
class KernelParam:
    """One tensor or scalar that a kernel is given, alone or as a part of a parameter."""

    name: str
    annotation: Leaf
    span: Span


@dataclass(frozen=True, slots=True)
class Flat:
    """What was passed for a kernel's parameters, taken apart."""

    parameters: tuple[Parameter, ...]
    given: tuple[Any, ...]
    parts: tuple[Part, ...]

    @property
    def params(self) -> tuple[KernelParam, ...]:
        spans = {p.name: p.span for p in self.parameters}
        return tuple(KernelParam(part.name, part.annotation, spans[part.path[0]]) for part in self.parts)

    @property
    def values(self) -> dict[str, Any]:
        return {part.name: part.value for part in self.parts}

    def arguments(self, leaves: Iterable[Any]) -> list[Any]:
        """What the function is called with, where these are the leaves."""
        remaining = iter(leaves)
        pairs = zip(self.parameters, self.given, strict=True)
        return [rebuilt(parameter.annotation, value, remaining) for parameter, value in pairs]


def flattened(
    kernel: str,
    parameters: Sequence[Parameter],
    given: Mapping[str, Any],
    *,
    error: type[Diagnostic] = ArgumentError,
    span: Span | None = None,
) -> Flat:
    """The leaves of all arguments. `span` is the call to blame; without one, the parameter is."""
    found: list[Part] = []
    for parameter in parameters:

        def refuse(name: str, problem: str, parameter: Parameter = parameter) -> Diagnostic:
            return error(
                f"'{name}' of kernel '{kernel}' {problem}",
                span=span or parameter.span,
                label=f"'{parameter.name}' is given here" if span else "declared here",
                related=() if span is None else (Note(parameter.span, f"declares '{parameter.name}'"),),
                hints=("pass values of the make that the kernel's annotations and their classes say",),
            )

        found += parts((parameter.name,), parameter.annotation, given[parameter.name], refuse)
    _check_names(kernel, found, {p.name: p.span for p in parameters}, error, span)
    return Flat(tuple(parameters), tuple(given[p.name] for p in parameters), tuple(found))


def _check_names(
    kernel: str,
    found: Sequence[Part],
    declared: Mapping[str, Span],
    error: type[Diagnostic],
    span: Span | None,
) -> None:
    """Every leaf has a name of its own."""
    seen: dict[str, Part] = {}
    for part in found:
        other = seen.setdefault(part.name, part)
        if other is not part:
            raise error(
                f"two arguments of kernel '{kernel}' are both named '{part.name}'",
                span=span or declared[part.path[0]],
                label=f"{'.'.join(other.path)} and {'.'.join(part.path)}",
                hints=("give one of the parameters, fields or keys another name",),
            )


def kernel_params(function: FunctionType) -> tuple[Parameter, ...]:
    """The parameters, or a diagnostic for what a kernel cannot have."""
    spans = _parameter_spans(function)
    return tuple(
        _param(function, parameter, spans.get(parameter.name, function_span(function)))
        for parameter in inspect.signature(function).parameters.values()
    )


def _param(function: FunctionType, parameter: inspect.Parameter, span: Span) -> Parameter:
    name = parameter.name
    if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD:
        raise LanguageError(
            f"'{name}' of kernel '{function.__name__}' is not an ordinary parameter",
            span=span,
            hints=("kernels have a fixed list of parameters: no '*', '**', '/' or keyword-only ones",),
        )
    if parameter.default is not inspect.Parameter.empty:
        raise LanguageError(
            f"'{name}' of kernel '{function.__name__}' has a default",
            span=span,
            hints=("read a global or a closure instead; a kernel is compiled again when it changes",),
        )
    form = form_of(parameter.annotation, span, user_frame())
    if form is None:
        missing = parameter.annotation is inspect.Parameter.empty
        raise LanguageError(
            f"'{name}' of kernel '{function.__name__}' "
            + (
                "has no annotation"
                if missing
                else "is annotated with something else than a tensor or a dtype"
            ),
            span=span,
            hints=(f"write {name}: In[f32, T, H] for a tensor, {name}: i32 for a scalar",),
        )
    return Parameter(name, form, span)


def _parameter_spans(function: FunctionType) -> dict[str, Span]:
    """Where each parameter is declared, as far as the source can be found."""
    file, first = function.__code__.co_filename, function.__code__.co_firstlineno
    text = "".join(linecache.getlines(file)[first - 1 :])
    try:
        lines = inspect.getblock(text.splitlines(keepends=True))
        tree = ast.parse(
            "if True:\n" + "".join(lines) if lines and lines[0][:1].isspace() else "\n" + "".join(lines)
        )
    except SyntaxError:
        return {}
    spans = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == function.__name__:
            for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
                line = first + arg.lineno - 2
                spans[arg.arg] = Span(file, line, arg.col_offset, line, arg.col_offset + len(arg.arg))
            break
    return spans


def bind_dims(
    kernel: str,
    params: Sequence[KernelParam],
    shapes: Mapping[str, tuple[Index, ...]],
    *,
    error: type[Diagnostic] = ArgumentError,
    span: Span | None = None,
) -> dict[str, Index]:
    """The extent of each dim. `span` is the call to blame; without one, the parameter is."""
    tensors = [(p, p.annotation) for p in params if isinstance(p.annotation, TensorAnnotation)]
    bound: dict[str, tuple[Index, KernelParam]] = {}
    for param, annotation in tensors:
        shape = shapes[param.name]
        if len(shape) != len(annotation.shape):
            raise error(
                f"'{param.name}' of kernel '{kernel}' has rank {len(annotation.shape)}, "
                f"but the argument has rank {len(shape)}",
                span=span or param.span,
                label=f"its shape is ({', '.join(map(str, shape))})",
                related=() if span is None else (Note(param.span, f"declares '{param.name}'"),),
                hints=(
                    "declare one extent for each axis, or pass a view with fewer axes: x[0], x.reshape(…)",
                ),
            )
        for wanted, extent in zip(annotation.shape, shape, strict=True):
            name = bare_symbol(wanted)
            if name is None:
                continue
            first, other = bound.setdefault(name, (extent, param))
            if first != extent:
                raise error(
                    f"'{name}' of kernel '{kernel}' is {first} in '{other.name}' "
                    f"but {extent} in '{param.name}'",
                    span=span or param.span,
                    label=f"{first} and {extent}",
                    related=(Note(other.span, f"'{other.name}' has {name} = {first}"),),
                    hints=(f"pass tensors that agree on {name}, or declare another dim for one of them",),
                )
    dims = {name: extent for name, (extent, _) in bound.items()}
    for param, annotation in tensors:
        _check_extents(kernel, param, annotation, shapes[param.name], dims, error, span)
    return dims


def _check_extents(
    kernel: str,
    param: KernelParam,
    annotation: TensorAnnotation,
    shape: tuple[Index, ...],
    dims: Mapping[str, Index],
    error: type[Diagnostic],
    span: Span | None,
) -> None:
    for axis, (wanted, extent) in enumerate(zip(annotation.shape, shape, strict=True)):
        free = sorted(wanted.symbols() - dims.keys())
        if free:
            raise LanguageError(
                f"dim '{free[0]}' of kernel '{kernel}' cannot be found from its arguments",
                span=param.span,
                label=f"only in the extent {wanted}",
                hints=(f"every dim must be, alone, the extent of some axis: In[f32, {free[0]}]",),
            )
        expected = wanted.substitute(dims)
        if expected != extent:
            says = "" if wanted.is_const else f" ({wanted})"
            raise error(
                f"axis {axis} of '{param.name}' of kernel '{kernel}' is {expected}{says}, "
                f"but the argument has {extent}",
                span=span or param.span,
                label=f"{expected} and {extent}",
                related=() if span is None else (Note(param.span, f"declares '{param.name}'"),),
                hints=(f"pass a tensor with {expected} elements on this axis",),
            )
