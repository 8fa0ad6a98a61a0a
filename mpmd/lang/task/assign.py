"""Assignments of a task body: names get values, regions of tensors are stored.

In:  assignment statements and their `Scope`. Out: the scope's names updated; `Store`s in the builder.
Not here: which stores a direction allows (`task/check.py`), names that live across iterations
(`task/flow.py`).
"""

from __future__ import annotations

import ast

from mpmd.errors import DirectionError, LanguageError, Note, Span
from mpmd.lang.task.expr import Scope, expression, items_of, operate
from mpmd.lang.task.indexing import load_region, store, target_region
from mpmd.lang.task.source import construct, did_you_mean
from mpmd.lang.task.values import ChannelRef, TensorRef, Tile, Value, describe, is_number, not_a_tile
from mpmd.lang.tile import Param
from mpmd.lang.types import Direction


def assign(scope: Scope, node: ast.Assign) -> None:
    """`a = b = value`, with names, regions of tensors and tuples of them on the left."""
    value = expression(scope, node.value)
    for target in node.targets:
        _bind(scope, target, value, node)


def assign_annotated(scope: Scope, node: ast.AnnAssign) -> None:
    """`name: anything = value`; the annotation is for people and type checkers."""
    if node.value is not None:
        _bind(scope, node.target, expression(scope, node.value), node)


def _bind(scope: Scope, target: ast.expr, value: Value, node: ast.stmt) -> None:
    if isinstance(target, ast.Name):
        _name_value(scope, target, value, node)
    elif isinstance(target, ast.Subscript):
        _store(scope, target, value, node)
    elif isinstance(target, ast.Tuple):
        _unpack(scope, target, value, node)
    else:
        raise LanguageError(
            f"{construct(target)} cannot be assigned to in a task",
            span=scope.span(target),
            hints=("names, tuples of names and regions of tensors can",),
        )


def _name_value(scope: Scope, target: ast.Name, value: Value, node: ast.stmt) -> None:
    refuse_tensor_name(scope, target)
    if isinstance(value, (TensorRef, ChannelRef)):
        raise not_a_tile(value, scope.span(getattr(node, "value", node)))
    scope.names[target.id] = value


def refuse_tensor_name(scope: Scope, target: ast.Name) -> None:
    """Raises LanguageError where a name that stands for a tensor or a channel would get another meaning."""
    old = scope.names.get(target.id)
    if isinstance(old, ChannelRef):
        raise LanguageError(
            f"'{target.id}' is a channel: assigning to its name sends nothing",
            span=scope.span(target),
            related=(Note(old.param.span, f"declares '{old.param.name}'"),),
            hints=("send a tile by mpmd.send; use another name for a value that is not sent",),
        )
    if isinstance(old, TensorRef):
        name = old.param.name
        raise LanguageError(
            f"'{name}' is a tensor: assigning to its name stores nothing",
            span=scope.span(target),
            label=f"write {name}[:] = …",
            related=(Note(old.param.span, f"declares '{name}'"),),
            hints=("use another name for a value that is not stored",),
        )


def _unpack(scope: Scope, target: ast.Tuple, value: Value, node: ast.stmt) -> None:
    if not isinstance(value, tuple) or len(value) != len(target.elts):
        what = f"a tuple of {len(value)}" if isinstance(value, tuple) else describe(value)
        raise LanguageError(
            f"{what} is unpacked into {len(target.elts)} names",
            span=scope.span(getattr(node, "value", node)),
        )
    for element, part in zip(target.elts, value, strict=True):
        _bind(scope, element, part, node)


def _tensor_of(scope: Scope, target: ast.Subscript) -> Param:
    base = expression(scope, target.value)
    if isinstance(base, TensorRef):
        return base.param
    if isinstance(base, ChannelRef):
        raise not_a_tile(base, scope.span(target.value))
    tensors = [name for name, v in scope.names.items() if isinstance(v, TensorRef)]
    named = target.value.id if isinstance(target.value, ast.Name) else ""
    raise LanguageError(
        f"only tensors are stored into, and this is {describe(base)}",
        span=scope.span(target.value),
        hints=(
            "tile values do not change: compute a new one, for example with mpmd.where",
            *did_you_mean(named, tensors),
        ),
    )


def _store(scope: Scope, target: ast.Subscript, value: Value, node: ast.stmt) -> None:
    param = _tensor_of(scope, target)
    if not isinstance(value, Tile) and not is_number(value):
        raise not_a_tile(value, scope.span(getattr(node, "value", node)))
    region = target_region(param, items_of(scope, target.slice), scope.span(target))
    store(scope.builder, param, region, value, False, scope.span(target))


def assign_augmented(scope: Scope, node: ast.AugAssign) -> None:
    """`name += value` is `name = name + value`; on a region, a load, the operation and a store."""
    span = scope.span(node)
    if isinstance(node.target, ast.Name):
        refuse_tensor_name(scope, node.target)
        name = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
        left = expression(scope, name)
        scope.names[node.target.id] = operate(scope, node.op, left, _value(scope, node), span)
    elif isinstance(node.target, ast.Subscript):
        _store_augmented(scope, node, node.target, span)
    else:
        raise LanguageError(f"{construct(node.target)} cannot be assigned to in a task", span=span)


def _store_augmented(scope: Scope, node: ast.AugAssign, target: ast.Subscript, span: Span) -> None:
    param = _tensor_of(scope, target)
    region = target_region(param, items_of(scope, target.slice), scope.span(target))
    if param.direction is not Direction.ACCUM:
        old = load_region(scope.builder, param, region, scope.span(target))
        new = operate(scope, node.op, old, _value(scope, node), span)
        store(scope.builder, param, region, new, False, scope.span(target))
        return
    if not isinstance(node.op, ast.Add):
        raise DirectionError(
            f"'{param.name}' is Accum: its only operation is '+='",
            span=span,
            related=(Note(param.span, f"declares '{param.name}'"),),
            hints=(f"declare '{param.name}' as InOut to read and write it",),
        )
    store(scope.builder, param, region, _value(scope, node), True, scope.span(target))


def _value(scope: Scope, node: ast.AugAssign) -> Value:
    value = expression(scope, node.value)
    if isinstance(value, TensorRef):
        raise not_a_tile(value, scope.span(node.value))
    return value
