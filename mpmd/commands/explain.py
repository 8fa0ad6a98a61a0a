"""`mpmd explain SCRIPT`: for each kernel that it compiles, what each decision of the compiler won or lost.

In:  a script, maybe another machine. Out: a table per kernel, or JSON.
Not here: the figures (`explain.py`).
"""

from __future__ import annotations

from pathlib import Path

from mpmd.commands.script import require_kernels, run_script
from mpmd.commands.show import show
from mpmd.explain import Explanation
from mpmd.explain import explain as explained
from mpmd.machine import Machine
from mpmd.machine.presets import by_name
from mpmd.pipeline import Compilation


def explain(script: Path, arguments: list[str], *, machine: str | None, measure: bool, as_json: bool) -> int:
    """The exit status of the script."""
    place = None if machine is None else by_name(machine)
    outcome = run_script(script, arguments, quiet=as_json)
    found = [_explained(done, place, measure) for done in require_kernels(outcome, script)]
    show("\n\n".join(map(str, found)), [e.as_json() for e in found], as_json=as_json)
    return outcome.status


def _explained(done: Compilation, place: Machine | None, measure: bool) -> Explanation:
    given = done.arguments if measure else ()
    return explained(done.compiled, *given, machine=place, measure=measure)
