"""What a kernel says of placement, and of pieces taken by ticket: columns of the graph, or a diagnostic."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mpmd.errors import LanguageError, PlacementError, Span
from mpmd.lang.index import Index, symbol
from mpmd.lang.program import Call, Channel, ChannelArg, Node, Placement, Split
from mpmd.lang.tile import Apply, Axis, Param, Receive, Send, TaskDef, TileType
from mpmd.lang.types import Direction, f32
from mpmd.partition import TaskGraph, partition
from tests.unit.partition_programs import (
    MACHINE,
    SPAN,
    call,
    loop,
    part,
    program,
    task,
    tensor,
    tile,
    tile_loop,
    view,
)

OUT = Direction.OUT


def graph_of(*body: Node, scalars: tuple[str, ...] = ()) -> TaskGraph:
    tensors = [tensor(0, (12,)), tensor(1, (3, 4), base=0), tensor(2, (12,))]
    return partition(program(tensors, *body, scalars=scalars), MACHINE)


def write(axis: Axis | None = None, of: int = 0, line: int = 7) -> Call:
    return call(task("write", [OUT], [1]), view(of, axis or part(0, 12)), line=line)


# -- pins and nearness ------------------------------------------------------------------------


def test_calls_without_placement_are_left_open() -> None:
    graph = graph_of(write(), write())
    assert (
        graph.pin.tolist() == graph.near.tolist() == graph.gang.tolist() == graph.drain.tolist() == [-1, -1]
    )


def test_pieces_may_be_pinned_by_their_index() -> None:
    node = replace(write(tile("f")), placement=Placement(core=symbol("f.index") % 2))
    assert graph_of(tile_loop("f", 12, 4, node), write()).pin.tolist() == [0, 1, 0, -1]


def test_a_core_below_zero_is_refused() -> None:
    node = replace(write(tile("f")), placement=Placement(core=symbol("f.index") - 1))
    with pytest.raises(PlacementError) as error:
        graph_of(tile_loop("f", 12, 4, node))
    assert str(error.value) == (
        "error[placement]: 'write' asks for core -1\n  --> kernel.py:7:1\n  hint: cores count from 0"
    )


def test_a_core_that_only_a_launch_knows_is_refused() -> None:
    node = replace(write(), placement=Placement(core=symbol("n")))
    with pytest.raises(LanguageError) as error:
        graph_of(node, scalars=("n",))
    assert str(error.value) == (
        "error[language]: the core of 'write' depends on 'n', "
        "which is not known when the kernel is compiled\n"
        "  --> kernel.py:7:1\n"
        "  hint: use a constant, or the index of a loop over pieces of a constant extent"
    )


def test_a_core_that_changes_from_iteration_to_iteration_is_refused() -> None:
    node = replace(write(), placement=Placement(core=symbol("i")))
    with pytest.raises(LanguageError, match="the core of 'write' depends on 'i'"):
        graph_of(loop("i", 3, node))


def test_nearness_names_the_tensor_whose_storage_it_is() -> None:
    node = replace(write(of=2), placement=Placement(near=1))
    assert graph_of(write(), node).near.tolist() == [-1, 0]


def test_nearness_to_what_nobody_makes_is_refused() -> None:
    with pytest.raises(PlacementError) as error:
        graph_of(write(), replace(write(), placement=Placement(near=2)))
    assert str(error.value) == (
        "error[placement]: 'write' should run near 't2', which no call of this kernel writes\n"
        "  --> kernel.py:7:1\n"
        "  hint: name a tensor that an earlier call makes, or leave near= out"
    )


# -- drains -----------------------------------------------------------------------------------


def drained(*body: Node, extent: Index | int = 12, most: int | None = None) -> Node:
    made = replace(tile_loop("f", 0, 4, *body), drain=True, most=most, span=Span("kernel.py", 6))
    return replace(made, extent=Index(extent) if isinstance(extent, int) else extent)


def test_the_pieces_of_a_drain_have_one_number() -> None:
    graph = graph_of(write(), drained(write(tile("f"))))
    assert graph.drain.tolist() == [-1, 0, 0, 0]


def test_each_run_of_a_drain_has_a_number_of_its_own() -> None:
    node = drained(call(task("a", [OUT], [2]), view(1, part(symbol("g.start"), 1), tile("f"))), extent=4)
    graph = graph_of(tile_loop("g", 3, 1, replace(node, size=2)))
    assert graph.drain.tolist() == [0, 0, 1, 1, 2, 2]


def test_even_parts_may_be_drained() -> None:
    node = Split("f", Index(12), 5, (write(tile("f")),), SPAN, drain=True)
    assert graph_of(node, write()).drain.tolist() == [0, 0, 0, 0, 0, -1]


def test_pieces_of_a_runtime_extent_may_be_drained() -> None:
    graph = graph_of(drained(write(tile("f")), extent=symbol("n"), most=12), scalars=("n",))
    assert graph.drain.tolist() == [0, 0, 0]


def test_a_drain_in_a_loop_is_one_drain() -> None:
    graph = graph_of(loop("i", 3, drained(write(tile("f")))))
    assert graph.drain.tolist() == [0, 0, 0]


def test_pieces_that_depend_on_each_other_are_refused_with_both_lines() -> None:
    overlapping = write(part(symbol("f.start"), 5))
    with pytest.raises(LanguageError) as error:
        graph_of(drained(overlapping, extent=8))
    assert str(error.value) == (
        "error[language]: the pieces of loop 'f' depend on each other: of 't0', two write the same elements\n"
        "  --> kernel.py:6:1\n"
        "  related: kernel.py:7 pieces 0 and 1, for example\n"
        "  hint: leave drain=True out, or let each piece write elements of its own"
    )


def test_a_drain_of_several_calls_is_refused() -> None:
    with pytest.raises(LanguageError) as error:
        graph_of(drained(write(tile("f")), write(tile("f"), of=2)))
    assert str(error.value) == (
        "error[language]: cores cannot take the pieces of loop 'f' by ticket\n"
        "  --> kernel.py:6:1\n"
        "  hint: leave drain=True out, or make one task of the body"
    )


def test_a_drain_of_calls_that_ask_for_a_place_is_refused() -> None:
    with pytest.raises(LanguageError) as error:
        graph_of(drained(replace(write(tile("f")), placement=Placement(core=Index(0)))))
    assert str(error.value) == (
        "error[language]: cores cannot take the pieces of loop 'f' by ticket: "
        "'write' asks for a place to run\n"
        "  --> kernel.py:7:1\n"
        "  related: kernel.py:6 has drain=True\n"
        "  hint: leave drain=True out"
    )


# -- gangs ------------------------------------------------------------------------------------


def test_gangs_and_their_tokens_are_in_the_graph() -> None:
    token = Param("c", Direction.SEND, f32, (Index(4),), SPAN)
    full = TileType(f32, (Index(4),))
    made_of = Apply(0, full, "iota", (), (("extent", Index(4)),), SPAN)
    send = TaskDef("send", (token,), (made_of, Send("c", 0, SPAN)), SPAN)
    got = Receive(0, full, "c", SPAN)
    receive = TaskDef("receive", (replace(token, direction=Direction.RECV),), (got,), SPAN)
    body = [Call(t, (ChannelArg(0),), (), SPAN) for t in (send, receive)]
    made = program([tensor(0, (12,))], write(), tile_loop("f", 12, 6, *body))
    channel = Channel(0, "c", f32, (4,), 2, SPAN)
    graph = partition(replace(made, channels=(channel,)), MACHINE)
    assert graph.gang.tolist() == [-1, 0, 0, 1, 1]
    assert graph.tokens == ((0, 0, 1), (1, 0, 1))
    assert not len(graph.deps)
