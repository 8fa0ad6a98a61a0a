"""What nodes of a program touch, and whether two of them may change places.

In:  nodes of a `Program`. Out: `Effect`s, and proofs that they do not meet.
Not here: order between instances (`partition/conflicts.py` finds it from numbers); what a rewrite does.

A region is told apart from another by its expressions alone. What is not proved apart meets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from mpmd.lang.index import ONE, Index, symbol
from mpmd.lang.kernel.overlap import provably_disjoint
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
from mpmd.lang.tile import Axis
from mpmd.partition.accesses import root_of
from mpmd.partition.chains import even_size


@dataclass(frozen=True, slots=True)
class Effect:
    """A view that is read, written or both; `root` owns the storage."""

    view: View
    root: TensorId
    reads: bool
    writes: bool

    def meets(self, other: Effect) -> bool:
        """Whether the order of the two may matter, both in one iteration of the loops around them."""
        return self.shares(other) and not self._apart(other)

    def shares(self, other: Effect) -> bool:
        """Whether both use one storage, and one of them writes."""
        return self.root == other.root and (self.writes or other.writes)

    def _apart(self, other: Effect) -> bool:
        same = self.view.tensor == other.view.tensor
        return same and provably_disjoint(self.view.region, other.view.region, {})


def effects(nodes: Iterable[Node], program: Program) -> Iterator[Effect]:
    """Everything that nodes touch: the views of calls, the offsets of segments, the flags of loops."""
    for node in nodes:
        if isinstance(node, Call):
            yield from _of_call(node, program)
            continue
        if isinstance(node, Segments):
            yield _effect(node.offsets, program, reads=True, writes=False)
        if isinstance(node, Loop) and node.until is not None:
            yield _effect(node.until, program, reads=True, writes=False)
        yield from effects(node.body, program)


def _of_call(call: Call, program: Program) -> Iterator[Effect]:
    for param, arg in zip(call.task.params, call.args, strict=True):
        if isinstance(arg, View) and param.direction is not None:
            yield _effect(arg, program, reads=param.direction.reads, writes=param.direction.writes)


def _effect(view: View, program: Program, *, reads: bool, writes: bool) -> Effect:
    return Effect(view, root_of(program.tensors[view.tensor], program).id, reads, writes)


def independent(a: Sequence[Node], b: Sequence[Node], program: Program) -> bool:
    """Whether two groups of nodes may change places. Ends of channels keep theirs."""
    if has_channels(a) and has_channels(b):
        return False
    return not any(x.meets(y) for x, y in product(tuple(effects(a, program)), tuple(effects(b, program))))


def has_channels(nodes: Sequence[Node]) -> bool:
    """Whether one of the calls is a member of a gang."""
    return any(isinstance(arg, ChannelArg) for call in calls(tuple(nodes)) for arg in call.args)


def pieces_apart(loop: TileLoop | Split, a: View, b: View) -> bool:
    """Whether `a` in one piece of a loop and `b` in another surely share no element."""
    return a.tensor == b.tensor and any(
        x == y and _moves_with(loop, x) for x, y in zip(a.region, b.region, strict=True)
    )


def _moves_with(loop: TileLoop | Split, axis: Axis) -> bool:
    """Whether an axis covers what is between its place in one piece and in the next, or less."""
    start, size, index = (symbol(f"{loop.name}.{part}") for part in ("start", "size", "index"))
    own = {f"{loop.name}.{part}" for part in ("start", "size", "index")}
    if axis.step != 1:
        return False
    even = Index(even_size(loop))
    for moving, covered in ((start, size), (start, even), (index, ONE)):
        pace = dict(axis.start.terms).get(moving.terms[0][0], 0)
        fixed = own.isdisjoint((axis.start - moving * pace).symbols())
        if pace >= 1 and fixed and _within(axis.extent, covered, pace):
            return True
    return False


def _within(extent: Index, covered: Index, pace: int) -> bool:
    rest = covered * pace - extent
    return rest.is_const and rest.const >= 0
