"""Emitted and hand-made kernels under ThreadSanitizer, AddressSanitizer and valgrind: nothing to report."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from mpmd.lang.types import Direction
from mpmd.runtime.standalone import build_standalone, run_standalone
from tests.host.assembly import ADD_ONE, RUN, argument, chain, kernel, tables
from tests.host.sanitizers import skip_without

LAUNCHES = 200
TSAN = {"TSAN_OPTIONS": "halt_on_error=1 exitcode=66"}


def one(value: float = 0) -> np.ndarray:
    return np.full(1, value, np.float32)


@pytest.mark.parametrize("cores", [2, 3])
@pytest.mark.parametrize("sanitize", ["thread", "address"])
def test_signals_and_waits_order_the_chain(tmp_path, sanitize, cores):
    skip_without(sanitize)
    source = chain(cores, 2)
    program = build_standalone(source, tmp_path, sanitize=sanitize)
    ended = run_standalone(
        program, source, {"x": one(5), "y": one()}, launches=LAUNCHES, environment=os.environ | TSAN
    )
    assert ended.status == 0, ended.stderr
    assert ended.arrays["y"] == 5 + 2 * cores


def unordered():
    """Two cores write one element with nothing between them."""
    table = tables([[(RUN, 0, 0)], [(RUN, 0, 0)]], [(0, (0, 0, 1, 0))], params=[2], bases=[4, 4])
    arguments = [argument("x", 1), argument("y", 1, direction=Direction.OUT)]
    return kernel(ADD_ONE, ["add_one"], table, arguments, cores=2)


def test_thread_sanitizer_sees_a_planted_race(tmp_path):
    """The harness itself: without the signal, the race is reported."""
    source = unordered()
    program = build_standalone(source, tmp_path, sanitize="thread")
    ended = run_standalone(
        program, source, {"x": one(), "y": one()}, launches=LAUNCHES, environment=os.environ | TSAN
    )
    assert ended.status == 66 and "data race" in ended.stderr


def test_address_sanitizer_sees_a_planted_overrun(tmp_path):
    skip_without("address")
    source = chain(1, 1)
    program = build_standalone(source, tmp_path, sanitize="address")
    empty = np.zeros(0, np.float32)
    ended = run_standalone(program, source, {"x": one(), "y": empty})
    assert ended.status != 0 and "heap-buffer-overflow" in ended.stderr


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_valgrind_finds_no_error_and_no_leak(tmp_path):
    source = chain(2, 2)
    program = build_standalone(source, tmp_path, extra=("-march=x86-64-v2", "-O1", "-gdwarf-4"))
    valgrind = ("valgrind", "--quiet", "--leak-check=full", "--error-exitcode=9", "--fair-sched=yes")
    ended = run_standalone(program, source, {"x": one(1), "y": one()}, launches=5, wrapper=valgrind)
    assert ended.status == 0, ended.stderr
    assert ended.arrays["y"] == 5
