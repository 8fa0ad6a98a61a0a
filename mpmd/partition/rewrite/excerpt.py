"""A part of a program as a program of its own, so that what concerns few calls is looked at alone.

In:  a `Program` and the places of some calls.
Out: the program with the nodes that hold them and those next to them, which may run at the same time.
Not here: what is found out about it (`search.py`).

Loops of repetition around all of them are left out: the excerpt stands for their first iteration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mpmd.lang.index import ZERO
from mpmd.lang.program import Call, Loop, Node, Program
from mpmd.lang.substitute import substituted
from mpmd.partition.rewrite.places import Place, common

BESIDE = 2
"""Nodes on each side of one that are looked at with it."""


def excerpt(program: Program, places: Sequence[Place]) -> Program:
    """The nodes that hold the calls and their neighbours, in the loops over pieces that are around all."""
    first = min(places)
    shared = [common(first, place) for place in places if place != first]
    path = first[: min(shared, default=len(first) - 1)]
    return replace(program, body=_around(program.body, path, places))


def _around(body: tuple[Node, ...], path: Place, places: Sequence[Place]) -> tuple[Node, ...]:
    if not path:
        near = {place[0] + beside for place in places for beside in range(-BESIDE, BESIDE + 1)}
        return tuple(node for number, node in enumerate(body) if number in near)
    node = body[path[0]]
    assert not isinstance(node, Call), "a call has no body"
    inner = _around(node.body, path[1:], [place[1:] for place in places])
    return substituted(inner, {node.name: ZERO}) if isinstance(node, Loop) else (replace(node, body=inner),)
