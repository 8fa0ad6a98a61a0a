"""To what the moments of a launch are charged.

In:  –. Out: `Cause`. Not here: charging them (`blame.py`).

- COMPUTE: a task ran, and what comes next on the way could not have begun yet: it needed this result.
- CORE_WAIT: a task ran, and what comes next on the way was ready, but this was its core. So the seconds of a
  run are split at the moment at which the next task was ready: when the last task ended that it depends on.
  (List scheduling is bounded by just these two: chains, and cores that are busy while one could go on.
  Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 1969.)
- DATA_WAIT: the hand-over. A core waited although the last task on another core that it waited for had
  ended; until the signal was given and seen. Barriers and channels are waits, too.
- LAUNCH: until the first thing that the way shows began; between two launches, from the last core's arrival.
- STALL: the core was in no span, or took a ticket: it gave signals, decoded steps, was not running at all.
"""

from __future__ import annotations

from enum import IntEnum


class Cause(IntEnum):
    """What a stretch of a launch is charged to."""

    COMPUTE = 0
    DATA_WAIT = 1
    CORE_WAIT = 2
    LAUNCH = 3
    STALL = 4
