"""Arguments of a launch: what is taken as it is, what is viewed, what is refused; constants."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from mpmd.errors import (
    AliasError,
    ArgumentError,
)
from mpmd.lang.types import Direction, bf16
from mpmd.runtime import dlpack
from tests.host.assembly import (
    HERE,
    RUN,
    argument,
    array,
    copy_kernel,
    kernel,
    load,
    one,
    tables,
)


@pytest.fixture(scope="module")
def copy():
    return load(copy_kernel())


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (np.zeros((2, 4), np.float32), "'x' of kernel 'toy' takes f32[2, 3], not f32[2, 4]"),
        (np.zeros((2, 3)), "'x' of kernel 'toy' takes f32[2, 3], not f64[2, 3]"),
        (np.zeros((2, 3), ">f4"), "'x' of kernel 'toy' takes f32[2, 3], not >f4[2, 3]"),
        (np.zeros((2, 3), np.uint32), "'x' of kernel 'toy' takes f32[2, 3], not <u4[2, 3]"),
        (
            np.zeros((3, 2), np.float32).T,
            "'x' of kernel 'toy' takes f32[2, 3] with strides (3, 1), not strides (1, 2) (in elements)",
        ),
        ([[0.0] * 3] * 2, "'x' of kernel 'toy' takes f32[2, 3], not a list"),
        (None, "'x' of kernel 'toy' takes f32[2, 3], not a NoneType"),
    ],
)
def test_an_argument_that_does_not_fit(copy, x, text):
    y = array()
    with pytest.raises(ArgumentError) as caught:
        copy(x, y)
    assert caught.value.message == text and caught.value.span == HERE
    assert not copy.fits((x, y)) and not copy.try_call((x, y))


def test_wrong_number_of_arguments(copy):
    with pytest.raises(ArgumentError, match="'toy' takes 2 arguments but 1 is given"):
        copy(array())


def test_read_only_output_is_refused_and_read_only_input_is_not(copy):
    x, y = array(), array()
    x.flags.writeable = False
    copy(x, y)
    with pytest.raises(
        ArgumentError, match=r"'y' of kernel 'toy' takes a writable f32\[2, 3\], not a read-only"
    ):
        copy(array(), x)


def test_overlap_with_a_written_argument_is_refused(copy):
    memory = np.arange(12, dtype=np.float32)
    x, y = memory[3:9].reshape(2, 3), memory[:6].reshape(2, 3)
    with pytest.raises(AliasError, match="'y' and 'x' of kernel 'toy' share memory, and 'y' is written"):
        copy(x, y)
    copy(memory[6:].reshape(2, 3), y)
    assert y.tolist() == [[6, 7, 8], [9, 10, 11]]


def test_strides_are_the_compiled_ones():
    run = load(copy_kernel(strides=(1, 2)))
    x, y = np.arange(6, dtype=np.float32).reshape(3, 2).T, np.zeros((2, 3), np.float32)
    run(x, y)
    assert (x == y).all()
    with pytest.raises(ArgumentError, match="with strides"):
        run(array(), y)


def test_strides_of_single_elements_are_moot():
    run = load(copy_kernel(shape=(1, 3)))
    x, y = np.zeros((5, 3), np.float32)[::5], np.ones((1, 3), np.float32)
    assert run.fits((x, y)) and run.fits((x.T.reshape(3, 1).T, y))


def test_bf16_arrays_pass_without_a_copy():
    """bf16 has no code in the buffer protocol; integers of the same width are still refused."""
    run = load(copy_kernel(dtype=bf16))
    x = np.arange(6).astype(ml_dtypes.bfloat16).reshape(2, 3)
    y = np.zeros_like(x)
    run(x, y)
    assert (x == y).all() and run.fits((x, y)) and run.try_call((x, y))
    with pytest.raises(ArgumentError, match=r"takes bf16\[2, 3\], not <u2\[2, 3\]"):
        run(x.view(np.uint16), y)


class Foreign:
    """An array of another library: DLPack, or the array interface, and nothing else."""

    def __init__(self, held: np.ndarray, device: int = 1) -> None:
        self.held, self.device = held, device

    def __dlpack__(self):
        capsule = self.held.__dlpack__()
        dlpack._Tensor.from_address(dlpack._pointer(capsule, b"dltensor")).device_type = self.device
        return capsule

    def __dlpack_device__(self):
        return self.device, 0


class Interfaced:
    def __init__(self, held: np.ndarray) -> None:
        self.held = held
        self.__array_interface__ = held.__array_interface__


@pytest.mark.parametrize("wrap", [Foreign, Interfaced])
def test_arrays_of_other_libraries_are_viewed(copy, wrap):
    x, y = array(), np.zeros((2, 3), np.float32)
    copy(wrap(x), wrap(y))
    assert (x == y).all()


def test_dlpack_is_on_the_fast_path(copy):
    """So a kernel finds its compiled form for arrays without a buffer too; other layouts do not fit."""
    x, y = array(), np.zeros((2, 3), np.float32)
    assert copy.try_call((Foreign(x), Foreign(y))) and (x == y).all()
    for other in (array().T, array().astype(np.float64), array()[:1], array().view(np.int32)):
        assert not copy.try_call((Foreign(other), Foreign(y)))
    wide = np.zeros((2, 6), np.float32)
    assert not copy.try_call((Foreign(wide[:, ::2]), Foreign(y)))
    with pytest.raises(AliasError):
        copy.try_call((Foreign(y), y))


def test_arrays_on_another_device_are_refused(copy):
    with pytest.raises(ArgumentError, match=r"takes f32\[2, 3\], not a Foreign on another device") as caught:
        copy(Foreign(array(), device=2), array())
    assert caught.value.hints == ("move it to the CPU first",)


def test_many_arguments():
    """More than the call path keeps on its stack."""
    count = 50
    functions = """
    static void total(Core& core, const Word* row) {
      float sum = 0;
      for (int i = 0; i < 50; ++i) sum += *(float*)core.base[row[2 * i]];
      *(float*)core.base[row[100]] = sum;
    }
    """
    row = [word for i in range(count + 1) for word in (i, 0)]
    table = tables([[(RUN, 0, 0)]], [(0, row)], params=[count + 1], bases=[4] * (count + 1))
    arguments = [argument(f"x{i}", 1) for i in range(count)] + [argument("y", 1, direction=Direction.OUT)]
    run = load(kernel(functions, ["total"], table, arguments))
    y = one()
    run(*(np.full(1, i, np.float32) for i in range(count)), y)
    assert y[0] == sum(range(count))


def test_empty_arrays():
    table = tables([[]], [], params=[], bases=[0, 0])
    arguments = [argument("x", 0, 3), argument("y", 0, 3, direction=Direction.OUT)]
    run = load(kernel("", ["nullptr"], table, arguments))
    empty = np.zeros((0, 3), np.float32)
    run(empty, empty)


# -- constants -----------------------------------------------------------------------------------


def test_bound_constants_leave_the_signature():
    run = load(copy_kernel(direction=Direction.CONST))
    x, y = array(), np.zeros((2, 3), np.float32)
    bound = run.bind(x=x)
    bound(y)
    assert (x == y).all()
    run(np.ones((2, 3), np.float32), y)
    assert (y == 1).all()
    del x
    bound(y)
    assert (y == array()).all()


def test_bound_constants_are_checked():
    run = load(copy_kernel(direction=Direction.CONST))
    with pytest.raises(ArgumentError, match=r"takes f32\[2, 3\], not f32\[3\]"):
        run.bind(x=np.zeros(3, np.float32))
    with pytest.raises(ArgumentError, match="'y' of kernel 'toy' is Out, not Const"):
        run.bind(y=array())
    with pytest.raises(ArgumentError, match="has no argument 'x' to bind") as caught:
        run.bind(x=array()).bind(x=array())
    assert caught.value.label == "'x' is bound already"
    x = array()
    with pytest.raises(AliasError):
        run.bind(x=x)(x)
