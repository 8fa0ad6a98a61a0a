"""A compiled kernel for Ascend that is called like any other, and runs on the simulator.

In:  a `KernelSource` of target "ascend". Out: `SimulatedKernel`; a broken law is a `Violation` with its seed.
Not here: the simulator (`compile.py`), the text (`codegen/ascend`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mpmd.codegen.ascend.emit import KERNEL, MOST_BASES
from mpmd.codegen.ascend.words import events, words
from mpmd.codegen.source import ArgumentInfo, KernelSource
from mpmd.errors import NO_SPAN, ArgumentError
from mpmd.lang.kernel.binding import match_arguments
from mpmd.runtime.ascend_sim.arguments import Value
from mpmd.runtime.ascend_sim.compile import Simulated, compile_text
from mpmd.runtime.ascend_sim.findings import Findings

LINE = 16
"""Words of 4 bytes in a line of 64, one for each event."""


@dataclass(frozen=True, slots=True)
class Built:
    """The text, compiled for the simulator."""

    source: KernelSource
    simulated: Simulated
    groups: int

    def load(self) -> SimulatedKernel:
        return SimulatedKernel(self)


def build(source: KernelSource, groups: int, *, strict: bool = False) -> Built:
    """Compiles the text of a kernel for so many groups of cores."""
    return Built(source, compile_text(source.files, main=KERNEL, strict=strict), groups)


@dataclass
class Launches:
    """What lasts from launch to launch: the lines of the events, and which launch is the latest."""

    lines: np.ndarray[Any, Any]
    epoch: int = 0


@dataclass(frozen=True)
class SimulatedKernel:
    """A kernel on the simulator. Each call is one launch; $MPMD_SEED chooses the interleaving."""

    built: Built
    fixed: tuple[tuple[str, Any], ...] = ()
    launches: Launches = field(init=False)

    def __post_init__(self) -> None:
        lines = np.zeros(LINE * max(1, events(self.built.source.tables)), np.int32)
        object.__setattr__(self, "launches", Launches(lines))

    @property
    def bound(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.fixed)

    def ordered(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        launch = self.built.source.launch
        names = [name for name in launch.order if name not in self.bound]
        given = match_arguments(launch.kernel, names, args, kwargs, NO_SPAN, error=ArgumentError)
        return tuple(given[name] for name in names)

    def bind(self, **consts: Any) -> SimulatedKernel:
        return replace(self, fixed=(*self.fixed, *consts.items()))

    def __call__(self, *args: Any) -> None:
        seed = int(os.environ.get("MPMD_SEED", "0"))
        self.run(self.ordered(args, {}), seed=seed).check()

    def try_call(self, args: tuple[Any, ...]) -> bool:
        free = [a for a in self.built.source.launch.arguments if a.name not in self.bound]
        if len(free) != len(args) or not all(_fits(i, a) for i, a in zip(free, args, strict=True)):
            return False
        self(*args)
        return True

    def run(self, args: tuple[Any, ...], *, seed: int, dropped: tuple[int, ...] = ()) -> Findings:
        """One launch with a seed, in which some sync sites are passed over; results are written in place."""
        source, launches = self.built.source, self.launches
        names = (name for name in source.launch.order if name not in self.bound)
        given = {**dict(zip(names, args, strict=True)), **dict(self.fixed)}
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        for info in source.launch.arguments:
            _require(info, given[info.name])
            arrays[info.name] = np.array(given[info.name], order="C", copy=True)
        launches.epoch += 1
        fields: dict[str, Value] = {**arrays, "arena": np.zeros(max(1, source.launch.arena_bytes), np.uint8)}
        fields |= {f"base {n}": np.uint64(0) for n in range(len(fields), MOST_BASES)}
        fields |= {"table": words(source.tables), "lines": launches.lines, "epoch": np.int32(launches.epoch)}
        found = self.built.simulated.run(
            fields, groups=self.built.groups, seed=seed, dropped=dropped, undefined=("arena",)
        )
        for info in source.launch.arguments:
            if info.direction.writes:
                given[info.name][...] = arrays[info.name]
        return found


def _fits(info: ArgumentInfo, array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.shape == info.shape and array.dtype == info.dtype.numpy


def _require(info: ArgumentInfo, array: Any) -> None:
    if _fits(info, array):
        return
    what = f"{array.dtype}{list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
    raise ArgumentError(
        f"'{info.name}' is {info.dtype}{list(info.shape)} in this kernel, not {what}",
        span=info.span,
        label="declared here",
        hints=("the simulator takes NumPy arrays",),
    )
