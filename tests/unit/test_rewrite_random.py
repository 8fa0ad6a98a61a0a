"""The law: a rewritten program gives what the program gives, bit by bit, whatever the kernel holds.

Sizes of tile loops are fixed first: tasks may look at their own extents, so both must cut the same tiles.
Data are small integers, of which sums are exact in any order (`tests/generate.py`).
"""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, settings

from mpmd import pipeline
from mpmd.lang.evaluate import evaluate
from mpmd.lang.kernel.trace import trace
from mpmd.lang.program import Call, Node, Program, TileLoop
from mpmd.partition.rewrite.named import applied, candidates, rewritten
from mpmd.partition.rewrite.places import with_sizes
from mpmd.partition.rewrite.reason import Refused
from tests.generate import Generated, kernels
from tests.generation.chains import chained
from tests.generation.scope import ALL, NONE, Feature
from tests.unit.rewrite_kernels import assert_well_formed

SIZE = 7
quick = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=40)


def traced(case: Generated) -> Program:
    """The kernel's program with all sizes fixed."""
    kernel = case.define()
    given = pipeline.arguments(kernel, case.arguments(kernel, case.arrays), {})
    program = trace(kernel.function, pipeline.specs_of(kernel, given))
    sizes = {loop.name: SIZE for loop in _tile_loops(program.body)}
    return Program(
        program.name,
        program.tensors,
        program.scalars,
        program.params,
        with_sizes(program.body, sizes),
        program.span,
        program.channels,
    )


def _tile_loops(body: tuple[Node, ...]) -> Iterator[TileLoop]:
    for node in body:
        if isinstance(node, TileLoop):
            yield node
        if not isinstance(node, Call):
            yield from _tile_loops(node.body)


def results(case: Generated, program: Program) -> dict[str, np.ndarray]:
    arrays = case.copies()
    evaluate(program, {**arrays, **case.scalars})
    return arrays


def check_all(case: Generated) -> int:
    """Every rewrite alone, then one after the other. Returns how many were right."""
    note(case.source)
    program = traced(case)
    expected = results(case, program)
    found = [member for members in candidates(program, (2, 3)) for member in members]
    lines: list[str] = []
    together = program
    for member in found:
        alone = applied(program, member.rewrite, member.tensor)
        if isinstance(alone, Refused):
            continue
        note(str(member.rewrite))
        _check(case, alone, expected)
        more = applied(together, member.rewrite, member.tensor)
        if not isinstance(more, Refused):
            together = more
            lines.append(str(member.rewrite))
    _check(case, together, expected)
    assert rewritten(program, lines) == together
    return len(lines)


def _check(case: Generated, program: Program, expected: dict[str, np.ndarray]) -> None:
    assert_well_formed(program)
    for name, array in results(case, program).items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


@pytest.mark.parametrize(
    "features",
    [NONE, {Feature.RUNTIME, Feature.SPLIT, Feature.SEGMENTS}, {Feature.LOOP, Feature.UNTIL}, ALL],
    ids=["plain", "pieces", "loops", "all"],
)
def test_rewritten_kernels_give_the_same(features: set[Feature]) -> None:
    @quick
    @given(case=kernels(features))
    def check(case: Generated) -> None:
        check_all(case)

    check()


def test_rewritten_chains_give_the_same() -> None:
    made = 0

    @quick
    @given(case=chained())
    def check(case: Generated) -> None:
        nonlocal made
        made += check_all(case)

    check()
    assert made > 0
