"""The text of two small kernels for Ascend, to the letter, and that compilers have nothing to say of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import mpmd
from mpmd import In, Out, f16, f32
from mpmd.codegen.source import KernelSource
from mpmd.commands.emit import emitted
from mpmd.lang.kernel.trace import trace
from mpmd.lang.types import TensorSpec
from mpmd.runtime.ascend_sim.compile import compile_text
from mpmd.targets.ascend import TARGET

GOLDEN = Path(__file__).parent.parent / "golden"
T, H, N, K = mpmd.dims("T H N K")


@mpmd.task
def norm(x: In[f32, T, H], w: In[f32, H], y: Out[f32, T, H]):
    v = x[:]
    y[:] = v * mpmd.rsqrt((v * v).mean(1) + 1e-5)[:, None] * w[:]


@mpmd.task
def linear(x: In[f16, T, K], w: In[f16, N, K], y: Out[f16, T, N]):
    y[:] = mpmd.maximum(x[:] @ w[:].T, 0.0)


@mpmd.kernel
def normed(x: In[f32, 20, 192], w: In[f32, 192], y: Out[f32, 20, 192]):
    for t in mpmd.tiles(20, 8):
        norm(x[t], w, y[t])


@mpmd.kernel
def projected(x: In[f16, 8, 192], w: In[f16, 64, 192], y: Out[f16, 8, 64]):
    for t in mpmd.tiles(64, 32):
        linear(x, w[t], y[:, t])


def source_of(kernel: mpmd.Kernel) -> KernelSource:
    specs = {
        p.name: TensorSpec(p.annotation.dtype, tuple(n.const for n in p.annotation.shape))
        for p in kernel.params
    }
    return emitted(trace(kernel.function, specs), TARGET, 6)


@pytest.mark.parametrize("kernel", [normed, projected], ids=["normed", "projected"])
def test_text(kernel: mpmd.Kernel, update_golden: bool) -> None:
    text = dict(source_of(kernel).files)["kernel.cpp"]
    text = text.replace(f'"{__file__}"', '"kernels.py"').replace(f"{__file__}:", "kernels.py:")
    path = GOLDEN / f"{kernel.__name__}.ascend.cpp"
    if update_golden:
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"run pytest --update-golden if {path.name} is to change"


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_compilers_have_nothing_to_say(compiler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler}")
    monkeypatch.setenv("CXX", compiler)
    assert compile_text(source_of(projected).files, main="kernel.cpp", strict=True).entry.cubes == 1
