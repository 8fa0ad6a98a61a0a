"""A compiled kernel for Ascend that is called like any other, and runs on the simulator.

In:  a `KernelSource` of target "ascend". Out: `SimulatedKernel`; a broken law is a `Violation` with its seed.
Not here: the simulator (`compile.py`), the text and its tables (`codegen/ascend`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mpmd.codegen.ascend.emit import KERNEL, MOST_BASES
from mpmd.codegen.ascend.words import LINE, lines, most_iterations, room, words
from mpmd.codegen.launch_values import LaunchValues, Refusal, launch_values, scalar_words
from mpmd.codegen.sections import Sections, sections
from mpmd.codegen.source import KernelSource
from mpmd.errors import NO_SPAN, ArgumentError
from mpmd.lang.kernel.binding import match_arguments
from mpmd.runtime import arrays, pool
from mpmd.runtime.ascend_sim.arguments import Value
from mpmd.runtime.ascend_sim.compile import Simulated, compile_text
from mpmd.runtime.ascend_sim.findings import Findings
from mpmd.runtime.report import launch_error, launch_refused

ARENA = "the arena"
"""In reports. What a launch has beside arguments has a name that no argument can have."""


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
    """What lasts from launch to launch: the lines of events and rings, and which launch is the latest."""

    lines: np.ndarray[Any, Any]
    epoch: int = 0


@dataclass(frozen=True)
class SimulatedKernel:
    """A kernel on the simulator. Each call is one launch; $MPMD_SEED chooses the interleaving."""

    built: Built
    fixed: tuple[tuple[str, Any], ...] = ()
    tables: Sections = field(init=False)
    launches: Launches = field(init=False)

    def __post_init__(self) -> None:
        tables = sections(self.built.source.tables)
        object.__setattr__(self, "tables", tables)
        object.__setattr__(self, "launches", Launches(np.zeros(LINE * max(1, lines(tables)), np.int64)))

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
        try:
            self._adapted(self.ordered(args, {}))
        except ArgumentError:
            return False
        self(*args)
        return True

    def run(self, args: tuple[Any, ...], *, seed: int, dropped: tuple[int, ...] = ()) -> Findings:
        """One launch with a seed, in which some sync sites are passed over; results are written in place.

        A launch that its own checks end is an error, whatever else is found.
        """
        source, launches = self.built.source, self.launches
        given, scalars = self._adapted(args)
        copies = {name: np.array(array, order="C", copy=True) for name, array in given.items()}
        failures = np.zeros(LINE * source.launch.cores, np.int64)
        launches.epoch += 1
        fields: dict[str, Value] = {**copies, ARENA: np.zeros(max(1, source.launch.arena_bytes), np.uint8)}
        fields |= {f"base {n}": np.uint64(0) for n in range(len(fields), MOST_BASES)}
        fields["the table"] = words(self.tables, self._values(scalars), source.launch.cores)
        fields |= {"the lines": launches.lines, "the failures": failures}
        fields["the rows"] = np.zeros(max(1, room(self.tables) * source.launch.cores), np.int64)
        fields["the epoch"] = np.int64(launches.epoch)
        found = self.built.simulated.run(
            fields, groups=self.built.groups, seed=seed, dropped=dropped, undefined=(ARENA,)
        )
        self._raise_failure(failures.reshape(-1, LINE), scalars)
        for info in source.launch.arguments:
            if info.direction.writes:
                given[info.name][...] = copies[info.name]
        return found

    def _adapted(
        self, args: tuple[Any, ...]
    ) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, int | float]]:
        """The arrays by name, and the scalars, with those that arrays decide."""
        launch = self.built.source.launch
        names = [name for name in launch.order if name not in self.bound]
        values = {**dict(zip(names, args, strict=True)), **dict(self.fixed)}
        tensors = {a.name: arrays.adapt(launch.kernel, a, values[a.name]) for a in launch.arguments}
        if arrays.overlapping(launch, tensors):
            raise arrays.overlap_error(launch, tensors)
        scalars = {
            s.name: arrays.adapt_scalar(launch.kernel, s, values[s.name])
            for s in launch.scalars
            if s.name in values
        }
        return tensors, scalars | arrays.dim_values(launch, tensors)

    def _values(self, scalars: Mapping[str, int | float]) -> LaunchValues:
        source = self.built.source
        try:
            return launch_values(
                self.tables, most_iterations(self.tables), scalar_words(source.launch, scalars)
            )
        except Refusal as refusal:
            raise launch_refused(source, refusal, scalars) from None

    def _raise_failure(self, failures: np.ndarray[Any, Any], scalars: Mapping[str, int | float]) -> None:
        """The first core's check that did not hold."""
        for core in np.flatnonzero(failures[:, 0]).tolist():
            status, check, value, extent, limit = failures[core, :5].tolist()
            result = pool.Result(status=status)
            result.failure = pool.Failure(value, extent, limit, check, core)
            raise launch_error(self.built.source.launch, self.built.source.tables, result, scalars)
