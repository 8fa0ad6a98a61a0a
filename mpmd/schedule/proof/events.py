"""The laws of events: every wait can be satisfied, and every event is waited for.

In:  the decoded tables. Out: nothing; raises `UnmatchedWaitError` or `OrphanSignalError`.
Not here: whether the signals come in time (`execute`), whether the wait is enough (`races`).
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
    for bad in np.flatnonzero((count <= 0) | (count > tables.event_total[event]))[:1]:
        step, e = int(waits[bad]), int(event[bad])
        raise UnmatchedWaitError(
            f"{places.step(step)} waits until event {e} is at {int(count[bad])}, but one launch signals "
            f"{int(tables.event_total[e])} in all",
            span=places.span(step),
            label="never satisfied" if count[bad] > 0 else "satisfied before anything has happened",
        )
    waited = np.zeros(tables.events, np.bool_)
    waited[event] = True
    signals = np.flatnonzero(tables.op == SIGNAL)
    for bad in np.flatnonzero(~waited[tables.a[signals]])[:1]:
        step = int(signals[bad])
        raise OrphanSignalError(
            f"{places.step(step)} signals event {int(tables.a[step])}, for which nothing waits",
            span=places.span(step),
        )
