"""Lines of generated text with indentation. The one thing that every back end shares about text.

In:  lines. Out: text. Not here: what is written (each target's modules).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager


class Lines:
    """A text under construction."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 0

    def __call__(self, line: str = "") -> None:
        """One line at the present depth; a directive (`#…`) stands at the margin."""
        margin = "" if line.startswith("#") or not line else "  " * self._depth
        self._lines.append(margin + line)

    def extend(self, other: Lines) -> None:
        """All lines of `other`, indented by the present depth."""
        for line in other._lines:
            self(line)

    @contextmanager
    def block(self, head: str, tail: str = "}") -> Iterator[None]:
        """`head`, the lines written inside one step deeper, `tail`."""
        self(head)
        self._depth += 1
        yield
        self._depth -= 1
        self(tail)

    def mentions(self, name: str) -> bool:
        """Whether the identifier `name` occurs in any line but a directive."""
        word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        return any(word.search(line) for line in self._lines if not line.startswith("#"))

    def text(self) -> str:
        return "".join(line + "\n" for line in self._lines)
