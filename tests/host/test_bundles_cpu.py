"""Compiled kernels whose parameters hold several tensors: calls, specs, bind, and other makes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import mpmd
from mpmd import Const, In, Out, f32
from mpmd.errors import ArgumentError

T, N = mpmd.dims("T N")


@mpmd.task
def scaled(x: In[f32, T, N], w: In[f32, N], y: Out[f32, T, N]):
    y[:] = x[:] * w[:]


@dataclass
class Layer:
    w: Const[f32, N]


@mpmd.kernel
def chain(layers: list[Layer], x: In[f32, T, N], out: dict[str, Out[f32, T, N]]):
    h = x
    for layer in layers[:-1]:
        y = mpmd.empty(x.shape, f32)
        scaled(h, layer.w, y)
        h = y
    scaled(h, layers[-1].w, out["y"])


def given(count: int) -> tuple[list[Layer], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(count)
    layers: list[Any] = [Layer(rng.random(8, np.float32)) for _ in range(count)]  # type: ignore[arg-type]
    return layers, rng.random((4, 8), np.float32), np.zeros((4, 8), np.float32)


def product(layers: list[Layer], x: np.ndarray) -> np.ndarray:
    for layer in layers:
        x = x * np.asarray(layer.w)
    return x


def test_calls_compile_for_each_make() -> None:
    for count in (1, 3, 1):
        layers, x, y = given(count)
        chain(layers, x, {"y": y})
        np.testing.assert_allclose(y, product(layers, x), rtol=1e-6)
        y[:] = 0
        chain(layers, x, out={"y": y})
        np.testing.assert_allclose(y, product(layers, x), rtol=1e-6)


def test_specs_calls_by_name_and_binding() -> None:
    layers, x, y = given(2)
    vector, whole = mpmd.spec(f32, 8), mpmd.spec(f32, (4, 8))
    compiled = mpmd.compile(chain, [Layer(vector), Layer(vector)], whole, {"y": whole})  # type: ignore[arg-type]
    compiled(x=x, layers=layers, out={"y": y})
    np.testing.assert_allclose(y, product(layers, x), rtol=1e-6)
    y[:] = 0
    compiled.bind(layers=layers)(x, {"y": y})
    np.testing.assert_allclose(y, product(layers, x), rtol=1e-6)
    with pytest.raises(ArgumentError) as caught:
        compiled(layers[:1], x, {"y": y})
    assert caught.value.message == "kernel 'chain' was compiled with 'layers_1_w'"
    assert caught.value.label == "'layers_1_w' is missing"
    with pytest.raises(ArgumentError, match="was compiled without 'layers_2_w'"):
        compiled([*layers, layers[0]], x, {"y": y})
    with pytest.raises(ArgumentError, match="'out_y' of kernel 'chain' is Out, not Const"):
        compiled.bind(out={"y": y})
    assert caught.value.hints == (
        "a list or a dict holds at each call what it held when the kernel was compiled",
    )
