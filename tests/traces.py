"""Traces by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mpmd.errors import Span
from mpmd.timeline import SpanKind, Trace

Row = tuple[int, SpanKind, int, int, float, float]
"""Core, kind, task, label, start and finish in microseconds."""


def trace(
    rows: Sequence[Row],
    *,
    labels: Sequence[str],
    makespan: float,
    cores: int = 2,
    source: str = "measured",
    lost: int = 0,
    unseen: int = 0,
) -> Trace:
    """Spans of a kernel `toy`, each in a step of its own; `makespan` in microseconds."""
    core, kind, task, label, start, finish = (np.array([row[i] for row in rows]) for i in range(6))
    count = len(rows)
    nothing = np.full(count, -1, np.int32)
    return Trace(
        kernel="toy",
        source=source,
        machine="a desk",
        cores=cores,
        makespan=makespan * 1e-6,
        uncertainty=4e-8 if source == "measured" else 0.0,
        labels=tuple(labels),
        places=tuple(Span("toy.py", line) for line in range(1, len(labels) + 1)),
        core=core.astype(np.int32),
        kind=kind.astype(np.uint8),
        task=task.astype(np.int32),
        step=np.arange(count, dtype=np.int32),
        dep=nothing,
        iteration=np.zeros(count, np.int32),
        label=label.astype(np.int32),
        number=task.astype(np.int32),
        start=start.astype(np.float64) * 1e-6,
        finish=finish.astype(np.float64) * 1e-6,
        unseen=unseen,
        lost=lost,
    )
