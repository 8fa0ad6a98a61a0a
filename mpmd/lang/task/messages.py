"""`mpmd.send` and `mpmd.recv` in a task: tiles into a channel, and tiles out of it.

In:  evaluated arguments. Out: a `Send`, or a `Receive` with its tile, in the builder.
Not here: how many tokens a task moves (`task/tokens.py`), what bodies may move any (`task/check.py`).
"""

from __future__ import annotations

from mpmd.errors import DirectionError, LanguageError, Note, Span, TypeMismatch
from mpmd.lang.index import Index
from mpmd.lang.op_types import shape_text
from mpmd.lang.task.indexing import narrowed
from mpmd.lang.task.values import Builder, ChannelRef, Tile, Value, describe
from mpmd.lang.tile import Param, Receive, Send, TileType
from mpmd.lang.types import Direction


def send(builder: Builder, channel: Value, value: Value, span: Span) -> None:
    """One token: cast to the channel's dtype as a store casts, of the value's own extents."""
    param = _end(channel, Direction.SEND, "send", span)
    tile = narrowed(builder, param, value, "send", span)
    if tile.type.rank != len(param.shape):
        raise TypeMismatch(
            f"a value of shape {shape_text(tile.type.shape)} is sent through '{param.name}', "
            f"whose tokens are {shape_text(param.shape)}",
            span=span,
            label="the ranks differ",
            related=(_declared(param),),
            hints=("a token has one extent for each axis of the channel: mpmd.full(shape, x), x[None, :]",),
        )
    builder.emit(Send(param.name, tile.id, span))


def receive(builder: Builder, channel: Value, shape: tuple[Index, ...] | None, span: Span) -> Tile:
    """The next token, whose extents are the channel's, or `shape`."""
    param = _end(channel, Direction.RECV, "recv", span)
    extents = param.shape if shape is None else shape
    if len(extents) != len(param.shape):
        raise TypeMismatch(
            f"a token of shape {shape_text(extents)} is received from '{param.name}', "
            f"whose tokens are {shape_text(param.shape)}",
            span=span,
            label="the ranks differ",
            related=(_declared(param),),
            hints=("give one extent for each axis of the channel",),
        )
    tile = Tile(builder.fresh(), TileType(param.dtype, extents))
    builder.emit(Receive(tile.id, tile.type, param.name, span))
    return tile


def _end(channel: Value, wanted: Direction, function: str, span: Span) -> Param:
    if not isinstance(channel, ChannelRef):
        raise LanguageError(
            f"'{function}' is given {describe(channel)} where it needs a channel",
            span=span,
            hints=(f"its first argument is a parameter: c: {wanted.value}[f32, M, N]",),
        )
    param = channel.param
    if param.direction is not wanted:
        have, does = ("Send", "received from") if wanted is Direction.RECV else ("Recv", "sent to")
        raise DirectionError(
            f"'{param.name}' is {have} and is {does}",
            span=span,
            label=f"needs the {wanted.value} end",
            related=(_declared(param),),
            hints=("a task has one end of a channel: take a second channel for the way back",),
        )
    return param


def _declared(param: Param) -> Note:
    return Note(param.span, f"declares '{param.name}'")
