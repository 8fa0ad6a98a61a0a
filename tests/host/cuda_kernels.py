"""Kernels for the tests of the CUDA target: the examples, an MLP of any dtype, all ops; and the compilers.

In:  the examples' kernels (`example_kernels.py`), the cases of ops (`test_ops_cpu.py`).
Out: sources for CUDA, the same on every machine; machine code of NVRTC, of nvcc.
"""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import mpmd
from mpmd import In, Out
from mpmd.codegen.cuda.emit import emit
from mpmd.codegen.source import KernelSource
from mpmd.lang.kernel.trace import trace
from mpmd.lang.program import Program
from mpmd.lang.types import DType, TensorSpec, accumulator, bf16, f16
from mpmd.machine.presets.nvidia import H100
from mpmd.partition.build import partition
from mpmd.pipeline import arguments, specs_of
from mpmd.schedule.build import schedule
from mpmd.schedule.unfused import unfused
from tests.host.example_kernels import example
from tests.host.op_tasks import Case, OpProgram
from tests.host.test_ops_cpu import cast_cases, dot_cases, elementwise_cases, reduction_cases

PROGRAMS = (
    "hello", "mlp", "mlp f16", "mlp bf16", "cholesky", "flash_attention", "jacobi", "moe_layer", "pipeline",
    "smollm2 decode",
)  # fmt: skip
T, H, F = mpmd.dims("T H F")


def short_mlp(dtype: DType) -> mpmd.Kernel:
    """Two products of 16-bit floats with a nonlinearity between them."""

    @mpmd.task
    def product(x: In[dtype, T, H], w: In[dtype, F, H], y: Out[dtype, T, F]):  # type: ignore[valid-type]
        y[:] = mpmd.silu(x[:] @ w[:].T)

    @mpmd.kernel
    def layers(
        x: In[dtype, 40, 96],  # type: ignore[valid-type]
        up: In[dtype, 200, 96],  # type: ignore[valid-type]
        down: In[dtype, 96, 200],  # type: ignore[valid-type]
        y: Out[dtype, 40, 96],  # type: ignore[valid-type]
    ):
        h = mpmd.empty((40, 200), dtype)
        for f in mpmd.tiles(200, 48):
            product(x, up[f], h[:, f])
        for n in mpmd.tiles(96, 40):
            product(h, down[n], y[:, n])

    return layers


@functools.cache
def program(name: str) -> Program:
    if name.startswith("mlp "):
        dtype = {"f16": f16, "bf16": bf16}[name.removeprefix("mlp ")]
        assert accumulator(dtype) == mpmd.f32
        shapes = ((40, 96), (200, 96), (96, 200), (40, 96))
        kernel, specs = short_mlp(dtype), tuple(TensorSpec(dtype, shape) for shape in shapes)
    else:
        kernel, specs = example(name)
    return trace(kernel.function, specs_of(kernel, arguments(kernel, tuple(specs), {})))


def source(name: str, *, cores: int = 132) -> KernelSource:
    machine = H100.with_cores(cores)
    return emit(schedule(partition(program(name), machine), machine))


def unfused_source(name: str) -> KernelSource:
    return emit(unfused(partition(program(name), H100), H100))


def all_op_cases() -> list[Case]:
    """Every op of the table on every dtype that it takes."""
    return [*elementwise_cases(), *cast_cases(), *reduction_cases(), *dot_cases()]


@functools.cache
def all_ops() -> KernelSource:
    machine = H100.with_cores(1)
    return emit(schedule(partition(OpProgram().program(all_op_cases()), machine), machine))


def nvcc(source: KernelSource, architecture: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The text as nvcc compiles it to PTX, with the folder of the headers, warnings as errors.

    Unoptimised: what is asked is whether it is accepted. (NVRTC's cubins are optimised.)
    """
    from cuda.pathfinder import find_nvidia_binary_utility

    for name, text in source.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    command = [find_nvidia_binary_utility("nvcc"), "-std=c++17", f"-arch={architecture}", "-ptx"]
    command += [
        "-Xcicc",
        "-O0",
        "-Werror",
        "all-warnings",
        "-I",
        str(folder),
        "-o",
        str(folder / "kernel.ptx"),
    ]
    command += [str(folder / source.files[0][0])]
    return subprocess.run(command, capture_output=True, text=True, check=False)
