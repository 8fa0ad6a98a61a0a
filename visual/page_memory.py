"""How much of the memory for local tensors is in use, moment by moment.

In:  a `Schedule`, a `Trace` of it. Out: moments, and the bytes that are alive from each on.
Not here: where tensors lie (`schedule/memory.py`).

A local tensor is alive from the first start to the last finish of the tasks that touch it, as the trace
shows them; channels are there throughout.
"""

from __future__ import annotations

import numpy as np

from mpmd.partition.graph import IntColumn
from mpmd.schedule.arena import aligned
from mpmd.schedule.steps import Schedule
from mpmd.timeline import Seconds, SpanKind, Trace


def occupancy(schedule: Schedule, trace: Trace) -> tuple[Seconds, IntColumn]:
    """Ascending moments from 0 on, and the bytes alive after each."""
    tensor, birth, death = _lives(schedule, trace)
    size = np.array([aligned(t.size_bytes) for t in schedule.graph.program.tensors], np.int64)[tensor]
    moment = np.concatenate([[0.0], birth, death])
    rings = sum(ring.depth * ring.slot_bytes for ring in schedule.rings)
    change = np.concatenate([[rings], size, -size]).astype(np.int64)
    order = np.argsort(moment, kind="stable")
    alive = np.cumsum(change[order])
    moments, last = np.unique(moment[order][::-1], return_index=True)
    return moments, alive[::-1][last]


def _lives(schedule: Schedule, trace: Trace) -> tuple[IntColumn, Seconds, Seconds]:
    """The local tensors that tasks of the trace touch: from when, and until when."""
    graph = schedule.graph
    begin, end = np.full(len(graph), np.inf), np.full(len(graph), -np.inf)
    ran = trace.kind == SpanKind.RUN
    np.minimum.at(begin, trace.task[ran], trace.start[ran])
    np.maximum.at(end, trace.task[ran], trace.finish[ran])
    task = np.repeat(np.arange(len(graph)), np.diff(graph.access_ptr))
    touched = (graph.access_hi > graph.access_lo) & np.isfinite(begin[task])
    first = np.full(len(graph.program.tensors), np.inf)
    last = np.full(len(graph.program.tensors), -np.inf)
    np.minimum.at(first, graph.access_tensor[touched], begin[task[touched]])
    np.maximum.at(last, graph.access_tensor[touched], end[task[touched]])
    local = np.array([not tensor.is_argument for tensor in graph.program.tensors], np.bool_)
    alive = np.flatnonzero(local & np.isfinite(first))
    return alive, first[alive], last[alive]
