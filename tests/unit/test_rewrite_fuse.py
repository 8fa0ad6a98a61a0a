"""Fusing a producer into its consumer: where it is right the program means the same; else why not."""

from typing import Any

import pytest

import mpmd
from mpmd import Accum, In, InOut, Out, bf16, f32
from mpmd.lang.program import Program, calls
from mpmd.partition.rewrite.fuse import fused
from mpmd.partition.rewrite.reason import Refused
from tests.unit.rewrite_kernels import (
    add,
    assert_same,
    assert_well_formed,
    bump,
    by_rows,
    gather_sum,
    gelu,
    halves,
    id_of,
    linear,
    narrowed,
    norm,
    scale,
    tasks_of,
    widened,
)
from tests.unit.tracing import traced


def side_by_side(x: In[f32, 8, 96], y: Out[f32, 8, 96]):
    h = mpmd.empty((8, 96), f32)
    for t in mpmd.tiles(96):
        scale(x[:, t], 2.0, h[:, t])
    for u in mpmd.tiles(96):
        gelu(h[:, u], y[:, u])


def one_body(x: In[f32, 8, 96], y: Out[f32, 8, 96]):
    h = mpmd.empty((8, 96), f32)
    for t in mpmd.tiles(96, 32):
        scale(x[:, t], 2.0, h[:, t])
        gelu(h[:, t], y[:, t])


def open_and_fixed(x: In[f32, 8, 96], y: Out[f32, 8, 96]):
    h = mpmd.empty((8, 96), f32)
    for t in mpmd.tiles(96):
        scale(x[:, t], 2.0, h[:, t])
    for u in mpmd.tiles(96, 32):
        gelu(h[:, u], y[:, u])


def nested(x: In[f32, 8, 96], y: Out[f32, 8, 96]):
    h = mpmd.empty((8, 96), f32)
    for a in mpmd.tiles(8, 4):
        for t in mpmd.tiles(96):
            scale(x[a, t], 2.0, h[a, t])
    for b in mpmd.tiles(8, 4):
        for u in mpmd.tiles(96):
            gelu(h[b, u], y[b, u])


def others_read(x: In[f32, 8, 96], y: Out[f32, 8, 96], z: Out[f32, 8, 96]):
    h = mpmd.empty((8, 96), f32)
    for t in mpmd.tiles(96):
        scale(x[:, t], 2.0, h[:, t])
    for u in mpmd.tiles(96):
        gelu(h[:, u], y[:, u])
    scale(h, 3.0, z)


def something_between(x: In[f32, 8, 96], y: Out[f32, 8, 96], z: Out[f32, 8, 96]):
    h = mpmd.empty((8, 96), f32)
    for t in mpmd.tiles(96):
        scale(x[:, t], 2.0, h[:, t])
    scale(x, 3.0, z)
    for u in mpmd.tiles(96):
        gelu(h[:, u], y[:, u])


def residual(x: In[f32, 8, 96], y: Out[f32, 8, 96]):
    h = mpmd.empty((8, 96), f32)
    for t in mpmd.tiles(96):
        scale(x[:, t], 2.0, h[:, t])
    for u in mpmd.tiles(96):
        add(x[:, u], h[:, u], y[:, u])


def parts(x: In[f32, 8, 8], y: Out[f32, 8, 8]):
    h = mpmd.empty((8, 8), f32)
    scale(x, 2.0, h)
    halves(h, y)


def stored_by_rows(x: In[f32, 8, 96], y: Out[f32, 8, 96]):
    h = mpmd.empty((8, 96), f32)
    by_rows(x, h)
    gelu(h, y)


def narrow_store(x: In[f32, 8, 96], y: Out[f32, 8, 96]):
    h = mpmd.empty((8, 96), bf16)
    narrowed(x, h)
    widened(h, y)


def in_place(x: InOut[f32, 8, 96]):
    for t in mpmd.tiles(96):
        bump(x[:, t])
    for u in mpmd.tiles(96):
        bump(x[:, u])


def into_sums(x: In[f32, 8, 96], w: In[f32, 5, 96], y: Accum[f32, 8, 5]):
    h = mpmd.empty((8, 96), f32)
    for t in mpmd.tiles(96, 32):
        gelu(x[:, t], h[:, t])
    for u in mpmd.tiles(96, 32):
        gather_sum(h[:, u], w[:, u], y)


def repeated(x: InOut[f32, 8, 96]):
    h = mpmd.empty((8, 96), f32)
    for _ in mpmd.loop(3):
        for t in mpmd.tiles(96):
            scale(x[:, t], 0.5, h[:, t])
        for u in mpmd.tiles(96):
            gelu(h[:, u], x[:, u])


WIDE, SMALL = (8, 96), (8, 8)
RIGHT: dict[str, tuple[Any, tuple[tuple[int, ...], ...], str, list[str]]] = {
    "side_by_side": (side_by_side, (WIDE, WIDE), "h", ["scale_gelu"]),
    "one_body": (one_body, (WIDE, WIDE), "h", ["scale_gelu"]),
    "open_and_fixed": (open_and_fixed, (WIDE, WIDE), "h", ["scale_gelu"]),
    "nested": (nested, (WIDE, WIDE), "h", ["scale_gelu"]),
    "others_read": (others_read, (WIDE, WIDE, WIDE), "h", ["scale_gelu", "scale"]),
    "something_between": (something_between, (WIDE, WIDE, WIDE), "h", ["scale_gelu", "scale"]),
    "residual": (residual, (WIDE, WIDE), "h", ["scale_add"]),
    "parts": (parts, (SMALL, SMALL), "h", ["scale_halves"]),
    "stored_by_rows": (stored_by_rows, (WIDE, WIDE), "h", ["by_rows_gelu"]),
    "narrow_store": (narrow_store, (WIDE, WIDE), "h", ["narrowed_widened"]),
    "in_place": (in_place, (WIDE,), "x", ["bump_bump"]),
    "into_sums": (into_sums, (WIDE, (5, 96), (8, 5)), "h", ["gelu_gather_sum"]),
    "repeated": (repeated, (WIDE,), "h", ["scale_gelu"]),
}


def made(kernel: Any, shapes: tuple[tuple[int, ...], ...], tensor: str) -> tuple[Program, Program]:
    program = traced(kernel, *shapes)
    result = fused(program, id_of(program, tensor))
    assert isinstance(result, Program), result
    return program, result


@pytest.mark.parametrize("name", RIGHT)
def test_a_fused_program_means_the_same(name: str) -> None:
    kernel, shapes, tensor, tasks = RIGHT[name]
    program, result = made(kernel, shapes, tensor)
    assert tasks_of(result) == tasks
    assert_well_formed(result)
    assert_same(program, result, tile=32)


def test_a_tile_that_nobody_else_reads_is_not_stored() -> None:
    _, result = made(side_by_side, (WIDE, WIDE), "h")
    (call,) = calls(result.body)
    assert [param.name for param in call.task.params] == ["x", "factor", "y_2"]


def test_a_tile_that_others_read_stays_stored() -> None:
    _, result = made(others_read, (WIDE, WIDE, WIDE), "h")
    first, _ = calls(result.body)
    assert [param.name for param in first.task.params] == ["x", "factor", "y", "y_2"]


def test_an_argument_that_both_read_is_one_parameter() -> None:
    _, result = made(residual, (WIDE, WIDE), "h")
    (call,) = calls(result.body)
    assert [param.name for param in call.task.params] == ["x", "factor", "y_2"]


def test_every_statement_keeps_the_line_of_the_user() -> None:
    program, result = made(side_by_side, (WIDE, WIDE), "h")
    (call,) = calls(result.body)
    lines = {stmt.span for task in program.tasks for stmt in task.body}
    assert {stmt.span for stmt in call.task.body} <= lines


def test_the_same_two_tasks_make_the_same_task() -> None:
    def layers(x: In[f32, 8, 96], y: Out[f32, 8, 96]):
        a = mpmd.empty((8, 96), f32)
        b = mpmd.empty((8, 96), f32)
        c = mpmd.empty((8, 96), f32)
        for t in mpmd.tiles(96):
            scale(x[:, t], 2.0, a[:, t])
        for t in mpmd.tiles(96):
            gelu(a[:, t], b[:, t])
        for t in mpmd.tiles(96):
            scale(b[:, t], 2.0, c[:, t])
        for t in mpmd.tiles(96):
            gelu(c[:, t], y[:, t])

    program, once = made(layers, (WIDE, WIDE), "a")
    twice = fused(once, id_of(once, "c"))
    assert isinstance(twice, Program)
    assert len(twice.tasks) == 1
    assert_same(program, twice)


# -- what is refused ------------------------------------------------------------------------------------


def whole_consumer(x: In[f32, 8, 96], w: In[f32, 96, 96], y: Out[f32, 8, 96]):
    h = mpmd.empty((8, 96), f32)
    for t in mpmd.tiles(96):
        scale(x[:, t], 2.0, h[:, t])
    for u in mpmd.tiles(96):
        linear(h, w[u], y[:, u])


def other_sizes(x: In[f32, 8, 96], y: Out[f32, 8, 96]):
    h = mpmd.empty((8, 96), f32)
    for t in mpmd.tiles(96, 32):
        scale(x[:, t], 2.0, h[:, t])
    for u in mpmd.tiles(96, 48):
        gelu(h[:, u], y[:, u])


def other_loops(x: In[f32, 8, 96], y: Out[f32, 8, 96]):
    h = mpmd.empty((8, 96), f32)
    for t in mpmd.tiles(96):
        scale(x[:, t], 2.0, h[:, t])
    gelu(h, y)


def drained(x: In[f32, 8, 96], y: Out[f32, 8, 96]):
    h = mpmd.empty((8, 96), f32)
    for t in mpmd.tiles(96, 32, drain=True):
        scale(x[:, t], 2.0, h[:, t])
    for u in mpmd.tiles(96, 32, drain=True):
        gelu(h[:, u], y[:, u])


def placed(x: In[f32, 8, 96], y: Out[f32, 8, 96]):
    h = mpmd.empty((8, 96), f32)
    scale(x, 2.0, h, core=0)
    gelu(h, y, core=1)


def other_part(x: In[f32, 8, 96], y: Out[f32, 8, 48]):
    h = mpmd.empty((8, 96), f32)
    scale(x, 2.0, h)
    gelu(h[:, :48], y)


def overwritten(x: InOut[f32, 8, 96], y: Out[f32, 8, 96]):
    h = mpmd.empty((8, 96), f32)
    for t in mpmd.tiles(96):
        gelu(x[:, t], h[:, t])
    scale(h, 2.0, x)
    for u in mpmd.tiles(96):
        add(h[:, u], x[:, u], y[:, u])


REFUSED: dict[str, tuple[Any, tuple[tuple[int, ...], ...], str]] = {
    "whole_consumer": (
        whole_consumer,
        (WIDE, (96, 96), WIDE),
        "a piece of 'u' needs other pieces of 'h' than its own",
    ),
    "other_sizes": (other_sizes, (WIDE, WIDE), "'t' and 'u' have pieces of different sizes"),
    "other_loops": (other_loops, (WIDE, WIDE), "they do not stand in the same loops"),
    "drained": (drained, (WIDE, WIDE), "the pieces of a drain are taken by ticket"),
    "placed": (placed, (WIDE, WIDE), "the two calls ask for different places"),
    "other_part": (
        other_part,
        (WIDE, (8, 48)),
        "the two use regions of 'h' that are neither one nor apart",
    ),
    "overwritten": (overwritten, (WIDE, WIDE), "they do not stand in the same loops"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_fusion_that_is_not_right_is_refused_with_a_reason(name: str) -> None:
    kernel, shapes, why = REFUSED[name]
    program = traced(kernel, *shapes)
    result = fused(program, id_of(program, "h"))
    assert isinstance(result, Refused)
    assert str(result) == why


def test_nodes_between_that_need_the_first_and_are_needed_by_the_second_are_in_the_way() -> None:
    def kernel(x: InOut[f32, 8, 96], z: InOut[f32, 8, 96]):
        for t in mpmd.tiles(96):
            gelu(x[:, t], z[:, t])
        scale(z, 2.0, x)
        for u in mpmd.tiles(96):
            gelu(x[:, u], z[:, u])

    program = traced(kernel, WIDE, WIDE)
    (first, between, second) = program.body
    assert isinstance(fused(program, id_of(program, "x")), Refused)
    assert isinstance(fused(program, id_of(program, "z")), Refused)
    assert (first, between, second) == program.body


def test_norm_in_front_of_a_product_over_the_same_rows() -> None:
    def kernel(x: In[f32, 16, 24], g: In[f32, 24], w: In[f32, 8, 24], y: Out[f32, 16, 8]):
        h = mpmd.empty((16, 24), f32)
        for t in mpmd.tiles(16):
            norm(x[t], g, h[t])
        for u in mpmd.tiles(16):
            linear(h[u], w, y[u])

    program, result = made(kernel, ((16, 24), (24,), (8, 24), (16, 8)), "h")
    assert tasks_of(result) == ["norm_linear"]
    assert_well_formed(result)
    assert_same(program, result, tile=4)
