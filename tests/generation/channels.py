"""Tasks joined by channels: a sender, perhaps one between, a receiver; alone or per piece.

In:  a `Scope`. Out: tasks with ends of channels, and kernel lines that make the channels and call them.
Not here: calls that no channel joins (`calls.py`).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from tests.generation.calls import placed, views
from tests.generation.pieces import known_tiles, over_rows
from tests.generation.scope import Scope
from tests.generation.values import clamp, expression, pick, region, shape


@dataclass(frozen=True)
class _Protocol:
    """How a tile of T × N passes: a loop around the messages, what is sent, what comes."""

    loop: str
    part: str
    received: str
    one_token: bool

    def lines(self, *inner: str) -> list[str]:
        if not self.loop:
            return list(inner)
        return [self.loop, *(f"    {line}" for line in inner)]


_PROTOCOLS = (
    _Protocol("", ":", "mpmd.recv({c}, (T, N))", True),
    _Protocol("for r in range(T):", "r", "mpmd.recv({c}, (1, N))[0]", False),
    _Protocol("for j in mpmd.tiles(T, 4):", "j", "mpmd.recv({c}, (j.size, N))", False),
)


def pipeline(scope: Scope) -> None:
    """Two or three tasks in a row, through one or two channels each, over all rows or per piece."""
    target, (source, *_) = pick(scope)
    rows, columns = shape(scope, [target, source])
    protocol = scope.one(_PROTOCOLS)
    dtypes = [scope.one([source.dtype, target.dtype]) for _ in range(scope.integer(1, 2))]
    names = [scope.text.fresh("c") for _ in dtypes]
    for name, dtype in zip(names, dtypes, strict=True):
        depth = scope.integer(1, 3)
        scope.text.line(f"{name} = mpmd.channel({dtype}, ({max(rows, 4)}, {columns}), depth={depth})")
    tasks = [
        _sender(scope, protocol, source.dtype, dtypes[0]),
        *(_between(scope, protocol, source.dtype, a, b) for a, b in itertools.pairwise(dtypes)),
        _receiver(scope, protocol, dtypes[-1], target.dtype),
    ]
    x, y = views(scope, region(scope, source, rows, columns), region(scope, target, rows, columns))
    places = [placed(scope), *("" for _ in tasks[1:])]  # two of one gang cannot have one core

    def calls(piece: str) -> None:
        a, b = (f"{view}[{piece}]" if piece else view for view in (x, y))
        ends = [f"{a}, {names[0]}", *(f"{a}, {c}, {d}" for c, d in itertools.pairwise(names))]
        for task, given, place in zip(tasks, [*ends, f"{names[-1]}, {b}"], places, strict=True):
            scope.text.line(f"{task}({given}{place})")

    if scope.chance(2):
        calls("")
    elif protocol.one_token:  # the number of tokens must be known, so others have pieces of known sizes
        over_rows(scope, rows, "t", calls, single=False)
    else:
        with scope.text.block(f"for t in {known_tiles(scope, rows)}:"):
            calls("t")


def _sender(scope: Scope, protocol: _Protocol, source: str, token: str) -> str:
    value = clamp(expression(scope, [f"x[{protocol.part}]"]), token)
    return scope.text.task(
        f"x: In[{source}, T, N], c: Send[{token}, P, N]",
        protocol.lines(*_sends(protocol, "c", value)),
    )


def _between(scope: Scope, protocol: _Protocol, source: str, token: str, sent: str) -> str:
    value = clamp(expression(scope, ["v", f"x[{protocol.part}]"]), sent)
    return scope.text.task(
        f"x: In[{source}, T, N], c: Recv[{token}, P, N], d: Send[{sent}, P, N]",
        protocol.lines(f"v = {protocol.received.format(c='c')}", *_sends(protocol, "d", value)),
    )


def _receiver(scope: Scope, protocol: _Protocol, token: str, target: str) -> str:
    value = clamp(expression(scope, ["v"]), target)
    return scope.text.task(
        f"c: Recv[{token}, P, N], y: Out[{target}, T, N]",
        protocol.lines(f"v = {protocol.received.format(c='c')}", f"y[{protocol.part}] = {value}"),
    )


def _sends(protocol: _Protocol, channel: str, value: str) -> list[str]:
    """A token has two axes, a row of a tile has one."""
    whole = "w[None, :]" if protocol.part == "r" else "w"
    return [f"w = {value}", f"mpmd.send({channel}, {whole})"]
