"""`python -m mpmd cache` shows and clears; mistakes end with a status and a text."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mpmd.cli import main
from mpmd.runtime import cache


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A cache of two entries."""
    monkeypatch.setenv("MPMD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("MPMD_CACHE_BYTES", raising=False)
    monkeypatch.delenv("MPMD_CACHE_DAYS", raising=False)
    for name in ("one", "two"):
        cache.obtain(cache.key_of(name), lambda: b"x" * 2_000_000)
    return tmp_path / "cache"


def test_the_cache_is_shown(root, capsys):
    assert main(["cache"]) == 0
    shown = "entries: 2, 4.0 MB of 1073.7 MB; what is unused for 90 days goes"
    assert capsys.readouterr().out == f"{root}\n{shown}\n"
    assert main(["cache", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "directory": str(root),
        "entries": 2,
        "bytes": 4_000_128,
        "limit_bytes": 1 << 30,
        "limit_days": 90,
    }


def test_the_cache_is_cleared(root, capsys):
    assert main(["cache", "--clear"]) == 0
    assert capsys.readouterr().out == f"{root}\nremoved entries: 2, 4.0 MB\n"
    assert list(root.iterdir()) == []
    assert main(["cache", "--clear", "--json"]) == 0
    facts = {"directory": str(root), "removed": 0, "bytes": 0, "kept": 0}
    assert json.loads(capsys.readouterr().out) == facts


def test_an_unsafe_cache_is_not_cleared(root, capsys):
    root.chmod(0o777)
    assert main(["cache", "--clear"]) == 1
    assert capsys.readouterr().out == f"{root} is not used: others may write to it\n"
    assert len(list(root.glob("*.so"))) == 2


def test_a_wrong_limit_is_told_on_standard_error(root, monkeypatch, capsys):
    monkeypatch.setenv("MPMD_CACHE_DAYS", "many")
    assert main(["cache"]) == 1
    assert capsys.readouterr().err == (
        "error[toolchain]: MPMD_CACHE_DAYS is not a number, zero or more: 'many'\n"
        "  hint: unset MPMD_CACHE_DAYS\n"
    )


def test_the_package_runs_as_a_command(root):
    result = subprocess.run(
        [sys.executable, "-m", "mpmd", "cache", "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(result.stdout)["directory"] == str(root)
    refused = subprocess.run([sys.executable, "-m", "mpmd"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and refused.stderr.startswith("usage: python -m mpmd")
