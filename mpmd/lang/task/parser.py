"""A task: from the user's Python function to a typed `TaskDef`.

In:  a function whose source can be found and whose parameters are annotated.
Out: a checked `TaskDef`, polymorphic in the dims of its signature.
Not here: kernels (`kernel/trace.py`); the laws on a parsed body (`task/check.py`); each kind of syntax has
its module (`task/expr.py`, `task/indexing.py`, `task/assign.py`, `task/flow.py`, `task/loops.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from types import FunctionType

from mpmd.errors import LanguageError, Note
from mpmd.lang.frames import user_frame
from mpmd.lang.index import Sym, symbol
from mpmd.lang.surface import plain_function, resolve_annotations
from mpmd.lang.task.check import check_task
from mpmd.lang.task.expr import Scope
from mpmd.lang.task.flow import function_value, statements
from mpmd.lang.task.prune import prune
from mpmd.lang.task.source import Source, read_source
from mpmd.lang.task.values import Builder, ChannelRef, TensorRef, Tile, Value
from mpmd.lang.tile import Param, TaskDef, TileType
from mpmd.lang.types import DType, TensorAnnotation


def parse_task(function: Callable[..., object]) -> TaskDef:
    """Parses and checks one task. Raises a Diagnostic at the user's line for whatever it cannot be."""
    plain = plain_function(function, "task")
    resolve_annotations(plain, user_frame())
    source = read_source(plain)
    params = _params(source, plain)
    dims = frozenset(_dims(source, params))
    builder = Builder(reserved=(*dims, *(p.name for p in params if p.is_scalar)))
    scope = Scope(source, builder, _names(builder, params), dims, function_value)
    statements(scope, source.tree.body)
    definition = TaskDef(source.tree.name, params, prune(builder.body), source.name_span)
    check_task(definition)
    return definition


# -- the signature ----------------------------------------------------------------------------------


def _params(source: Source, function: FunctionType) -> tuple[Param, ...]:
    arguments = source.tree.args
    for extra, stars in ((arguments.vararg, "*"), (arguments.kwarg, "**")):
        if extra is not None:
            raise LanguageError(
                f"a task has a fixed number of parameters, and no '{stars}{extra.arg}'",
                span=source.span(extra),
                hints=("name every tensor and scalar",),
            )
    for default in (*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)):
        raise LanguageError(
            "a parameter of a task has no default",
            span=source.span(default),
            hints=("pass it at every call, or read a constant from around the task",),
        )
    for keyword in arguments.kwonlyargs:
        raise LanguageError(
            f"'{keyword.arg}' can be passed by keyword only",
            span=source.span(keyword),
            hints=("drop the '*'",),
        )
    return tuple(_param(source, function, a) for a in (*arguments.posonlyargs, *arguments.args))


def _param(source: Source, function: FunctionType, argument: ast.arg) -> Param:
    name, span = argument.arg, source.span(argument)
    if argument.annotation is None:
        raise LanguageError(
            f"'{name}' has no annotation",
            span=span,
            hints=(f"a tensor: {name}: In[f32, N] (or Out, InOut, Accum, Const); a number: {name}: f32",),
        )
    annotation = function.__annotations__[name]
    if isinstance(annotation, TensorAnnotation):
        direction, unordered = annotation.direction, annotation.unordered
        return Param(name, direction, annotation.dtype, annotation.shape, span, unordered)
    if isinstance(annotation, DType):
        return Param(name, None, annotation, (), span)
    raise LanguageError(
        f"'{ast.unparse(argument.annotation)}' is no annotation of a task",
        span=source.span(argument.annotation),
        hints=(f"a tensor: {name}: In[f32, N] (or Out, InOut, Accum, Const); a number: {name}: f32",),
    )


def _dims(source: Source, params: Sequence[Param]) -> tuple[str, ...]:
    """The named extents. Each must be the whole extent of some axis, and name nothing else."""
    bare = {e for p in params for e in p.shape if len(e.terms) == 1 and isinstance(e.terms[0][0], Sym)}
    used: dict[str, Param] = {}
    for param in params:
        for extent in param.shape:
            for dim in sorted(extent.symbols()):
                used.setdefault(dim, param)
    for dim, param in used.items():
        if symbol(dim) not in bare:
            raise LanguageError(
                f"dim '{dim}' is never the whole extent of an axis, so no call can bind it",
                span=param.span,
                label=f"uses '{dim}' only inside of an expression",
                hints=(f"declare some axis as '{dim}' itself",),
            )
        for scalar in params:
            if scalar.is_scalar and scalar.name == dim:
                raise LanguageError(
                    f"'{dim}' names both a scalar and a dim",
                    span=scalar.span,
                    related=(Note(param.span, f"uses dim '{dim}'"),),
                    hints=("rename the scalar",),
                )
    return tuple(used)


def _names(builder: Builder, params: Sequence[Param]) -> dict[str, Value]:
    """What the parameters stand for at the start of the body."""
    names: dict[str, Value] = {}
    for param in params:
        if param.is_channel:
            names[param.name] = ChannelRef(param)
        elif not param.is_scalar:
            names[param.name] = TensorRef(param)
        elif param.dtype.is_integer:
            names[param.name] = symbol(param.name)
        else:
            names[param.name] = _scalar(builder, param)
    return names


def _scalar(builder: Builder, param: Param) -> Tile:
    attrs = (("name", param.name),)
    return builder.define("scalar", (), TileType(param.dtype), attrs, param.span)
