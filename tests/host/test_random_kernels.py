"""The law: a compiled kernel computes what the evaluator computes, bit by bit, on 1, 2 and 4 threads."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, note, settings

import mpmd
from mpmd.lang.evaluate import evaluate
from tests.generate import Generated, kernels
from tests.mutants import assert_irredundant

LARGE_TILES, SMALL_TILES = 1024, 5


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=kernels())
def test_compiled_equals_evaluator_on_every_number_of_threads(case: Generated) -> None:
    note(case.source)
    kernel = case.define()
    expected = case.copies()
    for cores in (1, 2, 4):
        compiled = mpmd.compile(kernel, **case.arrays, **case.scalars, cores=cores)
        if cores == 1:
            evaluate(compiled.program, {**expected, **case.scalars})
        else:
            assert_irredundant(compiled.source.tables, compiled.schedule.machine)
        actual = case.copies()
        compiled(*actual.values(), *case.scalars.values())
        _assert_same(actual, expected)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=kernels())
def test_tile_sizes_do_not_change_what_a_kernel_means(case: Generated) -> None:
    note(case.source)
    program = mpmd.trace(case.define(), **case.arrays, **case.scalars)
    results = []
    for size in (LARGE_TILES, SMALL_TILES):
        arrays = case.copies()
        evaluate(program, {**arrays, **case.scalars}, tile_sizes=size)
        results.append(arrays)
    _assert_same(*results)


def _assert_same(actual: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name, array in actual.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
