"""The `Machine`: the numbers that partition, schedule and check decide by.

In:  a preset (`presets/`), or one that was measured (`calibrate.py`). Out: a frozen value.
Not here: measuring it; what a particular program costs (`partition/cost.py`, `schedule/costs.py`).
All times are seconds, rates are per second, sizes are bytes.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import accumulate

from mpmd.machine.text import table


class WorkClass(IntEnum):
    """What a core does at a rate of its own. Columns of `TaskGraph.work`.

    The first ones are operations, at `CoreKind.rates`; one on 64-bit values counts as two. Those from
    `OPERAND` on are what comes with them, whatever the extents: each takes `CoreKind.overheads` seconds.
    """

    DOT32 = 0  # matrix products of 32-bit operands and wider; a multiply-add counts as two
    DOT16 = 1  # matrix products of 16-bit floats
    DOT8 = 2  # matrix products of 8-bit operands
    VECTOR = 3  # elementwise arithmetic, casts, reductions
    FUNCTION = 4  # exp, tanh and the like, by the operations of a polynomial (`OPS`); extrema along an axis
    OPERAND = 5  # elements of the operands of matrix products, each loaded or packed once a product
    PRODUCT = 6  # matrix products begun
    FOLD = 7  # results of reductions: for each the lanes of a vector are joined
    PASS = 8  # elements that are written or read again because several statements take them


OPERATIONS = 5
"""How many of the classes are operations."""


@dataclass(frozen=True, slots=True)
class Primitive:
    """A way to tell a core that something has happened. `kind` says how it behaves:

    `counter` only grows, has any number of signallers and waiters; `word` has one signaller; `flag` has one
    waiter, whose wait takes away what it waited for. `limit` is how many a launch may use (flags: of
    each group of cores); `maximum` the largest count. `scope` is "machine", or "group" where it reaches
    only cores of one group.
    """

    name: str
    limit: int
    maximum: int
    signal_seconds: float
    wait_seconds: float
    kind: str = "counter"
    scope: str = "machine"


@dataclass(frozen=True, slots=True)
class CoreKind:
    """Cores of one kind. `rates` is operations per second of one core, by `WorkClass`; 0: it cannot.

    `bandwidth` is what one core alone draws from memory; `cache_bytes` is private to a core and
    `cache_bandwidth` is for data already there; `task_seconds` is what starting a task costs.
    `overheads` is seconds for each OPERAND, PRODUCT, FOLD and PASS, on top of the operations. `overlap` is
    the share of computing that goes on while bytes are moved: 1 where others move them (copy engines, warps).
    """

    name: str
    cores: int
    rates: tuple[float, float, float, float, float]
    bandwidth: float
    cache_bytes: int
    cache_bandwidth: float
    task_seconds: float
    overheads: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    overlap: float = 1.0


@dataclass(frozen=True, slots=True)
class Source:
    """Where the value of a field of a machine comes from, for people."""

    field: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Machine:
    """One launch's worth of cores that share memory. Cores are numbered kind after kind.

    `bandwidth` is shared by all cores; `handover_bandwidth` is core to core. `primitives` begin with the
    one that every event can use. `group` cores are neighbours, of each kind as many as its share of all
    cores is, one after the other (primitives of scope "group"; 0: there are no groups). `jitter` is the
    share of its predicted time that a phase loses to cores which are slower than predicted at the moment
    (0 until it has been measured); `ticket_seconds` is the time to take a task from a queue that all cores
    share; `launch_seconds` that of a launch; `barrier_seconds` is what a barrier takes each core (0: not
    known, and none is chosen in the place of signals and waits). `prefetch_share` of a core's cache may be
    asked for before a wait (0: asking does not pay).
    `shared_cache_bytes` and `shared_cache_bandwidth` are of the last cache before memory, which all cores
    share (0: there is none): what all tasks of a kernel touch is found there if it fits. `crowding` is how
    many times as long a core computes when all cores do (they may share a pipeline, or a clock).
    `store_traffic` is how many bytes pass between a core and what all cores share for each one that it only
    stores there (2 where a line is read before it is stored into).
    """

    name: str
    kinds: tuple[CoreKind, ...]
    bandwidth: float
    handover_bandwidth: float
    memory_bytes: int
    vector_bytes: int
    primitives: tuple[Primitive, ...]
    group: int = 0
    jitter: float = 0.0
    ticket_seconds: float = 5e-8
    launch_seconds: float = 2e-6
    barrier_seconds: float = 0.0
    prefetch_share: float = 0.0
    shared_cache_bytes: int = 0
    shared_cache_bandwidth: float = 0.0
    crowding: float = 1.0
    store_traffic: float = 1.0
    sources: tuple[Source, ...] = ()

    @property
    def cores(self) -> int:
        return sum(kind.cores for kind in self.kinds)

    @property
    def counter(self) -> Primitive:
        """The primitive that every event can use."""
        return self.primitives[0]

    @property
    def alone(self) -> bool:
        """Whether the primitive that every event can use has one signaller: then so has every event."""
        return self.counter.kind == "word"

    @property
    def latency(self) -> float:
        """Seconds from a core's signal until another core goes on."""
        return self.counter.signal_seconds + self.counter.wait_seconds

    @property
    def leading(self) -> CoreKind:
        """The kind of core that most work is for: the first one."""
        return self.kinds[0]

    def kind_of(self, core: int) -> int:
        """Which of `kinds` core number `core` is of."""
        return bisect_right(list(accumulate(kind.cores for kind in self.kinds)), core)

    def group_of(self, core: int) -> int:
        """The number of the group that core number `core` is in; where there are none, its own."""
        if not self.group:
            return core
        kind = self.kinds[self.kind_of(core)]
        first = sum(k.cores for k in self.kinds[: self.kind_of(core)])
        return (core - first) // max(1, kind.cores * self.group // self.cores)

    def with_cores(self, cores: int) -> Machine:
        """The same machine with its first `cores` cores alone, or with more of the last kind."""
        kept: list[CoreKind] = []
        for kind in self.kinds[:-1]:
            kept.append(replace(kind, cores=min(kind.cores, cores)))
            cores -= kept[-1].cores
        return replace(self, kinds=(*kept, replace(self.kinds[-1], cores=cores)))

    def table(self) -> str:
        """Every figure and where it comes from, for people."""
        return table(self)


def uniform(
    name: str,
    cores: int,
    *,
    flops: float,
    bandwidth: float,
    core_bandwidth: float,
    cache_bytes: int,
    cache_bandwidth: float,
    handover_bandwidth: float,
    memory_bytes: int,
    task_seconds: float,
    vector_bytes: int,
    counter: Primitive,
    kind: str = "core",
) -> Machine:
    """A machine whose cores are all alike and do all work at one rate."""
    alike = CoreKind(
        kind,
        cores,
        (flops, flops, flops, flops, flops),
        core_bandwidth,
        cache_bytes,
        cache_bandwidth,
        task_seconds,
    )
    return Machine(name, (alike,), bandwidth, handover_bandwidth, memory_bytes, vector_bytes, (counter,))
