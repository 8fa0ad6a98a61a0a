"""Channels of kernels: what is recorded, which calls they may join, and what the joined calls mean."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mpmd
from mpmd import In, InOut, Out, Recv, Send, f16, f32, i32
from mpmd.errors import Diagnostic, LanguageError, TypeMismatch
from mpmd.lang.debug import debug
from mpmd.lang.debug_tile import DebugChannel
from mpmd.lang.evaluate import evaluate
from mpmd.lang.kernel.channels import ChannelView
from mpmd.lang.kernel.trace import trace
from mpmd.lang.program import Call, ChannelArg, Program, TileLoop
from mpmd.lang.types import TensorSpec
from tests.unit.agreement import agree
from tests.unit.tracing import refusal

T, N, P = mpmd.dims("T N P")


@mpmd.task
def source(x: In[f32, T, N], c: Send[f32, P, N]):
    for j in mpmd.tiles(T, 4):
        mpmd.send(c, x[j] * 2)


@mpmd.task
def relay(d: Recv[f32, P, N], steps: i32, c: Send[f32, P, N]):
    for _ in range(steps):
        mpmd.send(c, mpmd.recv(d) + 1)


@mpmd.task
def sink(c: Recv[f32, P, N], y: Out[f32, T, N]):
    for j in mpmd.tiles(T, 4):
        y[j] = mpmd.recv(c, (j.size, N))


@mpmd.task
def one(c: Recv[f32, P, N], y: Out[f32, P, N]):
    y[:] = mpmd.recv(c)


@mpmd.task
def both_ends(d: Recv[f32, P, N], c: Send[f32, P, N]):
    mpmd.send(c, mpmd.recv(d))


@mpmd.task
def copy(x: In[f32, T, N], y: Out[f32, T, N]):
    y[:] = x[:]


@mpmd.task
def fill(n: i32, y: Out[f32, T, N]):
    y[:] = n


def piped(x: In[f32, T, N], y: Out[f32, T, N]):
    for t in mpmd.tiles(T, 6):
        pipe = mpmd.channel(f32, (4, N), depth=3)
        source(x[t], pipe)
        sink(pipe, y[t])


def program() -> Program:
    return trace(piped, {"x": TensorSpec(f32, (10, 3)), "y": TensorSpec(f32, (10, 3))})


def test_channels_are_recorded_with_the_calls_that_use_them():
    (channel,) = program().channels
    assert (channel.id, channel.name, channel.dtype, channel.shape, channel.depth) == (
        0,
        "pipe",
        f32,
        (4, 3),
        3,
    )
    assert (channel.token_bytes, channel.span.line) == (48, piped.__code__.co_firstlineno + 2)
    (loop,) = program().body
    assert isinstance(loop, TileLoop)
    first, second = loop.body
    assert isinstance(first, Call) and isinstance(second, Call)
    assert (first.args[1], second.args[0]) == (ChannelArg(0), ChannelArg(0))
    assert {name: str(extent) for name, extent in first.dims} == {"T": "t.size", "N": "3", "P": "4"}


def test_a_channel_says_what_it_is():
    seen: list[ChannelView] = []

    def kernel(x: InOut[f32, T]):
        seen.append(mpmd.channel(f16, 7))

    trace(kernel, {"x": TensorSpec(f32, (5,))})
    (view,) = seen
    assert (view.name, view.shape, view.dtype, view.depth) == ("channel", (7,), f16, 2)
    assert repr(view) == "<channel channel: f16[7]>"


# -- meaning ----------------------------------------------------------------------------------------


def _numbers(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def test_joined_calls_mean_what_they_do_one_after_another():
    x = _numbers(10, 3)
    assert np.array_equal(agree(piped, {"x": x, "y": np.zeros_like(x)})["y"], x * 2)


def test_a_chain_of_three():
    def kernel(x: In[f32, T, N], y: Out[f32, T, N]):
        first, last = mpmd.channel(f32, (4, N)), mpmd.channel(f32, (4, N), depth=1)
        source(x, first)
        relay(first, T // 4, last)
        sink(last, y)

    x = _numbers(12, 2)
    assert np.array_equal(agree(kernel, {"x": x, "y": np.zeros_like(x)})["y"], x * 2 + 1)


def test_calls_between_the_two_ends_and_functions_that_take_a_channel():
    def ending(pipe: Any, x: Any, y: Any) -> None:
        copy(x, y[0])
        sink(pipe, y[1])

    def kernel(x: In[f32, T, N], y: Out[f32, 2, T, N]):
        pipe = mpmd.channel(f32, (4, N))
        source(x, pipe)
        ending(pipe, x, y)

    x = _numbers(7, 2)
    y = agree(kernel, {"x": x, "y": np.zeros((2, 7, 2), np.float32)})["y"]
    assert np.array_equal(y, [x, x * 2])


def test_one_channel_serves_every_iteration():
    def kernel(x: In[f32, T, N], y: InOut[f32, T, N]):
        pipe = mpmd.channel(f32, (4, N))
        for _ in mpmd.loop(3):
            source(x, pipe)
            sink(pipe, y)

    x = _numbers(5, 2)
    assert np.array_equal(agree(kernel, {"x": x, "y": np.zeros_like(x)})["y"], x * 2)


def test_the_number_of_tokens_may_be_a_scalar_of_the_launch():
    def kernel(x: In[f32, 4, N], n: i32, y: InOut[f32, 4, N]):
        first, last = mpmd.channel(f32, (4, N)), mpmd.channel(f32, (4, N))
        repeat(x, n, first)
        relay(first, n, last)
        last_of(last, n, y)

    x = _numbers(4, 2)
    y = agree(kernel, {"x": x, "n": 3, "y": np.zeros_like(x)})["y"]
    assert np.array_equal(y, x + 3)


@mpmd.task
def repeat(x: In[f32, P, N], n: i32, c: Send[f32, P, N]):
    for i in range(n):
        mpmd.send(c, x[:] + i)


@mpmd.task
def last_of(d: Recv[f32, P, N], n: i32, y: InOut[f32, P, N]):
    for _ in range(n):
        y[:] = mpmd.recv(d)


def test_more_tokens_than_a_receiver_takes_are_refused_when_it_ends():
    def kernel(x: In[f32, 4, N], n: i32, y: InOut[f32, 4, N]):
        pipe = mpmd.channel(f32, (4, N))
        repeat(x, n, pipe)
        one(pipe, y)

    # What a trace refuses may still stand in a program that was written by hand.
    x = _numbers(4, 2)
    with pytest.raises(LanguageError) as caught:
        debug(kernel)(x, 3, x.copy())
    assert caught.value.message == "channel 'pipe' is left with 2 tokens that nobody receives"
    assert caught.value.hints == ("the two ends of a channel move the same number of tokens",)


def test_tokens_without_a_receiver_are_refused_when_the_launch_ends():
    whole = program()
    (loop,) = whole.body
    assert isinstance(loop, TileLoop)
    x = _numbers(10, 3)
    halves = replace(whole, body=(replace(loop, body=loop.body[:1]),))
    with pytest.raises(LanguageError) as caught:
        evaluate(halves, {"x": x, "y": np.zeros_like(x)})
    assert caught.value.message == "channel 'pipe' is left with 3 tokens that nobody receives"
    swapped = replace(whole, body=(replace(loop, body=loop.body[::-1]),))
    with pytest.raises(LanguageError) as caught:
        evaluate(swapped, {"x": x, "y": np.zeros_like(x)})
    assert caught.value.message == "a task receives more tokens through 'c' than are sent"


def test_a_receiver_called_first_finds_nothing_in_the_debugger():
    def kernel(x: In[f32, T, N], y: Out[f32, T, N]):
        pipe = mpmd.channel(f32, (4, N))
        sink(pipe, y)
        source(x, pipe)

    x = _numbers(4, 2)
    with pytest.raises(LanguageError) as caught:
        debug(kernel)(x, x.copy())
    assert (caught.value.message, caught.value.label) == (
        "a task receives more tokens through 'c' than are sent",
        "would wait for ever",
    )


def test_tasks_ask_a_channel_for_its_shape_and_dtype():
    @mpmd.inline
    def about(c):
        return c.shape[0] + c.ndim

    @mpmd.task
    def sender(c: Send[f16, P, N]):
        mpmd.send(c, mpmd.full(c.shape, about(c), c.dtype))

    @mpmd.task
    def receiver(c: Recv[f16, T, N], y: Out[f32, T, N]):
        y[:] = mpmd.recv(c, shape=c.shape)

    def kernel(y: Out[f32, T, N]):
        pipe = mpmd.channel(f16, (T, N))
        sender(pipe)
        receiver(pipe, y)

    assert (agree(kernel, {"y": np.zeros((3, 2), np.float32)})["y"] == 5).all()
    assert repr(DebugChannel(sender.definition.param("c"), (3, 2))) == "<channel c: Send f16[3, 2]>"


# -- laws -------------------------------------------------------------------------------------------


def kernel_of(act: Callable[[Any, Any], object]) -> Callable[[], object]:
    """The trace of a kernel that does this."""

    def kernel(x: In[f32, T, N], y: InOut[f32, T, N]):
        act(x, y)

    return lambda: trace(kernel, {"x": TensorSpec(f32, (8, 3)), "y": TensorSpec(f32, (8, 3))})


def no_receiver(x: Any, y: Any) -> None:
    pipe = mpmd.channel(f32, (4, 3))
    source(x, pipe)


def no_sender(x: Any, y: Any) -> None:
    pipe = mpmd.channel(f32, (4, 3))
    sink(pipe, y)


def two_senders(x: Any, y: Any) -> None:
    pipe = mpmd.channel(f32, (4, 3))
    for _ in range(2):
        source(x, pipe)
    sink(pipe, y)


def two_receivers(x: Any, y: Any) -> None:
    pipe = mpmd.channel(f32, (4, 3))
    source(x, pipe)
    for _ in range(2):
        sink(pipe, y)


def receiver_first(x: Any, y: Any) -> None:
    pipe = mpmd.channel(f32, (4, 3))
    sink(pipe, y)
    source(x, pipe)


def to_itself(x: Any, y: Any) -> None:
    pipe = mpmd.channel(f32, (4, 3))
    both_ends(pipe, pipe)


def other_body(x: Any, y: Any) -> None:
    pipe = mpmd.channel(f32, (4, 3))
    source(x, pipe)
    for t in mpmd.tiles(8, 4):
        one(pipe, y[t])


def other_loop(x: Any, y: Any) -> None:
    pipe = mpmd.channel(f32, (4, 3))
    for t in mpmd.tiles(8, 4):
        source(x[t], pipe)
    for t in mpmd.tiles(8, 4):
        sink(pipe, y[t])


def other_count(x: Any, y: Any) -> None:
    pipe = mpmd.channel(f32, (4, 3))
    source(x, pipe)
    one(pipe, y[:4])


BODIES = "call both tasks in one loop, one after the other"
COUNTS = "both ends move the same number of tokens, equal as expressions"


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (
            no_receiver,
            [
                "channel 'pipe' has a sender but no receiver",
                "source(x, pipe): ",
                "pass 'pipe' to a task that has it as Recv",
            ],
        ),
        (
            no_sender,
            [
                "channel 'pipe' has a receiver but no sender",
                "sink(pipe, y): ",
                "pass 'pipe' to a task that has it as Send",
            ],
        ),
        (
            two_senders,
            [
                "channel 'pipe' has two senders",
                "source(x, pipe): the second",
                "make a channel for each pair of calls",
            ],
        ),
        (
            two_receivers,
            [
                "channel 'pipe' has two receivers",
                "sink(pipe, y): the second",
                "make a channel for each pair of calls",
            ],
        ),
        (
            receiver_first,
            [
                "'sink' receives from channel 'pipe' before its sender is called",
                "sink(pipe, y): tokens go forward, from an earlier call to a later one",
                "call 'source' first; what goes back needs a tensor, and a call after this one",
            ],
        ),
        (
            to_itself,
            [
                "'both_ends' sends to itself through channel 'pipe'",
                "both_ends(pipe, pipe): ",
                "a channel joins two calls; within a task a value needs none",
            ],
        ),
        (
            other_body,
            [
                "the two ends of channel 'pipe' are not called in the same body",
                "one(pipe, y[t]): 'one' receives from it",
                BODIES,
            ],
        ),
        (
            other_loop,
            [
                "the two ends of channel 'pipe' are not called in the same body",
                "sink(pipe, y[t]): 'sink' receives from it",
                BODIES,
            ],
        ),
        (
            other_count,
            [
                "'source' sends 2 tokens through channel 'pipe', but 'one' receives 1 token",
                "one(pipe, y[:4]): 1 here, 2 sent",
                COUNTS,
            ],
        ),
    ],
)
def test_what_a_channel_joins(act: Callable[[Any, Any], None], expected: list[str]):
    assert refusal(LanguageError, kernel_of(act)) == expected


def test_the_other_end_and_the_channel_are_shown():
    with pytest.raises(LanguageError) as caught:
        kernel_of(other_count)()
    first = other_count.__code__.co_firstlineno
    notes = [(note.span.line - first, note.text) for note in caught.value.related]
    assert notes == [(2, "'source' sends to it"), (1, "makes channel 'pipe'")]


CHANNEL = "make one in the kernel: c = mpmd.channel(dtype, shape, depth=2)"
LARGEST = "make it for the largest tokens: mpmd.recv(c, shape) takes smaller ones"
DEPTH = "it is the number of tokens that can be under way: depth=2"


@pytest.mark.parametrize(
    ("law", "act", "expected"),
    [
        (
            LanguageError,
            lambda x, y: mpmd.channel("f32", (4, 3)),
            [
                "'f32' is not an element type",
                'mpmd.channel("f32", (4, 3)): ',
                "write mpmd.channel(mpmd.f32, (64, 128), depth=2)",
            ],
        ),
        (
            LanguageError,
            lambda x, y: mpmd.channel(f32, (4, -3)),
            ["a channel has constant extents, not -3", "mpmd.channel(f32, (4, -3)): ", LARGEST],
        ),
        (
            LanguageError,
            lambda x, y: mpmd.channel(f32, (x, 3)),
            [
                "a channel has constant extents, not <tensor x: f32[8, 3]>",
                "mpmd.channel(f32, (x, 3)): ",
                LARGEST,
            ],
        ),
        (
            LanguageError,
            lambda x, y: mpmd.channel(f32, (4, 3), depth=0),
            [
                "the depth of a channel is a constant, 1 or more, and not 0",
                "mpmd.channel(f32, (4, 3), depth=0): ",
                DEPTH,
            ],
        ),
        (
            LanguageError,
            lambda x, y: mpmd.channel(f32, (4, 3), depth=True),
            [
                "the depth of a channel is a constant, 1 or more, and not True",
                "mpmd.channel(f32, (4, 3), depth=True): ",
                DEPTH,
            ],
        ),
        (
            TypeMismatch,
            lambda x, y: source(x, x),
            [
                "'c' of 'source' is an end of a channel, but the tensor 'x' is given",
                "source(x, x): ",
                CHANNEL,
            ],
        ),
        (
            TypeMismatch,
            lambda x, y: source(x, 3),
            ["'c' of 'source' is an end of a channel, but int is given", "source(x, 3): ", CHANNEL],
        ),
        (
            TypeMismatch,
            lambda x, y: source(x, mpmd.channel(f16, (4, 3))),
            [
                "'c' of 'source' is f32, but channel 'channel' is f16",
                "source(x, mpmd.channel(f16, (4, 3))): ",
                "declare the same type; a send casts to it as a store does",
            ],
        ),
        (
            TypeMismatch,
            lambda x, y: source(x, mpmd.channel(f32, 4)),
            [
                "'c' of 'source' has rank 2, but the tokens of channel 'channel' have rank 1",
                "source(x, mpmd.channel(f32, 4)): ",
                "declare one extent for each axis of a token",
            ],
        ),
        (
            TypeMismatch,
            lambda x, y: source(x, mpmd.channel(f32, (4, 5))),
            [
                "'N' of 'source' is 3 in 'x' but 5 in 'c'",
                "source(x, mpmd.channel(f32, (4, 5))): 3 and 5",
                "pass parts of equal extents, or declare another dim in the task",
            ],
        ),
        (
            TypeMismatch,
            lambda x, y: copy(mpmd.channel(f32, (8, 3)), y),
            [
                "'x' of 'copy' is a tensor, but the channel 'channel' is given",
                "copy(mpmd.channel(f32, (8, 3)), y): ",
                "pass a tensor of the kernel, or a part",
            ],
        ),
        (
            TypeMismatch,
            lambda x, y: fill(mpmd.channel(f32, (8, 3)), y),
            [
                "'n' of 'fill' is a scalar i32, but the channel 'channel' is given",
                "fill(mpmd.channel(f32, (8, 3)), y): ",
                "pass a whole number, or a scalar of the kernel declared as i32",
            ],
        ),
        (
            LanguageError,
            lambda x, y: mpmd.send(x, y),
            [
                "mpmd.send works on tiles, inside of a task",
                "mpmd.send(x, y): called in a kernel",
                "a kernel only calls tasks: move it into a function under @mpmd.task",
            ],
        ),
    ],
)
def test_what_is_no_channel(law: type[Diagnostic], act: Callable[[Any, Any], object], expected: list[str]):
    assert refusal(law, kernel_of(act)) == expected


def test_a_kernel_has_no_end_of_a_channel():
    def kernel(c: Send[f32, T]):
        pass

    with pytest.raises(LanguageError) as caught:
        trace(kernel, {"c": TensorSpec(f32, (8,))})
    assert caught.value.message == "an end of a channel is no parameter of a kernel"
    assert caught.value.hints == (
        "make the channel inside, c = mpmd.channel(dtype, shape, depth=2), and pass it to tasks; "
        "a plain function that the kernel calls may take it",
    )


def test_channels_are_made_in_kernels():
    with pytest.raises(LanguageError, match="channel is called outside of a kernel"):
        mpmd.channel(f32, (2,))
