"""Which tasks' arguments a core asks for before it waits, and how much of them.

In:  a graph, one of its phases placed, what keeps it in order, the machine. Out: `Prefetches`.
Not here: asking for them (each target); the proof that nobody is still writing there (`check.py`).

Weights depend on no event. Where a core is predicted to stand idle before a task, it can use the time to
draw the first bytes of what the task reads of tensors that the launch never writes. More than memory gives
in that time would hold up the wait itself, and more than a share of the core's cache would push out what the
task needs besides. A machine says which share, and by 0 that it does not pay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpmd.machine import Machine
from mpmd.partition.graph import IntColumn, TaskGraph, column
from mpmd.schedule.costs import costs
from mpmd.schedule.keep import Kept
from mpmd.schedule.order import Placement
from mpmd.schedule.stretches import Stretch

LINE = 64
"""Nobody fetches less than this."""

_NONE: IntColumn = column(np.zeros(0, np.int64))


@dataclass(frozen=True, eq=False)
class Prefetches:
    """Tasks (of the phase) and the bytes at most of each of their arguments."""

    tasks: IntColumn
    bytes: IntColumn


def prefetches(graph: TaskGraph, stretch: Stretch, kept: Kept, machine: Machine) -> Prefetches:
    """Those that are predicted to pay."""
    part, placement = stretch.graph, stretch.placement
    if machine.prefetch_share <= 0 or not len(part):
        return Prefetches(_NONE, _NONE)
    arguments = _arguments(graph, part)
    waits = np.zeros(len(placement.core), np.bool_)
    waits[kept.sync.waits] = True
    tasks = np.flatnonzero((arguments > 0) & (waits | _after_meetings(placement, kept))[: len(part)])
    cost = costs(part, machine)
    kind = np.array([machine.kind_of(core) for core in placement.core[tasks].tolist()], np.int64)
    bandwidth = np.array([k.bandwidth for k in machine.kinds])[kind]
    room = np.array([k.cache_bytes for k in machine.kinds])[kind] * machine.prefetch_share
    idle = np.maximum(placement.start[tasks] - _free_from(placement)[tasks], 0.0)
    most = np.minimum(np.minimum(idle * bandwidth, room), cost.memory_bytes[tasks]) / arguments[tasks]
    lines = (most // LINE).astype(np.int64)
    return Prefetches(column(tasks[lines > 0]), column(lines[lines > 0] * LINE))


def _arguments(graph: TaskGraph, part: TaskGraph) -> IntColumn:
    """Per task of a phase how many arguments it reads and does not write; 0 where a task of the launch writes
    one of them, or where the task knows only when it starts which part of them it reads."""
    written = np.zeros(len(graph.program.tensors), np.bool_)
    written[graph.access_tensor[(graph.access_mode & 2) > 0]] = True
    given = np.array([tensor.is_argument for tensor in graph.program.tensors], np.bool_)
    task = np.repeat(np.arange(len(part)), np.diff(part.access_ptr))
    fetched = (part.access_mode == 1) & given[part.access_tensor]
    count = np.bincount(task[fetched], minlength=len(part))
    unsafe = np.bincount(task[fetched & written[part.access_tensor]], minlength=len(part)) > 0
    late = np.array([bool(site.late) for site in part.sites], np.bool_)[part.site]
    return np.where(unsafe | late, 0, count)


def _after_meetings(placement: Placement, kept: Kept) -> npt.NDArray[np.bool_]:
    """Whether a unit is the first of its core after some barrier of the phase."""
    first = np.zeros(len(placement.core), np.bool_)
    core = placement.core[placement.order]
    for c in range(placement.cores):
        mine = np.flatnonzero(core == c)  # places, ascending
        at = np.searchsorted(mine, kept.places)
        first[placement.order[mine[at[at < len(mine)]]]] = True
    return first


def _free_from(placement: Placement) -> npt.NDArray[np.float64]:
    """Per unit when its core has ended the one before it."""
    free = np.zeros(len(placement.core))
    by_core = placement.order[np.argsort(placement.core[placement.order], kind="stable")]
    same = placement.core[by_core[1:]] == placement.core[by_core[:-1]]
    free[by_core[1:][same]] = placement.finish[by_core[:-1][same]]
    return free
