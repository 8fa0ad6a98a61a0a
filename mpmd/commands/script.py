"""Running a user's own script under the eyes of a command.

In:  the path of a script and its arguments. Out: the kernels that it compiled, and its exit status.
Not here: what a command makes of them.
"""

from __future__ import annotations

import contextlib
import runpy
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mpmd.errors import ArgumentError, Diagnostic, Span
from mpmd.pipeline import Compilation
from mpmd.watch import watching


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a script compiled, in order, and the status with which it ended."""

    compilations: tuple[Compilation, ...]
    status: int
    raised: Exception | None = None
    """What it ended with, if that is no `SystemExit`."""


def run_script(script: Path, arguments: Sequence[str], *, quiet: bool = False) -> Outcome:
    """Runs `script` as Python would, and watches it. With `quiet` what it prints goes to standard error.

    A `Diagnostic` of the script passes through; for any other exception there is a traceback, as Python's.
    """
    outcome = watched(script, arguments, quiet=quiet)
    if isinstance(outcome.raised, Diagnostic):
        raise outcome.raised
    if outcome.raised is not None:
        print_traceback(outcome.raised)
    return outcome


def watched(script: Path, arguments: Sequence[str], *, quiet: bool) -> Outcome:
    """The same, and whatever ends the script is part of the outcome."""
    status, raised = 0, None
    with watching() as seen, _arguments(script, arguments), _output(quiet):
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:
            status = _status(end)
        except Exception as error:
            status, raised = 1, error
    return Outcome(tuple(seen), status, raised)


def print_traceback(error: Exception) -> None:
    """From the script's first line on: what leads there is not the user's."""
    told = traceback.TracebackException.from_exception(error)
    frames = list(told.stack)
    inside = [number for number, frame in enumerate(frames) if frame.filename.startswith("<frozen runpy>")]
    own = frames[inside[-1] + 1 :] if inside else frames
    told.stack = traceback.StackSummary.from_list(own)
    lines = told.format() if own else told.format_exception_only()
    print("".join(lines), end="", file=sys.stderr)


def require_kernels(outcome: Outcome, script: Path) -> tuple[Compilation, ...]:
    """The kernels, of which there must be one, unless the script failed."""
    if not outcome.compilations and outcome.status == 0:
        raise ArgumentError(
            f"{str(script)!r} compiled no kernel",
            span=Span(str(script), 1),
            hints=("call a function under @mpmd.kernel, or mpmd.compile, when the script runs as a program",),
        )
    return outcome.compilations


def first_scalars(done: Compilation) -> dict[str, int]:
    """The integers of the call that the kernel was compiled for: how often its loops ran, say."""
    given = dict(zip(done.specs, done.arguments, strict=True))
    scalars = {scalar.name: given.get(scalar.name) for scalar in done.compiled.program.scalars}
    return {name: int(value) for name, value in scalars.items() if isinstance(value, (int, np.integer))}


def _status(end: SystemExit) -> int:
    """As the interpreter has it: None is success, a number is itself, anything else is printed."""
    if end.code is None or isinstance(end.code, int):
        return end.code or 0
    print(end.code, file=sys.stderr)
    return 1


@contextlib.contextmanager
def _arguments(script: Path, arguments: Sequence[str]) -> Iterator[None]:
    """`sys.argv` and the first entry of `sys.path`, as if the script had been started by itself."""
    argv, path = sys.argv, sys.path
    sys.argv, sys.path = [str(script), *arguments], [str(script.resolve().parent), *sys.path[1:]]
    try:
        yield
    finally:
        sys.argv, sys.path = argv, path


def _output(quiet: bool) -> contextlib.AbstractContextManager[object]:
    return contextlib.redirect_stdout(sys.stderr) if quiet else contextlib.nullcontext()
