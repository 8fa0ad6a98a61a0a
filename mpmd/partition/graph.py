"""The `TaskGraph`: every task instance and every dependence, as read-only NumPy columns.

In:  `partition.build` makes it from a `Program` and a `Machine`.
Out: the value that scheduling, code generation and pictures read.
Not here: where and when a task runs (`schedule`), buffer reuse (`schedule.memory`).

A million tasks must fit, so nothing here is an object per task: `task(i)` and `dep(i)` make views.
Instances are numbered in program order. Integer expressions that contain runtime scalars are split
into a constant (in the row) and a linear part in the launch scalars (one per site, in `symbolic`).

A dependence is a hyperedge: each of its consumers must start after all of its producers have ended.
Readers of one region at one version of its contents share one dependence, so their number is linear
in the accesses. Producers precede consumers in program order; a task is never on both sides.

The instances come in phases: stretches of straight code, and the bodies of `mpmd.loop`s that stand at the
kernel's top level. A body is there once, whatever the count. All cores meet between phases, so no
dependence goes from one phase to another. Within a body a dependence has a distance: 0 within an
iteration, 1 from an iteration to the next (then program order says nothing, and a task may be on both
sides). What conflicts only further apart has distance 1, too: a task comes after itself in the iteration
before, so that this orders it with all later iterations.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Union

import numpy as np
import numpy.typing as npt

from mpmd.errors import Span
from mpmd.lang.program import Call, Program
from mpmd.lang.tile import TaskDef
from mpmd.machine import OPERATIONS

if TYPE_CHECKING:
    import networkx

IntColumn = npt.NDArray[np.int64]
FloatColumn = npt.NDArray[np.float64]


class WordKind(IntEnum):
    """What one 64-bit word of an instance's row means."""

    BASE = 0  # id of the tensor a parameter lies in (tables: index of its base)
    OFFSET = 1  # bytes from the start of that base to the parameter's first element
    EXTENT = 2  # elements along `axis` of the parameter, where it is not fixed
    STRIDE = 3  # elements between neighbours along `axis`, where it is not fixed
    SCALAR = 4  # a scalar parameter: an integer, or the bits of an f64
    CHANNEL = 5  # id of the channel a parameter is an end of (tables: number of its ring)


@dataclass(frozen=True, slots=True)
class Word:
    """One column of a function's rows. `name` is the parameter; `axis` is −1 where none applies."""

    kind: WordKind
    name: str
    axis: int = -1


@dataclass(frozen=True, slots=True)
class Layout:
    """A tensor parameter of a function: per axis its fixed extent and stride (elements), or None.

    `bounds` is the largest extent over all instances (the full tile), known even where it varies.
    """

    name: str
    extents: tuple[int | None, ...]
    strides: tuple[int | None, ...]
    bounds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """A specialisation of a task: one piece of generated code, shared by all rows of one form.

    `name` is a C identifier, unique in the graph. `dims` is the full extent of each named dim.
    `fixed` names the dims that have that extent in every instance. `words` is the row's layout, in
    order: for each tensor parameter BASE, OFFSET, then its varying EXTENTs and STRIDEs; then SCALARs; then
    CHANNELs.
    """

    name: str
    task: TaskDef
    dims: tuple[tuple[str, int], ...]
    fixed: frozenset[str]
    layouts: tuple[Layout, ...]
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Linear:
    """`const + Σ coefficient × launch scalar`; terms are (scalar id, coefficient), sorted."""

    const: int
    terms: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Derived:
    """A launch scalar computed from earlier ones. `op` is floordiv, mod, min, max or mul.

    Launch scalars are numbered: the program's own first, then the derived ones in order.
    """

    op: str
    lhs: Linear
    rhs: Linear


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition on the launch scalars, `lo ≤ value ≤ hi`, without which the launch is refused.

    `text` says it in the user's terms: "pos + 1 rows of 'k_cache' (extent 2048)".
    """

    value: Linear
    lo: int
    hi: int
    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class LoopIndex:
    """The iteration of the phase's loop, counted from 0."""


@dataclass(frozen=True, slots=True)
class Element:
    """An integer (of `itemsize` bytes, signed) of tensor `tensor` (a root), `offset` bytes in."""

    tensor: int
    offset: Linear
    itemsize: int


@dataclass(frozen=True, slots=True)
class LateGuard:
    """A condition without which the launch ends when the task would start: `lo ≤ value ≤ hi`."""

    value: Linear
    lo: int
    hi: int
    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Skip:
    """The task is passed over (what waits for it goes on) unless `value > 0`."""

    value: Linear


LateOp = Union[LoopIndex, Element, Derived, LateGuard, Skip]


@dataclass(frozen=True, slots=True)
class Site:
    """One call in the source: its function, and what is added to the words of its rows.

    `symbolic` holds (word, scalar id, coefficient): word += coefficient × scalar. Ids below the number of
    launch scalars S are added at launch. Id S + k is what `late[k]` gives when the task starts: the late
    ops of a site run in order, just before its task, and may use launch scalars and earlier late ones.
    """

    call: Call
    function: int
    symbolic: tuple[tuple[int, int, int], ...]
    late: tuple[LateOp, ...] = ()


@dataclass(frozen=True, slots=True)
class LoopInfo:
    """A loop at the kernel's top level. `until` is the flag that ends it after an iteration, or None."""

    name: str
    count: Linear
    until: Element | None
    span: Span


@dataclass(frozen=True, slots=True)
class Phase:
    """The tasks `first` to `end` (exclusive) in program order: straight code, or the body of `loop`."""

    first: int
    end: int
    loop: LoopInfo | None = None


class DepKind(IntEnum):
    RAW = 0  # the consumer reads what the producer wrote
    WAR = 1  # the consumer overwrites what the producer read
    WAW = 2  # the consumer overwrites what the producer wrote
    REUSE = 3  # the consumer's buffer lies where the producer's was


def column(values: Any, dtype: npt.DTypeLike = np.int64) -> npt.NDArray[Any]:
    """A read-only contiguous copy-on-need column."""
    array = np.ascontiguousarray(values, dtype=dtype)
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


@dataclass(frozen=True, eq=False)
class Deps:
    """Dependences as columns. Producers and consumers are CSR: `producers[ptr[i]:ptr[i+1]]`, ascending.

    `tensor` is the tensor concerned (the root of reshaped views); for REUSE, the consumer's buffer.
    `distance` is 1 where the consumers are those of the next iteration of the loop, else 0.
    """

    kind: npt.NDArray[np.uint8]
    distance: npt.NDArray[np.uint8]
    tensor: npt.NDArray[np.int32]
    producer_ptr: IntColumn
    producers: npt.NDArray[np.int32]
    consumer_ptr: IntColumn
    consumers: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.kind)

    def producers_of(self, dep: int) -> npt.NDArray[np.int32]:
        return self.producers[self.producer_ptr[dep] : self.producer_ptr[dep + 1]]

    def consumers_of(self, dep: int) -> npt.NDArray[np.int32]:
        return self.consumers[self.consumer_ptr[dep] : self.consumer_ptr[dep + 1]]

    @staticmethod
    def concatenate(*parts: Deps) -> Deps:
        """All of the first, then all of the next, with their numbers shifted."""
        return Deps(
            kind=column(np.concatenate([_NOTHING, *(part.kind for part in parts)]), np.uint8),
            distance=column(np.concatenate([_NOTHING, *(part.distance for part in parts)]), np.uint8),
            tensor=column(np.concatenate([_NOTHING, *(part.tensor for part in parts)]), np.int32),
            producer_ptr=_pointers([part.producer_ptr for part in parts]),
            producers=column(np.concatenate([_NOTHING, *(part.producers for part in parts)]), np.int32),
            consumer_ptr=_pointers([part.consumer_ptr for part in parts]),
            consumers=column(np.concatenate([_NOTHING, *(part.consumers for part in parts)]), np.int32),
        )


_NOTHING: IntColumn = column(np.zeros(0, np.int64))


def _pointers(parts: list[IntColumn]) -> IntColumn:
    """CSR pointers one behind the other."""
    counts = np.concatenate([_NOTHING, *(np.diff(part) for part in parts)])
    return column(np.concatenate([[0], np.cumsum(counts)]))


@dataclass(frozen=True, slots=True)
class TaskView:
    """One instance, for people: made on demand by `TaskGraph.task`."""

    id: int
    name: str
    site: Site
    function: Function
    words: tuple[int, ...]
    flops: float
    bytes: float


@dataclass(frozen=True, slots=True)
class DepView:
    """One dependence, for people. `reason` reads "matmul#2 → gelu#5 via h (RAW)"."""

    id: int
    kind: DepKind
    tensor: str
    producers: tuple[int, ...]
    consumers: tuple[int, ...]
    reason: str


@dataclass(frozen=True, eq=False)
class TaskGraph:
    """All instances of a program and what orders them.

    Per task `t`: `site[t]`; its row `words[word_ptr[t]:word_ptr[t+1]]`; `work[t]`, its work by
    `machine.WorkClass`; `bytes[t]` (moved, all parameters); `number[t]`, its ordinal among the instances of
    its task name; and its accesses `access_ptr[t]:access_ptr[t+1]`, in parameter order, then one per
    `Element` of its site: `access_tensor` (root tensor id), `access_mode` (1 reads, 2 writes, 3 both),
    `access_lo`/`access_hi` (byte hull within the tensor, [lo, hi)). Offsets in rows are within the root
    tensor.

    Tasks with one `gang[t]` (−1: none) are joined by channels: they run at the same time, on cores of their
    own, or on one core in program order. Tasks with one `drain[t]` (−1: none) are independent of each other
    and are taken by ticket. `pin[t]` is the core asked for (−1: any), `near[t]` a tensor (root) near whose
    producer it should run (−1: none). `phases` are in order and hold every task once. `tokens` gives, per
    gang and channel, how many tokens pass.
    """

    program: Program
    functions: tuple[Function, ...]
    sites: tuple[Site, ...]
    derived: tuple[Derived, ...]
    guards: tuple[Guard, ...]
    tiles: tuple[tuple[str, int], ...]  # the size used for each tile loop, by its name
    site: npt.NDArray[np.int32]
    number: npt.NDArray[np.int32]
    word_ptr: IntColumn
    words: IntColumn
    work: FloatColumn
    bytes: FloatColumn
    access_ptr: IntColumn
    access_tensor: npt.NDArray[np.int32]
    access_mode: npt.NDArray[np.uint8]
    access_lo: IntColumn
    access_hi: IntColumn
    deps: Deps
    phases: tuple[Phase, ...]
    gang: npt.NDArray[np.int32]
    drain: npt.NDArray[np.int32]
    pin: npt.NDArray[np.int32]
    near: npt.NDArray[np.int32]
    tokens: tuple[tuple[int, int, int], ...]  # (gang, channel, tokens)

    def __len__(self) -> int:
        return len(self.site)

    @property
    def flops(self) -> FloatColumn:
        """Operations of each task, of all classes."""
        return self.work[:, :OPERATIONS].sum(axis=1)

    def task_name(self, task: int) -> str:
        """`linear#3`: the task's name and its ordinal."""
        return f"{self.sites[self.site[task]].call.task.name}#{self.number[task]}"

    def task(self, task: int) -> TaskView:
        site = self.sites[self.site[task]]
        row = self.words[self.word_ptr[task] : self.word_ptr[task + 1]]
        return TaskView(
            id=task,
            name=self.task_name(task),
            site=site,
            function=self.functions[site.function],
            words=tuple(int(w) for w in row),
            flops=float(self.flops[task]),
            bytes=float(self.bytes[task]),
        )

    def dep(self, dep: int, deps: Deps | None = None) -> DepView:
        """Dependence `dep` of `deps` (this graph's own, or those that a schedule extended)."""
        deps = self.deps if deps is None else deps
        producers = tuple(int(t) for t in deps.producers_of(dep))
        consumers = tuple(int(t) for t in deps.consumers_of(dep))
        kind = DepKind(int(deps.kind[dep]))
        tensor = self.program.tensors[int(deps.tensor[dep])].name
        reason = f"{self._crowd(producers)} → {self._crowd(consumers)} via {tensor} ({kind.name})"
        return DepView(dep, kind, tensor, producers, consumers, reason)

    def _repr_html_(self) -> str:
        """For notebooks."""
        from mpmd.visual.notebook import graph_html  # pyright: ignore[reportMissingImports] (visual/ is installed so)

        return graph_html(self)

    def _repr_svg_(self) -> str:
        """For notebooks that show no HTML."""
        from mpmd.visual.graph import graph_svg  # pyright: ignore[reportMissingImports] (visual/ is installed so)

        return graph_svg(self)

    def to_networkx(self) -> networkx.DiGraph[int]:
        """The graph as tasks and edges, for algorithms off the hot path.

        Nodes have `name`, `flops`, `bytes`; an edge has `deps`, the numbers of the dependences it is of.
        Each dependence becomes producers × consumers edges.
        """
        import networkx  # takes longer to load than all of this package

        graph: networkx.DiGraph[int] = networkx.DiGraph()
        for task in range(len(self)):
            graph.add_node(
                task, name=self.task_name(task), flops=float(self.flops[task]), bytes=float(self.bytes[task])
            )
        for dep in range(len(self.deps)):
            for producer in self.deps.producers_of(dep).tolist():
                for consumer in self.deps.consumers_of(dep).tolist():
                    known = graph.get_edge_data(producer, consumer, {"deps": ()})
                    graph.add_edge(producer, consumer, deps=(*known["deps"], dep))
        return graph

    def _crowd(self, tasks: tuple[int, ...]) -> str:
        if len(tasks) == 0:
            return "nothing"
        first, *rest = tasks
        return self.task_name(first) + (f" (+{len(rest)})" if rest else "")
