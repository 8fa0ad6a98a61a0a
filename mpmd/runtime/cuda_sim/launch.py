"""Launches of a simulated kernel: its state between them, and one launch from arguments to findings.

In:  a `KernelSource`, a compiled text, arguments that fit. Out: `Ended`; arrays written in place.
Not here: what fits a parameter (`executable.py`), what findings mean (`findings.py`).
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpmd.codegen.cuda import device_tables as layouts
from mpmd.codegen.cuda.device_tables import DeviceTables, device_tables
from mpmd.codegen.launch_values import LaunchValues, launch_values
from mpmd.codegen.source import KernelSource
from mpmd.runtime.cuda.sequence import stretches
from mpmd.runtime.cuda_sim.compile import Text, simulator_library
from mpmd.runtime.cuda_sim.findings import Findings, decode, found_nothing
from mpmd.runtime.cuda_sim.image import opened
from mpmd.runtime.cuda_sim.memory import Region, RegionSetup, filled, region, undefined

SHARED_BYTES = 96 << 10
"""Of a block: what every GPU since sm_80 has."""

POLL_LIMIT = 20_000
"""So many reads of counters in a row that tell nothing new, while nothing else happens, end a launch."""

_TURN = threading.Lock()
"""The simulator has one state in a process."""


class Setup(ctypes.Structure):
    """`Setup` of launch.h."""

    _fields_ = (
        ("seed", ctypes.c_uint64),
        ("poll_limit", ctypes.c_int64),
        ("kernel", ctypes.c_void_p),
        ("launch", ctypes.c_void_p),
        ("status", ctypes.c_void_p),
        ("hooks", ctypes.c_void_p),
        ("image", ctypes.c_uint64),
        ("image_end", ctypes.c_uint64),
        ("regions", ctypes.c_void_p),
        ("dropped", ctypes.c_void_p),
        ("iteration", ctypes.c_int64),
        ("shared_bytes", ctypes.c_uint64),
        ("region_count", ctypes.c_int32),
        ("dropped_count", ctypes.c_int32),
        ("blocks", ctypes.c_int32),
        ("stretch", ctypes.c_int32),
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """How a launch ended: the device's `Failure`, where each core was, and what the judge found."""

    failure: npt.NDArray[np.void]
    progress: npt.NDArray[np.void]
    findings: Findings


@dataclass(frozen=True, slots=True)
class Order:
    """How a launch is judged: in which order threads go, and which sites are passed over."""

    seed: int = 0
    dropped: tuple[int, ...] = ()


class SimulatedKernel:
    """A kernel on the simulated device: its tables there, and the state that outlives launches."""

    def __init__(self, source: KernelSource, text: Text) -> None:
        self.source = source
        self.tables = device_tables(source.tables)
        self._image = opened(text)
        self._constants = _constants(self.tables)
        self._reset()

    def launch(
        self, arguments: Mapping[str, npt.NDArray[Any]], scalars: Sequence[int], order: Order
    ) -> Ended:
        """Arguments fit. Raises `Refusal` where the scalars do not allow the launch."""
        values = launch_values(self.tables.sections, self.tables.most, scalars)
        with _TURN:
            ended = self._run(arguments, values, order)
            if ended.findings.reports or ended.failure[0]["status"]:
                self._reset()
            else:
                self._epoch += 1
        return ended

    def _reset(self) -> None:
        t, cores = self.tables, self.source.launch.cores
        self._epoch = 0
        self._state = {
            "arena": undefined("the arena of local tensors", self.source.launch.arena_bytes),
            "slab": undefined("the slab", cores * self.source.launch.scratch_bytes),
            "counters": region("the counters", t.counters * layouts.COUNTER_BYTES),
            "tokens": region("the tokens", len(t.rings) * layouts.TOKENS_BYTES),
            "progress": region("the progress of cores", cores * layouts.PROGRESS.itemsize),
            "failure": region("the failure", layouts.FAILURE.itemsize),
            "turns": region("the turns of loops", 2 * len(t.loops) * 4),
        }

    def _run(self, arguments: Mapping[str, npt.NDArray[Any]], values: LaunchValues, order: Order) -> Ended:
        placed = {info.name: _placed(info.name, arguments[info.name], constant=not info.direction.writes)
                  for info in self.source.launch.arguments}  # fmt: skip
        pieces = self._constants | self._of_values(values) | self._state
        bases = [p.address for p in placed.values()]
        arena = self._state["arena"].address
        bases += [arena + int(at) for at in self.tables.local.tolist()]
        pieces["base"] = filled("the addresses of tensors", np.array(bases or [0], np.uint64))
        launch = filled("the launch", self._launch_struct(pieces))
        regions = (*(p.region for p in placed.values()), *pieces.values(), launch)
        findings = found_nothing(order.seed)
        counts = values.counts.tolist()
        for at, turn in stretches(self.tables, counts, lambda loop: self._is_set(loop, bases)):
            findings = findings.joined(self._simulate(regions, launch, order, at, turn))
            if findings.reports or self._state["failure"].data.any():
                break
        for name, piece in placed.items():
            piece.write_back(arguments[name])
        failure, progress = (
            self._state[name].data.view(layout).copy()
            for name, layout in (("failure", layouts.FAILURE), ("progress", layouts.PROGRESS))
        )
        return Ended(failure, progress, findings)

    def _of_values(self, values: LaunchValues) -> dict[str, Region]:
        loops = self.tables.loops.copy()
        loops["count"] = values.counts
        return {
            "words": filled("the rows", values.words),
            "scalar": filled("the scalars", values.scalars),
            "loops": filled("the loops", loops),
        }

    def _launch_struct(self, pieces: Mapping[str, Region]) -> npt.NDArray[np.void]:
        struct = np.zeros(1, layouts.LAUNCH)
        for name in layouts.POINTERS:
            struct[name] = pieces[name].address
        struct["slab_bytes"] = self.source.launch.scratch_bytes
        struct["patience"] = np.iinfo(np.int64).max
        struct["cores"] = self.source.launch.cores
        struct["scalar_count"] = self.tables.sections.scalars + len(self.tables.sections.derived)
        struct["loop_count"] = len(self.tables.loops)
        struct["row_words"] = self.tables.row_words
        struct["scratch_at"] = self.tables.scratch_at
        struct["shared_scratch"] = max(0, SHARED_BYTES - self.tables.scratch_at)
        struct["epoch"] = self._epoch
        return struct

    def _simulate(
        self, regions: Iterable[Region], launch: Region, order: Order, at: int, turn: int
    ) -> Findings:
        """One stretch, on all cores."""
        setups = [piece.setup() for piece in regions]
        array = (RegionSetup * len(setups))(*setups)
        dropped = (ctypes.c_int32 * len(order.dropped))(*order.dropped)
        image = self._image
        setup = Setup(
            order.seed, POLL_LIMIT, image.entry, launch.address, self._state["failure"].address, image.hooks,
            image.begin, image.end, ctypes.addressof(array), ctypes.addressof(dropped), turn, SHARED_BYTES,
            len(setups), len(order.dropped), self.source.launch.cores, at,
        )  # fmt: skip
        return decode(simulator_library().mpmd_cuda_simulate(ctypes.byref(setup)), order.seed, image)

    def _is_set(self, loop: int, bases: Sequence[int]) -> bool:
        """Whether a loop's flag is set."""
        row = self.tables.loops[loop]
        if row["until"] == layouts.NONE:
            return False
        place = bases[int(row["until"])] + int(row["flag_offset"])
        return any(ctypes.string_at(place, int(row["flag_bytes"])))


@dataclass(frozen=True, eq=False)
class _Placed:
    """An argument on the device, and where in its region the first element lies."""

    region: Region
    first: int
    low: int

    @property
    def address(self) -> int:
        return self.region.address + self.first

    def write_back(self, array: npt.NDArray[Any]) -> None:
        if not self.region.constant:
            ctypes.memmove(self.low, self.region.address, self.region.data.size)


def _placed(name: str, array: npt.NDArray[Any], *, constant: bool) -> _Placed:
    low, high = np.lib.array_utils.byte_bounds(array) if array.size else (array.ctypes.data,) * 2
    piece = region(f"'{name}'", high - low, constant=constant)
    ctypes.memmove(piece.address, low, high - low)
    return _Placed(piece, array.ctypes.data - low, low)


def _constants(t: DeviceTables) -> dict[str, Region]:
    s = t.sections
    values: dict[str, npt.NDArray[Any]] = {
        "steps": t.steps, "items": t.items, "begins": t.begins, "ends": t.ends,
        "stretch_loop": t.stretch_loop,
        "program_ptr": np.asarray(s.program_ptr, np.int32), "ops": np.asarray(s.ops, np.int64),
        "terms": np.asarray(s.terms, np.int64), "rings": t.rings,
    }  # fmt: skip
    return {name: filled(f"the table '{name}'", value) for name, value in values.items()}
