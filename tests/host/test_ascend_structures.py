"""What kernels do around tasks on Ascend: right and lawful in every interleaving, launch after launch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import mpmd
from mpmd import CompiledKernel
from mpmd.errors import ArgumentError, BoundsError
from mpmd.lang.evaluate import evaluate
from mpmd.runtime.ascend_sim.kernel import SimulatedKernel
from tests.ascend_structures import CASES, Arguments, Case

SEEDS = 16


@pytest.fixture(scope="module")
def compiled() -> Iterator[dict[str, CompiledKernel]]:
    yield {}


def kernel_of(name: str, compiled: dict[str, CompiledKernel]) -> CompiledKernel:
    if name not in compiled:
        case = CASES[name]
        compiled[name] = mpmd.compile(case.kernel, *case.arguments(), target="ascend-sim", choice=None)
    return compiled[name]


def executable(kernel: CompiledKernel) -> SimulatedKernel:
    assert isinstance(kernel.executable, SimulatedKernel)
    return kernel.executable


def expected(case: Case, kernel: CompiledKernel, launches: int) -> Arguments:
    values = case.arguments()
    for _ in range(launches):
        evaluate(kernel.program, dict(zip(kernel.program.params, values, strict=True)))
    return values


def assert_close(got: Arguments, wanted: Arguments) -> None:
    for one, other in zip(got, wanted, strict=True):
        if isinstance(one, np.ndarray):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_results_are_the_evaluators_and_no_law_is_broken(
    name: str, compiled: dict[str, CompiledKernel]
) -> None:
    """Launch after launch on one state: what earlier ones left in the lines of events does no harm."""
    case, kernel = CASES[name], kernel_of(name, compiled)
    wanted = expected(case, kernel, launches=1)
    for seed in range(SEEDS):
        values = case.arguments()
        assert executable(kernel).run(values, seed=seed).reports == (), seed
        assert_close(values, wanted)


@pytest.mark.parametrize("name", CASES)
def test_every_piece_of_sync_is_needed(name: str, compiled: dict[str, CompiledKernel]) -> None:
    case, kernel = CASES[name], kernel_of(name, compiled)
    wanted = expected(case, kernel, launches=1)
    whole = executable(kernel).run(case.arguments(), seed=0)
    paired = {site for pair in whole.pairs for site in pair}
    mutants = [*whole.pairs, *((site.number,) for site in whole.sites if site.number not in paired)]
    texts = {site.number: f"{site.file}:{site.line} {site.text}" for site in whole.sites}
    spare = [m for m in mutants if not any(_shows(case, kernel, wanted, m, seed) for seed in range(SEEDS))]
    assert [" and ".join(texts[site] for site in mutant) for mutant in spare] == []


def _shows(case: Case, kernel: CompiledKernel, wanted: Arguments, mutant: tuple[int, ...], seed: int) -> bool:
    values = case.arguments()
    try:
        if executable(kernel).run(values, seed=seed, dropped=mutant).reports:
            return True
    except BoundsError:  # an old value, where data decide what is read
        return True
    return not all(
        np.allclose(one, other, rtol=1e-5, atol=1e-5)
        for one, other in zip(values, wanted, strict=True)
        if isinstance(one, np.ndarray)
    )


@pytest.mark.parametrize("count", [0, 1, 6])
def test_a_loop_runs_as_often_as_a_launch_says(count: int, compiled: dict[str, CompiledKernel]) -> None:
    kernel = kernel_of("sweeps", compiled)
    x, y, z, _ = CASES["sweeps"].arguments()
    got: Arguments = (x, y.copy(), z.copy(), count)
    evaluate(kernel.program, {"x": x, "y": y, "z": z, "count": count})
    assert executable(kernel).run(got, seed=count).reports == ()
    assert_close(got[1:3], (y, z if count else got[2]))


def test_scalars_that_a_guard_refuses_are_named(compiled: dict[str, CompiledKernel]) -> None:
    kernel = kernel_of("scalars", compiled)
    x, by, _, y = CASES["scalars"].arguments()
    with pytest.raises((ArgumentError, BoundsError), match=r"refuses by = 3\.0, first = 25"):
        executable(kernel).run((x, by, 25, y), seed=0)


def test_data_that_a_late_guard_refuses_end_the_launch(compiled: dict[str, CompiledKernel]) -> None:
    kernel = kernel_of("ragged", compiled)
    values: list[Any] = list(CASES["ragged"].arguments())
    values[1] = np.array([0, 20, 53, 33, 50], np.int32)
    with pytest.raises(BoundsError, match="at run time") as caught:
        executable(kernel).run(tuple(values), seed=0)
    assert caught.value.span.file.endswith("ascend_structures.py")
