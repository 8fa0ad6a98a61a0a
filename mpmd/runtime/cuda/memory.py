"""What a kernel has in the card's memory: its tables, its counters, its arena.

In:  `DeviceTables`, the card. Out: `KernelMemory`, and the bytes that each launch writes.
Not here: launching (`load.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mpmd.codegen.cuda.device_tables import (
    ALIGNMENT,
    COUNTER_BYTES,
    FAILURE,
    LAUNCH,
    LOOP,
    PROGRESS,
    TOKENS_BYTES,
    DeviceTables,
)
from mpmd.codegen.launch_values import LaunchValues
from mpmd.errors import NO_SPAN, CapacityError, DeviceError
from mpmd.runtime.cuda import card

PATIENCE_NANOSECONDS = 500_000_000
"""All cores wait and none has moved for so long: the launch hangs."""


@dataclass(frozen=True, slots=True)
class Room:
    """Scratch memory: `shared` bytes for kept tiles on each SM, `slab` bytes per core in global memory."""

    shared: int
    slab: int

    @staticmethod
    def of(scratch_bytes: int, scratch_at: int, limit: int) -> Room:
        """Functions whose tiles do not fit into what is left of `limit` have them in the slab."""
        left = (limit - scratch_at) // ALIGNMENT * ALIGNMENT
        wanted = -(-scratch_bytes // ALIGNMENT) * ALIGNMENT
        return Room(min(wanted, left), wanted if wanted > left else 0)


@dataclass
class KernelMemory:
    """Buffers by the names of `Launch`'s pointers. `launch` holds what each launch writes, whole."""

    tables: DeviceTables
    room: Room
    device: Any
    stream: Any
    buffers: dict[str, Any] = field(default_factory=dict)
    bases: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        t, tables = self.tables.sections, self.tables
        for name, array in {
            "steps": tables.steps,
            "items": tables.items,
            "begins": tables.begins,
            "ends": tables.ends,
            "stretch_loop": tables.stretch_loop,
            "words": t.words,
            "program_ptr": t.program_ptr,
            "ops": t.ops,
            "terms": t.terms,
            "rings": tables.rings,
        }.items():
            self._allocate(name, array.nbytes)
            self.write(name, array)
        self._allocate("arena", t.arena_bytes)
        self._allocate("slab", self.room.slab * t.cores)
        self._allocate("launch", self._launch_bytes)
        for name, size in self._state.items():
            self._allocate(name, size)
        self.reset()

    @property
    def _state(self) -> dict[str, int]:
        """What outlives a launch, and is zero at first."""
        return {
            "counters": self.tables.counters * COUNTER_BYTES,
            "tokens": len(self.tables.rings) * TOKENS_BYTES,
            "progress": self.tables.sections.cores * PROGRESS.itemsize,
            "failure": FAILURE.itemsize,
            "turns": 2 * len(self.tables.loops) * 4,
        }

    @property
    def _parts(self) -> dict[str, int]:
        """What stands behind the `Launch` itself in its buffer, with the bytes of each."""
        t = self.tables.sections
        return {
            "base": len(t.bases) * 8,
            "scalar": (t.scalars + len(t.derived)) * 8,
            "loops": len(t.loops) * LOOP.itemsize,
        }

    @property
    def _launch_bytes(self) -> int:
        return LAUNCH.itemsize + sum(self._parts.values())

    def _allocate(self, name: str, size: int) -> None:
        try:
            self.buffers[name] = self.device.allocate(max(size, 1), stream=self.stream)
        except card.failures() as error:
            raise CapacityError(
                f"the kernel needs {size} bytes for its {name} on {self.device.name}",
                span=NO_SPAN,
                label=str(error),
            ) from None

    def write(self, name: str, array: npt.NDArray[Any]) -> None:
        """Copied at once, however long the host's array lives."""
        if array.nbytes:
            _to_card(int(self.buffers[name].handle), np.ascontiguousarray(array), self.stream)

    def read(self, name: str, dtype: npt.DTypeLike, count: int) -> npt.NDArray[Any]:
        """After all work on the stream."""
        array = np.empty(count, dtype)
        _to_host(array, int(self.buffers[name].handle), self.stream)
        self.stream.sync()
        return array

    def read_base(self, base: int, offset: int, size: int) -> npt.NDArray[np.uint8]:
        """Bytes of an argument of the present launch, or of a local tensor; after all work on the stream."""
        array = np.empty(size, np.uint8)
        _to_host(array, self.bases[base] + offset, self.stream)
        self.stream.sync()
        return array

    def reset(self) -> None:
        """As before the first launch."""
        for name, size in self._state.items():
            if size:
                self.buffers[name].fill(0, stream=self.stream)

    def write_launch(self, values: LaunchValues, arguments: Sequence[int], epoch: int) -> None:
        """All that this launch decides, but the words of rows."""
        tables, at = self.tables, int(self.buffers["launch"].handle)
        launch = np.zeros(1, LAUNCH)
        for name, buffer in self.buffers.items():
            if name != "launch":
                launch[name] = int(buffer.handle)
        place = at + LAUNCH.itemsize
        for name, size in self._parts.items():
            launch[name] = place
            place += size
        launch["slab_bytes"], launch["patience"] = self.room.slab, PATIENCE_NANOSECONDS
        launch["cores"], launch["scalar_count"] = tables.sections.cores, len(values.scalars)
        launch["loop_count"], launch["row_words"] = len(tables.loops), tables.row_words
        launch["scratch_at"], launch["shared_scratch"] = tables.scratch_at, self.room.shared
        launch["epoch"] = epoch
        loops = tables.loops.copy()
        loops["count"] = values.counts
        local = int(self.buffers["arena"].handle) + tables.local
        base = np.concatenate([np.array(arguments, np.int64), local])
        self.bases = base.tolist()
        parts = (launch, base, values.scalars, loops)
        self.write("launch", np.concatenate([np.frombuffer(part.tobytes(), np.uint8) for part in parts]))


def _to_card(address: int, array: npt.NDArray[Any], stream: Any) -> None:
    from cuda.bindings import driver  # pyright: ignore[reportAttributeAccessIssue]

    checked(driver.cuMemcpyHtoDAsync(address, array.ctypes.data, array.nbytes, int(stream.handle)))


def _to_host(array: npt.NDArray[Any], address: int, stream: Any) -> None:
    from cuda.bindings import driver  # pyright: ignore[reportAttributeAccessIssue]

    checked(driver.cuMemcpyDtoHAsync(array.ctypes.data, address, array.nbytes, int(stream.handle)))


def checked(result: tuple[Any, ...]) -> None:
    """Raises what the driver says of a call that failed."""
    if int(result[0]):
        raise DeviceError(f"CUDA's driver says {result[0].name}", span=NO_SPAN)
