"""What is said where there is no card, no driver, no package; and of arguments and launches that fail."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import mpmd
from mpmd import In, Out, f32
from mpmd.codegen.cuda import emit as cuda_emit
from mpmd.codegen.cuda.device_tables import FAILURE, PROGRESS, device_tables
from mpmd.codegen.launch_values import Refusal
from mpmd.codegen.source import ArgumentInfo, KernelSource
from mpmd.errors import (
    ArgumentError,
    CoResidencyError,
    DeviceError,
    Diagnostic,
    ToolchainError,
    UnsupportedOp,
)
from mpmd.lang.types import Direction
from mpmd.runtime import pool
from mpmd.runtime.cuda import arguments, build, card, load, report
from mpmd.runtime.report import launch_refused
from tests.host.cuda_kernels import source

(N,) = mpmd.dims("N")


def text_of(raises: Callable[[], Any], error: type[Diagnostic]) -> str:
    with pytest.raises(error) as caught:
        raises()
    return str(caught.value)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.core", None)
    text = text_of(card.core, DeviceError)
    assert text.startswith("error[device]: target 'cuda' takes the package cuda-core")
    assert text.endswith("  hint: install it: pip install 'mpmd[cuda]'")


def devices(monkeypatch: pytest.MonkeyPatch, all_of_them: Callable[[], tuple[Any, ...]]) -> None:
    package = SimpleNamespace(Device=SimpleNamespace(get_all_devices=all_of_them))
    monkeypatch.setattr(card, "core", lambda: package)


def test_without_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> tuple[Any, ...]:
        raise RuntimeError("libcuda.so.1 is not there")

    devices(monkeypatch, missing)
    assert text_of(card.device.__wrapped__, DeviceError) == (
        "error[device]: target 'cuda' takes NVIDIA's driver, and there is none on this machine\n"
        "  note: libcuda.so.1 is not there\n"
        "  hint: run it where there is a card\n"
        "  hint: compile without one: mpmd.targets.cuda.TARGET.build(source)"
    )


def no_device() -> tuple[Any, ...]:
    raise RuntimeError("CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected")


@pytest.mark.parametrize("found", [no_device, lambda: ()], ids=["the driver says so", "none is visible"])
def test_without_a_card(found: Callable[[], tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    devices(monkeypatch, found)
    assert text_of(card.device.__wrapped__, DeviceError) == (
        "error[device]: NVIDIA's driver is here, but no card\n"
        "  hint: is CUDA_VISIBLE_DEVICES empty?\n"
        "  hint: run it where there is a card"
    )


def test_a_kernel_for_another_target_is_not_built() -> None:
    other = replace(source("hello", cores=2), target="cpu")
    text = text_of(lambda: build.build(other), UnsupportedOp)
    assert "a kernel for cpu does not run on a CUDA card" in text


def test_text_that_does_not_compile_is_told_with_the_compiler_s_words() -> None:
    text = text_of(lambda: build.compile_text("broken", "nonsense;", "sm_90a"), ToolchainError)
    assert text.startswith("error[toolchain]: NVRTC failed to compile kernel 'broken' for sm_90a")
    assert "nonsense" in text


def test_cores_that_cannot_all_be_there_are_refused() -> None:
    given = source("hello", cores=4)
    load.check_co_residency(given, "a card", 4, 1)
    assert text_of(lambda: load.check_co_residency(given, "a card", 2, 1), CoResidencyError) == (
        f"error[co-residency]: kernel 'hello' has {given.launch.cores} cores, "
        "and 2 are the most that a card holds at once\n"
        "  note: 2 multiprocessors with 1 blocks each\n"
        "  hint: compile it with cores=2"
    )


def test_arrays_of_the_host_are_refused() -> None:
    x = source("hello", cores=2).launch.arguments[0]
    text = text_of(
        lambda: arguments.adapt("hello", x, np.zeros(1000, np.float32), device=0, stream=1), ArgumentError
    )
    assert "'x' of kernel 'hello' takes f32[1000], not f32[1000] in the host's memory" in text
    assert "hint: move it to the card first: torch.from_numpy(x).cuda()" in text


class OnCard:
    """Memory of a card, as exporters of the array interface tell it; nobody looks at its elements."""

    def __init__(self, shape: tuple[int, ...], typestr: str = "<f4", *, address: int = 4096) -> None:
        self.__cuda_array_interface__ = {
            "shape": shape,
            "typestr": typestr,
            "data": (address, False),
            "version": 3,
        }


def parameter(dtype: mpmd.DType = f32) -> ArgumentInfo:
    return replace(source("hello", cores=2).launch.arguments[0], dtype=dtype, direction=Direction.OUT)


def test_arrays_of_a_card_are_taken_where_they_lie() -> None:
    array = arguments.adapt("hello", parameter(), OnCard((1000,)), device=0, stream=1)
    assert arguments.address(array) == 4096
    short = arguments.adapt("hello", parameter(mpmd.bf16), OnCard((1000,), "<V2"), device=0, stream=1)
    assert short.dtype == mpmd.bf16.numpy


def test_extents_of_a_card_s_arrays_are_checked() -> None:
    wrong = text_of(
        lambda: arguments.adapt("hello", parameter(), OnCard((7,)), device=0, stream=1), ArgumentError
    )
    assert "'x' of kernel 'hello' takes f32[1000], not f32[7]" in wrong


class Elsewhere:
    """A DLPack exporter of memory on card 3."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 3

    def __dlpack__(self, **_: Any) -> object:
        raise AssertionError("nobody asks for it")


def test_arrays_of_another_card_are_refused() -> None:
    text = text_of(
        lambda: arguments.adapt("hello", parameter(), Elsewhere(), device=0, stream=1), ArgumentError
    )
    assert "not a Elsewhere on card 3" in text
    assert "hint: the kernel is on card 0" in text


# -- launches that end early ----------------------------------------------------------------------------


def ended(given: KernelSource, failure: dict[str, int], progress: list[dict[str, int]]) -> str:
    left, cores = np.zeros(1, FAILURE), np.zeros(len(progress), PROGRESS)
    for name, value in failure.items():
        left[name] = value
    for core, values in zip(cores, progress, strict=True):
        for name, value in values.items():
            core[name] = value
    return str(report.ended(given, left, cores, {}))


def test_a_hang_is_told_with_core_step_event_task_and_line() -> None:
    given = source("cholesky", cores=4)
    steps = device_tables(given.tables).sections.steps
    wait = int(np.flatnonzero(steps[:, 0] == 2)[0])
    waiting = {"place": wait, "have": 0, "need": 1, "iteration": 0}
    text = ended(given, {"status": pool.HANG}, [waiting, {"place": report.DONE}])
    note = given.launch.steps[wait]
    assert text.startswith(
        "error[launch]: the launch of kernel 'cholesky' hangs: no core can go on; finished: 1"
    )
    assert f"core 0, step {wait}: event {steps[wait, 1]} has 0 of 1: {note.text}" in text
    assert f"{note.span.file}:{note.span.line}" in text


def test_a_hang_at_a_ring_names_it() -> None:
    given = source("pipeline", cores=2)
    sends = {"place": report.IN_RING, "step": 0, "have": 0, "need": 1}
    receives = {"place": report.IN_RING - 1, "step": 1, "have": 0, "need": 1}
    text = ended(given, {"status": pool.HANG}, [sends, receives])
    assert "core 0, step 0: ring 0 is full, with 1 tokens: run " in text
    assert "core 1, step 1: ring 0 is empty: run " in text


def test_an_index_out_of_range_is_told_with_the_user_s_line() -> None:
    given = source("smollm2 decode", cores=2)
    failure = {"status": pool.FAILED_CHECK, "core": 1, "check": 0, "value": 70, "extent": 1, "limit": 64}
    text = ended(given, failure, [{}, {}])
    assert f"{given.launch.checks[0].text}: 70 is outside 0:64" in text
    assert "at run time, on core 1 of kernel 'decode'" in text


def test_scalars_that_a_guard_refuses_are_named() -> None:
    given = source("smollm2 decode", cores=2)
    text = str(launch_refused(given, Refusal(guard=0), {"pos": 999}))
    assert f"kernel 'decode' refuses pos = 999: {given.launch.guards[0].text}" in text


# -- what the target lacks -------------------------------------------------------------------------------


@mpmd.task
def wave(x: In[f32, N], y: Out[f32, N]):
    y[:] = mpmd.erf(x[:])


@mpmd.kernel
def waves(x: In[f32, 8], y: Out[f32, 8]):
    wave(x, y)


def test_an_op_that_the_target_lacks_is_told_with_the_user_s_line(monkeypatch: pytest.MonkeyPatch) -> None:
    functions = {op: name for op, name in cuda_emit.DIALECT.functions.items() if op != "erf"}
    monkeypatch.setattr(cuda_emit, "DIALECT", replace(cuda_emit.DIALECT, functions=functions))
    spec = mpmd.spec(f32, (8,))
    text = text_of(lambda: mpmd.compile(waves, spec, spec, target="cuda"), UnsupportedOp)
    assert text.startswith("error[unsupported]: the CUDA back end has no 'erf'")
    assert "y[:] = mpmd.erf(x[:])" in text
