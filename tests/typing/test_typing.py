"""Type checkers accept programs in the language without configuration, and find mistakes in them."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = sorted(str(path) for path in HERE.glob("*.py") if path.name != Path(__file__).name)

MISTAKES = """
import mpmd
from mpmd import In, Out, f32

(N,) = mpmd.dims("N")

@mpmd.task
def task(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[:] + "1"
    y[:] = x[:].summ()
    y[:] = mpmd.exp()
    y[:] = x["a"]
"""


def check(tool: str, *args: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip(tool)
    return subprocess.run(
        [sys.executable, "-m", tool, *args], capture_output=True, text=True, cwd=HERE.parents[1], check=False
    )


def test_pyright_finds_nothing():
    result = check("pyright", *FILES)
    assert result.returncode == 0, result.stdout + result.stderr


def test_mypy_finds_nothing(tmp_path):
    result = check("mypy", "--follow-imports=silent", f"--cache-dir={tmp_path}", *FILES)
    assert result.returncode == 0, result.stdout + result.stderr


def test_pyright_finds_mistakes(tmp_path):
    program = tmp_path / "mistakes.py"
    program.write_text(MISTAKES)
    result = check("pyright", str(program))
    lines = {line.split(":")[1] for line in result.stdout.splitlines() if " - error" in line}
    assert lines == {"9", "10", "11", "12"}, result.stdout
