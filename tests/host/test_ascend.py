"""Kernels for Ascend on the simulator: right and lawful in every interleaving, with no sync to spare."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mpmd
from mpmd import CompiledKernel
from mpmd.errors import BoundsError
from mpmd.lang.evaluate import evaluate
from mpmd.runtime.ascend_sim.findings import Findings
from mpmd.runtime.ascend_sim.kernel import SimulatedKernel
from tests.ascend_kernels import CASES as KERNEL_CASES
from tests.ascend_kernels import Arrays, Case
from tests.ascend_ops import OP_CASES

CASES = KERNEL_CASES | OP_CASES
SEEDS = 16


def compiled(case: Case) -> CompiledKernel:
    return mpmd.compile(case.kernel, *case.arguments(), target="ascend-sim", choice=None)


def expected(case: Case, kernel: CompiledKernel) -> Arrays:
    arrays = case.arguments()
    evaluate(kernel.program, dict(zip(kernel.program.params, arrays, strict=True)))
    return arrays


def launched(kernel: CompiledKernel, arrays: Arrays, **options: Any) -> Findings:
    executable = kernel.executable
    assert isinstance(executable, SimulatedKernel)
    return executable.run(arrays, **options)


def error(got: Arrays, wanted: Arrays) -> float:
    """The largest difference, relative to the largest element of each array."""
    pairs = ((a.astype(np.float64), b.astype(np.float64)) for a, b in zip(got, wanted, strict=True))
    return max(_difference(a, b) for a, b in pairs)


def _difference(a: Any, b: Any) -> float:
    """Infinite where one of two is not finite and the other is something else."""
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not np.isfinite(a[finite]).all():
        return np.inf
    return float(np.abs(a[finite] - b[finite]).max() / np.abs(b[finite]).max())


@pytest.mark.parametrize("name", CASES)
def test_results_are_the_evaluators_and_no_law_is_broken(name: str) -> None:
    case = CASES[name]
    kernel = compiled(case)
    wanted = expected(case, kernel)
    for seed in range(SEEDS):
        arrays = case.arguments()
        assert launched(kernel, arrays, seed=seed).reports == (), seed
        assert error(arrays, wanted) <= case.tolerance, seed


@pytest.mark.parametrize("name", CASES)
def test_every_piece_of_sync_is_needed(name: str) -> None:
    """Without any one of the sync statements, a wait together with what it waits for, some seed shows it."""
    case = CASES[name]
    kernel = compiled(case)
    wanted = expected(case, kernel)
    whole = launched(kernel, case.arguments(), seed=0)
    assert redundant(case, kernel, wanted, whole) == []


def redundant(case: Case, kernel: CompiledKernel, wanted: Arrays, whole: Findings) -> list[str]:
    """The sync that can be left out, in every one of the seeds."""
    paired = {site for pair in whole.pairs for site in pair}
    mutants = [*whole.pairs, *((site.number,) for site in whole.sites if site.number not in paired)]
    texts = {site.number: f"{site.file}:{site.line} {site.text}" for site in whole.sites}
    return [
        " and ".join(texts[site] for site in mutant)
        for mutant in mutants
        if not any(_shows(case, kernel, wanted, mutant, seed) for seed in range(SEEDS))
    ]


def _shows(case: Case, kernel: CompiledKernel, wanted: Arrays, mutant: tuple[int, ...], seed: int) -> bool:
    """By a report of the judge, by a check of the kernel's own, or by results."""
    arrays = case.arguments()
    try:
        found = launched(kernel, arrays, seed=seed, dropped=mutant)
    except BoundsError:
        return True
    if found.reports:
        return True
    return not error(arrays, wanted) <= case.tolerance


def test_an_index_outside_ends_the_launch_with_the_users_line() -> None:
    case = OP_CASES["courses"]
    kernel, arrays = compiled(case), case.arguments()
    arrays[1][0] = 9
    with pytest.raises(BoundsError) as outside:
        launched(kernel, arrays, seed=0)
    assert outside.value.message == "the index into 'a', axis 0: 9 is outside 0:9"
    assert outside.value.span.file.endswith("ascend_ops.py")
