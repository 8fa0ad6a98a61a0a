"""Arguments of a launch: any array as a NumPy view of the same memory, and why one does not fit.

In:  what the user passed, and the `ArgumentInfo` or `ScalarInfo` of the parameter.
Out: a view that exports its buffer (never a copy), a number, or an `ArgumentError`.
Not here: the fast path for arrays that fit at once (`native/call.cpp`).
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mpmd.codegen.source import ArgumentInfo, FirstExtent, LaunchInfo, ScalarInfo
from mpmd.errors import AliasError, ArgumentError, Note
from mpmd.lang.types import DType, bf16, from_numpy
from mpmd.runtime import dlpack

Array = npt.NDArray[Any]

_EXPORTED: dict[DType, np.dtype[Any]] = {bf16: np.dtype("V2")}
"""How a dtype that the buffer protocol cannot name is viewed for the fast path: opaque bytes."""


def exported(dtype: DType) -> np.dtype[Any]:
    """The NumPy dtype under which arrays of `dtype` export their buffer."""
    return _EXPORTED.get(dtype, dtype.numpy)


def buffer_format(dtype: DType) -> str:
    """What the exported buffer of an array of `dtype` says its items are."""
    return np.empty(0, exported(dtype)).data.format


def adapt(kernel: str, info: ArgumentInfo, value: object) -> Array:
    """`value` as an array that exports its buffer; raises where it does not fit the parameter."""
    array = _as_array(kernel, info, value)
    check(kernel, info, array)
    return array.view(exported(info.dtype))


def adapt_scalar(kernel: str, info: ScalarInfo, value: Any) -> int | float:
    """`value` as a number of the parameter's dtype; raises where it is none."""
    dtype = info.dtype
    try:
        if dtype.is_float:
            return float(value)
        number = int(value) if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except (TypeError, ValueError):
        hint = "pass a number" if dtype.is_float else "pass a whole number: a float is not rounded"
        raise _refused(kernel, info, f"a scalar {dtype}", _describe(value), hint) from None
    lo, hi = integer_range(dtype)
    if not lo <= number <= hi:
        hint = "declare it with a wider type, or pass a number that fits"
        raise _refused(kernel, info, f"a scalar {dtype}, {lo} to {hi}", str(number), hint)
    return number


def integer_range(dtype: DType) -> tuple[int, int]:
    """The smallest and the largest value of an integer or bool dtype."""
    if dtype.kind == "b":
        return 0, 1
    limits = np.iinfo(dtype.numpy)
    return int(limits.min), int(limits.max)


def expected_shape(info: ArgumentInfo) -> tuple[int | FirstExtent, ...]:
    """The extents that an argument must have; an extent that it decides stands for itself."""
    return info.shape if info.first is None else (info.first, *info.shape[1:])


def dim_values(info: LaunchInfo, arrays: Mapping[str, Array]) -> dict[str, int]:
    """The extents that the arguments decide; raises where two say different things, or one is too large."""
    firsts = [(a, a.first, arrays[a.name].shape[0]) for a in info.arguments if a.first is not None]
    scalars = {scalar.name: scalar for scalar in info.scalars}
    found: dict[str, tuple[int, ArgumentInfo]] = {}
    for argument, first, extent in sorted(firsts, key=lambda f: (f[1].factor, abs(f[1].constant))):
        value, rest = divmod(extent - first.constant, first.factor)
        known, other = found.setdefault(first.scalar, (value, argument))
        if rest or value < 0 or known != value:
            wanted = first.factor * known + first.constant
            raise ArgumentError(
                f"axis 0 of '{argument.name}' of kernel '{info.kernel}' is {first}, which is {wanted}, "
                f"but the argument has {extent}",
                span=argument.span,
                label=f"{wanted} and {extent}",
                related=(Note(other.span, f"'{other.name}' has {first.scalar} = {known}"),),
                hints=(f"pass tensors that agree on {first.scalar}",),
            )
        most = scalars[first.scalar].most
        if most is not None and value > most:
            raise ArgumentError(
                f"'{first.scalar}' of kernel '{info.kernel}' is {value} in '{argument.name}', "
                f"but {most} at most",
                span=argument.span,
                label=f"dynamic={{'{first.scalar}': {most}}}",
                hints=("give a larger bound where the kernel is made, or pass fewer elements at a time",),
            )
    return {name: value for name, (value, _) in found.items()}


def overlap_error(info: LaunchInfo, arrays: dict[str, Array]) -> AliasError:
    """Names the first two arguments whose memory overlaps where one of them is written."""
    for written in (a for a in info.arguments if a.direction.writes):
        for other in info.arguments:
            if other is not written and _overlap(arrays[written.name], arrays[other.name]):
                return AliasError(
                    f"'{written.name}' and '{other.name}' of kernel '{info.kernel}' share memory,"
                    f" and '{written.name}' is written",
                    span=written.span,
                    label="written here",
                    related=(Note(other.span, f"declares '{other.name}'"),),
                    hints=(f"give '{written.name}' its own array", "or declare one InOut parameter for both"),
                )
    raise AssertionError("no arguments overlap")


def overlapping(info: LaunchInfo, arrays: Mapping[str, Array]) -> bool:
    """Whether two arguments share memory where one of them is written."""
    return any(
        other is not written and _overlap(arrays[written.name], arrays[other.name])
        for written in info.arguments
        if written.direction.writes
        for other in info.arguments
    )


def _overlap(a: Array, b: Array) -> bool:
    (a_lo, a_hi), (b_lo, b_hi) = (np.lib.array_utils.byte_bounds(x) if x.size else (0, 0) for x in (a, b))
    return a_lo < b_hi and b_lo < a_hi


def _as_array(kernel: str, info: ArgumentInfo, value: Any) -> Array:
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "__array_interface__"):
        return np.asarray(value)
    if hasattr(value, "__dlpack__"):
        return _from_dlpack(kernel, info, value)
    raise _refused(kernel, info, _expected(info), _describe(value), "pass a NumPy array, or one with DLPack")


def _from_dlpack(kernel: str, info: ArgumentInfo, value: Any) -> Array:
    kind = _describe(value)
    try:
        if dlpack.is_on_cpu(value):
            return dlpack.view(value)
    except (BufferError, RuntimeError, ValueError) as error:
        given = f"{kind} that cannot be viewed: {error}"
        raise _refused(kernel, info, _expected(info), given) from None
    given = f"{kind} on another device"
    raise _refused(kernel, info, _expected(info), given, "move it to the CPU first")


def check(kernel: str, info: ArgumentInfo, array: Array) -> None:
    """Raises where an array's dtype, extents, strides or permission do not fit the parameter."""
    shaped = _has_shape(info, array)
    if array.dtype != info.dtype.numpy or not shaped:
        convert = f"convert it: .astype({info.dtype.numpy})"
        hint = convert if shaped else "compile the kernel for this shape"
        raise _refused(kernel, info, _expected(info), _describe(array), hint)
    if not _same_strides(info, array):
        given = tuple(stride // array.itemsize for stride in array.strides)
        raise _refused(
            kernel,
            info,
            f"{_expected(info)} with strides {info.strides}",
            f"strides {given} (in elements)",
            "pass a contiguous copy, or compile the kernel for this layout",
        )
    if info.direction.writes and not array.flags.writeable:
        hint = f"'{info.name}' is {info.direction.value}: pass an array that may be written, or a copy"
        raise _refused(kernel, info, f"a writable {_expected(info)}", "a read-only array", hint)


def _has_shape(info: ArgumentInfo, array: Array) -> bool:
    if info.first is None:
        return array.shape == info.shape
    return array.ndim == len(info.shape) and array.shape[1:] == info.shape[1:]


def _same_strides(info: ArgumentInfo, array: Array) -> bool:
    size = info.dtype.itemsize
    return array.size == 0 or all(
        extent == 1 or given == expected * size
        for extent, given, expected in zip(array.shape, array.strides, info.strides, strict=True)
    )


def _expected(info: ArgumentInfo) -> str:
    return f"{info.dtype}[{', '.join(map(str, expected_shape(info)))}]"


def _describe(value: object) -> str:
    if isinstance(value, np.ndarray):
        dtype = from_numpy(value.dtype)
        return f"{dtype or value.dtype.str}{list(value.shape)}"
    return f"a {type(value).__name__}"


def refused(kernel: str, info: ArgumentInfo, value: object, what: str, hint: str) -> ArgumentError:
    """`value`, which is `what`, cannot be the argument at all."""
    given = f"{_describe(value)} {what}".rstrip()
    return _refused(kernel, info, _expected(info), given, hint)


def _refused(
    kernel: str, info: ArgumentInfo | ScalarInfo, expected: str, given: str, hint: str = ""
) -> ArgumentError:
    return ArgumentError(
        f"'{info.name}' of kernel '{kernel}' takes {expected}, not {given}",
        span=info.span,
        label="declared here",
        hints=(hint,) if hint else (),
    )
