"""The memory of channels: a ring for every two cores that pass tokens of one.

In:  a `TaskGraph`, its placed phases. Out: `Ring`s with places from 0 on, and how much room they take.
Not here: the arena that they go to the end of (`memory.py`).

Between two cores a ring has the depth that the user gave. On one core the sender runs before the
receiver, so all tokens that are ever on their way must fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpmd.lang.program import ChannelArg
from mpmd.lang.types import Direction
from mpmd.partition.graph import TaskGraph
from mpmd.schedule.steps import Ring
from mpmd.schedule.stretches import Stretch

LINE = 64
HEADER = 64
"""A slot begins with the extents of its token."""


@dataclass(slots=True)
class _Use:
    """The tasks at the ends of one channel in one gang, and the tokens that pass."""

    tokens: int
    sender: int = -1
    receiver: int = -1


def rings(graph: TaskGraph, stretches: Sequence[Stretch]) -> tuple[tuple[Ring, ...], int]:
    """By channel, then by producer and consumer; and the bytes of all."""
    found: list[Ring] = []
    room = 0
    for (channel, producer, consumer), depth in sorted(_depths(graph, stretches).items()):
        token = graph.program.channels[channel].token_bytes
        slot = HEADER + -(-token // LINE) * LINE
        found.append(Ring(channel, producer, consumer, depth, slot, room))
        room += depth * slot
    return tuple(found), room


def _depths(graph: TaskGraph, stretches: Sequence[Stretch]) -> dict[tuple[int, int, int], int]:
    core, place = np.full(len(graph), -1, np.int64), np.full(len(graph), -1, np.int64)
    for stretch in stretches:
        tasks = slice(stretch.phase.first, stretch.phase.end)
        core[tasks] = stretch.placement.core[: len(stretch.graph)]
        place[tasks] = stretch.phase.first + stretch.placement.place[: len(stretch.graph)]
    depths: dict[tuple[int, int, int], int] = {}
    changes: dict[tuple[int, int, int], list[tuple[int, int]]] = {}  # of rings on one core: place, tokens
    for (_, channel), use in _uses(graph).items():
        key = channel, int(core[use.sender]), int(core[use.receiver])
        if key[1] != key[2]:
            depths[key] = graph.program.channels[channel].depth
        else:
            ends = [(int(place[use.sender]), use.tokens), (int(place[use.receiver]), -use.tokens)]
            changes.setdefault(key, []).extend(ends)
    return depths | {key: _most(steps) for key, steps in changes.items()}


def _most(steps: list[tuple[int, int]]) -> int:
    """The most tokens that are on their way at once (a ring has room for one at least)."""
    on_their_way = np.cumsum([tokens for _, tokens in sorted(steps)])
    return max(1, int(on_their_way.max()))


def _uses(graph: TaskGraph) -> dict[tuple[int, int], _Use]:
    """Per gang and channel."""
    found = {(gang, channel): _Use(tokens) for gang, channel, tokens in graph.tokens}
    for task in np.flatnonzero(graph.gang >= 0).tolist():
        call = graph.sites[graph.site[task]].call
        for param, arg in zip(call.task.params, call.args, strict=True):
            if isinstance(arg, ChannelArg):
                use = found[int(graph.gang[task]), arg.channel]
                if param.direction is Direction.SEND:
                    use.sender = task
                else:
                    use.receiver = task
    return found
