"""Arguments of a launch on a card: any device array without a copy, and why one does not fit.

In:  what the user passed. Out: an array that stands for memory of the card, or an `ArgumentError`.
Not here: extents, dtypes, strides (`mpmd/runtime/arrays.py` judges them, as for every target).

Arrays of the host are refused: a copy at each launch would cost more than the launch, and would have to go
back. The arrays that come out of here have addresses on the card: their elements must not be looked at.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mpmd.codegen.source import ArgumentInfo
from mpmd.lang.types import bf16
from mpmd.runtime import arrays, dlpack

_MOVE = "move it to the card first: torch.from_numpy(x).cuda(), cupy.asarray(x), jax.device_put(x)"


class _Held:
    """What NumPy makes the view of, and what keeps the memory alive."""

    def __init__(self, owner: object, interface: dict[str, Any]) -> None:
        self.owner = owner
        self.__array_interface__ = interface


def adapt(kernel: str, info: ArgumentInfo, value: Any, *, device: int, stream: int) -> arrays.Array:
    """`value` as an array that stands for the card's memory."""
    array = _as_array(kernel, info, value, device, stream)
    arrays.check(kernel, info, array)
    return array


def address(array: arrays.Array) -> int:
    return int(array.__array_interface__["data"][0])


def _as_array(kernel: str, info: ArgumentInfo, value: Any, device: int, stream: int) -> arrays.Array:
    if hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray):
        where = dlpack.cuda_device(value)
        if where is None:
            raise arrays.refused(kernel, info, value, "in the host's memory", _MOVE)
        if where != device:
            raise arrays.refused(kernel, info, value, f"on card {where}", f"the kernel is on card {device}")
        try:
            return dlpack.view(value, stream=stream)
        except (BufferError, RuntimeError, ValueError) as error:
            raise arrays.refused(kernel, info, value, f"that cannot be viewed: {error}", "") from None
    if hasattr(value, "__cuda_array_interface__"):
        return _from_interface(info, value)
    what = "in the host's memory" if isinstance(value, np.ndarray) else ""
    raise arrays.refused(kernel, info, value, what, _MOVE)


def _from_interface(info: ArgumentInfo, value: Any) -> arrays.Array:
    given = value.__cuda_array_interface__
    interface = {key: given[key] for key in ("shape", "typestr", "data")}
    interface |= {"version": 3, "strides": given.get("strides")}
    array = np.asarray(_Held(value, interface))
    opaque = info.dtype == bf16 and array.dtype.itemsize == 2 and array.dtype.kind in "Vu"
    return array.view(info.dtype.numpy) if opaque else array  # the interface has no name for bf16
