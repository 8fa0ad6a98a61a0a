"""Loops, late rows, drains and rings under ThreadSanitizer and AddressSanitizer: nothing to report."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest

from mpmd.runtime.standalone import build_standalone, run_standalone
from tests.host.sanitizers import skip_without
from tests.host.table_kernels import CASES, piped

TSAN = {"TSAN_OPTIONS": "halt_on_error=1 exitcode=66"}
NAMES = (
    "a loop of n = 3 iterations",
    "carried waits for a part of a turn",
    "meetings in 5 iterations",
    "until 3 of 10",
    "segments",
    "derived values, step 1",
    "a drain of 40 items on 3 cores",
    "a drain without meetings on 3 cores",
    "a ring of 1 slots",
    "a ring of 2 slots",
    "a ring on one core",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sanitize", ["thread", "address"])
def test_one_launch_is_clean_and_right(tmp_path, sanitize, name):
    """Without stamps, and with them: those of all cores, the comparison of their counters, the record."""
    skip_without(sanitize)
    case = CASES[name]
    program = build_standalone(case.source, tmp_path, sanitize=sanitize)
    values = {**case.arrays, **case.scalars}
    for stamped in (False, True):
        ended = run_standalone(program, case.source, values, stamped=stamped, environment=os.environ | TSAN)
        assert ended.status == 0, ended.stderr
        for key, expected in case.after.items():
            np.testing.assert_array_equal(ended.arrays[key], expected, err_msg=key)
    spans, lost = map(int, (tmp_path / "spans").read_text().split())
    assert spans > 0 and lost == 0


@pytest.mark.parametrize("name", ["a loop of n = 3 iterations", "until 3 of 10", "a ring of 2 slots"])
def test_many_launches_in_a_row_are_free_of_races(tmp_path, name):
    """What counters, loops and rings hold from one launch to the next."""
    skip_without("thread")
    case = CASES[name]
    program = build_standalone(case.source, tmp_path, sanitize="thread")
    values = {**case.arrays, **case.scalars}
    for stamped in (False, True):
        ended = run_standalone(
            program, case.source, values, launches=100, stamped=stamped, environment=os.environ | TSAN
        )
        assert ended.status == 0, ended.stderr


def test_thread_sanitizer_sees_a_token_that_is_handed_over_too_early(tmp_path):
    """The harness itself: the producer writes what the consumer may read already."""
    case = piped(23, 4, 2, 3)
    ((name, text),) = case.source.files
    write = "for (Word i = 0; i < size; ++i) token[i] = at(core, row, 0)[start + i];"
    hand_over = "mpmd::sent(core, ring);"
    assert f"{write}\n    {hand_over}" in text
    early = text.replace(f"{write}\n    {hand_over}", f"{hand_over}\n    {write}")
    source = dataclasses.replace(case.source, files=((name, early),))
    program = build_standalone(source, tmp_path, sanitize="thread")
    ended = run_standalone(program, source, dict(case.arrays), launches=100, environment=os.environ | TSAN)
    assert ended.status == 66 and "data race" in ended.stderr
