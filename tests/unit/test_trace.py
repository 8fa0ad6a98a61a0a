"""Tracing: what a kernel's Python records, and how its symbolic loops are walked."""

import pytest

import mpmd
from mpmd import In, InOut, Out, f32, i32
from mpmd.errors import LanguageError
from mpmd.lang.index import Index, symbol
from mpmd.lang.program import Call, Loop, ScalarArg, TileLoop, View, calls
from tests.unit.traced_tasks import (
    K,
    L,
    N,
    T,
    copy,
    copy2,
    linear,
    region,
    scaled,
    shift,
    update,
    views,
    whole_tiles,
)
from tests.unit.tracing import declared, refusal, traced

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
