"""Partial sums: where they are made, that they mean the same, and that the order of additions stays."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import mpmd
from mpmd import Accum, In, InOut, Out, bf16, f32
from mpmd.lang.evaluate import evaluate
from mpmd.lang.program import Call, Node, Program, TileLoop, calls
from mpmd.lang.tile import Store, walk
from mpmd.lang.types import Direction
from mpmd.machine import Machine
from mpmd.partition.accumulate import accumulate
from mpmd.partition.sums import adding_up, storing
from tests.machines import toy
from tests.unit.tracing import traced

T, K, N = mpmd.dims("T K N")


def slow(cores: int) -> Machine:
    """Arithmetic is so slow that partial sums always pay."""
    return toy(cores, flops=1e6, task_seconds=0.0)


EAGER = slow(4)


@mpmd.task
def product(x: In[f32, T, K], w: In[f32, N, K], y: Accum[f32, T, N]):
    y[:] += x[:] @ w[:].T


@mpmd.task
def product_any(x: In[f32, T, K], w: In[f32, N, K], y: Accum(order="any")[f32, T, N]):
    y[:] += x[:] @ w[:].T


@mpmd.task
def rows(x: In[f32, T, K], y: Accum[f32, T], z: Accum[f32, ()]):
    for i in range(T):
        y[i] += x[i].sum()
        z[...] += x[i].max()


@mpmd.task
def narrow(x: In[bf16, T, K], y: Accum[bf16, T]):
    y[:] += x[:].sum(1)


@mpmd.task
def reset(y: Out[f32, T, N]):
    y[:] = mpmd.zeros((T, N), f32)


def kernels() -> dict[str, Any]:
    def whole(x: In[f32, 6, 40], w: In[f32, 5, 40], y: Accum[f32, 6, 5]):
        for k in mpmd.tiles(40, 16):
            product(x[:, k], w[:, k], y)

    def columns(x: In[f32, 6, 40], w: In[f32, 5, 40], y: Accum[f32, 6, 5]):
        for k in mpmd.tiles(40, 16):
            for n in mpmd.tiles(5, 3):
                product(x[:, k], w[n, k], y[:, n])

    def even(x: In[f32, 6, 40], w: In[f32, 5, 40], y: Accum[f32, 6, 5]):
        for k in mpmd.tiles(40, 20):
            for n in mpmd.tiles(4, 2):
                product(x[:, k], w[n, k], y[:, n])

    def nested(x: In[f32, 6, 40], w: In[f32, 5, 40], y: Accum[f32, 6, 5]):
        for k in mpmd.tiles(4, 2):
            for j in mpmd.tiles(10, 5):
                product(
                    x[:, k.index * 20 + j.start : k.index * 20 + j.start + 5], w[:, j.start : j.start + 5], y
                )

    def any_order(x: In[f32, 6, 40], w: In[f32, 5, 40], y: Accum[f32, 6, 5]):
        for k in mpmd.tiles(40, 4):
            product_any(x[:, k], w[:, k], y)

    def parts(x: In[f32, 6, 40], w: In[f32, 5, 40], y: Accum[f32, 6, 5]):
        for k in mpmd.split(3, 4):
            product(x[:, k], w[:, k], y)

    def two(x: In[f32, 6, 40], w: In[f32, 5, 40], y: Accum[f32, 6, 5]):
        for k in mpmd.tiles(40, 10):
            rows(x[:, k], y[:, 1], y[0, 0])

    def local(x: In[f32, 6, 40], w: In[f32, 5, 40], y: Accum[f32, 6, 5]):
        column, total = mpmd.empty((6, 1), f32), mpmd.empty((1, 1), f32)
        reset(column)
        reset(total)
        for k in mpmd.tiles(40, 10):
            rows(x[:, k], column[:, 0], total[0, 0])
        product(column, column[:5], y)
        product(total, total, y[:1, :1])

    return dict(locals())


def program_of(name: str) -> Program:
    return traced(kernels()[name], (6, 40), (5, 40), (6, 5))


def cut(name: str, cores: int = 4) -> Program:
    made = program_of(name)
    sizes = {loop.name: loop.size or 1 for loop in tile_loops(made.body)}
    return accumulate(made, slow(cores), sizes)


def tile_loops(body: tuple[Node, ...]) -> Iterator[TileLoop]:
    for node in body:
        if isinstance(node, TileLoop):
            yield node
        if not isinstance(node, Call):
            yield from tile_loops(node.body)


def results(made: Program) -> np.ndarray:
    random = np.random.default_rng(0)
    arrays = {
        "x": random.standard_normal((6, 40)),
        "w": random.standard_normal((5, 40)),
        "y": np.ones((6, 5)),
    }
    arguments = {name: array.astype(np.float32) for name, array in arrays.items()}
    evaluate(made, arguments)
    return arguments["y"]


@pytest.mark.parametrize("name", ["whole", "columns", "even", "nested", "any_order", "parts", "local"])
def test_partial_sums_mean_the_same(name: str) -> None:
    before, after = program_of(name), cut(name)
    assert after != before
    np.testing.assert_allclose(results(after), results(before), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["whole", "columns", "even", "nested"])
def test_one_addition_per_piece_gives_the_bits_of_the_program_as_written(name: str) -> None:
    np.testing.assert_array_equal(results(cut(name)), results(program_of(name)))


def tasks(made: Program) -> list[str]:
    return [call.task.name for call in calls(made.body)]


def test_each_piece_stores_into_a_sum_of_its_own_and_one_task_adds_them_up() -> None:
    made = cut("whole")
    assert tasks(made) == ["product_sum", "add_sums"]
    sums = made.tensors[-1]
    assert (sums.name, sums.shape, sums.direction) == ("y_sums", (3, 6, 5), None)
    product_sum, add_sums = made.tasks
    assert product_sum.param("y").direction is Direction.OUT
    assert not any(isinstance(s, Store) and s.accumulate for s in walk(product_sum.body))
    assert add_sums.param("y").direction is Direction.ACCUM


def test_loops_that_index_the_region_are_repeated_around_the_addition() -> None:
    made = cut("columns")
    assert [loop.name for loop in tile_loops(made.body)][:3] == ["k", "n", "n_sums"]
    assert made.tensors[-1].shape == (3, 6, 5)


def test_nested_loops_that_share_a_region_make_one_row_of_sums() -> None:
    assert cut("nested").tensors[-1].shape == (4, 6, 5)


def test_any_order_makes_at_most_as_many_sums_as_cores() -> None:
    made = cut("any_order")
    assert made.tensors[-1].shape == (4, 6, 5)  # ten pieces, three to a sum
    assert tasks(made) == ["zero_sums", "product_any", "add_sums"]
    assert cut("any_order", cores=3).tensors[-1].shape == (3, 6, 5)


def test_sums_are_cleared_where_pieces_may_be_missing() -> None:
    assert tasks(cut("parts")) == ["zero_sums", "product", "add_sums"]


def test_sums_of_narrow_floats_are_wide() -> None:
    stored = storing(narrow.definition, "y")
    assert stored.param("y").dtype is f32
    assert adding_up(bf16, 1, stored.span).param("sums").dtype is f32


def test_a_task_that_adds_piecewise_starts_from_zeros() -> None:
    stored = storing(rows.definition, "z")
    assert isinstance(stored.body[1], Store) and not stored.body[1].accumulate
    assert stored.param("y").direction is Direction.ACCUM


def test_one_core_one_piece_or_a_reader_in_the_loop_leaves_the_chain() -> None:
    def one(x: In[f32, 6, 40], w: In[f32, 5, 40], y: Accum[f32, 6, 5]):
        for k in mpmd.tiles(40, 40):
            product(x[:, k], w[:, k], y)

    def read(x: In[f32, 6, 40], w: In[f32, 5, 40], y: InOut[f32, 6, 5]):
        for k in mpmd.tiles(40, 10):
            product(x[:, k], w[:, k], y)
            product(y[:1], w[:, :5], y[1:2])

    def overlapping(x: In[f32, 6, 40], w: In[f32, 5, 40], y: Accum[f32, 6, 5]):
        for k in mpmd.tiles(40, 10):
            for n in mpmd.tiles(4, 1):
                product(x[:, k], w[n.start : n.start + 2, k], y[:, n.start : n.start + 2])

    def meeting(x: In[f32, 6, 40], w: In[f32, 5, 40], y: Accum[f32, 6, 5]):
        for k in mpmd.tiles(40, 10):
            for n in mpmd.tiles(2, 1):
                for m in mpmd.tiles(2, 1):
                    product(x[:, k], w[:1, k], y[:, n.start + m.start : n.start + m.start + 1])

    assert cut("whole", cores=1) == program_of("whole")
    for function in (one, read, overlapping, meeting):
        made = traced(function, (6, 40), (5, 40), (6, 5))
        sizes = {loop.name: loop.size or 1 for loop in tile_loops(made.body)}
        assert accumulate(made, EAGER, sizes) == made


def test_regions_that_keep_all_cores_busy_stay_as_they_are() -> None:
    def busy(x: In[f32, 6, 40], w: In[f32, 5, 40], y: Accum[f32, 6, 5]):
        for n in mpmd.tiles(4, 1):
            for k in mpmd.tiles(40, 10):
                product(x[:, k], w[n, k], y[:, n])

    made = traced(busy, (6, 40), (5, 40), (6, 5))
    sizes = {loop.name: loop.size or 1 for loop in tile_loops(made.body)}
    assert accumulate(made, EAGER, sizes) == made
    assert accumulate(made, slow(16), sizes) != made


def test_axes_of_which_the_region_takes_a_part_are_as_long_as_the_part() -> None:
    made = cut("two")
    assert [t.shape for t in made.tensors[3:]] == []  # both regions lie in one tensor: it stays a chain
    local = cut("local")
    assert [t.shape for t in local.tensors if t.name.endswith("_sums")] == [(4, 6, 1), (4, 1, 1)]
