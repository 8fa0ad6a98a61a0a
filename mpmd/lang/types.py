"""Element types, directions and parameter annotations.

In:  nothing; this is the vocabulary that the other modules of `lang` share.
Out: `DType` and its constants, the promotion rules, `Direction`, `TensorAnnotation`, `TensorSpec`.
Not here: checking a body against its directions (`task/check.py`), binding dims to extents
(`kernel/trace.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import ml_dtypes
import numpy as np

from mpmd.lang.index import Index


@dataclass(frozen=True, slots=True)
class DType:
    """An element type. `kind` is "f" (float), "i" (signed), "u" (unsigned) or "b" (bool)."""

    name: str
    kind: str
    itemsize: int
    numpy: np.dtype[Any]

    def __repr__(self) -> str:
        return self.name

    @property
    def is_float(self) -> bool:
        return self.kind == "f"

    @property
    def is_integer(self) -> bool:
        return self.kind in "iu"


f64 = DType("f64", "f", 8, np.dtype(np.float64))
f32 = DType("f32", "f", 4, np.dtype(np.float32))
f16 = DType("f16", "f", 2, np.dtype(np.float16))
bf16 = DType("bf16", "f", 2, np.dtype(ml_dtypes.bfloat16))
i64 = DType("i64", "i", 8, np.dtype(np.int64))
i32 = DType("i32", "i", 4, np.dtype(np.int32))
i8 = DType("i8", "i", 1, np.dtype(np.int8))
u8 = DType("u8", "u", 1, np.dtype(np.uint8))
bool_ = DType("bool", "b", 1, np.dtype(np.bool_))

DTYPES: dict[str, DType] = {d.name: d for d in (f64, f32, f16, bf16, i64, i32, i8, u8, bool_)}

_BY_NUMPY = {d.numpy: d for d in DTYPES.values()}

_ACCUMULATOR = {"f16": f32, "bf16": f32, "i8": i32, "u8": i32, "bool": i32}


def from_numpy(dtype: np.dtype[Any]) -> DType | None:
    """The `DType` of a NumPy dtype, or None where the language has none."""
    return _BY_NUMPY.get(np.dtype(dtype))


def accumulator(dtype: DType) -> DType:
    """The type in which `@`, `sum` and `prod` add up, and which they return."""
    return _ACCUMULATOR.get(dtype.name, dtype)


def promote(a: DType, b: DType) -> DType:
    """The common type of two typed operands.

    A float beats an integer and an integer beats bool; of two of one kind the wider wins; f16 with
    bf16 gives f32, i8 with u8 gives i32. (NumPy's rules but for int with float, which keeps the float.)
    """
    if a == b:
        return a
    rank = {"b": 0, "u": 1, "i": 1, "f": 2}
    if rank[a.kind] != rank[b.kind]:
        return a if rank[a.kind] > rank[b.kind] else b
    if a.itemsize != b.itemsize:
        return a if a.itemsize > b.itemsize else b
    return f32 if a.is_float else i32


class Direction(Enum):
    """What a task or kernel does with a tensor parameter."""

    IN = "In"
    OUT = "Out"
    INOUT = "InOut"
    ACCUM = "Accum"
    CONST = "Const"
    SEND = "Send"  # the writing end of a channel, no tensor
    RECV = "Recv"  # its reading end

    @property
    def reads(self) -> bool:
        """Whether values that were there before the call can be seen."""
        return self in (Direction.IN, Direction.INOUT, Direction.ACCUM, Direction.CONST)

    @property
    def writes(self) -> bool:
        return self in (Direction.OUT, Direction.INOUT, Direction.ACCUM)

    @property
    def is_channel(self) -> bool:
        """Whether the parameter is an end of a channel; its shape is then that of a full token."""
        return self in (Direction.SEND, Direction.RECV)


@dataclass(frozen=True, slots=True)
class TensorAnnotation:
    """What `In[f32, T, H]` is at run time: direction, dtype, and one extent per axis.

    `unordered` is `Accum(order="any")`. Of a channel, `shape` is that of a full token.
    """

    direction: Direction
    dtype: DType
    shape: tuple[Index, ...]
    unordered: bool = False


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """The dtype and shape of an array, without its data: the signature under which one compiles.

    `strides` count elements; None means C-contiguous.
    """

    dtype: DType
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None = None
