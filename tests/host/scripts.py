"""Scripts that run in a process of their own, for what only a whole process can show."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PATIENCE = 120
"""Seconds after which a script counts as hanging."""


def start(folder: Path, text: str) -> subprocess.Popen[str]:
    """The script, running. (Tasks are parsed from files, so it is one.)"""
    file = folder / "script.py"
    file.write_text(text)
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-X", "faulthandler", str(file)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, text: str) -> tuple[int, str, str]:
    """Exit status, output and errors of the script."""
    with start(folder, text) as process:
        try:
            output, errors = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return process.returncode, output, errors
