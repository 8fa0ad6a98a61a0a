"""Running a user's own script under the eyes of a command.

In:  the path of a script and its arguments. Out: the kernels that it compiled, and its exit status.
Not here: what a command makes of them.
"""

from __future__ import annotations

import contextlib
import runpy
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpmd.errors import NO_SPAN, ArgumentError, Span
from mpmd.pipeline import Compilation
from mpmd.watch import watching


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a script compiled, in order, and the status with which it ended."""

    compilations: tuple[Compilation, ...]
    status: int


def run_script(script: Path, arguments: Sequence[str], *, quiet: bool = False) -> Outcome:
    """Runs `script` as Python would, and watches it. With `quiet` what it prints goes to standard error.

    A `Diagnostic` or any other exception of the script passes through.
    """
    if not script.is_file():
        raise ArgumentError(
            f"there is no script {str(script)!r}",
            span=NO_SPAN,
            hints=("give the path of a Python file that calls kernels",),
        )
    status = 0
    with watching() as seen, _arguments(script, arguments), _output(quiet):
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:
            status = _status(end)
    return Outcome(tuple(seen), status)


def require_kernels(outcome: Outcome, script: Path) -> tuple[Compilation, ...]:
    """The kernels, of which there must be one, unless the script failed."""
    if not outcome.compilations and outcome.status == 0:
        raise ArgumentError(
            f"{str(script)!r} compiled no kernel",
            span=Span(str(script), 1),
            hints=("call a function under @mpmd.kernel, or mpmd.compile, when the script runs as a program",),
        )
    return outcome.compilations


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
