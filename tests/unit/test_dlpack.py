"""DLPack: the same memory, whatever the exporter's version; writable unless the exporter forbids it."""

from __future__ import annotations

import ctypes
import gc

import ml_dtypes
import numpy as np
import pytest

from mpmd.errors import ArgumentError
from mpmd.lang.types import DTYPES, bf16
from mpmd.runtime import arrays, dlpack
from tests.unit.test_arrays import info


class Exporter:
    """An array library of its own. `versions`: whether it knows the versioned protocol."""

    def __init__(self, held: np.ndarray, *, versions: bool = True, device: int = 1) -> None:
        self.held, self.versions, self.device = held, versions, device

    def __dlpack_device__(self):
        return self.device, 0

    def __dlpack__(self, **options):
        if options and not self.versions:
            raise TypeError("unexpected keyword")
        return self.held.__dlpack__(**options)


NAMED = [dtype for dtype in DTYPES.values() if dtype is not bf16]


@pytest.mark.parametrize("versions", [True, False])
@pytest.mark.parametrize("dtype", NAMED, ids=str)
def test_views_share_memory_and_can_be_written(dtype, versions):
    array = np.zeros((4, 6), dtype.numpy)[::2, ::-1]
    seen = dlpack.view(Exporter(array, versions=versions))
    assert seen.dtype == array.dtype and seen.shape == array.shape and seen.strides == array.strides
    seen[1, 2] = 1
    assert array[1, 2] == 1


def test_read_only_exports_stay_read_only():
    array = np.zeros(3, np.float32)
    array.flags.writeable = False
    assert not dlpack.view(Exporter(array)).flags.writeable


def test_the_view_keeps_the_memory():
    seen = dlpack.view(Exporter(np.arange(100_000, dtype=np.float32)))
    gc.collect()
    assert (seen == np.arange(100_000)).all()


def capsule(tensor: dlpack._Tensor) -> object:
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    return new(ctypes.addressof(tensor), b"dltensor", None)


class Made:
    """An exporter of one hand-made descriptor of `held`'s memory."""

    def __init__(self, held: np.ndarray, code: int, bits: int) -> None:
        self.held = held
        self.extents = (ctypes.c_int64 * held.ndim)(*held.shape)
        self.tensor = dlpack._Tensor(
            data=held.ctypes.data,
            device_type=1,
            ndim=held.ndim,
            code=code,
            bits=bits,
            lanes=1,
            shape=self.extents,
        )

    def __dlpack_device__(self):
        return 1, 0

    def __dlpack__(self):
        return capsule(self.tensor)


def test_bf16_and_contiguous_strides():
    """NumPy has no name for bf16; a null stride pointer means C order."""
    held = np.arange(6).astype(ml_dtypes.bfloat16).reshape(2, 3)
    seen = dlpack.view(Made(held, 4, 16))
    assert seen.dtype == held.dtype and (seen == held).all() and seen.ctypes.data == held.ctypes.data


def test_unknown_types_are_refused():
    with pytest.raises(ArgumentError, match="a Made that cannot be viewed: DLPack type code 5 of 64 bits"):
        arrays.adapt("k", info(), Made(np.zeros((2, 3), np.complex64), 5, 64))


def test_exporters_that_refuse_are_explained():
    class Refusing(Exporter):
        def __dlpack__(self, **options):
            raise BufferError("it requires a gradient")

    with pytest.raises(ArgumentError, match="a Refusing that cannot be viewed: it requires a gradient"):
        arrays.adapt("k", info(), Refusing(np.zeros((2, 3), np.float32)))
