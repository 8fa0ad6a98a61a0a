"""How many tokens a task moves, counted from its body; and in which order."""

from __future__ import annotations

import pytest
from parsing import parse, task

from mpmd.errors import LanguageError
from mpmd.lang.index import Index, ceildiv, maximum, symbol
from mpmd.lang.task.tokens import channel_sequence, first_token, moves_tokens, tokens, trip_count
from mpmd.lang.tile import Loop, Receive, TaskDef

SIGNATURE = "x: In[f32, M, N], n: i32, c: Send[f32, P, N], d: Recv[f32, P, N], y: InOut[f32, M, N]"


def parsed(lines: str) -> TaskDef:
    return parse(task(SIGNATURE, lines))


PIPE = """
head = mpmd.recv(d)
for j in mpmd.tiles(M, 4):
    for i in range(2):
        mpmd.send(c, x[j][:1] + i)
    y[j] = mpmd.recv(d, (j.size, N)) + head[0]
mpmd.send(c, head)
"""


def test_tokens_are_counted_over_dims():
    definition = parsed(PIPE)
    pieces = maximum(ceildiv(symbol("M"), 4), 0)
    assert tokens(definition, "c") == pieces * 2 + 1
    assert tokens(definition, "d") == pieces + 1
    assert tokens(definition, "d", {"M": 10}) == Index(4)
    assert tokens(definition, "d", {"M": symbol("t.size")}) == maximum(ceildiv(symbol("t.size"), 4), 0) + 1


def test_tokens_are_counted_over_scalars():
    definition = parsed("for i in range(n):\n    mpmd.send(c, x[:])")
    assert tokens(definition, "c") == maximum(symbol("n"), 0)
    assert tokens(definition, "c", {"n": 3}) == Index(3)
    assert tokens(definition, "d") == Index(0)


def test_a_loop_over_an_empty_range_moves_nothing():
    definition = parsed("for i in range(5, 2):\n    mpmd.send(c, x[:])")
    assert tokens(definition, "c") == Index(0)
    assert channel_sequence(definition, {}) == []


def test_a_loop_that_counts_down_moves_a_token_each_time():
    definition = parsed("for i in range(N, 0, -2):\n    mpmd.send(c, x[:])")
    assert tokens(definition, "c", {"N": 5}) == Index(3)


def test_the_sequence_is_that_of_the_statements():
    sequence = channel_sequence(parsed(PIPE), {"M": 5, "N": 1, "P": 4})
    piece = [("c", "send"), ("c", "send"), ("d", "recv")]
    assert sequence == [("d", "recv"), *piece, *piece, ("c", "send")]


TRIANGLE = """
for i in range(n):
    for j in range(i, 4):
        mpmd.send(c, x[:])
    for j in mpmd.tiles(i, 2):
        v = mpmd.recv(d, (j.size, N))
"""


def test_iterations_may_move_differently_many_where_bounds_are_known():
    definition = parsed(TRIANGLE)
    assert tokens(definition, "c", {"n": 3}) == Index(4 + 3 + 2)
    assert tokens(definition, "d", {"n": 4}) == Index(0 + 1 + 1 + 2)
    sequence = channel_sequence(definition, {"n": 3})
    assert [end for end, _ in sequence] == list("cccccccdccd")


def test_iterations_that_move_differently_many_need_known_bounds():
    with pytest.raises(LanguageError) as caught:
        tokens(parsed(TRIANGLE), "c")
    assert caught.value.message == (
        "the number of tokens of 'c' cannot be counted: it differs between iterations"
    )
    assert caught.value.label == "runs max(0, n) times"
    assert caught.value.hints == (
        "move the same number of tokens in every iteration, or give the loop constant bounds",
    )


def test_a_sequence_needs_known_bounds():
    with pytest.raises(LanguageError) as caught:
        channel_sequence(parsed("for i in range(n):\n    mpmd.send(c, x[:])"), {"M": 4})
    error = caught.value
    assert error.message == (
        "a loop that moves tokens has a bound that is not known when the kernel is compiled"
    )
    assert (error.label, error.span.line) == ("depends on n", 3)
    assert error.hints == ("take the bound from a dim, or move the tokens outside of the loop",)


def test_loops_without_tokens_are_passed_over():
    lines = """
    for i in range(n):
        y[0] = x[0]
    v = mpmd.recv(d)
    """
    definition = parsed(lines)
    loop = next(stmt for stmt in definition.body if isinstance(stmt, Loop))
    assert not moves_tokens(loop.body) and moves_tokens(definition.body)
    assert isinstance(first_token(definition.body), Receive)
    assert trip_count(loop, {"n": 7}) == Index(7)
    assert channel_sequence(definition, {}) == [("d", "recv")]
