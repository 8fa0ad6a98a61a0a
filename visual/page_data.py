"""Everything that the timeline page shows of its launches, as a document over packed columns.

In:  `Launch`es. Out: the text that the page carries.
Not here: the page around it (`page.py`); how columns become bytes (`page_pack.py`).

Times are whole nanoseconds. A trace's spans are in order of core and start, with the time since the span
before and their length; all else of them is in order of kind first, since spans of one kind resemble each
other. `web/src/launch.js` reads all of this.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mpmd.blame import Cause, blame
from mpmd.partition.graph import DepKind, IntColumn
from mpmd.schedule.steps import Schedule
from mpmd.timeline import SpanKind, Trace

from .page_memory import occupancy
from .page_pack import Blob
from .page_tasks import Calls, forms, share_of_bandwidth

Launch = tuple[Schedule, Trace, "Trace | None"]
"""A schedule, what was predicted for it, and what was measured, if it was."""

Document = dict[str, Any]

FORMAT = 1


def packed(launches: list[Launch]) -> str:
    """All launches, as one text."""
    blob = Blob()
    shown = [_launch(*launch, blob) for launch in launches]
    return blob.text({"format": FORMAT, "launches": shown})


def _launch(schedule: Schedule, predicted: Trace, measured: Trace | None, blob: Blob) -> Document:
    graph, machine, calls = schedule.graph, schedule.machine, Calls()
    kinds = forms(schedule, calls)
    traces = [_trace(schedule, trace, calls, blob) for trace in (predicted, measured) if trace is not None]
    return {
        "kernel": graph.program.name,
        "machine": machine.name,
        "cores": schedule.cores,
        "kinds": [
            {"name": kind.name, "bandwidth": share_of_bandwidth(schedule, kind)} for kind in machine.kinds
        ],
        "kindOfCore": [machine.kind_of(core) for core in range(schedule.cores)],
        "calls": calls.facts(),
        "forms": kinds.facts,
        "form": blob.add(kinds.of_task, rising=True),
        "number": blob.add(graph.number, rising=True),
        "tensors": [tensor.name for tensor in graph.program.tensors],
        "deps": _deps(schedule, blob),
        "arena": schedule.memory.arena_bytes,
        "traces": traces,
    }


def _deps(schedule: Schedule, blob: Blob) -> Document:
    """Each: all consumers start after all producers have ended."""
    deps = schedule.deps
    return {
        "kinds": [kind.name for kind in DepKind],
        "kind": blob.add(deps.kind),
        "distance": blob.add(deps.distance),
        "tensor": blob.add(deps.tensor, rising=True),
        "producers": blob.add(deps.producers, rising=True),
        "producerCount": blob.add(np.diff(deps.producer_ptr)),
        "consumers": blob.add(deps.consumers, rising=True),
        "consumerCount": blob.add(np.diff(deps.consumer_ptr)),
    }


def _trace(schedule: Schedule, trace: Trace, calls: Calls, blob: Blob) -> Document:
    start, finish = nanoseconds(trace.start), nanoseconds(trace.finish)
    opens = np.concatenate([[True], trace.core[1:] != trace.core[:-1]])[: len(trace)]
    before = np.where(opens, 0, np.concatenate([[0], finish[:-1]])[: len(trace)])
    by_kind = np.argsort(trace.kind, kind="stable")
    call = calls.numbers(trace.labels, trace.places)[trace.label]
    moments, alive = occupancy(schedule, trace)
    way = blame(trace, schedule)
    return {
        "source": "predicted" if trace.source == "simulated" else trace.source,
        "machine": trace.machine,
        "makespan": int(nanoseconds(trace.makespan)),
        "uncertainty": int(nanoseconds(trace.uncertainty)),
        "unseen": trace.unseen,
        "lost": trace.lost,
        "kinds": [kind.name for kind in SpanKind],
        "perCore": np.bincount(trace.core, minlength=schedule.cores).tolist(),
        "kind": blob.add(trace.kind),
        "gap": blob.add((start - before)[by_kind]),
        "length": blob.add((finish - start)[by_kind]),
        "task": blob.add(trace.task[by_kind], rising=True),
        "dep": blob.add(trace.dep[by_kind], rising=True),
        "call": blob.add(call[by_kind], rising=True),
        "iteration": blob.add(trace.iteration[by_kind], rising=True),
        "path": {
            "causes": [cause.name for cause in Cause],
            "core": blob.add(way.core),
            "cause": blob.add(way.cause),
            "span": blob.add(way.span, rising=True),
            "start": blob.add(nanoseconds(way.start), rising=True),
            "finish": blob.add(nanoseconds(way.finish), rising=True),
        },
        "memory": {
            "moment": blob.add(nanoseconds(moments), rising=True),
            "bytes": blob.add(alive, rising=True),
        },
    }


def nanoseconds(seconds: npt.ArrayLike) -> IntColumn:
    return np.rint(np.asarray(seconds, np.float64) * 1e9).astype(np.int64)
