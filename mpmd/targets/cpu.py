"""Target "cpu": threaded C++ for the machine that this process runs on."""

from mpmd.codegen.cpu.emit import emit
from mpmd.machine.presets import this_cpu
from mpmd.runtime.build import build
from mpmd.targets.protocol import Target

TARGET = Target("cpu", machine=this_cpu, emit=emit, build=build)
