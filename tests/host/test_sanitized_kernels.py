"""The law: emitted kernels, run as programs of their own, give the sanitizers nothing to report.

Random kernels and the chat's decode step cut to two layers, under ThreadSanitizer and AddressSanitizer
with UndefinedBehaviorSanitizer; results equal those of the evaluator or of an ordinary launch.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

import mpmd
from examples.smollm2 import kernels as smollm2
from mpmd.lang.evaluate import evaluate
from mpmd.lang.kernel.signature import flattened
from mpmd.pipeline import arguments
from mpmd.runtime.standalone import build_standalone, run_standalone
from tests.generate import Generated, kernels
from tests.generation.scope import ALL
from tests.host.example_kernels import arrays_for, decode_specs
from tests.host.sanitizers import skip_without

ENVIRONMENT = os.environ | {"TSAN_OPTIONS": "halt_on_error=1 exitcode=66"}
CORES = 3
LAUNCHES = 2
RANDOM_SEED = 42
QUICK = ("-O1", "-g0")
"""Sanitizers see the same accesses, and the compiler needs a fraction of the time."""


@pytest.mark.parametrize(("sanitize", "examples"), [("thread", 3), ("address", 2)])
def test_random_kernels(tmp_path_factory: pytest.TempPathFactory, sanitize: str, examples: int) -> None:
    skip_without(sanitize)

    @seed(RANDOM_SEED)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=kernels(ALL, cores=CORES, statements=3))
    def check(case: Generated) -> None:
        _sanitized_equals_evaluator(case, tmp_path_factory.mktemp("program"), sanitize)

    check()


def _sanitized_equals_evaluator(case: Generated, folder: Path, sanitize: str) -> None:
    kernel = case.define()
    compiled = mpmd.compile(kernel, *case.arguments(kernel, case.arrays), cores=CORES)
    expected = case.copies()
    for _ in range(LAUNCHES):
        evaluate(compiled.program, {**expected, **case.scalars}, tile_sizes=dict(compiled.graph.tiles))
    program = build_standalone(compiled.source, folder, sanitize=sanitize, extra=QUICK)
    values = {**case.arrays, **case.scalars}
    ended = run_standalone(program, compiled.source, values, launches=LAUNCHES, environment=ENVIRONMENT)
    assert ended.status == 0, ended.stderr
    for name, array in ended.arrays.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


@pytest.mark.parametrize("sanitize", ["thread", "address"])
def test_two_layers_of_the_chat(tmp_path: Path, sanitize: str) -> None:
    skip_without(sanitize)
    specs = decode_specs(2)
    random = np.random.default_rng(0)
    values = arrays_for(specs, lambda s: (random.standard_normal(s.shape) / 8).astype(s.dtype.numpy))
    given = flattened("decode", smollm2.decode.params, arguments(smollm2.decode, values, {})).values
    compiled = mpmd.compile(smollm2.decode, *specs, cores=CORES)
    program = build_standalone(compiled.source, tmp_path, sanitize=sanitize)
    ended = run_standalone(program, compiled.source, given, launches=3, environment=ENVIRONMENT)
    assert ended.status == 0, ended.stderr
    for _ in range(3):
        compiled(*values)
    np.testing.assert_allclose(ended.arrays["logits"], given["logits"], rtol=1e-4, atol=1e-5)
    assert ended.arrays["successor"] == given["successor"]
