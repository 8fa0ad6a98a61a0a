"""Programs made by hand or at random for the tests of the partition stage, and their brute-force meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

import networkx
import numpy as np
from hypothesis import strategies as st

from mpmd.errors import Span
from mpmd.lang.index import Index, as_index, symbol
from mpmd.lang.program import Call, Loop, Node, Program, Scalar, ScalarArg, Tensor, TileLoop, View
from mpmd.lang.tile import Axis, Param, TaskDef, kept_shape
from mpmd.lang.types import Direction, DType, f32, i32
from mpmd.machine import Primitive
from mpmd.partition.graph import TaskGraph, WordKind
from tests.machines import toy

SPAN = Span("kernel.py", 7)

MACHINE = toy(
    cores=2,
    flops=1e11,
    bandwidth=3e10,
    core_bandwidth=2.5e10,
    cache_bytes=1 << 20,
    cache_bandwidth=1e11,
    handover_bandwidth=8e9,
    memory_bytes=1 << 30,
    task_seconds=5e-8,
    vector_bytes=64,
    counter=Primitive("counter", limit=1 << 20, maximum=1 << 30, signal_seconds=2e-8, wait_seconds=8e-8),
)


def tensor(
    number: int,
    shape: tuple[int, ...],
    *,
    base: int | None = None,
    dtype: DType = f32,
    strides: tuple[int, ...] | None = None,
) -> Tensor:
    packed = tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))
    direction = Direction.INOUT if base is None else None
    return Tensor(number, f"t{number}", dtype, shape, strides or packed, direction, base, SPAN)


def task(name: str, directions: list[Direction], ranks: list[int], scalars: int = 0) -> TaskDef:
    """A task without a body; every axis of every parameter has a dim of its own."""
    params = [
        Param(f"p{i}", direction, f32, tuple(symbol(f"D{i}{axis}") for axis in range(rank)), SPAN)
        for i, (direction, rank) in enumerate(zip(directions, ranks, strict=True))
    ]
    params += [Param(f"s{i}", None, i32, (), SPAN) for i in range(scalars)]
    return TaskDef(name, tuple(params), (), SPAN)


def call(definition: TaskDef, *args: View | ScalarArg, line: int = 7) -> Call:
    dims: dict[str, Index] = {}
    for param, arg in zip(definition.params, args, strict=True):
        if isinstance(arg, View):
            dims.update((str(dim), extent) for dim, extent in zip(param.shape, arg.shape, strict=True))
    return Call(definition, args, tuple(dims.items()), Span("kernel.py", line))


def view(number: int, *axes: Axis, order: tuple[int, ...] | None = None) -> View:
    return View(number, axes, tuple(range(len(kept_shape(axes)))) if order is None else order)


def part(start: Index | int, extent: Index | int, step: int = 1) -> Axis:
    return Axis(as_index(start), as_index(extent), step)


def at(index: Index | int) -> Axis:
    return Axis(as_index(index), Index(1), 1, keep=False)


def tile(name: str) -> Axis:
    return part(symbol(f"{name}.start"), symbol(f"{name}.size"))


def tile_loop(name: str, extent: int, size: int | None, *body: Node) -> TileLoop:
    return TileLoop(name, Index(extent), size, body, SPAN)


def loop(name: str, count: int, *body: Node) -> Loop:
    return Loop(name, Index(count), body, SPAN)


def program(tensors: list[Tensor], *body: Node, scalars: tuple[str, ...] = ()) -> Program:
    names = tuple(t.name for t in tensors if t.is_argument) + scalars
    declared = tuple(Scalar(name, i32, SPAN) for name in scalars)
    return Program("kernel", tuple(tensors), declared, names, body, SPAN)


# -- meaning, one instance at a time ----------------------------------------------------------


@dataclass(frozen=True)
class Instance:
    """One instance: its call, the values of loop symbols and scalars."""

    call: Call
    values: Mapping[str, int]


def instances(
    body: tuple[Node, ...], sizes: Mapping[str, int], values: Mapping[str, int]
) -> Iterator[Instance]:
    """The instances in program order."""
    for node in body:
        if isinstance(node, Call):
            yield Instance(node, values)
        elif isinstance(node, TileLoop):
            extent, size = int(node.extent.evaluate(values)), sizes[node.name]
            for index, start in enumerate(range(0, extent, size)):
                inner = {
                    f"{node.name}.start": start,
                    f"{node.name}.size": min(size, extent - start),
                    f"{node.name}.index": index,
                }
                yield from instances(node.body, sizes, {**values, **inner})
        else:
            for i in range(int(node.count.evaluate(values))):
                yield from instances(node.body, sizes, {**values, node.name: i})


def elements(of: Program, arg: View, values: Mapping[str, int]) -> tuple[int, frozenset[int]]:
    """The root tensor and the element offsets that a view touches."""
    seen = of.tensors[arg.tensor]
    offsets = frozenset(
        sum(i * stride for i, stride in zip(place, seen.strides, strict=True))
        for place in product(*(indices(axis, values) for axis in arg.region))
    )
    return (seen.id if seen.base is None else seen.base), offsets


def indices(axis: Axis, values: Mapping[str, int]) -> range:
    start, extent = int(axis.start.evaluate(values)), int(axis.extent.evaluate(values))
    return range(start, start + extent * axis.step, axis.step)


def inside(of: Program, instance: Instance) -> bool:
    """Whether all regions of an instance lie within their tensors."""
    for arg in instance.call.args:
        if not isinstance(arg, View):
            continue
        for axis, size in zip(arg.region, of.tensors[arg.tensor].shape, strict=True):
            places = indices(axis, instance.values)
            if int(axis.extent.evaluate(instance.values)) < 0:
                return False
            if len(places) and (places[0] < 0 or places[-1] >= size):
                return False
    return True


def conflicting_pairs(of: Program, all_instances: list[Instance]) -> set[tuple[int, int]]:
    """Pairs (earlier, later) that touch one element, at least one of them writing."""
    touched = [
        [
            (*elements(of, arg, i.values), param.direction is not None and param.direction.writes)
            for param, arg in zip(i.call.task.params, i.call.args, strict=True)
            if isinstance(arg, View)
        ]
        for i in all_instances
    ]
    return {
        (a, b)
        for b in range(len(touched))
        for a in range(b)
        if any(
            root == other and (w or v) and not mine.isdisjoint(yours)
            for root, mine, w in touched[a]
            for other, yours, v in touched[b]
        )
    }


def reachable(graph: TaskGraph) -> set[tuple[int, int]]:
    """Pairs (a, b) such that the dependences order `a` before `b`."""
    closure = networkx.transitive_closure_dag(graph.to_networkx())
    return set(closure.edges)


def row(graph: TaskGraph, task_id: int) -> dict[tuple[WordKind, str, int], int]:
    shown = graph.task(task_id)
    return {
        (word.kind, word.name, word.axis): value
        for word, value in zip(shown.function.words, shown.words, strict=True)
    }


# -- random programs --------------------------------------------------------------------------

STORAGE = (((12,), (3, 4), (2, 6)), ((4, 6), (24,), (4, 2, 3), (6, 4)), ((8,), (2, 4)))
"""For each root tensor its shape, then shapes under which it is also seen."""


@st.composite
def programs(draw: st.DrawFn, *, scalars: tuple[str, ...] = (), reshapes: bool = True) -> Program:
    """Small programs: nested loops, several calls in a body, strided, tiled, indexed and runtime regions.

    All stands in a loop over one piece, so that no loop repeats and every iteration is expanded.
    """
    tensors: list[Tensor] = []
    for root in STORAGE:
        tensors.append(tensor(len(tensors), root[0]))
    for number, root in enumerate(STORAGE):
        if reshapes:
            tensors += [tensor(len(tensors) + i, shape, base=number) for i, shape in enumerate(root[1:])]
    counter = iter(range(1000))

    def axis_of(size: int, loops: tuple[TileLoop | Loop, ...]) -> Axis:
        forms = [part(0, size)]
        step = draw(st.integers(1, 3))
        start = draw(st.integers(0, size - 1))
        room = (size - 1 - start) // step + 1
        forms.append(part(start, draw(st.integers(0 if start else 1, room)), step))
        forms.append(at(start))
        for enclosing in loops:
            if isinstance(enclosing, Loop) and enclosing.count.const <= size:
                forms += [at(symbol(enclosing.name)), part(symbol(enclosing.name), 1)]
                if enclosing.count.const * 2 <= size:
                    forms.append(part(symbol(enclosing.name) * 2, 2))
                forms.append(part(0, symbol(enclosing.name) + 1))
            if isinstance(enclosing, TileLoop) and enclosing.extent.const <= size:
                forms += [tile(enclosing.name)] * 3
        for name in scalars:
            pos = symbol(name)
            forms += [at(pos), part(pos, 1), part(0, pos + 1), part(0, pos), part(pos, 2)]
            forms += [part(pos, size - pos), at(pos // 2), part(pos % 2, 1)]
        return draw(st.sampled_from(forms))

    def a_call(loops: tuple[TileLoop | Loop, ...]) -> Call:
        count = draw(st.integers(1, 3))
        views: list[View] = []
        for _ in range(count):
            seen = draw(st.sampled_from(tensors))
            axes = tuple(axis_of(size, loops) for size in seen.shape)
            kept = len(kept_shape(axes))
            views.append(view(seen.id, *axes, order=tuple(draw(st.permutations(range(kept))))))
        kinds = [Direction.IN, Direction.OUT, Direction.INOUT, Direction.ACCUM]
        directions = [draw(st.sampled_from(kinds)) for _ in views]
        definition = task(f"task{next(counter)}", directions, [len(v.order) for v in views])
        return call(definition, *views)

    def body(depth: int, loops: tuple[TileLoop | Loop, ...]) -> tuple[Node, ...]:
        nodes: list[Node] = []
        for _ in range(draw(st.integers(1, 3))):
            kind = draw(st.sampled_from(["call", "call", "tiles", "loop"])) if depth else "call"
            if kind == "call":
                nodes.append(a_call(loops))
            elif kind == "tiles":
                extent, size = draw(st.integers(1, 6)), draw(st.integers(1, 4))
                opened = tile_loop(f"f{next(counter)}", extent, size)
                nodes.append(
                    TileLoop(opened.name, opened.extent, size, body(depth - 1, (*loops, opened)), SPAN)
                )
            else:
                opened = loop(f"i{next(counter)}", draw(st.integers(0, 4)))
                nodes.append(Loop(opened.name, opened.count, body(depth - 1, (*loops, opened)), SPAN))
        return tuple(nodes)

    return program(tensors, tile_loop("once", 1, 1, *body(2, ())), scalars=scalars)


def words_of(graph: TaskGraph, instance: Instance, scalars: Mapping[str, int], task_id: int) -> np.ndarray:
    """The row of an instance after the launch has added the linear parts."""
    site = graph.sites[graph.site[task_id]]
    words = graph.words[graph.word_ptr[task_id] : graph.word_ptr[task_id + 1]].copy()
    known = launch_scalars(graph, scalars)
    for word, scalar, coefficient in site.symbolic:
        words[word] += coefficient * known[scalar]
    return words


COMPUTE: dict[str, Callable[[int, int], int]] = {
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "min": min,
    "max": max,
    "mul": lambda a, b: a * b,
}


def launch_scalars(graph: TaskGraph, scalars: Mapping[str, int]) -> list[int]:
    """All launch scalars, the derived ones computed."""
    known = [scalars[s.name] for s in graph.program.scalars]
    for derived in graph.derived:
        a, b = (side.const + sum(c * known[s] for s, c in side.terms) for side in (derived.lhs, derived.rhs))
        known.append(COMPUTE[derived.op](a, b))
    return known


def admitted(graph: TaskGraph, scalars: Mapping[str, int]) -> bool:
    """Whether the guards let a launch with these scalars pass."""
    known = launch_scalars(graph, scalars)
    return all(
        g.lo <= g.value.const + sum(c * known[s] for s, c in g.value.terms) <= g.hi for g in graph.guards
    )
