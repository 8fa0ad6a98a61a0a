"""Scalars of a launch: patches, derived scalars, guards, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from mpmd.codegen.source import ScalarInfo
from mpmd.errors import (
    ArgumentError,
    BoundsError,
)
from mpmd.lang.types import Direction, f32, i32, i64
from mpmd.runtime.load import Executable
from tests.host.assembly import (
    HERE,
    RUN,
    argument,
    kernel,
    load,
    tables,
)


def scalar_kernel(**options):
    """Stores word 2 of its row, which is patched."""
    store = """
    static void store(Core& core, const Word* row) { ((Word*)core.base[row[0]])[0] = row[2]; }
    """
    scalars = options.pop("infos", [ScalarInfo("i", i64, HERE)])
    guards = options.pop("guard_texts", ())
    table = tables([[(RUN, 0, 0)]], [(0, (0, 0, options.pop("word", 0)))], params=[1], bases=[8], **options)
    arguments = [argument("y", 1, dtype=i64, direction=Direction.OUT)]
    return kernel(store, ["store"], table, arguments, scalars=scalars, guards=guards)


def stored(run: Executable, *scalars) -> int:
    y = np.zeros(1, np.int64)
    run(y, *scalars)
    return int(y[0])


def test_patches_add_to_the_tables_word():
    run = load(scalar_kernel(scalars=1, word=100, patches=[(2, 0, 3), (2, 0, 4)]))
    assert [stored(run, i) for i in (0, 1, -5, 1, 10**12)] == [100, 107, 65, 107, 100 + 7 * 10**12]


@pytest.mark.parametrize(
    ("op", "reference"),
    [
        (0, lambda a, b: a // b if b else 0),
        (1, lambda a, b: a % b if b else 0),
        (2, min),
        (3, max),
        (4, lambda a, b: a * b),
    ],
)
def test_derived_scalars(op, reference):
    """floordiv and mod round to −∞ as in Python; a derived scalar may use an earlier one."""
    infos = [ScalarInfo("i", i64, HERE), ScalarInfo("j", i64, HERE)]
    derived = [(op, (1, ((0, 2),)), (0, ((1, 1),))), (2, (0, ((2, 1),)), (1 << 40, ()))]
    run = load(scalar_kernel(scalars=2, infos=infos, derived=derived, patches=[(2, 3, 1)]))
    for i in (-7, -1, 0, 3, 8):
        for j in (-3, -1, 0, 2, 5):
            assert stored(run, i, j) == reference(2 * i + 1, j)


def test_overflowing_scalars_are_refused():
    run = load(scalar_kernel(scalars=1, derived=[(4, (0, ((0, 1),)), (0, ((0, 1),)))], patches=[(2, 1, 1)]))
    assert stored(run, 10**9) == 10**18
    with pytest.raises(ArgumentError, match="the scalars of kernel 'toy' are too large"):
        stored(run, 10**10)


def test_failed_guard_names_the_scalars():
    run = load(
        scalar_kernel(scalars=1, guards=[((1, ((0, 1),)), 0, 8)], guard_texts=["i + 1 rows of 'y' (8)"])
    )
    assert stored(run, 7) == 0
    for value in (8, -2, 2**63 - 1):
        with pytest.raises(BoundsError) as caught:
            stored(run, value)
        assert caught.value.message == f"kernel 'toy' refuses i = {value}: i + 1 rows of 'y' (8)"
        assert caught.value.span == HERE


def test_float_scalars_travel_as_doubles():
    infos = [ScalarInfo("a", f32, HERE)]
    run = load(scalar_kernel(scalars=1, infos=infos, patches=[(2, 0, 1)]))
    for value in (0.5, -3, np.float32(1.25), float("inf"), 0.0, -0.0):
        bits = np.array([value], np.float64).view(np.int64)[0]
        assert stored(run, value) == bits
    with pytest.raises(ArgumentError, match="'a' of kernel 'toy' takes a scalar f32, not a str"):
        stored(run, "half")


def test_integer_scalars_are_range_checked():
    infos = [ScalarInfo("i", i32, HERE)]
    run = load(scalar_kernel(scalars=1, infos=infos, patches=[(2, 0, 1)]))
    for value in (2**31 - 1, -(2**31), np.int8(-3), np.int64(5), True):
        assert stored(run, value) == int(value)
    for value in (2**31, 2**70):
        with pytest.raises(
            ArgumentError, match=f"takes a scalar i32, -2147483648 to 2147483647, not {value}"
        ):
            stored(run, value)
    with pytest.raises(ArgumentError, match="takes a scalar i32, not a float"):
        stored(run, 1.0)
