"""The `Program`: one traced kernel, a small tree that does not grow with the number of instances.

In:  `kernel/trace.py` (from Python) or `text/printer.py` (from its printed form).
Out: the value that the evaluator runs and `partition` expands.
Not here: tile sizes left open by the user (a `TileLoop` with size None; `partition` chooses).

    Program  = name, tensors: Tensor*, channels: Channel*, scalars: Scalar*, body: Node*
    Node     = Call(task, args, dims, placement)
             | TileLoop(name, extent, size, body)         the pieces of an axis
             | Split(name, extent, parts, body)           even pieces, so many
             | Segments(name, offsets, count, capacity, body)   ragged pieces, given by data
             | Loop(name, count, body, until)             repetition, in order
    Arg      = View(tensor, region, order) | ScalarArg(value) | ChannelArg(channel)

Symbols inside an `Index` of a program: a runtime integer scalar by its name (`pos`); `f.start`, `f.size`,
`f.index` of the three loops over pieces; a `Loop`'s variable by the loop's name. Loop names are unique
within a program. An extent of a loop over pieces may have symbols of all kinds; a piece without elements is
skipped, with all calls in it.

Kernel dims are bound at the trace: tensor shapes are constants. A dim that each launch binds is a `Scalar`
with a bound, by the dim's name; a tensor that has it lies in memory as if it had the bound, and `extents` say
what a launch may touch of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Union

from mpmd.errors import Span
from mpmd.lang.index import Index
from mpmd.lang.tile import Region, TaskDef, kept_shape
from mpmd.lang.types import Direction, DType

TensorId = int


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of the kernel: an argument (it has a direction) or local to the launch (it has none).

    `strides` count elements; those of a local tensor are C order. `base` is the tensor whose storage
    this one is a reshaped view of (both C-contiguous, same size), else None. Where a launch binds extents,
    `shape` has the most of each axis and `extents` what it has, in dims of the launch; else `extents` is
    empty. Of an argument, and of a reshaped view, only the first extent may depend on the launch.
    """

    id: TensorId
    name: str
    dtype: DType
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    direction: Direction | None
    base: TensorId | None
    span: Span
    extents: tuple[Index, ...] = ()

    @property
    def is_argument(self) -> bool:
        return self.direction is not None

    @property
    def actual(self) -> tuple[Index, ...]:
        """The extents of the axes in a launch."""
        return self.extents or tuple(Index(extent) for extent in self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes from the first element to past the last (0 for an empty tensor)."""
        if 0 in self.shape:
            return 0
        last = sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        return (last + 1) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Scalar:
    """A runtime scalar argument of the kernel; with `most`, a dim that a launch binds: 0 to `most`.

    Such a dim is no parameter: the extents of the arguments say what it is.
    """

    name: str
    dtype: DType
    span: Span
    most: int | None = None


@dataclass(frozen=True, slots=True)
class View:
    """A region of a tensor, one `Axis` per axis of the tensor.

    `order` permutes the kept axes: axis `i` of the view is kept axis `order[i]` (a transpose).
    """

    tensor: TensorId
    region: Region
    order: tuple[int, ...]

    @property
    def shape(self) -> tuple[Index, ...]:
        kept = kept_shape(self.region)
        return tuple(kept[axis] for axis in self.order)


@dataclass(frozen=True, slots=True)
class ScalarArg:
    """The value of a task's scalar parameter: an integer expression, a float, or a float scalar's name."""

    value: Index | float | str


@dataclass(frozen=True, slots=True)
class Channel:
    """A bounded queue of tiles between two tasks: `depth` tokens of at most `shape` elements."""

    id: int
    name: str
    dtype: DType
    shape: tuple[int, ...]
    depth: int
    span: Span

    @property
    def token_bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class ChannelArg:
    """An end of a channel. The calls of one body that share channels run at the same time (a gang)."""

    channel: int


Arg = Union[View, ScalarArg, ChannelArg]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a call must run: on a kind of core, on one core, or where `near` (a tensor) was made."""

    on: str | None = None
    core: Index | None = None
    near: TensorId | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a task. `args` follow `task.params`; `dims` binds each of `task.dims`, in order."""

    task: TaskDef
    args: tuple[Arg, ...]
    dims: tuple[tuple[str, Index], ...]
    span: Span
    placement: Placement | None = None


@dataclass(frozen=True, slots=True)
class TileLoop:
    """`for name in tiles(extent, size)`; size None is the partitioner's to choose.

    Where `extent` is not constant, `most` bounds it. With `drain` cores take the pieces by ticket.
    """

    name: str
    extent: Index
    size: int | None
    body: tuple[Node, ...]
    span: Span
    most: int | None = None
    drain: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """`for name in split(extent, parts)`: piece `k` is `extent·k // parts` to `extent·(k+1) // parts`."""

    name: str
    extent: Index
    parts: int
    body: tuple[Node, ...]
    span: Span
    most: int | None = None
    drain: bool = False


@dataclass(frozen=True, slots=True)
class Segments:
    """`for name in segments(offsets, capacity)`: piece `k` is `offsets[k]` to `offsets[k + 1]`.

    `offsets` views `count + 1` integers (i32 or i64) along one kept axis, which must not fall; no piece is
    longer than `capacity`. Both are verified when a piece starts; a breach ends the launch.
    """

    name: str
    offsets: View
    count: int
    capacity: int
    body: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Loop:
    """`for name in loop(count, until=flag)`: repetition inside the launch, in order.

    `count` may have runtime scalars. After an iteration that leaves the one element of `until` other than
    zero, the loop ends.
    """

    name: str
    count: Index
    body: tuple[Node, ...]
    span: Span
    until: View | None = None


Node = Union[Call, TileLoop, Split, Segments, Loop]


@dataclass(frozen=True, slots=True)
class Program:
    """One kernel under one signature. Tensor ids index `tensors`; arguments come first, in order."""

    name: str
    tensors: tuple[Tensor, ...]
    scalars: tuple[Scalar, ...]
    params: tuple[str, ...]
    body: tuple[Node, ...]
    span: Span
    channels: tuple[Channel, ...] = ()

    @property
    def arguments(self) -> tuple[Tensor, ...]:
        return tuple(t for t in self.tensors if t.is_argument)

    @property
    def tasks(self) -> tuple[TaskDef, ...]:
        """The tasks called, in order of first call, each once."""
        return tuple(dict.fromkeys(call.task for call in calls(self.body)))


def calls(body: tuple[Node, ...]) -> Iterator[Call]:
    """Every call site, in program order."""
    for node in body:
        if isinstance(node, Call):
            yield node
        else:
            yield from calls(node.body)
