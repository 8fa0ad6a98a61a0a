"""The law: whatever is fused, kept or reused, a task means what the evaluator says.

Each task here is a way in which fusing could go wrong. All are in one kernel, so that the compiler runs once.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import mpmd
from mpmd import Accum, In, InOut, Out, bf16, f16, f32, i32, i64
from mpmd.codegen.cpu.emit import emit
from mpmd.codegen.source import KernelSource
from mpmd.errors import BoundsError
from mpmd.lang.evaluate import evaluate
from mpmd.lang.kernel.trace import trace
from mpmd.lang.program import Program
from mpmd.lang.types import TensorSpec
from mpmd.machine.presets import this_cpu
from mpmd.partition.build import partition
from mpmd.partition.graph import TaskGraph
from mpmd.pipeline import specs_of
from mpmd.runtime.build import build
from mpmd.runtime.load import Executable
from mpmd.schedule.build import schedule

A, B, C, D, N, R, S = mpmd.dims("A B C D N R S")


@mpmd.task
def transpose_in_place(x: InOut[f32, A, A]):
    x[:] = x[:].T + 1.0


@mpmd.task
def shifted_in_place(x: InOut[f32, N]):
    x[1:] = x[: N - 1] + x[1:]


@mpmd.task
def rotate_in_place(x: InOut[f32, A, 16]):
    a = x[:, :8]
    b = x[:, 8:]
    x[:, :8] = a * 2.0 - b
    x[:, 8:] = a + b * 3.0


@mpmd.task
def swap_halves(x: InOut[f32, 10]):
    a = x[:5]
    x[:5] = x[5:]
    x[5:] = a


@mpmd.task
def old_value_after_store(x: InOut[f32, N], y: Out[f32, N]):
    old = x[:]
    x[:] = old * 2.0
    y[:] = old + x[:]


@mpmd.task
def carried_swap(x: In[f32, N], y: In[f32, N], z: Out[f32, N]):
    a = x[:]
    b = y[:]
    for _ in range(5):
        a, b = b, a + 1.0
    z[:] = a * 10.0 + b


@mpmd.task
def carried_reversed(x: In[f32, A, A], y: Out[f32, A, A]):
    a = x[:]
    for _ in range(3):
        a = a.T * 2.0
    y[:] = a


@mpmd.task
def carried_scalars(x: In[f32, N], total: Out[f32, 1], last: Out[i64, 1]):
    s = 0.0
    before = 0.0
    j = 0
    for i in range(N):
        s, before = s * 0.5 + x[i], s - before
        j = j + i
    total[0] = s * 2.0 + before
    last[0] = j


@mpmd.task
def nested_loops(x: In[f32, A, B], y: Out[f32, A]):
    for i in range(A):
        acc = 0.0
        for t in mpmd.tiles(B, 7):
            acc = acc + x[i, t].sum()
        y[i] = acc


@mpmd.task
def blocked_product(x: In[f32, A, C], w: In[f32, B, C], y: Out[f32, A, B]):
    acc = mpmd.zeros((A, B), f32)
    for t in mpmd.tiles(C, 9):
        acc = acc + x[:, t] @ w[:, t].T
    y[:] = acc


@mpmd.task
def products_of_everything(x: In[f32, A, C], w: In[f32, C, B], y: Out[f32, B, A], z: Out[f32, A, A]):
    y[:] = (x[:] @ w[:]).T
    z[:] = (x[:] * 2.0) @ x[:].T + mpmd.zeros((A, C), f32) @ x[:].T


@mpmd.task
def product_into_its_operand(x: InOut[f32, A, A], w: In[f32, A, A]):
    x[:] = x[:] @ w[:]


@mpmd.task
def mixed_product(x: In[bf16, A, C], w: In[f32, B, C], y: Out[f32, A, B]):
    y[:] = x[:] @ w[:].T


@mpmd.task
def branches(x: In[f32, N], flag: i32, y: Out[f32, N]):
    v = x[:]
    if flag > 0:
        v = v * 2.0
    else:
        v = v - mpmd.arange(N)
    if flag == 3:
        v = v + 100.0
    y[:] = v


@mpmd.task
def loads_and_branches(x: InOut[f32, N], flag: i32):
    old = x[:]
    if flag > 0:
        x[:] = old + 1.0
        x[1:] = old[: N - 1] * x[1:]
    else:
        x[0] = old[N - 1]
    for _ in range(2):
        if flag > 1:
            x[:] = x[:] + old


@mpmd.task
def gathers(
    table: In[f32, R, D],
    ids: In[i32, N],
    row: In[i64, N],
    line: In[f32, S],
    y: Out[f32, N, D],
    z: Out[f32, N],
):
    y[:] = table[ids[:]] * 2.0
    z[:] = line[row[:] % S] + line[row[:] % S][0]


@mpmd.task
def gather_from_its_target(x: InOut[f32, N], ids: In[i32, N]):
    x[:] = x[ids[:]] + 1.0


@mpmd.task
def reshaped(x: In[f32, A, B, 4], y: Out[f32, B, A * 4], z: Out[f32, A * B * 4]):
    v = x[:] + 1.0
    y[:] = v.reshape((B, A * 4))
    z[:] = v.reshape((A * B, 4)).reshape((A * B * 4,)) * x[:].reshape((A * B * 4,))


@mpmd.task
def softmaxed(x: In[f32, A, B], y: Out[f32, A, B], m: Out[f32, B]):
    v = x[:] * 0.5
    e = mpmd.exp(v - v.max(1)[:, None])
    y[:] = e / e.sum(1)[:, None]
    m[:] = v.max(0) + mpmd.minimum(v, 0.0).sum(0)


@mpmd.task
def short_floats(x: In[f16, N], y: In[bf16, N], z: Out[f16, N], w: Out[bf16, N]):
    v = x[:]
    z[:] = v * v + v / 3.0 - (v + 1.0) * 0.1
    w[:] = y[:] * y[:] + y[:].astype(f32).astype(bf16)


@mpmd.task
def strided(x: In[f32, A, B], y: InOut[f32, A, B]):
    y[:, 0:B:2] = x[:, 0:B:2].T.T + 1.0
    y[0, 1:B:2] = x[1, 1:B:2]


@mpmd.task
def added(x: In[f32, N], total: Accum[f32, N]):
    total[:] += x[:] * 2.0


@mpmd.task
def four_axes(x: In[f32, 2, 3, A, B], y: Out[f32, B, 2, A, 3], s: Out[f32, 2, 3, B]):
    y[:] = x[:].transpose((3, 0, 2, 1)) + 0.5
    s[:] = x[:].sum(2)


@mpmd.task
def runtime_slice(x: In[f32, N], pos: i32, y: InOut[f32, N]):
    y[: pos + 1] = x[: pos + 1] * 2.0
    y[pos] = x[: pos + 1].sum() + x[pos]


@mpmd.kernel
def everything(
    square: InOut[f32, 37, 37],
    line: InOut[f32, 53],
    pairs: InOut[f32, 21, 16],
    ten: InOut[f32, 10],
    kept: InOut[f32, 53],
    other: Out[f32, 53],
    swapped: Out[f32, 53],
    turned: Out[f32, 37, 37],
    total: Out[f32, 1],
    last: Out[i64, 1],
    sums: Out[f32, 37],
    product: Out[f32, 37, 19],
    wide: In[f32, 37, 41],
    weight: In[f32, 19, 41],
    weight_t: In[f32, 41, 19],
    out_t: Out[f32, 19, 37],
    gram: Out[f32, 37, 37],
    mixer: In[f32, 37, 37],
    operand: InOut[f32, 37, 37],
    short: In[bf16, 37, 41],
    mixed: Out[f32, 37, 19],
    branched: Out[f32, 53],
    table: In[f32, 11, 23],
    ids: In[i32, 53],
    rows: In[i64, 53],
    picked: Out[f32, 53, 23],
    found: Out[f32, 53],
    shuffled: InOut[f32, 53],
    cube: In[f32, 5, 6, 4],
    flat: Out[f32, 6, 20],
    flatter: Out[f32, 120],
    probabilities: Out[f32, 37, 41],
    column: Out[f32, 41],
    half: In[f16, 53],
    brain: In[bf16, 53],
    half_out: Out[f16, 53],
    brain_out: Out[bf16, 53],
    stripes: InOut[f32, 37, 41],
    sum_of: Accum[f32, 53],
    block: In[f32, 2, 3, 7, 18],
    permuted: Out[f32, 18, 2, 7, 3],
    reduced: Out[f32, 2, 3, 18],
    prefix: InOut[f32, 53],
    guarded: InOut[f32, 53],
    flag: i32,
    pos: i32,
):
    transpose_in_place(square)
    shifted_in_place(line)
    for t in mpmd.tiles(21, 8):
        rotate_in_place(pairs[t])
    swap_halves(ten)
    old_value_after_store(kept, other)
    for t in mpmd.tiles(53, 20):
        carried_swap(line[t], kept[t], swapped[t])
    carried_reversed(square, turned)
    carried_scalars(line, total, last)
    for t in mpmd.tiles(37, 10):
        nested_loops(wide[t], sums[t])
        blocked_product(wide[t], weight, product[t])
    products_of_everything(wide, weight_t, out_t, gram)
    product_into_its_operand(operand, mixer)
    for t in mpmd.tiles(37, 30):
        mixed_product(short[t], weight, mixed[t])
    branches(line, flag, branched)
    loads_and_branches(guarded, flag)
    for t in mpmd.tiles(53, 24):
        gathers(table, ids[t], rows[t], line, picked[t], found[t])
    gather_from_its_target(shuffled, ids)
    reshaped(cube, flat, flatter)
    for t in mpmd.tiles(37, 16):
        softmaxed(wide[t], probabilities[t], column)
    short_floats(half, brain, half_out, brain_out)
    strided(wide, stripes)
    for t in mpmd.tiles(53, 32):
        added(line[t], sum_of[t])
    four_axes(block, permuted, reduced)
    runtime_slice(line, pos, prefix)


def arguments(flag: int, pos: int) -> dict[str, Any]:
    random = np.random.default_rng(0)
    values: dict[str, Any] = {}
    for param in everything.params:
        annotation = param.annotation
        if not hasattr(annotation, "shape"):
            continue
        shape = tuple(extent.const for extent in annotation.shape)
        dtype = annotation.dtype
        if dtype.is_integer:
            values[param.name] = random.integers(0, 11, shape).astype(dtype.numpy)
        else:
            values[param.name] = random.integers(-4, 5, shape).astype(np.float32).astype(dtype.numpy)
    return {**values, "flag": flag, "pos": pos}


@dataclass(frozen=True)
class Stages:
    program: Program
    graph: TaskGraph
    source: KernelSource
    executable: Executable


@pytest.fixture(scope="module")
def compiled() -> Stages:
    """The kernel by its stages: a warning of the compiler is an error here."""
    program = trace(everything.function, specs_of(everything, arguments(1, 17)))
    machine = this_cpu(2)
    graph = partition(program, machine)
    source = emit(schedule(graph, machine))
    return Stages(program, graph, source, build(source, strict=True).load())


@pytest.mark.parametrize(("flag", "pos"), [(1, 17), (0, 0), (3, 52)])
def test_every_task_means_what_the_evaluator_says(compiled: Stages, flag: int, pos: int) -> None:
    expected, actual = arguments(flag, pos), arguments(flag, pos)
    evaluate(compiled.program, expected, tile_sizes=dict(compiled.graph.tiles))
    compiled.executable(*actual.values())
    for name, value in expected.items():
        if isinstance(value, np.ndarray):
            wide = value.astype(np.float64)
            np.testing.assert_allclose(
                actual[name].astype(np.float64), wide, rtol=2e-6, atol=1e-6, err_msg=name
            )


def test_an_index_out_of_range_ends_the_launch_with_its_line(compiled: Stages) -> None:
    values = arguments(1, 17)
    values["ids"][7] = 11
    with pytest.raises(BoundsError, match="an index into 'table', axis 0: 11 is outside 0:11") as raised:
        compiled.executable(*values.values())
    assert "table[ids[:]]" in str(raised.value)


def test_text_is_clean_under_the_other_compiler(compiled: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ziglang")
    monkeypatch.setenv("CXX", f"{sys.executable} -m ziglang c++")
    build(compiled.source, strict=True)


def test_text_does_not_grow_with_the_instances() -> None:
    def text(rows: int) -> str:
        @mpmd.kernel
        def tiled(x: In[f32, rows, 41], y: Out[f32, rows, 41], m: Out[f32, 41]):
            for t in mpmd.tiles(rows, 8):
                softmaxed(x[t], y[t], m)

        tensor, column = TensorSpec(f32, (rows, 41)), TensorSpec(f32, (41,))
        graph = partition(trace(tiled.function, {"x": tensor, "y": tensor, "m": column}), this_cpu(2))
        return emit(schedule(graph, this_cpu(2))).files[0][1]

    assert text(16) == text(160)
