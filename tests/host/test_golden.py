"""The text of two small kernels for each target in C++, to the letter. `--update-golden` writes it anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import mpmd
from mpmd import In, Out, f32
from mpmd.codegen.cpu.emit import emit as emit_cpu
from mpmd.codegen.cuda.emit import emit as emit_cuda
from mpmd.codegen.source import KernelSource
from mpmd.lang.kernel.trace import trace
from mpmd.lang.types import TensorSpec
from mpmd.machine.presets import this_cpu
from mpmd.partition.build import partition
from mpmd.schedule.build import schedule
from mpmd.schedule.steps import Schedule

GOLDEN = Path(__file__).parent.parent / "golden"
T, H, N, K = mpmd.dims("T H N K")


@mpmd.task
def norm(x: In[f32, T, H], w: In[f32, H], y: Out[f32, T, H]):
    v = x[:]
    y[:] = v * mpmd.rsqrt((v * v).mean(1) + 1e-5)[:, None] * w[:]


@mpmd.task
def linear(x: In[f32, T, K], w: In[f32, N, K], y: Out[f32, T, N]):
    acc = mpmd.zeros((T, N), f32)
    for t in mpmd.tiles(K, 128):
        acc = acc + x[:, t] @ w[:, t].T
    y[:] = mpmd.maximum(acc, 0.0)


@mpmd.kernel
def normed(x: In[f32, 20, 192], w: In[f32, 192], y: Out[f32, 20, 192]):
    for t in mpmd.tiles(20, 8):
        norm(x[t], w, y[t])


@mpmd.kernel
def projected(x: In[f32, 8, 192], w: In[f32, 64, 192], y: Out[f32, 8, 64]):
    for t in mpmd.tiles(64, 32):
        linear(x, w[t], y[:, t])


@pytest.mark.parametrize("kernel", [normed, projected], ids=["normed", "projected"])
@pytest.mark.parametrize("emit", [emit_cpu, emit_cuda], ids=["cpu", "cuda"])
def test_text(kernel: mpmd.Kernel, emit: Callable[[Schedule], KernelSource], update_golden: bool) -> None:
    specs = {p.name: TensorSpec(f32, tuple(n.const for n in p.annotation.shape)) for p in kernel.params}
    machine = this_cpu(2)
    source = emit(schedule(partition(trace(kernel.function, specs), machine), machine))
    name, text = source.files[0]
    text = text.replace(f'"{__file__}"', '"kernels.py"').replace(f"{__file__}:", "kernels.py:")
    path = GOLDEN / name
    if update_golden:
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"run pytest --update-golden if {name} is to change"
