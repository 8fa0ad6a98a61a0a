"""Places in the tree of a program: where calls stand, and the tree with some of its nodes replaced.

In:  a `Program`, or its nodes. Out: `Site`s; bodies with other nodes in them.
Not here: whether that is legal (`effects.py` and the rewrites).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Union

from mpmd.lang.index import Index, symbol
from mpmd.lang.program import Call, Loop, Node, Segments, Split, TileLoop
from mpmd.lang.substitute import substituted

Place = tuple[int, ...]
"""Child numbers, from the kernel's body down."""

AnyLoop = Union[TileLoop, Split, Segments, Loop]


@dataclass(frozen=True, slots=True)
class Site:
    """A call, where it stands, and the loops around it, outermost first."""

    place: Place
    loops: tuple[AnyLoop, ...]
    call: Call


def sites(body: Sequence[Node], place: Place = (), loops: tuple[AnyLoop, ...] = ()) -> Iterator[Site]:
    """Every call, in program order."""
    for number, node in enumerate(body):
        if isinstance(node, Call):
            yield Site((*place, number), loops, node)
        else:
            yield from sites(node.body, (*place, number), (*loops, node))


def common(a: Place, b: Place) -> int:
    """How many loops two places share."""
    shared = 0
    while shared < min(len(a), len(b)) - 1 and a[shared] == b[shared]:
        shared += 1
    return shared


def body_at(body: tuple[Node, ...], place: Place) -> tuple[Node, ...]:
    """The nodes in the loop at `place`; those of the kernel at ()."""
    for number in place:
        node = body[number]
        assert not isinstance(node, Call), "a call has no body"
        body = node.body
    return body


def replaced(body: tuple[Node, ...], place: Place, nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The body with `nodes` in the place of one. A loop that is left without nodes goes, too."""
    number, inner = place[0], place[1:]
    now = tuple(nodes)
    if inner:
        node = body[number]
        assert not isinstance(node, Call), "a call has no body"
        kept = replaced(node.body, inner, nodes)
        now = (replace(node, body=kept),) if kept else ()
    return (*body[:number], *now, *body[number + 1 :])


def with_body(body: tuple[Node, ...], place: Place, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """The body in which the loop at `place` has other nodes; () is the kernel itself."""
    if not place:
        return nodes
    node = body[place[0]]
    assert not isinstance(node, Call), "a call has no body"
    now = replace(node, body=with_body(node.body, place[1:], nodes))
    return (*body[: place[0]], now, *body[place[0] + 1 :])


def with_size(loop: TileLoop, size: int | None) -> TileLoop:
    """A loop whose size was open, now of this one: as it is traced, an even size is a number."""
    if size is None or loop.size is not None:
        return loop
    fixed = replace(loop, size=size)
    return replace(fixed, body=substituted(loop.body, {f"{loop.name}.size": piece_size(fixed)}))


def with_sizes(body: tuple[Node, ...], sizes: Mapping[str, int]) -> tuple[Node, ...]:
    """The nodes with the sizes of some open tile loops, by name."""
    made: list[Node] = []
    for node in body:
        if not isinstance(node, Call):
            node = replace(node, body=with_sizes(node.body, sizes))
        made.append(with_size(node, sizes.get(node.name)) if isinstance(node, TileLoop) else node)
    return tuple(made)


def piece_size(loop: TileLoop) -> Index:
    """The elements of a piece: a number where all have as many, else the loop's symbol."""
    even = loop.size is not None and loop.extent.is_const and loop.extent.const % loop.size == 0
    return Index(loop.size) if even and loop.size is not None else symbol(f"{loop.name}.size")


def loop_names(body: Sequence[Node]) -> Iterator[str]:
    for node in body:
        if not isinstance(node, Call):
            yield node.name
            yield from loop_names(node.body)


def unused(wanted: str, taken: set[str]) -> str:
    """A name that nobody has, which is taken from now on."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    taken.add(name)
    return name
