"""What runtime and ragged pieces, early ends and placement mean: evaluator and debugger, side by side."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mpmd
from mpmd import In, InOut, Out, f32, i32
from mpmd.errors import BoundsError, Diagnostic
from mpmd.lang.evaluate import evaluate
from mpmd.lang.kernel.trace import trace
from mpmd.pipeline import specs_of

N, K = mpmd.dims("N K")


@mpmd.task
def mark(at: i32, y: InOut[f32, N]):
    """Adds 1 and a trace of which piece it was."""
    y[:] = y[:] + 1 + 100 * at


@mpmd.task
def count(limit: i32, n: InOut[i32, 2]):
    n[0] = n[0] + 1
    n[1] = n[0] - limit


@mpmd.kernel
def tiled(y: InOut[f32, N], n: i32):
    for t in mpmd.tiles(n, 4, most=9):
        mark(t.index, y[t])


@mpmd.kernel
def parted(y: InOut[f32, N], n: i32):
    for p in mpmd.split(n, 3):
        for t in mpmd.tiles(p, 2):
            mark(p.index, y[t], on="core", core=p.index % 2, near=y)


@mpmd.kernel
def ragged(y: InOut[f32, N], offsets: In[i32, K]):
    for s in mpmd.segments(offsets, 4):
        for t in mpmd.tiles(s, 3):
            mark(s.index, y[t])


@mpmd.kernel
def counted(counts: InOut[i32, 2], n: i32, limit: i32):
    for _ in mpmd.loop(n, until=counts[1]):
        count(limit, counts)


def outcome(run: Any, arguments: dict[str, Any]) -> Any:
    """The first argument after the run; the message of what was refused."""
    given = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
    try:
        run(given)
    except BoundsError as error:
        beyond = "outside axis 0" in error.message or "out of bounds for axis 0" in error.message
        return "beyond the axis" if beyond else error.message  # the debugger indexes with numbers
    return next(iter(given.values())).tolist()


def both(kernel: Any, **arguments: Any) -> Any:
    program = trace(kernel.function, specs_of(kernel, arguments))
    result = outcome(lambda given: evaluate(program, given), arguments)
    assert outcome(lambda given: mpmd.debug(kernel)(**given), arguments) == result
    return result


def test_tiles_reach_the_runtime_extent_and_no_further() -> None:
    y = np.zeros(10, np.float32)
    assert both(tiled, y=y, n=6) == [1, 1, 1, 1, 101, 101, 0, 0, 0, 0]
    assert both(tiled, y=y, n=0) == [0] * 10


def test_a_runtime_extent_keeps_its_bounds() -> None:
    y = np.zeros(10, np.float32)
    assert both(tiled, y=y, n=10) == "the extent of mpmd.tiles is 10, which is more than 9"
    assert both(tiled, y=y, n=-1) == "the extent of mpmd.tiles is -1, which is negative"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 12))
def test_parts_are_even_and_those_without_elements_are_skipped(n: int) -> None:
    expected = [0.0] * 12
    for k in range(3):
        for i in range(n * k // 3, n * (k + 1) // 3):
            expected[i] = 1 + 100 * k
    assert both(parted, y=np.zeros(12, np.float32), n=n) == expected


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=5), st.integers(0, 3))
def test_segments_are_between_their_offsets(sizes: list[int], start: int) -> None:
    offsets = np.array([start, *(start + np.cumsum(sizes))], np.int32)
    expected = np.zeros(24, np.float32)
    for k in range(len(sizes)):
        expected[offsets[k] : offsets[k + 1]] = 1 + 100 * k
    assert both(ragged, y=np.zeros(24, np.float32), offsets=offsets) == expected.tolist()


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        ([0, 3, 2], "the offsets 'offsets' fall from 3 to 2 at segment 1"),
        ([0, 5], "segment 0 of 'offsets' has 5 elements, its capacity is 4"),
        ([-1, 2], "segment 0 of 'offsets' starts at -1"),
        ([6, 9], "beyond the axis"),
    ],
)
def test_offsets_that_break_their_law_end_the_launch(offsets: list[int], message: str) -> None:
    assert both(ragged, y=np.zeros(8, np.float32), offsets=np.array(offsets, np.int32)) == message


def test_a_loop_ends_after_the_iteration_that_sets_its_flag() -> None:
    counts = np.array([0, 0], np.int32)
    assert both(counted, counts=counts, n=9, limit=3) == [1, -2]  # any number but zero ends it
    assert both(counted, counts=counts, n=9, limit=1)[0] == 2
    assert both(counted, counts=counts, n=1, limit=1) == [1, 0]
    assert both(counted, counts=counts, n=-4, limit=1) == [0, 0]


@mpmd.task
def advance(offsets: InOut[i32, K]):
    offsets[1] = offsets[1] + 1


@mpmd.kernel
def moving(y: InOut[f32, N], offsets: InOut[i32, K]):
    for s in mpmd.segments(offsets, 4):
        advance(offsets)
        mark(s.index, y[s])


def test_offsets_are_read_when_their_piece_starts() -> None:
    """The first piece was 0 to 2 when it started; the second then starts at 3."""
    offsets = np.array([0, 2, 6], np.int32)
    assert both(moving, y=np.zeros(8, np.float32), offsets=offsets) == [1, 1, 0, 101, 101, 101, 0, 0]


@mpmd.kernel
def inner(x: In[f32, N], n: i32, y: InOut[f32, N]):
    """A kernel with loops of its own, over what its caller passes."""
    for t in mpmd.tiles(n, 2):
        double(x[t], y[t])
    for _ in mpmd.loop(n):
        mark(0, y[:1])


@mpmd.task
def double(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[:] * 2


@mpmd.kernel
def outer(y: InOut[f32, 3, N], x: In[f32, 3, N], n: i32):
    for i in mpmd.loop(3):
        inner(x[i], n - i, y[i])
    for t in mpmd.tiles(n, 4):
        for k in range(2):
            inner(x[k, t], t.size, y[2, t])


def test_kernels_call_kernels_with_views_pieces_and_runtime_scalars() -> None:
    x = np.arange(18, dtype=np.float32).reshape(3, 6)
    expected = np.zeros((3, 6), np.float32)

    def one(x: np.ndarray, n: int, y: np.ndarray) -> None:
        y[:n] = 2 * x[:n]
        y[0] += max(0, n)

    for i in range(3):
        one(x[i], 5 - i, expected[i])
    for start, stop in ((0, 4), (4, 5)):
        for k in range(2):
            one(x[k, start:stop], stop - start, expected[2, start:stop])
    assert both(outer, y=np.zeros((3, 6), np.float32), x=x, n=5) == expected.tolist()


def test_refusals_of_a_launch_show_the_users_line() -> None:
    with pytest.raises(Diagnostic) as caught:
        mpmd.debug(tiled)(np.zeros(10, np.float32), 10)
    lines = [line.partition("| ")[2] or line.strip() for line in str(caught.value).splitlines()[2:]]
    assert lines == [
        "    for t in mpmd.tiles(n, 4, most=9):",
        "^^^^^^^^^^^^^^^^^^^^^^^^ 10 elements here",
        "hint: 'most' bounds a runtime extent; without it, the shortest axis that the pieces index",
    ]
