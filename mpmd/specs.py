"""Signatures of a call: the dtype and shape of each argument, from arrays, specs or numbers.

In:  what a user passes to a kernel or to `compile`.
Out: `TensorSpec`s (None for a runtime scalar), hashable, the key of the in-memory cache.
Not here: checking them against the kernel's annotations (`trace`); launching (`runtime`).
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpmd.errors import ArgumentError, LanguageError, Span
from mpmd.lang.frames import caller_span
from mpmd.lang.types import DTYPES, DType, TensorSpec, from_numpy


@dataclass(frozen=True, slots=True)
class ScalarSpec:
    """A runtime scalar, whose value a kernel is not compiled for."""

    dtype: DType


def spec(dtype: DType, shape: int | Sequence[int] | None = None) -> TensorSpec | ScalarSpec:
    """`mpmd.spec(f32, (16, 2048))` stands for an array, `mpmd.spec(i32)` for a scalar."""
    if not isinstance(dtype, DType):
        raise LanguageError(
            f"{dtype!r} is not an element type",
            span=caller_span(),
            hints=(f"the element types are {', '.join(DTYPES)}",),
        )
    if shape is None:
        return ScalarSpec(dtype)
    extents = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    if any(isinstance(n, bool) or not isinstance(n, int) or n < 0 for n in extents):
        raise LanguageError(
            f"{shape!r} is not a shape", span=caller_span(), hints=("a shape is a tuple of integers",)
        )
    return TensorSpec(dtype, extents)


def spec_of(name: str, value: Any, span: Span) -> TensorSpec | ScalarSpec | None:
    """The signature of an argument; None for a number, whose dtype the kernel declares."""
    if isinstance(value, (TensorSpec, ScalarSpec)):
        return value
    if isinstance(value, (int, float, np.number, np.bool_)):
        return None
    array = value if isinstance(value, np.ndarray) else _viewed(name, value, span)
    dtype = from_numpy(array.dtype)
    if dtype is None:
        raise _refused(name, f"an array of {array.dtype}", span, f"the element types are {', '.join(DTYPES)}")
    return TensorSpec(dtype, array.shape, _strides(name, array, span))


def _viewed(name: str, value: Any, span: Span) -> np.ndarray[Any, Any]:
    """Any other array, through the array interface or DLPack."""
    if hasattr(value, "__array_interface__"):
        return np.asarray(value)
    if hasattr(value, "__dlpack__"):
        try:
            return np.from_dlpack(value)
        except (BufferError, TypeError, RuntimeError) as error:
            raise _refused(
                name, f"a {type(value).__name__} that NumPy cannot view", span, str(error)
            ) from None
    hint = "pass an array (NumPy, or anything with DLPack), a number, or mpmd.spec(dtype, shape)"
    if isinstance(value, DType):
        hint = f"did you mean mpmd.spec({value})?"
    raise _refused(name, f"a {type(value).__name__}", span, hint)


def _strides(name: str, array: np.ndarray[Any, Any], span: Span) -> tuple[int, ...] | None:
    """Strides in elements; None for C order."""
    if array.flags.c_contiguous:
        return None
    if any(stride < 0 or stride % array.itemsize for stride in array.strides):
        raise _refused(
            name,
            f"an array with strides {array.strides} (bytes)",
            span,
            "pass a copy: numpy.ascontiguousarray",
        )
    return tuple(operator.floordiv(stride, array.itemsize) for stride in array.strides)


def _refused(name: str, given: str, span: Span, hint: str) -> ArgumentError:
    return ArgumentError(
        f"the argument '{name}' is {given}", span=span, label=f"'{name}' is given here", hints=(hint,)
    )
