"""The memory of a channel between two cores, as tasks see it that run over NumPy.

In:  a `Ring` of a schedule, and the bytes of the arena. Out: a queue of tiles (`lang.queues.Queue`).
Not here: who sends and receives, and when (`interleave.py`).

A slot begins with 64 bytes for the extents of its token; the elements follow in C order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpmd.lang.program import Channel
from mpmd.schedule.steps import Ring

HEADER_BYTES = 64


@dataclass(slots=True)
class RingMemory:
    """`depth` slots, taken in turn. `sent` and `received` count tokens since the launch began."""

    ring: Ring
    channel: Channel
    arena: npt.NDArray[np.uint8]
    sent: int = 0
    received: int = 0

    @property
    def full(self) -> bool:
        return self.sent - self.received == self.ring.depth

    @property
    def empty(self) -> bool:
        return self.sent == self.received

    def put(self, tile: npt.NDArray[Any]) -> None:
        slot = self._slot(self.sent)
        rank = len(self.channel.shape)
        self._extents(slot)[:rank] = tile.shape
        self._data(slot, tile.shape)[...] = tile
        self.sent += 1

    def get(self) -> npt.NDArray[Any]:
        slot = self._slot(self.received)
        shape = tuple(self._extents(slot)[: len(self.channel.shape)].tolist())
        tile = self._data(slot, shape).copy()
        self.received += 1
        return tile

    def _slot(self, token: int) -> npt.NDArray[np.uint8]:
        first = self.ring.offset + token % self.ring.depth * self.ring.slot_bytes
        return self.arena[first : first + self.ring.slot_bytes]

    def _extents(self, slot: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        return np.ndarray(8, np.int64, slot)

    def _data(self, slot: npt.NDArray[np.uint8], shape: tuple[int, ...]) -> npt.NDArray[Any]:
        return np.ndarray(shape, self.channel.dtype.numpy, slot, HEADER_BYTES)
