"""Target "cuda-sim": the text and the tables of target "cuda", run on this computer under the laws of CUDA.

In:  – . Out: `TARGET`. Not here: the judge (`runtime/cuda_sim`), the emitter (`codegen/cuda`).
"""

from __future__ import annotations

from dataclasses import dataclass

from mpmd.codegen.cuda.emit import emit
from mpmd.codegen.source import KernelSource
from mpmd.machine import Machine
from mpmd.machine.presets.nvidia import H100
from mpmd.runtime.cuda_sim.compile import Text, compile_text
from mpmd.runtime.cuda_sim.executable import SimulatedExecutable, executable
from mpmd.targets.protocol import Target

SMS = 3
"""Enough for every kind of handover; each SM is 256 threads that take turns on one core."""


@dataclass(frozen=True, slots=True)
class SimulatedBuild:
    """A compiled text with its tables."""

    source: KernelSource
    text: Text

    def load(self) -> SimulatedExecutable:
        return executable(self.source, self.text)


def machine(cores: int | None) -> Machine:
    """A few SMs of an H100."""
    return H100.with_cores(SMS if cores is None else cores)


def build(source: KernelSource) -> SimulatedBuild:
    return SimulatedBuild(source, compile_text(source))


TARGET = Target("cuda-sim", machine=machine, emit=emit, build=build)
