"""Recomputing a cheap producer in its readers: where it is right the program means the same; else why not."""

from typing import Any

import pytest

import mpmd
from mpmd import In, InOut, Out, f32
from mpmd.lang.program import Program, calls
from mpmd.partition.rewrite.reason import Refused
from mpmd.partition.rewrite.recompute import recomputed
from tests.unit.rewrite_kernels import (
    add,
    assert_same,
    assert_well_formed,
    by_rows,
    gelu,
    id_of,
    linear,
    norm,
    scale,
    tasks_of,
)
from tests.unit.tracing import traced


def one_reader(x: In[f32, 16, 24], g: In[f32, 24], w: In[f32, 96, 24], y: Out[f32, 16, 96]):
    h = mpmd.empty((16, 24), f32)
    norm(x, g, h)
    for n in mpmd.tiles(96):
        linear(h, w[n], y[:, n])


def in_pieces(x: In[f32, 16, 24], g: In[f32, 24], w: In[f32, 96, 24], y: Out[f32, 16, 96]):
    h = mpmd.empty((16, 24), f32)
    for t in mpmd.tiles(16):
        norm(x[t], g, h[t])
    for u in mpmd.tiles(16, 4):
        for n in mpmd.tiles(96):
            linear(h[u], w[n], y[u, n])


def two_readers(x: In[f32, 16, 24], g: In[f32, 24], w: In[f32, 96, 24], y: Out[f32, 16, 96]):
    h = mpmd.empty((16, 24), f32)
    a = mpmd.empty((16, 96), f32)
    norm(x, g, h)
    for n in mpmd.tiles(96):
        linear(h, w[n], a[:, n])
    for n in mpmd.tiles(96):
        add(a[:, n], a[:, n], y[:, n])
    gelu(h, a[:, :24])


def in_a_loop(x: In[f32, 16, 24], g: In[f32, 24], w: In[f32, 24, 24], y: InOut[f32, 16, 24]):
    h = mpmd.empty((16, 24), f32)
    norm(x, g, h)
    for _ in mpmd.loop(3):
        for n in mpmd.tiles(24):
            linear(h, w[n], y[:, n])


SHAPES = ((16, 24), (24,), (96, 24), (16, 96))
RIGHT: dict[str, tuple[Any, tuple[tuple[int, ...], ...], list[str]]] = {
    "one_reader": (one_reader, SHAPES, ["norm_linear"]),
    "in_pieces": (in_pieces, SHAPES, ["norm_linear"]),
    "two_readers": (two_readers, SHAPES, ["norm_linear", "add", "norm_gelu"]),
    "in_a_loop": (in_a_loop, ((16, 24), (24,), (24, 24), (16, 24)), ["norm_linear"]),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_recomputed_producer_gives_the_same(name: str) -> None:
    kernel, shapes, tasks = RIGHT[name]
    program = traced(kernel, *shapes)
    result = recomputed(program, id_of(program, "h"))
    assert isinstance(result, Program), result
    assert tasks_of(result) == tasks
    assert_well_formed(result)
    assert_same(program, result, tile=4)


def test_the_readers_take_what_the_producer_took() -> None:
    program = traced(one_reader, *SHAPES)
    result = recomputed(program, id_of(program, "h"))
    assert isinstance(result, Program)
    (call,) = calls(result.body)
    assert [param.name for param in call.task.params] == ["x", "gain", "w", "y_2"]


# -- what is refused ------------------------------------------------------------------------------------


def input_written(x: InOut[f32, 16, 24], g: In[f32, 24], w: In[f32, 24, 24], y: Out[f32, 16, 24]):
    h = mpmd.empty((16, 24), f32)
    norm(x, g, h)
    linear(h, w, y)
    for n in mpmd.tiles(24):
        linear(h, w[n], x[:, n])


def other_pieces(x: In[f32, 16, 24], g: In[f32, 24], w: In[f32, 24, 24], y: Out[f32, 16, 24]):
    h = mpmd.empty((16, 24), f32)
    for t in mpmd.tiles(16, 4):
        norm(x[t], g, h[t])
    linear(h, w, y)


def half_read(x: In[f32, 16, 24], g: In[f32, 24], w: In[f32, 24, 24], y: Out[f32, 8, 24]):
    h = mpmd.empty((16, 24), f32)
    norm(x, g, h)
    linear(h[:8], w, y)


def seen_outside(x: In[f32, 16, 24], g: In[f32, 24], h: Out[f32, 16, 24], y: Out[f32, 16, 24]):
    norm(x, g, h)
    scale(h, 2.0, y)


def stored_in_parts(x: In[f32, 16, 24], g: In[f32, 24], w: In[f32, 24, 24], y: Out[f32, 16, 24]):
    h = mpmd.empty((16, 24), f32)
    by_rows(x, h)
    for n in mpmd.tiles(24):
        linear(h, w[n], y[:, n])


def iteration_before(x: In[f32, 16, 24], g: In[f32, 24], w: In[f32, 24, 24], y: InOut[f32, 16, 24]):
    h = mpmd.empty((16, 24), f32)
    scale(x, 1.0, h)
    for _ in mpmd.loop(3):
        linear(h, w, y)
        norm(y, g, h)


SQUARE = ((16, 24), (24,), (24, 24), (16, 24))
REFUSED: dict[str, tuple[Any, tuple[tuple[int, ...], ...], str]] = {
    "input_written": (
        input_written,
        SQUARE,
        "'h' is made from 'x', which is written before all have read it",
    ),
    "other_pieces": (other_pieces, SQUARE, "'h' is not made in pieces of 't' that are those read"),
    "half_read": (
        half_read,
        ((16, 24), (24,), (24, 24), (8, 24)),
        "'h' is not read in the parts in which it is made",
    ),
    "seen_outside": (
        seen_outside,
        ((16, 24), (24,), (16, 24), (16, 24)),
        "'h' is seen by more than calls of the kernel",
    ),
    "stored_in_parts": (
        stored_in_parts,
        SQUARE,
        "'h' cannot be passed on as a value: it is stored or read in parts",
    ),
    "iteration_before": (iteration_before, SQUARE, "'h' is not made by one call for others"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_recomputed_is_refused_with_a_reason(name: str) -> None:
    kernel, shapes, why = REFUSED[name]
    program = traced(kernel, *shapes)
    result = recomputed(program, id_of(program, "h"))
    assert isinstance(result, Refused)
    assert str(result) == why
