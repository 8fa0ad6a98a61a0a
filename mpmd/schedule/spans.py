"""From the steps that took time to a `Trace`: what they are called, and which line of the user's they are of.

In:  a `Schedule`, `Spans` of its steps, simulated (`simulate.py`) or measured. Out: a `Trace`.
Not here: when anything happens.

A run bears the name of its task, and a wait that of the call whose result it is for. A wait in a channel
bears the channel's name; a ticket that of the drained call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mpmd.errors import Span
from mpmd.partition.graph import IntColumn
from mpmd.schedule.steps import Schedule, StepOp
from mpmd.timeline import Seconds, SpanKind, Trace


@dataclass(frozen=True, eq=False)
class Spans:
    """Spans in any order. `what` is the task of a RUN, the channel of a CHANNEL, else of no meaning.

    `step` is the number of the step among those of all cores: of an item of a drain, that of the DRAIN.
    """

    core: IntColumn
    kind: IntColumn
    what: IntColumn
    step: IntColumn
    iteration: IntColumn
    start: Seconds
    finish: Seconds

    def with_channels(self, of_ring: Sequence[int]) -> Spans:
        """The same, where `what` of a CHANNEL was the number of its ring."""
        waits = np.flatnonzero(self.kind == SpanKind.CHANNEL)
        what = self.what.copy()
        what[waits] = np.asarray(of_ring, np.int64)[what[waits]]
        return replace(self, what=what)


@dataclass(frozen=True, eq=False)
class Labels:
    """Call sites come first, then channels, then the barriers that serve no dependence of their own.

    `of_step` is the label of a step's spans (−1: it has none).
    """

    names: tuple[str, ...]
    places: tuple[Span, ...]
    of_step: npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Names:
    """Of each span its label, an index of `names` and `places`; its task's ordinal; its dependence."""

    names: tuple[str, ...]
    places: tuple[Span, ...]
    label: IntColumn
    number: IntColumn
    dep: IntColumn


def named(
    schedule: Schedule,
    spans: Spans,
    *,
    source: str,
    machine: str,
    makespan: float,
    uncertainty: float,
    unseen: int = 0,
) -> Trace:
    """The launch that these spans show."""
    return trace_of(
        spans,
        names_of(schedule, spans),
        kernel=schedule.graph.program.name,
        source=source,
        machine=machine,
        cores=schedule.cores,
        makespan=makespan,
        uncertainty=uncertainty,
        unseen=unseen,
    )


def names_of(schedule: Schedule, spans: Spans) -> Names:
    """What the spans are called, from the graph."""
    graph = schedule.graph
    labels = labels_of(schedule)
    ran, waited = spans.kind == SpanKind.RUN, np.isin(spans.kind, (SpanKind.WAIT, SpanKind.BARRIER))
    channel = spans.kind == SpanKind.CHANNEL
    label = labels.of_step[spans.step].astype(np.int64)
    label[ran] = graph.site[spans.what[ran]]
    label[channel] = len(graph.sites) + spans.what[channel]
    number = np.full(len(label), -1, np.int64)
    number[ran] = graph.number[spans.what[ran]]
    dep = np.where(waited, schedule.reason[spans.step], -1)
    return Names(labels.names, labels.places, label, number, dep)


def trace_of(
    spans: Spans,
    names: Names,
    *,
    kernel: str,
    source: str,
    machine: str,
    cores: int,
    makespan: float,
    uncertainty: float,
    unseen: int = 0,
    lost: int = 0,
) -> Trace:
    """The spans in order, with their names."""
    order = np.lexsort((spans.start, spans.core))
    task = np.where(spans.kind == SpanKind.RUN, spans.what, -1)
    return Trace(
        kernel=kernel,
        source=source,
        machine=machine,
        cores=cores,
        makespan=makespan,
        uncertainty=uncertainty,
        labels=names.names,
        places=names.places,
        core=spans.core[order].astype(np.int32),
        kind=spans.kind[order].astype(np.uint8),
        task=task[order].astype(np.int32),
        step=spans.step[order].astype(np.int32),
        dep=names.dep[order].astype(np.int32),
        iteration=spans.iteration[order].astype(np.int32),
        label=names.label[order].astype(np.int32),
        number=names.number[order].astype(np.int32),
        start=spans.start[order],
        finish=spans.finish[order],
        unseen=unseen,
        lost=lost,
    )


def labels_of(schedule: Schedule) -> Labels:
    """What the spans of each step are called."""
    graph = schedule.graph
    calls, channels = [site.call for site in graph.sites], graph.program.channels
    names = [*(call.task.name for call in calls), *(channel.name for channel in channels), "barrier"]
    places = [*(call.span for call in calls), *(channel.span for channel in channels), graph.program.span]
    of_step = np.full(len(schedule.op), -1, np.int32)
    of_step[np.isin(schedule.op, (StepOp.BARRIER, StepOp.END))] = len(names) - 1
    run, drain = schedule.op == StepOp.RUN, schedule.op == StepOp.DRAIN
    of_step[run] = graph.site[schedule.a[run]]
    of_step[drain] = [graph.site[schedule.drains[d].tasks[0]] for d in schedule.a[drain].tolist()]
    waits = np.isin(schedule.op, (StepOp.WAIT, StepOp.BARRIER)) & (schedule.reason >= 0)
    of_step[waits] = _makers(schedule)[schedule.reason[waits]]
    return Labels(tuple(names), tuple(places), of_step)


def _makers(schedule: Schedule) -> npt.NDArray[np.int32]:
    """Per dependence the call site of its first producer (−1: it has none)."""
    deps = schedule.deps
    found = np.full(len(deps), -1, np.int32)
    some = np.diff(deps.producer_ptr) > 0
    found[some] = schedule.graph.site[deps.producers[deps.producer_ptr[:-1][some]]]
    return found
