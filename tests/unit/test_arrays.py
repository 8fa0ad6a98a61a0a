"""Arguments: any array as a view of its own memory, never a copy."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from mpmd.codegen.source import ArgumentInfo, LaunchInfo, ScalarInfo
from mpmd.errors import ArgumentError, Span
from mpmd.lang.types import DTYPES, Direction, bf16, bool_, f32, i8, u8
from mpmd.runtime import arrays

HERE = Span("kernel.py", 3, 8)


def info(name="x", shape=(2, 3), dtype=f32, direction=Direction.IN) -> ArgumentInfo:
    strides = tuple(int(np.prod(shape[axis + 1 :])) for axis in range(len(shape)))
    return ArgumentInfo(name, dtype, shape, strides, direction, HERE)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
def test_every_dtype_exports_its_buffer(dtype):
    """The adapted array is the same memory, and its buffer has the format that the fast path expects."""
    array = np.zeros((2, 3), dtype.numpy)
    adapted = arrays.adapt("k", info(dtype=dtype), array)
    assert adapted.ctypes.data == array.ctypes.data and adapted.strides == array.strides
    assert adapted.data.format == arrays.buffer_format(dtype)


def test_formats_tell_dtypes_apart():
    assert len({arrays.buffer_format(dtype) for dtype in DTYPES.values()}) == len(DTYPES)


def test_equal_dtypes_under_other_names_fit():
    """`long long` is i64 too, where NumPy has two types of 8 bytes."""
    adapted = arrays.adapt("k", info(dtype=DTYPES["i64"]), np.zeros((2, 3), np.longlong))
    assert adapted.data.format == arrays.buffer_format(DTYPES["i64"])


def test_bf16_of_a_strided_view():
    array = np.zeros((4, 6), ml_dtypes.bfloat16)[::2, ::2]
    strided = ArgumentInfo("x", bf16, (2, 3), (12, 2), Direction.IN, HERE)
    assert arrays.adapt("k", strided, array).ctypes.data == array.ctypes.data


@pytest.mark.parametrize("value", [1, "text", object(), [[1.0]], None])
def test_what_is_no_array_is_refused(value):
    with pytest.raises(ArgumentError, match=r"'x' of kernel 'k' takes f32\[2, 3\], not a ") as caught:
        arrays.adapt("k", info(), value)
    assert caught.value.span == HERE and caught.value.hints == ("pass a NumPy array, or one with DLPack",)


def test_the_hint_for_another_dtype_converts_it():
    with pytest.raises(ArgumentError) as caught:
        arrays.adapt("k", info(), np.zeros((2, 3)))
    assert caught.value.hints == ("convert it: .astype(float32)",)


@pytest.mark.parametrize(("dtype", "lo", "hi"), [(i8, -128, 127), (u8, 0, 255), (bool_, 0, 1)])
def test_integer_ranges(dtype, lo, hi):
    scalar = ScalarInfo("n", dtype, HERE)
    assert arrays.adapt_scalar("k", scalar, lo) == lo and arrays.adapt_scalar("k", scalar, np.int64(hi)) == hi
    for value in (lo - 1, hi + 1):
        with pytest.raises(
            ArgumentError, match=f"'n' of kernel 'k' takes a scalar {dtype}, {lo} to {hi}, not {value}"
        ):
            arrays.adapt_scalar("k", scalar, value)


def test_bools_are_integers_and_floats_are_not():
    scalar = ScalarInfo("n", bool_, HERE)
    assert arrays.adapt_scalar("k", scalar, np.bool_(True)) == 1
    with pytest.raises(ArgumentError, match="takes a scalar bool, not a float"):
        arrays.adapt_scalar("k", scalar, 1.0)


def test_overlap_names_both_parameters():
    written, read = info("y", direction=Direction.OUT), info("x")
    launch = LaunchInfo("k", ("x", "y"), (read, written), (), 1, 0, 0, (), (), ())
    memory = np.zeros((3, 3), np.float32)
    error = arrays.overlap_error(launch, {"x": memory[:2], "y": memory[1:]})
    assert str(error) == "\n".join(
        [
            "error[alias]: 'y' and 'x' of kernel 'k' share memory, and 'y' is written",
            "  --> kernel.py:3:9",
            "  related: kernel.py:3 declares 'x'",
            "  hint: give 'y' its own array",
            "  hint: or declare one InOut parameter for both",
        ]
    )
