"""Profiles: what every core did, and when, in launches of this process.

In:  launches while somebody records, by whichever path they are made. Out: `Trace`s.
Not here: the stamps (`include/mpmd/stamp.h`), records of launches (`recorded.py`).

The pool stamps launches only while it is told to; otherwise kernels run code in which there are no stamps.
Records wait in the pool, up to `RECORD_BYTES`, and here, up to as much again; the oldest go first. One launch
has at most `STAMP_BYTES` of stamps, and tells how many more spans there were. Whoever records keeps the
kernels of this process open. A launch that ends early leaves no record.
"""

from __future__ import annotations

import statistics
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, overload

from mpmd.errors import ArgumentError, Span, UnsupportedOp
from mpmd.runtime import noted, pool
from mpmd.runtime.cpu import this_cpu
from mpmd.runtime.load import OPEN, Executable, OpenKernel
from mpmd.runtime.places import Places
from mpmd.runtime.recorded import Launched, take
from mpmd.runtime.report import step_rows
from mpmd.schedule.proof.decode import decode
from mpmd.schedule.spans import names_of, trace_of
from mpmd.schedule.steps import Schedule
from mpmd.timeline import Trace

RECORD_BYTES = 256 << 20
STAMP_BYTES = 64 << 20
_CALIBRATION_SECONDS = 2e-3
"""Between the two looks at the clock that give the counter's rate: an error of 50 ns is then 25 ppm."""

_LOCK = threading.RLock()
_RECORDING: list[Traces] = []
_PLANS: weakref.WeakKeyDictionary[OpenKernel, Schedule] = weakref.WeakKeyDictionary()
_PLACES: weakref.WeakKeyDictionary[OpenKernel, Places] = weakref.WeakKeyDictionary()


def names_from(executable: Any, schedule: Schedule) -> None:
    """From now on the executable's launches are told in the terms of this schedule, which it was made of."""
    if isinstance(executable, Executable):
        _PLANS[executable.kernel] = schedule


@dataclass(frozen=True, slots=True)
class _Seen:
    """A launch, and its kernel. `trace` is made when somebody asks for it."""

    launched: Launched
    kernel: OpenKernel


class Traces(Sequence[Trace]):
    """The launches that were recorded, in order, each as a `Trace` that is made when it is looked at.

    `missing` counts the launches whose records had to go, or found no memory.
    """

    def __init__(self, *, most_bytes: int = RECORD_BYTES) -> None:
        self._most = most_bytes
        self._seen: deque[_Seen] = deque()
        self._bytes = 0
        self._made: weakref.WeakValueDictionary[int, Trace] = weakref.WeakValueDictionary()
        self._first = 0
        self._end: int | None = None
        self._taken = 0
        self._dropped = 0

    def __len__(self) -> int:
        return len(self.seen)

    @overload
    def __getitem__(self, index: int) -> Trace: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Trace]: ...
    def __getitem__(self, index: int | slice) -> Trace | Sequence[Trace]:
        if isinstance(index, slice):
            return [self._trace(seen) for seen in self.seen[index]]
        return self._trace(self.seen[index])

    @property
    def missing(self) -> int:
        """Launches inside that have no trace here."""
        with _LOCK:
            _share()
            end = pool.native().code.mpmd_recorded() if self._end is None else self._end
            return end - self._first - self._taken + self._dropped

    @property
    def seen(self) -> list[_Seen]:
        """The launches so far."""
        with _LOCK:
            _share()
            return list(self._seen)

    def _trace(self, seen: _Seen) -> Trace:
        number = seen.launched.number
        made = self._made.get(number)
        if made is None:
            made = self._made[number] = trace(seen.launched, seen.kernel)
        return made

    # -- by whoever records, with the lock ----------------------------------------------------------------

    def begin(self, launches: int) -> None:
        """Launches from this number on are recorded here."""
        self._first = launches

    def end(self, launches: int) -> None:
        """No further ones are."""
        self._end = launches

    def add(self, seen: _Seen) -> None:
        """One more; the oldest go where the memory is used up."""
        if seen.launched.number < self._first:
            return
        self._taken += 1
        self._seen.append(seen)
        self._bytes += seen.launched.bytes
        while self._bytes > self._most and len(self._seen) > 1:
            self._bytes -= self._seen.popleft().launched.bytes
            self._dropped += 1


@contextmanager
def profiling() -> Iterator[Traces]:
    """Stamps every launch of this process inside, by any thread, and gives their traces."""
    traces = Traces()
    _start(traces)
    try:
        yield traces
    finally:
        _stop(traces)


def _start(traces: Traces) -> None:
    code = pool.native().code
    with _LOCK:
        _share()
        if not _RECORDING:
            OPEN.hold()
            code.mpmd_record(RECORD_BYTES, STAMP_BYTES)
            time.sleep(_CALIBRATION_SECONDS)
        traces.begin(code.mpmd_recorded())
        _RECORDING.append(traces)


def _stop(traces: Traces) -> None:
    code = pool.native().code
    with _LOCK:
        _share()
        traces.end(code.mpmd_recorded())
        _RECORDING[:] = [other for other in _RECORDING if other is not traces]
        if not _RECORDING:
            code.mpmd_record(0, 0)
            OPEN.release()


def _share() -> None:
    """Takes what the pool has recorded, for everybody who records."""
    while _RECORDING and (launched := take()) is not None:
        kernel = OPEN.by_number(launched.kernel)
        for traces in _RECORDING:
            traces.add(_Seen(launched, kernel))


def profiled(kernel: str, call: Callable[[], object], launches: int, span: Span) -> Trace:
    """Of so many calls the launch whose time is the median."""
    if isinstance(launches, bool) or not isinstance(launches, int) or launches < 1:
        raise ArgumentError(
            f"a profile is of at least 1 launch, not of {launches!r}",
            span=span,
            label=f"launches={launches!r}",
            hints=("leave it out for one launch, or say how many the median is of",),
        )
    with profiling() as traces:
        for _ in range(launches):
            call()
    own = [seen for seen in traces.seen if seen.launched.thread == threading.get_ident()]
    if not own:
        raise UnsupportedOp(
            f"kernel '{kernel}' cannot be profiled: its launches are not stamped",
            span=span,
            hints=("compile it for target 'cpu'",),
        )
    middle = statistics.median_low([seen.launched.makespan for seen in own])
    chosen = next(seen for seen in own if seen.launched.makespan == middle)
    return trace(chosen.launched, chosen.kernel)


def trace(launched: Launched, kernel: OpenKernel) -> Trace:
    """The launch in the user's terms.

    Where a wait seems to end before its signal, the counters are further apart than their comparison said.
    """
    source, plan = kernel.source, _PLANS.get(kernel)
    places = _places(kernel)
    spans = places.spans(launched)
    early = places.early(spans)
    if plan is not None:
        spans = spans.with_channels([ring.channel for ring in plan.rings])
        names = names_of(plan, spans)
    else:
        names = noted.names_of(source.launch, step_rows(source.tables)[:, 3], spans)
    return trace_of(
        spans,
        names,
        kernel=source.launch.kernel,
        source="measured",
        machine=this_cpu().model,
        cores=launched.cores,
        makespan=launched.makespan,
        uncertainty=max(launched.uncertainty, early),
        lost=launched.lost,
    )


def _places(kernel: OpenKernel) -> Places:
    """Decoded once, however many launches are looked at."""
    found = _PLACES.get(kernel)
    if found is None:
        found = _PLACES[kernel] = Places(decode(kernel.source.tables))
    return found
