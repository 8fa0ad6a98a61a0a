"""A reduction split into sums over pieces: the same up to the order of additions; else why not."""

from typing import Any

import numpy as np
import pytest

import mpmd
from mpmd import Accum, In, InOut, Out, f32, i32
from mpmd.lang.program import Program, calls
from mpmd.lang.types import TensorSpec
from mpmd.partition.rewrite.reason import Refused
from mpmd.partition.rewrite.split import split_reduction
from tests.unit.rewrite_kernels import (
    assert_same,
    assert_well_formed,
    from_place,
    gather_sum,
    gelu,
    id_of,
    linear,
    norm,
    results,
    row_sums,
    tasks_of,
)
from tests.unit.tracing import traced

T, H, N, K = mpmd.dims("T H N K")


@mpmd.task
def shifted(x: In[f32, T, K], w: In[f32, N, K], z: In[f32, T, N], bias: f32, y: Out[f32, T, N]):
    v = mpmd.exp(x[:] * 0.1) + bias
    y[:] = mpmd.sigmoid(v @ w[:].T) + z[:] * bias


@mpmd.task
def normed(x: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N]):
    v = x[:]
    y[:] = (v / v.max(1)[:, None]) @ w[:].T


@mpmd.task
def twice(x: In[f32, T, K], w: In[f32, N, K], v: In[f32, N, K], y: Out[f32, T, N]):
    y[:] = x[:] @ w[:].T + x[:] @ v[:].T


@mpmd.task
def added_in_place(x: In[f32, T, K], w: In[f32, N, K], y: InOut[f32, T, N]):
    y[:] += x[:] @ w[:].T


@mpmd.task
def counted(x: In[i32, T, K], w: In[i32, N, K], y: Out[i32, T, N]):
    y[:] = x[:] @ w[:].T


def plain(x: In[f32, 6, 200], w: In[f32, 40, 200], y: Out[f32, 6, 40]):
    linear(x, w, y)


def tiled(x: In[f32, 6, 200], w: In[f32, 40, 200], y: Out[f32, 6, 40]):
    for n in mpmd.tiles(40):
        linear(x, w[n], y[:, n])


def with_more(x: In[f32, 6, 200], w: In[f32, 40, 200], z: In[f32, 6, 40], y: Out[f32, 6, 40]):
    for n in mpmd.tiles(40, 16):
        shifted(x, w[n], z[:, n], 0.5, y[:, n])


def in_place(x: In[f32, 6, 200], w: In[f32, 40, 200], y: InOut[f32, 6, 40]):
    added_in_place(x, w, y)


def sums(x: In[f32, 6, 200], y: Out[f32, 6]):
    row_sums(x, y)


def accumulated(x: In[f32, 6, 200], w: In[f32, 40, 200], y: Accum[f32, 6, 40]):
    gather_sum(x, w, y)


def one_row(x: In[f32, 3, 6, 200], w: In[f32, 40, 200], y: Out[f32, 3, 6, 40]):
    for i in range(3):
        for n in mpmd.tiles(40):
            linear(x[i], w[n], y[i, :, n])


PLAIN = ((6, 200), (40, 200), (6, 40))
RIGHT: dict[str, tuple[Any, tuple[tuple[int, ...], ...], list[str]]] = {
    "plain": (plain, PLAIN, ["linear_part", "linear_rest"]),
    "tiled": (tiled, PLAIN, ["linear_part", "linear_rest"]),
    "with_more": (with_more, (*PLAIN[:2], (6, 40), (6, 40)), ["shifted_part", "shifted_rest"]),
    "in_place": (in_place, PLAIN, ["added_in_place_part", "added_in_place_rest"]),
    "sums": (sums, ((6, 200), (6,)), ["row_sums_part", "row_sums_rest"]),
    "accumulated": (accumulated, PLAIN, ["gather_sum_part", "gather_sum_rest"]),
}


@pytest.mark.parametrize("parts", [2, 3, 8])
@pytest.mark.parametrize("name", RIGHT)
def test_a_split_reduction_gives_the_same_up_to_rounding(name: str, parts: int) -> None:
    kernel, shapes, tasks = RIGHT[name]
    program = traced(kernel, *shapes)
    result = split_reduction(program, id_of(program, "y"), parts)
    assert isinstance(result, Program), result
    assert tasks_of(result) == tasks
    assert_well_formed(result)
    assert_same(program, result, tolerance=1e-4)


def test_integers_are_the_same_to_the_bit() -> None:
    def kernel(x: In[i32, 6, 200], w: In[i32, 40, 200], y: Out[i32, 6, 40]):
        counted(x, w, y)

    i32s = [TensorSpec(i32, shape) for shape in PLAIN]
    program = traced(kernel, *i32s)
    result = split_reduction(program, id_of(program, "y"), 4)
    assert isinstance(result, Program)
    for name, array in results(program).items():
        np.testing.assert_array_equal(results(result)[name], array)


def test_pieces_are_whole_vectors_and_the_last_one_may_be_short() -> None:
    program = traced(plain, *PLAIN)
    result = split_reduction(program, id_of(program, "y"), 3)
    assert isinstance(result, Program)
    loop, _ = result.body
    assert (loop.name, loop.size) == ("K_part", 80)  # type: ignore[union-attr]
    assert result.tensors[-1].name == "y_parts"
    assert result.tensors[-1].shape == (3, 6, 40)


def test_what_is_not_summed_is_done_once() -> None:
    program = traced(with_more, *PLAIN[:2], (6, 40), (6, 40))
    result = split_reduction(program, id_of(program, "y"), 2)
    assert isinstance(result, Program)
    part, rest = calls(result.body)
    assert [p.name for p in part.task.params] == ["x", "w", "bias", "sums"]
    assert [p.name for p in rest.task.params] == ["sums", "z", "bias", "y"]


# -- what is refused ------------------------------------------------------------------------------------


def normalised(x: In[f32, 6, 200], w: In[f32, 40, 200], y: Out[f32, 6, 40]):
    normed(x, w, y)


def two_products(x: In[f32, 6, 200], w: In[f32, 40, 200], y: Out[f32, 6, 40]):
    twice(x, w, w, y)


def by_place(x: In[f32, 6, 200], w: In[f32, 40, 200], y: Out[f32, 6, 40]):
    from_place(x, w, y)


def norm_alone(x: In[f32, 6, 200], w: In[f32, 200], y: Out[f32, 6, 200]):
    norm(x, w, y)


def no_sum(x: In[f32, 6, 200], w: In[f32, 40, 200], y: Out[f32, 6, 200]):
    gelu(x, y)


def by_rows_of_y(x: In[f32, 6, 200], w: In[f32, 40, 200], y: Out[f32, 6, 40]):
    linear(x[:3], w, y[:3])
    linear(x[3:], w, y[3:])


def placed(x: In[f32, 6, 200], w: In[f32, 40, 200], y: Out[f32, 6, 40]):
    linear(x, w, y, core=0)


def drained(x: In[f32, 6, 200], w: In[f32, 40, 200], y: Out[f32, 6, 40]):
    for n in mpmd.tiles(40, 8, drain=True):
        linear(x, w[n], y[:, n])


def short(x: In[f32, 6, 16], w: In[f32, 40, 16], y: Out[f32, 6, 40]):
    linear(x, w, y)


REFUSED: dict[str, tuple[Any, tuple[tuple[int, ...], ...], str]] = {
    "normalised": (normalised, PLAIN, "what it sums needs more than one piece of 'K' at once"),
    "two_products": (two_products, PLAIN, "it has more than one 'dot', or one in a loop or branch"),
    "by_place": (by_place, PLAIN, "what it sums needs more than one piece of 'K' at once"),
    "norm_alone": (
        norm_alone,
        ((6, 200), (200,), (6, 200)),
        "nothing that it writes has the extents of the sum",
    ),
    "no_sum": (no_sum, ((6, 200), (40, 200), (6, 200)), "it has no '@' and no sum"),
    "by_rows_of_y": (by_rows_of_y, PLAIN, "not one call makes 'y', but 2"),
    "placed": (placed, PLAIN, "the call asks for a place"),
    "drained": (drained, PLAIN, "the pieces of a drain are independent of each other"),
    "short": (short, ((6, 16), (40, 16), (6, 40)), "16 elements do not make 4 pieces of 16"),
    "one_row": (one_row, ((3, 6, 200), (40, 200), (3, 6, 40)), "not one call makes 'y', but 3"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_split_that_is_not_right_is_refused_with_a_reason(name: str) -> None:
    kernel, shapes, why = REFUSED[name]
    program = traced(kernel, *shapes)
    result = split_reduction(program, id_of(program, "y"), 4)
    assert isinstance(result, Refused)
    assert str(result) == why
