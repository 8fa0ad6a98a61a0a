"""The pipeline without its back ends: signatures of calls, and what a kernel read from outside."""

import types

import numpy as np
import pytest

import mpmd
from mpmd import In, InOut, bf16, f32, i32
from mpmd.errors import ArgumentError, LanguageError, UnsupportedOp
from mpmd.lang.kernel.guards import Guards, guard_values
from mpmd.lang.types import TensorSpec
from mpmd.pipeline import arguments, specs_of
from tests.unit.tracing import refusal

(N,) = mpmd.dims("N")

DEPTH = 2
TABLE = [1, 2]
NAMES = {"a": 1}


def helper() -> int:
    return FACTOR


FACTOR = 3


def reads() -> object:
    return DEPTH, TABLE, NAMES, helper, np


@pytest.fixture
def restored():
    before = {name: globals()[name] for name in ("DEPTH", "FACTOR", "TABLE", "NAMES")}
    yield
    globals().update(before)


def test_guards_hold_while_nothing_changes():
    guards = Guards(reads)
    assert (
        guards.hold() and guards.key == guard_values(reads) and hash(guards.key) == hash(guard_values(reads))
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda: globals().update(DEPTH=5),
        lambda: globals().update(DEPTH=2.0),
        lambda: globals().update(TABLE=[1, 3]),
        lambda: globals().update(FACTOR=4),
        lambda: globals().pop("FACTOR"),
    ],
)
def test_a_changed_global_changes_the_key(restored, change):
    guards = Guards(reads)
    change()
    assert not guards.hold()
    assert guard_values(reads) != guards.key


def test_a_changed_container_changes_the_key():
    guards = Guards(reads)
    TABLE.append(3)
    NAMES["b"] = 2
    assert not guards.hold() and guard_values(reads) != guards.key
    TABLE.pop()
    del NAMES["b"]
    assert guards.hold() and guard_values(reads) == guards.key


def test_an_equal_value_has_an_equal_key(restored):
    big = 10**20
    globals().update(DEPTH=big)
    guards = Guards(reads)
    globals().update(DEPTH=int(str(big)))
    assert not guards.hold() and guard_values(reads) == guards.key


def test_closures_and_nested_code_are_read():
    def outer():
        width = 1

        def kernel():
            return [width * DEPTH for _ in range(2)], lambda: FACTOR

        def widen():
            nonlocal width
            width = 2

        return kernel, widen

    kernel, widen = outer()
    guards = Guards(kernel)
    assert {name for name, _ in guards.key} >= {"width", "DEPTH", "FACTOR"}
    widen()
    assert not guards.hold()


def test_functions_of_other_packages_are_not_followed():
    assert isinstance(np.zeros, types.BuiltinFunctionType) or Guards(reads).hold()
    assert all(name != "numpy" for name, _ in Guards(reads).key)


# -- signatures ----------------------------------------------------------------------------------


@mpmd.kernel
def kernel(x: InOut[f32, N], pos: i32): ...


def signature(*args, **kwargs):
    return tuple(specs_of(kernel, arguments(kernel, args, kwargs)).values())


def test_arrays_specs_and_numbers_have_signatures():
    assert signature(np.zeros(8, np.float32), 3) == (TensorSpec(f32, (8,)), None)
    assert signature(pos=np.int64(3), x=np.zeros(8, np.float32)) == (TensorSpec(f32, (8,)), None)
    assert signature(mpmd.spec(f32, 8), mpmd.spec(i32)) == (TensorSpec(f32, (8,)), None)
    assert signature(np.zeros(16, np.float32)[::2], 3) == (TensorSpec(f32, (8,), (2,)), None)
    assert signature(np.zeros(8, bf16.numpy), 3) == (TensorSpec(bf16, (8,)), None)


def test_anything_with_dlpack_has_a_signature():
    class Tensor:
        def __init__(self, array):
            self.__dlpack__ = array.__dlpack__
            self.__dlpack_device__ = array.__dlpack_device__

    assert signature(Tensor(np.zeros((2, 4), np.float32)), 0) == (TensorSpec(f32, (2, 4)), None)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: signature(np.zeros(8, np.float32)), "'kernel' takes 2 arguments but 1 is given"),
        (lambda: signature(1, 2, 3), "'kernel' takes 2 arguments but 3 are given"),
        (lambda: signature(1, p=2), "'kernel' has no parameter 'p'"),
        (lambda: signature([1.0], 2), "the argument 'x' is a list"),
        (lambda: signature(f32, 2), "the argument 'x' is a DType"),
        (lambda: signature(np.zeros(8, "c8"), 2), "the argument 'x' is an array of complex64"),
        (
            lambda: signature(np.zeros(8, "f4")[::-1], 2),
            "the argument 'x' is an array with strides (-4,) (bytes)",
        ),
        (
            lambda: signature(mpmd.spec(f32, 8), mpmd.spec(f32)),
            "'pos' is a scalar i32, but the spec says f32",
        ),
        (lambda: mpmd.compile(len), "mpmd.compile takes a kernel, not <built-in function len>"),
    ],
)
def test_arguments_that_fit_no_kernel(call, message):
    assert refusal(ArgumentError, call)[0] == message


def test_specs_that_are_refused():
    assert refusal(LanguageError, lambda: mpmd.spec(np.float32, 8))[0] == (
        "<class 'numpy.float32'> is not an element type"
    )
    assert refusal(LanguageError, lambda: mpmd.spec(f32, (8, -1)))[0] == "(8, -1) is not a shape"


def test_an_unknown_target_is_refused():
    assert refusal(UnsupportedOp, lambda: mpmd.compile(kernel, mpmd.spec(f32, 8), 1, target="tpu")) == [
        "there is no target 'tpu'",
        "mpmd.compile(kernel, mpmd.spec(f32, 8), 1, target=\"tpu\"): target='tpu'",
        "did you mean 'cpu'?",
    ]


def test_a_kernel_keeps_its_name():
    @mpmd.kernel
    def named(x: In[f32, N]):
        """What it says."""

    assert (named.__name__, named.__doc__, repr(named)) == ("named", "What it says.", "<kernel named>")
