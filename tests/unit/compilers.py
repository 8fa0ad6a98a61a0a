"""Machines with other compilers than this one's, or none."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


def hide_compilers(search: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves no compiler but those in `search`."""
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(search))
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ziglang" else find_spec(name)
    )


def fake(path: Path, version: str, *, status: int = 0, stderr: str = "") -> Path:
    """A compiler that knows its version and otherwise fails as told."""
    path.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *--version*) echo "{version}"; exit 0;; esac\n'
        f"printf '%b' '{stderr}' >&2\nexit {status}\n"
    )
    path.chmod(0o755)
    return path
