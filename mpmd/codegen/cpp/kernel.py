"""The functions of a kernel as text, one after another.

In:  a `Schedule`, a `Dialect`. Out: `KernelText`.
Not here: one function (`function.py`), what stands around them in the file (each target's emitter).
"""

from __future__ import annotations

from dataclasses import dataclass

from mpmd.codegen.cpp.dialect import Dialect
from mpmd.codegen.cpp.function import write_function
from mpmd.codegen.emitter import Lines
from mpmd.codegen.source import StepNote
from mpmd.schedule.steps import Schedule


@dataclass(frozen=True, slots=True)
class KernelText:
    """The text, what each function needs of a core's scratch memory, and the run-time checks in it."""

    lines: Lines
    scratch_bytes: tuple[int, ...]
    checks: tuple[StepNote, ...]


def write_functions(schedule: Schedule, dialect: Dialect) -> KernelText:
    lines, scratch, checks = Lines(), list[int](), list[StepNote]()
    for function in schedule.graph.functions:
        written = write_function(function, len(checks), dialect)
        lines()
        lines.extend(written.lines)
        scratch.append(written.scratch_bytes)
        checks += written.checks
    return KernelText(lines, tuple(scratch), tuple(checks))
