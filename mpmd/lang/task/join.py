"""Two ways to a value become one: the results of a branch, whether from `if`, `and` or `a if c else b`.

In:  a condition, and per arm its block of statements and the values of the names that it sets.
Out: a `Branch` in the builder, and for each name the value after it.
Not here: parsing the arms (`task/expr.py`, `task/flow.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mpmd.errors import Span, TypeMismatch
from mpmd.lang.task.operators import conform, elementwise, joint_type
from mpmd.lang.task.values import Builder, Tile, Value, constant_int, describe, is_number
from mpmd.lang.tile import Apply, Branch, Loop, Result, Send, Stmt, Store, TileType, ValueId, walk
from mpmd.lang.types import bool_


@dataclass(frozen=True, slots=True)
class Arms:
    """One result's value in each arm; `title` is what a message calls it."""

    title: str
    then: Value
    otherwise: Value


def condition_of(value: Value, span: Span) -> Tile | bool:
    """What an `if` decides on: a rank-0 bool tile, or a constant."""
    if isinstance(value, Tile):
        if value.type.rank:
            raise TypeMismatch(
                f"a condition is one bool, not {describe(value)}",
                span=span,
                label="many values, one decision",
                hints=("choose element by element with mpmd.where, or reduce it with .any() or .all()",),
            )
        if value.type.dtype != bool_:
            raise TypeMismatch(
                f"a condition is a bool, not {describe(value)}", span=span, hints=("compare it: x != 0",)
            )
        return value
    if value is None or isinstance(value, (bool, float)):
        return bool(value)
    number = constant_int(value)
    if number is not None:
        return number != 0
    raise TypeMismatch(
        f"a condition is a bool, not {describe(value)}", span=span, hints=("compare it: x != 0",)
    )


def join(
    builder: Builder,
    condition: Tile,
    then: list[Stmt],
    otherwise: list[Stmt],
    results: Iterable[Arms],
    span: Span,
) -> list[Value]:
    """Closes a branch over its two blocks. What both arms leave the same needs no result."""
    values: list[Value] = []
    defined: list[Result] = []
    for arms in results:
        if same_value(arms.then, arms.otherwise):
            values.append(arms.then)
            continue
        type_ = joint_type(arms.then, arms.otherwise)
        if type_ is None or escapes(type_, (*then, *otherwise)):
            raise TypeMismatch(
                f"{arms.title} has another type in each arm",
                span=span,
                label=f"{describe(arms.then)} or {describe(arms.otherwise)}",
                hints=("bring both to one dtype (.astype) and one shape",),
            )
        with builder.into(then):
            a = conform(builder, arms.then, type_, span)
        with builder.into(otherwise):
            b = conform(builder, arms.otherwise, type_, span)
        weak = all(not isinstance(v, Tile) or v.weak for v in (arms.then, arms.otherwise))
        out = Tile(builder.fresh(), type_, weak)
        defined.append(Result(out.id, type_, a.id, b.id))
        values.append(out)
    builder.emit(Branch(condition.id, tuple(then), tuple(otherwise), tuple(defined), span))
    return values


def both(builder: Builder, left: Tile, right: Tile | bool, block: list[Stmt], op: str, span: Span) -> Value:
    """`left and right` or `left or right`, where `block` computes the right side only if it is needed."""
    if isinstance(right, Tile) and all(_is_harmless(stmt) for stmt in block):
        for stmt in block:
            builder.emit(stmt)
        return elementwise(builder, op, (left, right), span)
    short = op == "or"
    arms = Arms("the condition", True, right) if short else Arms("the condition", right, False)
    then, otherwise = ([], block) if short else (block, [])
    return join(builder, left, then, otherwise, (arms,), span)[0]


def _is_harmless(stmt: Stmt) -> bool:
    """Whether computing it in vain cannot end the launch."""
    return isinstance(stmt, Apply) and stmt.op != "slice"


def same_value(a: Value, b: Value) -> bool:
    """Whether two parsed values are one: the same tile, or equal constants of one type."""
    if a is b:
        return True
    return type(a) is type(b) and (is_number(a) or isinstance(a, (Tile, str))) and a == b


def escapes(type_: TileType, block: Iterable[Stmt]) -> bool:
    """Whether the type speaks of a symbol that only the block defines."""
    used = frozenset[str]().union(*(extent.symbols() for extent in type_.shape))
    return not used.isdisjoint(defined_symbols(block))


def defined_symbols(block: Iterable[Stmt]) -> frozenset[str]:
    """Loop variables and values (`%3`) that a block defines."""
    names: set[str] = set()
    values: set[ValueId] = set()
    for stmt in walk(tuple(block)):
        if isinstance(stmt, Loop):
            names |= loop_symbols(stmt.name)
            values |= {v for carry in stmt.carried for v in (carry.inside, carry.out)}
        elif isinstance(stmt, Branch):
            values |= {result.out for result in stmt.results}
        elif not isinstance(stmt, (Store, Send)):
            values.add(stmt.out)
    return frozenset(names | {f"%{value}" for value in values})


def loop_symbols(name: str) -> set[str]:
    return {name, f"{name}.start", f"{name}.size", f"{name}.index"}
