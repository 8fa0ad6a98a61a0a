"""The examples' kernels by name, with the shapes under which the tests compile them; no weights needed.

In:  a name. Out: its `KernelSource`, from the stages alone: nothing is built.
"""

from __future__ import annotations

from collections.abc import Iterable

import mpmd
from examples import cholesky, flash_attention, hello, mlp
from examples.smollm2 import kernels
from mpmd.codegen.cpu.emit import emit as emit_cpu
from mpmd.codegen.source import KernelSource
from mpmd.lang.kernel.trace import trace
from mpmd.lang.types import TensorSpec
from mpmd.machine.presets import this_cpu
from mpmd.partition.build import partition
from mpmd.pipeline import arguments, specs_of
from mpmd.schedule.build import schedule

EXAMPLES = ("hello", "mlp", "cholesky", "flash_attention", "smollm2 decode", "smollm2 prefill")

Spec = TensorSpec | int | float


def example_source(name: str, *, cores: int) -> KernelSource:
    kernel, specs = _examples()[name]
    return emit(kernel, specs, cores=cores)


def emit(kernel: mpmd.Kernel, specs: Iterable[Spec], *, cores: int) -> KernelSource:
    """The stages up to code generation."""
    machine = this_cpu(cores)
    program = trace(kernel.function, specs_of(kernel, arguments(kernel, tuple(specs), {})))
    return emit_cpu(schedule(partition(program, machine), machine))


def _examples() -> dict[str, tuple[mpmd.Kernel, Iterable[Spec]]]:
    vector = mpmd.spec(mpmd.f32, (1000,))
    x, w, d = (mpmd.spec(mpmd.f32, shape) for shape in ((16, 1024), (2816, 1024), (1024, 2816)))
    heads = mpmd.spec(mpmd.f32, (2, 300, 64))
    return {
        "hello": (hello.hello, (vector, vector)),
        "mlp": (mlp.mlp, (x, w, w, d, x)),
        "cholesky": (cholesky.cholesky, (mpmd.spec(mpmd.f64, (700, 700)),)),
        "flash_attention": (flash_attention.attention, (*[heads] * 4, 0.125)),
        "smollm2 decode": (kernels.decode, decode_specs(2).values()),
        "smollm2 prefill": (kernels.prefill, prefill_specs(2).values()),
    }


def decode_specs(layers: int) -> dict[str, Spec]:
    """The signature of the decode kernel with a small vocabulary."""
    return {
        **_weight_specs(layers),
        "final_norm": mpmd.spec(mpmd.f32, (576,)),
        **_cache_specs(layers),
        "token": mpmd.spec(mpmd.i32, (1,)),
        "logits": mpmd.spec(mpmd.f32, (1, 1000)),
        "successor": mpmd.spec(mpmd.i32, (1,)),
        "pos": 0,
    }


def prefill_specs(layers: int) -> dict[str, Spec]:
    tokens = mpmd.spec(mpmd.i32, (kernels.CHUNK,))
    return {**_weight_specs(layers), **_cache_specs(layers), "tokens": tokens, "count": 1, "pos": 0}


def _weight_specs(layers: int) -> dict[str, TensorSpec]:
    shapes = {
        "table": (1000, 576),
        "attention_norm": (layers, 576),
        "qkv": (layers, 960, 576),
        "out": (layers, 576, 576),
        "mlp_norm": (layers, 576),
        "gate": (layers, 1536, 576),
        "up": (layers, 1536, 576),
        "down": (layers, 576, 1536),
        "cos": (256, 32),
        "sin": (256, 32),
    }
    return {name: mpmd.spec(mpmd.f32, shape) for name, shape in shapes.items()}


def _cache_specs(layers: int) -> dict[str, TensorSpec]:
    return {name: mpmd.spec(mpmd.f32, (layers, kernels.KV, 256, kernels.HEAD)) for name in ("keys", "values")}
