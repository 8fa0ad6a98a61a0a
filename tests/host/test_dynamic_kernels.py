"""The law: one compiled kernel serves every extent of its dynamic dims, and no call ever runs a wrong kernel.

A kernel is compiled again when a fixed extent or a value that its Python read has changed, and not otherwise.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mpmd
from mpmd import In, InOut, Out, bf16, f32, i32
from mpmd.codegen.cpu.emit import emit
from mpmd.codegen.source import KernelSource
from mpmd.errors import AliasError, ArgumentError, BoundsError
from mpmd.lang.evaluate import evaluate
from mpmd.lang.kernel.trace import trace
from mpmd.lang.program import Program
from mpmd.lang.types import TensorSpec
from mpmd.machine.presets import this_cpu
from mpmd.partition.build import partition
from mpmd.runtime.build import build
from mpmd.runtime.standalone import build_standalone, run_standalone
from mpmd.schedule.build import schedule
from tests.host.sanitizers import skip_without
from tests.unit.test_dynamic_dims import (
    EXTENTS,
    KERNELS,
    after,
    arrays,
    by_rows,
    check_same,
    repeated,
    traced,
)

T, H, N = mpmd.dims("T H N")
BOUND = 40


@mpmd.task
def scale(x: In[f32, T, H], a: i32, y: Out[f32, T, H]):
    y[:] = x[:] * a


@mpmd.task
def add(x: In[f32, T, H], a: i32, y: InOut[f32, T, H]):
    y[:] += x[:] * a


@mpmd.task
def copy(x: In[mpmd.bf16, T, H], y: Out[mpmd.bf16, T, H]):
    y[:] = x[:]


@dataclass
class Settings:
    turned: bool = False
    rounds: int = 1


SETTINGS = Settings()
FACTOR = 2


def rounds(number: int = 1) -> int:
    return number * SETTINGS.rounds


@mpmd.kernel(dynamic={"T": BOUND})
def mixed(x: In[f32, T, H], a: i32, y: Out[f32, T, H]):
    doubled = mpmd.empty((2 * T, H), f32)
    scale(x, FACTOR, doubled[:T])
    scale(x, a, doubled[T:])
    half = T // 2
    if SETTINGS.turned:
        scale(doubled[T : T + half], T, y[T - half :])
        scale(doubled[half:T], 3, y[: T - half])
    else:
        scale(doubled[1 : 2 * T : 2], T, y)
    for _ in range(rounds()):
        add(doubled[:T], 1, y)


@pytest.fixture
def compiles(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How often kernels were compiled."""
    count = [0]
    original = mpmd.pipeline.compile_specs

    def counted(*args, **kwargs):
        count[0] += 1
        return original(*args, **kwargs)

    monkeypatch.setattr(mpmd.pipeline, "compile_specs", counted)
    yield count
    globals()["SETTINGS"], globals()["FACTOR"] = Settings(), 2
    rounds.__defaults__ = (1,)


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(-4, 5, shape).astype(np.float32)


def expected(x: np.ndarray, a: int) -> np.ndarray:
    """What the kernel means now, by the evaluator."""
    spec = TensorSpec(f32, x.shape)
    program = trace(mixed.function, {"x": spec, "a": None, "y": spec})
    y = np.empty_like(x)
    evaluate(program, {"x": x, "a": a, "y": y})
    return y


def check_call(kernel: mpmd.Kernel | mpmd.CompiledKernel, extent: int, width: int, a: int) -> None:
    x = numbers(extent, width)
    y = np.full_like(x, np.nan)
    kernel(x, a, y)
    np.testing.assert_array_equal(y, expected(x, a))


def test_a_new_extent_compiles_nothing(compiles):
    for extent in (1, 7, 2, BOUND, 3):
        check_call(mixed, extent, 4, 5)
    x = np.zeros((0, 4), np.float32)
    mixed(x, 1, x.copy())
    mixed(y=np.zeros((6, 4), np.float32), a=1, x=np.zeros((6, 4), np.float32))
    assert compiles == [1]


@dataclass(frozen=True)
class Step:
    """A call, and what has changed before it."""

    extent: int
    width: int
    a: int
    factor: int
    turned: bool
    rounds: int
    default: int


STEPS = st.builds(
    Step,
    extent=st.integers(1, BOUND),
    width=st.sampled_from([4, 8]),
    a=st.integers(-3, 3),
    factor=st.sampled_from([2, 3]),
    turned=st.booleans(),
    rounds=st.sampled_from([0, 1]),
    default=st.sampled_from([1, 2]),
)


def set_up(step: Step) -> None:
    globals()["FACTOR"] = step.factor
    SETTINGS.turned, SETTINGS.rounds = step.turned, step.rounds
    rounds.__defaults__ = (step.default,)


STATIC = mpmd.kernel(mixed.function)


def test_no_call_runs_a_kernel_of_other_extents_or_other_globals(compiles):
    seen: set[tuple[object, ...]] = set()

    @settings(max_examples=15, deadline=None)
    @given(st.lists(STEPS, min_size=1, max_size=8))
    def calls(steps: list[Step]) -> None:
        for step in steps:
            set_up(step)
            check_call(mixed, step.extent, step.width, step.a)
            if step.width == 4 and step.extent <= 3 and step.factor == 2:
                check_call(STATIC, step.extent, step.width, step.a)
                seen.add((step.extent, step.turned, step.rounds, step.default))
            seen.add((step.width, step.factor, step.turned, step.rounds, step.default, "dynamic"))

    calls()
    assert compiles[0] <= len(seen)


# -- pieces of a dynamic dim ----------------------------------------------------------------------


def executable(kernel: mpmd.Kernel, cores: int) -> tuple[Program, KernelSource]:
    program, machine = traced(kernel), this_cpu(cores)
    return program, emit(schedule(partition(program, machine), machine))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("cores", [1, 2])
def test_every_extent_gives_what_the_evaluator_gives(kernel, cores):
    program, source = executable(kernel, cores)
    run = build(source).load()
    for extent in (*EXTENTS, *reversed(EXTENTS)):
        wanted = after(lambda values: evaluate(program, values), extent)
        check_same(after(lambda values: run(*values.values()), extent), wanted)


@pytest.mark.parametrize("kernel", [repeated, by_rows])
def test_no_byte_beyond_the_arrays_of_a_launch_is_touched(kernel, tmp_path: Path):
    skip_without("address")
    program, source = executable(kernel, 2)
    built = build_standalone(source, tmp_path, sanitize="address")
    for extent in (0, 3, 24):
        wanted = after(lambda values: evaluate(program, values), extent)
        ended = run_standalone(built, source, arrays(extent) | {"T": extent})
        assert (ended.status, ended.stderr) == (0, "")
        check_same(ended.arrays, wanted)


# -- what does not fit ----------------------------------------------------------------------------


@mpmd.kernel
def rows(x: In[f32, T, H], ends: In[f32, 2 * T + 1, H], y: InOut[f32, N, H]):
    scale(x, 2, y[:T])
    add(ends[: N - T], 1, y[T:])


def made(extent: int, ends: int, total: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return numbers(extent, 4), numbers(ends, 4), numbers(total, 4)


@pytest.fixture(scope="module")
def compiled() -> mpmd.CompiledKernel:
    return mpmd.compile(rows, *made(2, 5, 3), dynamic={"T": 10, "N": 20})


@pytest.mark.parametrize(("extent", "total"), [(1, 2), (2, 7), (10, 20), (10, 10), (0, 1), (0, 0)])
def test_extents_may_be_multiples_of_dims_and_there_may_be_several(compiled, extent, total):
    x, ends, y = made(extent, 2 * extent + 1, total)
    wanted = y.copy()
    wanted[:extent] = 2 * x
    wanted[extent:] += ends[: total - extent]
    compiled(x, ends, y)
    np.testing.assert_array_equal(y, wanted)


@pytest.mark.parametrize(
    ("sizes", "kind", "text"),
    [
        ((11, 23, 12), ArgumentError, "'T' of kernel 'rows' is 11 in 'x', but 10 at most"),
        ((2, 5, 21), ArgumentError, "'N' of kernel 'rows' is 21 in 'y', but 20 at most"),
        (
            (2, 6, 3),
            ArgumentError,
            "axis 0 of 'ends' of kernel 'rows' is 2*T + 1, which is 5, but the argument has 6",
        ),
        (
            (2, 7, 3),
            ArgumentError,
            "axis 0 of 'ends' of kernel 'rows' is 2*T + 1, which is 5, but the argument has 7",
        ),
        ((4, 9, 3), BoundsError, "region 0:T of axis 0 of 'y' stays within N"),
        ((2, 5, 8), BoundsError, "region 0:N - T of axis 0 of 'ends' stays within 2*T + 1"),
    ],
)
def test_extents_that_do_not_fit_are_named(compiled, sizes, kind, text):
    x, ends, y = made(*sizes)
    before = y.copy()
    with pytest.raises(kind) as raised:
        compiled(x, ends, y)
    assert text in str(raised.value)
    np.testing.assert_array_equal(y, before)


def test_other_arrays_are_explained_with_the_dim(compiled):
    x, ends, y = made(2, 5, 3)
    with pytest.raises(ArgumentError) as raised:
        compiled(x.astype(np.float64), ends, y)
    assert "'x' of kernel 'rows' takes f32[T, 4], not f64[2, 4]" in str(raised.value)
    with pytest.raises(ArgumentError) as raised:
        compiled(numbers(2, 8)[:, ::2], ends, y)
    assert "f32[T, 4] with strides (4, 1)" in str(raised.value)
    with pytest.raises(ArgumentError) as raised:
        compiled(x, ends)
    assert "rows(x: In[f32, T, 4], ends: In[f32, 2*T + 1, 4], y: InOut[f32, N, 4])" in str(raised.value)


def test_overlap_is_that_of_the_bytes_that_a_launch_has(compiled):
    memory = numbers(20, 4)
    compiled(memory[:3], numbers(7, 4), memory[3:10])
    compiled(memory[5:5], numbers(1, 4), memory[5:6])  # an empty array lies nowhere
    with pytest.raises(AliasError):
        compiled(memory[:4], numbers(9, 4), memory[3:10])


def test_dtypes_that_export_no_buffer_have_dynamic_extents_too():
    @mpmd.kernel(dynamic={"T": 9})
    def copied(x: In[bf16, T, H], y: Out[bf16, T, H]):
        copy(x, y)

    for extent in (3, 9, 1):
        x = numbers(extent, 4).astype(bf16.numpy)  # pyright: ignore
        y = np.zeros_like(x)
        copied(x, y)
        np.testing.assert_array_equal(y, x)


# -- saved kernels --------------------------------------------------------------------------------

PROGRAM = """
#include <stdio.h>
#include "mpmd.h"

int main(int count, char **words) {
  float x[3][4] = {{1, 2, 3, 4}}, ends[7][4] = {{0}}, y[8][4] = {{0}};
  void *arguments[] = {x, ends, y};
  mpmd_scalar scalars[2];
  mpmd_saved *kernel = mpmd_saved_open(words[1]);
  scalars[0].integer = 8;
  scalars[1].integer = 3;
  if (!kernel || mpmd_saved_argument_bytes(kernel, 0) != 160) return 2;
  if (mpmd_saved_launch(kernel, arguments, 3, scalars, 2)) return puts(mpmd_error_text()), 3;
  scalars[1].integer = 11;
  if (!mpmd_saved_launch(kernel, arguments, 3, scalars, 2)) return 4;
  printf("%g %g\\n%s\\n", y[0][3], y[1][0], mpmd_error_text());
  mpmd_saved_close(kernel);
  return count - 2;
}
"""


def test_saved_kernels_take_any_extent_and_say_so(compiled, tmp_path: Path):
    compiled.save(tmp_path / "rows.mpmd")
    loaded = mpmd.load(tmp_path / "rows.mpmd")
    x, ends, y = made(4, 9, 4)
    loaded(x, ends, y)
    np.testing.assert_array_equal(y, 2 * x)
    folder = loaded.unpack(tmp_path / "rows")
    launch = json.loads((folder / "manifest.json").read_text())["launch"]
    assert [argument["first"] for argument in launch["arguments"]] == [["T", 1, 0], ["T", 2, 1], ["N", 1, 0]]
    assert [(scalar[0], scalar[3]) for scalar in launch["scalars"]] == [("N", 20), ("T", 10)]


def test_a_c_program_passes_the_dims_as_scalars(compiled, tmp_path: Path):
    if shutil.which("gcc") is None:
        pytest.skip("there is no gcc")
    compiled.save(tmp_path / "rows.mpmd")
    folder = mpmd.load(tmp_path / "rows.mpmd").unpack(tmp_path / "rows")
    source, program = tmp_path / "main.c", tmp_path / "main"
    source.write_text(PROGRAM)
    command = ["gcc", source, f"-I{folder}", f"-L{folder}", "-lmpmd", f"-Wl,-rpath,{folder}", "-o", program]
    subprocess.run(command, check=True, timeout=300)
    ended = subprocess.run([program, folder], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stdout
    first, second = ended.stdout.splitlines()
    assert first == "8 0"
    assert "11" in second or "guard" in second
