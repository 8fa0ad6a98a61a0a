"""Calls of compiled kernels: by place and by name, as in Python, and what is said where they do not fit."""

from __future__ import annotations

import numpy as np
import pytest

import mpmd
from mpmd import Const, In, Out, f32, i32
from mpmd.errors import ArgumentError
from mpmd.lang.types import Direction
from mpmd.runtime.signature import signature_text
from tests.host.assembly import argument, kernel

N, M = mpmd.dims("N M")


@mpmd.task
def blend(x: In[f32, N], weight: Const[f32, N], at: i32, y: Out[f32, N]):
    y[:] = x[:] * weight[:] + at


@mpmd.kernel
def blended(x: In[f32, N], weight: Const[f32, N], at: i32, y: Out[f32, N]):
    blend(x, weight, at, y)


SIGNATURE = "it is blended(x: In[f32, 4], weight: Const[f32, 4], at: i32, y: Out[f32, 4])"


def vector(value: float = 0) -> np.ndarray:
    return np.full(4, value, np.float32)


@pytest.fixture(scope="module")
def compiled() -> mpmd.CompiledKernel:
    return mpmd.compile(blended, vector(), vector(), 0, vector(), cores=1)


@pytest.fixture(scope="module")
def loaded(compiled, tmp_path_factory) -> mpmd.LoadedKernel:
    file = tmp_path_factory.mktemp("saved") / "blended.mpmd"
    compiled.save(file)
    return mpmd.load(file)


@pytest.mark.parametrize("which", ["compiled", "loaded"])
def test_arguments_by_name_are_those_by_place(which, request):
    call = request.getfixturevalue(which)
    x, weight, y = vector(2), vector(3), vector()
    for args, kwargs in (
        ((x, weight, 1, y), {}),
        ((x, weight, 1), {"y": y}),
        ((x,), {"y": y, "at": 1, "weight": weight}),
        ((), {"at": 1, "y": y, "x": x, "weight": weight}),
    ):
        y[:] = 0
        call(*args, **kwargs)
        assert (y == 7).all()


@pytest.mark.parametrize("which", ["compiled", "loaded"])
def test_bound_arguments_are_left_out(which, request):
    call = request.getfixturevalue(which).bind(weight=vector(3))
    y = vector()
    call(at=2, y=y, x=vector(2))
    assert (y == 8).all()
    with pytest.raises(ArgumentError) as caught:
        call(vector(2), 2, y, weight=vector())
    assert caught.value.message == "'weight' of kernel 'blended' is bound already"
    assert caught.value.hints == ("leave it out, or call the kernel as it was before bind",)
    with pytest.raises(ArgumentError) as caught:
        call(vector(2), 2)
    assert caught.value.message == "'blended' takes 3 arguments but 2 are given"
    assert caught.value.hints == ("it is blended(x: In[f32, 4], at: i32, y: Out[f32, 4])",)


@pytest.mark.parametrize(
    ("args", "kwargs", "message", "label", "hint"),
    [
        (3, {}, "'blended' takes 4 arguments but 3 are given", "missing y", SIGNATURE),
        (0, {"at": 1}, "'blended' takes 4 arguments but 1 is given", "missing x, weight, y", SIGNATURE),
        (5, {}, "'blended' takes 4 arguments but 5 are given", "1 too many", SIGNATURE),
        (
            4,
            {"wight": 1},
            "'blended' has no parameter 'wight'",
            "'wight' is unknown",
            "did you mean 'weight'?",
        ),
        (4, {"out": 1}, "'blended' has no parameter 'out'", "'out' is unknown", SIGNATURE),
        (
            4,
            {"at": 1},
            "'blended' is given 'at' twice",
            "by place and by name",
            f"leave one of the two out; {SIGNATURE}",
        ),
    ],
)
def test_arguments_that_are_missing_unknown_or_given_twice(compiled, args, kwargs, message, label, hint):
    """The error is at the user's call, and says what the kernel takes."""
    given = (vector(2), vector(3), 1, vector(), vector())[:args]
    with pytest.raises(ArgumentError) as caught:
        compiled(*given, **kwargs)
    error = caught.value
    assert (error.message, error.label, error.hints) == (message, label, (hint,))
    assert error.span.file == __file__


def test_tensors_without_axes_are_shown_as_they_are_declared():
    source = kernel("", ["nullptr"], b"", [argument("y", direction=Direction.OUT)])
    assert signature_text(source.launch, ("y",)) == "toy(y: Out[f32, ()])"
