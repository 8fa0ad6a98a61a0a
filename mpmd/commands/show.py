"""What commands print: JSON for programs, text and tables for people.

In:  facts and their text. Out: standard output, or a file; progress on standard error, on a terminal alone.
Not here: which facts. On a terminal tables are as wide as it is; elsewhere no line is ever wrapped.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from mpmd.errors import NO_SPAN, ArgumentError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table as Grid

Item = TypeVar("Item")
UNBOUNDED = 10_000
"""Columns of what is no terminal."""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns under their names: the first to the left, the others to the right, but for those in `left`."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    left: tuple[str, ...] = ()

    def grid(self) -> Grid:
        from rich.table import Table as Grid  # which takes longer to load than most commands take

        grid = Grid(box=None, pad_edge=False)
        for number, name in enumerate(self.head):
            left = number == 0 or name in self.left
            grid.add_column(name, justify="left" if left else "right", overflow="fold")
        for row in self.rows:
            grid.add_row(*row)
        return grid

    def __str__(self) -> str:
        text = StringIO()
        _console(text, width=UNBOUNDED).print(self.grid())
        return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def show(parts: Sequence[str | Table], facts: Any, *, as_json: bool) -> None:
    """Prints the facts as JSON, or the parts, each after an empty line."""
    if as_json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    for number, part in enumerate(parts):
        if number:
            print()
        if isinstance(part, Table) and (terminal := _console(sys.stdout)).is_terminal:
            terminal.print(part.grid())
        else:
            print(part)


def write(path: Path, content: str) -> None:
    """Writes a file that the user asked for."""
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> ArgumentError:
    """What could not be foreseen: a full disk, a folder that went away."""
    return ArgumentError(
        f"cannot write {str(path)!r}: {error.strerror}", span=NO_SPAN, hints=("give -o another path",)
    )


def each(items: Sequence[Item], what: str) -> Iterator[Item]:
    """The items, with a bar that says how many of them are done."""
    from rich.progress import track

    return iter(track(items, what, console=_quiet_but_for_terminals(), transient=True))


@contextmanager
def bars() -> Iterator[Progress]:
    """Bars for what takes long; without a terminal there are none."""
    from rich.progress import Progress

    with Progress(console=_quiet_but_for_terminals()) as progress:
        yield progress


def _quiet_but_for_terminals() -> Console:
    console = _console(sys.stderr)
    console.quiet = not console.is_terminal
    return console


def _console(file: IO[str], width: int | None = None) -> Console:
    from rich.console import Console

    return Console(file=file, width=width, markup=False, highlight=False)


def megabytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB"


def duration(seconds: float) -> str:
    """Seconds with a unit that leaves few digits: "12.3 µs"."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
