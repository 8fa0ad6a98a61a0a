"""What commands print: JSON for programs, text for people.

In:  facts and their text. Out: standard output, or a file.
"""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mpmd.errors import NO_SPAN, ArgumentError

WIDTH = 200
"""Columns of text: a table is never wrapped, whatever the terminal."""


def show(text: str, facts: Any, *, as_json: bool) -> None:
    """Prints the one or the other."""
    print(json.dumps(facts, indent=2, ensure_ascii=False) if as_json else text)


def write(path: Path, content: str) -> None:
    """Writes a file that the user asked for."""
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise ArgumentError(
            f"cannot write {str(path)!r}: {error.strerror}",
            span=NO_SPAN,
            hints=("give -o another path",),
        ) from error


def megabytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB"


def duration(seconds: float) -> str:
    """Seconds with a unit that leaves few digits: "12.3 µs"."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Columns under their names; the first to the left, the others to the right."""
    columns = Table(box=None, pad_edge=False)
    for number, name in enumerate(head):
        columns.add_column(name, justify="left" if number == 0 else "right", no_wrap=True)
    for row in rows:
        columns.add_row(*row)
    text = StringIO()
    Console(file=text, width=WIDTH, highlight=False).print(columns)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())
