"""Dims that each launch binds: one trace means, for every value, what the kernel means for that value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mpmd
from mpmd import Const, In, InOut, Out, f32, i32
from mpmd.errors import ArgumentError, BoundsError, Diagnostic, DirectionError, LanguageError
from mpmd.lang.evaluate import evaluate
from mpmd.lang.extents import instantiated
from mpmd.lang.kernel.trace import trace
from mpmd.lang.program import Program
from mpmd.lang.text.parser import parse_program
from mpmd.lang.text.printer import print_program
from mpmd.lang.types import TensorSpec
from mpmd.machine.presets import this_cpu
from mpmd.partition.build import partition
from mpmd.partition.graph import LoopIndex
from mpmd.schedule.build import schedule
from mpmd.schedule.interleave import replay

T, H, F, N = mpmd.dims("T H F N")
BOUND = 24


@mpmd.task
def linear(x: In[f32, T, H], w: In[f32, F, H], y: Out[f32, T, F]):
    y[:] = x[:] @ w[:].T


@mpmd.task
def scale(x: In[f32, T, H], a: i32, y: Out[f32, T, H]):
    y[:] = x[:] * a


@mpmd.task
def add(x: In[f32, T, H], y: InOut[f32, T, H]):
    y[:] = y[:] + x[:]


@mpmd.task
def total(x: In[f32, T, H], y: mpmd.Accum[f32, H]):
    y[:] += x[:].sum(axis=0)


@mpmd.task
def clear(y: Out[f32, H]):
    y[:] = 0.0


@mpmd.kernel
def layers(x: In[f32, T, H], w: In[f32, H, H], y: Out[f32, T, H]):
    h = mpmd.empty((T, H), f32)
    for t in mpmd.tiles(T, 5):
        linear(x[t], w, h[t])
    for s in mpmd.split(x.shape[0], 3):
        linear(h[s], w, y[s])


@mpmd.kernel
def halves(x: In[f32, T, H], w: In[f32, H, H], y: Out[f32, T, H]):
    front, back = T // 2, T - T // 2
    doubled = mpmd.empty((2 * T, H), f32)
    scale(x, T, doubled[:T])
    scale(doubled[:T], 1, doubled[T:])
    scale(doubled[: 2 * T : 2], 1, mpmd.empty((T, H), f32))
    linear(doubled[T : T + front], w, y[:front])
    across = mpmd.empty((back, H), f32)
    linear(doubled[T + front :], w, across)
    scale(across, 2, y[front:])


@mpmd.kernel
def reshaped(x: In[f32, T, H], w: In[f32, H, H], y: Out[f32, T, H]):
    pairs, rows = x.reshape(T * 2, 4), y.reshape(-1, 4)
    for t in mpmd.tiles(pairs.shape[0]):
        scale(pairs[t], 3, rows[t])
    add(x.reshape(T, -1), y)
    if w.shape == (8, 8):
        square = mpmd.empty((H, T), f32)
        linear(w, x, square)
        add(square.T, y)


@mpmd.kernel
def repeated(x: In[f32, T, H], w: In[f32, H, H], y: Out[f32, T, H]):
    scale(x, 1, y)
    for _ in mpmd.loop(T):
        for t in mpmd.tiles(T, 8):
            add(x[t], y[t])


@mpmd.kernel
def sums(x: In[f32, T, H], w: InOut[f32, H, H], y: Out[f32, T, H]):
    clear(w[0])
    for t in mpmd.tiles(T, 4):
        total(x[t], w[0])
    linear(x, w, y)


@mpmd.kernel
def by_rows(x: In[f32, T, H], w: In[f32, H, H], y: Out[f32, T, H]):
    scale(x, 1, y)
    for i in mpmd.loop(T):
        add(x[T - 1 - i : T - i], y[i : i + 1])


KERNELS = [layers, halves, reshaped, repeated, sums, by_rows]


def spec(*shape: int) -> TensorSpec:
    return TensorSpec(f32, shape)


def traced(kernel: mpmd.Kernel, bound: int = BOUND) -> Program:
    specs = {"x": spec(3, 8), "w": spec(8, 8), "y": spec(3, 8)}
    return trace(kernel.function, specs, {"T": bound})


def fixed(kernel: mpmd.Kernel, extent: int) -> Program:
    return trace(kernel.function, {"x": spec(extent, 8), "w": spec(8, 8), "y": spec(extent, 8)})


def arrays(extent: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    shapes = {"x": (extent, 8), "w": (8, 8), "y": (extent, 8)}
    return {name: rng.integers(-3, 4, shape).astype(np.float32) for name, shape in shapes.items()}


def after(run: Callable[[Mapping[str, Any]], object], extent: int) -> dict[str, Any]:
    given = arrays(extent)
    run(given)
    return given


def check_same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)


EXTENTS = [0, 1, 2, 5, 7, 16, 23, BOUND]


@pytest.mark.parametrize("extent", EXTENTS[1:])
@pytest.mark.parametrize("kernel", KERNELS)
def test_one_program_is_that_of_every_extent(kernel, extent):
    program = traced(kernel)
    wanted = after(lambda given: evaluate(fixed(kernel, extent), given), extent)
    check_same(after(lambda given: evaluate(program, given), extent), wanted)
    alone = instantiated(program, {"T": extent})
    assert not any(tensor.extents for tensor in alone.tensors) and not alone.scalars
    check_same(after(lambda given: evaluate(alone, given), extent), wanted)
    check_same(after(lambda given: mpmd.debug(kernel)(*given.values()), extent), wanted)


@pytest.mark.parametrize("kernel", KERNELS)
def test_schedules_serve_every_extent_in_every_order(kernel):
    program, machine = traced(kernel), this_cpu(3)
    plan = schedule(partition(program, machine), machine)
    for seed, extent in enumerate(EXTENTS):
        wanted = after(lambda given: evaluate(program, given), extent)
        found = after(lambda given, seed=seed: replay(plan, given, seed), extent)
        check_same(found, wanted)


@pytest.mark.parametrize("kernel", KERNELS)
def test_programs_with_dims_of_launches_print_and_read_back(kernel):
    program = traced(kernel)
    text = print_program(program)
    assert parse_program(text) == program
    assert "scalar T: i64 most 24" in text and "f32[24, 8] seen [T, 8]" in text


def test_the_trace_does_not_depend_on_the_extents_of_the_arguments():
    one, other = (
        trace(layers.function, {"x": spec(n, 8), "w": spec(8, 8), "y": spec(n, 8)}, {"T": BOUND})
        for n in (1, 20)
    )
    assert one == other and one.params == ("x", "w", "y")


def test_pieces_of_a_dim_need_no_checks_but_of_its_bound():
    graph = partition(traced(layers), this_cpu(2))
    assert [guard.text for guard in graph.guards] == ["the extent 'T' stays within 0 to 24"]


@mpmd.kernel
def forward(x: In[f32, T, H], w: In[f32, H, H], y: InOut[f32, T, H]):
    for i in mpmd.loop(T):
        add(x[i : i + 1], y[i : i + 1])


def test_rows_by_the_number_of_an_iteration_need_none_either():
    (site,) = partition(traced(forward), this_cpu(2)).sites
    assert [type(op) for op in site.late] == [LoopIndex]


@mpmd.kernel
def ragged(x: In[f32, T, H], o: In[i32, N], y: InOut[f32, T, H]):
    for s in mpmd.segments(o, 4):
        scale(x[s], 2, y[s])


def test_segments_lie_within_the_extents_of_a_launch():
    xy = {"x": spec(3, 8), "y": spec(3, 8)}
    program = trace(ragged.function, {**xy, "o": TensorSpec(i32, (3,))}, {"T": BOUND})
    plan = schedule(partition(program, this_cpu(2)), this_cpu(2))
    offsets = np.array([1, 3, 6], np.int32)
    for extent in (6, 7, 5):
        for run in (lambda a: evaluate(program, a), lambda a: replay(plan, a, 0)):
            x, y = np.ones((extent, 8), np.float32), np.zeros((extent, 8), np.float32)
            if extent >= 6:
                run({"x": x, "o": offsets, "y": y})
                assert y[:, 0].tolist() == [0, 2, 2, 2, 2, 2, *[0] * (extent - 6)]
            else:
                with pytest.raises(BoundsError):
                    run({"x": x, "o": offsets, "y": y})


# -- what a launch refuses ------------------------------------------------------------------------


@mpmd.kernel
def first_rows(x: In[f32, T, H], y: Out[f32, 4, H]):
    scale(x[:4], 2, y)


@mpmd.kernel
def last_row(x: In[f32, T, H], y: Out[f32, 1, H]):
    scale(x[T - 1 : T], 2, y)


@pytest.mark.parametrize(("kernel", "rows", "least"), [(first_rows, 4, 4), (last_row, 1, 1)])
def test_what_lies_beyond_the_extents_of_a_launch_is_refused(kernel, rows, least):
    program = trace(kernel.function, {"x": spec(4, 8), "y": spec(rows, 8)}, {"T": BOUND})
    plan = schedule(partition(program, this_cpu(1)), this_cpu(1))
    for extent in range(6):
        x, y = np.ones((extent, 8), np.float32), np.zeros((rows, 8), np.float32)
        for run in (lambda a: evaluate(program, a), lambda a: replay(plan, a, 0)):
            if extent >= least:
                run({"x": x, "y": y})
                assert (y == 2).all()
            else:
                with pytest.raises(BoundsError):
                    run({"x": x, "y": y})


def refusal(make: Callable[[], object], kind: type[Diagnostic]) -> str:
    with pytest.raises(kind) as raised:
        make()
    lines = str(raised.value).splitlines()
    return "\n".join(line for line in lines if line.startswith(("error", "  hint", "  related")))


def test_the_arrays_must_agree():
    program = traced(layers)
    given = arrays(5) | {"y": np.zeros((6, 8), np.float32)}
    found = refusal(lambda: evaluate(program, given), ArgumentError)
    assert found.startswith(
        "error[argument]: axis 0 of 'y' of kernel 'layers' is T, which is 5, but the argument has 6\n"
    )
    assert "'x' has T = 5" in found


def test_the_bound_holds():
    found = refusal(lambda: evaluate(traced(layers), arrays(25)), ArgumentError)
    assert found == (
        "error[argument]: 'T' of kernel 'layers' is 25 in 'x', but 24 at most\n"
        "  hint: give a larger bound where the kernel is made, or pass fewer elements at a time"
    )


def test_the_debugger_holds_the_bound_too():
    bounded = mpmd.kernel(dynamic={"T": 4})(layers.function)
    mpmd.debug(bounded)(*arrays(4).values())
    with pytest.raises(ArgumentError, match="'T' of kernel 'layers' is 5 in 'x', but 4 at most"):
        mpmd.debug(bounded)(*arrays(5).values())


# -- what a kernel may not ask --------------------------------------------------------------------


def trace_of(function: Any, dynamic: Mapping[str, int], **specs: Any) -> Callable[[], Program]:
    return lambda: trace(function, specs, dynamic)


@mpmd.kernel
def plain(x: In[f32, T, H], y: Out[f32, T, H]):
    scale(x, 1, y)


@mpmd.kernel
def weighted(x: In[f32, T, H], w: Const[f32, T, H], y: Out[f32, T, H]):
    scale(w, 1, y)


@mpmd.kernel
def product(x: In[f32, T, H], y: Out[f32, T, H], z: Out[f32, T * N], n: In[f32, N]):
    scale(x, 1, y)


@mpmd.kernel
def named(x: In[f32, T, H], T_: i32, y: Out[f32, T, H]):
    scale(x, T_, y)


@mpmd.kernel
def counted(x: In[f32, T, H], y: Out[f32, T, H]):
    for t in range(T):
        scale(x[t : t + 1], 1, y[t : t + 1])


@mpmd.kernel
def decided(x: In[f32, T, H], y: Out[f32, T, H]):
    if T > 4:
        scale(x, 1, y)


@mpmd.kernel
def left_out(x: In[f32, T, H], y: Out[f32, T, H]):
    scale(x[: T - 1], 1, y[: T - 1])


@mpmd.kernel
def unbounded(x: In[f32, T, H], y: Out[f32, T, H]):
    h = mpmd.empty((1000 // T, H), f32)
    scale(x, 1, y)
    scale(h, 1, h)


@mpmd.kernel
def offsets(x: In[f32, T, H], o: In[i32, T], y: InOut[f32, T, H]):
    for s in mpmd.segments(o[0:3], 4):
        scale(x[s], 1, y[s])


XY = {"x": spec(3, 8), "y": spec(3, 8)}


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (
            trace_of(plain.function, {"H": 8}, **XY),
            LanguageError,
            "'x' of kernel 'plain' has the dynamic dim 'H' on axis 1\n  hint: "
            "a dynamic dim stands on the first axis: the strides of axes before it would depend on it",
        ),
        (
            trace_of(plain.function, {"TT": 8}, **XY),
            ArgumentError,
            "kernel 'plain' has no dim 'TT' that could be dynamic\n  hint: did you mean 'T'?",
        ),
        (
            trace_of(plain.function, {"T": 0}, **XY),
            ArgumentError,
            "the bound of the dynamic dim 'T' is 0\n"
            "  hint: give the most elements that a launch may have: dynamic={'T': 4096}",
        ),
        (
            trace_of(weighted.function, {"T": 8}, w=spec(3, 8), **XY),
            LanguageError,
            "'w' of kernel 'weighted' is Const, and its extent is dynamic\n"
            "  hint: weights are bound once, for all launches: give them a fixed extent, or declare it In",
        ),
        (
            trace_of(product.function, {"T": 8, "N": 4}, z=spec(6), n=spec(2), **XY),
            LanguageError,
            "'z' of kernel 'product' has the first extent (N * T)\n"
            "  hint: with a dynamic dim an extent is a multiple of it, plus or minus a constant",
        ),
        (
            trace_of(counted.function, {"T": 8}, **XY),
            LanguageError,
            "'T' is not known while the kernel is traced\n"
            "  hint: pass it to a task and decide there: a task may branch on its scalars",
        ),
        (
            trace_of(decided.function, {"T": 8}, **XY),
            LanguageError,
            "'T' is not known while the kernel is traced\n"
            "  hint: pass it to a task and decide there: a task may branch on its scalars",
        ),
        (
            trace_of(left_out.function, {"T": 8}, **XY),
            DirectionError,
            "'y' is Out, but no call of 'left_out' writes y[7, 0:8]\n"
            "  hint: write all of it, or declare 'y' as InOut: what is not written then survives",
        ),
        (
            trace_of(unbounded.function, {"T": 8}, **XY),
            LanguageError,
            "'(1000 // T)' is not known while the kernel is traced\n"
            "  hint: the extent must have a bound: divide by constants only",
        ),
        (
            trace_of(offsets.function, {"T": 8}, o=TensorSpec(i32, (3,)), **XY),
            LanguageError,
            "the offsets of mpmd.segments must lie in a tensor whose extents every launch shares\n"
            "  hint: have a task copy it to a tensor of its own, made with constant extents",
        ),
    ],
)
def test_what_one_trace_cannot_serve_is_refused(make, kind, text):
    assert refusal(make, kind) == f"error[{kind.code}]: {text}"


def test_a_parameter_has_another_name_than_a_dynamic_dim():
    @mpmd.kernel
    def clash(x: In[f32, T, H], T: i32, y: Out[f32, 3, H]):
        scale(x[:3], T, y)

    found = refusal(trace_of(clash.function, {"T": 8}, T=None, **XY), LanguageError)
    assert found.endswith("'T' of kernel 'clash' has the name of the dynamic dim 'T'\n  hint: rename one")


def test_arrays_of_dynamic_extents_are_in_c_order():
    columns = np.zeros((5, 16), np.float32)[:, ::2]
    found = refusal(
        lambda: mpmd.compile(plain, columns, np.zeros((5, 8), np.float32), dynamic={"T": 8}), ArgumentError
    )
    assert found == (
        "error[argument]: 'x' of kernel 'plain' has a dynamic extent, but strides (16, 2)\n"
        "  hint: arrays of dynamic extents are in C order: pass numpy.ascontiguousarray of it"
    )


# -- random kernels -------------------------------------------------------------------------------

SLICES: list[Callable[[Any], Any]] = [
    lambda x: x,
    lambda x: x[: x.shape[0] // 2],
    lambda x: x[x.shape[0] // 2 :],
    lambda x: x[::2],
    lambda x: x[x.shape[0] // 3 : x.shape[0] - x.shape[0] // 3],
    lambda x: x[min_of(x) :],
]


def min_of(x: Any) -> Any:
    return x.shape[0] - x.shape[0] // 4


@settings(max_examples=40, deadline=None)
@given(
    bound=st.integers(1, 40),
    cuts=st.lists(st.integers(0, len(SLICES) - 1), min_size=1, max_size=3),
    size=st.integers(1, 9),
    even=st.booleans(),
    data=st.data(),
)
def test_random_views_of_a_dynamic_dim_stay_inside_and_mean_what_they_say(bound, cuts, size, even, data):
    @mpmd.kernel
    def kernel(x: In[f32, T, H], y: InOut[f32, T, H]):
        for cut in cuts:
            x, y = SLICES[cut](x), SLICES[cut](y)
        if even:
            for p in mpmd.split(x.shape[0], size):
                scale(x[p], 2, y[p])
        else:
            for p in mpmd.tiles(x.shape[0], size):
                scale(x[p], 2, y[p])

    program = trace(kernel.function, {"x": spec(1, 2), "y": spec(1, 2)}, {"T": bound})
    machine = this_cpu(2)
    plan = schedule(partition(program, machine), machine)
    for seed in range(3):
        extent = data.draw(st.integers(0, bound))
        rng = np.random.default_rng(extent)
        x, before = rng.random((2, extent, 2), np.float32)
        wanted, found, real = before.copy(), before.copy(), before.copy()
        evaluate(program, {"x": x, "y": wanted})
        replay(plan, {"x": x, "y": found}, seed)
        mpmd.debug(kernel)(x, real)
        np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(real, wanted)
