"""The device's memory: what a launch may touch, each piece alone between bytes that nobody may touch.

In:  arrays and sizes. Out: `Region`s, whose bytes lie in one block of this process's memory.
Not here: what they mean (`launch.py`), who touches them (the simulator).
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

GAP = 4096
"""Bytes around a piece: an index that is a little wrong hits no neighbour."""

Bytes = npt.NDArray[np.uint8]


class RegionSetup(ctypes.Structure):
    """`RegionSetup` of launch.h."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("bytes", ctypes.c_uint64),
        ("defined", ctypes.c_void_p),
        ("constant", ctypes.c_int32),
        ("unused", ctypes.c_int32),
    )


@dataclass(frozen=True, eq=False)
class Region:
    """A named piece. `defined` has 1 for each byte that was written; None: all were."""

    name: str
    data: Bytes
    defined: Bytes | None
    constant: bool

    @property
    def address(self) -> int:
        return int(self.data.ctypes.data)

    def setup(self) -> RegionSetup:
        defined = self.defined.ctypes.data if self.defined is not None else None
        return RegionSetup(self.name.encode(), self.address, self.data.size, defined, self.constant, 0)


def region(name: str, size: int, *, constant: bool = False) -> Region:
    """Zeroed memory."""
    return Region(name, _piece(size), None, constant)


def undefined(name: str, size: int) -> Region:
    """Memory that nobody has written."""
    data = _piece(size)
    data[:] = 0xB5
    return Region(name, data, np.zeros(max(size, 1), np.uint8), False)


def filled(name: str, values: npt.NDArray[Any], *, constant: bool = True) -> Region:
    """A copy of contiguous values."""
    content = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    made = region(name, content.size, constant=constant)
    made.data[:] = content
    return made


def _piece(size: int) -> Bytes:
    block = np.zeros(size + 2 * GAP + 256, np.uint8)
    begin = GAP + -(block.ctypes.data + GAP) % 256
    return block[begin : begin + size]
