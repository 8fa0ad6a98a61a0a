"""DLPack: another library's CPU array as a NumPy view of the same memory.

In:  an object with `__dlpack__`. Out: an array, read-only only where the exporter says so.
Not here: whether it fits a parameter (`arrays.py`); the fast path (`native/call.cpp`).

NumPy's own `from_dlpack` knows no bf16, and makes what an exporter of the older protocol gives
read-only, so that it could not be an output. The capsule is never consumed: while it lives, so does
the memory, and its own destructor releases it.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from mpmd.lang.types import DTYPES, DType

_INT, _UINT, _FLOAT, _BFLOAT, _BOOL = 0, 1, 2, 4, 6

_DTYPES: dict[tuple[int, int], DType] = {
    (_FLOAT, 64): DTYPES["f64"],
    (_FLOAT, 32): DTYPES["f32"],
    (_FLOAT, 16): DTYPES["f16"],
    (_BFLOAT, 16): DTYPES["bf16"],
    (_INT, 64): DTYPES["i64"],
    (_INT, 32): DTYPES["i32"],
    (_INT, 8): DTYPES["i8"],
    (_UINT, 8): DTYPES["u8"],
    (_BOOL, 8): DTYPES["bool"],
}

_CPU_DEVICES = (1, 3)
"""The CPU's memory, and the CPU's pinned for CUDA."""
_CUDA_DEVICES = (2, 13)
"""A card's memory, and memory that CUDA moves between the two."""

_READ_ONLY = 1


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Versioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    )


_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_is_valid.restype, _is_valid.argtypes = ctypes.c_int, (ctypes.py_object, ctypes.c_char_p)
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)


class _Held:
    """What NumPy makes the view of, and what keeps the capsule alive."""

    def __init__(self, capsule: object, interface: dict[str, Any]) -> None:
        self.capsule = capsule
        self.__array_interface__ = interface


def code_of(dtype: DType) -> int:
    """DLPack's type code of `dtype` (its bits are those of an item)."""
    return next(code for (code, _), known in _DTYPES.items() if known == dtype)


def is_on_cpu(value: Any) -> bool:
    """Whether the memory of `value` can be read by this process."""
    device, _ = value.__dlpack_device__()
    return int(device) in _CPU_DEVICES


def cuda_device(value: Any) -> int | None:
    """The number of the card whose memory `value` lies in."""
    kind, number = value.__dlpack_device__()
    return int(number) if int(kind) in _CUDA_DEVICES else None


def view(value: Any, *, stream: int | None = None) -> npt.NDArray[Any]:
    """`value` as an array. Raises BufferError for what DLPack or this language has no name for.

    With `stream` the exporter sees to it that work on that stream comes after its own; the array then stands
    for memory of a card, and its elements must not be looked at.
    """
    capsule = _export(value, {} if stream is None else {"stream": stream})
    if _is_valid(capsule, b"dltensor_versioned"):
        versioned = _Versioned.from_address(_pointer(capsule, b"dltensor_versioned"))
        if versioned.major != 1:
            raise BufferError(f"DLPack version {versioned.major}")
        return _array(capsule, versioned.tensor, bool(versioned.flags & _READ_ONLY))
    if _is_valid(capsule, b"dltensor"):
        return _array(capsule, _Tensor.from_address(_pointer(capsule, b"dltensor")), False)
    raise BufferError("an unknown kind of DLPack capsule")


def _export(value: Any, wishes: dict[str, int]) -> object:
    try:
        return value.__dlpack__(max_version=(1, 0), **wishes)
    except TypeError:  # an exporter older than the versions
        return value.__dlpack__(**wishes)


def _array(capsule: object, tensor: _Tensor, read_only: bool) -> npt.NDArray[Any]:
    dtype = _DTYPES.get((tensor.code, tensor.bits))
    if dtype is None or tensor.lanes != 1:
        raise BufferError(f"DLPack type code {tensor.code} of {tensor.bits} bits")
    shape = tuple(tensor.shape[axis] for axis in range(tensor.ndim))
    strides = None
    if tensor.strides:
        strides = tuple(tensor.strides[axis] * dtype.itemsize for axis in range(tensor.ndim))
    interface = {
        "version": 3,
        "shape": shape,
        "strides": strides,
        "typestr": f"|V{dtype.itemsize}",
        "data": ((tensor.data or 0) + tensor.byte_offset, read_only),
    }
    return np.asarray(_Held(capsule, interface)).view(dtype.numpy)
