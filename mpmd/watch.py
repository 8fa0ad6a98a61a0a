"""Telling others of every kernel that this process compiles.

In:  `pipeline.py` announces. Out: what was compiled, and what was refused, to whoever watches.
Not here: compiling; measuring (`runtime/profile.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mpmd.errors import Diagnostic

_WATCHING: list[list[Any]] = []
_PASSING: list[list[Diagnostic]] = []


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


@contextmanager
def passing_over() -> Iterator[list[Diagnostic]]:
    """Inside, a call of a kernel that is refused is passed over; the refusals, in order."""
    refused: list[Diagnostic] = []
    _PASSING.append(refused)
    try:
        yield refused
    finally:
        _PASSING[:] = [passing for passing in _PASSING if passing is not refused]


def passed_over(error: Diagnostic) -> bool:
    """Whether somebody wants to go on after this refusal of a call, and has been told of it."""
    for refused in _PASSING:
        refused.append(error)
    return bool(_PASSING)
