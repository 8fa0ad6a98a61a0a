"""The micro-benchmarks of a core: tasks of our own, compiled like any other.

In:  how many cores do the same at once. Out: measures by name, and the work of each.
Not here: what passes between cores, and memory (`together.py`), taking turns (`timing.py`), what follows
(`fit.py`).

All is in one kernel, each task in a loop whose count the launch gives: one compilation serves them all. Its
data stays in the cache of the core whose it is. All cores compute, as they do in most kernels: a core that is
alone may have a faster clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np

import mpmd
from mpmd import i32
from mpmd.calibration import tasks
from mpmd.calibration.compiling import as_written
from mpmd.calibration.fit import Sample
from mpmd.calibration.timing import Measure, Reading, count_for, seconds_of
from mpmd.lang import surface
from mpmd.lang.tile import Param, TaskDef
from mpmd.lang.types import Direction
from mpmd.partition.graph import FloatColumn

Shape = tuple[int, ...]

BASE = "launch without tasks"


@dataclass(frozen=True, slots=True)
class Probe:
    """A task on tensors of these shapes. `group` says which constant it is for."""

    group: str
    task: mpmd.Task
    shapes: tuple[Shape, ...]

    @property
    def name(self) -> str:
        sizes = " ".join("x".join(map(str, shape)) for shape in self.shapes)
        return f"{self._definition.name} {sizes}"

    @property
    def params(self) -> tuple[Param, ...]:
        return self._definition.tensors

    @property
    def _definition(self) -> TaskDef:
        return cast(surface.Task, self.task).definition


def _dot(task: mpmd.Task, m: int, n: int, k: int, group: str = "product") -> Probe:
    w = (k, n) if task is tasks.dot_columns else (n, k)
    return Probe(group, task, ((m, k), w, (m, n)))


def _map(group: str, task: mpmd.Task, *shape: int) -> Probe:
    tensors = 3 if task is tasks.add else 2
    return Probe(group, task, (shape,) * tensors)


PRODUCTS = (
    (4, 256, 256), (8, 256, 256), (16, 256, 256), (32, 128, 256), (64, 256, 256), (128, 128, 128),
    (64, 64, 64), (64, 64, 512), (128, 256, 64), (32, 32, 32), (16, 16, 16), (4, 32, 64), (64, 64, 16),
)  # fmt: skip
"""Not with one row alone: those take what their bytes take."""

PROBES: tuple[Probe, ...] = (
    *(_dot(task, *shape) for shape in PRODUCTS for task in (tasks.dot_rows, tasks.dot_columns)),
    *(_dot(tasks.dot_bf16, m, 256, 256, "dot16") for m in (8, 32, 64)),
    *(_dot(tasks.dot_i8, m, 256, 256, "dot8") for m in (8, 32, 64)),
    *(_map("vector", task, 64, 256) for task in (tasks.exponential, tasks.silu, tasks.tanh)),
    *(_map("vector", tasks.centred, *shape) for shape in ((64, 256), (16, 2048))),
    *(_map("vector", tasks.shares, *shape) for shape in ((64, 256), (16, 2048))),
    *(_map("vector", tasks.polynomial, *shape) for shape in ((64, 256), (16, 1024))),
    *(_map("vector", tasks.softmax, *shape) for shape in ((16, 1024), (1, 4096))),
    *(_map("cache", tasks.copy, *shape) for shape in ((64, 512), (8, 4096), (96, 1024))),
    *(_map("vector", tasks.add, *shape) for shape in ((64, 512), (8, 4096))),
    *(
        Probe("fold", task, ((m, n), (m,)))
        for task in (tasks.row_sums, tasks.row_maxima)
        for m, n in ((256, 16), (64, 64), (128, 32))
    ),
)


class Core:
    """All probes of a core, of which so many do the same."""

    def __init__(self, cores: int) -> None:
        rng = np.random.default_rng(0)
        types = [[param.dtype.numpy for param in probe.params] for probe in PROBES]
        self._data = tuple(
            tuple(
                (rng.random((cores, *shape)) * 4 + 1).astype(dtype)
                for shape, dtype in zip(probe.shapes, dtypes, strict=True)
            )
            for probe, dtypes in zip(PROBES, types, strict=True)
        )
        compiled = as_written(_repeated(PROBES, cores), self._data, tuple(1 for _ in PROBES), cores=cores)
        self._executable = compiled.executable
        self._tensors = [tensor for tensors in self._data for tensor in tensors]
        self._counts: dict[str, int] = {}
        self.work: FloatColumn = compiled.graph.work[::cores]
        self.bytes: FloatColumn = compiled.graph.bytes[::cores]

    def measures(self) -> dict[str, Measure]:
        """By name of the probe, seconds of a launch in which it is repeated; and of one with no task."""
        found: dict[str, Measure] = {BASE: partial(seconds_of, partial(self._launch, -1, 0))}
        for at, probe in enumerate(PROBES):
            self._counts[probe.name] = count = count_for(partial(self._launch, at))
            found[probe.name] = partial(seconds_of, partial(self._launch, at, count))
        return found

    def samples(self, found: Mapping[str, Reading]) -> dict[str, list[Sample]]:
        """What each probe takes once, by group."""
        groups: dict[str, list[Sample]] = {}
        for at, probe in enumerate(PROBES):
            each = found[probe.name].beyond(found[BASE], self._counts[probe.name])
            sample = Sample(probe.name, self.work[at], float(self.bytes[at]), each.least, each.spread)
            groups.setdefault(probe.group, []).append(sample)
        return groups

    def _launch(self, at: int, count: int) -> None:
        self._executable(*self._tensors, *(count if i == at else 0 for i in range(len(PROBES))))


def _repeated(probes: Sequence[Probe], cores: int) -> mpmd.Kernel:
    """Each probe in a loop of its own."""

    def repeated(data, counts):  # type: ignore[no-untyped-def]
        for probe, tensors, count in zip(probes, data, counts, strict=True):
            for _ in mpmd.loop(count):
                for core in range(cores):
                    probe.task(*(tensor[core] for tensor in tensors), core=core)

    repeated.__annotations__ = {
        "data": tuple[tuple(_parameters(probe, cores) for probe in probes)],
        "counts": tuple[tuple(i32 for _ in probes)],
    }
    return mpmd.kernel(repeated)


def _parameters(probe: Probe, cores: int) -> Any:
    """The annotation of a probe's tensors."""
    markers = {Direction.IN: surface.In, Direction.OUT: surface.Out}
    found = [
        markers[param.direction][(param.dtype, cores, *shape)]
        for param, shape in zip(probe.params, probe.shapes, strict=True)
        if param.direction is not None
    ]
    return tuple[tuple(found)]
