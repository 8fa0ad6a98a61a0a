"""Calls of tasks in a kernel: they fit the signature, respect directions and do not overlap."""

import numpy as np
import pytest

import mpmd
from mpmd import Accum, Const, In, InOut, Out, f32, i8, i32
from mpmd.errors import AliasError, DirectionError, TypeMismatch
from mpmd.lang.index import Index
from mpmd.lang.program import ScalarArg, calls
from mpmd.lang.types import TensorSpec
from tests.unit.traced_tasks import (
    N,
    add_to,
    copy,
    copy2,
    element,
    halves,
    region,
    scaled,
    shift,
    update,
    views,
)
from tests.unit.tracing import refusal, traced

EQUAL = "pass parts of equal extents, or declare another dim in the task"


# -- calls of tasks ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (
            lambda x, y, pos: copy(x),
            ["'copy' takes 2 arguments but 1 is given", "copy(x): missing y", "its parameters are x, y"],
        ),
        (
            lambda x, y, pos: copy(x, y=y, z=y),
            ["'copy' has no parameter 'z'", "copy(x, y=y, z=y): 'z' is unknown", "its parameters are x, y"],
        ),
        (
            lambda x, y, pos: copy(x, y, x=x),
            [
                "'copy' is given 'x' twice",
                "copy(x, y, x=x): by place and by name",
                "leave one of the two out; its parameters are x, y",
            ],
        ),
        (
            lambda x, y, pos: copy2(x, y),
            [
                "'x' of 'copy2' has rank 2, but 'x' has rank 1",
                "copy2(x, y): its shape is (8)",
                "an integer index drops an axis; a slice keeps it",
            ],
        ),
        (
            lambda x, y, pos: copy(x[:4], y),
            ["'N' of 'copy' is 4 in 'x' but 8 in 'y'", "copy(x[:4], y): 4 and 8", EQUAL],
        ),
        (
            lambda x, y, pos: copy(x[:pos], y),
            [
                "'N' of 'copy' is pos in 'x' but 8 in 'y'",
                "copy(x[:pos], y): pos and 8",
                "extents must be equal as expressions; give mpmd.tiles a size that divides the extent",
            ],
        ),
        (
            lambda x, y, pos: halves(x, y),
            ["axis 0 of 'y' of 'halves' is 4 ((N // 2)), but 'y' has 8", "halves(x, y): 4 and 8", EQUAL],
        ),
        (
            lambda x, y, pos: copy(np.zeros(8), y),
            [
                "'x' of 'copy' is a tensor, but numpy.ndarray is given",
                "copy(np.zeros(8), y): ",
                "make the array a parameter of the kernel",
            ],
        ),
        (
            lambda x, y, pos: shift(x, 1.5, y),
            [
                "'by' of 'shift' is a scalar i32, but float 1.5 is given",
                "shift(x, 1.5, y): ",
                "pass a whole number, or a scalar of the kernel declared as i32",
            ],
        ),
        (
            lambda x, y, pos: shift(x, 2**40, y),
            [
                "1099511627776 does not fit 'by' of 'shift', which is i32",
                "shift(x, 2**40, y): ",
                "i32 holds -2147483648 to 2147483647",
            ],
        ),
        (
            lambda x, y, pos: scaled(x, pos, y),
            [
                "'factor' of 'scaled' is a scalar f32, but the integer 'pos' is given",
                "scaled(x, pos, y): ",
                "declare the task's parameter as an integer and convert there: .astype(f32)",
            ],
        ),
    ],
)
def test_a_call_that_does_not_fit_the_signature(call, expected):
    def kernel(x: In[f32, N], y: Out[f32, N], pos: i32):
        call(x, y, pos)

    assert refusal(TypeMismatch, lambda: traced(kernel, (8,), (8,), None)) == expected


def test_a_call_converts_no_dtypes():
    def kernel(x: In[i8, N], y: Out[f32, N]):
        copy(x, y)

    assert refusal(TypeMismatch, lambda: traced(kernel, TensorSpec(i8, (8,)), (8,)))[0] == (
        "'x' of 'copy' is f32, but 'x' is i8"
    )


def test_scalars_are_passed_in_every_form():
    def kernel(x: In[f32, N], y: Out[f32, N], pos: i32):
        shift(x, N, y)
        shift(x, by=np.int32(3), y=y)
        shift(x, True, y)
        scaled(x, np.float32(0.5), y)
        scaled(x, 2, y)

    values = [
        c.args[1].value
        for c in calls(traced(kernel, (8,), (8,), None).body)
        if isinstance(c.args[1], ScalarArg)
    ]
    assert values == [Index(8), Index(3), Index(1), 0.5, 2.0]


def test_an_element_is_a_tensor_without_axes():
    def kernel(x: In[f32, N], y: InOut[f32, N]):
        element(x[3], y[N - 1])

    assert [region(v) for v in views(traced(kernel, (8,), (8,)))] == ["3", "7"]


# -- directions ----------------------------------------------------------------------------------


def test_an_input_is_not_written():
    def kernel(x: In[f32, N], y: In[f32, N]):
        copy(x, y)

    assert refusal(DirectionError, lambda: traced(kernel, (8,), (8,))) == [
        "'y' is In, but 'y' of 'copy' writes it (Out)",
        "copy(x, y): 'y' is In",
        "declare 'y' as Out or InOut in the kernel",
    ]


def test_weights_are_not_written():
    def kernel(w: Const[f32, N]):
        update(w)

    assert refusal(DirectionError, lambda: traced(kernel, (8,)))[0] == (
        "'w' is Const, but 'y' of 'update' writes it (InOut)"
    )


def test_an_accumulator_is_only_added_to():
    def reads(x: In[f32, N], y: Accum[f32, N]):
        copy(y, x)

    def adds(x: In[f32, N], y: Accum[f32, N]):
        add_to(x, y)

    assert refusal(DirectionError, lambda: traced(reads, (8,), (8,))) == [
        "'y' is Accum, but 'x' of 'copy' is In",
        "copy(y, x): 'y' is Accum",
        "an Accum tensor is only added to; declare 'y' as InOut in the kernel",
    ]
    traced(adds, (8,), (8,))


def test_an_inlined_kernel_is_held_to_its_directions():
    @mpmd.kernel
    def inner(a: In[f32, N], b: Out[f32, N]):
        copy(a, b)

    def kernel(x: In[f32, N], y: In[f32, N]):
        inner(x, y)

    assert refusal(DirectionError, lambda: traced(kernel, (8,), (8,)))[0] == (
        "'y' is In, but 'b' of kernel 'inner' writes it (Out)"
    )


def test_a_local_tensor_is_written_before_it_is_read():
    def kernel(y: Out[f32, N]):
        h = mpmd.empty((N,), f32)
        copy(h, y)

    assert refusal(DirectionError, lambda: traced(kernel, (8,))) == [
        "'h' is read before any call of 'kernel' has written it",
        "copy(h, y): 'copy' reads it as 'x'",
        "call a task that writes 'h' first",
    ]


def test_an_output_is_written_before_it_is_read():
    def kernel(y: Out[f32, N]):
        update(y)

    assert refusal(DirectionError, lambda: traced(kernel, (8,))) == [
        "'y' is read before any call of 'kernel' has written it",
        "update(y): 'update' reads it as 'y'",
        "declare 'y' as InOut if its old contents matter, or write it first",
    ]


def test_an_output_is_written():
    def kernel(x: In[f32, N], y: Out[f32, N], z: Out[f32, N]):
        copy(x, y)

    assert refusal(DirectionError, lambda: traced(kernel, (8,), (8,), (8,))) == [
        "'z' is Out, but no call of 'kernel' writes it",
        "z: never written",
        "pass it to a task that writes it, or take the parameter out",
    ]


def test_a_write_through_a_reshape_counts():
    def kernel(x: In[f32, N], y: Out[f32, N]):
        copy(x, y.reshape(N))
        halved = y.reshape(2, N // 2)
        copy(halved[0], y[N // 2 :])

    with pytest.raises(AliasError):
        traced(kernel, (8,), (8,))


# -- overlap -------------------------------------------------------------------------------------


def test_arguments_of_a_call_that_overlap_are_refused():
    def kernel(y: InOut[f32, N]):
        copy(y[:5], y[3:])

    assert refusal(AliasError, lambda: traced(kernel, (8,))) == [
        "'x' and 'y' of 'copy' overlap, and 'y' is written",
        "copy(y[:5], y[3:]): both are parts of 'y'",
        "pass it once and declare that parameter InOut, or write to another tensor",
    ]


@pytest.mark.parametrize(
    "parts",
    [
        lambda y, t, pos: (y[0, :4], y[0, 4:]),
        lambda y, t, pos: (y[0], y[1]),
        lambda y, t, pos: (y[0, ::2], y[0, 1::2]),
        lambda y, t, pos: (y[0, t.start : t.start + 2], y[0, t.start + 2 : t.start + 4]),
        lambda y, t, pos: (y[0, pos : pos + 2], y[0, pos + 2 : pos + 4]),
        lambda y, t, pos: (y[t.index], y[t.index + 1]),
    ],
)
def test_parts_that_are_provably_apart_may_be_read_and_written(parts):
    def kernel(y: InOut[f32, 2, 8], pos: i32):
        for t in mpmd.tiles(4, 4):
            copy(*parts(y, t, pos))

    traced(kernel, (2, 8), None)
