"""`mpmd view SCRIPT -o FILE`: pictures of the kernels that a script compiles.

In:  a script, maybe a target or a machine, one kernel's name. Out: by the file's suffix
  .html   the timeline page, .json  the timelines for Perfetto: predicted, with `--measure` measured, too
  .svg    the graph of tasks, or with `--what schedule` the cores' lanes; .dot  the graph for Graphviz
Not here: drawing (`visual/`, loaded when something is drawn).
"""

from __future__ import annotations

import os
import tempfile
import webbrowser
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from mpmd.commands.elsewhere import planned
from mpmd.commands.launches import Launch, medians, require_launches
from mpmd.commands.script import first_scalars, require_kernels, run_script
from mpmd.commands.show import each, show, write
from mpmd.commands.timelines import timelines
from mpmd.errors import ArgumentError, Span
from mpmd.pipeline import Compilation
from mpmd.runtime.profile import profiling
from mpmd.schedule.simulate import simulate
from mpmd.schedule.steps import Schedule


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to be drawn, in which form: the timelines, or of one kernel its "graph" or its "schedule".

    Calls of the tasks `expand` are shown each; the kernel is planned for `target` and `machine`, or measured.
    """

    suffix: str
    what: str | None
    expand: tuple[str, ...]
    kernel: str | None
    target: str | None
    machine: str | None
    measure: bool

    def problem(self) -> str | None:
        """What contradicts what."""
        drawn = self.suffix in (".svg", ".dot")
        if self.measure and (self.target or self.machine):
            return "launches are measured here: leave --target and --machine out"
        if self.what == "schedule" and self.suffix == ".dot":
            return "a schedule is drawn as .svg: give -o such a file"
        if not drawn and (self.what or self.expand):
            return "--what and --expand are for an .svg or a .dot: give -o such a file"
        if drawn and self.measure:
            return "--measure is for timelines: give -o an .html or a .json"
        return None


def view(
    script: Path, arguments: list[str], picture: Picture, *, output: Path | None, opened: bool, as_json: bool
) -> int:
    """The exit status of the script."""
    with ExitStack() as stack:
        traces = stack.enter_context(profiling()) if picture.measure else None
        outcome = run_script(script, arguments, quiet=as_json)
        chosen = _chosen(require_kernels(outcome, script), picture.kernel, script)
        launches = [] if traces is None else medians(chosen, traces)
    if outcome.status:
        return outcome.status
    if picture.measure:
        require_launches(launches, script)
    text = _drawn(chosen, launches, picture, script)
    path = _temporary(picture.suffix) if output is None else output
    write(path, text)
    facts = {"file": str(path), "kernels": [done.kernel.__name__ for done in chosen]}
    show([str(path)], facts, as_json=as_json)
    if opened:
        webbrowser.open(path.resolve().as_uri())
    return 0


def _chosen(found: Sequence[Compilation], wanted: str | None, script: Path) -> list[Compilation]:
    """The kernels that are meant, by name or by number; all where none is named."""
    if wanted is None:
        return list(found)
    chosen = [done for n, done in enumerate(found) if wanted in (str(n), done.kernel.__name__)]
    if found and not chosen:
        raise ArgumentError(
            f"{str(script)!r} compiled no kernel {wanted!r}",
            span=Span(str(script), 1),
            hints=(f"it compiled {_numbered(found)}",),
        )
    return chosen


def _drawn(chosen: Sequence[Compilation], launches: Sequence[Launch], picture: Picture, script: Path) -> str:
    suffix = picture.suffix
    if suffix in (".svg", ".dot"):
        return _graph(_only(chosen, script), picture)
    if launches:
        return timelines(suffix, [(own.plan, own.predicted, own.measured) for own in launches])
    plans = [planned(done, picture.target, picture.machine) for done in each(chosen, "planning")]
    played = [simulate(plan, scalars=first_scalars(done)) for plan, done in zip(plans, chosen, strict=True)]
    return timelines(suffix, [(plan, trace, None) for plan, trace in zip(plans, played, strict=True)])


def _only(chosen: Sequence[Compilation], script: Path) -> Compilation:
    if len(chosen) > 1:
        raise ArgumentError(
            f"a graph is of one kernel, and {str(script)!r} compiled {len(chosen)}",
            span=Span(str(script), 1),
            hints=(f"say which with --kernel: {_numbered(chosen)}",),
        )
    return chosen[0]


def _numbered(found: Sequence[Compilation]) -> str:
    return ", ".join(f"{number} ({done.kernel.__name__})" for number, done in enumerate(found))


def _graph(done: Compilation, picture: Picture) -> str:
    plan = planned(done, picture.target, picture.machine)
    if picture.what == "schedule":
        return _lanes(plan)
    from mpmd.visual.graph import graph_dot, graph_svg  # pyright: ignore[reportMissingImports]

    drawn = graph_svg if picture.suffix == ".svg" else graph_dot
    return drawn(plan.graph, expand=picture.expand)


def _lanes(plan: Schedule) -> str:
    from mpmd.visual.timeline import schedule_svg  # pyright: ignore[reportMissingImports]

    return schedule_svg(plan)


def _temporary(suffix: str) -> Path:
    handle, name = tempfile.mkstemp(prefix="mpmd-", suffix=suffix)
    os.close(handle)
    return Path(name)
