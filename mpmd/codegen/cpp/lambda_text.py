"""Elements as the statements of a lambda: one call of the header library per operation.

In:  an `Element`, the loop variables. Out: lines, and the C++ name of the result.
Not here: which elements (`elements.py`), which loops (`nest.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mpmd.codegen.cpp.elements import Address, Count, Element, Number, Operation, Pick, Read, coefficient
from mpmd.codegen.cpp.names import ctype, lane_bytes, quoted
from mpmd.codegen.cpp.scope import Scope
from mpmd.codegen.emitter import Lines
from mpmd.errors import UnsupportedOp
from mpmd.lang.index import ONE, ZERO, Index
from mpmd.lang.types import DType, i64

FUNCTIONS: dict[str, str] = {
    **{name: name for name in ("neg", "abs", "exp", "log", "sqrt", "rsqrt", "sigmoid", "tanh", "erf")},
    **{name: name for name in ("sin", "cos", "floor", "ceil", "round", "add", "sub", "mul", "div")},
    **{name: name for name in ("floordiv", "mod", "pow", "maximum", "minimum", "where", "shl", "shr")},
    **{name: name for name in ("lt", "le", "gt", "ge", "eq", "ne")},
    "not": "bit_not",
    "and": "bit_and",
    "or": "bit_or",
    "xor": "bit_xor",
}
"""The header's function for each elementwise op."""

NO_AXIS = "$none"
"""Stands for the loop variable of the lanes where there is a single element."""


def width(element: Element) -> int:
    """The bytes of the widest lane that computing an element handles."""
    widest, todo, done = 4, [element], set[int]()
    while todo:
        at = todo.pop()
        if id(at) in done:
            continue
        done.add(id(at))
        widest = max(widest, lane_bytes(at.dtype))
        if isinstance(at, Read):
            widest = max(widest, lane_bytes(at.address.dtype))
        elif isinstance(at, Count):
            widest = 8
        elif isinstance(at, Operation):
            todo += at.args
    return widest


def leaves(element: Element) -> list[Read | Pick | Count]:
    """Everything that depends on where the element is, each object once."""
    found: list[Read | Pick | Count] = []
    todo, done = [element], set[int]()
    while todo:
        at = todo.pop()
        if id(at) in done:
            continue
        done.add(id(at))
        if isinstance(at, Operation):
            todo += at.args
        elif isinstance(at, (Read, Pick, Count)):
            found.append(at)
    return found


def address_text(scope: Scope, address: Address) -> str:
    """A pointer expression."""
    constant, parts = ZERO, []
    for coord, stride in address.terms:
        coord, stride = scope.settle(coord), scope.settle(stride)
        if coord.is_const and stride.is_const:
            constant = constant + coord * stride
        elif stride.is_const:
            constant = constant + stride.const * coord.const
            parts.append(scope.text((coord - coord.const) * stride))
        else:
            parts.append(f"{scope.factor(coord)} * {scope.factor(stride)}")
    if constant != ZERO:
        parts.append(scope.text(constant))
    if not parts:
        return address.name
    offset = " + ".join(parts).replace("+ -", "- ")
    return f"{address.name} + {offset if offset.isidentifier() or offset.isdecimal() else f'({offset})'}"


@dataclass
class LambdaText:
    """The inside of a lambda. `lanes` is the loop variable along which vectors lie."""

    scope: Scope
    lanes: str
    lines: Lines = field(default_factory=Lines)
    _names: dict[int, str] = field(default_factory=dict)
    _held: list[Element] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)

    def value(self, element: Element) -> str:
        """The name of an element's vector, after the lines that compute it."""
        name = self._names.get(id(element))
        if name is None:
            name = self._compute(element)
            self._names[id(element)] = name
            self._held.append(element)  # so that no other object gets its identity
        return name

    def store(self, address: Address, element: Element) -> None:
        """The element into memory, in the memory's type."""
        self.put(address, self.converted(self.value(element), element.dtype, address.dtype))

    def put(self, address: Address, value: str) -> None:
        """A vector, by its name, into memory."""
        pointer, step = address_text(self.scope, address), self._step(address)
        if step == ONE:
            self.lines(f"mpmd::store(L, {pointer}, {value});")
        else:
            self.lines(f"mpmd::store(L, {pointer}, {self.scope.text(step)}, {value});")

    def load(self, address: Address) -> str:
        """An expression for the vector at an address."""
        pointer, step = address_text(self.scope, address), self._step(address)
        if step == ZERO:
            return f"mpmd::splat(L, {'*' + pointer if pointer == address.name else f'*({pointer})'})"
        if step == ONE:
            return f"mpmd::load(L, {pointer})"
        return f"mpmd::load(L, {pointer}, {self.scope.text(step)})"

    def converted(self, value: str, source: DType, target: DType) -> str:
        return value if source == target else f"mpmd::cast<{ctype(target)}>({value})"

    def _step(self, address: Address) -> Index:
        if self.lanes == NO_AXIS:
            return ONE  # a single element
        return self.scope.settle(address.step(self.lanes))

    def _compute(self, element: Element) -> str:
        if isinstance(element, Number):
            return f"mpmd::splat<{ctype(element.dtype)}>(L, {element.text})"
        if isinstance(element, Operation):
            return self._operation(element)
        if isinstance(element, Count):
            start = self.scope.text(element.coord)
            step = coefficient(element.coord, self.lanes)
            text = f"mpmd::iota(L, {start}, {step})"
            return self._bind(element.value, self.converted(text, i64, element.dtype))
        if isinstance(element, Pick):
            return self._bind(element.value, self._pick(element))
        return self._bind(element.value, self.load(element.address))

    def _operation(self, element: Operation) -> str:
        stmt = element.stmt
        args = [self.value(arg) for arg in element.args]
        if stmt.span.line:
            self.lines(f"#line {stmt.span.line} {quoted(stmt.span.file)}")
        if stmt.op == "cast":
            return self._bind(element.value, f"mpmd::cast<{ctype(element.dtype)}>({args[0]})")
        dialect = self.scope.dialect
        if stmt.op not in dialect.functions:
            raise UnsupportedOp(f"the {dialect.target} back end has no '{stmt.op}'", span=stmt.span)
        if stmt.op == "div":  # integers become floats first
            sources = [arg.dtype for arg in element.args]
            args = [self.converted(a, s, element.dtype) for a, s in zip(args, sources, strict=True)]
        return self._bind(element.value, f"mpmd::{dialect.functions[stmt.op]}({', '.join(args)})")

    def _pick(self, pick: Pick) -> str:
        table, ids = address_text(self.scope, pick.table), address_text(self.scope, pick.ids)
        step, ids_step = self._step(pick.table), self._step(pick.ids)
        if ids_step != ZERO:
            steps = [self.scope.text(step), ids, self.scope.text(ids_step)]
            return f"mpmd::pick(L, {table}, {self.scope.text(pick.row)}, {', '.join(steps)})"
        row = f"mpmd::Word{{*({ids})}} * {self.scope.factor(pick.row)}"
        pointer = f"{table} + {row}"
        if step == ZERO:
            return f"mpmd::splat(L, *({pointer}))"
        return (
            f"mpmd::load(L, {pointer})"
            if step == ONE
            else f"mpmd::load(L, {pointer}, {self.scope.text(step)})"
        )

    def _bind(self, value: int, text: str) -> str:
        name, count = f"v{value}", 1
        while name in self._taken:
            count += 1
            name = f"v{value}_{count}"
        self._taken.add(name)
        self.lines(f"const auto {name} = {text};")
        return name
