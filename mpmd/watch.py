"""Telling others of every kernel that this process compiles.

In:  `pipeline.py` announces. Out: what was compiled, to whoever watches.
Not here: compiling; measuring (`runtime/profile.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_WATCHING: list[list[Any]] = []


@contextmanager
def watching() -> Iterator[list[Any]]:
    """The kernels that are compiled inside, by any thread, in order."""
    seen: list[Any] = []
    _WATCHING.append(seen)
    try:
        yield seen
    finally:
        _WATCHING[:] = [watched for watched in _WATCHING if watched is not seen]


def announce(compiled: Any) -> None:
    """Adds a compiled kernel to all lists that are watched."""
    for seen in _WATCHING:
        seen.append(compiled)
