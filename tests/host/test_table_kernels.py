"""Loops, late rows, drains and rings in the pool: many launches in a row, and launches that end early."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mpmd.errors import ArgumentError, BoundsError, LaunchError
from tests.host.assembly import BARRIER, NEVER, RUN, SIGNAL, WAIT, load, loop
from tests.host.table_kernels import CASES, PUT, RECEIVE, SEND, guarded, piped, ragged, source, words
from tests.tables import Sections

pytestmark = pytest.mark.usefixtures("short_patience")

LAUNCHES = 50


@pytest.mark.parametrize("name", CASES)
def test_every_launch_ends_as_expected(name):
    case = CASES[name]
    run = load(case.source)
    for launch in range(LAUNCHES):
        arrays = {key: array.copy() for key, array in case.arrays.items()}
        run(*arrays.values(), *case.scalars.values())
        for key, expected in case.after.items():
            np.testing.assert_array_equal(arrays[key], expected, err_msg=f"{key}, launch {launch}")


def test_a_launch_that_ended_early_leaves_nothing():
    """Iterations, tickets and tokens are counted from zero again."""
    case = guarded()
    run = load(case.source)
    for _ in range(3):
        for n, breaks in ((3, False), (9, True), (3, False)):
            y = words(100)
            if breaks:
                with pytest.raises(BoundsError):
                    run(y, n)
            else:
                run(y, n)
                assert y[0] == 100 + 7 + 8 + 9


def test_a_breach_of_a_late_guard_ends_the_launch_at_the_users_line():
    case = ragged((0, 3, 2, 5))
    run = load(case.source)
    arrays = {key: array.copy() for key, array in case.arrays.items()}
    with pytest.raises(BoundsError) as caught:
        run(*arrays.values())
    assert str(caught.value) == "\n".join(
        [
            "error[bounds]: it does not hold that a segment of 'offsets' has 0 to 8 elements",
            "  --> kernel.py:7:5",
            "  hint: what the kernel writes may be partly written",
        ]
    )
    assert arrays["y"][:3].tolist() == [3, -1, -1]


def test_a_value_that_leaves_64_bits_ends_the_launch():
    made = source(
        [[(RUN, 0, 0)]],
        [(PUT, (0, 0, 0))],
        {"y": words(0)},
        scalars=("n",),
        programs=[[(4, (0, ((0, 1),)), (0, ((0, 1),)))]],
        row_program={0: 0},
    )
    run = load(made)
    run(words(0), 2**31)
    with pytest.raises(ArgumentError, match="are too large: an offset leaves 64 bits"):
        run(words(0), 2**32)


def test_a_loop_that_would_wrap_its_counters_is_refused():
    made = source(
        [loop(0, (SIGNAL, 0, 1)), loop(0, (WAIT, 0, 1))],
        [],
        {"y": words(0)},
        scalars=("n",),
        events=1,
        loops=[((0, ((0, 1),)), NEVER)],
    )
    run = load(made)
    run(words(0), 3)
    with pytest.raises(LaunchError) as caught:
        run(words(0), 2**31)
    assert str(caught.value) == "\n".join(
        [
            "error[launch]: step 0 of the plan has too many iterations for one launch: n = 2147483648",
            "  --> kernel.py:10:1",
            "  hint: launch the kernel several times, with fewer iterations each",
        ]
    )


# -- hangs ------------------------------------------------------------------------------------------------


def hang_of(made):
    """What the report says of each core."""
    run = load(made)
    arrays = [np.zeros(a.shape, a.dtype.numpy) for a in made.launch.arguments]
    with pytest.raises(LaunchError, match="hangs: no core can go on") as caught:
        run(*arrays)
    return [note.text for note in caught.value.related]


def test_a_hang_in_a_loop_names_the_iteration():
    """The wait for the iteration before asks for one signal more than there is."""
    plan = [loop(0, (WAIT, 1, 0), (SIGNAL, 0, 2), (WAIT, 1, 2)), loop(0, (WAIT, 0, 2), (SIGNAL, 1, 1))]
    made = source(plan, [], {"y": words(0)}, events=2, loops=[((5, ()), NEVER)])
    assert hang_of(made) == [
        "core 0, step 3 of iteration 0: event 1 has 1 of 2: step 3 of the plan",
        "core 1, step 6 of iteration 1: event 0 has 2 of 4: step 6 of the plan",
    ]


def test_a_hang_at_meetings_of_a_loop():
    plan = [loop(0, (WAIT, 0, 1), (BARRIER, 0, 0)), loop(0, (BARRIER, 0, 0))]
    made = source(plan, [], {"y": words(0)}, events=1, loops=[((5, ()), NEVER)])
    assert hang_of(made) == [
        "core 0, step 1 of iteration 0: event 0 has 0 of 1: step 1 of the plan",
        "core 1, step 5 of iteration 0: barrier 0 has 1 of 2 cores",
    ]


def test_a_hang_at_the_end_of_an_iteration():
    plan = [loop(0, (WAIT, 0, 1)), loop(0)]
    made = source(plan, [], {"y": words(0)}, events=1, loops=[((5, ()), (0, 0, 8))])
    assert hang_of(made) == [
        "core 0, step 1 of iteration 0: event 0 has 0 of 1: step 1 of the plan",
        "core 1, step 4 of iteration 0: the end of the iteration has 1 of 2 cores",
    ]


def channelled(sends, receives, depth):
    """One core sends so many elements, one a token, the other receives so many."""
    rows = [(SEND, (0, 0, 0, sends, 1)), (RECEIVE, (1, 0, 0, receives, 1))]
    return source(
        [[(RUN, 0, 0)], [(RUN, 1, 0)]],
        rows,
        {"x": np.zeros(8, np.int64), "y": np.zeros(8, np.int64)},
        arena=128 * depth,
        rings=[(0, 1, 128, depth, 0)],
        uses=[(0, 0, 0, sends), (1, 0, 1, receives)],
        checks=("the token of 'c', axis 0",),
    )


def test_a_token_too_few():
    assert hang_of(channelled(3, 4, 2)) == ["core 1, step 1: ring 0 is empty: step 1 of the plan"]


def test_a_token_too_many():
    assert hang_of(channelled(6, 3, 2)) == [
        "core 0, step 0: ring 0 is full, with 2 tokens: step 0 of the plan"
    ]


def test_a_token_of_another_size_is_reported_and_the_ring_is_empty_again():
    made = piped(8, 4, 2, 1)
    run = load(dataclasses.replace(made.source, tables=other_sizes(made.source.tables)))
    sound = load(made.source)
    x, y = np.arange(8), np.zeros(8, np.int64)
    for _ in range(3):
        with pytest.raises(BoundsError) as caught:
            run(x, y)
        assert caught.value.message == "the token of 'c', axis 0: 4 elements were sent, 2 are received"
        sound(x, y)
        assert (x == y).all()


def other_sizes(bytes_):
    """The same tables with a receiver that asks for two elements at a time."""
    sections = Sections.load(bytes_)
    sections.row_words[1][4] = 2
    return sections.store()
