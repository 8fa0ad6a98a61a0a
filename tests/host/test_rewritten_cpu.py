"""The law: whatever is chosen, a compiled kernel gives what the evaluator makes of the kernel as written.

Random chains of calls under rewrites that are right; sums of small integers are exact in any order. Sizes of
tile loops are fixed: tasks may look at their own extents, so both sides must cut the same tiles.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings

import mpmd
from mpmd import Const, In, Out, f32
from mpmd.lang.evaluate import evaluate
from mpmd.partition.rewrite.named import candidates
from mpmd.partition.rewrite.places import with_sizes
from mpmd.partition.tile import fixed_sizes
from mpmd.search import Choice, everywhere
from tests.generate import Generated
from tests.generation.chains import chained

T, H, N, K = mpmd.dims("T H N K")
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
"""Each step of shrinking would call the compiler: `tests/unit/test_rewrite_random.py` shrinks for nothing."""


@settings(max_examples=6, deadline=None, phases=UNSHRUNK, suppress_health_check=list(HealthCheck))
@given(case=chained())
def test_a_rewritten_kernel_computes_what_was_written(case: Generated) -> None:
    note(case.source)
    kernel = case.define()
    written = mpmd.compile(kernel, *case.arrays.values(), cores=1, choice=None)
    names: list[str] = []
    sizes = dict.fromkeys(dict(written.graph.tiles), 4)
    program = replace(written.program, body=with_sizes(written.program.body, sizes))
    for members in candidates(program, (2,)):
        program, made = everywhere(program, members)
        names += made
    note(", ".join(names))
    expected = case.copies()
    evaluate(written.program, expected, tile_sizes=4)
    opened = {name: 4 for name, size in fixed_sizes(written.program, {}).items() if size is None}
    choice = Choice(tuple(names), tuple(opened.items()))
    for cores in (1, 2, 4):
        compiled = mpmd.compile(kernel, *case.arrays.values(), choice=choice, cores=cores)
        actual = case.copies()
        for _ in range(2):
            compiled(*actual.values())
        for name, array in actual.items():
            np.testing.assert_array_equal(array, expected[name], err_msg=f"{name} on {cores} threads")


@mpmd.task
def doubled(x: In[f32, T, N], y: Out[f32, T, N]):
    y[:] = x[:] * 2.0


@mpmd.task
def lowered(x: In[f32, T, N], y: Out[f32, T, N]):
    y[:] = x[:] - 1.0


@mpmd.kernel
def chain(x: In[f32, T, N], y: Out[f32, T, N]):
    h = mpmd.empty((T, N), f32)
    for t in mpmd.tiles(N):
        doubled(x[:, t], h[:, t])
    for u in mpmd.tiles(N):
        lowered(h[:, u], y[:, u])


@mpmd.task
def linear(x: In[f32, T, K], w: Const[f32, N, K], y: Out[f32, T, N]):
    y[:] = x[:] @ w[:].T


@mpmd.kernel
def long_sum(x: In[f32, T, K], w: Const[f32, N, K], y: Out[f32, T, N]):
    linear(x, w, y)


def test_the_choice_is_kept_and_shown() -> None:
    x, y = np.ones((8, 4096), np.float32), np.empty((8, 4096), np.float32)
    compiled = mpmd.compile(chain, x, y, cores=2)
    assert compiled.choice == Choice(("fuse h",), cores=2)
    assert [task.name for task in compiled.program.tasks] == ["doubled", "lowered"]
    assert [function.name for function in compiled.graph.functions] == ["doubled_lowered"]
    compiled(x, y)
    np.testing.assert_array_equal(y, x * 2 - 1)


def test_none_takes_the_kernel_as_it_is_written() -> None:
    spec = mpmd.spec(f32, (8, 4096))
    compiled = mpmd.compile(chain, spec, spec, choice=None)
    assert compiled.choice == Choice()
    assert {function.name for function in compiled.graph.functions} == {"doubled", "lowered"}


def test_without_fusion_nothing_is_rewritten() -> None:
    spec = mpmd.spec(f32, (8, 4096))
    assert mpmd.compile(chain, spec, spec, fusion="none").choice.rewrites == ()


@pytest.mark.parametrize("cores", [1, 2])
def test_a_split_sum_has_the_same_bits_on_every_run_and_any_cores(cores: int) -> None:
    random = np.random.default_rng(0)
    x, w = (random.standard_normal((n, 6000)).astype(np.float32) for n in (3, 5))
    runs = []
    for number in (cores, 4):
        compiled = mpmd.compile(
            long_sum, x, w, np.empty((3, 5), np.float32), choice=Choice(("split y into 3",), cores=number)
        )
        for _ in range(3):
            y = np.empty((3, 5), np.float32)
            compiled(x, w, y)
            runs.append(y)
    assert all(np.array_equal(run, runs[0]) for run in runs)
    np.testing.assert_allclose(runs[0], x @ w.T, rtol=1e-4, atol=1e-3)
