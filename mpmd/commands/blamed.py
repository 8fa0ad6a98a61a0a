"""What held a launch up, as tables and sentences.

In:  a `Blame`. Out: parts of what a command shows.
Not here: the figures (`blame.py`), whose own text has more of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mpmd.blame import Blame
from mpmd.blame_waits import WorstWait
from mpmd.commands.show import Table, duration
from mpmd.errors import Span


def blamed(found: Blame) -> list[str | Table]:
    """Where the critical path went, the worst waits with the lines of both sides, and what may help."""
    waits = found.worst_waits()
    tables = [_causes(found), *([_waits(waits)] if waits else [])]
    return [*tables, *(f"advice: {advice}" for advice in found.advice)]


def _causes(found: Blame) -> Table:
    """The critical path, by what its seconds are charged to."""
    rows = [
        (cause.name.lower().replace("_", "-"), duration(seconds), f"{found.share(cause):.1%}")
        for cause, seconds in found.seconds.items()
    ]
    return Table(("on the critical path", "time", "share"), rows)


def _waits(waits: Sequence[WorstWait]) -> Table:
    rows = [
        (
            f"{wait.consumer} ({_line(wait.consumer_place)})",
            f"{wait.producer} ({_line(wait.producer_place)})",
            str(wait.core),
            duration(wait.seconds),
            duration(wait.on_path) if wait.on_path else "",
            wait.reason,
        )
        for wait in waits
    ]
    head = ("worst waits", "for", "core", "time", "on the path", "why")
    return Table(head, rows, left=("for", "why"))


def _line(place: Span) -> str:
    return f"{Path(place.file).name}:{place.line}"
