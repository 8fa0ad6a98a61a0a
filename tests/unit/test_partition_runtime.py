"""Extents that a launch or data decides, against brute force: which tasks run, their rows, their order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import networkx
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpmd.errors import BoundsError, CapacityError, Diagnostic, LanguageError
from mpmd.lang.index import Index, as_index, symbol
from mpmd.lang.program import (
    Call,
    Channel,
    ChannelArg,
    Loop,
    Node,
    Program,
    Segments,
    Split,
    TileLoop,
    View,
)
from mpmd.lang.tile import Axis, Param, TaskDef, kept_shape
from mpmd.lang.types import Direction, f32, i32
from mpmd.partition import TaskGraph, partition
from mpmd.partition.graph import Element, LateGuard, Phase, Skip, Word, WordKind
from tests.unit.partition_launch import Ended, Run, launch
from tests.unit.partition_programs import (
    MACHINE,
    SPAN,
    Instance,
    admitted,
    at,
    call,
    conflicting_pairs,
    elements,
    inside,
    part,
    program,
    reachable,
    task,
    tensor,
    tile,
    view,
)

IN, OUT, INOUT = Direction.IN, Direction.OUT, Direction.INOUT
N, POS = symbol("n"), symbol("pos")
quick = settings(deadline=None, suppress_health_check=list(HealthCheck))


def tiles(name: str, extent: Index | int, size: int, most: int, *body: Node) -> TileLoop:
    return TileLoop(name, as_index(extent), size, body, SPAN, most)


def split(name: str, extent: Index | int, parts: int, most: int, *body: Node) -> Split:
    return Split(name, as_index(extent), parts, body, SPAN, most)


def segments(name: str, offsets: View, count: int, capacity: int, *body: Node) -> Segments:
    return Segments(name, offsets, count, capacity, body, SPAN)


def repeat(name: str, count: Index | int, *body: Node) -> Loop:
    return Loop(name, as_index(count), body, SPAN)


# -- meaning, one instance at a time ------------------------------------------------------------


class Broken(Exception):
    """A bound that this launch breaks."""


Data = Mapping[int, npt.NDArray[np.int32]]


def meaning(of: Program, body: tuple[Node, ...], values: Mapping[str, int], data: Data) -> Iterator[Instance]:
    """The instances that run, in program order; `Broken` where a bound breaks."""
    for node in body:
        if isinstance(node, Call):
            instance = Instance(node, values)
            if not inside(of, instance):
                raise Broken(str(node.span))
            yield instance
            continue
        for symbols in pieces(node, values, data):
            yield from meaning(of, node.body, {**values, **symbols}, data)


def pieces(node: Node, values: Mapping[str, int], data: Data) -> Iterator[dict[str, int]]:
    if isinstance(node, Loop):
        yield from ({node.name: i} for i in range(int(node.count.evaluate(values))))
        return
    assert not isinstance(node, Call)
    if isinstance(node, Segments):
        offsets = data[node.offsets.tensor][tuple(index(axis, values) for axis in node.offsets.region)]
        found = []
        for k in range(node.count):
            found.append((int(offsets[k]), int(offsets[k + 1] - offsets[k]), node.capacity))
    else:
        extent = int(node.extent.evaluate(values))
        if extent < 0 or extent > (extent if node.most is None else node.most):
            raise Broken(node.name)
        if isinstance(node, Split):
            cuts = [extent * k // node.parts for k in range(node.parts + 1)]
        else:
            assert node.size is not None
            cuts = [*range(0, extent, node.size), extent]
        found = [(a, b - a, extent) for a, b in pairwise(cuts)]
    for k, (start, size, capacity) in enumerate(found):
        if start < 0 or not 0 <= size <= capacity:
            raise Broken(node.name)
        if size:
            yield {f"{node.name}.start": start, f"{node.name}.size": size, f"{node.name}.index": k}


def index(axis: Axis, values: Mapping[str, int]) -> int | slice:
    start = int(axis.start.evaluate(values))
    return slice(start, start + int(axis.extent.evaluate(values))) if axis.keep else start


# -- programs at random ---------------------------------------------------------------------------

DATA = 3
"""The tensor that holds offsets: two rows of five."""


@dataclass(frozen=True)
class _Names:
    counter: Iterator[int]

    def fresh(self, letter: str) -> str:
        return f"{letter}{next(self.counter)}"


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Calls on three small tensors, in loops over pieces of all kinds, nested two deep, maybe repeated."""
    tensors = [tensor(0, (12,)), tensor(1, (6, 4)), tensor(2, (24,), base=1), tensor(3, (2, 5), dtype=i32)]
    names = _Names(iter(range(1000)))

    def axis_of(size: int, around: tuple[Node, ...]) -> Axis:
        forms = [part(0, size), at(draw(st.integers(0, size - 1))), at(POS)]
        for node in around:
            assert not isinstance(node, Call)
            if isinstance(node, Loop):
                it = symbol(node.name)
                forms += [at(it), at(POS + it), at(it % 2), part(0, it + 1)]
                continue
            start, extent = symbol(f"{node.name}.start"), symbol(f"{node.name}.size")
            forms += [tile(node.name)] * 6 + [part(start + POS, extent), at(symbol(f"{node.name}.index"))]
            inner = [n for n in around if isinstance(n, TileLoop) and n.extent == extent]
            for nested in inner:
                forms += [part(start + symbol(f"{nested.name}.start"), symbol(f"{nested.name}.size"))] * 4
        return draw(st.sampled_from(forms))

    def a_call(around: tuple[Node, ...]) -> Call:
        views: list[View] = []
        for _ in range(draw(st.integers(1, 2))):
            seen = draw(st.sampled_from([*tensors[:3], tensors[0]]))
            axes = tuple(axis_of(size, around) for size in seen.shape)
            views.append(view(seen.id, *axes))
        directions = [draw(st.sampled_from([IN, OUT, INOUT])) for _ in views]
        definition = task(names.fresh("task"), directions, [len(kept_shape(v.region)) for v in views])
        return call(definition, *views)

    def extent_of(around: tuple[Node, ...]) -> Index:
        forms = [N, N, N + 1, as_index(draw(st.integers(1, 8))), N - POS]
        for node in around:
            if isinstance(node, Loop):
                forms.append(symbol(node.name) + 1)
            elif not isinstance(node, Call):
                forms += [symbol(f"{node.name}.size")] * 3
        return draw(st.sampled_from(forms))

    def a_loop(around: tuple[Node, ...]) -> Node:
        kind = draw(st.sampled_from(["tiles", "split", "segments"]))
        most = draw(st.sampled_from([12, 12, 12, 5, 2]))
        if kind == "tiles":
            node: Node = tiles(names.fresh("t"), extent_of(around), draw(st.integers(1, 5)), most)
        elif kind == "split":
            node = split(names.fresh("p"), extent_of(around), draw(st.integers(1, 4)), most)
        else:
            rows = [at(draw(st.integers(0, 1)))]
            rows += [at(symbol(n.name) % 2) for n in around if isinstance(n, Loop)]
            first = draw(st.integers(0, 2))
            count = draw(st.integers(1, 4 - first))
            offsets = view(DATA, draw(st.sampled_from(rows)), part(first, count + 1))
            node = segments(names.fresh("s"), offsets, count, most)
        assert not isinstance(node, Call)
        return replace(node, body=body((*around, node), False))

    def body(around: tuple[Node, ...], top: bool) -> tuple[Node, ...]:
        nodes: list[Node] = []
        for _ in range(draw(st.integers(1, 3 if top else 2))):
            deep = len(around) >= 2
            kind = draw(st.sampled_from(["call", "loop", "loop", "repeat"]))
            if kind == "call" or deep:
                nodes.append(a_call(around))
            elif kind == "repeat" and top:
                count = draw(st.sampled_from([as_index(3), as_index(1), POS]))
                opened = repeat(names.fresh("i"), count)
                nodes.append(replace(opened, body=body((*around, opened), False)))
            else:
                nodes.append(a_loop(around))
        return tuple(nodes)

    return program(tensors, *body((), True), scalars=("pos", "n"))


offsets = st.one_of(
    st.lists(st.integers(0, 12), min_size=10, max_size=10).map(
        lambda v: np.array([sorted(v[:5]), sorted(v[5:])], np.int32)
    ),
    st.lists(st.integers(0, 12), min_size=10, max_size=10).map(
        lambda v: np.array([sorted(v[:5]), sorted(v[5:])], np.int32) // 2
    ),
    st.lists(st.integers(-1, 13), min_size=10, max_size=10).map(
        lambda v: np.array(v, np.int32).reshape(2, 5)
    ),
)


def built(of: Program) -> TaskGraph | None:
    """The graph, None where the program breaks a bound in every launch."""
    try:
        return partition(of, MACHINE)
    except BoundsError:
        return None


@quick
@given(
    programs(),
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([*range(7), 12, -1, 13]), offsets),
        min_size=1,
        max_size=4,
    ),
)
def test_a_launch_runs_what_the_program_means(
    of: Program, launches: list[tuple[int, int, npt.NDArray[np.int32]]]
) -> None:
    graph = built(of)
    for pos, n, table in launches:
        values = {"pos": pos, "n": n}
        expected, sound = collected(of, values, table)
        if graph is None or not admitted(graph, values):
            assert not sound
            continue
        ran: list[Run] = []
        try:
            ran += launch(graph, values, {DATA: table.view(np.uint8).reshape(-1)})
            ended = False
        except Ended:
            ended = True
        assert ended != sound
        if sound:
            assert len(ran) == len(expected)
            for run, instance in zip(ran, expected, strict=True):
                check_row(of, graph, run, instance)
            check_order(of, graph, ran, expected)


def collected(
    of: Program, values: Mapping[str, int], table: npt.NDArray[np.int32]
) -> tuple[list[Instance], bool]:
    found: list[Instance] = []
    try:
        for instance in meaning(of, of.body, values, {DATA: table}):
            found.append(instance)
    except Broken:
        return found, False
    return found, True


def check_row(of: Program, graph: TaskGraph, run: Run, instance: Instance) -> None:
    shown = graph.task(run.task)
    assert shown.site.call is instance.call
    begin = int(graph.access_ptr[run.task])
    for number, (layout, arg) in enumerate(zip(shown.function.layouts, instance.call.args, strict=True)):
        assert isinstance(arg, View)
        root, touched = elements(of, arg, instance.values)
        extents = [
            run.words[WordKind.EXTENT, layout.name, axis] if e is None else e
            for axis, e in enumerate(layout.extents)
        ]
        assert extents == [int(e.evaluate(instance.values)) for e in arg.shape]
        assert all(e <= bound for e, bound in zip(extents, layout.bounds, strict=True))
        assert run.words[WordKind.BASE, layout.name, -1] == root == graph.access_tensor[begin + number]
        if touched:
            assert run.words[WordKind.OFFSET, layout.name, -1] == 4 * min(touched)
            lo, hi = int(graph.access_lo[begin + number]), int(graph.access_hi[begin + number])
            assert lo <= 4 * min(touched) and 4 * max(touched) + 4 <= hi
    read = [op for op in shown.site.late if isinstance(op, Element)]
    assert begin + len(instance.call.args) + len(read) == int(graph.access_ptr[run.task + 1])


def check_order(of: Program, graph: TaskGraph, ran: list[Run], expected: list[Instance]) -> None:
    """Conflicting tasks of one phase are ordered by its dependences."""
    phase_of = {t: k for k, phase in enumerate(graph.phases) for t in range(phase.first, phase.end)}
    ordered: dict[int, set[tuple[Step, Step]]] = {}
    for a, b in conflicting_pairs(of, expected):
        first, second = (ran[a].task, ran[a].iteration), (ran[b].task, ran[b].iteration)
        number = phase_of[first[0]]
        if number != phase_of[second[0]]:
            continue
        phase = graph.phases[number]
        if number not in ordered:
            last = max(run.iteration for run in ran if phase_of[run.task] == number)
            ordered[number] = unrolled_order(graph, phase, last + 1)
        assert (first, second) in ordered[number]


Step = tuple[int, int]
"""A task and its iteration."""


def unrolled_order(graph: TaskGraph, phase: Phase, count: int) -> set[tuple[Step, Step]]:
    """What comes before what in so many iterations; a task follows itself in the iteration before."""
    order: networkx.DiGraph[Step] = networkx.DiGraph()
    for iteration in range(count):
        order.add_edges_from(((t, iteration), (t, iteration + 1)) for t in range(phase.first, phase.end))
        for dep in range(len(graph.deps)):
            later = iteration + int(graph.deps.distance[dep])
            order.add_edges_from(
                ((p, iteration), (c, later))
                for p in graph.deps.producers_of(dep).tolist()
                for c in graph.deps.consumers_of(dep).tolist()
            )
    return set(networkx.transitive_closure_dag(order).edges)


# -- which pieces are ordered ---------------------------------------------------------------------

X = tensor(0, (64,))
Y = tensor(1, (64,))
OFFSETS = tensor(2, (5,), dtype=i32)


def writes(number: int, axis: Axis, line: int = 7) -> Call:
    return call(task("write", [OUT], [1]), view(number, axis), line=line)


def reads(number: int, axis: Axis, line: int = 7) -> Call:
    return call(task("read", [IN], [1]), view(number, axis), line=line)


def all_edges(graph: TaskGraph) -> set[tuple[int, int]]:
    return set(graph.to_networkx().edges)


def over_offsets(name: str, *body: Node, capacity: int = 20) -> Segments:
    return segments(name, view(2, part(0, 5)), 4, capacity, *body)


PIECES = {
    "tiles": lambda name, *body: tiles(name, N, 16, 64, *body),
    "split": lambda name, *body: split(name, N, 4, 64, *body),
    "segments": lambda name, *body: over_offsets(name, *body),
}


@pytest.mark.parametrize("kind", PIECES)
def test_a_piece_depends_on_the_same_piece_only(kind: str) -> None:
    first, second = PIECES[kind]("f", writes(0, tile("f"))), PIECES[kind]("g", reads(0, tile("g")))
    graph = partition(program([X, Y, OFFSETS], first, second, scalars=("n",)), MACHINE)
    assert all_edges(graph) == {(k, 4 + k) for k in range(4)}


@pytest.mark.parametrize("kind", PIECES)
def test_pieces_shifted_by_a_scalar_are_apart(kind: str) -> None:
    shifted = part(symbol("f.start") + POS, symbol("f.size"))
    made = program([X, Y, OFFSETS], PIECES[kind]("f", writes(0, shifted)), scalars=("n", "pos"))
    assert not all_edges(partition(made, MACHINE))


@pytest.mark.parametrize("kind", ["split", "segments"])
def test_tiles_of_pieces_depend_on_the_same_piece_only(kind: str) -> None:
    def tiled(outer: str, inner: str, node: Call) -> Node:
        return PIECES[kind](outer, tiles(inner, symbol(f"{outer}.size"), 8, 16, node))

    def rows(outer: str, inner: str) -> Axis:
        return part(symbol(f"{outer}.start") + symbol(f"{inner}.start"), symbol(f"{inner}.size"))

    first = tiled("f", "s", writes(0, rows("f", "s")))
    second = PIECES[kind]("g", reads(0, tile("g")))
    graph = partition(program([X, Y, OFFSETS], first, second, scalars=("n",)), MACHINE)
    assert all_edges(graph) == {(2 * k + j, 8 + k) for k in range(4) for j in range(2)}


def test_segments_conflict_where_their_offsets_are_written_in_between() -> None:
    between = call(task("count", [INOUT], [1]), view(2, part(0, 5)))
    first, second = over_offsets("f", writes(0, tile("f"))), over_offsets("g", reads(0, tile("g")))
    graph = partition(program([X, Y, OFFSETS], first, between, second), MACHINE)
    order = reachable(graph)
    assert {(k, 4) for k in range(4)} <= order  # they have read the offsets
    assert {(a, 5 + b) for a in range(4) for b in range(4)} <= order


def test_segments_of_other_iterations_conflict_where_a_loop_writes_the_offsets() -> None:
    count = call(task("count", [INOUT], [1]), view(2, part(0, 5)))
    graph = partition(
        program([X, Y, OFFSETS], repeat("i", 3, over_offsets("f", writes(0, tile("f"))), count)), MACHINE
    )
    order = unrolled_order(graph, graph.phases[0], 2)
    assert {((a, 0), (b, 1)) for a in range(4) for b in range(4)} <= order
    still = partition(
        program([X, Y, OFFSETS], repeat("i", 3, over_offsets("f", writes(0, tile("f"))))), MACHINE
    )
    between = unrolled_order(still, still.phases[0], 2)
    assert {(a, b) for (a, i), (b, j) in between if i != j} == {(k, k) for k in range(4)}


# -- rows and late ops ----------------------------------------------------------------------------


def test_copies_of_a_call_share_one_function_of_the_full_tile() -> None:
    graph = partition(program([X], tiles("f", N, 24, 60, writes(0, tile("f"))), scalars=("n",)), MACHINE)
    (function,) = graph.functions
    assert len(graph) == 3 and function.layouts[0].bounds == (24,) and function.layouts[0].extents == (None,)
    (guard,) = graph.guards
    assert guard.text == "the extent n of loop 'f' stays within 0 to 60" and (guard.lo, guard.hi) == (0, 60)
    assert [[type(op) for op in site.late] for site in graph.sites] == [[Skip]] * 3


def test_the_capacity_of_segments_bounds_their_tiles() -> None:
    graph = partition(program([X, Y, OFFSETS], over_offsets("f", writes(0, tile("f")), capacity=20)), MACHINE)
    assert [f.layouts[0].bounds for f in graph.functions] == [(20,)]


def test_segments_are_verified_before_their_tasks_run() -> None:
    graph = partition(program([X, Y, OFFSETS], over_offsets("f", writes(0, tile("f")))), MACHINE)
    late = graph.sites[1].late
    assert [type(op) for op in late] == [Element, Element, LateGuard, LateGuard, Skip, LateGuard]
    assert [(op.text, op.lo, op.hi) for op in late if isinstance(op, LateGuard)] == [
        ("the start of segment 1 of loop 'f' is at least 0", 0, 2**62),
        ("the size of segment 1 of loop 'f' stays within 0 to 20", -20, 0),  # start − stop
        ("region f.start:f.size + f.start of axis 0 of 't0' stays within 64", -(2**62), 64),
    ]
    assert [graph.access_lo[i] for i in range(*graph.access_ptr[1:3])][1:] == [4, 8]


def test_a_region_of_a_piece_is_verified_only_if_the_piece_runs() -> None:
    by_number = tiles("f", N, 16, 64, writes(0, part(symbol("f.index"), 1)))  # three rows, four pieces
    graph = partition(program([tensor(0, (3,))], by_number, scalars=("n",)), MACHINE)
    assert len(list(launch(graph, {"n": 48}, {}))) == 3
    with pytest.raises(Ended, match=r"region f.index:f.index \+ 1 of axis 0 of 't0' stays within 3"):
        list(launch(graph, {"n": 49}, {}))


def test_a_row_within_a_loop_of_known_count_is_guarded_at_its_ends() -> None:
    it = symbol("i")
    graph = partition(program([X], repeat("i", 8, writes(0, part(POS + it, 1))), scalars=("pos",)), MACHINE)
    assert [(g.lo, g.hi) for g in graph.guards] == [(0, 56)]
    assert not any(isinstance(op, LateGuard) for op in graph.sites[0].late)


def test_a_row_within_a_loop_of_unknown_count_is_verified_when_it_is_reached() -> None:
    it = symbol("i")
    graph = partition(
        program([X], repeat("i", N, writes(0, part(POS + it, 1))), scalars=("n", "pos")), MACHINE
    )
    assert not graph.guards
    assert not list(launch(graph, {"n": 0, "pos": 99}, {}))
    assert len(list(launch(graph, {"n": 4, "pos": 60}, {}))) == 4
    with pytest.raises(Ended, match=r"region i \+ pos:i \+ pos \+ 1 of axis 0 of 't0' stays within 64"):
        list(launch(graph, {"n": 5, "pos": 60}, {}))


def test_a_late_divisor_is_verified_before_it_divides() -> None:
    index = Index(8) // (symbol("i") - 1)
    graph = partition(program([X], repeat("i", 3, writes(0, part(index, 1)))), MACHINE)
    with pytest.raises(Ended, match=r"the divisor of .* is positive"):
        list(launch(graph, {}, {}))


def test_channels_are_words_of_rows_and_dims_of_functions() -> None:
    rows = symbol("R")
    send = TaskDef("send", (Param("c", Direction.SEND, f32, (rows, Index(4)), SPAN),), (), SPAN)
    recv = TaskDef("recv", (Param("c", Direction.RECV, f32, (rows, Index(4)), SPAN),), (), SPAN)
    dims = (("R", Index(16)),)
    calls = [Call(t, (ChannelArg(1),), dims, SPAN) for t in (send, recv)]
    channels = tuple(Channel(k, f"c{k}", f32, (16, 4), 2, SPAN) for k in range(2))
    graph = partition(replace(program([], *calls), channels=channels), MACHINE)
    for number, function in enumerate(graph.functions):
        assert function.words == (Word(WordKind.CHANNEL, "c"),)
        assert function.dims == (("R", 16),) and function.fixed == {"R"}
        assert graph.task(number).words == (1,)


# -- refusals -------------------------------------------------------------------------------------


def refusal(error: type[Diagnostic], *body: Node) -> str:
    with pytest.raises(error) as caught:
        partition(program([X, Y, OFFSETS], *body, scalars=("n", "pos")), MACHINE)
    return str(caught.value)


def test_a_nested_loop_of_unknown_count_is_refused() -> None:
    nested = tiles("f", 64, 16, 64, repeat("i", N, writes(0, tile("f"))))
    assert refusal(LanguageError, nested) == (
        "error[language]: how often loop 'i' runs depends on the runtime value 'n'\n"
        "  --> kernel.py:7:1\n"
        "  hint: move the loop out, give it a constant count, or loop in the task with range()"
    )


def test_a_nested_loop_that_ends_early_is_refused() -> None:
    ends = replace(repeat("i", 3, writes(0, part(0, 64))), until=view(2, at(0)))
    assert refusal(LanguageError, repeat("j", 2, ends)) == (
        "error[language]: loop 'i' ends early, but stands in another loop\n"
        "  --> kernel.py:7:1\n"
        "  hint: move the loop out, or leave until= away"
    )


def test_too_many_pieces_of_a_runtime_extent_are_refused() -> None:
    huge = tiles("f", N, 1, 200_000, writes(0, part(0, 1)))
    assert refusal(CapacityError, huge) == (
        "error[capacity]: loop 'f' makes more than 100000 copies of its calls\n"
        "  --> kernel.py:7:1\n"
        "  hint: use larger tiles, or a smaller most="
    )


def test_an_extent_that_cannot_keep_its_bound_is_refused() -> None:
    inner = tiles("g", symbol("f.size"), 4, 8, writes(0, tile("g")))
    assert refusal(BoundsError, split("f", 64, 4, 64, inner)) == (
        "error[bounds]: the extent f.size of loop 'g' leaves 0 to 8\n"
        "  --> kernel.py:7:1\n"
        "  hint: shorten the loop, or make the last piece smaller"
    )


def test_a_negative_extent_is_refused() -> None:
    node = tiles("g", symbol("f.index") - 1, 4, 8, writes(0, tile("g")))
    assert refusal(BoundsError, split("f", 64, 4, 64, node)) == (
        "error[bounds]: the extent f.index - 1 of loop 'g' is -1\n"
        "  --> kernel.py:7:1\n"
        "  hint: an extent counts elements: it is not negative"
    )
