"""Index expressions of one function as C++ text, and their bounds.

In:  a `Function`: its dims, scalars, layouts. Out: a `Scope` that knows every symbol's name and interval.
Not here: values and buffers (`elements.py`, `storage.py`).

Dims that are fixed become numbers. The symbols of a loop nest that the emitter makes itself are `$0`,
`$1`, …; a stride that a row gives is the symbol `x.stride1`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mpmd.codegen.cpp.dialect import Dialect
from mpmd.codegen.cpp.names import identifier
from mpmd.errors import CapacityError, Span
from mpmd.lang.index import INT_MAX, Atom, Index, Interval, Sym, as_index, symbol
from mpmd.lang.tile import Load, Loop, Receive, Store, walk
from mpmd.partition.graph import Function, Layout


@dataclass
class Scope:
    """The symbols that are visible, and what is known of them. `dialect` is that of the text."""

    function: Function
    dialect: Dialect
    fixed: dict[str, int]
    names: dict[str, str]
    bounds: dict[str, Interval]
    extents: dict[Index, int] = field(default_factory=dict)

    @staticmethod
    def of(function: Function, dialect: Dialect) -> Scope:
        fixed = {name: extent for name, extent in function.dims if name in function.fixed}
        bounds = {name: Interval(0, extent) for name, extent in function.dims}
        scope = Scope(function, dialect, fixed, {}, bounds)
        for name in [*(name for name, _ in function.dims), *(p.name for p in function.task.params)]:
            scope.names[name] = scope._free(name)
        for layout in function.layouts:
            for axis in range(len(layout.strides)):
                scope.names[f"{layout.name}.stride{axis}"] = f"{scope.names[layout.name]}_stride{axis}"
        for stmt in walk(function.task.body):
            if isinstance(stmt, Loop):
                scope._enter(stmt)
        scope._learn_extents()
        return scope

    def layout(self, param: str) -> Layout:
        return next(layout for layout in self.function.layouts if layout.name == param)

    def stride(self, layout: Layout, axis: int) -> Index:
        stride = layout.strides[axis]
        return symbol(f"{layout.name}.stride{axis}") if stride is None else Index(stride)

    def settle(self, index: Index) -> Index:
        """The expression with fixed dims replaced by their extents."""
        return index.substitute(self.fixed)

    def text(self, index: Index | int) -> str:
        """A C++ expression of type `mpmd::Word`; a sum is not in parentheses."""
        index = self.settle(as_index(index))
        parts = [self._term(atom, coefficient) for atom, coefficient in index.terms]
        if index.const or not parts:
            parts.append(str(index.const))
        return " + ".join(parts).replace("+ -", "- ")

    def factor(self, index: Index) -> str:
        """As `text`, and fit to be multiplied."""
        text = self.text(index)
        return f"({text})" if " " in text or text.startswith("-") else text

    def bound(self, extent: Index, span: Span) -> int:
        """The largest value of an extent; a tile needs one for its buffer."""
        settled = self.settle(extent)
        high = min(settled.interval(self.bounds).hi, self.extents.get(settled, INT_MAX))
        if high >= INT_MAX:
            raise CapacityError(
                f"a tile of '{self.function.task.name}' has {extent} elements along an axis, without a bound",
                span=span,
                label="this tile needs a buffer",
                hints=("cut it with mpmd.tiles(extent, size): a tile has at most `size` elements",),
            )
        return max(0, high)

    def _term(self, atom: Atom, coefficient: int) -> str:
        text = self._atom(atom)
        return text if coefficient == 1 else f"-{text}" if coefficient == -1 else f"{coefficient} * {text}"

    def _atom(self, atom: Atom) -> str:
        if isinstance(atom, Sym):
            if atom.name.startswith("%"):
                return f"mpmd::Word{{{self.names[atom.name]}}}"
            return self.names[atom.name]
        if atom.op == "mul":
            return f"{self.factor(atom.lhs)} * {self.factor(atom.rhs)}"
        function = {"floordiv": "floordiv", "mod": "mod", "min": "least", "max": "most"}[atom.op]
        return f"mpmd::{function}({self.text(atom.lhs)}, {self.text(atom.rhs)})"

    def _free(self, name: str) -> str:
        plain = identifier(name)
        while plain in self.names.values():
            plain += "_"
        return plain

    def _enter(self, loop: Loop) -> None:
        name = self._free(loop.name)
        start, stop = (index.interval(self.bounds) for index in (loop.start, loop.stop))
        if loop.tile is None:
            self.names[loop.name] = name
            self.bounds[loop.name] = Interval(start.lo, max(start.lo, stop.hi - 1))
            return
        for part in ("start", "size", "index"):
            self.names[f"{loop.name}.{part}"] = f"{name}_{part}"
        last = max(0, stop.hi - 1)
        self.bounds[f"{loop.name}.start"] = Interval(0, last)
        self.bounds[f"{loop.name}.size"] = Interval(0, max(0, min(loop.tile, stop.hi)))
        self.bounds[f"{loop.name}.index"] = Interval(0, last if last >= INT_MAX else last // loop.tile)

    def _learn_extents(self) -> None:
        """A region lies within its tensor, so its extents are at most the tensor's; so with tokens."""
        for stmt in walk(self.function.task.body):
            if isinstance(stmt, (Load, Store)):
                for axis, limit in zip(stmt.region, self.layout(stmt.param).bounds, strict=True):
                    self._learn(axis.extent, -(-limit // axis.step))
            elif isinstance(stmt, Receive):
                full = self.function.task.param(stmt.param).shape
                for extent, limit in zip(stmt.type.shape, full, strict=True):
                    self._learn(extent, self.settle(limit).interval(self.bounds).hi)

    def _learn(self, extent: Index, most: int) -> None:
        extent = self.settle(extent)
        self.extents[extent] = min(most, self.extents.get(extent, INT_MAX))
