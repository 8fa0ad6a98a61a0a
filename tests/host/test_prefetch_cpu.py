"""Prefetches on the CPU: the same results, whatever the regions that are asked for look like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import mpmd
from mpmd import In, Out, f32
from mpmd.codegen.cpu.emit import emit
from mpmd.lang.kernel.trace import trace
from mpmd.machine.presets import this_cpu
from mpmd.partition.build import partition
from mpmd.pipeline import arguments, specs_of
from mpmd.runtime.build import build
from mpmd.schedule.build import schedule
from mpmd.schedule.steps import StepOp

N, M = mpmd.dims("N M")


@mpmd.task
def scaled(x: In[f32, M], w: In[f32, M, N], y: Out[f32, M]):
    y[:] = x[:] + w[:].sum(1)


@mpmd.kernel
def rows(x: In[f32, M], w: In[f32, M, N], y: Out[f32, M]):
    """Whole matrices, and rows of one."""
    h = mpmd.empty((48,), f32)
    scaled(x, w, h, core=0)
    scaled(h, w, y, core=1)


@mpmd.kernel
def columns(x: In[f32, M], w: In[f32, M, N], y: Out[f32, M]):
    """Rows far apart."""
    h = mpmd.empty((48,), f32)
    scaled(x, w[:, 8:40], h, core=0)
    scaled(h, w[:, 8:40], y, core=1)


@mpmd.kernel
def transposed(x: In[f32, M], w: In[f32, N, M], y: Out[f32, M]):
    """The innermost axis is the first one."""
    h = mpmd.empty((48,), f32)
    scaled(x, w.T, h, core=0)
    scaled(h, w.T, y, core=1)


@pytest.mark.parametrize("share", [1e-4, 0.5])
@pytest.mark.parametrize("kernel", [rows, columns, transposed], ids=lambda kernel: kernel.__name__)
def test_prefetches_change_no_result(kernel: mpmd.Kernel, share: float) -> None:
    shape = (64, 48) if kernel is transposed else (48, 64)
    w = np.arange(48 * 64, dtype=np.float32).reshape(shape) % 7
    x, y = np.ones(48, np.float32), np.zeros(48, np.float32)
    machine = replace(this_cpu(2), prefetch_share=share, shared_cache_bytes=0)
    program = trace(kernel.function, specs_of(kernel, arguments(kernel, (x, w, y), {})))
    planned = schedule(partition(program, machine), machine)
    assert (planned.op == StepOp.PREFETCH).any()
    build(emit(planned)).load()(x, w, y)
    part = {"columns": w[:, 8:40], "transposed": w.T}.get(kernel.__name__, w)
    np.testing.assert_array_equal(y, x + 2 * part.sum(1))
