"""Tokens of channels on vector cores: a tile into a slot of a ring, and out of one.

In:  a `Send` or a `Receive`. Out: instructions, and a mark where this side is done with the slot.
Not here: rings (channel.h), tokens of cube cores (`cube.py`), copies (`transfers.py`).
"""

from __future__ import annotations

from mpmd.codegen.ascend.build import Build
from mpmd.codegen.ascend.instructions import Pipe
from mpmd.codegen.ascend.transfers import Lying, load, store
from mpmd.codegen.ascend.values import Placed, Value
from mpmd.codegen.cpp.checks import check_note
from mpmd.errors import Span
from mpmd.lang.index import ONE, ZERO, Index
from mpmd.lang.tile import Receive, Send, TileType


def side_of(name: str) -> str:
    """A side of a ring, in C++, by the name of the channel, which is that of its present elements."""
    return f"{name}_side"


def send(build: Build, stmt: Send, value: Value) -> None:
    type_ = value.type if isinstance(value, Placed) else TileType(value.dtype, ())
    tile = build.tile(value, type_.shape, stmt.span)
    name = build.scope.names[stmt.param]
    _issue(build, f"{name} = {side_of(name)}.send({_extents(build, type_)})", stmt.span)
    store(build, _token(build, stmt.param, type_), tile, stmt.span)
    _pass(build, name, stmt.span)


def receive(build: Build, stmt: Receive) -> Placed:
    number, name = len(build.checks), build.scope.names[stmt.param]
    build.checks += [check_note(stmt, axis) for axis in range(stmt.type.rank)]
    asked = f"{side_of(name)}.receive({_extents(build, stmt.type)}, {number})"
    _issue(build, f"{name} = {asked}", stmt.span)
    tile = load(build, _token(build, stmt.param, stmt.type), stmt.span)
    _pass(build, name, stmt.span)
    return tile


def _issue(build: Build, text: str, span: Span) -> None:
    """The scalar unit waits for the other side; it touches no tile."""
    build.issue(Pipe.S, text, (), (), span)


def _pass(build: Build, name: str, span: Span) -> None:
    """Once all pipes are done, the other side may have the slot."""
    build.mark(f"{side_of(name)}.pass();", span)


def _extents(build: Build, type_: TileType) -> str:
    return "{" + ", ".join(build.scope.text(extent) for extent in type_.shape) + "}"


def _token(build: Build, param: str, type_: TileType) -> Lying:
    """The elements of a token, in C order."""
    strides, apart = list[Index](), ONE
    for extent in reversed(type_.shape):
        strides.append(apart)
        apart = apart * extent
    dtype = build.function.task.param(param).dtype
    return Lying(param, dtype, ZERO, type_.shape, tuple(reversed(strides)))


__all__ = ["receive", "send", "side_of"]
