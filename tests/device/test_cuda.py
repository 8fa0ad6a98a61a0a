"""The laws on a card: the programs give what the evaluator gives; what hangs is reported; no access is wild.

Skipped where there is no card, with what is missing.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings

from mpmd.codegen.cuda.emit import emit
from mpmd.codegen.sections import sections
from mpmd.codegen.source import KernelSource
from mpmd.errors import NO_SPAN, BoundsError, DeviceError, LaunchError
from mpmd.lang.evaluate import evaluate
from mpmd.lang.kernel.trace import trace
from mpmd.lang.program import Program
from mpmd.machine import Machine
from mpmd.machine.presets.nvidia import H100
from mpmd.partition.build import partition
from mpmd.pipeline import arguments, specs_of
from mpmd.runtime.cuda import card
from mpmd.runtime.cuda.build import build
from mpmd.schedule.build import schedule
from mpmd.schedule.steps import StepOp
from mpmd.schedule.unfused import unfused
from tests.generate import Generated, kernels
from tests.generation.scope import ALL
from tests.host.cuda_kernels import PROGRAMS, all_op_cases, program
from tests.host.op_tasks import OpProgram
from tests.host.test_ops_cpu import test_exact_ops_equal_their_definition as assert_exact
from tests.host.test_ops_cpu import test_functions_are_within_4_ulp as assert_close

CORES = 8
SCALARS = {"scale": 0.125, "sweeps": 10, "tolerance": 0.0, "pos": 3, "count": 4}


def missing() -> str | None:
    """Why nothing can run here."""
    try:
        card.device()
    except DeviceError as error:
        return error.message
    return None


WHY = missing()
pytestmark = pytest.mark.skipif(WHY is not None, reason=WHY or "")


class Copy:
    """An array of the host on the card, for the tests: the array interface over a buffer."""

    def __init__(self, array: np.ndarray) -> None:
        from cuda.bindings import driver

        self.host, self.driver = np.ascontiguousarray(array), driver
        device = card.device()
        self.buffer = device.allocate(max(array.nbytes, 1), stream=device.default_stream)
        self._checked(driver.cuMemcpyHtoD(int(self.buffer.handle), self.host.ctypes.data, array.nbytes))
        typestr = f"|V{array.itemsize}" if array.dtype.kind == "V" else array.dtype.str
        self.__cuda_array_interface__ = {
            "shape": array.shape,
            "typestr": "|V2" if array.dtype.name == "bfloat16" else typestr,
            "data": (int(self.buffer.handle), False),
            "version": 3,
        }

    def back(self) -> np.ndarray:
        result = np.empty_like(self.host)
        self._checked(self.driver.cuMemcpyDtoH(result.ctypes.data, int(self.buffer.handle), self.host.nbytes))
        return result

    def _checked(self, result: tuple[Any, ...]) -> None:
        assert int(result[0]) == 0, result[0]


def run(
    source: KernelSource, arrays: dict[str, np.ndarray], scalars: dict[str, Any], launches: int = 2
) -> None:
    """Launches on the card; the results are put into `arrays`."""
    executable = build(source).load()
    copies = {a.name: Copy(arrays[a.name]) for a in source.launch.arguments}
    for _ in range(launches):
        executable(*((copies | scalars)[name] for name in source.launch.order))
    for name, copy in copies.items():
        arrays[name][...] = copy.back()


def data(traced: Program) -> dict[str, np.ndarray]:
    """Random values of moderate size; indices are 0."""
    random = np.random.default_rng(1)
    arrays = {}
    for tensor in traced.arguments:
        values = random.standard_normal(tensor.shape) if tensor.dtype.is_float else np.zeros(tensor.shape)
        if traced.name == "cholesky":
            values = values @ values.T + tensor.shape[0] * np.eye(tensor.shape[0])
        arrays[tensor.name] = values.astype(tensor.dtype.numpy)
    return arrays


def cores(wanted: int) -> Machine:
    machine = H100.with_cores(wanted)
    return replace(machine, kinds=(replace(machine.kinds[0], name="core"),))  # as generated kernels call it


@pytest.mark.parametrize("planned", [schedule, unfused], ids=["fused", "unfused"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_give_what_the_evaluator_gives(name: str, planned: Any) -> None:
    traced, machine = program(name), cores(CORES)
    graph = partition(traced, machine)
    source = emit(planned(graph, machine))
    scalars = {s.name: SCALARS[s.name] for s in source.launch.scalars}
    arrays = data(traced)
    expected = {name: array.copy() for name, array in arrays.items()}
    evaluate(traced, {**expected, **scalars}, tile_sizes=dict(graph.tiles))
    run(source, arrays, scalars, launches=1)
    for tensor in traced.arguments:
        size = np.abs(expected[tensor.name].astype(np.float64)).max(initial=1e-30)
        apart = np.abs(arrays[tensor.name].astype(np.float64) - expected[tensor.name].astype(np.float64))
        tolerance = {"f16": 2e-3, "bf16": 2e-2}.get(tensor.dtype.name, 1e-4)
        assert apart.max(initial=0.0) <= tolerance * size, tensor.name


@settings(max_examples=20, deadline=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck))
@given(case=kernels(ALL, cores=4, statements=4))
def test_generated_kernels_give_what_the_evaluator_gives(case: Generated) -> None:
    """Bit by bit, in three launches one after another."""
    note(case.source)
    kernel = case.define()
    given_arguments = case.arguments(kernel, case.arrays)
    machine = cores(4)
    graph = partition(
        trace(kernel.function, specs_of(kernel, arguments(kernel, given_arguments, {}))), machine
    )
    expected, actual = case.copies(), case.copies()
    for _ in range(3):
        evaluate(graph.program, {**expected, **case.scalars}, tile_sizes=dict(graph.tiles))
    run(emit(schedule(graph, machine)), actual, dict(case.scalars), launches=3)
    for name, array in actual.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


@pytest.fixture(scope="module")
def ops() -> Iterator[tuple[list[Any], dict[str, np.ndarray]]]:
    """All ops on all dtypes, in one kernel."""
    made, cases, machine = OpProgram(), all_op_cases(), cores(1)
    source = emit(schedule(partition(made.program(cases), machine), machine))
    arrays = dict(zip(source.launch.order, made.arrays, strict=True))
    run(source, arrays, {}, launches=1)
    yield cases, made.results


def test_ops_that_are_exact(ops: tuple[list[Any], dict[str, np.ndarray]]) -> None:
    assert_exact(ops)


def test_functions(ops: tuple[list[Any], dict[str, np.ndarray]]) -> None:
    assert_close(ops)


def without_one_signal(source: KernelSource) -> KernelSource:
    """The tables with the amount of one signal set to 0: what waits for it waits for ever."""
    tables = bytearray(source.tables)
    t = sections(source.tables)
    at = int(np.flatnonzero(t.steps[:, 0] == StepOp.SIGNAL)[0])
    steps = np.frombuffer(tables, np.int32, t.steps.size, 32 * 8 + -(-t.core_ptr.nbytes // 8) * 8)
    steps.reshape(-1, 4)[at, 2] = 0
    return replace(source, tables=bytes(tables))


def test_a_planted_deadlock_is_reported_and_the_kernel_lives_on() -> None:
    machine = cores(4)
    traced = program("cholesky")
    good = emit(schedule(partition(traced, machine), machine))
    arrays = data(traced)
    with pytest.raises(LaunchError, match="hangs: no core can go on") as caught:
        run(without_one_signal(good), arrays, {})
    assert "event" in str(caught.value)
    assert caught.value.span != NO_SPAN
    run(good, data(traced), {})


def test_an_index_out_of_bounds_is_reported_and_the_next_launch_is_whole() -> None:
    traced, machine = program("smollm2 decode"), cores(4)
    source = emit(schedule(partition(traced, machine), machine))
    arrays = data(traced)
    token = next(t.name for t in traced.arguments if t.dtype.name == "i32" and "token" in t.name)
    arrays[token][...] = 10**6
    with pytest.raises(BoundsError, match="1000000 is outside"):
        run(source, arrays, {"pos": 0}, launches=1)


def test_compute_sanitizer_finds_nothing() -> None:
    """The generated kernels again, under memcheck and racecheck, where the tool is installed."""
    from cuda.pathfinder import find_nvidia_binary_utility

    tool = find_nvidia_binary_utility("compute-sanitizer")
    if tool is None:
        pytest.skip("compute-sanitizer is not installed: pip install nvidia-cuda-sanitizer-api")
    inner = [sys.executable, "-m", "pytest", "-q", __file__, "-k", "programs and hello or programs and f16"]
    for check in ("memcheck", "racecheck"):
        done = subprocess.run(
            [tool, "--tool", check, "--error-exitcode", "9", *inner],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:]
