"""What is computed together: a task's body as a list of steps, each of which becomes one loop nest.

In:  a `TaskDef`. Out: a `Fusion`: steps in order, and which values are kept in a buffer of their own.
Not here: text, addresses, sizes (each target's emitter). Nothing in here knows a target.

A value that is not kept is computed where it is used: elementwise chains, casts, shape ops, loads and
constants dissolve into the step that needs them. A value is kept
  - where a product, a list of indices or a reshape must be able to address it,
  - where two steps, or an inner loop, or a broadcast would compute it again (loads, constants and shape
    ops cost nothing again, so these do not count),
  - where it is a load and a store to the same parameter would come between it and its use,
  - where it came through a channel: its slot is given back at once.
Different parameters of one call never overlap where one of them is written, so only stores to the same
parameter matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Union

from mpmd.codegen.values import Definition, Definitions, is_alias, is_unit_reshape, symbol_uses
from mpmd.lang.index import ONE
from mpmd.lang.ops import OPS, OpKind
from mpmd.lang.task.check import unproved_accesses
from mpmd.lang.tile import (
    Apply,
    Axis,
    Branch,
    Carry,
    Gather,
    Load,
    Loop,
    Receive,
    Region,
    Result,
    Send,
    Stmt,
    Store,
    TaskDef,
    ValueId,
)


@dataclass(frozen=True, slots=True)
class Compute:
    """`value` over its whole shape, into its own buffer."""

    value: ValueId


@dataclass(frozen=True, slots=True)
class Write:
    """The value of a store, over its whole shape, into the parameter."""

    store: Store


@dataclass(frozen=True, slots=True)
class Reduce:
    """A reduction of its operand, computed on the way; `also` is kept as it passes by."""

    stmt: Apply
    also: ValueId | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """A dot, into its own buffer, or straight into the parameter of `store`."""

    stmt: Apply
    store: Store | None = None


@dataclass(frozen=True, slots=True)
class Give:
    """The value of a send, over its whole shape, into the next slot of the channel."""

    stmt: Send


@dataclass(frozen=True, slots=True)
class Take:
    """The next token of a channel into a buffer of its own."""

    stmt: Receive


@dataclass(frozen=True, slots=True)
class Check:
    """A run-time check of one axis of an access, where the program makes the access."""

    stmt: Load | Gather | Store | Send | Apply
    axis: int


@dataclass(frozen=True, slots=True)
class Move:
    """`value` into the buffer `target` of a carried value or a branch's result.

    `staged`: all staged moves of one place are evaluated before any buffer of that place changes.
    """

    target: ValueId
    value: ValueId
    staged: bool = False


@dataclass(frozen=True, slots=True)
class Iterate:
    loop: Loop
    starts: tuple[Move, ...]
    body: tuple[Step, ...]
    updates: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Choose:
    branch: Branch
    then: tuple[Step, ...]
    otherwise: tuple[Step, ...]


Step = Union[Compute, Write, Reduce, Product, Give, Take, Check, Move, Iterate, Choose]


@dataclass(frozen=True, slots=True)
class Fusion:
    """The steps of one task. `dense` names the kept values whose rows must follow without gaps."""

    steps: tuple[Step, ...]
    values: Definitions
    kept: frozenset[ValueId]
    dense: frozenset[ValueId]


def fuse(task: TaskDef, *, fixed: Mapping[str, int]) -> Fusion:
    """The steps of a task's body. `fixed` are the dims whose extents are known."""
    values = Definitions.of(task)
    kept, dense = _Decision(task, values).decide()
    steps = _Listing(values, kept, _checks(task, fixed)).steps(task.body)
    return Fusion(steps, values, frozenset(kept), frozenset(dense))


# -- which values are kept ------------------------------------------------------------------------

Path = tuple[int, ...]
"""The blocks around a statement: loops by their positions, the arms of branches by negative numbers."""


@dataclass(frozen=True, slots=True)
class _Site:
    """A step in which a value is evaluated: its position, the block it is in, and on what terms.

    `wide`: evaluated more often than once per element. `moved`: at other coordinates than the step's.
    """

    position: int
    path: Path
    wide: bool = False
    moved: bool = False
    address: bool = False
    dense: bool = False
    scalar: bool = False


@dataclass
class _Decision:
    """Decides from the last value to the first: what is kept bounds where its operands are evaluated."""

    task: TaskDef
    values: Definitions
    sites: dict[ValueId, list[_Site]] = field(default_factory=dict)
    kept: set[ValueId] = field(default_factory=set)
    dense: set[ValueId] = field(default_factory=set)

    def decide(self) -> tuple[set[ValueId], set[ValueId]]:
        self._visit(self.task.body, ())
        return self.kept, self.dense

    def _visit(self, body: tuple[Stmt, ...], path: Path) -> None:
        for stmt in reversed(body):
            position = self.values.position(stmt)
            for value in symbol_uses(stmt):
                self._use(value, _Site(position, path, scalar=True))
            if isinstance(stmt, Loop):
                self._loop(stmt, position, path)
            elif isinstance(stmt, Branch):
                self._branch(stmt, position, path)
            elif isinstance(stmt, (Store, Send)):
                self._use(stmt.value, _Site(position, path))
            elif isinstance(stmt, Receive):
                self._keep(stmt.out)
            elif isinstance(stmt, Load):
                self._load(stmt, stmt.out, position, path)
            elif isinstance(stmt, Gather):
                self._load(stmt, stmt.out, position, path)
                for site in self.sites.get(stmt.out, []):
                    self._use(stmt.index, _Site(site.position, site.path, address=True))
                self._use(stmt.index, _Site(position, path, address=True))
            else:
                self._apply(stmt, position, path)

    def _use(self, value: ValueId, site: _Site) -> None:
        self.sites.setdefault(value, []).append(site)

    def _loop(self, loop: Loop, position: int, path: Path) -> None:
        inner = (*path, position)
        end = self.values.end(loop)
        for carry in loop.carried:
            self._use(carry.init, _Site(position, path))
            self._use(carry.next, _Site(end, inner))
            self.kept |= {carry.inside, carry.out}
            self._settle(carry.out)
        self._visit(loop.body, inner)
        for carry in loop.carried:
            self._settle(carry.inside)

    def _branch(self, branch: Branch, position: int, path: Path) -> None:
        for arm, body, end in (
            (-2 * position, branch.then, self.values.middle(branch)),
            (-2 * position - 1, branch.otherwise, self.values.end(branch)),
        ):
            inner = (*path, arm)
            for result in branch.results:
                chosen = result.then if body is branch.then else result.otherwise
                self._use(chosen, _Site(end, inner))
            self._visit(body, inner)
        for result in branch.results:
            self.kept.add(result.out)
            self._settle(result.out)
        self._use(branch.condition, _Site(position, path, scalar=True))

    def _apply(self, stmt: Apply, position: int, path: Path) -> None:
        kind = OPS[stmt.op].kind
        sites = self.sites.get(stmt.out, [])
        if kind in (OpKind.REDUCTION, OpKind.DOT):
            self._keep(stmt.out)
            flag = kind == OpKind.DOT
            for arg in stmt.args:
                self._use(arg, _Site(position, path, address=flag, moved=True))
            return
        if self._must_keep(stmt, path, sites):
            self._keep(stmt.out)
            sites = [_Site(position, path)]
        for arg in stmt.args:
            for site in sites:
                self._use(arg, self._seen_through(stmt, arg, site))

    def _must_keep(self, stmt: Apply, path: Path, sites: list[_Site]) -> bool:
        if any(site.scalar for site in sites):
            return True
        if is_alias(stmt):
            if any(site.address for site in sites) and self.values.type[stmt.args[0]].rank == 0:
                return True  # a number has no address
            return any(site.dense for site in sites) and stmt.op not in ("reshape", "expand")
        addressed = any(site.address or site.dense for site in sites)
        if addressed and not self._widens(stmt, sites):
            return True
        if self.values.is_trivial(stmt.out):
            return False
        again = len({site.position for site in sites}) > 1 or any(site.path != path for site in sites)
        return again or any(site.wide for site in sites)

    def _widens(self, stmt: Apply, sites: list[_Site]) -> bool:
        """Whether a product can read the operand of this cast instead: it widens as it packs."""
        if stmt.op != "cast" or any(site.dense or not site.address for site in sites):
            return False
        return widens(self.values, stmt)

    def _seen_through(self, stmt: Apply, arg: ValueId, site: _Site) -> _Site:
        """The site at which `arg` is evaluated, when `stmt` is evaluated at `site`."""
        type_ = self.values.type[arg]
        shift = len(stmt.type.shape) - type_.rank
        wide = stmt.op != "reshape" and (
            (shift > 0 and stmt.op != "expand")
            or any(
                a == ONE and b != ONE
                for a, b in zip(type_.shape, stmt.type.shape[max(0, shift) :], strict=False)
                if stmt.op in ("broadcast",) or OPS[stmt.op].kind == OpKind.ELEMENTWISE
            )
        )
        shapes = OPS[stmt.op].kind == OpKind.SHAPE
        flat = stmt.op == "reshape" and not is_unit_reshape(type_.shape, stmt.type.shape)
        through = shapes or (stmt.op == "cast" and site.address)
        return _Site(
            site.position,
            site.path,
            wide=site.wide or wide,
            moved=site.moved or shapes or wide,
            address=site.address and through,
            dense=flat or (site.dense and stmt.op in ("reshape", "expand")),
        )

    def _load(self, stmt: Load | Gather, out: ValueId, position: int, path: Path) -> None:
        sites = self.sites.get(out, [])
        must = any(site.scalar or site.dense for site in sites)
        must |= isinstance(stmt, Gather) and any(site.address for site in sites)
        if must or any(self._overtaken(stmt, position, site) for site in sites):
            self._keep(out)

    def _overtaken(self, stmt: Load | Gather, position: int, site: _Site) -> bool:
        """Whether a store could change what is loaded before (or while) the step at `site` reads it."""
        loops = [p for p in site.path if p > position]
        first_loop = min(loops, default=None)
        for store in self.values.stores.get(stmt.param, ()):
            at = self.values.position(store)
            if position < at < site.position:
                return True
            if first_loop is not None and first_loop < at <= self.values.end_of(first_loop):
                return True
            if at == site.position and not _harmless(stmt, store, site.moved):
                return True
        return False

    def _keep(self, value: ValueId) -> None:
        self.kept.add(value)
        self._settle(value)

    def _settle(self, value: ValueId) -> None:
        if any(site.dense for site in self.sites.get(value, [])):
            self.dense.add(value)


def widens(values: Definitions, stmt: Apply) -> bool:
    """Whether a cast keeps every value: between floats, or from bytes to i32."""
    source, target = values.type[stmt.args[0]].dtype, stmt.type.dtype
    if source.is_float and target.is_float:
        return source.itemsize < target.itemsize
    return source.name in ("i8", "u8") and target.name == "i32"


def _harmless(load: Load | Gather, store: Store, moved: bool) -> bool:
    """Whether a step that stores to a region may read `load` from the same parameter as it goes."""
    if isinstance(load, Gather):
        return False
    return _disjoint(load.region, store.region) or (load.region == store.region and not moved)


def _disjoint(a: Region, b: Region) -> bool:
    return any(_apart(x, y) or _apart(y, x) for x, y in zip(a, b, strict=True))


def _apart(a: Axis, b: Axis) -> bool:
    """Whether `a` ends before `b` starts, whatever the symbols stand for."""
    gap = b.start - (a.start + (a.extent - 1) * a.step + 1)
    return gap.is_const and gap.const >= 0


# -- the steps --------------------------------------------------------------------------------------


def _checks(task: TaskDef, fixed: Mapping[str, int]) -> dict[int, list[Check]]:
    """The run-time checks by the identity of their statement."""
    found: dict[int, list[Check]] = {}
    for stmt, axis in unproved_accesses(task, fixed=fixed):
        assert isinstance(stmt, (Load, Gather, Store, Send, Apply)), stmt
        found.setdefault(id(stmt), []).append(Check(stmt, axis))
    return found


@dataclass(frozen=True, slots=True)
class _Listing:
    """Lists the steps of a body, given what is kept and what is checked."""

    values: Definitions
    kept: set[ValueId]
    checks: dict[int, list[Check]]

    def steps(self, body: tuple[Stmt, ...]) -> tuple[Step, ...]:
        steps: list[Step] = []
        for stmt in body:
            steps += self.checks.get(id(stmt), [])
            steps += self._steps_of(stmt)
        return _join(steps, self.values)

    def _steps_of(self, stmt: Stmt) -> list[Step]:
        if isinstance(stmt, Loop):
            starts = tuple(Move(c.inside, c.init) for c in stmt.carried)
            return [
                Iterate(stmt, starts, self.steps(stmt.body), _updates(stmt.carried, self.values, self.kept))
            ]
        if isinstance(stmt, Branch):
            then = self.steps(stmt.then) + _results(stmt.results, then=True)
            otherwise = self.steps(stmt.otherwise) + _results(stmt.results, then=False)
            return [Choose(stmt, then, otherwise)]
        if isinstance(stmt, Store):
            return [Write(stmt)]
        if isinstance(stmt, Send):
            return [Give(stmt)]
        if isinstance(stmt, Receive):
            return [Take(stmt)]
        if isinstance(stmt, Apply) and OPS[stmt.op].kind == OpKind.REDUCTION:
            return [Reduce(stmt)]
        if isinstance(stmt, Apply) and OPS[stmt.op].kind == OpKind.DOT:
            return [Product(stmt)]
        return [Compute(stmt.out)] if stmt.out in self.kept else []


def _results(results: tuple[Result, ...], *, then: bool) -> tuple[Move, ...]:
    return tuple(Move(r.out, r.then if then else r.otherwise) for r in results)


def _updates(carried: tuple[Carry, ...], values: Definitions, kept: set[ValueId]) -> tuple[Move, ...]:
    """What one iteration leaves for the next. A value that reads another carried one, or its own out of
    step, is staged: it is computed before any of them changes."""
    buffers = {c.inside for c in carried}
    moves = []
    for carry in carried:
        if carry.next == carry.inside:
            continue
        own = frozenset({carry.inside})
        reads = values.reads_in_place(carry.next, kept)
        foreign = {value for value, _ in reads if value in buffers} - own
        shifted = {value for value, moved in reads if moved} & own
        moves.append(Move(carry.inside, carry.next, staged=bool(foreign or shifted)))
    return tuple(moves)


def _join(steps: list[Step], values: Definitions) -> tuple[Step, ...]:
    """Neighbours that read the same elements become one step."""
    joined: list[Step] = []
    for step in steps:
        last = joined[-1] if joined else None
        if isinstance(step, Reduce) and isinstance(last, Compute) and _passes(step.stmt, last.value, values):
            joined[-1] = Reduce(step.stmt, also=last.value)
        elif isinstance(step, Write) and isinstance(last, Product) and _direct(last, step.store, values):
            joined[-1] = Product(last.stmt, step.store)
        else:
            joined.append(step)
    return tuple(joined)


def _passes(reduction: Apply, value: ValueId, values: Definitions) -> bool:
    """Whether a reduction takes every element of `value` exactly once, as it stands."""
    (operand,) = reduction.args
    definition = values.definition[operand]
    if isinstance(definition, Apply) and definition.op == "cast" and operand != value:
        operand = definition.args[0]
    return operand == value and values.type[value].rank > 0


def _direct(product: Product, store: Store, values: Definitions) -> bool:
    """Whether a product may write its parameter: nobody else needs it, and it does not read there."""
    out = product.stmt.out
    dtype = values.task.param(store.param).dtype
    if store.value != out or values.uses[out] != 1 or dtype != product.stmt.type.dtype:
        return False
    return all(store.param not in values.params_under(arg) for arg in product.stmt.args)


__all__ = [
    "Check", "Choose", "Compute", "Definition", "Fusion", "Give", "Iterate", "Move", "Product", "Reduce",
    "Step", "Take", "Write", "fuse", "widens",
]  # fmt: skip
