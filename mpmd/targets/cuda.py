"""Target "cuda": one persistent kernel for NVIDIA cards, a block per multiprocessor."""

from dataclasses import replace

from mpmd.codegen.cuda.emit import emit
from mpmd.errors import DeviceError
from mpmd.machine import Machine
from mpmd.machine.presets.nvidia import H100
from mpmd.runtime.cuda import card
from mpmd.runtime.cuda.build import build
from mpmd.targets.protocol import Target


def machine(cores: int | None) -> Machine:
    """The H100's figures, with as many cores as the caller says, or this card has, or an H100."""
    if cores is None:
        try:
            cores = int(card.device().properties.multiprocessor_count)
        except DeviceError:
            return H100
    return replace(H100.with_cores(cores), name=f"cuda, {cores} SMs")


TARGET = Target("cuda", machine=machine, emit=emit, build=build)
