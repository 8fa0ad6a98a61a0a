"""A kernel's argument: a struct of addresses and numbers, as bytes.

In:  arrays and NumPy scalars by name, in the order of the struct's fields. Out: `Packed`.
Not here: the struct itself, which is in the kernel's text.

Fields lie as in C: each at a multiple of its size. The simulator puts in the addresses, which are its own.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from mpmd.errors import NO_SPAN, ArgumentError

Value: TypeAlias = "np.ndarray[Any, Any] | np.generic"

_ADDRESS = 8


class Buffer(ctypes.Structure):
    """An array, and where its address goes."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("bytes", ctypes.c_uint64),
        ("defined", ctypes.c_int32),
        ("argument", ctypes.c_int32),
    )


@dataclass(frozen=True, slots=True)
class Packed:
    """The struct's bytes and the buffers that it points to. Holds on to the arrays."""

    bytes: ctypes.Array[ctypes.c_char]
    buffers: ctypes.Array[Buffer]
    arrays: tuple[np.ndarray[Any, Any], ...]


def pack(arguments: Mapping[str, Value], undefined: frozenset[str]) -> Packed:
    """The argument that has these fields."""
    data = bytearray()
    buffers: list[Buffer] = []
    arrays: list[np.ndarray[Any, Any]] = []
    for name, value in arguments.items():
        content = bytes(_ADDRESS) if isinstance(value, np.ndarray) else _number(name, value)
        data += bytes(-len(data) % len(content))
        if isinstance(value, np.ndarray):
            _require_plain(name, value)
            defined = name not in undefined
            buffers.append(Buffer(name.encode(), value.ctypes.data, value.nbytes, defined, len(data)))
            arrays.append(value)
        data += content
    sizes = [_ADDRESS, *(value.itemsize for value in arguments.values() if isinstance(value, np.generic))]
    data += bytes(-len(data) % max(sizes if buffers else sizes[1:] or [1]))
    packed = (ctypes.c_char * len(data)).from_buffer(data)
    return Packed(packed, (Buffer * len(buffers))(*buffers), tuple(arrays))


def _number(name: str, value: object) -> bytes:
    if isinstance(value, np.generic):
        return value.tobytes()
    raise ArgumentError(
        f"'{name}' is of type {type(value).__name__}",
        span=NO_SPAN,
        label="the bytes of a kernel's argument come from arrays and NumPy scalars",
        hints=("give the width that the kernel's struct has: np.int32(3)",),
    )


def _require_plain(name: str, array: np.ndarray[Any, Any]) -> None:
    if array.flags.c_contiguous and array.flags.writeable:
        return
    raise ArgumentError(
        f"'{name}' cannot be handed over as it lies in memory",
        span=NO_SPAN,
        label="the simulator takes contiguous arrays that it may write to",
        hints=(f"pass np.ascontiguousarray({name}).copy()",),
    )
