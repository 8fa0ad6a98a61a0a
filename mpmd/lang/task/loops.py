"""Loops of a task body: `for i in range(…)` and `for j in mpmd.tiles(extent, size)`.

In:  an `ast.For`, its `Scope`, and the parser of its body. Out: a `Loop` in the builder.
Not here: loops of kernels (`kernel/trace.py`).

A name that is assigned before a loop and again inside of it is carried: its type stays the same. A
number before the loop is weak, and takes the type that the body gives it; to learn that type the body
is parsed on trial, until nothing changes.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from mpmd.errors import LanguageError, Note, Span, TypeMismatch
from mpmd.lang import surface
from mpmd.lang.index import ZERO, Index, ceildiv, maximum, symbol
from mpmd.lang.task.assign import refuse_tensor_name
from mpmd.lang.task.expr import Scope, expression
from mpmd.lang.task.join import defined_symbols, loop_symbols, same_value
from mpmd.lang.task.operators import conform, joint_type
from mpmd.lang.task.prune import used_values
from mpmd.lang.task.source import assigned_names
from mpmd.lang.task.values import (
    Missing,
    Tile,
    TileSpan,
    Value,
    common_dtype,
    constant_int,
    describe,
    index_of,
    is_number,
)
from mpmd.lang.tile import Carry, Loop, Stmt, TileType

Body = Callable[[Scope, Iterable[ast.stmt]], None]


@dataclass(frozen=True, slots=True)
class Head:
    """`for variable in …`: the loop's name and bounds, and what the variable is inside."""

    name: str
    start: Index
    stop: Index
    step: int
    tile: int | None
    variable: Value


@dataclass(frozen=True, slots=True)
class Slot:
    """A carried name: its value before the loop, and its type (weak: still the body's to give)."""

    name: str
    before: Value
    type: TileType
    weak: bool


@dataclass(frozen=True, slots=True)
class Pass:
    """The body parsed once: its statements, the carried values at its start and the names at its end."""

    block: tuple[Stmt, ...]
    inside: tuple[Tile, ...]
    names: dict[str, Value]


def for_loop(scope: Scope, node: ast.For, parse: Body) -> None:
    """Parses one loop; `parse` parses the statements of its body."""
    if not isinstance(node.target, ast.Name):
        raise LanguageError("a loop has one variable", span=scope.span(node.target))
    if node.orelse:
        raise LanguageError("'for … else' cannot stand in a task", span=scope.span(node.orelse[0]))
    refuse_tensor_name(scope, node.target)
    head = _head(scope, node, _variable(node))
    slots = _settled(scope, node, head, _slots(scope, node), parse)
    span = scope.span(node.target)
    inits = [conform(scope.builder, slot.before, slot.type, span) for slot in slots]
    final = _parse_once(scope, node, head, slots, parse)
    used = used_values(final.block)
    carried: list[Carry] = []
    block = list(final.block)
    for slot, init, inside in zip(slots, inits, final.inside, strict=True):
        after = final.names[slot.name]
        if not _same_type(slot, after, head, block) and inside.id not in used:
            continue
        _require_same_type(scope, slot, after, head, block, node)
        with scope.builder.into(block):
            following = conform(scope.builder, after, slot.type, span)
        out = scope.builder.fresh()
        carried.append(Carry(slot.name, slot.type, init.id, inside.id, following.id, out))
    loop = Loop(head.name, head.start, head.stop, head.step, head.tile, tuple(carried), tuple(block), span)
    scope.builder.emit(loop)
    _names_after(scope, node, final, carried)


def _variable(node: ast.For) -> str:
    return cast(ast.Name, node.target).id


# -- carried names ----------------------------------------------------------------------------------


def _slots(scope: Scope, node: ast.For) -> list[Slot]:
    slots: list[Slot] = []
    for name in _assigned(node):
        value = scope.names.get(name)
        if isinstance(value, Tile):
            slots.append(Slot(name, value, value.type, value.weak))
        elif is_number(value):
            slots.append(Slot(name, value, TileType(common_dtype((value,))[0]), True))
    return slots


def _settled(scope: Scope, node: ast.For, head: Head, slots: list[Slot], parse: Body) -> list[Slot]:
    """The slots with every type known: weak ones take what the body gives them."""
    while any(slot.weak for slot in slots):
        mark = scope.builder.mark()
        trial = _parse_once(scope, node, head, slots, parse)
        scope.builder.reset(mark)
        changed = [s for s, inside in zip(slots, trial.inside, strict=True) if trial.names[s.name] != inside]
        following = [_adopted(slot, trial, head) for slot in changed]
        if following == slots:
            return [replace(slot, weak=False) for slot in slots]
        slots = following
    return slots


def _adopted(slot: Slot, trial: Pass, head: Head) -> Slot:
    after = trial.names[slot.name]
    if not slot.weak or not (isinstance(after, Tile) or is_number(after)):
        return slot
    if isinstance(after, Tile) and not after.weak:
        local = _is_local(after.type, head, trial.block)
        return slot if local else Slot(slot.name, slot.before, _with_before(slot, after.type), False)
    return replace(slot, type=TileType(common_dtype((slot.before, after))[0]))


def _with_before(slot: Slot, type_: TileType) -> TileType:
    """The type from the body, widened to a float where the number before the loop is one."""
    return TileType(common_dtype((Tile(-1, type_), slot.before))[0], type_.shape)


def _parse_once(scope: Scope, node: ast.For, head: Head, slots: Sequence[Slot], parse: Body) -> Pass:
    inner = scope.copy()
    inside = tuple(Tile(scope.builder.fresh(), slot.type, slot.weak) for slot in slots)
    inner.names.update(zip((slot.name for slot in slots), inside, strict=True))
    inner.names.update(_unreadable(scope, node))
    inner.names[_variable(node)] = head.variable
    block: list[Stmt] = []
    with scope.builder.into(block):
        parse(inner, node.body)
    return Pass(tuple(block), inside, inner.names)


def _unreadable(scope: Scope, node: ast.For) -> dict[str, Value]:
    """Names that the loop assigns and that cannot be carried: tuples, dtypes, functions."""
    note = Note(scope.span(node.target), "the loop")
    hint = "only tiles and numbers live from one iteration to the next"
    return {
        name: Missing("is assigned later in this loop", note, hint)
        for name in _assigned(node)
        if name in scope.names
        and not isinstance(scope.names[name], Tile)
        and not is_number(scope.names[name])
    }


def _names_after(scope: Scope, node: ast.For, final: Pass, carried: Sequence[Carry]) -> None:
    note = Note(scope.span(node.target), "the loop, which may run no times")
    for name in (_variable(node), *_assigned(node)):
        if name not in scope.names or not same_value(scope.names[name], final.names.get(name)):
            scope.names[name] = Missing(
                "has a value only inside of a loop", note, f"assign '{name}' before the loop, with one type"
            )
    scope.names.update({carry.name: Tile(carry.out, carry.type) for carry in carried})


def _assigned(node: ast.For) -> tuple[str, ...]:
    """The names that the body binds, but for the loop's own variable."""
    return tuple(name for name in assigned_names(node.body) if name != _variable(node))


def _same_type(slot: Slot, after: Value, head: Head, block: Sequence[Stmt]) -> bool:
    if isinstance(after, Tile) and _is_local(after.type, head, block):
        return False
    if isinstance(after, Tile) or is_number(after):
        return joint_type(Tile(-1, slot.type), after) == slot.type
    return False


def _require_same_type(
    scope: Scope, slot: Slot, after: Value, head: Head, block: Sequence[Stmt], node: ast.For
) -> None:
    if _same_type(slot, after, head, block):
        return
    if isinstance(after, Missing):
        raise LanguageError(
            f"'{slot.name}' {after.why}, and the loop needs it",
            span=scope.span(node.target),
            related=(after.note,),
            hints=(after.hint,),
        )
    raise TypeMismatch(
        f"'{slot.name}' changes its type in the loop",
        span=_last_assignment(scope, node, slot.name),
        label=f"becomes {describe(after)}",
        related=(Note(scope.span(node.target), f"the loop starts with {describe(Tile(-1, slot.type))}"),),
        hints=(_type_hint(slot.type, after),),
    )


def _type_hint(before: TileType, after: Value) -> str:
    if isinstance(after, Tile) and after.type.shape == before.shape:
        wider = after.type.dtype.name
        return f"start with {wider}, or bring it back: .astype(mpmd.{before.dtype.name})"
    return "give it the same dtype and shape before the loop and in every iteration"


def _last_assignment(scope: Scope, node: ast.For, name: str) -> Span:
    places = [n for stmt in node.body for n in ast.walk(stmt) if isinstance(n, ast.Name) and n.id == name]
    stores = [n for n in places if isinstance(n.ctx, ast.Store)]
    return scope.span(max(stores, key=lambda n: (n.lineno, n.col_offset)))


def _is_local(type_: TileType, head: Head, block: Iterable[Stmt]) -> bool:
    """Whether the type speaks of symbols that only an iteration has."""
    used = frozenset[str]().union(*(extent.symbols() for extent in type_.shape))
    return not used.isdisjoint(defined_symbols(block) | loop_symbols(head.name))


# -- the head ---------------------------------------------------------------------------------------


def _head(scope: Scope, node: ast.For, variable: str) -> Head:
    call, span = node.iter, scope.span(node.iter)
    callee = expression(scope, call.func) if isinstance(call, ast.Call) else None
    if isinstance(call, ast.Call) and (callee is range or callee is surface.tiles):
        if any(keyword.arg != "size" for keyword in call.keywords) or (call.keywords and callee is range):
            raise LanguageError("a keyword that this loop does not have", span=span)
        arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
        values = [expression(scope, argument) for argument in arguments]
        name = scope.builder.loop_name(variable)
        return _range(name, values, span) if callee is range else _tiles(name, values, span)
    if callee is surface.loop:
        raise LanguageError("mpmd.loop is for kernels", span=span, hints=("use range(n) in a task",))
    raise LanguageError(
        f"a task cannot loop over '{ast.unparse(call)}'",
        span=span,
        hints=("loop over range(…) or mpmd.tiles(extent, size)",),
    )


def _range(name: str, values: list[Value], span: Span) -> Head:
    if not 1 <= len(values) <= 3:
        raise LanguageError("'range' takes one to three integers", span=span)
    first, *rest = (index_of(value, span, "a bound of 'range'") for value in values)
    start, stop = (first, rest[0]) if rest else (ZERO, first)
    step = constant_int(rest[1]) if len(rest) == 2 else 1
    if not step:
        raise LanguageError("the step of 'range' is a constant other than 0", span=span)
    if step > 0:
        return Head(name, start, stop, step, None, symbol(name))
    # Counting down is counting iterations up.
    count = maximum(ceildiv(start - stop, -step), ZERO)
    return Head(name, ZERO, count, 1, None, start + symbol(name) * step)


def _tiles(name: str, values: list[Value], span: Span) -> Head:
    if len(values) != 2:
        raise LanguageError(
            "'tiles' needs an extent and a size here",
            span=span,
            hints=("only a kernel may leave the size to the compiler; for example mpmd.tiles(n, 64)",),
        )
    extent = index_of(values[0], span, "the extent of 'tiles'")
    size = constant_int(values[1])
    if size is None or size < 1:
        raise LanguageError(
            f"the size of 'tiles' is a positive constant, not {describe(values[1])}", span=span
        )
    variable = TileSpan(symbol(f"{name}.start"), symbol(f"{name}.size"), symbol(f"{name}.index"))
    return Head(name, ZERO, extent, size, size, variable)
