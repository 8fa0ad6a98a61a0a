"""The examples' kernels by name, with the shapes under which the tests compile them; no weights needed.

In:  a name. Out: its `KernelSource`, from the stages alone: nothing is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

import mpmd
from examples import cholesky, flash_attention, hello, jacobi, mlp, moe_layer, pipeline
from examples.smollm2 import kernels
from mpmd.codegen.cpu.emit import emit as emit_cpu
from mpmd.codegen.source import KernelSource
from mpmd.lang.kernel.trace import trace
from mpmd.lang.types import TensorSpec
from mpmd.machine import Machine
from mpmd.machine.presets import this_cpu
from mpmd.partition.build import partition
from mpmd.pipeline import arguments, specs_of
from mpmd.schedule.build import schedule
from mpmd.schedule.steps import Schedule

EXAMPLES = (
    "hello", "mlp", "cholesky", "flash_attention", "jacobi", "moe_layer", "pipeline",
    "smollm2 decode", "smollm2 generate", "smollm2 prefill",
)  # fmt: skip
VOCABULARY = 1000


def example_source(name: str, *, cores: int) -> KernelSource:
    kernel, specs = example(name)
    return emit(kernel, specs, cores=cores)


def example(name: str) -> tuple[mpmd.Kernel, Iterable[Any]]:
    """An example's kernel and its signature."""
    return _examples()[name]


def emit(kernel: mpmd.Kernel, specs: Iterable[Any], *, cores: int) -> KernelSource:
    """The stages up to code generation."""
    return emit_cpu(scheduled(kernel, specs, this_cpu(cores)))


def scheduled(kernel: mpmd.Kernel, specs: Iterable[Any], machine: Machine) -> Schedule:
    """The stages up to the schedule."""
    program = trace(kernel.function, specs_of(kernel, arguments(kernel, tuple(specs), {})))
    return schedule(partition(program, machine), machine)


def _examples() -> dict[str, tuple[mpmd.Kernel, Iterable[Any]]]:
    vector = mpmd.spec(mpmd.f32, (1000,))
    x, w, d = (mpmd.spec(mpmd.f32, shape) for shape in ((16, 1024), (2816, 1024), (1024, 2816)))
    heads = mpmd.spec(mpmd.f32, (2, 300, 64))
    grid = mpmd.spec(mpmd.f32, (34, 34))
    tokens, gate, up, down = (mpmd.spec(mpmd.f32, s) for s in ((40, 16), (4, 16), (4, 24, 16), (4, 16, 24)))
    product = [mpmd.spec(mpmd.f32, shape) for shape in ((70, 16), (48, 16))]
    return {
        "hello": (hello.hello, (vector, vector)),
        "mlp": (mlp.mlp, (x, w, w, d, x)),
        "cholesky": (cholesky.cholesky, (mpmd.spec(mpmd.f64, (700, 700)),)),
        "flash_attention": (flash_attention.attention, (*[heads] * 4, 0.125)),
        "jacobi": (jacobi.jacobi, (grid, grid, 10, 0.0)),
        "moe_layer": (moe_layer.moe, (tokens, gate, up, down, tokens)),
        "pipeline": (pipeline.weights, (*product, mpmd.spec(mpmd.f32, (70, 48)))),
        "smollm2 decode": (kernels.decode, decode_specs(2)),
        "smollm2 generate": (kernels.generate, generate_specs(2)),
        "smollm2 prefill": (kernels.prefill, prefill_specs(2)),
    }


def decode_specs(layers: int) -> tuple[Any, ...]:
    """The signature of the decode kernel with a small vocabulary."""
    token, logits = mpmd.spec(mpmd.i32, (1,)), mpmd.spec(mpmd.f32, (1, VOCABULARY))
    return *_model_specs(layers), token, logits, token, 0


def generate_specs(layers: int) -> tuple[Any, ...]:
    """The signature of the kernel that generates up to eight tokens a launch."""
    tokens, logits = mpmd.spec(mpmd.i32, (9,)), mpmd.spec(mpmd.f32, (8, VOCABULARY))
    return *_model_specs(layers), tokens, logits, mpmd.spec(mpmd.i32, (1,)), 8, 0, 0


def arrays_for(specs: Iterable[Any], make: Callable[[TensorSpec], np.ndarray]) -> tuple[Any, ...]:
    """What to call a kernel of these specs with; numbers stay."""

    def of(spec: Any) -> Any:
        if isinstance(spec, TensorSpec):
            return make(spec)
        if is_dataclass(spec) and not isinstance(spec, type):
            return replace(spec, **{f.name: of(getattr(spec, f.name)) for f in fields(spec)})
        return spec

    return tuple(of(spec) for spec in specs)


def prefill_specs(layers: int) -> tuple[Any, ...]:
    return *_model_specs(layers), mpmd.spec(mpmd.i32, (kernels.CHUNK,)), 1, 0


def _model_specs(layers: int) -> tuple[kernels.Weights, kernels.Cache]:
    shapes = {
        "table": (VOCABULARY, 576),
        "attention_norm": (layers, 576),
        "qkv": (layers, 960, 576),
        "out": (layers, 576, 576),
        "mlp_norm": (layers, 576),
        "gate": (layers, 1536, 576),
        "up": (layers, 1536, 576),
        "down": (layers, 576, 1536),
        "final_norm": (576,),
        "cos": (256, 32),
        "sin": (256, 32),
    }
    cache = mpmd.spec(mpmd.f32, (layers, kernels.KV, 256, kernels.HEAD))
    weights = {name: mpmd.spec(mpmd.f32, shape) for name, shape in shapes.items()}
    return kernels.Weights(**weights), kernels.Cache(cache, cache)
