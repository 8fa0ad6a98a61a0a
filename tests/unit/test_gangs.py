"""Gangs: what channels join, how many tokens pass, and which depths let them pass."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpmd.errors import DeadlockError, LanguageError, Span
from mpmd.lang.index import Index, symbol
from mpmd.lang.program import Call, Channel, ChannelArg, Program, ScalarArg
from mpmd.lang.tile import Loop, Param, Receive, Send, Stmt, TaskDef, TileType
from mpmd.lang.types import Direction, f32, i32
from mpmd.partition.expand import expand
from mpmd.partition.gangs import Gangs, gangs, sufficient_depths
from tests.unit.partition_programs import SPAN, program, tile_loop

TOKEN = TileType(f32, (Index(4),))


def channels(*depths: int) -> tuple[Channel, ...]:
    return tuple(
        Channel(i, f"c{i}", f32, (4,), depth, Span("kernel.py", i + 1)) for i, depth in enumerate(depths)
    )


def member(name: str, *moves: tuple[int, str, int | str], line: int = 20) -> Call:
    """A call of a task that sends to or receives from channels so often, in this order."""
    ends: dict[int, Param] = {}
    body: list[Stmt] = []
    scalars: dict[str, Param] = {}
    for number, (channel, way, times) in enumerate(moves):
        direction = Direction.SEND if way == "send" else Direction.RECV
        end = ends.setdefault(channel, Param(f"c{channel}", direction, f32, (Index(4),), SPAN))
        move: Stmt = Send(end.name, 0, SPAN) if way == "send" else Receive(number, TOKEN, end.name, SPAN)
        stop = symbol(times) if isinstance(times, str) else Index(times)
        if isinstance(times, str):
            scalars.setdefault(times, Param(times, None, i32, (), SPAN))
        body.append(Loop(f"i{number}", Index(0), stop, 1, None, (), (move,), SPAN))
    task = TaskDef(name, (*ends.values(), *scalars.values()), tuple(body), SPAN)
    args = (*map(ChannelArg, ends), *(ScalarArg(symbol(f"f.{scalar}")) for scalar in scalars))
    return Call(task, args, (), Span("kernel.py", line))


def found(*body: object, depths: tuple[int, ...] = (2,)) -> Gangs:
    made = with_channels(*body, depths=depths)
    sites = expand(made.body, {"f": 2})
    return gangs(made, sites, sum(len(site.ids) for site in sites))


def with_channels(*body: object, depths: tuple[int, ...]) -> Program:
    made = program([], *body)  # pyright: ignore[reportArgumentType]
    return Program("kernel", made.tensors, made.scalars, made.params, made.body, SPAN, channels(*depths))


def test_channels_join_calls_and_others_stand_alone() -> None:
    a, b = member("a", (0, "send", 3)), member("b", (0, "recv", 3), (1, "send", 1))
    c, alone = member("c", (1, "recv", 1)), member("alone")
    result = found(a, alone, b, c, depths=(1, 1))
    assert result.gang.tolist() == [0, -1, 0, 0]
    assert result.tokens == ((0, 0, 3), (0, 1, 1))


def test_each_iteration_has_a_gang_of_its_own() -> None:
    result = found(tile_loop("f", 5, 2, member("a", (0, "send", 1)), member("b", (0, "recv", 1))))
    assert result.gang.tolist() == [0, 0, 1, 1, 2, 2]
    assert result.tokens == ((0, 0, 1), (1, 0, 1), (2, 0, 1))


def test_tokens_are_counted_for_every_piece() -> None:
    result = found(tile_loop("f", 5, 2, member("a", (0, "send", "size")), member("b", (0, "recv", "size"))))
    assert result.tokens == ((0, 0, 2), (1, 0, 2), (2, 0, 1))


def test_two_pairs_in_one_body_that_use_one_channel_are_two_gangs() -> None:
    pair = member("a", (0, "send", 1)), member("b", (0, "recv", 1))
    assert found(*pair, *pair).gang.tolist() == [0, 0, 1, 1]


def test_unequal_counts_are_refused() -> None:
    with pytest.raises(LanguageError) as error:
        found(member("a", (0, "send", 3), line=20), member("b", (0, "recv", 2), line=21))
    assert str(error.value) == (
        "error[language]: 'a' sends 3 tokens to channel 'c0', 'b' receives 2\n"
        "  --> kernel.py:21:1\n"
        "  related: kernel.py:20 sends 3\n"
        "  hint: make both loops run equally often"
    )


def test_a_receiver_before_its_sender_is_refused() -> None:
    with pytest.raises(LanguageError) as error:
        found(member("b", (0, "recv", 1), line=20), member("a", (0, "send", 1), line=21))
    assert str(error.value) == (
        "error[language]: 'b' receives from channel 'c0', but no call sends to it before\n"
        "  --> kernel.py:20:1\n"
        "  related: kernel.py:1 declares 'c0'\n"
        "  hint: call the sender and then the receiver, once each, in one body"
    )


def test_a_sender_without_receiver_is_refused() -> None:
    with pytest.raises(LanguageError, match="'a' sends to channel 'c0', but no call receives from it next"):
        found(member("a", (0, "send", 1)))


def test_a_count_that_only_a_launch_knows_is_refused() -> None:
    with pytest.raises(LanguageError) as error:
        found(member("a", (0, "send", "n")), member("b", (0, "recv", "n")))
    assert str(error.value) == (
        "error[language]: how many tokens 'a' moves depends on 'n', "
        "which is not known when the kernel is compiled\n"
        "  --> kernel.py:20:1\n"
        "  hint: give the channel's tasks pieces of one size, or pass a constant"
    )


def crossed() -> tuple[Call, Call]:
    return (
        member("a", (0, "send", 4), (1, "send", 1), line=20),
        member("b", (1, "recv", 1), (0, "recv", 4), line=21),
    )


def test_a_gang_that_gets_stuck_is_refused_with_a_depth_that_would_do() -> None:
    with pytest.raises(DeadlockError) as error:
        found(*crossed(), depths=(2, 1))
    assert str(error.value) == (
        "error[deadlock]: 'a' and 'b' wait for each other for ever: "
        "channel 'c0' is full and its receiver waits for something else\n"
        "  --> kernel.py:1:1\n"
        "  related: kernel.py:20 is the sender\n"
        "  related: kernel.py:21 is the receiver\n"
        "  hint: give 'c0' depth=4\n"
        "  hint: or receive from the channels in the order in which they are sent to"
    )
    assert found(*crossed(), depths=(4, 1)).tokens == ((0, 0, 4), (0, 1, 1))


Steps = tuple[tuple[int, bool], ...]


@st.composite
def networks(draw: st.DrawFn) -> tuple[list[Steps], dict[int, int]]:
    """Feed-forward networks: every channel from a member to a later one, moves in random order."""
    count = draw(st.integers(2, 4))
    moves: list[list[tuple[int, bool]]] = [[] for _ in range(count)]
    depths: dict[int, int] = {}
    for channel in range(draw(st.integers(1, 4))):
        sender = draw(st.integers(0, count - 2))
        receiver = draw(st.integers(sender + 1, count - 1))
        tokens = draw(st.integers(1, 4))
        moves[sender] += [(channel, True)] * tokens
        moves[receiver] += [(channel, False)] * tokens
        depths[channel] = draw(st.integers(1, 2))
    return [tuple(draw(st.permutations(m))) for m in moves], depths


def passes(members: list[Steps], depths: dict[int, int], seed: int) -> bool:
    """Whether a random play comes to its end."""
    order = random.Random(seed)
    at, queued = [0] * len(members), dict.fromkeys(depths, 0)
    while True:
        ready = [
            m
            for m, steps in enumerate(members)
            if at[m] < len(steps)
            and (
                queued[steps[at[m]][0]] < depths[steps[at[m]][0]]
                if steps[at[m]][1]
                else queued[steps[at[m]][0]]
            )
        ]
        if not ready:
            return all(place == len(steps) for place, steps in zip(at, members, strict=True))
        m = order.choice(ready)
        channel, sends = members[m][at[m]]
        queued[channel] += 1 if sends else -1
        at[m] += 1


@settings(deadline=None)
@given(networks(), st.integers(0, 5))
def test_depths_are_raised_exactly_where_some_play_gets_stuck(
    network: tuple[list[Steps], dict[int, int]], seed: int
) -> None:
    members, depths = network
    enough = sufficient_depths(members, depths)
    assert (enough == depths) == passes(members, depths, seed)
    assert passes(members, enough, seed)


def test_columns_are_read_only() -> None:
    assert not np.asarray(
        found(member("a", (0, "send", 1)), member("b", (0, "recv", 1))).gang
    ).flags.writeable
