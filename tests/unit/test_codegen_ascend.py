"""Text for Ascend: what is refused, with the user's line; projects for a machine with an NPU; flat tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mpmd
from mpmd import In, InOut, Out, f16, f32, f64
from mpmd.codegen.ascend.project import project
from mpmd.commands.emit import emitted
from mpmd.errors import CapacityError, Diagnostic, UnsupportedOp
from mpmd.lang.kernel.trace import trace
from mpmd.lang.types import TensorSpec
from mpmd.targets.ascend import TARGET
from tests.ascend_kernels import hello

T, H, N, K = mpmd.dims("T H N K")


@mpmd.task
def sine(x: In[f32, T, H], y: Out[f32, T, H]):
    y[:] = mpmd.sin(x[:])


@mpmd.kernel
def sines(x: In[f32, T, H], y: Out[f32, T, H]):
    sine(x, y)


@mpmd.task
def wide(x: In[f32, T, H], y: Out[f32, H, H]):
    y[:] = x[:].T @ x[:]


@mpmd.kernel
def wides(x: In[f32, T, H], y: Out[f32, H, H]):
    wide(x, y)


@mpmd.task
def doubled(x: In[f64, T, H], y: Out[f64, T, H]):
    y[:] = x[:] * 2.0


@mpmd.kernel
def doubles(x: In[f64, T, H], y: Out[f64, T, H]):
    doubled(x, y)


@mpmd.task
def step(x: InOut[f32, T, H]):
    x[:] = x[:] * 2.0


@mpmd.kernel
def steps(x: InOut[f32, T, H]):
    for _ in mpmd.loop(3):
        step(x)


@mpmd.task
def scaled(x: In[f32, T, H], by: f32, y: Out[f32, T, H]):
    y[:] = x[:] * by


@mpmd.kernel
def scales(x: In[f32, T, H], by: f32, y: Out[f32, T, H]):
    scaled(x, by, y)


@mpmd.task
def flipped(x: In[f32, T, H], y: Out[f32, H, T]):
    y[:] = x[:].T


@mpmd.kernel
def flips(x: In[f32, T, H], y: Out[f32, H, T]):
    flipped(x, y)


def text_of(kernel: mpmd.Kernel, **specs: Any) -> Any:
    return emitted(trace(kernel.function, specs), TARGET, 6)


SINGLE = TensorSpec(f32, (16, 16))
DOUBLE = TensorSpec(f64, (16, 16))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: text_of(sines, x=SINGLE, y=SINGLE), "'sin' on vector cores"),
        (lambda: text_of(wides, x=SINGLE, y=SINGLE), "'@' of float"),
        (lambda: text_of(doubles, x=DOUBLE, y=DOUBLE), "tiles of f64 on vector cores"),
        (lambda: text_of(steps, x=SINGLE), "loops of a kernel"),
        (lambda: text_of(scales, x=SINGLE, by=None, y=SINGLE), "scalars of a launch ('by')"),
        (lambda: text_of(flips, x=SINGLE, y=SINGLE), "transposed tiles, other than operands of '@',"),
    ],
    ids=["function", "f32 product", "f64", "loop", "scalar", "transpose"],
)
def test_what_is_lacking_is_refused_with_the_line(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(UnsupportedOp) as refused:
        make()
    assert refused.value.message == f"target 'ascend' has no way to do {text} yet"
    assert refused.value.label == "needed here"
    assert refused.value.span.file == __file__
    assert refused.value.hints


def test_tiles_that_do_not_fit_are_refused() -> None:
    large = TensorSpec(f32, (512, 512))
    with pytest.raises(CapacityError) as refused:
        text_of(scales_by_two, x=large, y=large)
    assert "the unified buffer has 188160" in refused.value.message
    assert refused.value.hints == ("give it fewer rows: call it under mpmd.tiles(extent, size)",)


@mpmd.kernel
def scales_by_two(x: In[f32, T, H], y: Out[f32, T, H]):
    scaled(x, 2.0, y)


def test_running_where_there_is_no_npu_is_refused() -> None:
    x = np.zeros(100, np.float32)
    with pytest.raises(Diagnostic) as refused:
        mpmd.compile(hello, x, x.copy(), target="ascend")
    assert refused.value.message == "kernel 'hello' for Ascend does not run in this process"
    assert refused.value.hints[0] == "compile it with target='ascend-sim'"


def test_a_project_is_complete_and_says_what_was_checked(tmp_path: Path) -> None:
    vector = TensorSpec(f32, (100,))
    files = dict(project(text_of(hello, x=vector, y=vector)))
    headers = {f"mpmd/{name}.h" for name in ("core", "cube", "driver", "vector")}
    assert set(files) == headers | {"kernel.cpp", "main.cpp", "CMakeLists.txt", "README.md"}
    assert "**Checked on a simulator only.**" in files["README.md"]
    assert "mpmd_kernel<<<2, nullptr, stream>>>(launch);" in files["main.cpp"]
    assert '{"x", "f32", false}, {"y", "f32", true}' in files["main.cpp"]


def test_text_does_not_grow_with_instances() -> None:
    few, many = (text_of(hello, x=v, y=v) for v in (TensorSpec(f32, (960,)), TensorSpec(f32, (9600,))))
    assert few.files == many.files
    assert len(few.tables) < len(many.tables)


def test_machines_have_whole_groups() -> None:
    assert [kind.cores for kind in TARGET.machine(4).kinds] == [2, 4]
    assert [primitive.kind for primitive in TARGET.machine(None).primitives] == ["word"]


@mpmd.task
def linear(x: In[f16, T, K], w: In[f16, N, K], y: Out[f32, T, N]):
    y[:] = x[:] @ w[:].T


def test_rows_that_a_copy_cannot_skip_between_are_refused() -> None:
    x, w = TensorSpec(f16, (16, 70_000)), TensorSpec(f16, (16, 16))
    with pytest.raises(UnsupportedOp, match="more than 65535 elements apart"):
        text_of(far_rows, x=x, w=w, y=SINGLE)


@mpmd.kernel
def far_rows(x: In[f16, T, H], w: In[f16, N, K], y: Out[f32, T, N]):
    linear(x[:, :16], w, y)
