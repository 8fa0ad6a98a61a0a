"""What calls ask of their place, against what the machine has.

In:  a `TaskGraph`, a `Machine` with the cores that a schedule may use. Out: nothing, or `PlacementError`.
Not here: obeying (`joint.py`); what a gang's members ask of each other (`nodes.py`).
"""

from __future__ import annotations

import difflib

import numpy as np

from mpmd.errors import PlacementError
from mpmd.machine import Machine
from mpmd.partition.graph import TaskGraph


def require_places(graph: TaskGraph, machine: Machine) -> None:
    """Raise for the first call that asks for a kind of core or a core that is not there."""
    kinds = [kind.name for kind in machine.kinds]
    for site in graph.sites:
        asked = site.call.placement
        if asked is not None and asked.on is not None and asked.on not in kinds:
            near = difflib.get_close_matches(asked.on, kinds, n=1)
            raise PlacementError(
                f"{machine.name!r} has no cores of kind {asked.on!r}",
                span=site.call.span,
                label=f"on={asked.on!r}",
                hints=(f"did you mean {near[0]!r}?",) if near else ("kinds: " + ", ".join(kinds),),
            )
    by_hand = [s.call.placement is not None and s.call.placement.core is not None for s in graph.sites]
    pinned = np.array(by_hand, np.bool_)[graph.site] | (graph.pin != -1)
    bad = np.flatnonzero(pinned & ((graph.pin < 0) | (graph.pin >= machine.cores)))
    for task in bad[:1].tolist():
        raise PlacementError(
            f"{graph.task_name(task)!r} is to run on core {graph.pin[task]}; "
            f"there are cores 0 to {machine.cores - 1}",
            span=graph.sites[graph.site[task]].call.span,
            label=f"core={graph.pin[task]}",
            hints=(f"give a core below {machine.cores}, or compile for more cores",),
        )
