"""Names of spans from a launch's notes, for kernels whose graph is not there: those from a file.

In:  a `LaunchInfo`, the tables' steps, `Spans`. Out: `Names`.
Not here: names from the graph, which say more (`schedule/spans.py`): of a drain's tasks the ordinals, of
channels the names; and the notes themselves (`codegen/notes.py`).
"""

from __future__ import annotations

import re

import numpy as np

from mpmd.codegen.source import LaunchInfo
from mpmd.errors import NO_SPAN, Span
from mpmd.partition.graph import IntColumn
from mpmd.schedule.spans import Names, Spans
from mpmd.timeline import SpanKind

_FIRST_TASK = re.compile(r"(?:^run |: )(?P<name>[^#\s]+)#(?P<number>\d+)")
"""In "run linear#3", and in "wait e4 ≥ 1: linear#3 (+2) → gelu#0 via h (RAW)"."""


def names_of(info: LaunchInfo, reasons: IntColumn, spans: Spans) -> Names:
    """What the spans are called. `reasons` is the dependence that each step serves."""
    keys: dict[tuple[str, Span], int] = {}
    triples = np.stack([spans.kind, spans.step, np.where(spans.kind == SpanKind.CHANNEL, spans.what, -1)])
    distinct, which = np.unique(triples, axis=1, return_inverse=True)
    told = np.empty((distinct.shape[1], 2), np.int64)
    for i, (kind, step, ring) in enumerate(distinct.T.tolist()):
        name, ordinal, place = _called(info, SpanKind(kind), step, ring)
        told[i] = keys.setdefault((name, place), len(keys)), ordinal
    label, number = told[which.reshape(-1)].T
    waited = np.isin(spans.kind, (SpanKind.WAIT, SpanKind.BARRIER))
    names, places = tuple(name for name, _ in keys), tuple(place for _, place in keys)
    return Names(names, places, label, number, np.where(waited, reasons[spans.step], -1))


def _called(info: LaunchInfo, kind: SpanKind, step: int, ring: int) -> tuple[str, int, Span]:
    """The label of a span, its task's ordinal or −1, and the user's line."""
    note = info.steps[step] if step < len(info.steps) else None
    place = note.span if note else NO_SPAN
    if kind is SpanKind.CHANNEL:
        return f"ring {ring}", -1, place
    found = _FIRST_TASK.search(note.text) if note else None
    if found is None:
        return ("barrier" if kind is SpanKind.BARRIER else f"step {step}"), -1, place
    ordinal = int(found["number"]) if kind is SpanKind.RUN and note and note.text.startswith("run ") else -1
    return found["name"], ordinal, place
