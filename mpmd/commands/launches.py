"""Launches that a script made, stamped, each beside the schedule that it is a launch of.

In:  the kernels that a script compiled, the launches that were recorded. Out: of each kernel the median one.
Not here: the stamps (`runtime/profile.py`); what a launch is told to say (`profile.py`, `view.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from mpmd.blame import Blame, blame
from mpmd.commands.script import first_scalars
from mpmd.errors import ArgumentError, Span
from mpmd.machine import Machine
from mpmd.pipeline import Compilation
from mpmd.runtime.load import Executable, OpenKernel
from mpmd.runtime.profile import Traces
from mpmd.schedule.simulate import simulate
from mpmd.schedule.steps import Schedule
from mpmd.timeline import Trace


@dataclass(frozen=True, eq=False)
class Launch:
    """One launch of `count`, as it was, and as it is predicted for `machine`, or for the schedule's own."""

    plan: Schedule
    measured: Trace
    count: int
    scalars: Mapping[str, int]
    machine: Machine | None = None

    @cached_property
    def predicted(self) -> Trace:
        return simulate(self.plan, self.machine, scalars=self.scalars)

    @cached_property
    def blame(self) -> Blame:
        """Of the launch as it was."""
        return blame(self.measured, self.plan)


def medians(
    compilations: Sequence[Compilation], traces: Traces, machine: Machine | None = None
) -> list[Launch]:
    """Of each kernel the launch with the median makespan, in the order in which they were compiled."""
    numbers: dict[int, list[int]] = {}
    for number, seen in enumerate(traces.seen):
        numbers.setdefault(id(seen.kernel), []).append(number)
    spans = [seen.launched.makespan for seen in traces.seen]
    found = []
    for done in compilations:
        own = sorted(numbers.get(id(_opened(done)), ()), key=lambda number: spans[number])
        if own:
            found.append(_launch(done, traces[own[len(own) // 2]], len(own), machine))
    return found


def _launch(done: Compilation, trace: Trace, count: int, machine: Machine | None) -> Launch:
    return Launch(done.compiled.schedule, trace, count, first_scalars(done), machine)


def _opened(done: Compilation) -> OpenKernel | None:
    executable = done.compiled.executable
    return executable.kernel if isinstance(executable, Executable) else None


def require_launches(launches: Sequence[Launch], script: Path) -> None:
    """There must be one."""
    if not launches:
        raise ArgumentError(
            f"{str(script)!r} launched no kernel whose launches are stamped",
            span=Span(str(script), 1),
            hints=(
                "kernels for target cpu are stamped, when the script calls them",
                "`mpmd simulate` shows kernels that are only compiled",
            ),
        )
