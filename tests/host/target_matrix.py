"""The matrix of programs and targets: what runs where, and how a cell is judged.

In:  the programs (`target_programs.py`), the evaluator. Out: `REFUSED`, `assert_agrees`; the docs' table.
Not here: what a target does by itself (its own tests).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import mpmd
from mpmd.errors import NO_SPAN
from mpmd.lang.evaluate import evaluate
from mpmd.lang.kernel.signature import flattened
from mpmd.pipeline import CompiledKernel, arguments
from tests.host.target_programs import PROGRAMS, TOLERANCES, Case

TARGETS = ("cpu", "cuda", "cuda-sim", "ascend-sim")

REFUSED: Mapping[tuple[str, str], str] = {
    ("Cholesky", "ascend-sim"): "tiles of f64",
}
"""What a target has no way to do yet, by (program, target), in the words of its error."""

LACKING = {target for _, target in REFUSED}
"""Targets that may refuse a program."""

OPTIONS: Mapping[str, Mapping[str, Any]] = {"ascend-sim": {"choice": None}}
"""How targets are asked: the search predicts kernels whose cores do all work, and those of an NPU do not."""


def leaves(case: Case) -> dict[str, Any]:
    """The arguments by name, those of bundles one by one."""
    kernel = case.kernel
    given = arguments(kernel, case.arguments, {})
    return flattened(kernel.__name__, kernel.params, given, span=NO_SPAN).values


def evaluated(compiled: CompiledKernel, case: Case) -> None:
    """What the kernel means, into the case's arrays. Tasks may look at their extents: tiles are cut alike."""
    evaluate(compiled.program, leaves(case), tile_sizes=dict(compiled.graph.tiles))


def assert_agrees(actual: Case, expected: Case) -> None:
    """Floats within the tolerance of their dtype, relative to the largest element; all else equal."""
    others = leaves(expected)
    for name, array in leaves(actual).items():
        if not isinstance(array, np.ndarray):
            continue
        other = others[name]
        if array.dtype not in TOLERANCES:
            np.testing.assert_array_equal(array, other, err_msg=name)
            continue
        wide, reference = array.astype(np.float64), other.astype(np.float64)
        allowed = TOLERANCES[array.dtype] * np.abs(reference).max()
        np.testing.assert_allclose(wide, reference, rtol=0, atol=allowed, err_msg=name)


def compiled_for(case: Case, target: str) -> CompiledKernel:
    return mpmd.compile(case.kernel, *case.arguments, target=target, **OPTIONS.get(target, {}))


def table() -> str:
    """The matrix for people, in Markdown."""
    rows = [("program", "evaluator", *TARGETS), ("---",) * (len(TARGETS) + 2)]
    rows += [(name, "runs", *(_cell(name, target) for target in TARGETS)) for name in PROGRAMS]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(program: str, target: str) -> str:
    reason = REFUSED.get((program, target))
    if reason is not None:
        return f"refused: {reason}"
    return "cubins" if target == "cuda" else "runs"
