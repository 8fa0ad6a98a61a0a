"""The laws of events: every wait can be satisfied, and every event is waited for.

In:  the decoded tables. Out: nothing; raises `UnmatchedWaitError` or `OrphanSignalError`.
Not here: whether the signals come in time (`execute`), whether the wait is enough (`races`).

In straight code a wait is for some of the signals of one launch. In a loop it is for some of those of its
iteration, or, if its count is not above zero, of the iteration before.
"""

from __future__ import annotations

import numpy as np

from mpmd.errors import OrphanSignalError, UnmatchedWaitError
from mpmd.schedule.proof.decode import SIGNAL, WAIT, Tables
from mpmd.schedule.proof.witness import Places


def match(tables: Tables, places: Places) -> None:
    """Raise unless signals and waits belong together."""
    waits = np.flatnonzero(tables.op == WAIT)
    event, count = tables.a[waits], tables.b[waits]
    total = tables.event_total[event]
    least = np.where(tables.event_loop[event] >= 0, 1 - total, 1)
    for bad in np.flatnonzero((count < least) | (count > total))[:1].tolist():
        raise _unmatched(tables, places, int(waits[bad]))
    waited = np.zeros(tables.events, np.bool_)
    waited[event] = True
    signals = np.flatnonzero(tables.op == SIGNAL)
    for bad in np.flatnonzero(~waited[tables.a[signals]])[:1]:
        step = int(signals[bad])
        raise OrphanSignalError(
            f"{places.step(step)} signals event {int(tables.a[step])}, for which nothing waits",
            span=places.span(step),
        )


def _unmatched(tables: Tables, places: Places, step: int) -> UnmatchedWaitError:
    event, count = int(tables.a[step]), int(tables.b[step])
    total, loop = int(tables.event_total[event]), int(tables.event_loop[event])
    if count > total:
        label = "never satisfied"
    else:
        label = "satisfied before anything has happened" if loop < 0 else "reaches back over an iteration"
    turn = "one launch" if loop < 0 else "one iteration"
    return UnmatchedWaitError(
        f"{places.step(step)} waits until event {event} is at {count}, but {turn} signals {total} in all",
        span=places.span(step),
        label=label,
    )
