"""The steps of a function as C++ statements.

In:  a `Fusion`, its `Storage`, the scope. Out: `Lines`, and the run-time checks that they make.
Not here: the function around them (`function.py`), elements (`elements.py`, `lambda_text.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mpmd.codegen.cpp.checks import check_note, check_text
from mpmd.codegen.cpp.elements import (
    Address,
    Buffer,
    Coords,
    Element,
    Elements,
    Number,
    Operation,
    Pick,
    Read,
)
from mpmd.codegen.cpp.lambda_text import NO_AXIS, LambdaText, address_text, leaves, width
from mpmd.codegen.cpp.meeting import UNKNOWN, Bytes, Meetings, Place
from mpmd.codegen.cpp.names import ctype, lane_bytes, quoted
from mpmd.codegen.cpp.nest import Nest, nest
from mpmd.codegen.cpp.reductions import REDUCTIONS
from mpmd.codegen.cpp.scope import Scope
from mpmd.codegen.cpp.storage import Slot, Storage
from mpmd.codegen.emitter import Lines
from mpmd.codegen.fuse import (
    Check,
    Choose,
    Compute,
    Fusion,
    Give,
    Iterate,
    Move,
    Product,
    Reduce,
    Step,
    Take,
    Write,
)
from mpmd.codegen.source import StepNote
from mpmd.errors import Span
from mpmd.lang.index import ONE, Index, symbol
from mpmd.lang.tile import Apply, Gather, Loop, Receive, Send, Store, TileType, ValueId
from mpmd.lang.types import DType, promote

REDUCED = "$9"
"""The loop variable of a reduced axis."""

Writes = list[tuple[Address, Element]]


def _names(element: Element) -> Iterator[str]:
    """The pointers that computing an element reads through."""
    for leaf in leaves(element):
        if isinstance(leaf, Pick):
            yield leaf.table.name
            yield leaf.ids.name
        elif isinstance(leaf, Read):
            yield leaf.address.name


@dataclass
class StepText:
    """Writes steps. `first_check` is the number of the function's first run-time check."""

    scope: Scope
    fusion: Fusion
    storage: Storage
    first_check: int
    lines: Lines = field(default_factory=Lines)
    checks: list[StepNote] = field(default_factory=list)
    elements: Elements = field(init=False)
    meetings: Meetings = field(default_factory=Meetings)
    _places: dict[str, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.elements = Elements(self.scope, self.fusion)
        for depth in range(9):
            self.scope.names[f"${depth}"] = f"i{depth}"
        self.scope.names[REDUCED] = "r"

    def write(self, steps: tuple[Step, ...]) -> None:
        for step in steps:
            self.elements.begin()
            if isinstance(step, Compute):
                self._compute(step)
            elif isinstance(step, Write):
                self._write(step.store)
            elif isinstance(step, Reduce):
                self._reduce(step)
            elif isinstance(step, Product):
                self._product(step)
            elif isinstance(step, Give):
                self._give(step.stmt)
            elif isinstance(step, Take):
                self._take(step.stmt)
            elif isinstance(step, Check):
                self._check(step)
            elif isinstance(step, Move):
                self._move(step.target, step.value)
            elif isinstance(step, Iterate):
                self._iterate(step)
            else:
                self._choose(step)

    # -- values and places -------------------------------------------------------------------------

    def _line(self, span: Span) -> None:
        if span.line:
            self.lines(f"#line {span.line} {quoted(span.file)}")

    def _declare(self, value: ValueId, slot: Slot, *, prefix: str = "t") -> Buffer:
        type_ = self.fusion.values.type[value]
        name, element = f"{prefix}{value}", ctype(type_.dtype)
        self.lines(f"{element}* const {name} = mpmd::scratch<{element}>(core, {slot.offset});")
        self._places[name] = Bytes(slot.offset, slot.offset + slot.bytes)
        return Buffer(name, type_.dtype, slot.strides)

    def _hold(self, value: ValueId, buffer: Buffer) -> None:
        self.elements.buffers[value] = buffer

    def _name_scalar(self, value: ValueId, name: str) -> None:
        self.elements.scalars[value] = name
        self.scope.names[f"%{value}"] = name

    def _meet(self, elements: Iterable[Element], writes: Iterable[Address] = ()) -> None:
        """The meeting, if one must stand before a step that computes `elements` and writes to `writes`."""
        reads = [name for element in elements for name in _names(element)]
        self._meet_at(reads, [address.name for address in writes])

    def _meet_at(self, reads: Iterable[str], writes: Iterable[str]) -> None:
        """The same for the names of pointers."""
        places = [[self._places.get(name, name) for name in names] for names in (reads, writes)]
        if self.meetings.before(*places) and self.scope.dialect.meet:
            self.lines(self.scope.dialect.meet)

    def _scalar(self, value: ValueId) -> str:
        """An expression for a rank-0 value, computed in place."""
        element = self.elements.at(value, ())
        self._meet([element])
        if isinstance(element, Number):
            return element.text
        if isinstance(element, Read):
            pointer = address_text(self.scope, element.address)
            return f"*({pointer})"
        text = LambdaText(self.scope, NO_AXIS)
        result = text.value(element)
        inside = text.lines.text()
        return f"mpmd::scalar<{width(element)}>([&](auto L) MPMD_BODY {{\n{inside}return {result};\n}})"

    # -- elementwise -------------------------------------------------------------------------------

    def _compute(self, step: Compute) -> None:
        value = step.value
        type_ = self.fusion.values.type[value]
        self._line(self.fusion.values.span(value))
        if type_.rank == 0:
            name = f"s{value}"
            self._statement(f"const {ctype(type_.dtype)} {name} = {self._scalar(value)};")
            self._name_scalar(value, name)
            return
        buffer = self._declare(value, self.storage.slots[value])
        self._map(type_, lambda at: [(self.elements.place(buffer, at), self.elements.at(value, at))])
        self._hold(value, buffer)

    def _statement(self, text: str) -> None:
        for line in text.split("\n"):
            self.lines(line)

    def _write(self, store: Store) -> None:
        type_ = self.fusion.values.type[store.value]
        self._line(store.span)

        def writes(at: Coords) -> Writes:
            return [
                (self.elements.in_region(store.param, store.region, at), self.elements.at(store.value, at))
            ]

        self._map(type_, writes, accumulate=store.accumulate)

    def _map(self, type_: TileType, writes: Callable[[Coords], Writes], *, accumulate: bool = False) -> None:
        """A loop nest over a type's shape that stores an element at every place."""

        def places(at: Coords) -> tuple[list[Element], list[Address]]:
            pairs = writes(at)
            return [element for _, element in pairs], [address for address, _ in pairs]

        loops = nest(self.scope, type_.shape, places)
        lanes = loops.variables[-1] if loops.variables else NO_AXIS
        text = LambdaText(self.scope, lanes)
        widest, pairs = 4, writes(loops.coords)
        addresses = [address for address, _ in pairs]
        added_to = [Read(-1, address.dtype, address) for address in addresses if accumulate]
        self._meet([*(element for _, element in pairs), *added_to], addresses)
        for address, element in pairs:
            widest = max(widest, width(element), lane_bytes(address.dtype))
            if accumulate:
                widest = max(widest, lane_bytes(self._add_to(text, address, element)))
            else:
                text.store(address, element)
        self._nest_of_vectors(loops, widest, text.lines)

    def _add_to(self, text: LambdaText, address: Address, element: Element) -> DType:
        common = promote(address.dtype, element.dtype)
        value = text.converted(text.value(element), element.dtype, common)
        there = text.converted(text.load(address), address.dtype, common)
        total = text.converted(f"mpmd::add({there}, {value})", common, address.dtype)
        text.put(address, total)
        return common

    def _nest_of_vectors(self, loops: Nest, widest: int, body: Lines) -> None:
        """`mpmd::map` around a lambda's lines; axes beyond the four innermost are plain loops."""
        outer = max(0, len(loops.variables) - 4)
        with self._plain_loops(loops.variables[:outer], loops.extents[:outer]):
            extents = ", ".join(self.scope.text(n) for n in loops.extents[outer:]) or "1"
            names = [self.scope.names[v] for v in loops.variables[outer:]] or ["i0"]
            params = ", ".join(f"mpmd::Word {n}" if body.mentions(n) else "mpmd::Word" for n in names)
            with self.lines.block(
                f"mpmd::map<{widest}>({extents}, [&](auto L, {params}) MPMD_BODY {{", "});"
            ):
                self.lines.extend(body)

    @contextmanager
    def _plain_loops(self, variables: tuple[str, ...], extents: tuple[Index, ...]) -> Iterator[None]:
        if not variables:
            yield
            return
        name = self.scope.names[variables[0]]
        head = f"for (mpmd::Word {name} = 0; {name} < {self.scope.text(extents[0])}; ++{name}) {{"
        with self.lines.block(head), self._plain_loops(variables[1:], extents[1:]):
            yield

    # -- reductions --------------------------------------------------------------------------------

    def _reduce(self, step: Reduce) -> None:
        stmt = step.stmt
        self._line(stmt.span)
        if step.also is not None:
            also = self._declare(step.also, self.storage.slots[step.also])
        else:
            also = None
        (operand,) = stmt.args
        shape = self.fusion.values.type[operand].shape
        axis = int(stmt.attr("axis"))  # type: ignore[arg-type]
        out = self._declare(stmt.out, self.storage.slots[stmt.out]) if stmt.type.rank else None

        def inside(at: Coords) -> Coords:
            return (*at[:axis], symbol(REDUCED), *at[axis:])

        def places(at: Coords) -> tuple[list[Element], list[Address]]:
            writes = [self.elements.place(out, at)] if out else []
            if also is not None:
                writes.append(self.elements.place(also, inside(at)))
            return [self.elements.at(operand, inside(at))], writes

        loops = nest(self.scope, stmt.type.shape, places)
        along = all(self.scope.settle(extent) == ONE for extent in shape[axis + 1 :])
        lanes = REDUCED if along or not loops.variables else loops.variables[-1]
        text = LambdaText(self.scope, lanes)
        element = self.elements.at(operand, inside(loops.coords))
        if step.also is not None and also is not None:
            kept = self.elements.at(step.also, inside(loops.coords))
            text.store(self.elements.place(also, inside(loops.coords)), kept)
        elements, written = places(loops.coords)
        self._meet(elements, written)
        row = REDUCTIONS[stmt.op]
        taken = row.element_type(element.dtype)
        result = text.converted(text.value(element), element.dtype, taken)
        widest = max(width(element), lane_bytes(taken), row.least_bytes)
        text.lines(f"return {result};")
        count = self.scope.text(shape[axis])
        if lanes == REDUCED:
            name = row.name + (self.scope.dialect.fold_row if loops.variables else "")
            call = f"mpmd::{name}<{row.kind}, {ctype(taken)}, {widest}>({count}, [&](auto L, "
            self._fold_along(stmt, loops, out, call, text.lines)
        else:
            call = f"mpmd::{row.across}<{row.kind}, {ctype(taken)}>(L, {count}, [&]("
            self._fold_across(loops, out, call, text.lines, widest)
        if step.also is not None and also is not None:
            self._hold(step.also, also)
        if out is not None:
            self._hold(stmt.out, out)

    def _fold_along(self, stmt: Apply, loops: Nest, out: Buffer | None, call: str, body: Lines) -> None:
        r = "mpmd::Word r" if body.mentions("r") else "mpmd::Word"
        if out is None:
            begin, end = f"const {ctype(stmt.type.dtype)} s{stmt.out} = ", "});"
            self._name_scalar(stmt.out, f"s{stmt.out}")
        else:
            put = self.scope.dialect.put_row if loops.variables else "put"
            place = address_text(self.scope, self.elements.place(out, loops.coords))
            begin, end = f"mpmd::{put}({place}, ", "}));"
        with (
            self._plain_loops(loops.variables[:-1], loops.extents[:-1]),
            self._rows(loops.variables[-1:], loops.extents[-1:]),
            self.lines.block(f"{begin}{call}{r}) MPMD_BODY {{", end),
        ):
            self.lines.extend(body)
        if not loops.variables:
            self.meetings.met()

    @contextmanager
    def _rows(self, variables: tuple[str, ...], extents: tuple[Index, ...]) -> Iterator[None]:
        """The loop around a reduction, if there is one: its rows may be done in any order."""
        if not variables:
            yield
            return
        head = self.scope.dialect.rows.format(i=self.scope.names[variables[0]], n=self.scope.text(extents[0]))
        with self.lines.block(head):
            yield

    def _fold_across(self, loops: Nest, out: Buffer | None, call: str, body: Lines, widest: int) -> None:
        assert out is not None
        r = "mpmd::Word r" if body.mentions("r") else "mpmd::Word"
        address = self.elements.place(out, loops.coords)
        inner = Lines()
        with inner.block(f"const auto all = {call}{r}) MPMD_BODY {{", "});"):
            inner.extend(body)
        text = LambdaText(self.scope, loops.variables[-1], inner)
        text.put(address, "all")
        self._nest_of_vectors(loops, widest, inner)

    # -- products ----------------------------------------------------------------------------------

    def _product(self, step: Product) -> None:
        stmt, store = step.stmt, step.store
        self._line(stmt.span)
        rows, cols = (symbol("$0"), symbol("$1"))
        if store is None:
            buffer = self._declare(stmt.out, self.storage.slots[stmt.out])
            target = self.elements.place(buffer, (rows, cols))
            self._hold(stmt.out, buffer)
        else:
            target = self.elements.in_region(store.param, store.region, (rows, cols))
        a, b = (self._operand(arg, (rows, cols)) for arg in stmt.args)
        m, n = (self.scope.text(extent) for extent in stmt.type.shape)
        k = self.scope.text(self.fusion.values.type[stmt.args[0]].shape[1])
        adds = store is not None and store.accumulate
        accumulate = "true" if adds else "false"
        self._meet_at([a.name, b.name, *([target.name] if adds else [])], [target.name])
        scratch = f"mpmd::scratch<char>(core, {self.storage.dot})"
        operands = f"{self._matrix(a, 'const ')}, {self._matrix(b, 'const ')}, {self._matrix(target, '')}"
        self.lines(f"mpmd::dot({m}, {n}, {k}, {operands}, {accumulate}, {scratch});")

    def _operand(self, value: ValueId, at: Coords) -> Address:
        """Where a product finds its operand; it widens elements itself."""
        element = self.elements.at(value, at)
        while isinstance(element, Operation):
            (element,) = element.args
        assert isinstance(element, Read), element
        return element.address

    def _matrix(self, address: Address, const: str) -> str:
        corner = Address(
            address.name,
            address.dtype,
            tuple((coord.substitute({"$0": 0, "$1": 0}), stride) for coord, stride in address.terms),
        )
        steps = ", ".join(self.scope.text(address.step(variable)) for variable in ("$0", "$1"))
        return f"mpmd::matrix<{const}{ctype(address.dtype)}>({address_text(self.scope, corner)}, {steps})"

    # -- channels ----------------------------------------------------------------------------------

    def _give(self, stmt: Send) -> None:
        """The value goes straight into its slot, without gaps."""
        self._line(stmt.span)
        type_ = self.fusion.values.type[stmt.value]
        dtype = self.scope.function.task.param(stmt.param).dtype
        slot = Buffer(f"n{stmt.value}", dtype, self.elements.c_order(type_))
        channel, element = self.scope.names[stmt.param], ctype(dtype)
        extents = "".join(f", {self.scope.text(extent)}" for extent in type_.shape)
        with self.lines.block("{"):
            self.lines(f"{element}* const {slot.name} = mpmd::sending<{element}>(core, {channel}{extents});")
            self.meetings.met()
            self.lines(f"if (!{slot.name}) return;")
            self._map(type_, lambda at: [(self.elements.place(slot, at), self.elements.at(stmt.value, at))])
            self.lines(f"mpmd::sent(core, {channel});")
            self.meetings.met()

    def _take(self, stmt: Receive) -> None:
        """The token goes from its slot into a buffer, so that the sender can go on."""
        self._line(stmt.span)
        out, type_ = stmt.out, stmt.type
        slot = Buffer(f"n{out}", type_.dtype, self.elements.c_order(type_))
        channel, element = self.scope.names[stmt.param], ctype(type_.dtype)
        extents = "".join(f", {self.scope.text(extent)}" for extent in type_.shape)
        check = self.first_check + len(self.checks)
        self.checks += [check_note(stmt, axis) for axis in range(type_.rank)]
        self._place_of(out)
        receiving = f"mpmd::receiving<{element}>(core, {channel}, {check}{extents})"
        with self.lines.block("{"):
            self.lines(f"const {element}* const {slot.name} = {receiving};")
            self.meetings.met()
            self.lines(f"if (!{slot.name}) return;")
            if type_.rank:
                self._copy(out, slot)
            else:
                self.lines(f"s{out} = *{slot.name};")
            self.lines(f"mpmd::received(core, {channel});")
            self.meetings.met()

    # -- checks ------------------------------------------------------------------------------------

    def _check(self, step: Check) -> None:
        number = self.first_check + len(self.checks)
        self.checks.append(check_note(step.stmt, step.axis))
        self._line(step.stmt.span)
        if isinstance(step.stmt, Gather):
            self._meet([self.elements.at(step.stmt.index, (symbol("$0"),))])
        self.lines(f"if (!{check_text(self.elements, step.stmt, step.axis, number)}) return;")

    # -- loops and branches ------------------------------------------------------------------------

    def _place_of(self, value: ValueId) -> None:
        """Declares what a carried value or a branch's result lives in."""
        type_ = self.fusion.values.type[value]
        if type_.rank:
            self._hold(value, self._declare(value, self.storage.slots[value]))
        else:
            self.lines(f"{ctype(type_.dtype)} s{value};")
            self._name_scalar(value, f"s{value}")

    def _move(self, target: ValueId, value: ValueId) -> None:
        self.elements.begin()
        if target in self.elements.scalars:
            self._statement(f"{self.elements.scalars[target]} = {self._scalar(value)};")
            return
        buffer = self.elements.buffers[target]
        type_ = self.fusion.values.type[target]
        self._map(type_, lambda at: [(self.elements.place(buffer, at), self.elements.at(value, at))])

    @contextmanager
    def _apart(self) -> Iterator[Lines]:
        """Lines that are collected for later, so that what goes before them can look at them."""
        outside, self.lines = self.lines, Lines()
        yield self.lines
        self.lines = outside

    def _iterate(self, step: Iterate) -> None:
        loop = step.loop
        self._line(loop.span)
        for carry, start in zip(loop.carried, step.starts, strict=True):
            self._place_of(carry.inside)
            self._move(start.target, start.value)
        before, self.meetings.since = self.meetings.since, UNKNOWN
        with self._apart() as body:
            self.write(step.body)
            self._line(loop.span)
            self._update(step.updates)
        self.meetings.since = before.either(self.meetings.since)
        self._loop_around(loop, body)
        for carry in loop.carried:
            if carry.inside in self.elements.scalars:
                self._name_scalar(carry.out, self.elements.scalars[carry.inside])
            else:
                self._hold(carry.out, self.elements.buffers[carry.inside])

    def _loop_around(self, loop: Loop, body: Lines) -> None:
        if loop.tile is None:
            name = self.scope.names[loop.name]
            bounds = f"{name} = {self.scope.text(loop.start)}; {name} < {self.scope.text(loop.stop)}"
            with self.lines.block(f"for (mpmd::Word {bounds}; {name} += {loop.step}) {{"):
                self.lines.extend(body)
            return
        start, size, index = (self.scope.names[f"{loop.name}.{part}"] for part in ("start", "size", "index"))
        stop = self.scope.text(loop.stop)
        head = f"for (mpmd::Word {start} = 0; {start} < {stop}; {start} += {loop.tile}) {{"
        with self.lines.block(head):
            if body.mentions(size):
                self.lines(f"const mpmd::Word {size} = mpmd::least({loop.tile}, {stop} - {start});")
            if body.mentions(index):
                self.lines(f"const mpmd::Word {index} = {start} / {loop.tile};")
            self.lines.extend(body)

    def _update(self, updates: tuple[Move, ...]) -> None:
        """New values into the carried places: the staged ones are computed first and copied last."""
        waiting = [(move.target, self._stage(move)) for move in updates if move.staged]
        for move in updates:
            if not move.staged:
                self._move(move.target, move.value)
        for target, held in waiting:
            self._copy(target, held)

    def _stage(self, move: Move) -> Buffer | None:
        """A new value beside the place that it will take; None for a scalar, whose name says it."""
        self.elements.begin()
        type_ = self.fusion.values.type[move.target]
        if type_.rank == 0:
            self._statement(f"const {ctype(type_.dtype)} n{move.target} = {self._scalar(move.value)};")
            return None
        buffer = self._declare(move.target, self.storage.staged[move.target], prefix="n")
        self._map(type_, lambda at: [(self.elements.place(buffer, at), self.elements.at(move.value, at))])
        return buffer

    def _copy(self, target: ValueId, held: Buffer | None) -> None:
        if held is None:
            self.lines(f"{self.elements.scalars[target]} = n{target};")
            return
        place, type_ = self.elements.buffers[target], self.fusion.values.type[target]

        def writes(at: Coords) -> Writes:
            read = Read(target, type_.dtype, self.elements.place(held, at))
            return [(self.elements.place(place, at), read)]

        self._map(type_, writes)

    def _choose(self, step: Choose) -> None:
        branch = step.branch
        self._line(branch.span)
        for result in branch.results:
            self._place_of(result.out)
        condition = self._scalar(branch.condition)
        before = self.meetings.since
        with self.lines.block(f"if ({condition}) {{"):
            self.write(step.then)
        then, self.meetings.since = self.meetings.since, before
        if step.otherwise:
            with self.lines.block("else {"):
                self.write(step.otherwise)
        self.meetings.since = then.either(self.meetings.since)
