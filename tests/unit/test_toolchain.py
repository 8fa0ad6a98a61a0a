"""Finding a compiler, and what is said when there is none or it fails."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from mpmd.errors import ToolchainError
from mpmd.runtime import toolchain
from tests.unit.compilers import fake, hide_compilers


@pytest.fixture
def nothing(tmp_path, monkeypatch) -> Path:
    """No compiler anywhere; returns the one directory that is searched."""
    hide_compilers(tmp_path, monkeypatch)
    toolchain._find.cache_clear()
    yield tmp_path
    toolchain._find.cache_clear()


def test_without_a_compiler_the_error_says_what_to_install(nothing):
    with pytest.raises(ToolchainError) as caught:
        toolchain.find()
    assert str(caught.value) == "\n".join(
        [
            "error[toolchain]: no C++ compiler was found",
            "  note: looked for $CXX, g++, clang++ and the ziglang package",
            "  hint: pip install ziglang",
            "  hint: or set CXX to a compiler's command",
        ]
    )


def test_the_order_is_cxx_then_gxx_then_clang(nothing, monkeypatch):
    clang = fake(nothing / "clang++", "clang version 19.1.0")
    assert toolchain.find() == toolchain.Toolchain("clang++", (str(clang),), "clang version 19.1.0", "clang")
    toolchain._find.cache_clear()
    gnu = fake(nothing / "g++", "g++ (GCC) 12.2.0")
    assert toolchain.find() == toolchain.Toolchain("g++", (str(gnu),), "g++ (GCC) 12.2.0", "gnu")
    chosen = fake(nothing / "mine", "clang version 20")
    monkeypatch.setenv("CXX", f"{chosen} -m64")
    expected = toolchain.Toolchain(f"{chosen} -m64", (str(chosen), "-m64"), "clang version 20", "clang")
    assert toolchain.find() == expected


def test_a_broken_gxx_is_passed_over(nothing):
    (nothing / "g++").write_text("#!/bin/sh\nexit 1\n")
    (nothing / "g++").chmod(0o755)
    fake(nothing / "clang++", "clang version 19.1.0")
    assert toolchain.find().name == "clang++"


def test_the_ziglang_wheel_is_the_last_resort(nothing, monkeypatch):
    python = fake(nothing / "python", "0")
    python.write_text(
        '#!/bin/sh\n[ "$1 $2 $3 $4" = "-m ziglang c++ --version" ] && echo "clang version 20.1.2"\n'
    )
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    found = toolchain.find()
    assert found == toolchain.Toolchain(
        "zig c++", (str(python), "-m", "ziglang", "c++"), "clang version 20.1.2", "zig"
    )


@pytest.mark.parametrize("cxx", ["/no/such/compiler", " ", "g++ 'half quoted"])
def test_a_wrong_cxx_is_not_ignored(nothing, monkeypatch, cxx):
    fake(nothing / "g++", "g++ (GCC) 12.2.0")
    monkeypatch.setenv("CXX", cxx)
    with pytest.raises(ToolchainError, match="the compiler named by CXX does not run: " + re.escape(cxx)):
        toolchain.find()


def test_a_failure_shows_the_first_errors(nothing):
    stderr = "".join(
        f"mlp.py:{line}:1: error: wrong\\nmlp.py:{line}:1: note: because\\n" for line in range(9)
    )
    compiler = fake(nothing / "g++", "g++ (GCC) 12.2.0", status=1, stderr=stderr)
    with pytest.raises(ToolchainError) as caught:
        toolchain.compile_shared(toolchain.find(), (("kernel.cpp", ""),), ())
    assert str(compiler) == toolchain.find().command[0]
    assert str(caught.value) == "\n".join(
        [
            "error[toolchain]: g++ refused the generated text (g++ (GCC) 12.2.0)",
            "  note: mlp.py:0:1: error: wrong",
            *(f"        mlp.py:{line}:1: error: wrong" for line in range(1, 5)),
            "  hint: the text is in `.source.files` of the compiled kernel",
        ]
    )


def test_a_compiler_that_vanished_is_explained(nothing):
    compiler = fake(nothing / "g++", "g++ (GCC) 12.2.0")
    found = toolchain.find()
    compiler.unlink()
    with pytest.raises(ToolchainError, match=r"the compiler does not run: g\+\+"):
        toolchain.compile_shared(found, (("kernel.cpp", ""),), ())


def test_the_fingerprint_is_stable():
    assert toolchain.cpu_fingerprint() == toolchain.cpu_fingerprint()
    assert len(toolchain.cpu_fingerprint()) == 16


def test_a_system_without_cpuinfo_has_a_fingerprint_of_its_own(monkeypatch):
    def absent(path: Path) -> str:
        raise FileNotFoundError(path)

    here = toolchain.cpu_fingerprint()
    monkeypatch.setattr(Path, "read_text", absent)
    assert toolchain.cpu_fingerprint.__wrapped__() not in ("", here)


def test_a_compiler_that_does_not_answer_is_passed_over(nothing, monkeypatch):
    fake(nothing / "g++", "g++ (GCC) 12.2.0")
    fake(nothing / "clang++", "clang version 19.1.0")
    run = toolchain.subprocess.run

    def stuck(command, **options):
        if command[0].endswith("/g++"):
            raise toolchain.subprocess.TimeoutExpired(command, options["timeout"])
        return run(command, **options)

    monkeypatch.setattr(toolchain.subprocess, "run", stuck)
    assert toolchain.find().name == "clang++"
