"""`mpmd simulate SCRIPT`: every kernel that it compiles, as its launch would go.

In:  a script, maybe another machine. Out: a table per kernel, or JSON; Chrome JSON into a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mpmd.blame import blame
from mpmd.commands.blamed import blamed
from mpmd.commands.elsewhere import planned
from mpmd.commands.script import first_scalars, require_kernels, run_script
from mpmd.commands.show import Table, duration, each, show, write
from mpmd.commands.timelines import timelines
from mpmd.commands.traced import traced
from mpmd.schedule.least import least
from mpmd.schedule.simulate import simulate as simulated
from mpmd.schedule.steps import Schedule
from mpmd.timeline import Trace


def simulate(
    script: Path,
    arguments: list[str],
    *,
    target: str | None,
    machine: str | None,
    output: Path | None,
    as_json: bool,
) -> int:
    """The exit status of the script."""
    outcome = run_script(script, arguments, quiet=as_json)
    found = require_kernels(outcome, script)
    plans = [planned(done, target, machine) for done in each(found, "planning")]
    traces = [simulated(plan, scalars=first_scalars(done)) for plan, done in zip(plans, found, strict=True)]
    facts = [facts_of(plan, trace) for plan, trace in zip(plans, traces, strict=True)]
    parts = [part for plan, trace in zip(plans, traces, strict=True) for part in _parts(plan, trace)]
    show(parts, facts, as_json=as_json)
    if output is not None:
        played = [(plan, trace, None) for plan, trace in zip(plans, traces, strict=True)]
        write(output, timelines(output.suffix, played))
    return outcome.status


def _parts(plan: Schedule, trace: Trace) -> list[str | Table]:
    return [*traced(trace), _bound(plan, trace), *blamed(blame(trace, plan))]


def _bound(plan: Schedule, trace: Trace) -> str:
    bound = least(plan.graph, plan.machine).seconds
    if any(phase.loop is not None for phase in plan.graph.phases):
        return f"lower bound of one turn of its loops {duration(bound)}"
    return f"lower bound {duration(bound)}: it takes {trace.makespan / bound:.2f} times as long"


def facts_of(plan: Schedule, trace: Trace) -> dict[str, Any]:
    """A trace in numbers."""
    return {
        "kernel": trace.kernel,
        "machine": trace.machine,
        "source": trace.source,
        "cores": trace.cores,
        "tasks": len(plan.graph),
        "seconds": trace.makespan,
        "bound_seconds": least(plan.graph, plan.machine).seconds,
        "utilisation": trace.utilisation,
        "waiting_seconds": trace.waiting.tolist(),
        "blame": blame(trace, plan).as_json(),
        "tasks_by_time": [
            {
                "task": total.label,
                "file": total.place.file,
                "line": total.place.line,
                "count": total.count,
                "seconds": total.seconds,
            }
            for total in trace.totals
        ],
    }
