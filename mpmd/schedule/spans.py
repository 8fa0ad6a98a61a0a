"""From the steps that took time to a `Trace`: what they are called, and which line of the user's they are of.

In:  a `Schedule`, `Spans` of its steps, simulated (`simulate.py`) or measured. Out: a `Trace`.
Not here: when anything happens.

A run bears the name of its task, and a wait that of the call whose result it is for. A wait in a channel
bears the channel's name; a ticket that of the drained call.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, eq=False)
class Labels:
    """Call sites come first, then channels, then the barriers that serve no dependence of their own.

    `of_step` is the label of a step's spans (−1: it has none).
    """

    names: tuple[str, ...]
    places: tuple[Span, ...]
    of_step: npt.NDArray[np.int32]


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
    graph = schedule.graph
    labels = labels_of(schedule)
    ran, waited = spans.kind == SpanKind.RUN, np.isin(spans.kind, (SpanKind.WAIT, SpanKind.BARRIER))
    channel = spans.kind == SpanKind.CHANNEL
    task = np.where(ran, spans.what, -1)
    label = labels.of_step[spans.step].astype(np.int64)
    label[ran] = graph.site[spans.what[ran]]
    label[channel] = len(graph.sites) + spans.what[channel]
    number = np.full(len(task), -1, np.int64)
    number[ran] = graph.number[spans.what[ran]]
    order = np.lexsort((spans.start, spans.core))
    return Trace(
        kernel=graph.program.name,
        source=source,
        machine=machine,
        cores=schedule.cores,
        makespan=makespan,
        uncertainty=uncertainty,
        labels=labels.names,
        places=labels.places,
        core=spans.core[order].astype(np.int32),
        kind=spans.kind[order].astype(np.uint8),
        task=task[order].astype(np.int32),
        step=spans.step[order].astype(np.int32),
        dep=np.where(waited, schedule.reason[spans.step], -1)[order].astype(np.int32),
        iteration=spans.iteration[order].astype(np.int32),
        label=label[order].astype(np.int32),
        number=number[order].astype(np.int32),
        start=spans.start[order],
        finish=spans.finish[order],
        unseen=unseen,
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
