"""What each op computes, over NumPy: the definition that every target is held to.

In:  operand arrays, attributes (integer expressions already evaluated), the result's NumPy dtype.
Out: an array of that dtype. No call warns, and none changes its operands.
Not here: which op has which function (`ops.py`), shapes and dtypes of results (`op_types.py`).

16-bit floats are computed in f32 and rounded once per op. Integers wrap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Operands = tuple[Array, ...]
AttrMap = Mapping[str, Any]
Reference = Callable[[Operands, AttrMap, np.dtype[Any]], Array]

_F32 = np.dtype(np.float32)
_SHORT_FLOATS = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))


def widen(x: Array) -> Array:
    """16-bit floats as f32, everything else as it is."""
    return x.astype(_F32) if x.dtype in _SHORT_FLOATS else x


def convert(x: Array, out: np.dtype[Any]) -> Array:
    """A cast: to bool asks `!= 0`; float to integer truncates and saturates, NaN gives 0; integers wrap.

    A 16-bit float is reached through f32, from f64 and from integers too.
    """
    if x.dtype == out:
        return np.asarray(x)
    x = np.asarray(widen(x))
    if out.kind == "b":
        return np.asarray(x != 0)
    if x.dtype.kind == "f" and out.kind in "iu":
        return _saturate(x, out)
    if out in _SHORT_FLOATS:
        x = np.asarray(x.astype(_F32))
    return np.asarray(x.astype(out))


def _saturate(x: Array, out: np.dtype[Any]) -> Array:
    limits = np.iinfo(out)
    whole = np.trunc(x.astype(np.float64))
    above, below = whole >= float(limits.max) + (limits.bits < 64), whole < float(limits.min)
    inside = np.where(above | below | np.isnan(whole), 0.0, whole).astype(out)
    return np.asarray(np.where(above, limits.max, np.where(below, limits.min, inside)).astype(out))


def quiet(function: Callable[..., Any]) -> Reference:
    """A reference from a function of arrays: 16-bit floats widened, the result rounded to `out`."""

    def reference(args: Operands, attrs: AttrMap, out: np.dtype[Any]) -> Array:
        with np.errstate(all="ignore"):
            return convert(np.asarray(function(*map(widen, args))), out)

    return reference


# -- elementwise --------------------------------------------------------------------------------


def rsqrt(x: Array) -> Array:
    return np.divide(np.ones((), x.dtype), np.sqrt(x))


def sigmoid(x: Array) -> Array:
    one = np.ones((), x.dtype)
    return np.divide(one, one + np.exp(-x))


def erf(x: Array) -> Array:
    return np.vectorize(math.erf, otypes=[np.float64])(x)


def divide(args: Operands, attrs: AttrMap, out: np.dtype[Any]) -> Array:
    """True division in the result's type: integers become floats first."""
    wide = _F32 if out in _SHORT_FLOATS else out
    with np.errstate(all="ignore"):
        a, b = (convert(x, wide) for x in args)
        return convert(np.asarray(np.divide(a, b)), out)


def power(a: Array, b: Array) -> Array:
    """Integers by repeated multiplication, wrapping; a negative exponent gives 0, but 1 and −1 stay ±1."""
    if a.dtype.kind == "f":
        return np.power(a, b)
    whole = np.power(a, np.maximum(b, 0))
    if a.dtype.kind == "u":
        return whole
    inverse = np.where(a == 1, 1, np.where(a == -1, np.where(b % 2 == 0, 1, -1), 0))
    return np.where(b < 0, inverse, whole)


def shift_left(a: Array, b: Array) -> Array:
    return np.left_shift(a, _masked(b))


def shift_right(a: Array, b: Array) -> Array:
    return np.right_shift(a, _masked(b))


def _masked(shift: Array) -> Array:
    return np.bitwise_and(shift, np.array(shift.dtype.itemsize * 8 - 1, shift.dtype))


def cast(args: Operands, attrs: AttrMap, out: np.dtype[Any]) -> Array:
    with np.errstate(all="ignore"):
        return convert(args[0], out)


# -- reductions and products --------------------------------------------------------------------


def accumulate(function: Callable[..., Any]) -> Reference:
    """`sum` and `prod`: every element becomes the accumulator's type before it is added."""

    def reference(args: Operands, attrs: AttrMap, out: np.dtype[Any]) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(function(convert(args[0], out), axis=attrs["axis"], dtype=out), out)

    return reference


def extremum(function: Callable[..., Any], largest: bool) -> Reference:
    """`max` and `min`: NaN wins; over no elements, the value that loses against any other."""

    def reference(args: Operands, attrs: AttrMap, out: np.dtype[Any]) -> Array:
        x = widen(args[0])
        return convert(np.asarray(function(x, axis=attrs["axis"], initial=_last(x.dtype, largest))), out)

    return reference


def _last(dtype: np.dtype[Any], largest: bool) -> float | int:
    if dtype.kind == "f":
        return -math.inf if largest else math.inf
    limits = np.iinfo(dtype)
    return int(limits.min if largest else limits.max)


def along_axis(function: Callable[..., Any]) -> Reference:
    """`any` and `all`."""

    def reference(args: Operands, attrs: AttrMap, out: np.dtype[Any]) -> Array:
        return np.asarray(function(args[0], axis=attrs["axis"]), out)

    return reference


def position(function: Callable[..., Any]) -> Reference:
    """`argmax` and `argmin`: the first of equals; the first NaN wins; 0 over no elements."""

    def reference(args: Operands, attrs: AttrMap, out: np.dtype[Any]) -> Array:
        x, axis = widen(args[0]), attrs["axis"]
        if x.shape[axis] == 0:
            return np.zeros(x.shape[:axis] + x.shape[axis + 1 :], out)
        return np.asarray(function(x, axis=axis), out)

    return reference


def dot(args: Operands, attrs: AttrMap, out: np.dtype[Any]) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(np.matmul(convert(args[0], out), convert(args[1], out)), out)


# -- shapes ---------------------------------------------------------------------------------------


def transpose(args: Operands, attrs: AttrMap, out: np.dtype[Any]) -> Array:
    return np.transpose(args[0], attrs["order"])


def reshape(args: Operands, attrs: AttrMap, out: np.dtype[Any]) -> Array:
    return np.reshape(args[0], attrs["shape"])


def expand(args: Operands, attrs: AttrMap, out: np.dtype[Any]) -> Array:
    return np.expand_dims(args[0], attrs["axis"])


def broadcast(args: Operands, attrs: AttrMap, out: np.dtype[Any]) -> Array:
    return np.broadcast_to(args[0], attrs["shape"])


def slice_(args: Operands, attrs: AttrMap, out: np.dtype[Any]) -> Array:
    start, extent, step = attrs["start"], attrs["extent"], attrs["step"]
    index: list[slice] = [slice(None)] * args[0].ndim
    index[attrs["axis"]] = slice(start, start + extent * step, step)
    return np.asarray(args[0])[tuple(index)]


# -- leaves ---------------------------------------------------------------------------------------


def value(args: Operands, attrs: AttrMap, out: np.dtype[Any]) -> Array:
    """`const`, `index` and `scalar`: one number, under the attribute `value`."""
    number = attrs["value"]
    with np.errstate(all="ignore"):
        if isinstance(number, int) and not isinstance(number, bool) and out.kind in "iu":
            return np.asarray(_wrapped(number, out))
        return convert(np.asarray(number), out)


def _wrapped(number: int, out: np.dtype[Any]) -> Array:
    """A Python integer of any size, modulo the width of `out`."""
    low = number & ((1 << (out.itemsize * 8)) - 1)
    return np.array(low, np.uint64).astype(out)


def iota(args: Operands, attrs: AttrMap, out: np.dtype[Any]) -> Array:
    return np.arange(attrs["extent"], dtype=out)
