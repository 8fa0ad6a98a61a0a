"""`mpmd explain SCRIPT`: for each kernel that it compiles, what each decision of the compiler won or lost.

In:  a script, maybe another machine. Out: a table per kernel, or JSON.
Not here: the figures (`explain.py`).
"""

from __future__ import annotations

from pathlib import Path

from mpmd.commands.elsewhere import place_of
from mpmd.commands.script import require_kernels, run_script
from mpmd.commands.show import each, show
from mpmd.explain import Explanation
from mpmd.explain import explain as explained
from mpmd.machine import Machine
from mpmd.pipeline import Compilation


def explain(
    script: Path,
    arguments: list[str],
    *,
    target: str | None,
    machine: str | None,
    measure: bool,
    as_json: bool,
) -> int:
    """The exit status of the script."""
    place = place_of(target, machine)
    outcome = run_script(script, arguments, quiet=as_json)
    found = [
        _explained(done, place, measure) for done in each(require_kernels(outcome, script), "explaining")
    ]
    show([*map(str, found)], [e.as_json() for e in found], as_json=as_json)
    return outcome.status


def _explained(done: Compilation, place: Machine | None, measure: bool) -> Explanation:
    given = done.arguments if measure else ()
    return explained(done.compiled, *given, machine=place, measure=measure)
