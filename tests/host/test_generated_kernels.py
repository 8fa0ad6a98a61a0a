"""The law: a compiled kernel computes what the evaluator computes, bit by bit, on 1, 2 and 4 threads.

Kernels with all that the language has; 4 threads are more than some machines have cores.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings

import mpmd
from mpmd.lang.evaluate import evaluate
from tests.generate import Generated, kernels
from tests.generation.scope import ALL, Feature

PIECES = {Feature.RUNTIME, Feature.SPLIT, Feature.SEGMENTS}
LOOPS = {Feature.LOOP, Feature.UNTIL, Feature.RUNTIME}
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
"""Each step of shrinking would call the compiler: `tests/unit/test_interleavings.py` shrinks for nothing."""
LAUNCHES = 3
"""Counters and rings go on where the launch before left them."""


@pytest.mark.parametrize(
    ("features", "examples"),
    [
        (PIECES, 2),
        (LOOPS, 3),
        ({Feature.CHANNEL, *LOOPS}, 3),
        ({Feature.DRAIN, *PIECES, *LOOPS}, 3),
        (ALL, 4),
    ],
    ids=["pieces", "loops", "channels", "drains", "all"],
)
def test_compiled_equals_evaluator(features: set[Feature], examples: int) -> None:
    @settings(max_examples=examples, deadline=None, phases=UNSHRUNK, suppress_health_check=list(HealthCheck))
    @given(case=kernels(features, statements=4))
    def check(case: Generated) -> None:
        note(case.source)
        for cores in (1, 2, 4):
            _equal_after_launches(case, cores)

    check()


def _equal_after_launches(case: Generated, cores: int) -> None:
    kernel = case.define()
    compiled = mpmd.compile(kernel, *case.arguments(kernel, case.arrays), cores=cores)
    expected, actual = case.copies(), case.copies()
    for launch in range(LAUNCHES):
        # Tasks may look at their own extents, so both sides must cut the same tiles.
        evaluate(compiled.program, {**expected, **case.scalars}, tile_sizes=dict(compiled.graph.tiles))
        compiled(*case.arguments(kernel, actual))
        for name, array in actual.items():
            np.testing.assert_array_equal(
                array, expected[name], err_msg=f"{name} on {cores} threads, launch {launch}"
            )
