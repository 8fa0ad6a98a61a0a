"""Machines that can be named, each a table with the source of every figure.

In:  a name. Out: a `Machine`. Not here: what the figures are used for.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from mpmd.errors import NO_SPAN, ArgumentError, Span
from mpmd.machine.model import Machine
from mpmd.machine.presets import ascend, nvidia
from mpmd.machine.presets.cpu import preset as preset
from mpmd.machine.presets.cpu import this_cpu as this_cpu
from mpmd.machine.system import allowed_cores as allowed_cores
from mpmd.machine.system import available_cores as available_cores

MACHINES: Mapping[str, Callable[[], Machine]] = {
    "cpu": this_cpu,
    "h100": lambda: nvidia.H100,
    "h200": lambda: nvidia.H200,
    "a2": lambda: ascend.A2,
    "a3": lambda: ascend.A3,
    "a5": lambda: ascend.A5,
}


def by_name(name: str, *, span: Span = NO_SPAN) -> Machine:
    """The machine of that name. `span` is where the user wrote it."""
    known = name.lower()
    if known not in MACHINES:
        near = difflib.get_close_matches(known, MACHINES, n=1)
        raise ArgumentError(
            f"there is no machine {name!r}",
            span=span,
            label=f"machine={name!r}",
            hints=(f"did you mean {near[0]!r}?",) if near else ("machines: " + ", ".join(MACHINES),),
        )
    return MACHINES[known]()
