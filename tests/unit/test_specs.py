"""What an argument is to a kernel: any array that can be viewed, by its element type, shape and strides."""

from __future__ import annotations

import numpy as np
import pytest

import mpmd
from mpmd import f32
from mpmd.errors import NO_SPAN, ArgumentError
from mpmd.lang.types import TensorSpec
from mpmd.specs import spec_of


class Interface:
    """An array that only has the array interface."""

    def __init__(self, array: np.ndarray) -> None:
        self.__array_interface__ = array.__array_interface__
        self.kept = array


class Exporter:
    """An array that only has DLPack."""

    def __init__(self, array: np.ndarray, error: Exception | None = None) -> None:
        self.array = array
        self.error = error

    def __dlpack__(self, **options: object) -> object:
        if self.error is not None:
            raise self.error
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


def test_arrays_of_every_protocol_have_the_spec_of_their_elements():
    array = np.zeros((4, 6), np.float32)
    for value in (array, Interface(array), Exporter(array)):
        assert spec_of("x", value, NO_SPAN) == TensorSpec(f32, (4, 6))
    for value in (array[:, ::2], Interface(array[:, ::2])):
        assert spec_of("x", value, NO_SPAN) == TensorSpec(f32, (4, 3), (6, 2))


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        (
            Exporter(np.zeros(3), BufferError("on another device")),
            "the argument 'x' is a Exporter that NumPy cannot view",
            "on another device",
        ),
        (f32, "the argument 'x' is a DType", "did you mean mpmd.spec(f32)?"),
        (
            np.zeros(6, np.float32)[::-1],
            "the argument 'x' is an array with strides (-4,) (bytes)",
            "pass a copy: numpy.ascontiguousarray",
        ),
        (
            np.zeros(3, np.dtype([("a", "f4"), ("b", "i1")]))["a"],
            "the argument 'x' is an array with strides (5,) (bytes)",
            "pass a copy: numpy.ascontiguousarray",
        ),
    ],
)
def test_what_is_no_array_of_the_language_is_refused(value, message, hint):
    with pytest.raises(ArgumentError) as caught:
        spec_of("x", value, NO_SPAN)
    assert caught.value.message == message and caught.value.hints == (hint,)


def test_a_spec_is_its_own_spec():
    spec = mpmd.spec(f32, (2, 3))
    assert spec_of("x", spec, NO_SPAN) is spec and spec_of("n", 3, NO_SPAN) is None
