"""Which primitives the shape of an event allows, and what its signals and waits take with each.

In:  the events of a phase, the machine. Out: seconds, infinite where a primitive cannot serve an event.
Not here: which one is taken (`primitives.py`), since there are only so many of each.

A word has one signaller. A flag has one waiter and takes away what it waited for, so it serves only within
an iteration. A primitive of a group joins neighbours. What can be pending has to fit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mpmd.machine import Machine, Primitive
from mpmd.partition.graph import IntColumn
from mpmd.schedule.bounds import iterations
from mpmd.schedule.order import Placement
from mpmd.schedule.stretches import Stretch
from mpmd.schedule.sync import Sync

Mask = npt.NDArray[np.bool_]

AHEAD = 4
"""The signals of so many iterations must fit. Cores that meet after each are never that far apart."""


def allowed(sync: Sync, distance: IntColumn, stretch: Stretch, machine: Machine) -> npt.NDArray[np.float64]:
    """[primitives, events]: the seconds that signals and waits take, infinite where the shape forbids it."""
    signals, waits = np.diff(sync.signal_ptr), np.diff(sync.wait_ptr)
    seconds = np.empty((len(machine.primitives), len(sync)))
    for row, primitive in zip(seconds, machine.primitives, strict=True):
        row[:] = signals * primitive.signal_seconds + waits * primitive.wait_seconds
        fits = signals * _turns(stretch, primitive) <= primitive.maximum
        if primitive.kind == "word":
            fits &= signals == 1
        if primitive.kind == "flag":
            fits &= (waits == 1) & (distance == 0)
        if primitive.scope == "group":
            fits &= _within_groups(sync, stretch.placement, machine)
        row[~fits] = np.inf
    return seconds


def _turns(stretch: Stretch, primitive: Primitive) -> int:
    """How many turns' signals may have come before the first one's waits."""
    loop = stretch.phase.loop
    if loop is None or primitive.kind == "flag":
        return 1  # flags are asked for more below
    if stretch.meets or loop.count.terms:
        return AHEAD
    return max(AHEAD, iterations(loop))


def groups(units: IntColumn, placement: Placement, machine: Machine) -> IntColumn:
    """The group of cores that each unit is in."""
    group = np.array([machine.group_of(core) for core in range(placement.cores)], np.int64)
    return group[placement.core[units]]


def _within_groups(sync: Sync, placement: Placement, machine: Machine) -> Mask:
    ends: list[IntColumn] = []
    for ptr, units in ((sync.signal_ptr, sync.signals), (sync.wait_ptr, sync.waits)):
        group = groups(units, placement, machine)
        ends += [np.minimum.reduceat(group, ptr[:-1]), np.maximum.reduceat(group, ptr[:-1])]
    return np.logical_and.reduce([end == ends[0] for end in ends])
