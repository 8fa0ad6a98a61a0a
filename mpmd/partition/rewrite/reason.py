"""Why a program stays as it is: the answer of a rewrite that is not legal.

In:  nothing. Out: `Refused`, a value like any other: callers show it, or go on without the rewrite.
Not here: the laws (`fuse.py`, `recompute.py`, `split.py`); mistakes of users, which are diagnostics.
"""

from __future__ import annotations

from dataclasses import dataclass

from mpmd.errors import Span


@dataclass(frozen=True, slots=True)
class Refused:
    """`why` completes "not rewritten, because …"; `span` is the user's line that it speaks of."""

    why: str
    span: Span

    def __str__(self) -> str:
        return self.why
