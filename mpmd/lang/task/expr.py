"""Expressions of a task body: Python syntax into values.

In:  an `ast` expression and the `Scope` it stands in. Out: a `Value`; statements in the builder.
Not here: statements (`task/flow.py`), what operators compute (`task/operators.py`), brackets
(`task/indexing.py`).
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from types import FunctionType
from typing import Any

from mpmd.errors import LanguageError, Span
from mpmd.lang import functions, surface
from mpmd.lang.index import Index
from mpmd.lang.task.calls import (
    BUILTINS,
    METHOD_NAMES,
    Arguments,
    call_builtin,
    call_function,
    call_method,
    transposed,
)
from mpmd.lang.task.indexing import Item, load, piece
from mpmd.lang.task.inline import inlined
from mpmd.lang.task.join import Arms, both, condition_of, join
from mpmd.lang.task.operators import elementwise, matmul
from mpmd.lang.task.source import Source, construct, did_you_mean
from mpmd.lang.task.values import (
    Builder,
    ChannelRef,
    Missing,
    SliceItem,
    TensorRef,
    Tile,
    TileSpan,
    Value,
    as_tile,
    constant_int,
    describe,
    from_python,
    is_number,
    not_a_tile,
)
from mpmd.lang.tile import Stmt
from mpmd.lang.types import DType


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an expression stands: the names that it sees, and the builder that takes its statements.

    `inlined` are the inline functions that it stands in, outer before inner; `value_of` parses the body
    of such a function.
    """

    source: Source
    builder: Builder
    names: dict[str, Value]
    dims: frozenset[str]
    value_of: Callable[[Scope, list[ast.stmt]], Value]
    inlined: tuple[FunctionType, ...] = ()

    def copy(self) -> Scope:
        """The same place with names of its own."""
        return replace(self, names=dict(self.names))

    def span(self, node: ast.AST) -> Span:
        return self.source.span(node)

    def unsupported(self, node: ast.AST, *hints: str) -> LanguageError:
        return LanguageError(
            f"{construct(node)} cannot stand in a task",
            span=self.span(node),
            label="not in the language",
            hints=hints,
        )


def expression(scope: Scope, node: ast.expr) -> Value:
    """The value of an expression. Raises LanguageError for syntax that tasks do not have."""
    handler = _EXPRESSIONS.get(type(node))
    if handler is None:
        raise scope.unsupported(node, *_INSTEAD.get(type(node), ()))
    return handler(scope, node)


_INSTEAD: dict[type[ast.expr], tuple[str, ...]] = {
    ast.List: ("write a tuple: (a, b)",),
    ast.ListComp: ("use a loop, or operations on whole tiles",),
    ast.GeneratorExp: ("use a loop, or operations on whole tiles",),
    ast.Lambda: ("write the expression where it is used",),
    ast.NamedExpr: ("assign on a line of its own",),
}


# -- names and attributes ---------------------------------------------------------------------------


def _constant(scope: Scope, node: ast.Constant) -> Value:
    value = node.value
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        raise LanguageError("an integer constant beyond 64 bits", span=scope.span(node))
    if isinstance(value, (complex, bytes)):
        kind = type(value).__name__
        raise LanguageError(f"a {kind} constant cannot stand in a task", span=scope.span(node))
    return from_python(value)


def _name(scope: Scope, node: ast.Name) -> Value:
    name = node.id
    if name in scope.names:
        value = scope.names[name]
        if isinstance(value, Missing):
            raise LanguageError(
                f"'{name}' {value.why}", span=scope.span(node), related=(value.note,), hints=(value.hint,)
            )
        return value
    if name not in scope.source.outer:
        raise LanguageError(
            f"'{name}' is not defined",
            span=scope.span(node),
            label="unknown name",
            hints=_similar(scope, name) or ("define it before, or take it as a parameter",),
        )
    return _known_dims(scope, from_python(scope.source.outer[name]), node)


def _similar(scope: Scope, name: str) -> tuple[str, ...]:
    """The name that was meant: one in sight, or a function of `mpmd`."""
    sayings = {n: f"mpmd.{n}" for n in vars(functions) if n[0].islower()}
    sayings |= {n: n for n in (*scope.names, *scope.source.outer) if not hasattr(builtins, n)}
    close = get_close_matches(name, sorted(sayings), n=1, cutoff=0.7)
    return (f"did you mean '{sayings[close[0]]}'?",) if close else ()


def _known_dims(scope: Scope, value: Value, node: ast.expr) -> Value:
    if isinstance(value, Index):
        for dim in sorted(value.symbols() - scope.dims):
            raise LanguageError(
                f"dim '{dim}' is no extent of this task's tensors",
                span=scope.span(node),
                label="has no value here",
                hints=("a task knows the dims of its own signature", *did_you_mean(dim, scope.dims)),
            )
    return value


def _attribute(scope: Scope, node: ast.Attribute) -> Value:
    base, name, span = expression(scope, node.value), node.attr, scope.span(node)
    if isinstance(base, (Tile, TensorRef, ChannelRef)):
        return _tile_attribute(scope, base, name, span)
    if isinstance(base, TileSpan):
        if name in ("start", "size", "index"):
            return getattr(base, name)
        raise _no_attribute("a piece of tiles()", name, ("start", "size", "index"), span)
    if is_number(base) or base is None or isinstance(base, tuple) or not hasattr(base, name):
        raise _no_attribute(describe(base), name, [n for n in dir(base) if n[0] != "_"], span)
    return _known_dims(scope, from_python(getattr(base, name)), node)


def _tile_attribute(scope: Scope, base: Tile | TensorRef | ChannelRef, name: str, span: Span) -> Value:
    type_ = base.type if isinstance(base, Tile) else base.param
    if name == "shape":
        return type_.shape
    if name == "ndim":
        return Index(len(type_.shape))
    if name == "dtype":
        return type_.dtype
    tile = as_tile(scope.builder, base, span)
    if name == "T":
        return transposed(scope.builder, tile, span)
    if name in METHOD_NAMES:
        raise LanguageError(f"'{name}' is a method: call it", span=span, hints=(f"write .{name}(…)",))
    raise _no_attribute("a tile", name, ("shape", "ndim", "dtype", "T", *METHOD_NAMES), span)


def _no_attribute(what: str, name: str, candidates: Sequence[str], span: Span) -> LanguageError:
    hints = did_you_mean(name, candidates)
    return LanguageError(f"{what} has no '{name}'", span=span, label="unknown name", hints=hints)


# -- operators ----------------------------------------------------------------------------------------

BINARY: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.FloorDiv: "floordiv",
    ast.Mod: "mod",
    ast.Pow: "pow",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
    ast.LShift: "shl",
    ast.RShift: "shr",
    ast.MatMult: "dot",
}

_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
    ast.Eq: "eq",
    ast.NotEq: "ne",
}


def operate(scope: Scope, operator: ast.operator, left: Value, right: Value, span: Span) -> Value:
    """`left <operator> right`."""
    if isinstance(operator, ast.MatMult):
        return matmul(scope.builder, left, right, span)
    return elementwise(scope.builder, BINARY[type(operator)], (left, right), span)


def _binary(scope: Scope, node: ast.BinOp) -> Value:
    left, right = _operand(scope, node.left), _operand(scope, node.right)
    return operate(scope, node.op, left, right, scope.span(node))


def _operand(scope: Scope, node: ast.expr) -> Value:
    """A value to compute with; errors show this operand rather than the whole expression."""
    value = expression(scope, node)
    if isinstance(value, Tile) or is_number(value):
        return value
    raise not_a_tile(value, scope.span(node))


def _unary(scope: Scope, node: ast.UnaryOp) -> Value:
    value, span = _operand(scope, node.operand), scope.span(node)
    if isinstance(node.op, ast.UAdd):
        return value
    if isinstance(node.op, ast.Not):
        decided = condition_of(value, scope.span(node.operand))
        if isinstance(decided, bool):
            return not decided
        return elementwise(scope.builder, "not", (decided,), span)
    return elementwise(scope.builder, "neg" if isinstance(node.op, ast.USub) else "not", (value,), span)


def _compare(scope: Scope, node: ast.Compare) -> Value:
    for operator in node.ops:
        if type(operator) not in _COMPARE:
            raise LanguageError(f"{construct(operator)} cannot stand in a task", span=scope.span(node))
    links = list(zip(node.ops, node.comparators, strict=True))
    return _comparisons(scope, _operand(scope, node.left), links, node)


def _comparisons(
    scope: Scope, left: Value, links: list[tuple[ast.cmpop, ast.expr]], node: ast.Compare
) -> Value:
    """`a < b < c` is `a < b and b < c`, with b computed once."""
    (operator, operand), *rest = links
    right = _operand(scope, operand)
    first = elementwise(scope.builder, _COMPARE[type(operator)], (left, right), scope.span(node))
    if not rest:
        return first
    if isinstance(first, Tile) and first.type.rank:
        raise LanguageError(
            "a chain of comparisons is for single numbers, not for tiles",
            span=scope.span(node),
            hints=("write (a < b) & (b < c)",),
        )
    return _short_circuit(scope, "and", first, lambda: _comparisons(scope, right, rest, node), node)


def _logical(scope: Scope, node: ast.BoolOp) -> Value:
    op = "and" if isinstance(node.op, ast.And) else "or"
    return _operands(scope, op, node.values, node)


def _operands(scope: Scope, op: str, values: list[ast.expr], node: ast.BoolOp) -> Value:
    first = expression(scope, values[0])
    if len(values) == 1:
        return condition_of(first, scope.span(values[0]))
    return _short_circuit(scope, op, first, lambda: _operands(scope, op, values[1:], node), node)


def _short_circuit(scope: Scope, op: str, first: Value, rest: Callable[[], Value], node: ast.expr) -> Value:
    """`first and rest` (or `or`): what `rest` loads is loaded only if the outcome depends on it."""
    span = scope.span(node)
    left = condition_of(first, span)
    if isinstance(left, bool):
        return rest() if left == (op == "and") else left
    block: list[Stmt] = []
    with scope.builder.into(block):
        right = condition_of(rest(), span)
    return both(scope.builder, left, right, block, op, span)


def _choice(scope: Scope, node: ast.IfExp) -> Value:
    decided = condition_of(expression(scope, node.test), scope.span(node.test))
    if isinstance(decided, bool):
        return expression(scope, node.body if decided else node.orelse)
    then: list[Stmt] = []
    otherwise: list[Stmt] = []
    with scope.builder.into(then):
        a = _operand(scope, node.body)
    with scope.builder.into(otherwise):
        b = _operand(scope, node.orelse)
    arms = Arms("'… if … else …'", a, b)
    return join(scope.builder, decided, then, otherwise, (arms,), scope.span(node))[0]


# -- brackets and calls -------------------------------------------------------------------------------


def items_of(scope: Scope, node: ast.expr) -> list[Item]:
    """What stands between the brackets of `x[node]`."""
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    return [Item(_bracket(scope, part), scope.span(part)) for part in parts]


def _bracket(scope: Scope, node: ast.expr) -> Value:
    if not isinstance(node, ast.Slice):
        value = expression(scope, node)
        if isinstance(value, TensorRef):
            raise not_a_tile(value, scope.span(node))
        return value
    bounds = (node.lower, node.upper, node.step)
    return SliceItem(*(None if bound is None else expression(scope, bound) for bound in bounds))


def _subscript(scope: Scope, node: ast.Subscript) -> Value:
    base, span = expression(scope, node.value), scope.span(node)
    if isinstance(base, TensorRef):
        return load(scope.builder, base.param, items_of(scope, node.slice), span)
    if isinstance(base, Tile):
        return piece(scope.builder, base, items_of(scope, node.slice), span)
    if isinstance(base, tuple):
        return _element(base, items_of(scope, node.slice), span)
    if isinstance(base, ChannelRef):
        raise not_a_tile(base, scope.span(node.value))
    raise LanguageError(f"{describe(base)} cannot be indexed", span=span)


def _element(base: tuple[Value, ...], items: list[Item], span: Span) -> Value:
    value = items[0].value if len(items) == 1 else None
    bounds = (value.start, value.stop, value.step) if isinstance(value, SliceItem) else (value,)
    numbers = [None if bound is None else constant_int(bound) for bound in bounds]
    known = all(number is not None or bound is None for number, bound in zip(numbers, bounds, strict=True))
    if known and isinstance(value, SliceItem):
        return base[slice(*numbers)]
    at = numbers[0]
    if known and at is not None and -len(base) <= at < len(base):
        return base[at]
    raise LanguageError(f"a tuple of {len(base)} is indexed by a constant within it", span=span)


def _call(scope: Scope, node: ast.Call) -> Value:
    span = scope.span(node)
    if isinstance(node.func, ast.Attribute):
        base = expression(scope, node.func.value)
        if isinstance(base, TensorRef):
            raise not_a_tile(base, scope.span(node.func.value))
        if isinstance(base, Tile) or is_number(base):
            return call_method(scope.builder, base, node.func.attr, _arguments(scope, node, node.func.attr))
    callee = expression(scope, node.func)
    if isinstance(callee, surface.OpFunction):
        return call_function(scope.builder, callee.name, _arguments(scope, node, callee.name))
    if isinstance(callee, surface.Inline):
        return inlined(scope, callee, _arguments(scope, node, callee.__name__, whole_tensors=True))
    if any(callee is known for known in BUILTINS):
        return call_builtin(scope.builder, callee, _arguments(scope, node, ast.unparse(node.func)))
    raise LanguageError(
        f"a task cannot call '{ast.unparse(node.func)}'", span=span, hints=_call_hints(callee)
    )


def _call_hints(callee: Any) -> tuple[str, ...]:
    if callee is range or callee is surface.tiles:
        return ("it stands in the head of a loop: for i in …",)
    name = getattr(callee, "__name__", "")
    if hasattr(functions, name):
        return (f"did you mean 'mpmd.{name}'?",)
    if isinstance(callee, surface.Task):
        return ("tasks are called by kernels; put what they have in common under @mpmd.inline",)
    if isinstance(callee, DType):
        return (f"cast a tile by .astype(mpmd.{callee.name}); a number takes the dtype of the tile it meets",)
    if isinstance(callee, FunctionType) and callee.__module__ == surface.__name__:
        return (f"mpmd.{name} belongs in a kernel",)
    if isinstance(callee, FunctionType) and name.isidentifier():
        return (f"put '{name}' under @mpmd.inline, so that it becomes a part of the task",)
    if not callable(callee):
        return ()
    return ("a task calls functions of mpmd; constants are best computed before the task",)


def _arguments(scope: Scope, node: ast.Call, callee: str, *, whole_tensors: bool = False) -> Arguments:
    """The arguments of a call, evaluated; only inline functions take tensors that are not indexed."""
    for keyword in node.keywords:
        if keyword.arg is None:
            raise LanguageError("'**' cannot stand in a task", span=scope.span(keyword.value))
    evaluate = expression if whole_tensors else _argument
    positional = tuple(evaluate(scope, arg) for arg in node.args)
    keywords = tuple((str(k.arg), evaluate(scope, k.value)) for k in node.keywords)
    return Arguments(callee, positional, keywords, scope.span(node))


def _argument(scope: Scope, node: ast.expr) -> Value:
    value = expression(scope, node)
    if isinstance(value, TensorRef):
        raise not_a_tile(value, scope.span(node))
    return value


def _tuple(scope: Scope, node: ast.Tuple) -> Value:
    return tuple(expression(scope, element) for element in node.elts)


_EXPRESSIONS: dict[type[ast.expr], Callable[[Scope, Any], Value]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.Compare: _compare,
    ast.BoolOp: _logical,
    ast.IfExp: _choice,
    ast.Subscript: _subscript,
    ast.Call: _call,
    ast.Tuple: _tuple,
}
