"""Tile sizes that the partitioner chooses: multiples of the cores, even pieces, no piece too small."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpmd.errors import ArgumentError
from mpmd.lang.index import symbol
from mpmd.lang.program import Program, TileLoop
from mpmd.lang.tile import Apply, Load, Param, Store, TaskDef, TileType
from mpmd.lang.types import Direction, f32
from mpmd.machine import Machine
from mpmd.partition import partition
from mpmd.partition.tile import balanced_size
from tests.machines import like, toy
from tests.unit.partition_programs import MACHINE, SPAN, call, part, program, tensor, tile, tile_loop, view

T, K, N = map(symbol, "TKN")


def linear(direction: Direction = Direction.OUT) -> TaskDef:
    params = (
        Param("x", Direction.IN, f32, (T, K), SPAN),
        Param("w", Direction.IN, f32, (N, K), SPAN),
        Param("y", direction, f32, (T, N), SPAN),
    )
    whole = [tuple(part(0, extent) for extent in p.shape) for p in params]
    body = (
        Load(0, TileType(f32, (T, K)), "x", whole[0], SPAN),
        Load(1, TileType(f32, (N, K)), "w", whole[1], SPAN),
        Apply(2, TileType(f32, (K, N)), "transpose", (1,), (("order", (1, 0)),), SPAN),
        Apply(3, TileType(f32, (T, N)), "dot", (0, 2), (), SPAN),
        Store("y", whole[2], 3, False, SPAN),
    )
    return TaskDef("linear", params, body, SPAN)


def columns(t: int, k: int, n: int) -> Program:
    """One open loop over the columns of y."""
    views = view(0, part(0, t), part(0, k)), view(1, tile("f"), part(0, k)), view(2, part(0, t), tile("f"))
    body = tile_loop("f", n, None, call(linear(), *views))
    return program([tensor(0, (t, k)), tensor(1, (n, k)), tensor(2, (t, n))], body)


def blocks(t: int, k: int, n: int) -> Program:
    """Two nested open loops, over rows and columns."""
    views = view(0, tile("r"), part(0, k)), view(1, tile("c"), part(0, k)), view(2, tile("r"), tile("c"))
    body = tile_loop("r", t, None, tile_loop("c", n, None, call(linear(), *views)))
    return program([tensor(0, (t, k)), tensor(1, (n, k)), tensor(2, (t, n))], body)


def sizes(of: Program, machine: Machine = MACHINE, **tiles: int) -> dict[str, int]:
    return dict(partition(of, machine, tiles=tiles).tiles)


def test_a_machine_without_a_cache_asks_for_no_size_that_fits_one() -> None:
    uncached = like(MACHINE, cache_bytes=0)
    assert sizes(columns(1, 576, 576), uncached) == sizes(columns(1, 576, 576))
    assert sizes(blocks(512, 512, 512), uncached)


def test_576_rows_on_two_cores_are_288_each() -> None:
    assert sizes(columns(1, 576, 576)) == {"f": 288}


def test_work_of_a_few_microseconds_is_not_split() -> None:
    assert sizes(columns(1, 16, 576)) == {"f": 576}


def test_short_work_is_spread_over_many_cores_where_it_ends_much_sooner() -> None:
    """A hundred microseconds on 132 cores: in the fewest pieces that end within 5 % of the soonest."""
    many = toy(132, flops=5e11, bandwidth=3e12, core_bandwidth=1e11, task_seconds=4e-7)
    (size,) = sizes(columns(1, 2048, 2048), many).values()
    assert 64 <= 2048 / size <= 132


def test_kinds_that_cannot_do_a_call_do_not_size_its_tiles() -> None:
    plain = toy(4)
    idle = replace(plain.leading, name="idle", rates=(0.0,) * len(plain.leading.rates))
    mixed = replace(plain, kinds=(replace(idle, cores=1), replace(plain.leading, cores=3)))
    assert sizes(columns(1, 576, 576), mixed) == sizes(columns(1, 576, 576), plain)


def test_long_work_is_split_more_finely_in_multiples_of_the_cores() -> None:
    (size,) = sizes(columns(64, 4096, 16384)).values()
    assert 16384 % size == 0 and (16384 // size) % 2 == 0 and 16384 // size > 4


def test_one_core_needs_no_balance() -> None:
    assert sizes(columns(1, 576, 49152), MACHINE.with_cores(1)) == {"f": 49152}


def test_pieces_are_even_on_any_number_of_cores() -> None:
    for cores in (2, 3, 5, 7, 8, 16):
        (size,) = sizes(columns(16, 2048, 2048), MACHINE.with_cores(cores)).values()
        pieces = ceil(2048 / size)
        assert ceil(pieces / cores) * size <= 1.3 * 2048 / cores, (cores, size)


def test_nested_loops_share_the_pieces_largest_extent_first() -> None:
    chosen = sizes(blocks(16, 1024, 2048))
    assert chosen == {"r": 16, "c": 1024}
    square = sizes(blocks(2048, 2048, 2048), like(MACHINE, cores=4))
    assert square["r"] < 2048 and square["c"] < 2048


def test_a_loop_that_adds_into_one_region_stays_whole() -> None:
    views = (
        view(0, part(0, 64), tile("k")),
        view(1, part(0, 64), tile("k")),
        view(2, part(0, 64), part(0, 64)),
    )
    body = tile_loop("k", 65536, None, call(linear(Direction.ACCUM), *views))
    tensors = [tensor(0, (64, 65536)), tensor(1, (64, 65536)), tensor(2, (64, 64))]
    assert sizes(program(tensors, body)) == {"k": 65536}


def test_a_loop_over_few_heavy_things_is_split_below_sixteen() -> None:
    assert sizes(columns(2048, 2048, 8)) == {"f": 4}


def test_values_fit_the_cache() -> None:
    small = like(MACHINE, cache_bytes=1 << 18)
    (size,) = sizes(columns(4096, 64, 1024), small).values()
    assert 4096 * size * 4 <= 1 << 20


def test_a_size_may_be_fixed_by_name() -> None:
    assert sizes(columns(1, 576, 576), f=96) == {"f": 96}
    assert len(partition(columns(1, 576, 576), MACHINE, tiles={"f": 96})) == 6


@pytest.mark.parametrize(
    ("tiles", "text"),
    [
        (
            {"g": 96},
            "error[argument]: tiles: kernel 'kernel' has no tile loop 'g'\n"
            "  --> kernel.py:7:1\n"
            "  hint: its tile loops are f",
        ),
        (
            {"f": 0},
            "error[argument]: tiles: the size of 'f' is 0, which is not a whole number of at least 1\n"
            "  --> kernel.py:7:1\n"
            "  hint: leave it out to have one chosen",
        ),
    ],
)
def test_a_wrong_override_is_refused(tiles: dict[str, int], text: str) -> None:
    with pytest.raises(ArgumentError) as error:
        sizes(columns(1, 576, 576), **tiles)
    assert str(error.value) == text


def test_a_size_in_the_source_is_not_overridden() -> None:
    of = columns(1, 576, 576)
    (body,) = of.body
    assert isinstance(body, TileLoop)
    with pytest.raises(ArgumentError) as error:
        sizes(replace(of, body=(replace(body, size=64),)), f=32)
    assert str(error.value) == (
        "error[argument]: tiles: loop 'f' has the size 64 in the source, not 32\n"
        "  --> kernel.py:7:1\n"
        "  hint: leave the size out in mpmd.tiles(...) to choose it per compilation"
    )


@given(st.integers(1, 5000), st.integers(1, 64), st.integers(1, 4), st.integers(1, 64))
def test_a_size_is_within_its_extent(extent: int, pieces: int, others: int, cores: int) -> None:
    size = balanced_size(extent, pieces, others, cores)
    assert 1 <= size <= extent
