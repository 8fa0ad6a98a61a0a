"""What holds for the blame of every launch, simulated or measured."""

from __future__ import annotations

import numpy as np
import pytest

from mpmd.blame import Blame, Cause
from mpmd.timeline import WAITING, SpanKind

ROUNDING = 1e-12
"""Seconds by which simulated spans of one core may overlap (`test_simulate.py`)."""

MOST = 30
"""Stretches of which the slower laws are looked at."""


def assert_lawful(found: Blame) -> None:
    trace = found.trace
    assert found.start[0] == 0.0 and found.finish[-1] == trace.makespan
    assert (found.start[1:] == found.finish[:-1]).all() and (found.finish > found.start).all()
    assert sum(found.seconds.values()) == pytest.approx(trace.makespan)
    for at, span in enumerate(found.span.tolist()):
        if span >= 0:
            assert found.core[at] == trace.core[span]
            assert trace.start[span] <= found.start[at] and found.finish[at] <= trace.finish[span]
            assert Cause(found.cause[at]) in allowed(SpanKind(trace.kind[span]))
    assert_nothing_runs_in_a_stall(found)
    assert_ready_where_a_core_was_waited_for(found)


def allowed(kind: SpanKind) -> tuple[Cause, ...]:
    if kind == SpanKind.RUN:
        return Cause.COMPUTE, Cause.CORE_WAIT
    return (Cause.DATA_WAIT, Cause.LAUNCH) if kind in WAITING else (Cause.STALL,)


def assert_nothing_runs_in_a_stall(found: Blame) -> None:
    trace = found.trace
    if trace.unseen:
        return
    ran = (trace.kind == SpanKind.RUN) & (trace.finish > trace.start)
    stalls = np.flatnonzero(found.cause == Cause.STALL)
    for at in stalls[:: max(1, len(stalls) // MOST)].tolist():
        own = ran & (trace.core == found.core[at])
        begin, end = found.start[at] + ROUNDING, found.finish[at] - ROUNDING
        assert not (own & (trace.start < end) & (trace.finish > begin)).any()


def assert_ready_where_a_core_was_waited_for(found: Blame) -> None:
    """All that the next run of the core depends on had ended. (Looked at where there are many: some.)"""
    trace, deps = found.trace, found.schedule.deps
    ran = (trace.kind == SpanKind.RUN) & (trace.finish > trace.start)
    waits = np.flatnonzero((found.cause == Cause.CORE_WAIT) & (found.span >= 0))
    for at in waits[:: max(1, len(waits) // MOST)].tolist():
        span = int(found.span[at])
        after = next(n for n in range(span + 1, len(trace)) if ran[n])
        assert trace.core[after] == trace.core[span]
        for dep in range(len(deps)):
            if trace.task[after] in deps.consumers_of(dep):
                turn = trace.iteration[after] - deps.distance[dep]
                shown = ran & np.isin(trace.task, deps.producers_of(dep)) & (trace.iteration == turn)
                assert (trace.finish[shown] <= found.start[at]).all()
