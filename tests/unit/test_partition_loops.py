"""Loops that repeat: a body once, dependences within an iteration and to the next, brute force."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import networkx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mpmd.errors import BoundsError, LanguageError
from mpmd.lang.index import Index, symbol
from mpmd.lang.program import Call, Loop, Node, Program, View
from mpmd.lang.tile import Axis
from mpmd.lang.types import Direction, i32
from mpmd.partition import TaskGraph, partition
from mpmd.partition.graph import DepKind, Element, Linear, Phase
from tests.unit.partition_programs import (
    MACHINE,
    Instance,
    at,
    call,
    conflicting_pairs,
    inside,
    instances,
    loop,
    part,
    program,
    task,
    tensor,
    tile,
    tile_loop,
    view,
)

IN, OUT, INOUT = Direction.IN, Direction.OUT, Direction.INOUT
IT, N = symbol("i"), symbol("n")

Edges = list[tuple[DepKind, int, tuple[int, ...], tuple[int, ...]]]


def edges(graph: TaskGraph) -> Edges:
    """(kind, distance, producers, consumers) of every dependence."""
    return [
        (d.kind, int(graph.deps.distance[n]), d.producers, d.consumers)
        for n, d in enumerate(map(graph.dep, range(len(graph.deps))))
    ]


def write(*axes: Axis, of: int = 0) -> Call:
    return call(task("write", [OUT], [sum(axis.keep for axis in axes)]), view(of, *axes))


def read(*axes: Axis, of: int = 0) -> Call:
    return call(task("read", [IN], [sum(axis.keep for axis in axes)]), view(of, *axes))


def looped(*body: Node, count: Index | int = 5) -> Program:
    repeat = replace(loop("i", 0, *body), count=Index(count) if isinstance(count, int) else count)
    return program([tensor(0, (12,)), tensor(1, (8, 8))], repeat, scalars=("n",))


# -- phases -----------------------------------------------------------------------------------


def spans(graph: TaskGraph) -> list[tuple[int, int, str]]:
    return [(p.first, p.end, p.loop.name if p.loop else "") for p in graph.phases]


def test_a_body_is_there_once_whatever_the_count() -> None:
    body = tile_loop("f", 12, 4, write(tile("f"))), read(part(0, 12))
    few, many = (partition(looped(*body, count=count), MACHINE) for count in (3, 10**9))
    assert len(few) == len(many) == 4
    assert edges(few) == edges(many)
    assert few.phases[0].loop is not None and few.phases[0].loop.count == Linear(3)


def test_straight_code_and_loops_are_phases_in_order() -> None:
    node = write(part(0, 12))
    made = replace(looped(), body=(node, node, loop("i", 3, node), loop("j", 2, node, node), node))
    graph = partition(made, MACHINE)
    assert spans(graph) == [(0, 2, ""), (2, 3, "i"), (3, 5, "j"), (5, 6, "")]
    for _, _, producers, consumers in edges(graph):
        (phase,) = {p for p in graph.phases if p.first <= producers[0] < p.end}
        assert all(phase.first <= t < phase.end for t in (*producers, *consumers))


def test_a_loop_that_runs_at_most_once_is_straight_code() -> None:
    once, never = loop("i", 1, write(at(IT))), loop("j", 0, write(part(0, 12)))
    graph = partition(replace(looped(), body=(once, never)), MACHINE)
    assert graph.phases == (Phase(0, 1),)


def test_a_loop_whose_inner_loops_differ_is_copied() -> None:
    inner = replace(loop("j", 0, write(at(symbol("j")))), count=IT + 1)
    graph = partition(looped(inner, count=3), MACHINE)
    assert len(graph) == 6 and graph.phases == (Phase(0, 6),)


def test_the_count_may_be_a_number_of_the_launch() -> None:
    graph = partition(looped(write(part(0, 12)), count=N * 2 + 1), MACHINE)
    assert graph.phases[0].loop is not None and graph.phases[0].loop.count == Linear(1, ((0, 2),))


def test_a_loop_in_a_loop_needs_a_count_that_is_known() -> None:
    inner = replace(loop("j", 0, write(part(0, 12))), count=N)
    with pytest.raises(LanguageError, match="loop 'j'"):
        partition(looped(inner), MACHINE)


def test_the_flag_of_a_loop_is_an_element() -> None:
    flag = tensor(0, (4,), dtype=i32)
    node = replace(loop("i", 9, write(at(2))), until=view(0, at(2)))
    graph = partition(replace(looped(), tensors=(flag,), body=(node,)), MACHINE)
    assert graph.phases[0].loop is not None and graph.phases[0].loop.until == Element(0, Linear(8), 4)


def test_a_flag_at_a_place_that_a_launch_decides_is_guarded() -> None:
    flag = tensor(0, (4,), dtype=i32)
    node = replace(loop("i", 9, write(part(0, 4))), until=view(0, at(N + 1)))
    graph = partition(replace(looped(), tensors=(flag,), body=(node,)), MACHINE)
    assert graph.phases[0].loop is not None
    assert graph.phases[0].loop.until == Element(0, Linear(4, ((0, 4),)), 4)
    assert [(g.value, g.lo, g.hi) for g in graph.guards] == [(Linear(0, ((0, 1),)), -1, 2)]
    assert graph.guards[0].text == "index n + 1 of axis 0 of 't0' stays within 4"


def test_a_flag_that_moves_with_the_loop_is_refused() -> None:
    node = replace(loop("i", 3, write(part(0, 12))), until=view(0, at(IT)))
    with pytest.raises(LanguageError) as error:
        partition(replace(looped(), body=(node,)), MACHINE)
    assert str(error.value) == (
        "error[language]: which element ends loop 'i' depends on its own variable\n"
        "  --> kernel.py:7:1\n"
        "  hint: let a task copy what it should look at to one element, and give that as until="
    )


# -- dependences ------------------------------------------------------------------------------


def test_a_buffer_that_every_iteration_fills_and_reads() -> None:
    graph = partition(looped(write(part(0, 12)), read(part(0, 12))), MACHINE)
    assert edges(graph) == [(DepKind.RAW, 0, (0,), (1,)), (DepKind.WAR, 1, (1,), (0,))]


def test_what_an_iteration_leaves_is_read_by_the_next() -> None:
    graph = partition(looped(read(part(0, 12)), write(part(0, 12))), MACHINE)
    assert edges(graph) == [(DepKind.WAR, 0, (0,), (1,)), (DepKind.RAW, 1, (1,), (0,))]


def test_a_task_may_follow_itself() -> None:
    graph = partition(looped(write(part(0, 12))), MACHINE)
    assert edges(graph) == [(DepKind.WAW, 1, (0,), (0,))]


def test_rows_of_their_own_leave_iterations_independent() -> None:
    assert edges(partition(looped(write(at(IT)), read(at(IT))), MACHINE)) == [(DepKind.RAW, 0, (0,), (1,))]
    assert not edges(partition(looped(write(part(IT * 2, 2))), MACHINE))
    assert not edges(partition(looped(write(at(-1 * IT + 11))), MACHINE))


def test_the_row_before_is_read_from_the_iteration_before() -> None:
    graph = partition(looped(write(at(IT + 1)), read(at(IT))), MACHINE)
    assert edges(graph) == [(DepKind.RAW, 1, (0,), (1,))]


def test_a_conflict_further_apart_is_kept_from_one_iteration_to_the_next() -> None:
    graph = partition(looped(write(at(IT + 3)), read(at(IT))), MACHINE)
    assert edges(graph) == [(DepKind.RAW, 1, (0,), (1,))]


def test_two_buffers_that_take_turns() -> None:
    """Pieces read the one buffer around them and write the other: iterations meet, pieces do not."""
    step = task("step", [IN, OUT], [1, 1])
    f = symbol("f.start")
    halo = part(f, 4)
    node = call(step, view(1, at(IT % 2), halo), view(1, at((IT + 1) % 2), tile("f")))
    graph = partition(looped(tile_loop("f", 4, 2, node)), MACHINE)
    assert {distance for _, distance, _, _ in edges(graph)} == {1}


# -- brute force ------------------------------------------------------------------------------

COUNT = 5


def axes(draw: st.DrawFn, size: int, loops: Sequence[Node]) -> Axis:
    i = symbol("i")
    forms = [part(0, size), at(draw(st.integers(0, size - 1))), part(2, 3)]
    forms += [at(i), at(i + 1), part(i, 2), part(0, i + 1), at(-1 * i + (COUNT - 1)), part(i, 2, 2)]
    forms += [at(i % 2), at((i + 1) % 2), part(i % 2 * 2, 2), at(i // 2), at(i % 3), part((i + 2) % 3, 2)]
    forms += [at(i * 2) if size > 2 * COUNT else at(i), part(i % 2, 2, 2)]
    for enclosing in loops:
        forms += [tile(enclosing.name)] * 4  # pyright: ignore
    return draw(st.sampled_from(forms))


@st.composite
def repeated(draw: st.DrawFn) -> Program:
    """A loop of a few calls, some over tiles, with straight code around it."""
    tensors = [tensor(0, (7,)), tensor(1, (6, 7)), tensor(2, (42,), base=1), tensor(3, (12,))]
    counter = iter(range(100))

    def a_call(loops: Sequence[Node]) -> Call:
        views: list[View] = []
        for _ in range(draw(st.integers(1, 3))):
            seen = draw(st.sampled_from(tensors))
            views.append(view(seen.id, *(axes(draw, size, loops) for size in seen.shape)))
        directions = [draw(st.sampled_from([IN, OUT, INOUT, Direction.ACCUM])) for _ in views]
        definition = task(f"task{next(counter)}", directions, [len(v.order) for v in views])
        return call(definition, *views)

    body: list[Node] = []
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            body.append(a_call(()))
        else:
            opened = tile_loop(f"f{next(counter)}", 6, draw(st.sampled_from([2, 3, 4])))
            body.append(replace(opened, body=(a_call((opened,)),)))
    straight = write(part(0, 7))
    repeat = replace(loop("i", COUNT, *body), count=draw(st.sampled_from([Index(COUNT), N])))
    return program(tensors, straight, repeat, straight, scalars=("n",))


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=200)
@given(repeated())
def test_conflicts_of_all_iterations_are_ordered(made: Program) -> None:
    """Also where only a launch knows how many there are."""
    try:
        graph = partition(made, MACHINE)
    except BoundsError:
        assume(False)
    (phase,) = (p for p in graph.phases if p.loop is not None)
    width = phase.end - phase.first
    repeat = made.body[1]
    assert isinstance(repeat, Loop)
    every: list[Instance] = []
    for i in range(COUNT):
        every += instances(repeat.body, dict(graph.tiles), {"i": i})
    assert len(every) == COUNT * width
    assert not repeat.count.is_const or all(inside(made, instance) for instance in every)
    assume(all(inside(made, instance) for instance in every))  # else a launch with so many ends early
    assert conflicting_pairs(made, every) <= ordered(graph, phase, COUNT)


def ordered(graph: TaskGraph, phase: Phase, count: int) -> set[tuple[int, int]]:
    """Pairs of (iteration × tasks + task) that dependences and the order of each task's runs imply."""
    width = phase.end - phase.first
    unrolled: networkx.DiGraph[int] = networkx.DiGraph()
    unrolled.add_nodes_from(range(count * width))
    for i in range(count - 1):
        unrolled.add_edges_from((i * width + t, (i + 1) * width + t) for t in range(width))
    for _, distance, producers, consumers in edges(graph):
        pairs = [(p - phase.first, c - phase.first) for p in producers for c in consumers]
        if not 0 <= pairs[0][0] < width:
            continue
        for i in range(count - distance):
            unrolled.add_edges_from((i * width + p, (i + distance) * width + c) for p, c in pairs)
    return set(networkx.transitive_closure_dag(unrolled).edges)
