"""Kernels without fusion: what is launched one call after the other gives what is launched at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, note, seed, settings

import mpmd
from mpmd import Const, In, InOut, Out, f32, i32
from mpmd.errors import BoundsError, LaunchError, MalformedTableError
from mpmd.lang.evaluate import evaluate
from mpmd.lang.kernel.signature import flattened
from mpmd.pipeline import arguments
from mpmd.runtime.standalone import build_standalone, run_standalone
from tests.generate import Generated, kernels
from tests.generation.scope import ALL
from tests.host.assembly import BARRIER, SIGNAL, WAIT, kernel, load, tables
from tests.host.example_kernels import EXAMPLES, arrays_for, example
from tests.host.sanitizers import skip_without
from tests.host.test_sanitized_kernels import ENVIRONMENT, QUICK

T, N = mpmd.dims("T N")
LAUNCHES = 3
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
ENDS_LAUNCH = 1


@mpmd.task
def scale(a: In[f32, T, N], y: Out[f32, T, N]):
    y[:] = a[:] * 2


@mpmd.task
def plus(a: In[f32, T, N], bias: Const[f32, N], y: Out[f32, T, N]):
    y[:] = a[:] + bias[:]


@mpmd.task
def step(left: InOut[i32, 1], done: Out[i32, 1], y: InOut[f32, T, N]):
    y[:] = y[:] + 1
    left[:] = left[:] - 1
    done[0] = (left[0] <= 0).astype(i32)


@mpmd.task
def put(a: In[f32, 1, N], y: Out[f32, 1, N]):
    y[:] = a[:] + 1


# -- results ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_random_kernels_give_what_the_evaluator_gives(cores: int) -> None:
    @settings(max_examples=5, deadline=None, phases=UNSHRUNK, suppress_health_check=list(HealthCheck))
    @given(case=kernels(ALL, statements=4))
    def check(case: Generated) -> None:
        note(case.source)
        kernel = case.define()
        given_args = case.arguments(kernel, case.arrays)
        compiled = mpmd.compile(kernel, *given_args, cores=cores, fusion="none")
        expected, actual = case.copies(), case.copies()
        for launch in range(LAUNCHES):
            evaluate(compiled.program, {**expected, **case.scalars}, tile_sizes=dict(compiled.graph.tiles))
            compiled(*case.arguments(kernel, actual))
            for name, array in actual.items():
                np.testing.assert_array_equal(array, expected[name], err_msg=f"{name}, launch {launch}")

    check()


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_give_bit_by_bit_what_they_give_fused(name: str) -> None:
    """The tasks and their tiles are the same, and so is the library that is compiled for them."""
    kernel, specs = example(name)
    fused = mpmd.compile(kernel, *specs, cores=2, choice=None)
    apart = mpmd.compile(kernel, *specs, cores=2, fusion="none")
    assert fused.source.files == apart.source.files
    results = []
    for compiled in (fused, apart):
        random = np.random.default_rng(0)
        values = arrays_for(specs, lambda s, r=random: (r.standard_normal(s.shape) / 8).astype(s.dtype.numpy))
        for _ in range(LAUNCHES):
            compiled(*values)
        results.append(flattened(name, kernel.params, arguments(kernel, values, {})).values)
    for leaf, expected in results[0].items():
        np.testing.assert_array_equal(results[1][leaf], expected, err_msg=leaf)


def test_loops_are_the_hosts() -> None:
    """Counts of a launch, none at all, and a flag that ends the loop after an iteration."""

    @mpmd.kernel
    def counted(y: InOut[f32, 8, 4], rows: Out[f32, 8, 4], n: i32):
        h = mpmd.empty((8, 4), f32)
        for t in mpmd.tiles(8, 4):
            scale(y[t], rows[t])
        for i in mpmd.loop(n):
            for t in mpmd.tiles(8, 4):
                scale(y[t], h[t])
            put(h[i : i + 1], rows[i : i + 1])
            scale(h, y)

    @mpmd.kernel
    def ended(y: InOut[f32, 8, 4], left: InOut[i32, 1]):
        done = mpmd.empty((1,), i32)
        for _ in mpmd.loop(100, until=done[0]):
            step(left, done, y)

    def reference(count: int) -> tuple[np.ndarray, np.ndarray]:
        y = np.ones((8, 4), np.float32)
        rows = y * 2
        for i in range(count):
            rows[i] = 2 * y[i] + 1
            y *= 4
        return y, rows

    compiled = mpmd.compile(counted, mpmd.spec(f32, (8, 4)), mpmd.spec(f32, (8, 4)), mpmd.spec(i32),
                            cores=2, fusion="none")  # fmt: skip
    for count in (0, 3, 1, 8, 0, 2):
        y, rows = np.ones((8, 4), np.float32), np.zeros((8, 4), np.float32)
        compiled(y, rows, count)
        for found, expected in zip((y, rows), reference(count), strict=True):
            np.testing.assert_array_equal(found, expected)
    until = mpmd.compile(ended, mpmd.spec(f32, (8, 4)), mpmd.spec(i32, (1,)), cores=2, fusion="none")
    for count in (4, 1, 100, 7):
        y, left = np.zeros((8, 4), np.float32), np.array([count], np.int32)
        until(y, left)
        assert (y == count).all() and left[0] == 0


def test_dims_of_a_launch_bound_arrays_and_files(tmp_path: Path) -> None:
    @mpmd.kernel(dynamic={"T": 64})
    def twice(x: In[f32, T, N], bias: Const[f32, N], y: Out[f32, T, N]):
        h = mpmd.empty((T, N), f32)
        for t in mpmd.tiles(T, 8):
            scale(x[t], h[t])
            plus(h[t], bias, y[t])

    bias = np.arange(4, dtype=np.float32)
    y = np.zeros((5, 4), np.float32)
    compiled = mpmd.compile(twice, y, bias, y, cores=2, fusion="none")
    compiled.save(tmp_path / "twice.mpmd")
    loaded = mpmd.load(tmp_path / "twice.mpmd")
    for run in (compiled.bind(bias=bias), loaded.bind(bias=bias)):
        for rows in (0, 5, 64, 17):
            x = np.arange(rows * 4, dtype=np.float32).reshape(rows, 4)
            y = np.zeros_like(x)
            run(x, y)
            np.testing.assert_array_equal(y, 2 * x + bias)


@pytest.mark.parametrize(("sanitize", "examples"), [("thread", 2), ("address", 2)])
def test_sanitizers_have_nothing_to_report(
    tmp_path_factory: pytest.TempPathFactory, sanitize: str, examples: int
) -> None:
    skip_without(sanitize)

    @seed(7)
    @settings(max_examples=examples, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(case=kernels(ALL, cores=3, statements=3))
    def check(case: Generated) -> None:
        kernel = case.define()
        compiled = mpmd.compile(kernel, *case.arguments(kernel, case.arrays), cores=3, fusion="none")
        expected = case.copies()
        for _ in range(LAUNCHES):
            evaluate(compiled.program, {**expected, **case.scalars}, tile_sizes=dict(compiled.graph.tiles))
        folder = tmp_path_factory.mktemp("program")
        program = build_standalone(compiled.source, folder, sanitize=sanitize, extra=QUICK)
        values = {**case.arrays, **case.scalars}
        ended = run_standalone(program, compiled.source, values, launches=LAUNCHES, environment=ENVIRONMENT)
        assert ended.status == 0, ended.stderr
        for name, array in ended.arrays.items():
            np.testing.assert_array_equal(array, expected[name], err_msg=name)

    check()


# -- what ends early ----------------------------------------------------------------------------------------


def test_a_launch_that_fails_is_the_last_one_and_the_next_call_begins_anew() -> None:
    @mpmd.kernel
    def gathers(x: In[f32, 8, 4], at: In[i32, 2], y: Out[f32, 2, 4], z: Out[f32, 2, 4], n: i32):
        for _ in mpmd.loop(n):
            gather(x, at, y)
            scale(y, z)

    @mpmd.task
    def gather(x: In[f32, T, N], at: In[i32, 2], y: Out[f32, 2, N]):
        y[:] = x[at[:]]

    x, y, z = (np.ones((rows, 4), np.float32) for rows in (8, 2, 2))
    compiled = mpmd.compile(gathers, x, np.zeros(2, np.int32), y, z, 3, cores=2, fusion="none")
    for _ in range(2):
        z[:] = 7
        with pytest.raises(BoundsError):
            compiled(x, np.array([1, 8], np.int32), y, z, 3)
        assert (z == 7).all()
        compiled(x, np.array([1, 7], np.int32), y, z, 3)
        assert (z == 2).all()


def test_conditions_of_a_launch_are_looked_at_before_the_first_one() -> None:
    @mpmd.kernel
    def reaches(x: In[f32, 8, 4], y: Out[f32, 8, 4], z: Out[f32, 2, 4], pos: i32):
        scale(x, y)
        scale(x[pos : pos + 2], z)

    x, y, z = (np.ones((rows, 4), np.float32) for rows in (8, 8, 2))
    compiled = mpmd.compile(reaches, x, y, z, 3, cores=2, fusion="none")
    with pytest.raises(BoundsError):
        compiled(x, y, z, 7)
    assert (y == 1).all()


@pytest.mark.usefixtures("short_patience")
def test_a_hang_in_a_later_launch_names_who_was_launched() -> None:
    """Core 0 has nothing to do in that launch, and is done; the other two wait for each other."""
    apart = (BARRIER, 0, ENDS_LAUNCH)
    plan = [
        [apart],
        [apart, (WAIT, 0, 1), (SIGNAL, 1, 1)],
        [apart, (WAIT, 1, 1), (SIGNAL, 0, 1)],
    ]
    table = tables(plan, [], params=[], bases=[], events=2)
    run = load(kernel("", ["nullptr"], table, [], cores=3, steps=7))
    for _ in range(2):
        with pytest.raises(LaunchError) as caught:
            run()
        assert "hangs: no core can go on; finished: 0" in str(caught.value)
        assert "core 1, step 2: event 0 has 0 of 1" in str(caught.value)
        assert "core 2, step 5: event 1 has 0 of 1" in str(caught.value)


@pytest.mark.parametrize(
    ("marks", "reason"),
    [
        ((ENDS_LAUNCH, 0), "cores do not end launches together"),
        ((2, 2), "a BARRIER step neither ends a launch nor goes on with it"),
    ],
)
def test_tables_in_which_cores_end_launches_apart_are_not_opened(marks: tuple[int, int], reason: str) -> None:
    plan = [[(BARRIER, 0, mark)] for mark in marks]
    with pytest.raises(MalformedTableError, match=reason):
        load(kernel("", ["nullptr"], tables(plan, [], params=[], bases=[]), [], cores=2))
