"""Values of a vector task: tiles in the unified buffer, numbers in registers, and how tiles lie.

In:  types of the tile IR. Out: `Placed`, `Number`, `Shape`, C++ types, literals.
Not here: what is computed with them (`elementwise.py`, `reductions.py`, …).

A tile's rows are its leading axes, its columns the last one; extents of 1 at the end are dropped, so that a
number of each row and a row of numbers lie alike. What an element is computed as are its lanes:

    f32, i32             themselves
    f16, bf16            f32, and each result is rounded to its type, as the language says
    bool                 i32: 0, or −1, all bits of which are set, so that it selects bits
    i8, u8               i32, and each result is wrapped
    i64                  i32 where its range is known to fit; otherwise i64, which the scalar unit computes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

import numpy as np

from mpmd.codegen.ascend.instructions import Buffer
from mpmd.codegen.cpp.names import literal
from mpmd.lang.index import UNBOUNDED, Interval
from mpmd.lang.ops import OPS
from mpmd.lang.tile import TileType
from mpmd.lang.types import DType, f32, i32, i64

C_TYPES = {
    "f32": "float", "f16": "half", "bf16": "bfloat16_t", "i64": "int64_t", "i32": "int32_t", "i8": "int8_t",
    "u8": "uint8_t", "bool": "uint8_t",
}  # fmt: skip
"""Elements in memory."""

FITS = Interval(-(2**31), 2**31 - 1)
"""What an i32 can be."""


@dataclass(frozen=True, slots=True)
class Number:
    """A scalar: a C++ expression of its type; `value` where the compiler knows it, and what it can be."""

    text: str
    dtype: DType
    value: float | int | None = None
    range: Interval = UNBOUNDED


@dataclass(frozen=True, slots=True)
class Shape:
    """Extents of a tile as they lie: C++ texts, and the most that each can be."""

    rows: str
    columns: str
    most_rows: int
    most_columns: int
    unit: int = 16

    @property
    def pitch(self) -> int:
        return -(-self.most_columns // self.unit) * self.unit

    @property
    def elements(self) -> int:
        return self.most_rows * self.pitch

    @property
    def text(self) -> str:
        return f"mpmd::Shape{{{unsigned(self.rows)}, {unsigned(self.columns)}, {self.pitch}}}"


@dataclass(frozen=True, slots=True)
class Placed:
    """A value in the unified buffer, whose dtype is that of the lanes; `range` of its integers."""

    buffer: Buffer
    type: TileType
    range: Interval = FITS

    @property
    def lanes(self) -> DType:
        return self.buffer.dtype


Value = Union[Placed, Number]


def unsigned(text: str) -> str:
    return text if text.isdigit() else f"static_cast<uint32_t>({text})"


def fits(range_: Interval) -> bool:
    return FITS.lo <= range_.lo and range_.hi <= FITS.hi


def lanes_of(dtype: DType, range_: Interval = FITS) -> DType:
    """What elements are computed as."""
    if dtype.is_float:
        return f32
    return i64 if dtype == i64 and not fits(range_) else i32


def range_of(dtype: DType) -> Interval:
    """What an integer or a bool of this type can be, as it lies in lanes."""
    if dtype.name == "bool":
        return Interval(-1, 0)
    if not dtype.is_integer or dtype == i64:
        return UNBOUNDED
    limits = np.iinfo(dtype.numpy)
    return Interval(int(limits.min), int(limits.max))


def constant(value: object, dtype: DType) -> Number:
    """A number that the compiler knows."""
    number = np.asarray(OPS["const"].reference((), {"value": value}, dtype.numpy))
    if dtype.is_float:
        return Number(literal(float(number), f32), dtype, float(number))
    whole = int(number)
    return Number(str(whole), dtype, whole, Interval(whole, whole))


def as_lanes(number: Number, lanes: DType) -> str:
    """The expression, as an element of lanes."""
    if number.dtype.name == "bool":
        return ("-1" if number.value else "0") if number.value is not None else f"-({number.text})"
    if number.value is not None:
        return literal(number.value, lanes)
    return f"static_cast<{C_TYPES[lanes.name]}>({number.text})"


__all__ = [
    "C_TYPES", "FITS", "Number", "Placed", "Shape", "Value", "as_lanes", "constant", "fits", "lanes_of",
    "range_of", "unsigned",
]  # fmt: skip
