"""Text for Ascend: what is refused, with the user's line; projects for a machine with an NPU; flat tables."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mpmd
from mpmd import In, Out, Recv, Send, f16, f32, f64, i32
from mpmd.codegen.ascend.project import data, project
from mpmd.codegen.ascend.words import most_iterations, words
from mpmd.codegen.launch_values import launch_values
from mpmd.codegen.sections import sections
from mpmd.commands.emit import emitted
from mpmd.errors import CapacityError, Diagnostic, UnsupportedOp
from mpmd.lang.kernel.trace import trace
from mpmd.lang.types import TensorSpec
from mpmd.runtime import toolchain
from mpmd.targets.ascend import TARGET
from tests.ascend_kernels import hello
from tests.ascend_structures import CASES as STRUCTURES

T, H, N, K = mpmd.dims("T H N K")


@mpmd.task
def doubled(x: In[f64, T, H], y: Out[f64, T, H]):
    y[:] = x[:] * 2.0


@mpmd.kernel
def doubles(x: In[f64, T, H], y: Out[f64, T, H]):
    doubled(x, y)


@mpmd.task
def chosen(x: In[f16, T, H], w: In[f16, H, N], last: i32, y: Out[f32, T, N]):
    if last > 2:
        y[:] = x[:] @ w[:]
    else:
        y[:] = (x[:] @ w[:]) * 2.0


@mpmd.kernel
def choices(x: In[f16, T, H], w: In[f16, H, N], last: i32, y: Out[f32, T, N]):
    chosen(x, w, last, y)


@mpmd.task
def halved(x: In[f16, T, H], w: In[f16, H, N], out: Send[f32, T, N]):
    mpmd.send(out, (x[:] @ w[:]) * 0.5)


@mpmd.task
def taken(out: Recv[f32, T, N], y: Out[f32, T, N]):
    y[:] = mpmd.recv(out, (T, N))


@mpmd.kernel
def halves(x: In[f16, T, H], w: In[f16, H, N], y: Out[f32, T, N]):
    channel = mpmd.channel(f32, (16, 16), depth=1)
    halved(x, w, channel)
    taken(channel, y)


@mpmd.task
def multiplied(x: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N]):
    y[:] = x[:] @ w[:].T


@mpmd.kernel
def columns(x: In[f32, K, T], w: In[f32, N, K], y: Out[f32, T, N]):
    for t in mpmd.tiles(T, 5):
        multiplied(x.T[t], w, y[t])


@mpmd.task
def scaled(x: In[f32, T, H], by: f32, y: Out[f32, T, H]):
    y[:] = x[:] * by


def text_of(kernel: mpmd.Kernel, **specs: Any) -> Any:
    return emitted(trace(kernel.function, specs), TARGET, 6)


SINGLE = TensorSpec(f32, (16, 16))
HALF = TensorSpec(f16, (16, 16))
DOUBLE = TensorSpec(f64, (16, 16))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: text_of(doubles, x=DOUBLE, y=DOUBLE),
            "target 'ascend' has no way to do tiles of f64 on vector cores yet",
        ),
        (
            lambda: text_of(choices, x=HALF, w=HALF, last=None, y=SINGLE),
            "a branch cannot be written out for cores of one engine",
        ),
        (
            lambda: text_of(halves, x=HALF, w=HALF, y=SINGLE),
            "a task with products and other work cannot be cut for cores of one engine",
        ),
        (
            lambda: text_of(columns, x=SINGLE, w=SINGLE, y=SINGLE),  # the last tile of 16 has one row
            "target 'ascend' has no way to do '@' of a single row that lies as a column yet",
        ),
    ],
    ids=["f64", "branch", "send", "column"],
)
def test_what_is_lacking_is_refused_with_the_line(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(UnsupportedOp) as refused:
        make()
    assert refused.value.message == text
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
    headers = {name for name in files if name.startswith("mpmd/")}
    assert {"mpmd/driver.h", "mpmd/table.h", "mpmd/late.h", "mpmd/channel.h"} <= headers
    others = {"kernel.cpp", "main.cpp", "launch_values.h", "CMakeLists.txt", "README.md"}
    assert set(files) == headers | others
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


PRINTED = """
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <cstring>
#include "launch_values.h"

static mpmd_host::Words words(const char* name) {
  std::ifstream stream(name, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  mpmd_host::Words found(bytes.size() / 8);
  std::memcpy(found.data(), bytes.data(), bytes.size());
  return found;
}

int main(int count, char** texts) {
  mpmd_host::Words scalars;
  for (int i = 1; i < count; ++i) scalars.push_back(std::atoll(texts[i]));
  std::string error;
  const mpmd_host::LaunchValues values(words("tables.bin"), words("patches.bin"));
  for (const auto word : values.words(scalars, error))
    std::printf("%lld\\n", static_cast<long long>(word));
  std::printf("%s\\n", error.c_str());
}
"""


LARGE, SMALL = TensorSpec(f32, (6, 30, 40)), TensorSpec(f32, (30, 40))
THREE = int(np.float64(3).view(np.int64))


@pytest.mark.parametrize(
    ("name", "specs", "allowed", "refused"),
    [
        ("sweeps", {"x": LARGE, "y": SMALL, "z": SMALL, "count": None}, [[0], [4], [-2]], None),
        (
            "scalars",
            {"x": SMALL, "by": None, "first": None, "y": SMALL},
            [[THREE, 0], [THREE, 22]],
            [THREE, 23],
        ),
    ],
)
def test_the_launcher_decides_what_the_simulator_decides(
    name: str, specs: dict[str, Any], allowed: list[list[int]], refused: list[int] | None, tmp_path: Path
) -> None:
    """Both from the same tables: guards, rows, how often loops run."""
    source = text_of(STRUCTURES[name].kernel, **specs)
    scalars = dict.fromkeys((s.name for s in source.launch.scalars), 1)
    files = {**dict(project(source)), "printed.cpp": PRINTED}
    contents = {name: text.encode() for name, text in files.items()} | dict(data(source, scalars))
    for file, content in contents.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(content)
    compiler = [*toolchain.find().command, "-std=c++17", "printed.cpp", "-o", "printed"]
    subprocess.run(compiler, cwd=tmp_path, check=True)

    def printed(values: list[int]) -> list[str]:
        command = ["./printed", *map(str, values)]
        return subprocess.run(
            command, cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout.split()

    t = sections(source.tables)
    for values in allowed:
        wanted = words(t, launch_values(t, most_iterations(t), values), source.launch.cores)
        assert printed(values) == list(map(str, wanted.tolist()))
    if refused is not None:
        assert printed(refused) == ["guard", "0", "does", "not", "hold"]
