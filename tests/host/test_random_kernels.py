"""The law: a compiled kernel computes what the evaluator computes, bit by bit, on 1, 2 and 4 threads."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, given, note, settings

import mpmd
from mpmd.lang.evaluate import evaluate
from tests.generate import Generated, kernels
from tests.mutants import assert_irredundant


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=kernels())
def test_compiled_equals_evaluator_and_no_sync_is_redundant(case: Generated) -> None:
    note(case.source)
    kernel = case.define()
    for cores in (1, 2, 4):
        compiled = mpmd.compile(kernel, *case.arrays.values(), *case.scalars.values(), cores=cores)
        expected, actual = case.copies(), case.copies()
        # Tasks may look at their own extents, so both sides must cut the same tiles.
        evaluate(compiled.program, {**expected, **case.scalars}, tile_sizes=dict(compiled.graph.tiles))
        compiled(*actual.values(), *case.scalars.values())
        for name, array in actual.items():
            np.testing.assert_array_equal(array, expected[name], err_msg=f"{name} on {cores} threads")
        assert_irredundant(compiled.source.tables, compiled.schedule.machine)
