"""Stamped launches, as the pool recorded them: ticks become seconds on one clock.

In:  the pool's records. Out: `Launched`, one entry per span.
Not here: what a step is called (`profile.py`), the stamps themselves (`include/mpmd/stamp.h`).

Each core stamps by its own CPU's counter. The pool has compared the counters (`native/skew.h`), so that all
times are told by core 0's; its rate comes from the monotonic clock at two moments, the first of which is
when recording began.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpmd.runtime import pool
from mpmd.runtime.pool import Record

Column = npt.NDArray[np.int64]
Seconds = npt.NDArray[np.float64]

_PER_CORE = np.dtype([("offset", "<i8"), ("error", "<i8"), ("spans", "<i8"), ("lost", "<i8")])
_STAMP = np.dtype(
    [
        ("begin", "<u8"),
        ("end", "<u8"),
        ("step", "<i4"),
        ("item", "<i4"),
        ("iteration", "<i4"),
        ("kind", "<i4"),
    ]
)


@dataclass(frozen=True, eq=False)
class Launched:
    """A launch. `kernel` is the kernel's number in this process, `number` the launch's among those recorded.

    `item` is that of a drain, or of a wait in a channel 2 × ring, and 1 more where it receives. Steps beyond
    the tables' are meetings at the ends of loops, two for each loop. `iteration` has a meaning in loops only.
    Times of two cores may be wrong against each other by `uncertainty`. So many spans were `lost`.
    """

    kernel: int
    number: int
    thread: int
    cores: int
    makespan: float
    uncertainty: float
    lost: int
    core: Column
    kind: Column
    step: Column
    item: Column
    iteration: Column
    start: Seconds
    finish: Seconds

    @property
    def bytes(self) -> int:
        """What it takes of memory."""
        return sum(value.nbytes for value in vars(self).values() if isinstance(value, np.ndarray)) + 1024


def take() -> Launched | None:
    """The oldest record that nobody has taken, or None."""
    code = pool.native().code
    record = code.mpmd_take_record()
    if not record:
        return None
    try:
        return launched(ctypes.string_at(record, record.contents.bytes))
    finally:
        code.mpmd_forget_record(record)


def launched(data: bytes) -> Launched:
    """The launch in the bytes of a record."""
    head = Record.from_buffer_copy(data)
    per_core = np.frombuffer(data, _PER_CORE, head.cores, ctypes.sizeof(Record))
    stamps = np.frombuffer(data, _STAMP, -1, ctypes.sizeof(Record) + per_core.nbytes)
    core = np.repeat(np.arange(head.cores), per_core["spans"])
    tick = (head.now.nanoseconds - head.since.nanoseconds) * 1e-9 / (head.now.ticks - head.since.ticks)
    makespan = (head.end - head.begin) * tick

    def seconds(ticks: npt.NDArray[np.uint64]) -> Seconds:
        """Since the launch began: what skew puts before that, or after its end, is the skew's error."""
        passed = (ticks - np.uint64(head.begin)).astype(np.int64) - per_core["offset"][core]
        return np.clip(passed * tick, 0.0, makespan)

    return Launched(
        kernel=head.kernel,
        number=head.launch,
        thread=head.thread,
        cores=head.cores,
        makespan=makespan,
        uncertainty=_uncertainty(per_core["error"]) * tick,
        lost=int(per_core["lost"].sum()),
        core=core,
        start=seconds(stamps["begin"]),
        finish=seconds(stamps["end"]),
        **{name: stamps[name].astype(np.int64) for name in ("kind", "step", "item", "iteration")},
    )


def _uncertainty(errors: npt.NDArray[Any]) -> int:
    """Of the offset between any two cores: core 0 has none against itself."""
    return int(np.sort(errors)[-2:].sum())
