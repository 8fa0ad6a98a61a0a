"""Numbers in a kernel: runtime scalars and dims take part in arithmetic from either side, and only there."""

import pytest

import mpmd
from mpmd import In, InOut, Out, f32, i8, i32
from mpmd.errors import LanguageError, TypeMismatch
from mpmd.lang.program import ScalarArg, calls
from mpmd.lang.types import TensorSpec
from tests.unit.traced_tasks import L, N, copy, scaled, shift, update
from tests.unit.tracing import refusal, traced


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda pos: 1 + pos, "pos + 1"),
        (lambda pos: pos - 2, "pos - 2"),
        (lambda pos: 10 - pos, "-pos + 10"),
        (lambda pos: -pos, "-pos"),
        (lambda pos: 3 * pos, "3*pos"),
        (lambda pos: pos // 4, "(pos // 4)"),
        (lambda pos: pos % 4, "(pos % 4)"),
        (lambda pos: L + pos, "pos + 3"),
        (lambda pos: pos * L, "3*pos"),
        (lambda pos: pos - pos, "0"),
    ],
)
def test_an_expression_of_a_runtime_scalar_is_recorded_in_its_canonical_form(write, expected):
    def kernel(x: In[f32, L, N], pos: i32, y: Out[f32, N]):
        shift(x[0], write(pos), y)

    (call,) = calls(traced(kernel, (3, 8), None, (8,)).body)
    argument = call.args[1]
    assert isinstance(argument, ScalarArg) and str(argument.value) == expected


@pytest.mark.parametrize(
    ("use", "label"),
    [
        (lambda pos: pos != 1, "compared"),
        (lambda pos: pos < 1, "compared"),
        (lambda pos: pos <= 1, "compared"),
        (lambda pos: pos > 1, "compared"),
        (lambda pos: pos >= 1, "compared"),
        (lambda pos: pos == L, "compared"),
        (lambda pos: int(pos), "used as a Python integer"),
        (lambda pos: 2 / pos, "divided with /"),
    ],
)
def test_python_learns_nothing_of_a_runtime_scalar(use, label):
    def kernel(x: In[f32, L, N], pos: i32, y: Out[f32, N]):
        use(pos)

    _, place, hint = refusal(LanguageError, lambda: traced(kernel, (3, 8), None, (8,)))
    assert place.endswith(f": {label}") and hint


def test_a_dim_that_is_bound_is_the_number_that_it_stands_for():
    def kernel(x: In[f32, L, N], y: Out[f32, L, N]):
        assert (1 + L, 10 - L, L - 1, 3 * L, 7 // L, 7 % L, L / 2, 6 / L) == (4, 7, 2, 9, 2, 1, 1.5, 2)
        assert (int(L), float(L), bool(L), L >= 3, L > 3, L <= 2, L != 4) == (
            3,
            3.0,
            True,
            True,
            False,
            False,
            True,
        )
        assert [*range(L)] == [0, 1, 2] and {L: 1}
        copy(x[0], y[0])
        for layer in range(1, L):
            copy(x[layer], y[layer])

    assert len(traced(kernel, (3, 4), (3, 4)).body) == 3


def test_a_symbolic_number_prints_as_what_it_is():
    seen = []

    def kernel(pos: i32, y: InOut[f32, N]):
        seen.append(repr(2 * pos + 1))
        update(y)

    traced(kernel, None, (8,))
    assert seen == ["<symbolic 2*pos + 1>"]


@mpmd.kernel
def inner(a: In[f32, N], by: i32, factor: f32, b: Out[f32, N]):
    h = mpmd.empty(N, f32)
    shift(a, by, h)
    scaled(h, factor, b)


def test_an_inlined_kernel_takes_scalars_of_every_form():
    def kernel(x: In[f32, N], pos: i32, alpha: f32, y: Out[f32, N]):
        inner(x, pos + 1, alpha, y)
        inner(x, 3, 0.5, y)

    program = traced(kernel, (8,), None, None, (8,))
    values = [arg.value for call in calls(program.body) for arg in call.args if isinstance(arg, ScalarArg)]
    assert [str(value) for value in values] == ["pos + 1", "alpha", "3", "0.5"]


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (
            lambda x, y: inner(x, x, 1.0, y),
            "'by' of kernel 'inner' is a scalar i32, but <tensor x: f32[8]> is given",
        ),
        (
            lambda x, y: inner(x, 1, x, y),
            "'factor' of kernel 'inner' is a scalar f32, but <tensor x: f32[8]> is given",
        ),
        (lambda x, y: inner(3, 1, 1.0, y), "'a' of kernel 'inner' is a tensor f32, but 3 is given"),
    ],
)
def test_an_inlined_kernel_is_held_to_its_parameters(act, expected):
    def kernel(x: In[f32, N], y: Out[f32, N]):
        act(x, y)

    assert refusal(TypeMismatch, lambda: traced(kernel, (8,), (8,)))[0] == expected


def test_an_inlined_kernel_converts_no_dtypes():
    def kernel(x: In[i8, N], y: Out[f32, N]):
        inner(x, 1, 1.0, y)

    message = refusal(TypeMismatch, lambda: traced(kernel, TensorSpec(i8, (8,)), (8,)))[0]
    assert message == "'a' of kernel 'inner' is a tensor f32, but <tensor x: i8[8]> is given"


@pytest.mark.parametrize(
    ("extent", "size", "message"),
    [
        (8, 0, "a tile has at least 1 element, not 0"),
        (-1, None, "mpmd.tiles is given -1, which is not an extent"),
        ("N", None, "mpmd.tiles is given 'N', which is not an extent"),
    ],
)
def test_tiles_are_of_an_extent_and_not_empty(extent, size, message):
    def kernel(y: InOut[f32, N]):
        for t in mpmd.tiles(extent, size):
            update(y[t])

    assert refusal(LanguageError, lambda: traced(kernel, (8,)))[0] == message


def test_a_dtype_is_a_dtype_and_an_order_names_every_axis():
    def misnamed(y: InOut[f32, N]):
        mpmd.empty(N, "f32")

    def short(y: InOut[f32, L, N]):
        y.transpose(1)

    assert refusal(LanguageError, lambda: traced(misnamed, (8,)))[0] == "'f32' is not an element type"
    refused = refusal(TypeMismatch, lambda: traced(short, (3, 8)))
    assert refused[0] == "[1] is not an order of the 2 axes of 'y'"


@pytest.mark.parametrize("side", [-1, 1.5, None])
def test_a_halo_is_a_constant_number_of_elements(side):
    def kernel(y: InOut[f32, N]):
        for t in mpmd.tiles(N):
            update(y[t.grow(side, 0)])

    message, _, hint = refusal(LanguageError, lambda: traced(kernel, (8,)))
    assert message == f"a halo is a constant number of elements, not {side!r}"
    assert hint == "t.grow(before, after) takes two integers that are not negative"


@pytest.mark.parametrize(
    ("use", "label"),
    [
        (lambda t: list(t), "iterated over"),
        (lambda t: bool(t), "tested as a condition"),
        (lambda t: range(t), "used as an integer"),
    ],
)
def test_a_tile_of_a_loop_is_neither_number_nor_list(use, label):
    def kernel(y: InOut[f32, N]):
        for t in mpmd.tiles(N):
            use(t)

    message, place, _ = refusal(LanguageError, lambda: traced(kernel, (8,)))
    assert message == "'t' is a tile, not a number" and place.endswith(f": {label}")
