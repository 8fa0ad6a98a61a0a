"""Chains: calls that add to one region one after another, in the iterations of loops over pieces.

In:  a loop of a `Program`. Out: its `Chain`s. Not here: whether and how one is cut (`accumulate.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Union

from mpmd.lang.index import ONE, symbol
from mpmd.lang.program import (
    Call,
    ChannelArg,
    Loop,
    Node,
    Program,
    Segments,
    Split,
    TensorId,
    TileLoop,
    View,
    calls,
)
from mpmd.lang.tile import Param
from mpmd.lang.types import Direction
from mpmd.partition.accesses import root_of

Pieces = Union[TileLoop, Split]

PARTS = ("start", "size", "index")
"""The symbols of a loop over pieces, after its name."""


@dataclass(frozen=True, slots=True)
class Chain:
    """A call that adds to one region in every iteration of some of the loops `path`, outermost first."""

    path: tuple[Pieces, ...]
    call: Call
    number: int  # of the parameter

    @property
    def param(self) -> Param:
        return self.call.task.params[self.number]

    @property
    def view(self) -> View:
        arg = self.call.args[self.number]
        assert isinstance(arg, View), "a tensor parameter takes a view"
        return arg

    @property
    def free(self) -> tuple[Pieces, ...]:
        """The loops whose iterations share a region."""
        return tuple(loop for loop in self.path if not indexes(loop, self.view))

    @property
    def indexing(self) -> tuple[Pieces, ...]:
        return tuple(loop for loop in self.path if indexes(loop, self.view))


def chains(program: Program, loop: Pieces) -> Iterator[Chain]:
    """The chains whose outermost loop is `loop`: nobody else uses their tensors in it."""
    uses: dict[TensorId, int] = {}
    for node in (loop, *loops_of(loop.body)):
        if isinstance(node, Segments):
            _count(uses, program, node.offsets)
    for call in calls(loop.body):
        for arg in call.args:
            if isinstance(arg, View):
                _count(uses, program, arg)
    for path, call in _calls_within((loop,), loop.body):
        for number, param in enumerate(call.task.params):
            if param.direction is not Direction.ACCUM or any(isinstance(a, ChannelArg) for a in call.args):
                continue
            chain = Chain(path, call, number)
            tensor = root_of(program.tensors[chain.view.tensor], program).id
            apart = all(_apart(p, path, chain.view) for p in chain.indexing)
            if uses[tensor] == 1 and loop in chain.free and apart:
                yield chain


def _calls_within(
    path: tuple[Pieces, ...], body: tuple[Node, ...]
) -> Iterator[tuple[tuple[Pieces, ...], Call]]:
    """Calls that only loops over pieces stand around, with these loops."""
    for node in body:
        if isinstance(node, Call):
            yield path, node
        elif isinstance(node, (TileLoop, Split)):
            yield from _calls_within((*path, node), node.body)


def _count(uses: dict[TensorId, int], program: Program, view: View) -> None:
    root = root_of(program.tensors[view.tensor], program).id
    uses[root] = uses.get(root, 0) + 1


def indexes(loop: Pieces, view: View) -> bool:
    """Whether the region differs between iterations."""
    return any(
        f"{loop.name}.{part}" in axis.start.symbols() | axis.extent.symbols()
        for axis in view.region
        for part in PARTS
    )


def _apart(loop: Pieces, path: tuple[Pieces, ...], view: View) -> bool:
    """Whether the regions of different iterations surely share no element, those of all `path` running."""
    start, size, index = (symbol(f"{loop.name}.{part}") for part in PARTS)
    varying = {f"{other.name}.{part}" for other in path for part in PARTS}
    even = even_size(loop)
    for axis in view.region:
        short = axis.extent == size or (axis.extent.is_const and axis.extent.const <= even)
        if short and axis.step == 1 and varying.isdisjoint((axis.start - start).symbols()):
            return True
        if axis.extent == ONE and varying.isdisjoint((axis.start - index).symbols()):
            return True
    return False


def even_size(loop: Pieces) -> int:
    """How far apart pieces surely start; 0 where that is not known."""
    if isinstance(loop, TileLoop):
        return loop.size or 0
    return loop.extent.const // loop.parts if loop.extent.is_const else 0


def most_elements(loop: Pieces) -> int | None:
    """The bound of a loop's extent, if it has one."""
    return loop.extent.const if loop.extent.is_const else loop.most


def never_empty(loop: Pieces) -> bool:
    """Whether all pieces that a loop may have surely have elements."""
    return loop.extent.is_const and (isinstance(loop, TileLoop) or loop.parts <= loop.extent.const)


def loops_of(body: tuple[Node, ...]) -> Iterator[TileLoop | Split | Segments | Loop]:
    for node in body:
        if not isinstance(node, Call):
            yield node
            yield from loops_of(node.body)
