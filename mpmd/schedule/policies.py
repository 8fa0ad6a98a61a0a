"""Placements that take no thought, to compare with: tiles dealt in turn, and waves.

In:  a `Problem`, the sites of its tasks. Out: a `Choice`.
Not here: the policy to use (`heft.py`); what a placement costs (`problem.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpmd.schedule.links import levels, ordinals
from mpmd.schedule.problem import Problem

Sites = npt.NDArray[np.int32]
"""The call site of each task."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The core of each task; all tasks in an order that respects dependences and has every core's own
    in theirs; and how many barriers come before each task (None: there are none)."""

    core: Sequence[int]
    sequence: Sequence[int]
    wave: Sequence[int] | None = None


def round_robin(problem: Problem, site: Sites) -> Choice:
    """Tile `i` of a call site on core `i` mod cores, each core in program order."""
    return Choice(dealt(problem, site, turning=False), range(len(problem)))


def zigzag(problem: Problem, site: Sites) -> Choice:
    """Tiles of a call site dealt to the cores forwards, then backwards, and so on."""
    return Choice(dealt(problem, site, turning=True), range(len(problem)))


def dealt(problem: Problem, site: Sites, *, turning: bool) -> list[int]:
    """The core of each task as tiles are dealt to the cores that can do them; `turning`: every other round
    goes backwards."""
    core = np.empty(len(problem), np.int64)
    able = np.array([sum(1 << kind for kind in kinds) for kinds in problem.able], np.int64)
    kind_bit = 1 << np.array(problem.kind, np.int64)
    ordinal = ordinals(site)
    for code in np.unique(able).tolist():
        cores = np.flatnonzero(kind_bit & code)
        chosen = able == code
        turn, at = np.divmod(ordinal[chosen], len(cores))
        core[chosen] = cores[np.where((turn % 2 == 1) & turning, len(cores) - 1 - at, at)]
    return core.tolist()


def wave(problem: Problem, site: Sites) -> Choice:
    """Dependence levels with a barrier between; within one, each task where it ends first."""
    level = levels(problem.links)
    sequence = sorted(range(len(problem)), key=level.__getitem__)
    core = [0] * len(problem)
    load = [0.0] * problem.cores
    groups = [problem.cores_of(kind) for kind in range(len(problem.near))]
    now = 0
    for task in sequence:
        if level[task] != now:
            now, load = level[task], [0.0] * problem.cores
        first = [min(groups[kind], key=load.__getitem__) for kind in problem.able[task]]
        core[task] = min(first, key=lambda c: load[c] + problem.away_seconds(task, problem.kind[c]))
        load[core[task]] += problem.away_seconds(task, problem.kind[core[task]])
    return Choice(core, sequence, level)
