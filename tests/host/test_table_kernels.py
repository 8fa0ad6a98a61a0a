"""Loops, late rows, drains and rings in the pool: many launches in a row, and launches that end early."""

from __future__ import annotations

import numpy as np
import pytest

from tests.host.assembly import load
from tests.host.table_kernels import CASES

pytestmark = pytest.mark.usefixtures("short_patience")

LAUNCHES = 50


@pytest.mark.parametrize("name", CASES)
def test_every_launch_ends_as_expected(name):
    case = CASES[name]
    run = load(case.source)
    for launch in range(LAUNCHES):
        arrays = {key: array.copy() for key, array in case.arrays.items()}
        run(*arrays.values(), *case.scalars.values())
        for key, expected in case.after.items():
            np.testing.assert_array_equal(arrays[key], expected, err_msg=f"{key}, launch {launch}")
