"""Target "ascend-sim": the same Ascend C as "ascend", run on the simulator of the hardware's laws."""

from __future__ import annotations

from mpmd.codegen.ascend.emit import emit
from mpmd.codegen.source import KernelSource
from mpmd.machine import Machine
from mpmd.machine.presets.ascend import A2
from mpmd.partition.engines import for_engines
from mpmd.runtime.ascend_sim.kernel import Built, build
from mpmd.targets import ascend
from mpmd.targets.protocol import Target

GROUPS = 2
"""How many groups a kernel gets unless the caller says: enough for them to depend on each other."""


def machine(cores: int | None) -> Machine:
    """As the target "ascend", small unless the caller says otherwise."""
    return ascend.machine(GROUPS * A2.group if cores is None else cores)


def _build(source: KernelSource) -> Built:
    return build(source, source.launch.cores // A2.group)


TARGET = Target("ascend-sim", machine=machine, emit=emit, build=_build, prepare=for_engines)
