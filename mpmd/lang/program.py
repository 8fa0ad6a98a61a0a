"""The `Program`: one traced kernel, a small tree that does not grow with the number of instances.

In:  `kernel/trace.py` (from Python) or `text/printer.py` (from its printed form).
Out: the value that the evaluator runs and `partition` expands.
Not here: tile sizes left open by the user (a `TileLoop` with size None; `partition` chooses).

    Program  = name, tensors: Tensor*, scalars: Scalar*, body: Node*
    Node     = Call(task, args, dims) | TileLoop(name, extent, size, body) | Loop(name, count, body)
    Arg      = View(tensor, region, order) | ScalarArg(value)

Symbols inside an `Index` of a program: a runtime integer scalar by its name (`pos`); a tile loop's
`f.start`, `f.size`, `f.index`; a loop's variable by the loop's name. Loop names are unique within a
program. Kernel dims are bound at the trace: tensor shapes are constants.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
    this one is a reshaped view of (both C-contiguous, same size), else None.
    """

    id: TensorId
    name: str
    dtype: DType
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    direction: Direction | None
    base: TensorId | None
    span: Span

    @property
    def is_argument(self) -> bool:
        return self.direction is not None

    @property
    def size_bytes(self) -> int:
        """Bytes from the first element to past the last (0 for an empty tensor)."""
        if 0 in self.shape:
            return 0
        last = sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        return (last + 1) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Scalar:
    """A runtime scalar argument of the kernel."""

    name: str
    dtype: DType
    span: Span


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


Arg = Union[View, ScalarArg]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a task. `args` follow `task.params`; `dims` binds each of `task.dims`, in order."""

    task: TaskDef
    args: tuple[Arg, ...]
    dims: tuple[tuple[str, Index], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class TileLoop:
    """`for name in tiles(extent, size)`; size None is the partitioner's to choose."""

    name: str
    extent: Index
    size: int | None
    body: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Loop:
    """`for name in loop(count)`: repetition inside the launch, in order."""

    name: str
    count: Index
    body: tuple[Node, ...]
    span: Span


Node = Union[Call, TileLoop, Loop]


@dataclass(frozen=True, slots=True)
class Program:
    """One kernel under one signature. Tensor ids index `tensors`; arguments come first, in order."""

    name: str
    tensors: tuple[Tensor, ...]
    scalars: tuple[Scalar, ...]
    params: tuple[str, ...]
    body: tuple[Node, ...]
    span: Span

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
