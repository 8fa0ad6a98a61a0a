"""Every stage's value as text in a directory, for people: set MPMD_DUMP=dir.

In:  the stages' values, as `pipeline` makes them.
Out: `dir/<kernel>-<hash of its program>/` with program.txt, schedule.txt, the source files and tables.bin.
Not here: how a value is printed (each stage's `text` module).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from mpmd.codegen.source import KernelSource
from mpmd.lang.program import Program
from mpmd.lang.text.printer import print_program
from mpmd.schedule.steps import Schedule
from mpmd.schedule.text import print_schedule


class Dump:
    """A callback for `compile`'s `on_stage` that writes what can be printed below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root

    def __call__(self, stage: str, value: object) -> None:
        if isinstance(value, Program):
            text = print_program(value)
            self._folder = self._root / f"{value.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / f"{stage}.txt").write_text(text)
        elif isinstance(value, Schedule):
            (self._folder / f"{stage}.txt").write_text(print_schedule(value))
        elif isinstance(value, KernelSource):
            for name, text in value.files:
                path = self._folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            (self._folder / "tables.bin").write_bytes(value.tables)
