"""Channels of a kernel: how they are made and passed, and the laws that hold for the calls that use them.

In:  what `mpmd.channel` is given; the arguments of calls; the whole `Program`.
Out: `ChannelView`s and `ChannelArg`s; a diagnostic where two tasks could not be joined.
Not here: what tasks do with their ends (`task/messages.py`); depths and deadlock (`partition`).

A channel has one sender and one receiver. Both are called in one body, the sender first, and move equally
many tokens: then the two calls, one after the other, mean what they do at the same time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mpmd.errors import LanguageError, Note, Span, TypeMismatch
from mpmd.lang.index import Index
from mpmd.lang.kernel.symbolic import as_extent
from mpmd.lang.kernel.views import TensorView
from mpmd.lang.program import Call, Channel, ChannelArg, Node, Program, ScalarArg
from mpmd.lang.task.tokens import tokens
from mpmd.lang.tile import Param, TaskDef
from mpmd.lang.types import Direction, DType


class ChannelView:
    """A channel as a kernel's Python handles it: something to pass to two tasks."""

    __slots__ = ("channel",)

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    def __repr__(self) -> str:
        return f"<channel {self.name}: {self.dtype}[{', '.join(map(str, self.shape))}]>"

    @property
    def name(self) -> str:
        return self.channel.name

    @property
    def dtype(self) -> DType:
        return self.channel.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """The extents of a full token."""
        return self.channel.shape

    @property
    def depth(self) -> int:
        return self.channel.depth

    @property
    def extents(self) -> tuple[Index, ...]:
        return tuple(map(Index, self.shape))


def new_channel(number: int, name: str, dtype: Any, shape: Any, depth: Any, span: Span) -> ChannelView:
    """What `mpmd.channel(dtype, shape, depth=depth)` gives."""
    if not isinstance(dtype, DType):
        raise LanguageError(
            f"{dtype!r} is not an element type",
            span=span,
            hints=("write mpmd.channel(mpmd.f32, (64, 128), depth=2)",),
        )
    extents = shape if isinstance(shape, (tuple, list)) else [shape]
    sizes = tuple(_known(extent, 0) for extent in extents)
    if None in sizes:
        raise LanguageError(
            f"a channel has constant extents, not {extents[sizes.index(None)]!r}",
            span=span,
            hints=("make it for the largest tokens: mpmd.recv(c, shape) takes smaller ones",),
        )
    room = _known(depth, 1)
    if room is None:
        raise LanguageError(
            f"the depth of a channel is a constant, 1 or more, and not {depth!r}",
            span=span,
            hints=("it is the number of tokens that can be under way: depth=2",),
        )
    shape = tuple(size for size in sizes if size is not None)
    return ChannelView(Channel(number, name, dtype, shape, room, span))


def _known(value: Any, least: int) -> int | None:
    """The number, where it is one that is known while the kernel is traced."""
    index = None if isinstance(value, bool) else as_extent(value)
    return index.const if index is not None and index.is_const and index.const >= least else None


# -- passing a channel to a task ------------------------------------------------------------------


def channel_argument(task: TaskDef, param: Param, value: Any, span: Span) -> ChannelArg:
    """The end of a channel that a call passes; its dims are bound with those of tensors."""
    declared = Note(param.span, f"declares '{param.name}' as an end of a channel of {param.dtype}")
    if not isinstance(value, ChannelView):
        given = f"the tensor '{value.name}'" if isinstance(value, TensorView) else type(value).__name__
        raise TypeMismatch(
            f"'{param.name}' of '{task.name}' is an end of a channel, but {given} is given",
            span=span,
            related=(declared,),
            hints=("make one in the kernel: c = mpmd.channel(dtype, shape, depth=2)",),
        )
    if value.dtype != param.dtype:
        raise TypeMismatch(
            f"'{param.name}' of '{task.name}' is {param.dtype}, but channel '{value.name}' is {value.dtype}",
            span=span,
            related=(declared, _made(value.channel)),
            hints=("declare the same type; a send casts to it as a store does",),
        )
    if len(value.shape) != len(param.shape):
        raise TypeMismatch(
            f"'{param.name}' of '{task.name}' has rank {len(param.shape)}, "
            f"but the tokens of channel '{value.name}' have rank {len(value.shape)}",
            span=span,
            related=(declared, _made(value.channel)),
            hints=("declare one extent for each axis of a token",),
        )
    return ChannelArg(value.channel.id)


def _made(channel: Channel) -> Note:
    return Note(channel.span, f"makes channel '{channel.name}'")


# -- the laws of a program ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _End:
    """A call that has an end of a channel: node `position` of the body that `path` leads to."""

    path: tuple[int, ...]
    position: int
    call: Call
    param: Param

    @property
    def task(self) -> str:
        return self.call.task.name

    @property
    def verb(self) -> str:
        return "sends to it" if self.param.direction is Direction.SEND else "receives from it"

    @property
    def note(self) -> Note:
        return Note(self.call.span, f"'{self.task}' {self.verb}")


def check_channels(program: Program) -> None:
    """Raises a LanguageError for the first channel whose ends cannot be joined."""
    ends: dict[int, list[_End]] = {channel.id: [] for channel in program.channels}
    for channel, end in _ends(program.body, ()):
        ends[channel].append(end)
    for channel in program.channels:
        if ends[channel.id]:
            _check_pair(channel, *_pair(channel, ends[channel.id]))


def _ends(body: tuple[Node, ...], path: tuple[int, ...]) -> Iterator[tuple[int, _End]]:
    for position, node in enumerate(body):
        if isinstance(node, Call):
            for param, arg in zip(node.task.params, node.args, strict=True):
                if isinstance(arg, ChannelArg):
                    yield arg.channel, _End(path, position, node, param)
        else:
            yield from _ends(node.body, (*path, position))


def _pair(channel: Channel, ends: list[_End]) -> tuple[_End, _End]:
    """The sender and the receiver."""
    for direction, one, other in (
        (Direction.SEND, "sender", "receiver"),
        (Direction.RECV, "receiver", "sender"),
    ):
        found = [end for end in ends if end.param.direction is direction]
        if not found:
            raise LanguageError(
                f"channel '{channel.name}' has a {other} but no {one}",
                span=ends[0].call.span,
                related=(_made(channel),),
                hints=(f"pass '{channel.name}' to a task that has it as {direction.value}",),
            )
        if len(found) > 1:
            raise LanguageError(
                f"channel '{channel.name}' has two {one}s",
                span=found[1].call.span,
                label="the second",
                related=(found[0].note, _made(channel)),
                hints=("make a channel for each pair of calls",),
            )
    sender, receiver = sorted(ends, key=lambda end: end.param.direction is Direction.RECV)
    return sender, receiver


def _check_pair(channel: Channel, sender: _End, receiver: _End) -> None:
    if sender.path != receiver.path:
        raise LanguageError(
            f"the two ends of channel '{channel.name}' are not called in the same body",
            span=receiver.call.span,
            label=f"'{receiver.task}' {receiver.verb}",
            related=(sender.note, _made(channel)),
            hints=("call both tasks in one loop, one after the other",),
        )
    if sender.call is receiver.call:
        raise LanguageError(
            f"'{sender.task}' sends to itself through channel '{channel.name}'",
            span=sender.call.span,
            related=(_made(channel),),
            hints=("a channel joins two calls; within a task a value needs none",),
        )
    if sender.position > receiver.position:
        raise LanguageError(
            f"'{receiver.task}' receives from channel '{channel.name}' before its sender is called",
            span=receiver.call.span,
            label="tokens go forward, from an earlier call to a later one",
            related=(sender.note, _made(channel)),
            hints=(f"call '{sender.task}' first; what goes back needs a tensor, and a call after this one",),
        )
    sent, received = (tokens(e.call.task, e.param.name, _values(e.call)) for e in (sender, receiver))
    if sent != received:
        raise LanguageError(
            f"'{sender.task}' sends {_count(sent)} through channel '{channel.name}', "
            f"but '{receiver.task}' receives {_count(received)}",
            span=receiver.call.span,
            label=f"{received} here, {sent} sent",
            related=(sender.note, _made(channel)),
            hints=("both ends move the same number of tokens, equal as expressions",),
        )


def _count(number: Index) -> str:
    return f"{number} token{'' if number == Index(1) else 's'}"


def _values(call: Call) -> Mapping[str, Index]:
    """What the dims and the integer scalars of the task stand for."""
    scalars = {
        param.name: arg.value
        for param, arg in zip(call.task.params, call.args, strict=True)
        if isinstance(arg, ScalarArg) and isinstance(arg.value, Index)
    }
    return {**dict(call.dims), **scalars}
