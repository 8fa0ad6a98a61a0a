"""`mpmd check SCRIPT`: compile every kernel that it calls, launch none, and say what the checker proved.

In:  a script, maybe another target or machine. Out: for each kernel its certificate or its refusal.
Not here: the proof (`schedule/check.py`); the figures of sync and memory (`schedule/report.py`).

A call of a refused kernel is passed over, so that the others are looked at, too; `mpmd.compile` has nothing
to give back, so its refusal ends the script unless that catches it. No array is written: a script that cannot
go on without results ends early, which is told.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mpmd.codegen.source import KernelSource
from mpmd.commands.elsewhere import machine_of
from mpmd.commands.script import Outcome, print_traceback, require_kernels, watched
from mpmd.commands.show import show
from mpmd.errors import NO_SPAN, Diagnostic
from mpmd.machine import Machine
from mpmd.pipeline import Compilation, instead
from mpmd.schedule.report import memory_report, sync_report, table
from mpmd.targets import target as find_target
from mpmd.targets.protocol import Target
from mpmd.watch import passing_over

_ENDED_EARLY = "hint: a check launches nothing, so arrays stay as they were; what follows was not checked"


def check(script: Path, arguments: list[str], *, target: str, machine: str | None, as_json: bool) -> int:
    """1 if a kernel is refused or the script ended early, else the status of the script."""
    chosen = proving(find_target(target, span=NO_SPAN), None if machine is None else machine_of(machine))
    with instead(chosen), passing_over() as refusals:
        outcome = watched(script, arguments, quiet=as_json)
    refused = _once([*refusals, *_ended_by(outcome)])
    if not refused and outcome.raised is None:
        require_kernels(outcome, script)
    texts = [_text(done, target) for done in outcome.compilations]
    facts = {
        "target": target,
        "proved": [_facts(done) for done in outcome.compilations],
        "refused": [_refusal(error) for error in refused],
    }
    show([*texts, f"proved: {len(texts)}, refused: {len(refused)}"], facts, as_json=as_json)
    for error in refused:
        print(f"\n{error}", file=sys.stderr)
    if outcome.raised is not None and not isinstance(outcome.raised, Diagnostic):
        _ended_early(outcome.raised)
    return 1 if refused else outcome.status


def proving(target: Target, machine: Machine | None) -> Target:
    """The target, or the target on that machine, whose kernels are neither built nor launched."""

    def place(cores: int | None) -> Machine:
        return machine if cores is None else machine.with_cores(cores)  # type: ignore[union-attr]

    return replace(target, machine=target.machine if machine is None else place, build=_Passive)


@dataclass(frozen=True, slots=True)
class _Passive:
    """A kernel that takes every call and does nothing."""

    source: KernelSource
    bound: tuple[str, ...] = ()

    def load(self) -> _Passive:
        return self

    def __call__(self, *args: Any) -> None:
        pass

    def try_call(self, args: tuple[Any, ...]) -> bool:
        """Nothing fits as it is: every call has its signature looked at."""
        return False

    def ordered(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        return (*args, *kwargs.values())

    def bind(self, **consts: Any) -> _Passive:
        return replace(self, bound=(*self.bound, *consts))


def _ended_by(outcome: Outcome) -> list[Diagnostic]:
    return [outcome.raised] if isinstance(outcome.raised, Diagnostic) else []


def _once(refusals: Sequence[Diagnostic]) -> list[Diagnostic]:
    """A call in a loop is refused each time with the same text."""
    return list({str(error): error for error in refusals}.values())


def _ended_early(error: Exception) -> None:
    print(file=sys.stderr)
    print_traceback(error)
    print(_ENDED_EARLY, file=sys.stderr)


def _text(done: Compilation, target: str) -> str:
    """What was proved, in words."""
    compiled, found = done.compiled, done.compiled.certificate
    sync, memory = sync_report(compiled.schedule), memory_report(compiled.schedule)
    span = compiled.program.span
    largest = [(f"largest task, {budget.kind}", str(budget)) for budget in memory.budgets]
    return table(
        f"{done.kernel.__name__} ({span.file}:{span.line}), target {target}: proved",
        (
            ("laws", ", ".join(found.laws)),
            ("tasks", f"{len(compiled.graph)} on {compiled.schedule.cores} cores of {found.machine}"),
            ("looked at", f"steps: {found.steps}, accesses: {found.accesses}, overlaps: {found.overlaps}"),
            ("edges between cores", str(sync.cross_edges)),
            ("waits left", f"{sync.waits} of {sync.waits_inserted} inserted"),
            ("barriers", str(sync.barriers)),
            ("arena", f"{memory.arena_bytes} bytes"),
            *largest,
            ("certificate", found.sha256),
        ),
    )


def _facts(done: Compilation) -> dict[str, Any]:
    compiled = done.compiled
    span = compiled.program.span
    return {
        "kernel": done.kernel.__name__,
        "file": span.file,
        "line": span.line,
        "certificate": asdict(compiled.certificate),
        "sync": sync_report(compiled.schedule).as_json(),
        "memory": memory_report(compiled.schedule).as_json(),
    }


def _refusal(error: Diagnostic) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "file": error.span.file,
        "line": error.span.line,
        "column": error.span.col + 1,
        "label": error.label,
        "related": [
            {"file": note.span.file, "line": note.span.line, "text": note.text} for note in error.related
        ],
        "hints": list(error.hints),
        "text": str(error),
    }
