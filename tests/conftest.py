"""Options that all tests share."""

from __future__ import annotations

import os

import pytest

os.environ["MPMD_MACHINE"] = "preset"  # schedules in tests are those of no calibration


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden files instead of comparing"
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


ALONE = ("pool", "hangs", "lost_signals", "interrupts", "leaks", "lifetimes", "exits")
"""Tests of what threads do in time: under `pytest -n` one process runs them all, one after the other."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem.removeprefix("test_") in ALONE:
            item.add_marker(pytest.mark.xdist_group("threads"))
