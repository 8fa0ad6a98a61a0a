"""Target "ascend": Ascend C for Atlas A2, as text. Running it takes an NPU, or the simulator ("ascend-sim").

In:  – . Out: `TARGET`, and what it shares with the simulator's. Not here: the simulator.
"""

from __future__ import annotations

from dataclasses import replace

from mpmd.codegen.ascend.emit import emit
from mpmd.codegen.source import KernelSource
from mpmd.errors import NO_SPAN, UnsupportedOp
from mpmd.machine import Machine
from mpmd.machine.model import WorkClass
from mpmd.machine.presets.ascend import A2
from mpmd.partition.engines import for_engines
from mpmd.targets.protocol import Built, Target

ROUNDED = 70e9 / 4
"""Elements that a cube core rounds in a second: products are rounded on their way out, at 70 GB/s of f32."""


def machine(cores: int | None) -> Machine:
    """So many cores of an A2, in whole groups of a cube core and two vector cores, or all.

    Its flags are left out: what the hardware sets at once for both vector cores of a group, or once both have
    set it, is no event with one waiter. Cores tell each other by words in global memory alone. Vector cores
    do products of a single row: one instruction for products and one for sums.
    """
    groups = A2.kinds[0].cores if cores is None else -(-cores // A2.group)
    cube, vector = A2.kinds
    kinds = (
        replace(cube, cores=groups, rates=(*cube.rates[:3], ROUNDED, 0.0)),
        replace(
            vector, cores=2 * groups, rates=(*(3 * (vector.rates[WorkClass.VECTOR],)), *vector.rates[3:])
        ),
    )
    words = tuple(primitive for primitive in A2.primitives if primitive.kind == "word")
    return replace(A2, kinds=kinds, primitives=words)


def _build(source: KernelSource) -> Built:
    raise UnsupportedOp(
        f"kernel '{source.launch.kernel}' for Ascend does not run in this process",
        span=NO_SPAN,
        hints=(
            "compile it with target='ascend-sim'",
            "or write a project for a machine with an NPU: mpmd emit",
        ),
    )


TARGET = Target("ascend", machine=machine, emit=emit, build=_build, prepare=for_engines)
