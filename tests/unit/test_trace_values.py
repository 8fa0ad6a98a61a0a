"""What a kernel knows while it is traced: its arguments' extents, symbolic values, parts of tensors."""

import numpy as np
import pytest

import mpmd
from mpmd import In, InOut, Out, f32, f64, i32
from mpmd.errors import ArgumentError, BoundsError, LanguageError, TypeMismatch
from mpmd.lang.types import TensorSpec
from tests.unit.traced_tasks import K, N, T, copy, halves, linear, update
from tests.unit.tracing import refusal, traced

# -- arguments of the kernel ---------------------------------------------------------------------


def test_an_extent_that_differs_between_arguments_names_both():
    def kernel(x: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N]):
        linear(x, w, y)

    assert refusal(ArgumentError, lambda: traced(kernel, (4, 8), (100, 9), (4, 100))) == [
        "'K' of kernel 'kernel' is 8 in 'x' but 9 in 'w'",
        "w: 8 and 9",
        "pass tensors that agree on K, or declare another dim for one of them",
    ]


def test_an_extent_that_is_an_expression_is_checked():
    def kernel(x: In[f32, N], y: Out[f32, N // 2]):
        halves(x, y)

    assert refusal(ArgumentError, lambda: traced(kernel, (8,), (5,))) == [
        "axis 0 of 'y' of kernel 'kernel' is 4 ((N // 2)), but the argument has 5",
        "y: 4 and 5",
        "pass a tensor with 4 elements on this axis",
    ]


def test_ranks_and_dtypes_of_arguments_are_checked():
    def kernel(x: In[f32, N], pos: i32, y: Out[f32, N]):
        copy(x, y)

    assert refusal(ArgumentError, lambda: traced(kernel, (8, 1), None, (8,))) == [
        "'x' of kernel 'kernel' has rank 1, but the argument has rank 2",
        "x: its shape is (8, 1)",
        "declare one extent for each axis, or pass a view with fewer axes: x[0], x.reshape(…)",
    ]
    assert refusal(ArgumentError, lambda: traced(kernel, TensorSpec(f64, (8,)), None, (8,))) == [
        "'x' of kernel 'kernel' is f32, but the argument is f64",
        "x: declared as f32",
        "a launch converts nothing: convert the argument, or declare what it is",
    ]
    assert refusal(ArgumentError, lambda: traced(kernel, None, None, (8,))) == [
        "'x' of kernel 'kernel' is a tensor f32, but the argument is a scalar",
        "x: declared as a tensor f32",
        "a launch converts nothing: convert the argument, or declare what it is",
    ]


def test_a_dim_that_no_axis_is_cannot_be_bound():
    def kernel(y: InOut[f32, 2 * N]):
        update(y)

    assert refusal(LanguageError, lambda: traced(kernel, (8,))) == [
        "dim 'N' of kernel 'kernel' cannot be found from its arguments",
        "y: only in the extent 2*N",
        "every dim must be, alone, the extent of some axis: In[f32, N]",
    ]


def test_a_dim_without_a_value_in_this_kernel():
    def kernel(y: InOut[f32, N]):
        for t in range(T):
            update(y[t:])

    assert refusal(LanguageError, lambda: traced(kernel, (8,))) == [
        "dim 'T' is not an extent of any parameter of this kernel",
        "range(T): has no value",
        "its dims are N",
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def kernel(x): ...", "'x' of kernel 'kernel' has no annotation"),
        (
            "def kernel(x: int): ...",
            "'x' of kernel 'kernel' is annotated with something else than a tensor or a dtype",
        ),
        ("def kernel(x: f32 = 1.0): ...", "'x' of kernel 'kernel' has a default"),
        ("def kernel(*x: f32): ...", "'x' of kernel 'kernel' is not an ordinary parameter"),
    ],
)
def test_parameters_that_a_kernel_cannot_have(source, expected):
    scope = {"f32": f32}
    exec(source, scope)
    with pytest.raises(LanguageError) as error:
        mpmd.kernel(scope["kernel"])
    assert error.value.message == expected


# -- symbolic values -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("use", "underlined"),
    [
        (lambda pos: pos > 0, "pos > 0: compared"),
        (lambda pos: pos == 0, "pos == 0: compared"),
        (lambda pos: bool(pos), "bool(pos): tested as a condition"),
        (lambda pos: range(pos), "range(pos): used as a Python integer"),
        (lambda pos: list(pos), "list(pos): iterated over"),
        (lambda pos: {pos: 1}, "{pos: 1}: used as a key"),
        (lambda pos: float(pos), "float(pos): used as a Python float"),
        (lambda pos: pos / 2, "pos / 2: divided with /"),
        (lambda pos: pos // 0, "pos // 0: divided by zero"),
    ],
)
def test_python_cannot_look_at_a_symbolic_value(use, underlined):
    def kernel(pos: i32, y: InOut[f32, N]):
        use(pos)

    message, place, hint = refusal(LanguageError, lambda: traced(kernel, None, (8,)))
    assert message == "'pos' is not known while the kernel is traced"
    assert place == underlined
    assert hint


def test_a_float_scalar_only_goes_to_tasks():
    def kernel(alpha: f32, y: InOut[f32, N]):
        alpha * 2.0

    assert refusal(LanguageError, lambda: traced(kernel, None, (8,))) == [
        "'alpha' is not known while the kernel is traced",
        "alpha * 2.0: used in arithmetic",
        "pass the float to a task and compute there",
    ]


def test_a_tile_is_not_a_number():
    def kernel(y: InOut[f32, N]):
        for t in mpmd.tiles(N):
            update(y[t + 1])

    assert refusal(LanguageError, lambda: traced(kernel, (8,))) == [
        "'t' is a tile, not a number",
        "t + 1: used in arithmetic",
        "use t.start, t.size or t.index",
    ]


@pytest.mark.parametrize(
    ("use", "underlined"),
    [
        (lambda x: x + 1, "x + 1: used in an operation"),
        (lambda x: x.__setitem__(0, 1), "x.__setitem__(0, 1): stored to"),
        (lambda x: list(x), "list(x): iterated over"),
        (lambda x: np.asarray(x), "np.asarray(x): converted to an array"),
        (lambda x: bool(x), "bool(x): tested as a condition"),
        (lambda x: x.sum(axis=0), "x.sum: '.sum' is not known"),
    ],
)
def test_a_kernel_does_not_compute_with_tensors(use, underlined):
    def kernel(x: InOut[f32, N]):
        use(x)

    message, place, hint = refusal(LanguageError, lambda: traced(kernel, (8,)))
    assert (message, place) == ("'x' is a tensor of the kernel, not a tile", underlined)
    assert hint


def test_a_misspelt_attribute_has_a_hint():
    def kernel(x: InOut[f32, N]):
        x.shpae  # noqa: B018

    assert refusal(LanguageError, lambda: traced(kernel, (8,)))[-1] == "did you mean '.shape'?"


def test_operations_belong_in_tasks():
    def kernel(x: InOut[f32, N]):
        mpmd.exp(x)

    assert refusal(LanguageError, lambda: traced(kernel, (8,))) == [
        "mpmd.exp works on tiles, inside of a task",
        "mpmd.exp(x): called in a kernel",
        "a kernel only calls tasks: move it into a function under @mpmd.task",
    ]


# -- bounds --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (lambda x, i: x[8], "index 8 is out of bounds for axis 0 of 'x'"),
        (lambda x, i: x[-9], "index -9 is out of bounds for axis 0 of 'x'"),
        (lambda x, i: x[:9], "slice 0:9 is out of bounds for axis 0 of 'x'"),
        (lambda x, i: x[5:3], "slice 5:3 is out of bounds for axis 0 of 'x'"),
        (lambda x, i: x[2:5][3], "index 3 is out of bounds for axis 0 of 'x'"),
        (lambda x, i: x[i + 5], "index i + 5 is out of bounds for axis 0 of 'x'"),
        (lambda x, i: x[i - 1], "index i - 1 is out of bounds for axis 0 of 'x'"),
        (lambda x, i: x[4 * i :], "slice 4*i:8 is out of bounds for axis 0 of 'x'"),
    ],
)
def test_what_leaves_the_axis_for_certain_is_refused(index, message):
    def kernel(x: InOut[f32, N]):
        for i in mpmd.loop(4):
            index(x, i)

    refused = refusal(BoundsError, lambda: traced(kernel, (8,)))
    assert refused[0] == message
    assert refused[1].endswith("the axis has extent 8") or "extent 3" in refused[1]


def test_a_tile_of_a_longer_axis_is_out_of_bounds():
    def kernel(x: In[f32, N], y: InOut[f32, K]):
        for t in mpmd.tiles(N):
            update(y[t])

    assert refusal(BoundsError, lambda: traced(kernel, (9,), (8,))) == [
        "<tile t> is out of bounds for axis 0 of 'y'",
        "y[t]: the axis has extent 8",
        "slices are not clipped: give a stop that is inside, or leave it out",
    ]


def test_what_may_be_inside_is_left_to_the_run():
    def kernel(x: InOut[f32, N], pos: i32):
        for t in mpmd.tiles(N):
            update(x[t.start : t.start + 3])
            update(x[pos:])

    traced(kernel, (8,), None)


def test_too_many_indices_and_odd_ones():
    def many(x: InOut[f32, N]):
        x[0, 1]

    def gather(x: InOut[f32, N]):
        x[x]

    def backwards(x: InOut[f32, N]):
        x[::-1]

    assert refusal(TypeMismatch, lambda: traced(many, (8,)))[0] == "'x' has 1 axes but is indexed with 2"
    assert (
        refusal(LanguageError, lambda: traced(gather, (8,)))[0] == "'x' cannot be indexed with x in a kernel"
    )
    assert (
        refusal(LanguageError, lambda: traced(backwards, (8,)))[0]
        == "the step of a slice is a constant of at least 1, not -1"
    )


def test_reshapes_that_are_refused():
    def part(x: InOut[f32, T, N]):
        x[0].reshape(2, -1)

    def size(x: InOut[f32, T, N]):
        x.reshape(5)

    assert refusal(TypeMismatch, lambda: traced(part, (2, 4))) == [
        "'x' is a part of a tensor",
        "x[0].reshape(2, -1): cannot be reshaped",
        "only whole contiguous tensors can be reshaped: reshape first, then index",
    ]
    assert (
        refusal(TypeMismatch, lambda: traced(size, (2, 4)))[0]
        == "'x' has 8 elements, which do not fill the shape (5)"
    )
    strided = TensorSpec(f32, (2, 4), (8, 1))
    assert refusal(TypeMismatch, lambda: traced(size, strided))[0] == "'x' is not contiguous"
