"""Casts between the types of the language, and between elements in memory and the lanes of tiles.

In:  a tile. Out: the same numbers as another type, rounded, wrapped and saturated as the language says.
Not here: numbers in registers (`vector.py`), which instructions run when (`pipes.py`).

A cast of the hardware goes between some pairs of types only (vendor's table of `Cast` for Atlas A2): bytes
become lanes by way of half, which holds them all.
"""

from __future__ import annotations

from mpmd.codegen.ascend.build import Build
from mpmd.codegen.ascend.refuse import refuse
from mpmd.codegen.ascend.scalars import each
from mpmd.codegen.ascend.values import FITS, Placed, range_of
from mpmd.errors import Span
from mpmd.lang.index import Interval
from mpmd.lang.tile import TileType
from mpmd.lang.types import DType, bool_, f16, f32, i32, i64, u8

_ROUNDING = {
    ("f16", "f32"): "NONE", ("bf16", "f32"): "NONE", ("f32", "f16"): "RINT", ("f32", "bf16"): "RINT",
    ("i32", "f32"): "RINT", ("f32", "i32"): "TRUNC", ("i32", "i64"): "NONE", ("i64", "f32"): "RINT",
    ("f32", "i64"): "TRUNC", ("i8", "f16"): "NONE", ("u8", "f16"): "NONE", ("f16", "i8"): "RINT",
    ("f16", "u8"): "RINT", ("f16", "i32"): "RINT",
}  # fmt: skip
"""How one cast of the hardware rounds, by the types of elements."""


def cast(build: Build, a: Placed, dtype: DType, span: Span) -> Placed:
    """The tile as one of `dtype`."""
    before = a.type.dtype
    if before == dtype:
        return a
    type_ = TileType(dtype, a.type.shape)
    if dtype == bool_:
        return _truth(build, a, type_, span)
    if before == bool_:
        ones = build.made("muls", TileType(i32, a.type.shape), (a,), span, ", -1")
        return cast(build, Placed(ones.buffer, ones.type, Interval(0, 1)), dtype, span)
    if before.is_float:
        wide = computed(build, a, span)
        return rounded(build, wide, dtype, span) if dtype.is_float else _whole(build, wide, type_, span)
    if dtype.is_float:
        wide = hardware(build, a, f32, TileType(f32, a.type.shape), span)
        return rounded(build, wide, dtype, span)
    return _wrapped(build, a, type_, span)


def computed(build: Build, a: Placed, span: Span) -> Placed:
    """What is computed with: f32 for 16-bit floats."""
    if not a.type.dtype.is_float:
        return a
    return hardware(build, a, f32, TileType(f32, a.type.shape), span)


def rounded(build: Build, a: Placed, dtype: DType, span: Span) -> Placed:
    """A tile of f32 as one of another float."""
    return hardware(build, a, dtype, TileType(dtype, a.type.shape), span)


def hardware(build: Build, a: Placed, lanes: DType, type_: TileType, span: Span) -> Placed:
    """One cast of the hardware, to these elements; none if they are those."""
    if a.lanes == lanes:
        return Placed(a.buffer, type_, a.range)
    mode = _ROUNDING.get((a.lanes.name, lanes.name))
    if mode is None:
        raise refuse(f"casts from {a.type.dtype} to {type_.dtype} on vector cores", span)
    out = build.new(type_, "cast", span, lanes=lanes, range_=a.range)
    return build.call("cast", out, (a,), span, f", AscendC::RoundMode::CAST_{mode}")


def wide(build: Build, a: Placed, span: Span) -> Placed:
    """Integers as elements of 8 bytes, for the scalar unit."""
    return hardware(build, a, i64, a.type, span)


def wrap(build: Build, a: Placed, span: Span) -> Placed:
    """Lanes of i32 in which a byte's arithmetic was done, as that byte."""
    dtype = a.type.dtype
    if dtype.itemsize != 1 or not dtype.is_integer:
        return a
    kind = "int32_t" if dtype.kind == "i" else "uint32_t"
    out = build.new(a.type, "wrap", span, range_=range_of(dtype))
    return build.call(f"wrap_bytes<{kind}>", out, (a,), span)


def _truth(build: Build, a: Placed, type_: TileType, span: Span) -> Placed:
    """Whether each element is not 0."""
    a = computed(build, a, span)
    if a.lanes == i64:
        out = build.new(type_, "bool", span)
        return each(build, out, (a,), i64, lambda x: f"mpmd::scalar::mask({x[0]} != 0)", span)
    if a.lanes == f32:
        zero = build.filled("0.0f", a.type, span)
        return build.made("compare<mpmd::Order::differs>", type_, (a, zero), span, scratch=3)
    return build.made("nonzero", type_, (a,), span)


def _whole(build: Build, a: Placed, type_: TileType, span: Span) -> Placed:
    """Towards zero, saturated; what is no number becomes 0."""
    if type_.dtype == i64:
        return hardware(build, Placed(a.buffer, a.type, range_of(i64)), i64, type_, span)
    whole = hardware(build, a, i32, TileType(i32, type_.shape), span)
    limits = range_of(type_.dtype)
    if limits == FITS:
        return Placed(whole.buffer, type_)
    low = build.filled(str(limits.lo), whole.type, span)
    high = build.filled(str(limits.hi), whole.type, span)
    raised = build.made("maximum", whole.type, (whole, low), span)
    lowered = build.made("minimum", whole.type, (raised, high), span)
    return Placed(lowered.buffer, type_, limits)


def _wrapped(build: Build, a: Placed, type_: TileType, span: Span) -> Placed:
    """Integers as integers."""
    if type_.dtype == i64:
        return Placed(a.buffer, type_, a.range)
    if a.lanes == i64:
        out = build.new(TileType(i32, type_.shape), "wrap", span)
        a = each(build, out, (a,), i64, lambda x: f"static_cast<int32_t>({x[0]})", span)
    limits = range_of(type_.dtype)
    inside = limits.lo <= a.range.lo and a.range.hi <= limits.hi
    lying = Placed(a.buffer, type_, a.range if inside else limits)
    return lying if inside else wrap(build, lying, span)


# -- memory -----------------------------------------------------------------------------------------


def from_memory(build: Build, a: Placed, span: Span) -> Placed:
    """Elements as they lie in memory, as lanes."""
    dtype = a.type.dtype
    if dtype.itemsize > 1:
        return Placed(a.buffer, a.type, range_of(dtype))
    half = hardware(build, a, f16, a.type, span)
    lanes = hardware(build, Placed(half.buffer, a.type, range_of(dtype)), i32, a.type, span)
    if dtype != bool_:
        return lanes
    out = build.new(a.type, "bool", span, range_=range_of(bool_))
    return build.call("muls", out, (lanes,), span, ", -1")


def in_memory(build: Build, a: Placed, dtype: DType, span: Span) -> Placed:
    """The tile as elements of memory."""
    a = cast(build, a, dtype, span)
    if dtype == i64:
        return wide(build, a, span)
    if dtype.is_float:
        return rounded(build, a, dtype, span)
    if dtype == i32:
        return a
    if dtype == bool_:
        a = build.made("muls", TileType(i32, a.type.shape), (a,), span, ", -1")
    single = hardware(build, a, f32, TileType(f32, a.type.shape), span)
    half = hardware(build, single, f16, TileType(f16, a.type.shape), span)
    raw = bytes_of(dtype)
    return hardware(build, half, raw, TileType(dtype, a.type.shape), span)


def bytes_of(dtype: DType) -> DType:
    """The elements of memory of a type of one byte."""
    return u8 if dtype == bool_ else dtype


__all__ = ["bytes_of", "cast", "computed", "from_memory", "hardware", "in_memory", "rounded", "wide", "wrap"]
