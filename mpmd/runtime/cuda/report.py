"""How a launch on a card ended early, in the form in which `mpmd/runtime/report.py` tells it.

In:  what the launch left in the card's memory. Out: the `Diagnostic` to raise.
Not here: the words (they are the same for every target), deciding that a launch hangs (sync.h).
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mpmd.codegen.cuda.device_tables import loop_of_steps
from mpmd.codegen.sections import Numbers, sections
from mpmd.codegen.source import KernelSource
from mpmd.errors import Diagnostic
from mpmd.runtime import pool
from mpmd.runtime.report import launch_error

RUNNING, DONE, IN_RING = -1, -2, -3
"""Those of launch.h, as the pool has them."""


def ended(
    source: KernelSource,
    failure: npt.NDArray[np.void],
    progress: npt.NDArray[np.void],
    scalars: Mapping[str, int | float],
) -> Diagnostic:
    """A launch that was stopped."""
    first = failure[0]
    result = pool.Result(status=int(first["status"]), cores=len(progress))
    told = ("value", "extent", "limit", "check", "core")
    result.failure = pool.Failure(*(int(first[name]) for name in told))
    loop_of = loop_of_steps(sections(source.tables))
    waiting = (pool.Waiting * len(progress))(*(_waiting(core, loop_of) for core in progress))
    result.waiting = ctypes.cast(waiting, ctypes.POINTER(pool.Waiting))
    return launch_error(source.launch, source.tables, result, scalars)


def _waiting(core: Any, loop_of: Numbers) -> pool.Waiting:
    """Where a core was; a wait at a ring is told with the step of its task, and the tokens that are there."""
    place = int(core["place"])
    step = place if place >= 0 else int(core["step"])
    iteration = int(core["iteration"]) if loop_of[step] >= 0 else -1
    have, need = int(core["have"]), int(core["need"])
    if place > IN_RING:
        return pool.Waiting(place=place, ring=-1, have=have, need=need, iteration=iteration)
    ring, receives = divmod(IN_RING - place, 2)
    tokens = 0 if receives else 1
    return pool.Waiting(place=step, ring=ring, have=tokens, need=need, iteration=iteration)
