"""The law: what the compiler cannot see is not compiled anew, and reports still know the user's lines."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from mpmd.errors import BoundsError
from tests.unit.user_files import module_of

USER_FILE = """\
import mpmd
from mpmd import InOut, f32, i32

N, = mpmd.dims("N")

@mpmd.task
def double(y: InOut[f32, N], at: i32):
    y[at] = y[at] * 2.0

@mpmd.kernel
def kernel(y: InOut[f32, N], at: i32):
    double(y, at)
"""


def test_a_moved_and_commented_file_hits_and_reports_its_new_lines(tmp_path: Path, monkeypatch, caplog):
    monkeypatch.setenv("MPMD_CACHE_DIR", str(tmp_path / "cache"))
    module_of(tmp_path / "first.py", USER_FILE).kernel(np.ones(4, np.float32), 1)
    caplog.set_level(logging.DEBUG, logger="mpmd.runtime")
    second = module_of(tmp_path / "second.py", "# comments\n# above\n" + USER_FILE)
    y = np.ones(4, np.float32)
    second.kernel(y, 1)
    assert y.tolist() == [1, 2, 1, 1]
    assert not [message for message in caplog.messages if message.startswith("cache miss")]
    with pytest.raises(BoundsError, match=r"second\.py:\d+") as caught:
        second.kernel(y, 9)
    assert "10 |     y[at] = y[at] * 2.0" in str(caught.value)
