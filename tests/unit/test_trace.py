"""Tracing: what a kernel's Python records, and what it refuses."""

import numpy as np
import pytest

import mpmd
from mpmd import Accum, Const, In, InOut, Out, f32, f64, i8, i32
from mpmd.errors import (
    AliasError,
    ArgumentError,
    BoundsError,
    DirectionError,
    LanguageError,
    TypeMismatch,
)
from mpmd.lang.index import Index, symbol
from mpmd.lang.program import Call, Loop, ScalarArg, TileLoop, View, calls
from mpmd.lang.types import TensorSpec
from tests.unit.tracing import declared, refusal, traced

T, H, F, N, K, L = mpmd.dims("T H F N K L")


EQUAL = "pass parts of equal extents, or declare another dim in the task"


@declared
def linear(x: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N]): ...


@declared
def copy(x: In[f32, N], y: Out[f32, N]): ...


@declared
def copy2(x: In[f32, T, N], y: Out[f32, T, N]): ...


@declared
def shift(x: In[f32, N], by: i32, y: Out[f32, N]): ...


@declared
def scaled(x: In[f32, N], factor: f32, y: Out[f32, N]): ...


@declared
def update(y: InOut[f32, N]): ...


@declared
def add_to(x: In[f32, N], y: Accum[f32, N]): ...


@declared
def whole_tiles(x: In[f32, 64], y: Out[f32, 64]): ...


@declared
def halves(x: In[f32, N], y: Out[f32, N // 2]): ...


@declared
def element(x: In[f32, ()], y: Out[f32, ()]): ...


def views(program) -> list[View]:
    """The regions of the tensors of the program's only call."""
    (call,) = calls(program.body)
    return [arg for arg in call.args if isinstance(arg, View)]


def region(view: View) -> str:
    """`2, 0:+4:2` — starts, extents and steps, axis by axis."""
    parts = [
        f"{a.start}:+{a.extent}" + (f":{a.step}" if a.step != 1 else "") if a.keep else str(a.start)
        for a in view.region
    ]
    return ", ".join(parts)


# -- what is recorded ----------------------------------------------------------------------------


def test_a_loop_is_recorded_once_with_a_symbolic_tile():
    def kernel(x: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N]):
        for n in mpmd.tiles(N):
            linear(x, w[n], y[:, n])

    program = traced(kernel, (4, 8), (100, 8), (4, 100))
    (loop,) = program.body
    assert isinstance(loop, TileLoop)
    assert (loop.name, loop.extent, loop.size) == ("n", Index(100), None)
    (call,) = loop.body
    assert isinstance(call, Call)
    assert [region(a) for a in call.args if isinstance(a, View)] == [
        "0:+4, 0:+8",
        "n.start:+n.size, 0:+8",
        "0:+4, n.start:+n.size",
    ]
    assert call.dims == (("T", Index(4)), ("K", Index(8)), ("N", symbol("n.size")))


def test_a_size_that_divides_makes_extents_constant():
    def kernel(x: In[f32, N], y: Out[f32, N]):
        for t in mpmd.tiles(N, 64):
            whole_tiles(x[t], y[t])

    (view, _) = views(traced(kernel, (128,), (128,)))
    assert region(view) == "t.start:+64"


def test_range_unrolls_and_dims_are_integers():
    def kernel(x: In[f32, L, N], y: Out[f32, L, N]):
        assert L == 3 and L // 2 == 1 and L + 1 == 4 and L < N and 2 * L == 6 and N % L == 1 and -L == -3
        for layer in range(L):
            copy(x[layer], y[layer])

    program = traced(kernel, (3, 4), (3, 4))
    assert [region(c.args[0]) for c in calls(program.body)] == ["0, 0:+4", "1, 0:+4", "2, 0:+4"]


def test_dims_are_symbols_again_after_the_trace():
    def kernel(x: In[f32, N], y: Out[f32, N]):
        copy(x, y)

    traced(kernel, (3,), (3,))
    assert symbol("N") + 1 == N + 1


def test_loop_gives_a_symbolic_number():
    def kernel(y: InOut[f32, L, N]):
        for i in mpmd.loop(5):
            update(y[i])

    (loop,) = traced(kernel, (5, 2)).body
    assert isinstance(loop, Loop)
    assert (loop.name, loop.count) == ("i", Index(5))
    assert region(views(traced(kernel, (5, 2)))[0]) == "i, 0:+2"


def test_a_loop_that_does_nothing_is_not_recorded():
    def kernel(y: InOut[f32, N]):
        for _ in mpmd.loop(0):
            update(y)
        for _ in mpmd.tiles(N):
            pass
        for _ in mpmd.tiles(0):
            update(y)

    assert traced(kernel, (5,)).body == ()


def test_loop_names_are_unique():
    def kernel(y: InOut[f32, L, N]):
        for i in mpmd.loop(2):
            update(y[i])
        for i in mpmd.loop(2):
            update(y[i])

    assert [loop.name for loop in traced(kernel, (2, 2)).body if isinstance(loop, Loop)] == ["i", "i_2"]


def test_local_tensors_are_named_by_their_variables():
    def kernel(x: In[f32, N], y: Out[f32, N]):
        hidden = mpmd.empty((N,), f32)
        copy(x, hidden)
        hidden_2 = mpmd.empty(N, f32)
        copy(hidden, hidden_2)
        copy(hidden_2, y)

    tensors = traced(kernel, (3,), (3,)).tensors
    assert [(t.name, t.direction is None) for t in tensors] == [
        ("x", False),
        ("y", False),
        ("hidden", True),
        ("hidden_2", True),
    ]


def test_scalars_are_symbols_and_floats_go_by_name():
    def kernel(x: In[f32, L, N], pos: i32, alpha: f32, y: Out[f32, 2, N]):
        shift(x[pos], 2 * pos + 1, y[0])
        scaled(x[pos // 2], alpha, y[1])

    first, second = calls(traced(kernel, (9, 4), None, None, (2, 4)).body)
    assert first.args[1] == ScalarArg(2 * symbol("pos") + 1)
    assert second.args[1] == ScalarArg("alpha")
    assert [region(c.args[0]) for c in (first, second)] == ["pos, 0:+4", "(pos // 2), 0:+4"]


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (lambda x, t, pos: x[2], "2, 0:+6, 0:+5"),
        (lambda x, t, pos: x[-1, 1:4], "9, 1:+3, 0:+5"),
        (lambda x, t, pos: x[0, ..., 1::2], "0, 0:+6, 1:+2:2"),
        (lambda x, t, pos: x[1:9:3][1][:, 4:], "4, 0:+6, 4:+1"),
        (lambda x, t, pos: x[2:, 3][::2], "2:+4:2, 3, 0:+5"),
        (lambda x, t, pos: x[t, 0], "t.start:+t.size, 0, 0:+5"),
        (lambda x, t, pos: x[t][t.size - 1], "t.size + t.start - 1, 0:+6, 0:+5"),
        (lambda x, t, pos: x[pos : pos + 4, 0], "pos:+4, 0, 0:+5"),
        (lambda x, t, pos: x[: pos + 1, 0], "0:+pos + 1, 0, 0:+5"),
        (lambda x, t, pos: x[t.index], "t.index, 0:+6, 0:+5"),
        (
            lambda x, t, pos: x[t.grow(1, 0), 0],
            "max(0, t.start - 1):+-max(0, t.start - 1) + t.size + t.start, 0, 0:+5",
        ),
    ],
)
def test_indices_compose_into_regions(index, expected):
    @declared
    def any_two(v: In[f32, T, N], y: InOut[f32, 1]): ...

    def kernel(x: In[f32, 10, 6, 5], pos: i32, y: InOut[f32, 1]):
        for t in mpmd.tiles(10):
            any_two(index(x, t, pos), y)

    assert region(views(traced(kernel, (10, 6, 5), None, (1,)))[0]) == expected


def test_transposes_permute_the_kept_axes():
    def kernel(x: In[f32, 2, 3, 4], y: Out[f32, 4, 2]):
        copy2(x.transpose(2, 1, 0)[:, 1], y)

    view = views(traced(kernel, (2, 3, 4), (4, 2)))[0]
    assert (region(view), view.order, view.shape) == ("0:+2, 1, 0:+4", (1, 0), (Index(4), Index(2)))


def test_shapes_and_dtypes_are_readable():
    def kernel(x: In[f32, T, N], y: Out[f32, N]):
        assert x.shape == (2, 3) and x.T.shape == (3, 2) and x.dtype is f32 and x.ndim == 2
        copy(x[0], y)

    traced(kernel, (2, 3), (3,))


def test_a_reshape_is_a_tensor_over_its_base_made_once():
    def kernel(x: In[f32, T, N], y: Out[f32, T, N]):
        rows = x.reshape(-1)
        copy(rows, y.reshape(6))
        assert rows.reshape(3, 2).tensor.base == 0
        assert rows.reshape((T, N)).tensor is x.tensor
        assert x.reshape(6).tensor is rows.tensor

    tensors = traced(kernel, (2, 3), (2, 3)).tensors
    assert [(t.name, t.shape, t.base) for t in tensors[2:]] == [
        ("rows", (6,), 0),
        ("y_view", (6,), 1),
        ("x_view", (3, 2), 0),
    ]


def test_a_kernel_called_by_a_kernel_becomes_part_of_it():
    @mpmd.kernel
    def inner(a: In[f32, N], b: Out[f32, N]):
        for t in mpmd.tiles(N, N // 2):
            copy(a[t], b[t])

    def kernel(x: In[f32, L, T], y: Out[f32, L, T]):
        for layer in range(L):
            inner(x[layer], b=y[layer])

    program = traced(kernel, (2, 8), (2, 8))
    assert [(loop.name, loop.size) for loop in program.body if isinstance(loop, TileLoop)] == [
        ("t", 4),
        ("t_2", 4),
    ]
    assert [region(c.args[1]) for c in calls(program.body)] == ["0, t.start:+4", "1, t_2.start:+4"]


def test_a_kernel_does_not_call_itself():
    @mpmd.kernel
    def again(y: InOut[f32, N]):
        again(y)

    assert refusal(LanguageError, lambda: traced(again.function, (8,))) == [
        "kernel 'again' calls itself",
        "again(y): ",
        "repeat with range, or mpmd.loop",
    ]


def test_calls_carry_the_place_of_the_expression():
    def kernel(x: In[f32, N], y: Out[f32, N]):
        (copy(x, y))

    (call,) = calls(traced(kernel, (3,), (3,)).body)
    first = kernel.__code__.co_firstlineno
    assert (call.span.line, call.span.col, call.span.end_col) == (first + 1, 9, 19)


def test_tracing_twice_gives_equal_programs():
    def kernel(x: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N]):
        for n in mpmd.tiles(N):
            linear(x, w[n], y[:, n])

    shapes = (4, 8), (100, 8), (4, 100)
    assert traced(kernel, *shapes) == traced(kernel, *shapes)


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


# -- loops ---------------------------------------------------------------------------------------


def test_a_name_carried_between_iterations_is_refused():
    def kernel(x: In[f32, L, N], y: Out[f32, L, N]):
        previous = x[0]
        for i in mpmd.loop(4):
            copy(previous, y[i])
            previous = y[i]

    assert refusal(LanguageError, lambda: traced(kernel, (4, 8), (4, 8))) == [
        "'previous' is carried from one iteration of a symbolic loop to the next",
        "previous: bound again here",
        "keep what is carried in a tensor, or unroll with Python's range",
    ]


def test_a_count_kept_in_python_is_refused():
    def kernel(y: InOut[f32, N]):
        count = 0
        for t in mpmd.tiles(N):
            update(y[t])
            count += 1  # noqa: SIM113

    assert refusal(LanguageError, lambda: traced(kernel, (8,)))[1] == "count: bound again here"


def test_a_name_bound_before_it_is_read_is_not_carried():
    def kernel(y: InOut[f32, N], flag: In[f32, N]):
        for t in mpmd.tiles(N):
            part = y[t]
            update(part)
        for t in mpmd.tiles(N, 2):
            if t.index is None:
                part = y
            else:
                part = y[t]
            update(part)

    assert len(traced(kernel, (8,), (8,)).body) == 2


def test_a_value_used_after_its_loop_is_refused():
    def kernel(y: InOut[f32, N]):
        for t in mpmd.tiles(N):
            last = y[t]
        update(last)

    assert refusal(LanguageError, lambda: traced(kernel, (8,))) == [
        "'y' of 'update' depends on 't.size', whose loop has ended",
        "update(last): 't' has no value here",
        "use the value inside of the loop; a symbolic loop has no last iteration",
    ]


@pytest.mark.parametrize("leave", ["break", "return"])
def test_a_symbolic_loop_is_not_left_early(leave):
    def breaks(y: InOut[f32, N]):
        for t in mpmd.tiles(N):
            update(y[t])
            break

    def returns(y: InOut[f32, N]):
        for t in mpmd.tiles(N):
            update(y[t])
            return

    kernel = breaks if leave == "break" else returns
    assert refusal(LanguageError, lambda: traced(kernel, (8,))) == [
        "a symbolic loop is left before its body ends",
        "mpmd.tiles(N): ",
        "its body is traced once for all iterations: no 'break', no 'return', no next()",
    ]


@pytest.mark.parametrize(
    ("wrapped", "underlined"),
    [
        (lambda: enumerate(mpmd.tiles(8)), "mpmd.tiles(8): "),
        (lambda: list(mpmd.tiles(8)), "mpmd.tiles(8): "),
        (lambda: zip(mpmd.loop(8), range(8), strict=True), "mpmd.loop(8): "),
    ],
)
def test_a_symbolic_loop_is_not_wrapped(wrapped, underlined):
    def kernel(y: InOut[f32, N]):
        for item in wrapped():
            print(item)

    message, place, hint = refusal(LanguageError, lambda: traced(kernel, (8,)))
    what = underlined.partition("(")[0]
    assert message == f"{what} is not itself what a 'for' iterates over"
    assert place == underlined
    assert hint == f"write 'for t in {what}(…):', without enumerate, zip, list or a variable"


def test_a_comprehension_is_a_loop_too():
    def kernel(y: InOut[f32, N]):
        [update(y[t]) for t in mpmd.tiles(N)]

    assert [loop.name for loop in traced(kernel, (8,)).body if isinstance(loop, TileLoop)] == ["t"]


def test_a_kernel_returns_nothing():
    def kernel(y: InOut[f32, N]):
        update(y)
        return y

    assert refusal(LanguageError, lambda: traced(kernel, (8,))) == [
        "kernel 'kernel' returns a value",
        "kernel: returns <tensor y: f32[8]>",
        "write results to Out parameters; a helper that returns a view is a plain function",
    ]


def test_a_local_tensor_has_constant_extents():
    def kernel(x: In[f32, N], y: Out[f32, N]):
        for t in mpmd.tiles(N):
            h = mpmd.empty((t.size,), f32)
            copy(x[t], h)

    assert refusal(LanguageError, lambda: traced(kernel, (8,), (8,))) == [
        "'t.size' is not known while the kernel is traced",
        "mpmd.empty((t.size,), f32): must be a constant",
        "allocate the whole extent outside of the loop, and pass parts of it",
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
