"""The text of one cube function: its products, from tensors to tensors.

In:  a `Function` whose task has products alone: loads, transposes, `@`, stores. Out: lines;
     `UnsupportedOp` with the user's line for anything else.
Not here: cutting tasks so that products stand alone (`partition/engines.py`); tiles on chip (cube.h).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mpmd.codegen.ascend.control import loop_head
from mpmd.codegen.ascend.function import around, body_line
from mpmd.codegen.ascend.refuse import refuse
from mpmd.codegen.ascend.tokens import side_of
from mpmd.codegen.ascend.values import C_TYPES
from mpmd.codegen.cpp.names import comment
from mpmd.codegen.cpp.scope import Scope
from mpmd.codegen.emitter import Lines
from mpmd.errors import Span
from mpmd.lang.index import ONE, Index
from mpmd.lang.task.check import unproved_accesses
from mpmd.lang.tile import Apply, Load, Loop, Region, Send, Stmt, Store, ValueId, walk
from mpmd.lang.types import DType, bf16, f16, f32
from mpmd.partition.graph import Function

MOST_APART = 2**16 - 1
"""Elements between rows of a matrix: a copy to L1 counts them in 16 bits."""


@dataclass(frozen=True, slots=True)
class Factor:
    """A matrix in global memory."""

    element: str
    address: str
    stride: str
    transposed: bool

    @property
    def text(self) -> str:
        transposed = str(self.transposed).lower()
        return f"mpmd::Matrix<{self.element}, {transposed}>{{{self.address}, {self.stride}}}"


@dataclass(frozen=True, slots=True)
class Product:
    a: Factor
    b: Factor
    extents: tuple[Index, Index, Index]
    dtype: DType | None = None  # what it is rounded to before it is stored


@dataclass
class CubeText:
    """Statement by statement: what every value is, and a call for each store.

    `single` are the dims that may be 1 (`single.py`)."""

    function: Function
    scope: Scope
    single: frozenset[str]
    lines: Lines = field(default_factory=Lines)
    factors: dict[ValueId, Factor] = field(default_factory=dict)
    products: dict[ValueId, Product] = field(default_factory=dict)
    busy: bool = False
    """Whether the memories on chip may be in use."""

    def write(self) -> Lines:
        _refuse_unproved(self.function, self.scope)
        self._body(self.function.task.body)
        return around(self.function, self.scope, self.lines)

    def _body(self, body: Sequence[Stmt]) -> None:
        for stmt in body:
            self._stmt(stmt)

    def _stmt(self, stmt: Stmt) -> None:
        if isinstance(stmt, Load):
            self.factors[stmt.out] = self._matrix(stmt.param, stmt.region, stmt.span)
        elif isinstance(stmt, Apply) and stmt.op == "transpose" and stmt.args[0] in self.factors:
            factor = self.factors[stmt.args[0]]
            swapped = stmt.attr("order") == (1, 0)
            self.factors[stmt.out] = replace(factor, transposed=factor.transposed != swapped)
        elif isinstance(stmt, Apply) and stmt.op == "dot":
            self._product(stmt)
        elif isinstance(stmt, Apply) and stmt.op == "cast" and stmt.args[0] in self.products:
            self._rounded(stmt)
        elif isinstance(stmt, Store) and stmt.value in self.products and not stmt.accumulate:
            self._store(stmt)
        elif isinstance(stmt, Send) and stmt.value in self.products:
            self._send(stmt)
        elif isinstance(stmt, Loop) and not stmt.carried:
            self._loop(stmt)
        else:
            what = f"'{stmt.op}'" if isinstance(stmt, Apply) else f"a {type(stmt).__name__.lower()}"
            raise refuse(f"{what} in a task that multiplies matrices", stmt.span)

    def _product(self, stmt: Apply) -> None:
        a, b = (self.factors[arg] for arg in stmt.args)
        if a.element != b.element or a.element not in ("half", "bfloat16_t", "float"):
            raise refuse(f"'@' of {a.element} and {b.element}", stmt.span)
        m, n = (self.scope.settle(extent) for extent in stmt.type.shape)
        if a.transposed and (m == ONE or str(m) in self.single):
            raise refuse(
                "'@' of a single row that lies as a column",
                stmt.span,
                "cut the rows into tiles of two or more",
            )
        k = next(
            s.type.shape
            for s in walk(self.function.task.body)
            if isinstance(s, (Load, Apply)) and s.out == stmt.args[0]
        )[1]
        self.products[stmt.out] = Product(a, b, (m, n, k))

    def _rounded(self, stmt: Apply) -> None:
        """A product that is rounded on its way out."""
        dtype = stmt.type.dtype
        if dtype not in (f16, bf16):
            raise refuse(f"casts of products to {dtype}", stmt.span)
        self.products[stmt.out] = replace(self.products[stmt.args[0]], dtype=dtype)

    def _loop(self, loop: Loop) -> None:
        """An iteration may begin where the one before has left products in the memories on chip."""
        outside, before = self.lines, self.busy
        for self.busy in (before, True):
            self.lines = Lines()
            first = self.busy
            self._body(loop.body)
            if first or not self.busy:
                break
        inside, self.lines, self.busy = self.lines, outside, self.busy or before
        body_line(self.lines, loop.span)
        with self.lines.block(loop_head(self.scope, loop)):
            self.lines.extend(inside)

    def _send(self, stmt: Send) -> None:
        """A product as a token: its elements in C order."""
        product, name = self.products[stmt.value], self.scope.names[stmt.param]
        dtype = self.function.task.param(stmt.param).dtype
        rows, columns, _ = (self.scope.text(extent) for extent in product.extents)
        body_line(self.lines, stmt.span)
        self.lines(f"{name} = {side_of(name)}.send({{{rows}, {columns}}});")
        self._out(Factor(C_TYPES[dtype.name], name, columns, False), product)
        self._finish("the token is there")
        self.lines(f"{side_of(name)}.pass();")

    def _finish(self, why: str) -> None:
        if self.busy:
            self.lines(f"AscendC::PipeBarrier<PIPE_ALL>();  {comment(why)}")
        self.busy = False

    def _out(self, out: Factor, product: Product) -> None:
        self._finish("the memories on chip are those of the product before")
        extents = ", ".join(f"static_cast<uint32_t>({self.scope.text(extent)})" for extent in product.extents)
        self.lines(f"mpmd::product({out.text}, {product.a.text}, {product.b.text}, {extents});")
        self.busy = True

    def _store(self, stmt: Store) -> None:
        product, param = self.products[stmt.value], self.function.task.param(stmt.param)
        out = self._matrix(stmt.param, stmt.region, stmt.span)
        if out.transposed or (
            param.dtype not in (f32,) and C_TYPES.get(param.dtype.name) not in ("half", "bfloat16_t")
        ):
            raise refuse(f"products stored in '{stmt.param}' as it lies", stmt.span)
        body_line(self.lines, stmt.span)
        self._out(out, product)

    def _matrix(self, param: str, region: Region, span: Span) -> Factor:
        layout, name = self.scope.layout(param), self.scope.names[param]
        kept, offset = list[Index](), Index(0)
        for number, axis in enumerate(region):
            stride = self.scope.stride(layout, number)
            offset = offset + axis.start * stride
            if axis.keep:
                kept.append(stride * axis.step)
        if len(kept) != 2 or ONE not in kept:
            raise refuse(f"matrices of '{param}' without neighbours along an axis", span)
        transposed = kept[1] != ONE
        apart = kept[1] if transposed else kept[0]
        if not (apart.is_const and apart.const <= MOST_APART):
            raise refuse(
                f"rows of '{param}' more than {MOST_APART} elements apart, or unknown how far,", span
            )
        text = self.scope.text(offset)
        address = name if text == "0" else f"{name} + {text}"
        dtype = self.function.task.param(param).dtype
        if dtype.name not in C_TYPES:
            raise refuse(f"tensors of {dtype}", span)
        return Factor(C_TYPES[dtype.name], address, self.scope.text(apart), transposed)


def _refuse_unproved(function: Function, scope: Scope) -> None:
    for stmt, _ in unproved_accesses(function.task, fixed=scope.fixed):
        raise refuse("accesses whose bounds are checked at run time", stmt.span)
