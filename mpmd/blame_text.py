"""Blame in words: a table of causes, the calls on the way, the worst waits, advice.

In:  a `Blame`. Out: text.
Not here: the figures (`blame.py`), what is advised (`advice.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mpmd.blame_causes import Cause
from mpmd.errors import Span
from mpmd.machine.text import amount

if TYPE_CHECKING:
    from mpmd.blame import Blame
    from mpmd.blame_waits import WorstWait

_MEANS = {
    Cause.COMPUTE: "tasks whose results came next on the way",
    Cause.DATA_WAIT: "hand-overs: a result was there, its reader on another core not yet",
    Cause.CORE_WAIT: "tasks that held a core for which another one was ready",
    Cause.LAUNCH: "launches, until the first core is at work",
    Cause.STALL: "between spans: signals, tickets, cores that did not run",
}
_CALLS = 8
"""Calls that are shown; those with the most time on the way."""


def text(found: Blame) -> str:
    """All that there is to say."""
    parts = ["\n".join(_head(found))]
    if found.by_line:
        parts.append("\n".join(_calls(found)))
    waits = found.worst_waits()
    if waits:
        parts.append("\n".join(["worst waits", *(f"  {_wait(wait)}" for wait in waits)]))
    if found.advice:
        parts.append("\n".join(["advice", *(f"  {advice}" for advice in found.advice)]))
    return "\n\n".join(parts)


def _head(found: Blame) -> Iterator[str]:
    trace = found.trace
    yield (
        f"kernel {trace.kernel!r}, {trace.source} on {trace.machine}: {amount(trace.makespan, 's')} on "
        f"{trace.cores} core{'' if trace.cores == 1 else 's'}, along the critical path"
    )
    for cause, seconds in found.seconds.items():
        share = f"{amount(seconds, 's'):>12s}{found.share(cause):>8.1%}"
        yield f"  {_name(cause):10s}{share}  {_MEANS[cause]}"
    if found.unseen:
        seconds = amount(found.unseen, "s")
        yield f"  {seconds} of it are {trace.unseen} iterations that are not shown, charged as those shown"
    if trace.lost:
        yield f"  {trace.lost} spans were lost, the last ones of their cores: their time counts as stall"


def _name(cause: Cause) -> str:
    return cause.name.lower().replace("_", "-")


def _calls(found: Blame) -> Iterator[str]:
    """The lines whose tasks lie on the way, those with the most time first: how many, and for what."""
    trace = found.trace
    yield f"{'on the critical path':40s}{'tasks':>8s}{'compute':>12s}{'core-wait':>12s}{'share':>8s}"
    lines = found.by_line
    for (label, place), seconds in lines[:_CALLS]:
        name = f"{label} ({_where(place)})"
        times = "".join(f"{amount(part, 's'):>12s}" for part in (seconds.compute, seconds.core_wait))
        yield f"  {name:38s}{seconds.tasks:8d}{times}{seconds.total / trace.makespan:>8.1%}"
    if len(lines) > _CALLS:
        yield f"  and {len(lines) - _CALLS} more"


def _wait(wait: WorstWait) -> str:
    path = f"{amount(wait.on_path, 's')} of it on the path" if wait.on_path else "beside the path"
    edge = (
        f"{wait.consumer} ({_where(wait.consumer_place)}) for {wait.producer} ({_where(wait.producer_place)})"
    )
    return f"{amount(wait.seconds, 's'):>9s}  core {wait.core}: {edge}, {wait.reason}; {path}"


def _where(place: Span) -> str:
    return f"{Path(place.file).name}:{place.line}"
