"""Placement by hand: the core and the neighbourhood that calls ask for, per instance.

In:  the instances of all call sites. Out: the columns `pin` and `near` of a graph.
Not here: whether the machine has such a core (`schedule`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mpmd.errors import LanguageError, PlacementError
from mpmd.lang.index import Index
from mpmd.lang.program import Call, Program, TensorId, View, calls
from mpmd.partition.accesses import root_of
from mpmd.partition.affine import lowest
from mpmd.partition.expand import SiteInstances
from mpmd.partition.graph import IntColumn, column


def pins(sites: Sequence[SiteInstances], tasks: int) -> npt.NDArray[np.int32]:
    """The core that each instance asks for, −1 for none."""
    pin = np.full(tasks, -1, np.int32)
    for site in sites:
        placement = site.call.placement
        if placement is not None and placement.core is not None:
            pin[site.ids] = _core(placement.core, site)
    return column(pin, np.int32)


def _core(core: Index, site: SiteInstances) -> IntColumn | int:
    unknown = sorted(core.symbols() - site.columns.keys())
    if unknown:
        raise LanguageError(
            f"the core of '{site.call.task.name}' depends on '{unknown[0]}', "
            "which is not known when the kernel is compiled",
            span=site.call.span,
            label=f"core={core}",
            hints=("use a constant, or the index of a loop over pieces of a constant extent",),
        )
    cores = core.evaluate(site.columns)
    if lowest(cores) < 0:
        raise PlacementError(
            f"'{site.call.task.name}' asks for core {lowest(cores)}",
            span=site.call.span,
            label=f"core={core}",
            hints=("cores count from 0",),
        )
    return cores


def nearness(program: Program, sites: Sequence[SiteInstances], tasks: int) -> npt.NDArray[np.int32]:
    """The tensor (a root) near whose producer each instance should run, −1 for none."""
    near = np.full(tasks, -1, np.int32)
    written: set[TensorId] | None = None
    for site in sites:
        placement = site.call.placement
        if placement is None or placement.near is None:
            continue
        if written is None:
            written = _written(program)
        root = root_of(program.tensors[placement.near], program)
        if root.id not in written:
            raise _nobody_writes(site.call, program.tensors[placement.near].name)
        near[site.ids] = root.id
    return column(near, np.int32)


def _nobody_writes(call: Call, name: str) -> PlacementError:
    return PlacementError(
        f"'{call.task.name}' should run near '{name}', which no call of this kernel writes",
        span=call.span,
        label=f"near={name}",
        hints=("name a tensor that an earlier call makes, or leave near= out",),
    )


def _written(program: Program) -> set[TensorId]:
    """The tensors (roots) that some call writes."""
    return {
        root_of(program.tensors[arg.tensor], program).id
        for call in calls(program.body)
        for param, arg in zip(call.task.params, call.args, strict=True)
        if isinstance(arg, View) and param.direction is not None and param.direction.writes
    }
