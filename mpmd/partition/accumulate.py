"""Sums over the pieces of a loop: partial sums side by side, then added up in program order.

In:  a `Program` and a size for each of its tile loops. Out: a `Program` that means the same.
Not here: the tasks that are made for it (`sums.py`); choosing sizes (`tile.py`).

Calls that add to one region one after another make a chain, however many cores there are. Where it pays,
each piece of the loops that do not index the region gets a sum of its own, in a local tensor with one more
axis, and a task made for it adds them to the region afterwards, in program order: the bits depend neither
on cores nor on timing, and a task that adds to each element once even gives those of the program as
written. With `Accum(order="any")` there are at most as many sums as cores, each over neighbouring pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, prod

from mpmd.lang.index import INT_MAX, ONE, ZERO, Index, Interval, symbol
from mpmd.lang.program import (
    Call,
    Node,
    Placement,
    Program,
    Segments,
    Split,
    Tensor,
    TileLoop,
    View,
)
from mpmd.lang.substitute import substituted
from mpmd.lang.tile import Axis, TaskDef
from mpmd.lang.types import Direction, accumulator
from mpmd.machine import Machine
from mpmd.partition.chains import PARTS, Chain, Pieces, chains, indexes, loops_of, most_elements, never_empty
from mpmd.partition.cost import seconds, work_of
from mpmd.partition.sums import adding_up, storing, widened, zeroing
from mpmd.partition.sums_layout import narrowed, part_of_sums, sums_tensor

MEMORY_SHARE = 0.125
"""Largest share of the machine's memory for the partial sums of one call."""


def accumulate(program: Program, machine: Machine, sizes: Mapping[str, int]) -> Program:
    """The program with partial sums wherever they pay."""
    if machine.cores < 2 or not any(map(_accumulates, program.tasks)):
        return program
    names = {loop.name for loop in loops_of(program.body)}
    rewriting = _Rewriting(program, machine, sizes, list(program.tensors), names)
    body = rewriting.nodes(program.body, ())
    if len(rewriting.tensors) == len(program.tensors):
        return program
    return replace(program, tensors=tuple(rewriting.tensors), body=body)


@dataclass(frozen=True, slots=True)
class _Plan:
    """A chain cut into `count` sums in `sums`; that of a piece is number `place`.

    With `one_each` every piece has a sum of its own, and every sum a piece with elements.
    """

    chain: Chain
    sums: Tensor
    place: Index
    count: int
    one_each: bool


@dataclass(frozen=True, slots=True)
class _Rewriting:
    """`tensors` and the `names` of loops grow as partial sums are made."""

    program: Program
    machine: Machine
    sizes: Mapping[str, int]
    tensors: list[Tensor]
    names: set[str]
    tasks: dict[tuple[str, TaskDef, str], TaskDef] = field(default_factory=dict)

    def nodes(self, body: tuple[Node, ...], around: tuple[Node, ...]) -> tuple[Node, ...]:
        """`body`, which stands in the loops `around`, with its chains cut."""
        made: list[Node] = []
        for node in body:
            if isinstance(node, Call):
                made.append(node)
            elif isinstance(node, (TileLoop, Split)):
                made += self._pieces(node, around)
            else:
                made.append(replace(node, body=self.nodes(node.body, (*around, node))))
        return tuple(made)

    def _pieces(self, loop: Pieces, around: tuple[Node, ...]) -> list[Node]:
        before: list[Node] = []
        after: list[Node] = []
        calls_now: dict[int, Call] = {}  # by the identity of the call that is replaced
        for chain in chains(replace(self.program, tensors=tuple(self.tensors)), loop):
            plan = self._plan(chain, around)
            if plan is None:
                continue
            if not plan.one_each:
                before.append(self._zero(plan))
            call = calls_now.get(id(chain.call), chain.call)
            calls_now[id(chain.call)] = self._into_sums(plan, call)
            after.append(self._add_up(plan, around))
        body = _replaced(loop.body, calls_now)
        return [*before, replace(loop, body=self.nodes(body, (*around, loop))), *after]

    # -- whether and how -------------------------------------------------------------------

    def _plan(self, chain: Chain, around: Sequence[Node]) -> _Plan | None:
        """How a chain is cut, or None where it stays as it is."""
        trips = {loop.name: self._trips(loop) for loop in chain.path}
        pieces = prod(trips[loop.name] for loop in chain.free)
        share = ceil(pieces / self.machine.cores) if chain.param.unordered else 1
        count = ceil(pieces / share) if pieces else 0
        if count < 2:
            return None
        sums = self._sums(chain, count)
        outer = [loop for loop in around if isinstance(loop, (TileLoop, Split)) and indexes(loop, chain.view)]
        chains = prod(map(self._trips, (*outer, *chain.indexing)))
        if not self._pays(chain, around, sums, pieces, chains):
            return None
        self.tensors.append(sums)
        place = ZERO
        for loop in chain.free:
            place = place * trips[loop.name] + symbol(f"{loop.name}.index")
        return _Plan(chain, sums, place // share, count, share == 1 and all(map(never_empty, chain.free)))

    def _trips(self, loop: Pieces) -> int:
        """The most pieces that a loop has; 0 where that is not known."""
        if isinstance(loop, Split):
            return loop.parts
        most = most_elements(loop)
        return 0 if most is None else ceil(most / self.sizes[loop.name])

    def _sums(self, chain: Chain, count: int) -> Tensor:
        target = self.program.tensors[chain.view.tensor]
        name = _unused(f"{target.name}_sums", {tensor.name for tensor in self.tensors})
        dtype = accumulator(chain.param.dtype)
        return sums_tensor(len(self.tensors), name, dtype, chain.view, target, count, chain.call.span)

    def _pays(self, chain: Chain, around: Sequence[Node], sums: Tensor, pieces: int, chains: int) -> bool:
        """Whether the loops end sooner: chains side by side, against pieces side by side and adding up."""
        machine, bounds = self.machine, self._bounds((*around, *chain.path))
        values = {name: max(0, extent.interval(bounds).hi) for name, extent in chain.call.dims}
        if INT_MAX in values.values() or sums.size_bytes > MEMORY_SHARE * machine.memory_bytes:
            return False
        starting = machine.leading.task_seconds + machine.latency
        once = float(seconds(work_of(chain.call.task, values), machine)) + starting
        part = prod(max(0, extent.interval(bounds).hi) for extent in chain.view.shape)
        moved = 2 * part * sums.shape[0] * sums.dtype.itemsize  # written, and read again
        adding = moved / machine.leading.bandwidth + starting
        as_written = ceil(chains / machine.cores) * pieces * once
        apart = ceil(chains * pieces / machine.cores) * once + ceil(chains / machine.cores) * adding
        return apart < as_written

    def _bounds(self, around: Sequence[Node]) -> dict[str, Interval]:
        """What is known of the symbols of loops over pieces."""
        bounds = {s.name: Interval(0, s.most) for s in self.program.scalars if s.most is not None}
        for loop in around:
            if isinstance(loop, Segments):
                bounds[f"{loop.name}.size"] = Interval(0, loop.capacity)
            elif isinstance(loop, (TileLoop, Split)) and (most := most_elements(loop)) is not None:
                size = self.sizes[loop.name] if isinstance(loop, TileLoop) else ceil(most / loop.parts)
                bounds[f"{loop.name}.size"] = Interval(0, min(size, most))
        return bounds

    # -- what is made ----------------------------------------------------------------------

    def _into_sums(self, plan: _Plan, call: Call) -> Call:
        make = storing if plan.one_each else widened
        args = list(call.args)
        args[plan.chain.number] = part_of_sums(
            plan.chain.view, plan.sums.id, Axis(plan.place, ONE, keep=False)
        )
        return replace(call, task=self._task(make, call.task, plan.chain.param.name), args=tuple(args))

    def _task(self, make: Callable[[TaskDef, str], TaskDef], task: TaskDef, param: str) -> TaskDef:
        return self.tasks.setdefault((make.__name__, task, param), make(task, param))

    def _zero(self, plan: _Plan) -> Node:
        """Clears the sums: one call for each."""
        chain, sums = plan.chain, plan.sums
        name = self._name(f"{sums.name}_zero")
        task = zeroing(sums.dtype, len(chain.view.order), chain.call.span)
        view = part_of_sums(plan.chain.view, plan.sums.id, Axis(symbol(f"{name}.index"), ONE, keep=False))
        call = _call(task, (view,), chain.call)
        each = TileLoop(name, Index(plan.count), 1, (call,), chain.call.span)
        return self._again(chain.indexing, each)

    def _add_up(self, plan: _Plan, around: Sequence[Node]) -> Node:
        """Adds the sums of each region to it, in pieces of its longest axis where cores would be idle."""
        chain = plan.chain
        task = adding_up(chain.param.dtype, len(chain.view.order), chain.call.span)
        view, sums = chain.view, part_of_sums(plan.chain.view, plan.sums.id, Axis(ZERO, Index(plan.count)))
        loop = self._over_longest_axis(plan)
        if loop is None:
            return self._again(chain.indexing, _call(task, (view, sums), chain.call))
        axis, cut = loop
        piece = Axis(symbol(f"{cut.name}.start"), symbol(f"{cut.name}.size"))
        call = _call(task, (narrowed(view, axis, piece), narrowed(sums, axis + 1, piece)), chain.call)
        return self._again(chain.indexing, replace(cut, body=(call,)))

    def _over_longest_axis(self, plan: _Plan) -> tuple[int, TileLoop] | None:
        """A loop that cuts the region's longest constant axis for all cores, if that is worth their start."""
        region, machine = plan.chain.view.region, self.machine
        known = [
            (axis.extent.const, -number)
            for number, axis in enumerate(region)
            if axis.keep and axis.extent.is_const
        ]
        if not known:
            return None
        extent, negative = max(known)
        starting = machine.leading.task_seconds + machine.latency
        moved = plan.sums.size_bytes / machine.leading.bandwidth
        pieces = min(machine.cores, extent, int(moved / starting) if starting else extent)
        if pieces < 2:
            return None
        name = self._name(f"{plan.sums.name}_part")
        return -negative, TileLoop(name, Index(extent), ceil(extent / pieces), (), plan.chain.call.span)

    def _again(self, loops: Sequence[Pieces], body: Node) -> Node:
        """`body` in copies of `loops` that have names of their own."""
        symbols: dict[str, Index] = {}
        copies: list[Pieces] = []
        for loop in loops:
            name = self._name(f"{loop.name}_sums")
            made = replace(loop, name=name, extent=loop.extent.substitute(symbols), drain=False)
            copies.append(replace(made, size=self.sizes[loop.name]) if isinstance(made, TileLoop) else made)
            symbols |= {f"{loop.name}.{p}": symbol(f"{name}.{p}") for p in PARTS}
        (body,) = substituted((body,), symbols)
        for copy in reversed(copies):
            body = replace(copy, body=(body,))
        return body

    def _name(self, wanted: str) -> str:
        name = _unused(wanted, self.names)
        self.names.add(name)
        return name


def _accumulates(task: TaskDef) -> bool:
    return any(param.direction is Direction.ACCUM for param in task.params)


# -- nodes ----------------------------------------------------------------------------------------


def _replaced(body: tuple[Node, ...], calls_now: Mapping[int, Call]) -> tuple[Node, ...]:
    return tuple(
        calls_now.get(id(node), node)
        if isinstance(node, Call)
        else replace(node, body=_replaced(node.body, calls_now))
        for node in body
    )


def _call(task: TaskDef, views: Sequence[View], origin: Call) -> Call:
    """A call of a task whose dims are all extents of its parameters, for the kind of core of the original."""
    dims = {
        str(dim): extent
        for param, view in zip(task.params, views, strict=True)
        for dim, extent in zip(param.shape, view.shape, strict=True)
    }
    on = None if origin.placement is None else origin.placement.on
    placement = None if on is None else Placement(on=on)
    return Call(task, tuple(views), tuple((dim, dims[dim]) for dim in task.dims), origin.span, placement)


def _unused(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name
