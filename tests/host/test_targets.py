"""The law: one source, every target. Programs give what the evaluator gives, or are refused with a line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings

import mpmd
from mpmd.errors import DeviceError, UnsupportedOp
from mpmd.lang.evaluate import evaluate
from mpmd.runtime.cuda.build import build as build_for_card
from tests.generate import Generated, kernels
from tests.generation.scope import ALL, DTYPE_NAMES, Feature
from tests.host.target_matrix import LACKING, OPTIONS, REFUSED, assert_agrees, compiled_for, evaluated, table
from tests.host.target_programs import PROGRAMS, case

DOCS = Path(__file__).resolve().parents[2] / "docs" / "targets.md"
SEEDS = {"cpu": 2, "cuda-sim": 2, "ascend-sim": 16}
"""Interleavings, one launch after another: counters and rings go on where the one before left them."""
LAUNCHES = 2
GENERATED = int(os.environ.get("MPMD_GENERATED", "6"))
"""Generated programs for each target: a few by default, 100 for the whole of it."""


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("target", ["cpu", "cuda-sim", "ascend-sim"])
def test_a_program_gives_what_the_evaluator_gives(
    program: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (program, target) in REFUSED:
        return _assert_refused(program, target)
    expected = case(program)
    compiled = compiled_for(expected, target)
    evaluated(compiled, expected)
    for seed in range(SEEDS[target]):
        actual = case(program)
        monkeypatch.setenv("MPMD_SEED", str(seed))
        compiled(*actual.arguments)
        assert_agrees(actual, expected)
    return None


def _assert_refused(program: str, target: str) -> None:
    """With the user's line, and with what the target lacks in the words of the matrix."""
    with pytest.raises(UnsupportedOp) as caught:
        compiled_for(case(program), target)
    assert REFUSED[program, target] in caught.value.message
    assert caught.value.span.line > 0
    assert caught.value.span.file.endswith(".py")


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90a"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_becomes_machine_code_for_a_card(program: str, architecture: str) -> None:
    """Of the text that cuda-sim runs."""
    source = compiled_for(case(program), "cuda-sim").source
    try:
        artifact = build_for_card(source, architecture=architecture)
    except DeviceError as missing:
        pytest.skip(missing.message)
    assert artifact.cubin.startswith(b"\x7fELF")


FEATURES = {"cpu": ALL, "cuda-sim": ALL - {Feature.PLACEMENT}, "ascend-sim": ALL - {Feature.PLACEMENT}}
DTYPES = {"ascend-sim": tuple(name for name in DTYPE_NAMES if name != "f64")}
"""Where a target has not all."""


@pytest.mark.parametrize("target", FEATURES)
def test_generated_programs_give_what_the_evaluator_gives(target: str) -> None:
    @settings(
        max_examples=GENERATED,
        deadline=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=kernels(FEATURES[target], statements=4, dtypes=DTYPES.get(target, DTYPE_NAMES)))
    def check(case: Generated) -> None:
        note(case.source)
        _assert_generated_agrees(case, target)

    check()


def _assert_generated_agrees(case: Generated, target: str) -> None:
    """Generated data are exact in every order of additions. Or the program is refused, with a line."""
    kernel = case.define()
    actual, expected = case.copies(), case.copies()
    given = case.arguments(kernel, actual)
    try:
        compiled = mpmd.compile(kernel, *given, target=target, **OPTIONS.get(target, {}))
    except UnsupportedOp as refused:
        assert target in LACKING and refused.span.line > 0, refused
        return
    for launch in range(LAUNCHES):
        compiled(*given)
        evaluate(compiled.program, {**expected, **case.scalars}, tile_sizes=dict(compiled.graph.tiles))
        for name, array in actual.items():
            message = f"{name} on {target}, launch {launch}"
            np.testing.assert_array_equal(array, expected[name], err_msg=message)


def test_the_table_of_the_docs_is_that_of_the_tests(update_golden: bool) -> None:
    text = DOCS.read_text(encoding="utf-8")
    head, _, rest = text.partition("| program |")
    tail = rest.partition("\n\n")[2]
    wanted = f"{head}{table()}\n{tail}"
    if update_golden:
        DOCS.write_text(wanted, encoding="utf-8")
    assert text == wanted or update_golden, "run pytest --update-golden"
