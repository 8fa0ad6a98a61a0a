"""The law: NVRTC and nvcc compile every text for CUDA, for both architectures, without a card.

nvcc takes its warnings for errors, and compiles all ops of the op table in one kernel; NVRTC makes cubins of
whole programs.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings

from mpmd.codegen.cuda.emit import emit, joined
from mpmd.codegen.source import KernelSource
from mpmd.lang.kernel.trace import trace
from mpmd.machine.presets.nvidia import H100
from mpmd.partition.build import partition
from mpmd.pipeline import arguments, specs_of
from mpmd.runtime.cuda.build import build
from mpmd.schedule.build import schedule
from tests.generate import Generated, kernels
from tests.generation.scope import ALL, Feature
from tests.host.cuda_kernels import PROGRAMS, all_ops, nvcc, source, unfused_source


def nvrtc(source: KernelSource, architecture: str) -> bytes:
    artifact = build(source, architecture=architecture)
    assert artifact.architecture == architecture
    return artifact.cubin


@pytest.mark.parametrize("name", PROGRAMS)
def test_nvrtc_compiles_the_programs(name: str) -> None:
    assert nvrtc(source(name), "sm_90a").startswith(b"\x7fELF")


@pytest.mark.parametrize("name", ["hello", "mlp f16", "jacobi"])
def test_nvrtc_compiles_for_the_older_architecture(name: str) -> None:
    assert nvrtc(source(name), "sm_80") != nvrtc(source(name), "sm_90a")


def test_unfused_kernels_have_the_text_of_the_fused_ones() -> None:
    """What is launched apart is in the tables alone."""
    assert unfused_source("hello").files == source("hello").files


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90a"])
@pytest.mark.parametrize("name", ["mlp bf16", "pipeline"])
def test_nvcc_compiles_without_a_warning(name: str, architecture: str, tmp_path: Path) -> None:
    done = nvcc(source(name), architecture, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90a"])
def test_nvcc_compiles_all_ops_without_a_warning(architecture: str, tmp_path: Path) -> None:
    done = nvcc(all_ops(), architecture, tmp_path)
    assert done.returncode == 0, done.stderr


def test_joined_text_includes_nothing() -> None:
    """NVRTC is given one text: no folder of headers, none of CUDA's, none of C++'s."""
    text = joined(all_ops())
    assert "#include" not in text
    assert text.count("namespace device {") == 1


@settings(max_examples=3, deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
@given(case=kernels(ALL - {Feature.PLACEMENT}, statements=4))
def test_nvrtc_compiles_generated_kernels(case: Generated) -> None:
    note(case.source)
    kernel = case.define()
    given = case.arguments(kernel, case.arrays)
    program = trace(kernel.function, specs_of(kernel, arguments(kernel, given, {})))
    assert nvrtc(emit(schedule(partition(program, H100), H100)), "sm_90a")
