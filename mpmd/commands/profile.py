"""`mpmd profile SCRIPT`: every launch that it makes, stamped; the median one of each kernel is told.

In:  a script, maybe the machine that predicts. Out: tables per kernel, or JSON; timelines into a file.
Not here: the stamps (`runtime/profile.py`); which launch (`launches.py`); what held it up (`blame.py`);
pictures (`visual/`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mpmd.commands.blamed import blamed
from mpmd.commands.elsewhere import place_of
from mpmd.commands.launches import Launch, medians, require_launches
from mpmd.commands.script import require_kernels, run_script
from mpmd.commands.show import Table, duration, show, write
from mpmd.commands.timelines import timelines
from mpmd.commands.traced import traced
from mpmd.pipeline import by_default
from mpmd.runtime.profile import profiling


def profile(
    script: Path,
    arguments: list[str],
    *,
    target: str,
    machine: str | None,
    output: Path | None,
    as_json: bool,
) -> int:
    """The exit status of the script."""
    with profiling() as traces, by_default(target):
        outcome = run_script(script, arguments, quiet=as_json)
        found = medians(require_kernels(outcome, script), traces, place_of(None, machine))
    if outcome.status == 0:
        require_launches(found, script)
    parts = [part for launch in found for part in _parts(launch)]
    show(parts, [_facts(launch) for launch in found], as_json=as_json)
    if output is not None:
        write(
            output, timelines(output.suffix, [(each.plan, each.predicted, each.measured) for each in found])
        )
    return outcome.status


def _parts(launch: Launch) -> list[str | Table]:
    of = f"; the median of {launch.count} launches is shown" if launch.count > 1 else ""
    predicted = f"predicted for {launch.predicted.machine}: {duration(launch.predicted.makespan)}{of}"
    return [*traced(launch.measured), predicted, *blamed(launch.blame)]


def _facts(launch: Launch) -> dict[str, Any]:
    trace = launch.measured
    return {
        "kernel": trace.kernel,
        "launches": launch.count,
        "cores": trace.cores,
        "seconds": trace.makespan,
        "predicted_seconds": launch.predicted.makespan,
        "uncertainty_seconds": trace.uncertainty,
        "utilisation": trace.utilisation,
        "busy_seconds": trace.busy.tolist(),
        "waiting_seconds": trace.waiting.tolist(),
        "spans_lost": trace.lost,
        "blame": launch.blame.as_json(),
    }
