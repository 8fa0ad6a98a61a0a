"""The task graph: instances in program order, shared functions, rows, guards, dependences, costs."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from mpmd.errors import BoundsError, LanguageError, Span
from mpmd.lang.index import Index, minimum, symbol
from mpmd.lang.program import Program, ScalarArg
from mpmd.lang.tile import Apply, Gather, Load, Loop, Param, Receive, Send, Store, TaskDef, TileType
from mpmd.lang.types import Direction, f32, i32
from mpmd.partition import TaskGraph, partition
from mpmd.partition.cost import work_of
from mpmd.partition.graph import DepKind, Word, WordKind
from tests.unit.partition_programs import (
    MACHINE,
    SPAN,
    at,
    call,
    launch_scalars,
    loop,
    part,
    program,
    row,
    task,
    tensor,
    tile,
    tile_loop,
    view,
)

IN, OUT, INOUT, ACCUM = Direction.IN, Direction.OUT, Direction.INOUT, Direction.ACCUM
POS = symbol("pos")


def names(graph: TaskGraph) -> list[str]:
    return [graph.task_name(t) for t in range(len(graph))]


def edges(graph: TaskGraph) -> list[tuple[DepKind, tuple[int, ...], tuple[int, ...]]]:
    return [(d.kind, d.producers, d.consumers) for d in map(graph.dep, range(len(graph.deps)))]


# -- instances --------------------------------------------------------------------------------


def test_program_order_is_iteration_major() -> None:
    a, b, c = (task(name, [OUT], [1]) for name in "abc")
    inner = tile_loop("g", 4, 2, call(b, view(0, tile("g"))))
    body = tile_loop("f", 4, 2, call(a, view(0, tile("f"))), inner, call(c, view(0, tile("f"))))
    graph = partition(program([tensor(0, (4,))], body, call(a, view(0, part(0, 4)))), MACHINE)
    assert names(graph) == ["a#0", "b#0", "b#1", "c#0", "a#1", "b#2", "b#3", "c#1", "a#2"]


def test_an_inner_loop_may_depend_on_the_outer_one() -> None:
    a = task("a", [INOUT], [1], scalars=2)
    inner = replace(loop("j", 0), count=symbol("i"), body=())
    node = call(a, view(0, at(symbol("i")), part(0, 8)), ScalarArg(symbol("i")), ScalarArg(symbol("j")))
    graph = partition(program([tensor(0, (4, 8))], loop("i", 4, replace(inner, body=(node,)))), MACHINE)
    rows = [row(graph, t) for t in range(len(graph))]
    found = [(r[WordKind.SCALAR, "s0", -1], r[WordKind.SCALAR, "s1", -1]) for r in rows]
    assert found == [(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)]


def test_a_loop_over_a_runtime_extent_needs_a_bound() -> None:
    node = replace(tile_loop("f", 4, 2, call(task("a", [OUT], [1]), view(0, tile("f")))), extent=POS)
    with pytest.raises(LanguageError) as error:
        partition(program([tensor(0, (4,))], node, scalars=("pos",)), MACHINE)
    assert str(error.value) == (
        "error[language]: nothing bounds the extent of loop 'f', which is known only at run time\n"
        "  --> kernel.py:7:1\n"
        "  hint: give most=, the largest extent that a launch may have"
    )


def test_a_program_without_instances_is_an_empty_graph() -> None:
    graph = partition(program([tensor(0, (4,))]), MACHINE)
    assert (len(graph), len(graph.deps), graph.functions) == (0, 0, ())


# -- functions and rows -----------------------------------------------------------------------


def linear(layer: int, size: int | None = 32) -> object:
    f = f"f{layer}"
    definition = task("linear", [IN, IN, OUT], [1, 2, 1])
    weights = view(2, at(layer), tile(f), part(0, 64))
    return tile_loop(
        f, 64, size, call(definition, view(layer % 2, part(0, 64)), weights, view(1 - layer % 2, tile(f)))
    )


def layers(count: int) -> Program:
    return program(
        [tensor(0, (64,)), tensor(1, (64,)), tensor(2, (count, 64, 64))], *map(linear, range(count))
    )


def test_thirty_layers_share_one_function() -> None:
    graph = partition(layers(30), MACHINE)
    assert [f.name for f in graph.functions] == ["linear"]
    assert len(graph.sites) == 30 and len(graph) == 60


def test_a_smaller_last_tile_shares_the_function_of_the_full_ones() -> None:
    graph = partition(
        program([tensor(0, (40,))], tile_loop("f", 40, 16, call(task("a", [OUT], [1]), view(0, tile("f"))))),
        MACHINE,
    )
    (function,) = graph.functions
    assert function.layouts[0].extents == (None,) and function.layouts[0].bounds == (16,)
    assert function.dims == (("D00", 16),) and function.fixed == frozenset()
    assert function.words == (
        Word(WordKind.BASE, "p0"),
        Word(WordKind.OFFSET, "p0"),
        Word(WordKind.EXTENT, "p0", 0),
    )
    assert graph.words.tolist() == [0, 0, 16, 0, 64, 16, 0, 128, 8]


def test_equal_extents_are_fixed_and_not_in_the_row() -> None:
    graph = partition(
        program([tensor(0, (32,))], tile_loop("f", 32, 16, call(task("a", [OUT], [1]), view(0, tile("f"))))),
        MACHINE,
    )
    assert graph.functions[0].layouts[0].extents == (16,) and graph.functions[0].fixed == {"D00"}
    assert graph.words.tolist() == [0, 0, 0, 64]


def test_other_strides_are_another_function_but_those_of_single_rows_do_not_matter() -> None:
    a = task("a", [OUT], [2])
    tensors = [tensor(0, (4, 8)), tensor(1, (4, 16))]
    wide = [call(a, view(t, part(0, 4), part(0, 8))) for t in (0, 1)]
    single = [call(a, view(t, part(1, 1), part(0, 8))) for t in (0, 1)]
    graph = partition(program(tensors, *wide, *single), MACHINE)
    assert [graph.task(t).function.name for t in range(4)] == ["a", "a_1", "a_2", "a_2"]


def test_a_transposed_view_has_its_axes_in_the_order_of_the_task() -> None:
    node = call(task("a", [OUT], [2]), view(0, part(1, 2), part(0, 8, 4), order=(1, 0)))
    graph = partition(program([tensor(0, (4, 32))], node), MACHINE)
    layout = graph.functions[0].layouts[0]
    assert (layout.extents, layout.strides) == ((8, 2), (4, 32))
    assert row(graph, 0)[WordKind.OFFSET, "p0", -1] == 32 * 4


def test_names_are_c_identifiers_and_unique() -> None:
    definitions = [task(name, [OUT], [1]) for name in ("double", "größe", "a", "a_1")]
    sizes = (4, 8)
    nodes = [call(d, view(0, part(0, n))) for d in definitions for n in sizes]
    graph = partition(program([tensor(0, (8,))], *nodes), MACHINE)
    assert [f.name for f in graph.functions] == [
        "double_", "double__1", "gr__e", "gr__e_1", "a", "a_2", "a_1", "a_1_1",
    ]  # fmt: skip


def test_a_reshaped_view_lies_in_its_root() -> None:
    graph = partition(
        program(
            [tensor(0, (4, 6)), tensor(1, (24,), base=0)], call(task("a", [OUT], [1]), view(1, part(7, 3)))
        ),
        MACHINE,
    )
    assert row(graph, 0) == {(WordKind.BASE, "p0", -1): 0, (WordKind.OFFSET, "p0", -1): 28}
    assert (graph.access_tensor.tolist(), graph.access_lo.tolist(), graph.access_hi.tolist()) == (
        [0],
        [28],
        [40],
    )


def test_float_scalars_travel_as_the_bits_of_an_f64() -> None:
    definition = task("a", [OUT], [1])
    scale = Param("scale", None, f32, (), SPAN)
    definition = replace(definition, params=(*definition.params, scale))
    nodes = [call(definition, view(0, part(0, 4)), ScalarArg(v)) for v in (0.5, Index(3), "factor")]
    base = program([tensor(0, (4,))], *nodes, scalars=("factor",))
    graph = partition(replace(base, scalars=(replace(base.scalars[0], dtype=f32),)), MACHINE)
    bits = [int(np.float64(v).view(np.int64)) for v in (0.5, 3.0)]
    assert [row(graph, t)[WordKind.SCALAR, "scale", -1] for t in range(3)] == [*bits, 0]
    assert graph.sites[2].symbolic == ((2, 0, 1),)


# -- runtime scalars --------------------------------------------------------------------------


def runtime(*axes: object, extent: int = 2048, **keywords: object) -> TaskGraph:
    nodes = [call(task("a", [INOUT], [1]), view(0, axis)) for axis in axes]  # type: ignore[arg-type]
    return partition(program([tensor(0, (extent,))], *nodes, scalars=("pos", "n")), MACHINE)


def guards(graph: TaskGraph) -> list[tuple[tuple[tuple[int, int], ...], int, int]]:
    return [(g.value.terms, g.lo, g.hi) for g in graph.guards]


def test_a_runtime_slice_is_guarded_and_its_extent_bounded() -> None:
    graph = runtime(part(0, POS + 1))
    assert guards(graph) == [(((0, 1),), -1, 2047)]
    layout = graph.functions[0].layouts[0]
    assert (layout.extents, layout.bounds) == ((None,), (2048,))
    assert graph.sites[0].symbolic == ((2, 0, 1),) and row(graph, 0)[WordKind.EXTENT, "p0", 0] == 1
    assert graph.guards[0].text == "region 0:pos + 1 of axis 0 of 't0' stays within 2048"


def test_guards_are_joined_and_the_tightest_is_kept() -> None:
    graph = runtime(part(POS, 4), part(POS, 2), part(POS + 8, 1))
    assert guards(graph) == [(((0, 1),), 0, 2**62), (((0, 1),), -(2**62), 2039)]


def test_guards_hold_for_the_worst_iteration() -> None:
    node = tile_loop("f", 64, 16, call(task("a", [OUT], [1]), view(0, part(POS + symbol("f.start") - 4, 16))))
    graph = partition(program([tensor(0, (2048,))], node, scalars=("pos",)), MACHINE)
    assert guards(graph) == [(((0, 1),), 4, 2048 - 64 + 4)]


def test_offsets_add_the_scalar_at_launch() -> None:
    graph = runtime(part(POS * 2 + 3, 4))
    assert graph.sites[0].symbolic == ((1, 0, 8),)
    assert row(graph, 0)[WordKind.OFFSET, "p0", -1] == 12


def test_a_quotient_of_scalars_becomes_one_derived_scalar() -> None:
    graph = runtime(part((POS + 1) // 4, 1), part((POS + 1) // 4 + 1, 1))
    (derived,) = graph.derived
    assert (derived.op, derived.lhs.terms, derived.lhs.const, derived.rhs.const) == (
        "floordiv",
        ((0, 1),),
        1,
        4,
    )
    assert {scalar for site in graph.sites for _, scalar, _ in site.symbolic} == {2}
    assert graph.deps.kind.size == 0  # neighbouring elements


def test_a_runtime_divisor_must_be_positive() -> None:
    graph = runtime(part(POS // symbol("n"), 1))
    assert (((1, 1),), 1, 2**62) in guards(graph)


def test_a_guard_on_two_scalars_bounds_each() -> None:
    graph = runtime(part(0, symbol("n")), part(POS, symbol("n")))
    assert graph.functions[0].layouts[0].bounds == (2048,)
    assert graph.access_hi.max() <= 2048 * 4


def test_a_dim_has_the_least_bound_among_its_parameters() -> None:
    definition = task("copy", [IN, OUT], [1, 1])
    rows = symbol("D00")
    params = tuple(replace(p, shape=(rows,)) for p in definition.params)
    between = part(POS, symbol("n") - POS)
    node = call(replace(definition, params=params), view(0, between), view(1, between))
    graph = partition(program([tensor(0, (64,)), tensor(1, (2048,))], node, scalars=("pos", "n")), MACHINE)
    assert [layout.bounds for layout in graph.functions[0].layouts] == [(64,), (64,)]
    assert graph.functions[0].dims == (("D00", 64),)


@pytest.mark.parametrize("index", [symbol("f.index") * POS, minimum(symbol("f.start"), POS)])
def test_a_loop_whose_variable_meets_a_scalar_other_than_by_a_sum_is_unrolled(index: Index) -> None:
    node = tile_loop("f", 64, 16, call(task("a", [OUT], [1]), view(0, part(index, 1)), line=9))
    graph = partition(program([tensor(0, (2048,))], node, scalars=("pos",)), MACHINE)
    known = [10, *launch_scalars(graph, {"pos": 10})[1:]]
    starts = []
    for number in range(len(graph)):
        added = sum(c * known[s] for w, s, c in graph.sites[graph.site[number]].symbolic if w == 1)
        starts.append((row(graph, number)[WordKind.OFFSET, "p0", -1] + added) // 4)
    assert starts == [int(index.evaluate({"f.index": k, "f.start": 16 * k, "pos": 10})) for k in range(4)]
    assert len(graph.functions) == 1


def test_a_constant_region_outside_its_tensor_is_refused() -> None:
    node = tile_loop("f", 64, 16, call(task("a", [OUT], [1]), view(0, part(symbol("f.start") - 1, 16))))
    with pytest.raises(BoundsError) as error:
        partition(program([tensor(0, (64,))], node), MACHINE)
    assert str(error.value) == (
        "error[bounds]: region f.start - 1:f.start + 15 of axis 0 of 't0' leaves its 64 elements\n"
        "  --> kernel.py:7:1\n"
        "  hint: shorten the loop, or make the last piece smaller"
    )


def test_regions_that_no_scalar_satisfies_are_refused() -> None:
    with pytest.raises(BoundsError, match="no value can satisfy both"):
        runtime(part(POS - 4, 1), part(POS + 2, 1), extent=4)


# -- dependences ------------------------------------------------------------------------------


def test_readers_of_one_version_share_a_dependence_and_writers_after_them_too() -> None:
    produce, consume = task("produce", [OUT], [1]), task("consume", [IN, OUT], [1, 1])
    tensors = [tensor(0, (64,)), tensor(1, (64,))]
    write = [tile_loop(n, 64, 8, call(produce, view(0, tile(n)))) for n in ("f", "h")]
    read = tile_loop("g", 64, 8, call(consume, view(0, part(0, 64)), view(1, tile("g"))))
    graph = partition(program(tensors, write[0], read, write[1]), MACHINE)
    first, second, third = (tuple(range(8 * i, 8 * i + 8)) for i in range(3))
    assert edges(graph) == [(DepKind.RAW, first, second), (DepKind.WAR, second, third)]


def test_a_dependence_says_why() -> None:
    graph = partition(layers(2), MACHINE)
    assert graph.dep(0).reason == "linear#0 (+1) → linear#2 (+1) via t1 (RAW)"


def test_accumulation_is_ordered() -> None:
    node = tile_loop("k", 3, 1, call(task("add", [ACCUM], [1]), view(0, part(0, 4))))
    graph = partition(program([tensor(0, (4,))], node), MACHINE.with_cores(1))
    assert [(p, c) for _, p, c in edges(graph)] == [((0,), (1,)), ((1,), (2,))]


def test_a_write_after_a_task_that_reads_and_writes_is_ordered() -> None:
    nodes = [
        call(task("a", [INOUT], [1]), view(0, part(0, 4))),
        call(task("b", [OUT], [1]), view(0, part(0, 4))),
    ]
    assert edges(partition(program([tensor(0, (4,))], *nodes), MACHINE)) == [(DepKind.WAW, (0,), (1,))]


def test_weights_give_no_dependences() -> None:
    graph = partition(layers(2), MACHINE)
    assert 2 not in graph.deps.tensor.tolist()


def test_buffers_used_again_and_again_stay_linear() -> None:
    def size(count: int) -> int:
        deps = partition(layers(count), MACHINE).deps
        return len(deps.producers) + len(deps.consumers)

    assert size(40) - size(20) == size(60) - size(40)


def test_a_large_graph_takes_seconds_not_minutes() -> None:
    phases, tiles = 100, 132
    extent = 16 * tiles
    definition = task("linear", [IN, OUT], [1, 1])
    nodes = [
        tile_loop(f"f{i}", extent, 16, call(definition, view(i, part(0, extent)), view(i + 1, tile(f"f{i}"))))
        for i in range(phases)
    ]
    started = time.perf_counter()
    graph = partition(program([tensor(i, (extent,)) for i in range(phases + 1)], *nodes), MACHINE)
    assert time.perf_counter() - started < 5
    assert len(graph) == phases * tiles and len(graph.deps) == phases - 1
    assert len(graph.deps.producers) == len(graph.deps.consumers) == (phases - 1) * tiles


def test_networkx_has_an_edge_for_every_pair_of_a_dependence() -> None:
    graph = partition(layers(2), MACHINE)
    shown = graph.to_networkx()
    assert sorted(shown.edges(data="deps")) == [(p, c, (0, 1)) for p in (0, 1) for c in (2, 3)]
    assert shown.nodes[3]["name"] == "linear#3"


def test_the_graph_does_not_depend_on_hash_seeds() -> None:
    script = (
        "from tests.unit.test_partition import *; g = partition(layers(4), MACHINE);"
        "print([(f.name, f.layouts, f.words, sorted(f.fixed)) for f in g.functions]);"
        "print(g.words.tolist(), [g.dep(i) for i in range(len(g.deps))], g.guards)"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(outputs) == 1


# -- costs ------------------------------------------------------------------------------------

T, K, N, V = map(symbol, "TKNV")


def product() -> TaskDef:
    """y[:] = x[:] @ w[:], twice over."""
    x = Param("x", IN, f32, (T, K), SPAN)
    w = Param("w", IN, f32, (K, N), SPAN)
    y = Param("y", OUT, f32, (T, N), SPAN)
    whole = {p.name: tuple(part(0, extent) for extent in p.shape) for p in (x, w, y)}
    body = (
        Load(0, TileType(f32, (T, K)), "x", whole["x"], SPAN),
        Load(1, TileType(f32, (K, N)), "w", whole["w"], SPAN),
        Apply(2, TileType(f32, (T, N)), "dot", (0, 1), (), SPAN),
        Store("y", whole["y"], 2, False, SPAN),
    )
    twice = Loop("i", Index(0), Index(2), 1, None, (), body, SPAN)
    return TaskDef("product", (x, w, y), (twice,), SPAN)


def test_loops_multiply_operations_but_a_region_is_moved_once() -> None:
    work = work_of(product(), {"T": 4, "K": 8, "N": 16})
    assert work.flops == 2 * 2 * 4 * 8 * 16
    assert work.bytes == 4 * (4 * 8 + 8 * 16 + 4 * 16)


def test_costs_follow_the_extent_of_each_instance() -> None:
    nodes = tile_loop(
        "f",
        40,
        16,
        call(
            product(),
            view(0, part(0, 4), part(0, 8)),
            view(1, part(0, 8), tile("f")),
            view(2, part(0, 4), tile("f")),
        ),
    )
    nodes = replace(
        nodes,
        body=(replace(nodes.body[0], dims=(("T", Index(4)), ("K", Index(8)), ("N", symbol("f.size")))),),
    )
    graph = partition(program([tensor(0, (4, 8)), tensor(1, (8, 40)), tensor(2, (4, 40))], nodes), MACHINE)
    assert graph.flops.tolist() == [2 * 2 * 4 * 8 * n for n in (16, 16, 8)]


def test_a_channel_moves_every_token() -> None:
    x = Param("x", IN, f32, (T, K), SPAN)
    there, back = Param("c", Direction.SEND, f32, (T, K), SPAN), Param("d", Direction.RECV, f32, (N, K), SPAN)
    body = (
        Load(0, TileType(f32, (T, K)), "x", (part(0, T), part(0, K)), SPAN),
        Send("c", 0, SPAN),
        Receive(1, TileType(f32, (Index(2), K)), "d", SPAN),
        Apply(2, TileType(f32, (Index(2), K)), "exp", (1,), (), SPAN),
    )
    thrice = Loop("i", Index(0), Index(3), 1, None, (), body, SPAN)
    task = TaskDef("relay", (x, there, back), (thrice,), SPAN)
    work = work_of(task, {"T": 4, "K": 8, "N": 16})
    assert work.bytes == 4 * (4 * 8 + 3 * 4 * 8 + 3 * 2 * 8)


def test_a_gather_moves_the_rows_it_picks() -> None:
    table = Param("table", IN, f32, (V, K), SPAN)
    ids = Param("ids", IN, i32, (T,), SPAN)
    body = (
        Load(0, TileType(i32, (T,)), "ids", (part(0, T),), SPAN),
        Gather(1, TileType(f32, (T, K)), "table", 0, SPAN),
    )
    work = work_of(TaskDef("embed", (table, ids), body, SPAN), {"V": 50000, "K": 64, "T": 2})
    assert work.bytes == 2 * 4 + 2 * 64 * 4


def test_spans_of_calls_stay_in_sites() -> None:
    node = call(task("a", [OUT], [1]), view(0, part(0, 4)), line=31)
    assert partition(program([tensor(0, (4,))], node), MACHINE).sites[0].call.span == Span("kernel.py", 31)
