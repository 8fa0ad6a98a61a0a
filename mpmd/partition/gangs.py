"""Gangs: task instances that channels join, which run at the same time and stand for one call.

In:  the instances of all call sites. Out: `Gangs`: the gang of each instance, the tokens that pass.
Not here: counting in a body (`lang/task/tokens.py`), where members run (`schedule`).

Channels and bodies make a Kahn network: what a task receives does not depend on timing, and neither does
whether it gets stuck. So one play of the sends and receives, in any order, decides for all orders. A gang
that gets stuck with the declared depths is refused, with depths that would do: whenever no member can go
on, the channel whose sender is stuck first is made one deeper, and the play goes on from there.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpmd.errors import DeadlockError, LanguageError, Note
from mpmd.lang.index import Index
from mpmd.lang.program import Call, Channel, ChannelArg, Program, ScalarArg
from mpmd.lang.task.tokens import Token, channel_sequence, moves_tokens
from mpmd.lang.tile import Loop, TaskDef, walk
from mpmd.lang.types import Direction
from mpmd.partition.affine import Column
from mpmd.partition.expand import SiteInstances
from mpmd.partition.graph import column

Steps = tuple[tuple[int, bool], ...]
"""What a member does, in order: (channel, whether it sends)."""


@dataclass(frozen=True, eq=False)
class Gangs:
    """`gang[t]` of each instance, −1 for none, numbered by first member; (gang, channel, tokens), sorted."""

    gang: npt.NDArray[np.int32]
    tokens: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class _Member:
    """An instance with an end of a channel: what it does with its channels."""

    call: Call
    steps: Steps


def gangs(program: Program, sites: Sequence[SiteInstances], tasks: int) -> Gangs:
    """The gangs of a program; a gang that cannot run with the declared depths is refused."""
    members = _members(sites)
    leader = {task: task for task in members}
    for channel in program.channels:
        for sender, receiver in _pairs(channel, sites):
            _join(leader, sender, receiver)
    found: dict[int, list[int]] = {}
    for task in sorted(members):
        found.setdefault(_leader(leader, task), []).append(task)
    gang = np.full(tasks, -1, np.int32)
    tokens: list[tuple[int, int, int]] = []
    played: dict[tuple[Steps, ...], Mapping[int, int]] = {}
    for number, crew in enumerate(found.values()):
        gang[crew] = number
        steps = tuple(members[task].steps for task in crew)
        if steps not in played:
            played[steps] = _tokens(program, [members[task] for task in crew])
        tokens += [(number, channel, count) for channel, count in sorted(played[steps].items())]
    return Gangs(column(gang, np.int32), tuple(tokens))


def _members(sites: Sequence[SiteInstances]) -> dict[int, _Member]:
    members: dict[int, _Member] = {}
    for site in sites:
        if not site.call.task.channels:
            continue
        names = sorted(_counting_names(site.call.task))
        columns = [_values(site, name) for name in names]
        known: dict[tuple[int, ...], _Member] = {}
        for place, task in enumerate(site.ids.tolist()):
            values = tuple(c if isinstance(c, int) else int(c[place]) for c in columns)
            if values not in known:
                known[values] = _Member(site.call, _steps(site.call, dict(zip(names, values, strict=True))))
            members[task] = known[values]
    return members


def _counting_names(task: TaskDef) -> set[str]:
    """The dims and scalars on which the number of tokens depends."""
    bounds = [
        bound
        for stmt in walk(task.body)
        if isinstance(stmt, Loop) and moves_tokens(stmt.body)
        for bound in (stmt.start, stmt.stop)
    ]
    names = {name for bound in bounds for name in bound.symbols()}
    return names & {*task.dims, *(param.name for param in task.scalars)}


def _values(site: SiteInstances, name: str) -> Column:
    """A dim or scalar, per instance."""
    value = dict(site.call.dims).get(name)
    if value is None:
        params = [param.name for param in site.call.task.params]
        arg = site.call.args[params.index(name)]
        value = arg.value if isinstance(arg, ScalarArg) and isinstance(arg.value, Index) else None
    if value is None or not value.symbols() <= site.columns.keys():
        raise LanguageError(
            f"how many tokens '{site.call.task.name}' moves depends on '{name}', "
            "which is not known when the kernel is compiled",
            span=site.call.span,
            label=f"'{name}' is {value} here" if value is not None else "",
            hints=("give the channel's tasks pieces of one size, or pass a constant",),
        )
    return value.evaluate(site.columns)


def _steps(call: Call, values: Mapping[str, int]) -> Steps:
    channels = {
        param.name: arg.channel
        for param, arg in zip(call.task.params, call.args, strict=True)
        if isinstance(arg, ChannelArg)
    }
    sequence: list[Token] = channel_sequence(call.task, values)
    return tuple((channels[param], way == "send") for param, way in sequence)


def _pairs(channel: Channel, sites: Sequence[SiteInstances]) -> list[tuple[int, int]]:
    """(sender, receiver) of a channel, in program order: they take turns, the sender first."""
    ends: list[tuple[int, bool, Call]] = []
    for site in sites:
        for param, arg in zip(site.call.task.params, site.call.args, strict=True):
            if isinstance(arg, ChannelArg) and arg.channel == channel.id:
                sends = param.direction is Direction.SEND
                ends += [(task, sends, site.call) for task in site.ids.tolist()]
    ends.sort(key=lambda end: end[0])
    for place, (_, sends, call) in enumerate(ends):
        if sends != (place % 2 == 0) or (sends and place + 1 == len(ends)):
            other = "receives from it next" if sends else "sends to it before"
            raise LanguageError(
                f"'{call.task.name}' {'sends to' if sends else 'receives from'} channel '{channel.name}', "
                f"but no call {other}",
                span=call.span,
                related=(Note(channel.span, f"declares '{channel.name}'"),),
                hints=("call the sender and then the receiver, once each, in one body",),
            )
    return [(a[0], b[0]) for a, b in zip(ends[::2], ends[1::2], strict=True)]


def _leader(leader: dict[int, int], task: int) -> int:
    while leader[task] != task:
        leader[task] = leader[leader[task]]
        task = leader[task]
    return task


def _join(leader: dict[int, int], a: int, b: int) -> None:
    first, second = sorted((_leader(leader, a), _leader(leader, b)))
    leader[second] = first


def _tokens(program: Program, crew: Sequence[_Member]) -> Mapping[int, int]:
    """Tokens per channel of a gang that passes them all; a `Diagnostic` where it cannot."""
    sent = _moves(crew, sends=True)
    received = _moves(crew, sends=False)
    for channel in sorted({*sent, *received}):
        if sent[channel] != received[channel]:
            raise _unequal(program.channels[channel], crew, sent[channel], received[channel])
    depths = {channel: program.channels[channel].depth for channel in sent}
    enough = sufficient_depths([member.steps for member in crew], depths)
    if enough != depths:
        raise _stuck(program, crew, depths, enough)
    return sent


def _moves(crew: Sequence[_Member], *, sends: bool) -> Counter[int]:
    return Counter(channel for member in crew for channel, sending in member.steps if sending == sends)


def sufficient_depths(members: Sequence[Steps], depths: Mapping[int, int]) -> dict[int, int]:
    """`depths`, or greater ones where members with these would wait for each other for ever.

    Every channel is sent as many tokens as are received from it, and senders stand before receivers.
    """
    enough, queued = dict(depths), Counter[int]()
    at = [0] * len(members)
    turn = deque(range(len(members)))
    idle = 0
    while turn:
        member = turn.popleft()
        begin = at[member]
        at[member] = _run(members[member], begin, enough, queued)
        if at[member] == len(members[member]):
            idle = 0
            continue
        turn.append(member)
        idle = 0 if at[member] > begin else idle + 1
        if idle >= len(turn):
            channel = next(members[m][at[m]][0] for m in sorted(turn) if members[m][at[m]][1])
            enough[channel] += 1
            idle = 0
    return enough


def _run(steps: Steps, at: int, depths: Mapping[int, int], queued: Counter[int]) -> int:
    """How far a member gets before it must wait."""
    while at < len(steps):
        channel, sends = steps[at]
        if queued[channel] == (depths[channel] if sends else 0):
            break
        queued[channel] += 1 if sends else -1
        at += 1
    return at


def _unequal(channel: Channel, crew: Sequence[_Member], sent: int, received: int) -> LanguageError:
    sender, receiver = _end(crew, channel.id, sends=True), _end(crew, channel.id, sends=False)
    return LanguageError(
        f"'{sender.task.name}' sends {sent} tokens to channel '{channel.name}', "
        f"'{receiver.task.name}' receives {received}",
        span=receiver.span,
        label=f"receives {received}",
        related=(Note(sender.span, f"sends {sent}"),),
        hints=("make both loops run equally often",),
    )


def _stuck(
    program: Program, crew: Sequence[_Member], depths: Mapping[int, int], enough: Mapping[int, int]
) -> DeadlockError:
    raised = [program.channels[c] for c in depths if enough[c] > depths[c]]
    first = raised[0]
    sender, receiver = _end(crew, first.id, sends=True), _end(crew, first.id, sends=False)
    wanted = " and ".join(f"'{c.name}' depth={enough[c.id]}" for c in raised)
    return DeadlockError(
        f"'{sender.task.name}' and '{receiver.task.name}' wait for each other for ever: "
        f"channel '{first.name}' is full and its receiver waits for something else",
        span=first.span,
        label=f"has room for {first.depth}",
        related=(Note(sender.span, "is the sender"), Note(receiver.span, "is the receiver")),
        hints=(f"give {wanted}", "or receive from the channels in the order in which they are sent to"),
    )


def _end(crew: Sequence[_Member], channel: int, *, sends: bool) -> Call:
    """The call that has one end of a channel, whether or not it uses it."""
    wanted = Direction.SEND if sends else Direction.RECV
    return next(
        member.call
        for member in crew
        for param, arg in zip(member.call.task.params, member.call.args, strict=True)
        if isinstance(arg, ChannelArg) and arg.channel == channel and param.direction is wanted
    )
