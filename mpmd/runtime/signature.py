"""The signature of a launch, in the form that `native/call.cpp` checks arguments against.

In:  the parameters in calling order, and the arrays bound beforehand. Out: a native handle; the text
     of a signature for diagnostics.
Not here: adapting what does not fit (`arrays.py`).
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping

from mpmd.codegen.source import ArgumentInfo, LaunchInfo, ScalarInfo
from mpmd.errors import NO_SPAN, CapacityError
from mpmd.runtime import arrays, dlpack, pool

_TENSOR, _INTEGER, _FLOAT = range(3)


def sign(kernel: int, info: LaunchInfo, order: tuple[str, ...], bound: Mapping[str, arrays.Array]) -> int:
    """The native signature for calls with the parameters `order`. Free it with `mpmd_signature_free`."""
    arguments = {a.name: (index, a) for index, a in enumerate(info.arguments)}
    scalars = {s.name: (index, s) for index, s in enumerate(info.scalars)}
    rows = array("q")
    for name in order:
        if name in arguments:
            rows.extend(_tensor_row(*arguments[name]) + _first_words(arguments[name][1], scalars))
        else:
            rows.extend(_scalar_row(*scalars[name]))
    addresses = array("q", [bound[a.name].ctypes.data if a.name in bound else 0 for a in info.arguments])
    writes = array("q", [a.direction.writes for a in info.arguments])
    signature = pool.native().code.mpmd_signature(
        kernel,
        rows.buffer_info()[0],
        len(order),
        addresses.buffer_info()[0],
        writes.buffer_info()[0],
        len(info.scalars),
    )
    if not signature:
        raise CapacityError(f"there is no memory for a signature of kernel '{info.kernel}'", span=NO_SPAN)
    return signature


def signature_text(info: LaunchInfo, order: tuple[str, ...]) -> str:
    """`scale(x: In[f32, 8], y: Out[f32, 8], a: f32)`."""
    tensors = {a.name: f"{a.direction.value}[{a.dtype}{_extents(a)}]" for a in info.arguments}
    scalars = {s.name: str(s.dtype) for s in info.scalars}
    return f"{info.kernel}({', '.join(f'{name}: {(tensors | scalars)[name]}' for name in order)})"


def _extents(argument: ArgumentInfo) -> str:
    return "".join(f", {extent}" for extent in arrays.expected_shape(argument)) or ", ()"


def _tensor_row(index: int, argument: ArgumentInfo) -> list[int]:
    axes, size = len(argument.shape), argument.dtype.itemsize
    if axes > pool.AXES:
        message = f"'{argument.name}' has {axes} axes; {pool.AXES} is the most at a launch"
        raise CapacityError(message, span=argument.span)
    padding = [0] * (pool.AXES - axes)
    letters = arrays.buffer_format(argument.dtype).encode().ljust(8, b"\0")
    letters_word = int.from_bytes(letters, "little", signed=True)
    strides = [stride * size for stride in argument.strides]
    head = [_TENSOR, index, axes, size, 0, 0, letters_word, dlpack.code_of(argument.dtype)]
    return [*head, *argument.shape, *padding, *strides, *padding]


def _first_words(argument: ArgumentInfo, scalars: Mapping[str, tuple[int, ScalarInfo]]) -> list[int]:
    """The scalar that axis 0 sets (−1: none), its factor, what is added, and its greatest value."""
    first = argument.first
    if first is None:
        return [-1, 1, 0, 0]
    index, scalar = scalars[first.scalar]
    return [index, first.factor, first.constant, scalar.most or 0]


def _scalar_row(index: int, scalar: ScalarInfo) -> list[int]:
    kind = _FLOAT if scalar.dtype.is_float else _INTEGER
    lo, hi = (0, 0) if scalar.dtype.is_float else arrays.integer_range(scalar.dtype)
    return [kind, index, 0, 0, lo, hi, 0, 0, *[0] * (2 * pool.AXES), -1, 1, 0, 0]
