"""Recomputing: what a cheap call makes is made again inside of each call that reads it.

In:  a `Program` and the tensor that the cheap call writes.
Out: a `Program` that means the same, in which nobody waits for that tensor; or why that is not right.
Not here: making one task of two (`compose.py`); whether it pays (`search.py`).

Each reader gets the producer's body in front of its own, over exactly the part that it reads. That is
right if the producer only makes this tensor, and what it reads is not written before the reader has run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mpmd.lang.index import ZERO, Index, symbol
from mpmd.lang.program import Call, Program, TensorId, TileLoop, View
from mpmd.lang.substitute import substituted
from mpmd.lang.tile import Axis
from mpmd.lang.types import Direction
from mpmd.partition.rewrite.compose import composed
from mpmd.partition.rewrite.effects import effects
from mpmd.partition.rewrite.places import Site, body_at, common, piece_size, replaced
from mpmd.partition.rewrite.reason import Refused
from mpmd.partition.rewrite.uses import use_of


def recomputed(program: Program, tensor: TensorId) -> Program | Refused:
    """The program in which every call that reads `tensor` computes its part of it by itself."""
    uses, name = use_of(program, tensor), program.tensors[tensor].name
    if program.tensors[tensor].is_argument or not uses.plain:
        return Refused(f"'{name}' is seen by more than calls of the kernel", program.tensors[tensor].span)
    if len(uses.writers) != 1 or not uses.readers:
        return Refused(f"'{name}' is not made by one call for others", program.tensors[tensor].span)
    producer = uses.writers[0]
    directions = [p.direction for p in producer.call.task.params if p.direction is not None]
    if directions.count(Direction.OUT) != 1 or any(d.writes for d in directions if d is not Direction.OUT):
        return Refused(f"'{producer.call.task.name}' does more than make '{name}'", producer.call.span)
    body = program.body
    for reader in uses.readers:
        call = _Reader(program, tensor, producer, reader).call()
        if isinstance(call, Refused):
            return call
        body = replaced(body, reader.place, (call,))
    return replace(program, body=replaced(body, producer.place, ()))


@dataclass(frozen=True, slots=True)
class _Reader:
    """One call that is to compute what it reads of `tensor`."""

    program: Program
    tensor: TensorId
    producer: Site
    reader: Site

    def call(self) -> Call | Refused:
        if (reason := self._out_of_order()) is not None:
            return reason
        symbols = self._symbols()
        if isinstance(symbols, Refused):
            return symbols
        (again,) = substituted((self.producer.call,), symbols)
        assert isinstance(again, Call), "a call stays one"
        call = composed(again, self.reader.call, self.program, private=frozenset({self.tensor}))
        if isinstance(call, Call) and any(isinstance(a, View) and a.tensor == self.tensor for a in call.args):
            return self._refused("cannot be passed on as a value: it is stored or read in parts")
        return call

    def _refused(self, why: str) -> Refused:
        return Refused(f"'{self.program.tensors[self.tensor].name}' {why}", self.reader.call.span)

    def _out_of_order(self) -> Refused | None:
        """Why the producer would not compute the same where the reader stands."""
        if self.reader.place < self.producer.place:
            return self._refused("is read before it is made, in the iteration before")
        depth = common(self.producer.place, self.reader.place)
        body = body_at(self.program.body, self.producer.place[:depth])
        nodes = body[self.producer.place[depth] : self.reader.place[depth] + 1]
        read = {effect.root for effect in effects((self.producer.call,), self.program) if effect.reads}
        for effect in effects(nodes, self.program):
            if effect.writes and effect.root in read:
                name = self.program.tensors[effect.root].name
                return self._refused(f"is made from '{name}', which is written before all have read it")
        return None

    def _symbols(self) -> dict[str, Index] | Refused:
        """What the loop symbols of the producer are, where it makes exactly what the reader reads."""
        made = _view(self.producer.call, self.tensor, writes=True)
        read = _view(self.reader.call, self.tensor, writes=False)
        if made is None or read is None:
            return self._refused("is given to one call twice")
        depth = common(self.producer.place, self.reader.place)
        symbols: dict[str, Index] = {}
        for loop in self.producer.loops[depth:]:
            piece = self._piece(loop, made, read) if isinstance(loop, TileLoop) else None
            if piece is None:
                return self._refused(f"is not made in pieces of '{loop.name}' that are those read")
            symbols |= piece
        (again,) = substituted((self.producer.call,), symbols)
        assert isinstance(again, Call), "a call stays one"
        if _view(again, self.tensor, writes=True) != read:
            return self._refused("is not read in the parts in which it is made")
        return symbols

    def _piece(self, loop: TileLoop, made: View, read: View) -> dict[str, Index] | None:
        """The symbols of the piece of `loop` that is read; None where there is no such piece."""
        start, size, index = (f"{loop.name}.{part}" for part in ("start", "size", "index"))
        for a, b in zip(made.region, read.region, strict=True):
            offset = a.start - symbol(start)
            if a != Axis(a.start, piece_size(loop)) or loop.name in _loops_in(offset):
                continue
            first, extent = b.start - offset, b.extent
            if loop.size is None and (first, extent) == (ZERO, loop.extent):
                return {start: ZERO, size: extent, index: ZERO}
            for other in self.reader.loops:
                if isinstance(other, TileLoop) and _takes_pieces_of(loop, other):
                    piece = symbol(f"{other.name}.start"), piece_size(other)
                    if (first, extent) == piece:
                        return {start: first, size: extent, index: symbol(f"{other.name}.index")}
        return None


def _takes_pieces_of(loop: TileLoop, other: TileLoop) -> bool:
    """Whether the pieces of `other` are some that `loop` has, or may have as its size is open."""
    return loop.extent == other.extent and loop.size in (None, other.size)


def _loops_in(index: Index) -> set[str]:
    return {name.partition(".")[0] for name in index.symbols()}


def _view(call: Call, tensor: TensorId, *, writes: bool) -> View | None:
    """The one view of a tensor that a call writes, or reads."""
    found = [
        arg
        for param, arg in zip(call.task.params, call.args, strict=True)
        if isinstance(arg, View) and arg.tensor == tensor and param.direction is not None
        if (param.direction.writes if writes else param.direction.reads)
    ]
    return found[0] if len(found) == 1 else None
