"""The law: on a machine with Python and this package's extras alone, kernels are compiled and run."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(
    importlib.util.find_spec("ziglang") is None, reason="the compiler is missing: pip install ziglang"
)
def test_hello_runs_with_the_compiler_of_the_wheel(tmp_path: Path) -> None:
    search = tmp_path / "bin"
    search.mkdir()
    (search / "python").symlink_to(sys.executable)
    environment = {
        "PATH": str(search),
        "HOME": str(tmp_path),
        "MPMD_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    result = subprocess.run(
        [sys.executable, "examples/hello.py", "--verify"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "verify: equal to NumPy" in result.stdout
    libraries = list((tmp_path / "cache").glob("*.so"))
    assert len(libraries) == 2, "the pool and the kernel"
    assert all(b"clang version" in path.read_bytes() for path in libraries), "another compiler made them"
