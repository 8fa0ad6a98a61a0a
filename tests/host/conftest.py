"""Fixtures that the tests of the runtime share."""

from collections.abc import Iterator

import pytest

from mpmd.runtime import pool


@pytest.fixture(scope="module")
def short_patience() -> Iterator[None]:
    """Hangs are found fast; workers sleep soon, since the machine is shared."""
    pool.configure(spin_seconds=200e-6, hang_seconds=0.05)
    yield
    pool.configure(spin_seconds=pool.SPIN_SECONDS, hang_seconds=pool.HANG_SECONDS)
