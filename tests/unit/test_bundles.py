"""Kernel parameters that hold several tensors: their flat names, what kernels see, and what is refused."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import mpmd
from mpmd import Const, In, InOut, Out, f32, i32
from mpmd.errors import ArgumentError, Diagnostic, LanguageError, TypeMismatch
from mpmd.lang.evaluate import evaluate
from mpmd.lang.kernel.trace import trace
from mpmd.lang.types import TensorSpec
from tests.unit.tracing import refusal

T, N, K = mpmd.dims("T N K")


@mpmd.task
def linear(x: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N]):
    y[:] = x[:] @ w[:].T


@mpmd.task
def shifted(b: In[f32, N], by: i32, y: InOut[f32, T, N]):
    y[:] = y[:] + b[:] * by


@dataclass(frozen=True, slots=True)
class Layer:
    """Weights; what a kernel is given is made without `__init__`, which may look at arrays."""

    w: Const[f32, N, N]
    b: Const[f32, N]
    by: i32

    def __post_init__(self) -> None:
        assert not hasattr(self.w, "region")

    @property
    def both(self) -> tuple[Any, Any]:
        return self.w, self.b


@dataclass
class Later:
    w: "Const[f32, N, N]"
    rest: "list[tuple[Const[f32, N], Out[f32, N]]]"


@dataclass
class Endless:
    again: "list[Endless]"


@mpmd.kernel
def apply(layer: Layer, x: In[f32, T, N], y: Out[f32, T, N]):
    w, b = layer.both
    linear(x, w, y)
    shifted(b, layer.by, y)


@mpmd.kernel
def stack(layers: list[Layer], state: dict[str, InOut[f32, T, N]], ends: tuple[In[f32, T, N], i32]):
    x, last = ends
    h = mpmd.empty(x.shape, f32)
    apply(layers[0], x, state["y"])
    for layer in layers[1:]:
        apply(layer, state["y"], h)
        apply(layer, h, state["y"])
    shifted(layers[0].b, last, state["y"])


def layers(count: int) -> list[Layer]:
    rng = np.random.default_rng(0)
    return [
        Layer(rng.random((4, 4), np.float32), rng.random(4, np.float32), k + 1)  # type: ignore[arg-type]
        for k in range(count)
    ]


def expected(given: list[Layer], x: np.ndarray, last: int) -> np.ndarray:
    y = x
    for layer in [given[0], *(layer for layer in given[1:] for _ in range(2))]:
        y = y @ layer.w.T + layer.b * layer.by
    return y + given[0].b * last


def specs(count: int) -> dict[str, Any]:
    layer = object.__new__(Layer)
    for name, spec in (("w", TensorSpec(f32, (4, 4))), ("b", TensorSpec(f32, (4,))), ("by", None)):
        object.__setattr__(layer, name, spec)
    whole = TensorSpec(f32, (3, 4))
    return {"layers": [layer] * count, "state": {"y": whole}, "ends": (whole, None)}


def test_leaves_have_flat_names_in_the_order_of_the_parameters() -> None:
    program = trace(stack.function, specs(2))
    assert program.params == (
        "layers_0_w",
        "layers_0_b",
        "layers_0_by",
        "layers_1_w",
        "layers_1_b",
        "layers_1_by",
        "state_y",
        "ends_0",
        "ends_1",
    )
    assert [t.name for t in program.arguments][:2] == ["layers_0_w", "layers_0_b"]
    assert [s.name for s in program.scalars] == ["layers_0_by", "layers_1_by", "ends_1"]


def test_evaluator_and_debugger_agree_on_bundles() -> None:
    given, x = layers(2), np.random.default_rng(1).random((3, 4), np.float32)
    y, z = np.zeros((3, 4), np.float32), np.zeros((3, 4), np.float32)
    program = trace(stack.function, specs(2))
    flat = [getattr(layer, name) for layer in given for name in ("w", "b", "by")]
    evaluate(program, dict(zip(program.params, [*flat, y, x, 5], strict=True)))
    mpmd.debug(stack)(given, {"y": z}, (x, 5))
    np.testing.assert_array_equal(y, z)
    np.testing.assert_allclose(y, expected(given, x, 5), rtol=1e-4)


def test_annotations_that_are_text_are_read_where_the_class_is() -> None:
    def kernel(p: "Later", x: In[f32, T, N], y: Out[f32, T, N]):
        linear(x, p.w, y)
        for b, out in p.rest:
            linear(b.reshape(1, N), p.w, out.reshape(1, N))

    later = Later.__new__(Later)
    vector = TensorSpec(f32, (4,))
    later.w, later.rest = TensorSpec(f32, (4, 4)), [(vector, vector)]  # type: ignore[assignment]
    whole = TensorSpec(f32, (3, 4))
    decorated = mpmd.kernel(kernel)
    program = trace(decorated.function, {"p": later, "x": whole, "y": whole})
    assert program.params == ("p_w", "p_rest_0_0", "p_rest_0_1", "x", "y")


# -- refusals ---------------------------------------------------------------------------------------


def test_a_value_of_another_make_is_refused() -> None:
    given, whole = specs(2), TensorSpec(f32, (3, 4))

    def changed(**values: Any) -> Any:
        return lambda: trace(stack.function, given | values)

    assert refusal(ArgumentError, changed(layers=whole)) == [
        "'layers' of kernel 'stack' is a list, but a TensorSpec is given",
        "layers: declared here",
        "pass values of the make that the kernel's annotations and their classes say",
    ]
    assert refusal(ArgumentError, changed(layers=[whole]))[0] == (
        "'layers_0' of kernel 'stack' is an instance of Layer, but a TensorSpec is given"
    )
    assert refusal(ArgumentError, changed(ends=(whole,)))[0] == (
        "'ends' of kernel 'stack' is a tuple of 2, but a tuple of 1 is given"
    )
    assert refusal(ArgumentError, changed(state={"y z": whole}))[0] == (
        "'state' of kernel 'stack' has the key 'y z', which cannot be part of a name"
    )
    assert refusal(ArgumentError, changed(state=[whole]))[0] == (
        "'state' of kernel 'stack' is a dict, but a list is given"
    )


def test_dims_of_all_leaves_agree() -> None:
    given = specs(2)
    other = object.__new__(Layer)
    for field in dataclasses.fields(Layer):
        object.__setattr__(other, field.name, getattr(given["layers"][0], field.name))
    object.__setattr__(other, "b", TensorSpec(f32, (5,)))
    given["layers"] = [given["layers"][0], other]
    assert refusal(ArgumentError, lambda: trace(stack.function, given))[0] == (
        "'N' of kernel 'stack' is 4 in 'layers_0_w' but 5 in 'layers_1_b'"
    )


def test_leaves_of_one_name_are_refused() -> None:
    def kernel(p_0: Out[f32, N], p: list[In[f32, N]]): ...

    vector = TensorSpec(f32, (4,))
    assert refusal(ArgumentError, lambda: trace(kernel, {"p_0": vector, "p": [vector]})) == [
        "two arguments of kernel 'kernel' are both named 'p_0'",
        "p: p_0 and p.0",
        "give one of the parameters, fields or keys another name",
    ]


def test_fields_are_tensors_and_scalars() -> None:
    @dataclass
    class Odd:
        eps: float

    @dataclass
    class Unknown:
        x: "In[f32, Nowhere]"  # type: ignore[name-defined] # noqa: F821

    def odd(p: Odd): ...
    def endless(p: Endless): ...
    def unknown(p: Unknown): ...

    assert refusal(LanguageError, lambda: mpmd.kernel(odd)) == [
        "field 'eps' of 'Odd' is annotated with something else than a tensor",
        "p: declared as Odd",
        "write eps: In[f32, T, H]; a constant is better a global or a closure",
    ]
    assert refusal(LanguageError, lambda: mpmd.kernel(endless)) == [
        "'Endless' contains itself",
        "p: has no end",
        "how deep a parameter goes is fixed by its annotation",
    ]
    assert refusal(LanguageError, lambda: mpmd.kernel(unknown)) == [
        "field 'x' of 'Unknown' uses 'Nowhere', which is not defined here",
        "p: declared as Unknown",
        "define dims and dtypes before the class that is annotated with them",
    ]


def test_an_inner_kernel_is_given_what_it_declares() -> None:
    def kernel(x: In[f32, T, N], y: Out[f32, T, N]):
        apply(x, x, y)

    whole = TensorSpec(f32, (3, 4))
    assert refusal(TypeMismatch, lambda: trace(kernel, {"x": whole, "y": whole})) == [
        "'layer' of kernel 'apply' is an instance of Layer, but a TensorView is given",
        "apply(x, x, y): 'layer' is given here",
        "pass values of the make that the kernel's annotations and their classes say",
    ]


def test_directions_hold_inside_of_bundles() -> None:
    def kernel(p: list[In[f32, T, N]], w: In[f32, N, N]):
        linear(p[0], w, p[1])

    whole, square = TensorSpec(f32, (3, 4)), TensorSpec(f32, (4, 4))
    with pytest.raises(Diagnostic, match="'p_1' is In, but 'y' of 'linear' writes it"):
        trace(kernel, {"p": [whole, whole], "w": square})
