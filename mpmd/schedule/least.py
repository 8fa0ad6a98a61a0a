"""Seconds that no launch takes less than, whatever share of the bandwidths each task has.

In:  a `TaskGraph`, a `Machine`. Out: `Bounds`.
Not here: the bounds themselves (`bounds.py`), in whose cost model all cores draw on memory at all times.

A task may have more than an equal share, as it has in a simulation or on a machine, up to what its core can
draw alone. So here each has all of that, and only the bound of the bandwidth knows that it is shared.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf

from mpmd.machine import Machine
from mpmd.partition.graph import TaskGraph
from mpmd.schedule.bounds import Bounds, bounds


def least(graph: TaskGraph, machine: Machine) -> Bounds:
    """What a simulated launch is never below, its `launch_seconds` left out."""
    alone = bounds(graph, replace(machine, bandwidth=inf, shared_cache_bandwidth=inf))
    return replace(alone, bandwidth=bounds(graph, machine).bandwidth)
