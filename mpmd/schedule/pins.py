"""What calls ask of their place, against what the machine has.

In:  a `TaskGraph`, a `Machine` with the cores that a schedule may use. Out: nothing, or `PlacementError`.
Not here: obeying (`joint.py`); what a gang's members ask of each other (`nodes.py`).
"""

from __future__ import annotations

import difflib

import numpy as np

from mpmd.errors import PlacementError
from mpmd.machine import Machine, WorkClass
from mpmd.partition.cost import seconds_of_work
from mpmd.partition.graph import TaskGraph


def require_places(graph: TaskGraph, machine: Machine) -> None:
    """Raise for the first call that asks for a core that is not there, or that cannot do it."""
    _require_kinds(graph, machine)
    _require_cores(graph, machine)
    _require_able(graph, machine)


def _require_kinds(graph: TaskGraph, machine: Machine) -> None:
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


def _require_cores(graph: TaskGraph, machine: Machine) -> None:
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


def _require_able(graph: TaskGraph, machine: Machine) -> None:
    """Raise for the first task that none of its cores can do: all that there are, or those asked for."""
    asked = [site.call.placement.on if site.call.placement else None for site in graph.sites]
    there = np.array([[on in (None, kind.name) for on in asked] for kind in machine.kinds], np.bool_)
    there &= np.array([kind.cores > 0 for kind in machine.kinds])[:, None]
    can = np.isfinite([seconds_of_work(graph.work, kind) for kind in machine.kinds]) & there[:, graph.site]
    pinned = np.flatnonzero(graph.pin >= 0)
    of_pin = np.array([machine.kind_of(core) for core in graph.pin[pinned].tolist()], np.int64)
    able = np.array(can.any(axis=0))
    able[pinned] = can[of_pin, pinned]
    for task in np.flatnonzero(~able)[:1].tolist():
        others = [kind.name for kind, row in zip(machine.kinds, can, strict=True) if row[task]]
        raise _unable(graph, machine, task, others)


def _unable(graph: TaskGraph, machine: Machine, task: int, able: list[str]) -> PlacementError:
    """`able` are the kinds of cores that could do the task if it were not pinned."""
    call, pin = graph.sites[graph.site[task]].call, int(graph.pin[task])
    needs = [work.name.lower() for work in WorkClass if graph.work[task, work] > 0]
    who = f"core {pin}" if pin >= 0 else "any core that it may run on"
    others = "leave 'on' out, or compile for more cores or another machine"
    hint = f"cores of kind {', '.join(able)} can do it" if able else others
    return PlacementError(
        f"{graph.task_name(task)!r} cannot be done by {who} of {machine.name!r}",
        span=call.span,
        label="its work: " + ", ".join(needs),
        hints=(hint,),
    )
