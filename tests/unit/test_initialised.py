"""Elements that no call writes: `Out` arguments wholly written, reads of what surely nobody wrote."""

import itertools
import random

import numpy as np
import pytest

import mpmd
from mpmd import In, InOut, Out, f32, i32
from mpmd.errors import DirectionError
from mpmd.lang.kernel.boxes import apart, left_out, whole
from tests.unit.tracing import declared, refusal, traced

M, N = mpmd.dims("M N")


@mpmd.task
def copy(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[:]


@declared
def update(y: InOut[f32, N]): ...


@declared
def look(x: In[f32, N], i: i32, y: Out[f32, N]): ...


# -- boxes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_what_boxes_leave_out_is_what_no_element_of_them_is(seed):
    rng = random.Random(seed)
    for _ in range(200):
        shape = [rng.randint(0, 7) for _ in range(rng.randint(0, 3))]
        drawn = [tuple(_part(rng, n) for n in shape) for _ in range(rng.randint(1, 5))]
        wanted, *boxes = [whole(shape), *drawn] if rng.random() < 0.5 else drawn
        missing = _mask(shape, [wanted]) & ~_mask(shape, boxes)
        part = left_out(wanted, boxes)
        assert (part is not None) == missing.any()
        if part is not None:
            assert missing[np.ix_(*part)].all()
        if apart(wanted, boxes):
            assert (missing == _mask(shape, [wanted])).all() and missing.any()


def _part(rng: random.Random, extent: int) -> range:
    start, step = rng.randint(0, extent), rng.randint(1, 3)
    return range(start, start + rng.randint(0, -(-(extent - start) // step)) * step, step)


def _mask(shape, boxes):
    mask = np.zeros(shape, bool)
    for box in boxes:
        for element in itertools.product(*([i for i in r if i < n] for r, n in zip(box, shape, strict=True))):
            mask[element] = True
    return mask


def test_a_strided_range_need_not_end_where_its_last_step_does():
    assert left_out((range(8),), [(range(0, 8, 2),), (range(1, 9, 2),)]) is None
    assert left_out((range(8),), [(range(0, 8, 2),), (range(3, 9, 2),)]) == (range(1, 2),)


# -- outputs ----------------------------------------------------------------------------------------


def test_an_output_written_in_part_is_refused():
    def kernel(x: In[f32, M, N], y: Out[f32, M, N]):
        for i in mpmd.loop(M - 1):
            for t in mpmd.tiles(N):
                copy(x[i, t], y[i, t])

    assert refusal(DirectionError, lambda: traced(kernel, (3, 8), (3, 8))) == [
        "'y' is Out, but no call of 'kernel' writes y[2, 0:8]",
        "y: written in part",
        "write all of it, or declare 'y' as InOut: what is not written then survives",
    ]


def test_every_second_element_is_not_every_element():
    def half(x: In[f32, M], y: Out[f32, N]):
        copy(x, y[::2])

    def both(x: In[f32, M], y: Out[f32, N]):
        copy(x, y[::2])
        copy(x, y[1::2])

    assert refusal(DirectionError, lambda: traced(half, (4,), (8,)))[0] == (
        "'y' is Out, but no call of 'half' writes y[1]"
    )
    traced(both, (4,), (8,))


def test_a_loop_that_stops_early_leaves_elements_unwritten():
    def kernel(x: In[f32, N], y: Out[f32, N]):
        for t in mpmd.tiles(N - 1, 4):
            copy(x[t], y[t])

    assert refusal(DirectionError, lambda: traced(kernel, (9,), (9,)))[0] == (
        "'y' is Out, but no call of 'kernel' writes y[8]"
    )


def test_parts_that_make_up_the_whole_are_accepted():
    def parts(x: In[f32, N], y: Out[f32, N]):
        copy(x[:3], y[:3])
        copy(x[3:], y[3:])

    def rows(x: In[f32, N], y: Out[f32, M, N]):
        for i in mpmd.loop(M):
            copy(x, y[i])

    def flat(x: In[f32, N], y: Out[f32, M, N]):
        copy(x[:8], y.reshape(16)[:8])

    traced(parts, (8,), (8,))
    traced(rows, (8,), (2, 8))
    traced(flat, (8,), (2, 8))  # parts of a reshaped tensor are not looked into


def test_what_a_launch_decides_is_not_refused():
    def kernel(x: In[f32, N], pos: i32, y: Out[f32, N]):
        copy(x[:pos], y[:pos])

    traced(kernel, (8,), None, (8,))


# -- reads ------------------------------------------------------------------------------------------


def test_a_read_of_elements_that_nobody_wrote_is_refused():
    def kernel(x: In[f32, N], y: Out[f32, N]):
        h = mpmd.empty(N, f32)
        copy(x[:4], h[:4])
        copy(h, y)

    assert refusal(DirectionError, lambda: traced(kernel, (8,), (8,))) == [
        "'h' at [4:8] is read before any call of 'kernel' has written it",
        "copy(h, y): 'copy' reads it as 'x'",
        "call a task that writes 'h' first",
    ]


def test_the_first_iteration_reads_what_was_written_before_the_loop():
    def kernel(x: In[f32, N], y: Out[f32, N]):
        h = mpmd.empty((2, N), f32)
        copy(x, h[1])
        for i in mpmd.loop(2):
            update(h[i % 2])
        copy(h[1], y)

    assert refusal(DirectionError, lambda: traced(kernel, (8,), (8,)))[0] == (
        "'h' at [0, 0:8] is read before any call of 'kernel' has written it"
    )


def test_a_task_that_may_read_less_than_it_is_given_is_not_refused():
    def kernel(x: In[f32, N], y: Out[f32, N]):
        h = mpmd.empty(N, f32)
        copy(x[:4], h[:4])
        look(h, 3, y)

    traced(kernel, (8,), (8,))


def test_earlier_iterations_may_have_written_it():
    def kernel(x: In[f32, N], y: Out[f32, N]):
        h = mpmd.empty((4, N), f32)
        copy(x, h[0])
        for i in mpmd.loop(3):
            copy(h[i], h[i + 1])
        copy(h[3], y)

    traced(kernel, (8,), (8,))
