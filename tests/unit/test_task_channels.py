"""Tasks that send and receive: what is recorded, what is refused, what runs, and where it waits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from parsing import body, parse, refuses, same, task

from mpmd.errors import BoundsError, Diagnostic, DirectionError, LanguageError, TypeMismatch
from mpmd.lang.evaluate_task import run_task, task_steps
from mpmd.lang.queues import Unbounded
from mpmd.lang.task.check import unproved_accesses
from mpmd.lang.tile import Receive, Send

SIGNATURE = "x: In[f32, M, N], n: In[i32, ()], c: Send[f32, P, N], d: Recv[f32, P, N], y: InOut[f32, M, N]"


def test_a_token_is_cast_as_a_store_casts_and_has_the_extents_of_its_value():
    text = body(
        task(
            "x: In[f32, M, N], c: Send[f16, P, N], d: Recv[i8, P, N], y: Out[f32, M, N]",
            """
            for j in mpmd.tiles(M, 4):
                mpmd.send(c, x[j])
                y[j] = mpmd.recv(d, (j.size, N))
            """,
        )
    )
    same(
        text,
        """
        for j in tiles(M, 4) {
          %0: f32[j.size, N] = load x[j.start:+j.size, 0:+N]
          %1: f16[j.size, N] = cast %0 dtype=f16
          send c %1
          %2: i8[j.size, N] = recv d
          %3: f32[j.size, N] = cast %2 dtype=f32
          store y[j.start:+j.size, 0:+N] = %3
        }
        """,
    )


def test_a_full_token_has_the_channels_extents():
    text = body(task("d: Recv[f32, P, N], y: Out[f32, P, N]", "y[:] = mpmd.recv(d) * d.shape[0]"))
    assert text.startswith("%0: f32[P, N] = recv d\n")


def test_dims_of_a_channel_are_dims_of_the_task():
    definition = parse(task("x: In[f32, M], c: Send[f32, P]", "mpmd.send(c, x[:P])"))
    assert definition.dims == ("M", "P")
    assert [p.name for p in definition.shaped] == ["x", "c"]
    assert [p.name for p in definition.channels] == ["c"] and [p.name for p in definition.tensors] == ["x"]


def test_extents_of_a_token_that_a_loaded_number_gives_keep_what_they_need():
    text = body(
        task(
            "n: In[i32, ()], d: Recv[f32, P], y: InOut[f32, P]",
            """
            count = n[()]
            for i in range(3):
                count = n[()]
                y[:count] = mpmd.recv(d, (count,))
            """,
        )
    )
    assert "recv d" in text and "f32[%" in text


REFUSED = [
    (
        DirectionError,
        "mpmd.send(d, x[:])",
        """
        error[direction]: 'd' is Recv and is sent to
          --> t.py:3:5
        3 |     mpmd.send(d, x[:])
                ^^^^^^^^^^^^^^^^^^ needs the Send end
          related: t.py:2 declares 'd'
          hint: a task has one end of a channel: take a second channel for the way back
        """,
    ),
    (
        DirectionError,
        "y[:] = mpmd.recv(c)",
        """
        error[direction]: 'c' is Send and is received from
          --> t.py:3:12
        3 |     y[:] = mpmd.recv(c)
                       ^^^^^^^^^^^^ needs the Recv end
          related: t.py:2 declares 'c'
          hint: a task has one end of a channel: take a second channel for the way back
        """,
    ),
    (
        LanguageError,
        "mpmd.send(x[:], x[:])",
        """
        error[language]: 'send' is given a tile f32[M, N] where it needs a channel
          --> t.py:3:5
        3 |     mpmd.send(x[:], x[:])
                ^^^^^^^^^^^^^^^^^^^^^
          hint: its first argument is a parameter: c: Send[f32, M, N]
        """,
    ),
    (
        LanguageError,
        "y[:] = c[:]",
        """
        error[language]: 'c' is a channel, not a tile
          --> t.py:3:12
        3 |     y[:] = c[:]
                       ^
          hint: mpmd.send(c, value) puts a tile into it
        """,
    ),
    (
        LanguageError,
        "d[:] = x[:]",
        """
        error[language]: 'd' is a channel, not a tile
          --> t.py:3:5
        3 |     d[:] = x[:]
                ^
          hint: mpmd.recv(d) is the next tile that comes through it
        """,
    ),
    (
        LanguageError,
        "y[:] = d + 1",
        """
        error[language]: 'd' is a channel, not a tile
          --> t.py:3:12
        3 |     y[:] = d + 1
                       ^
          hint: mpmd.recv(d) is the next tile that comes through it
        """,
    ),
    (
        LanguageError,
        "v = c",
        """
        error[language]: 'c' is a channel, not a tile
          --> t.py:3:9
        3 |     v = c
                    ^
          hint: mpmd.send(c, value) puts a tile into it
        """,
    ),
    (
        LanguageError,
        "c = x[:]",
        """
        error[language]: 'c' is a channel: assigning to its name sends nothing
          --> t.py:3:5
        3 |     c = x[:]
                ^
          related: t.py:2 declares 'c'
          hint: send a tile by mpmd.send; use another name for a value that is not sent
        """,
    ),
    (
        TypeMismatch,
        "mpmd.send(c, x[0])",
        """
        error[type]: a value of shape [N] is sent through 'c', whose tokens are [P, N]
          --> t.py:3:5
        3 |     mpmd.send(c, x[0])
                ^^^^^^^^^^^^^^^^^^ the ranks differ
          related: t.py:2 declares 'c'
          hint: a token has one extent for each axis of the channel: mpmd.full(shape, x), x[None, :]
        """,
    ),
    (
        TypeMismatch,
        "y[:] = mpmd.recv(d, N)",
        """
        error[type]: a token of shape [N] is received from 'd', whose tokens are [P, N]
          --> t.py:3:12
        3 |     y[:] = mpmd.recv(d, N)
                       ^^^^^^^^^^^^^^^ the ranks differ
          related: t.py:2 declares 'd'
          hint: give one extent for each axis of the channel
        """,
    ),
    (
        LanguageError,
        "mpmd.recv(d)",
        """
        error[language]: the value of this expression is not used
          --> t.py:3:5
        3 |     mpmd.recv(d)
                ^^^^^^^^^^^^
          hint: store it, y[:] = …, or give it a name
        """,
    ),
    (
        BoundsError,
        "mpmd.send(c, mpmd.zeros((P + 1, N)))",
        """
        error[bounds]: an extent of P + 1 along axis 0 of a token of 'c'
          --> t.py:3:5
        3 |     mpmd.send(c, mpmd.zeros((P + 1, N)))
                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a token has P elements there
          hint: declare the channel with larger extents, or move smaller pieces
        """,
    ),
    (
        BoundsError,
        "v = mpmd.recv(d, (P, N + 2))",
        """
        error[bounds]: an extent of N + 2 along axis 1 of a token of 'd'
          --> t.py:3:9
        3 |     v = mpmd.recv(d, (P, N + 2))
                    ^^^^^^^^^^^^^^^^^^^^^^^^ a token has N elements there
          hint: declare the channel with larger extents, or move smaller pieces
        """,
    ),
    (
        LanguageError,
        """
        if n[()] > 0:
            mpmd.send(c, x[:])
        """,
        """
        error[language]: data decides whether a token moves through 'c'
          --> t.py:4:9
        4 |         mpmd.send(c, x[:])
                    ^^^^^^^^^^^^^^^^^^ sends one
          related: t.py:3 decides
          hint: move a token in every case, and decide what is in it: mpmd.where, or 'if' around its value
        """,
    ),
    (
        LanguageError,
        "v = mpmd.recv(d) if n[()] > 0 else mpmd.recv(d)",
        """
        error[language]: data decides whether a token moves through 'd'
          --> t.py:3:9
        3 |     v = mpmd.recv(d) if n[()] > 0 else mpmd.recv(d)
                    ^^^^^^^^^^^^ receives one
          related: t.py:3 decides
          hint: move a token in every case, and decide what is in it: mpmd.where, or 'if' around its value
        """,
    ),
    (
        LanguageError,
        """
        for i in range(2):
            for j in range(i, n[()]):
                mpmd.send(c, x[:])
        """,
        """
        error[language]: data decides how often a token moves through 'c'
          --> t.py:5:13
        5 |             mpmd.send(c, x[:])
                        ^^^^^^^^^^^^^^^^^^ sends one
          related: t.py:4 bounds the loop
          hint: move a token in every case, and decide what is in it: mpmd.where, or 'if' around its value
        """,
    ),
    (
        LanguageError,
        "v = mpmd.channel(mpmd.f32, (4, 4))",
        """
        error[language]: a task cannot call 'mpmd.channel'
          --> t.py:3:9
        3 |     v = mpmd.channel(mpmd.f32, (4, 4))
                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          hint: mpmd.channel belongs in a kernel
        """,
    ),
]


@pytest.mark.parametrize(("kind", "lines", "expected"), REFUSED)
def test_what_a_task_cannot_do_with_a_channel(kind: type[Diagnostic], lines: str, expected: str):
    refuses(task(SIGNATURE, lines), kind, expected)


def test_a_float_is_not_sent_as_integers():
    refuses(
        task("x: In[f32, M], c: Send[i32, M]", "mpmd.send(c, x[:])"),
        TypeMismatch,
        """
        error[type]: f32 is sent through 'c' of i32
          --> t.py:3:5
        3 |     mpmd.send(c, x[:])
                ^^^^^^^^^^^^^^^^^^ only a width may change in a send
          related: t.py:2 declares 'c' as i32
          hint: cast it: value.astype(mpmd.i32)
        """,
    )


def test_a_condition_that_is_known_decides_about_tokens():
    lines = """
    if many:
        mpmd.send(c, x[:])
    mpmd.send(c, x[:])
    """
    source = task("x: In[f32, M], c: Send[f32, M]", lines)
    assert body(source, many=True).count("send c") == 2
    assert body(source, many=False).count("send c") == 1


def test_only_sends_whose_extents_are_not_proved_are_checked():
    definition = parse(task("x: In[f32, M, N], c: Send[f32, P, N]", "mpmd.send(c, x[:])"))
    assert [(type(stmt), axis) for stmt, axis in unproved_accesses(definition)] == [(Send, 0)]
    assert unproved_accesses(definition, fixed={"M": 8, "P": 8}) == ()


# -- runs -------------------------------------------------------------------------------------------


def run(source: str, arguments: dict[str, Any], **dims: int) -> None:
    """Runs a task by the evaluator; queues are what is given for its channels."""
    definition = parse(source)
    tensors = {p.name: arguments[p.name] for p in definition.tensors}
    channels = {p.name: arguments[p.name] for p in definition.channels}
    run_task(definition, tensors, {}, dims, channels)


def failure(source: str, arguments: dict[str, Any], **dims: int) -> str:
    with pytest.raises(Diagnostic) as caught:
        run(source, arguments, **dims)
    return f"{caught.value.code}: {caught.value.message}"


RELAY = task(
    "d: Recv[f32, P, N], c: Send[f32, P, N], y: Out[f32, M, N]",
    """
    for j in mpmd.tiles(M, 2):
        v = mpmd.recv(d, (j.size, N))
        mpmd.send(c, v + 1)
        y[j] = v
    """,
)


def filled(*tiles: Any) -> Unbounded:
    queue = Unbounded()
    for tile in tiles:
        queue.put(np.asarray(tile, np.float32))
    return queue


def test_tokens_pass_in_order():
    incoming, outgoing, y = filled([[1], [2]], [[3]]), Unbounded(), np.zeros((3, 1), np.float32)
    run(RELAY, {"d": incoming, "c": outgoing, "y": y}, P=2, N=1, M=3)
    assert y.tolist() == [[1], [2], [3]]
    assert [outgoing.get().tolist() for _ in range(2)] == [[[2], [3]], [[4]]]
    assert incoming.empty and outgoing.empty


def test_a_token_does_not_change_with_what_it_was_made_of():
    tile, queue = np.ones(3), Unbounded()
    queue.put(tile)
    tile[:] = 2
    assert queue.get().tolist() == [1, 1, 1]


def test_what_is_received_has_the_extents_of_what_was_sent():
    y = np.zeros((3, 1), np.float32)
    arguments = {"d": filled([[1]]), "c": Unbounded(), "y": y}
    message = "language: a token of [1, 1] is received from 'd' as [2, 1]"
    assert failure(RELAY, arguments, P=2, N=1, M=3) == message


def test_more_is_received_than_sent():
    arguments = {"d": filled([[1], [2]]), "c": Unbounded(), "y": np.zeros((3, 1), np.float32)}
    message = "language: a task receives more tokens through 'd' than are sent"
    assert failure(RELAY, arguments, P=2, N=1, M=3) == message


def test_a_token_is_no_larger_than_the_channel():
    source = task("x: In[f32, M], c: Send[f32, P]", "mpmd.send(c, x[:])")
    message = "bounds: a token of [3] is sent through 'c', which takes [2] at most"
    assert failure(source, {"x": np.zeros(3, np.float32), "c": Unbounded()}, M=3, P=2) == message


class Bounded(Unbounded):
    """A queue of one token."""

    @property
    def full(self) -> bool:
        return len(self) >= 1


def test_a_task_stops_where_it_must_wait():
    incoming, outgoing, y = Bounded(), Bounded(), np.zeros((3, 1), np.float32)
    definition = parse(RELAY)
    channels = {"d": incoming, "c": outgoing}
    steps = task_steps(definition, {"y": y}, {}, {"P": 2, "N": 1, "M": 3}, channels)
    assert isinstance(next(steps), Receive)
    incoming.put(np.ones((2, 1), np.float32))
    assert isinstance(next(steps), Receive) and len(outgoing) == 1
    incoming.put(np.ones((1, 1), np.float32))
    assert isinstance(next(steps), Send) and incoming.empty
    outgoing.get()
    assert list(steps) == [] and len(outgoing) == 1 and y.sum() == 3
