"""What may make a launch faster: known patterns in its trace, each with the line that it is about.

In:  a `Blame`. Out: `Advice`s, those that are worth most first; none where no pattern shows.
Not here: trying it out (`explain.py` compares what the compiler could decide otherwise).

`worth` is an upper bound of the seconds that the pattern costs. A pattern below a tenth of the makespan is
not told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mpmd.blame_causes import Cause
from mpmd.errors import Span
from mpmd.machine.text import amount
from mpmd.timeline import SpanKind, Trace

if TYPE_CHECKING:
    from mpmd.blame import Blame

WORTH_TELLING = 0.1
"""Of the makespan."""

NEAR_ROOFLINE = 0.8
"""Of the memory's bandwidth, from where on nothing but fewer bytes helps."""

MOST_OF = 0.5
"""Of a path, or of all waits: what one task has of it if it stands out."""

TINY = 10.0
"""Times a hand-over: a task that takes less is small for its sync."""


DISTURBED = 100.0
"""Times a hand-over: no core takes so long that is not kept from it."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A pattern, the call that it is about, what was seen and what to do."""

    pattern: str
    place: Span
    seen: str
    hint: str
    worth: float

    def as_json(self) -> dict[str, Any]:
        return {
            "pattern": self.pattern,
            "place": str(self.place),
            "seen": self.seen,
            "hint": self.hint,
            "worth": self.worth,
        }

    def __str__(self) -> str:
        return f"{Path(self.place.file).name}:{self.place.line}: {self.seen}\n    {self.hint}"


def advise(found: Blame) -> tuple[Advice, ...]:
    """All that shows."""
    if not len(found.trace):
        return ()
    patterns = (_long_task, _tail, _tiny_tasks, _bandwidth, _launch, _one_producer, _disturbed)
    every = [advice for pattern in patterns for advice in pattern(found)]
    told = [advice for advice in every if advice.worth >= WORTH_TELLING * found.trace.makespan]
    return tuple(sorted(told, key=lambda advice: -advice.worth))


def _long_task(found: Blame) -> Iterator[Advice]:
    """One task that takes longer than all the rest of the way, while cores have nothing to do."""
    trace = found.trace
    run = int(np.argmax(np.where(trace.kind == SpanKind.RUN, found.on_path, -1.0)))
    seconds = float(found.on_path[run])
    idle = trace.cores * seconds - _busy_between(trace, float(trace.start[run]), float(trace.finish[run]))
    if seconds > MOST_OF * trace.makespan and trace.cores > 1 and idle > MOST_OF * seconds:
        yield Advice(
            "one long task",
            trace.places[trace.label[run]],
            f"{trace.name(run)} takes {amount(seconds, 's')}, more than all else on the critical path",
            "split it: call it for tiles (mpmd.tiles, mpmd.split), or give its tiles a smaller size",
            idle / trace.cores,
        )


def _tail(found: Blame) -> Iterator[Advice]:
    """Cores that are done long before the last one."""
    trace = found.trace
    ran = trace.kind == SpanKind.RUN
    ends = np.zeros(trace.cores)
    np.maximum.at(ends, trace.core[ran], trace.finish[ran])
    idle = float((ends.max() - ends).mean())
    run = int(np.argmax(np.where(ran, trace.finish, -1.0)))
    yield Advice(
        "tail",
        trace.places[trace.label[run]],
        f"the cores are done {amount(idle, 's')} before {trace.name(run)} is, on average",
        "make tiles of even or smaller size, or have the cores take them by ticket (drain=True)",
        idle,
    )


def _tiny_tasks(found: Blame) -> Iterator[Advice]:
    """Sync that takes as long as the tasks between which it stands."""
    trace, causes = found.trace, found.seconds
    sync = causes[Cause.DATA_WAIT] + causes[Cause.STALL]
    runs = (trace.kind == SpanKind.RUN) & (found.on_path > 0)
    length = (trace.finish - trace.start)[runs]
    if len(length) < 2 or float(np.median(length)) > TINY * found.schedule.machine.latency:
        return
    label = int(np.argmax(np.bincount(trace.label[runs])))
    yield Advice(
        "tiny tasks",
        trace.places[label],
        f"tasks of {amount(float(np.median(length)), 's')} with {amount(sync, 's')} of sync between them",
        f"let {trace.labels[label]} do more at once: larger tiles, or one task for it and its reader",
        sync,
    )


def _bandwidth(found: Blame) -> Iterator[Advice]:
    """Memory that gives as much as it can."""
    trace, least = found.trace, found.schedule.bounds.bandwidth
    if least < NEAR_ROOFLINE * trace.makespan:
        return
    total = max(trace.totals, key=lambda total: total.seconds)
    yield Advice(
        "bandwidth",
        total.place,
        f"memory is used to {least / trace.makespan:.0%} of its bandwidth",
        "only fewer bytes help: 16-bit or quantised weights, or tiles that use what is in a cache again",
        least,
    )


def _launch(found: Blame) -> Iterator[Advice]:
    """A launch that takes as long as what is launched."""
    trace = found.trace
    seconds = found.seconds[Cause.LAUNCH]
    yield Advice(
        "launch",
        found.schedule.graph.program.span,
        f"launching takes {amount(seconds, 's')} of {amount(trace.makespan, 's')}",
        "put more into one launch: one kernel for calls that follow each other, mpmd.loop for repetition",
        seconds,
    )


def _one_producer(found: Blame) -> Iterator[Advice]:
    """One task for which most cores wait."""
    trace = found.trace
    if trace.cores < 3:
        return
    waits = [wait for wait in found.worst_waits(trace.cores) if wait.reason != "barrier"]
    producers = [wait.producer for wait in waits]
    for name in dict.fromkeys(producers):
        own = [wait for wait in waits if wait.producer == name]
        if len({wait.core for wait in own}) > MOST_OF * trace.cores:
            seconds = sum(wait.seconds for wait in own)
            yield Advice(
                "one producer",
                own[0].producer_place,
                f"{len(own)} cores wait {amount(seconds, 's')} in all for {name}",
                "split it over the cores, or have each reader compute it again if it is cheap",
                seconds / trace.cores,
            )


def _disturbed(found: Blame) -> Iterator[Advice]:
    """Cores that went on long after what they waited for was there."""
    trace, latency = found.trace, found.schedule.machine.latency
    length = found.finish - found.start
    slow = np.flatnonzero((found.cause == Cause.DATA_WAIT) & (length > DISTURBED * latency))
    if trace.source != "measured" or not len(slow):
        return
    worst = int(found.span[slow[np.argmax(length[slow])]])
    yield Advice(
        "disturbed",
        trace.places[trace.label[worst]],
        f"{len(slow)} waits on the critical path went on for {amount(float(length[slow].sum()), 's')} after "
        f"what they were for, where {amount(latency, 's')} are enough: something else ran on these cores",
        "leave them to the kernel, or give it fewer (cores=)",
        float(length[slow].sum()),
    )


def _busy_between(trace: Trace, start: float, finish: float) -> float:
    """Seconds of all cores in which they computed, between two moments."""
    ran = trace.kind == SpanKind.RUN
    inside = np.minimum(trace.finish[ran], finish) - np.maximum(trace.start[ran], start)
    return float(np.maximum(inside, 0.0).sum())
