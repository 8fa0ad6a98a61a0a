"""The doctor names what is there and what is missing, and its advice is a command."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
from pathlib import Path

import pytest

import mpmd
from mpmd import doctor as examine
from mpmd.cli import main
from mpmd.doctor import Finding, Report, State
from mpmd.errors import NO_SPAN, ToolchainError
from mpmd.machine import presets
from mpmd.runtime import cache, pool
from tests.unit.compilers import fake, hide_compilers

doctor = sys.modules["mpmd.doctor"]  # `mpmd.doctor` is the function
OK, NOTE, MISSING = State.OK, State.NOTE, State.MISSING


@pytest.fixture
def nothing(tmp_path, monkeypatch) -> Path:
    """No compiler anywhere; returns the one directory that is searched."""
    hide_compilers(tmp_path, monkeypatch)
    return tmp_path


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("MPMD_CACHE_DIR", str(tmp_path / "the cache"))
    return tmp_path / "the cache"


def test_an_old_python_is_missing():
    at = f"at {sys.executable}"
    assert doctor.python((3, 11, 0)) == Finding("python", OK, f"3.11.0 {at}")
    assert doctor.python((3, 10, 9)) == Finding(
        "python", MISSING, f"3.10.9 {at}", "install Python 3.11 or later"
    )


@pytest.mark.parametrize(
    "version, finding",
    [
        ("2.0.0rc1", Finding("numpy", OK, "2.0.0rc1")),
        ("1.26.4", Finding("numpy", MISSING, "1.26.4", "pip install 'numpy>=2.0'")),
    ],
)
def test_an_old_numpy_is_missing(monkeypatch, version, finding):
    monkeypatch.setattr(importlib.metadata, "version", {"numpy": version}.__getitem__)
    assert doctor.numpy() == finding


def test_a_limit_of_the_control_group_is_noted(monkeypatch):
    vectors = f"vectors of {presets.this_cpu().vector_bytes} bytes"
    monkeypatch.setattr(doctor.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(doctor.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(presets, "allowed_cores", lambda: 4)
    monkeypatch.setattr(presets, "available_cores", lambda: 4)
    assert doctor.cpu() == Finding("cpu", OK, f"x86_64, 4 of 8 cores, {vectors}")
    monkeypatch.setattr(presets, "available_cores", lambda: 2)
    assert doctor.cpu() == Finding(
        "cpu",
        NOTE,
        f"x86_64, 2 of 8 cores, {vectors}; the control group's limit leaves 2 of 4",
        "raise the CPU limit of the container (docker run --cpus=…)",
    )


def test_without_compilers_the_wheel_is_advised(nothing):
    assert doctor.compilers() == (
        Finding("compiler", NOTE, "g++: not found"),
        Finding("compiler", NOTE, "clang++: not found"),
        Finding("compiler", NOTE, "zig c++: not found"),
        Finding("compiler", MISSING, "none that runs", "pip install ziglang"),
    )


def test_compilers_are_listed_in_order_with_their_versions(nothing):
    (nothing / "g++").write_text("#!/bin/sh\nexit 1\n")
    (nothing / "g++").chmod(0o755)
    fake(nothing / "clang++", "clang version 19.1.0", status=1, stderr="ld: error: no libc")
    found = doctor.compilers()
    assert found[0] == Finding("compiler", NOTE, "g++: does not run")
    assert found[1] == Finding(
        "compiler",
        MISSING,
        "clang++: clang version 19.1.0, chosen; but clang++ refused the generated text"
        " (clang version 19.1.0): ld: error: no libc",
        f"pip install ziglang && export CXX='{sys.executable} -m ziglang c++'",
    )
    assert found[2] == Finding("compiler", NOTE, "zig c++: not found")


def test_a_compiler_that_makes_nothing_is_missing(nothing):
    fake(nothing / "g++", "g++ (GCC) 12.2.0")
    finding = doctor.compilers()[0]
    assert finding.state is MISSING
    assert finding.text.startswith("g++: g++ (GCC) 12.2.0, chosen; but what it makes cannot be loaded: ")
    assert finding.mend == "export TMPDIR=… (a directory with room, from which programs may run)"


def test_a_wrong_cxx_is_the_only_candidate(nothing, monkeypatch):
    fake(nothing / "g++", "g++ (GCC) 12.2.0")
    monkeypatch.setenv("CXX", "/no/such/compiler -m64")
    assert doctor.compilers() == (
        Finding("compiler", NOTE, "/no/such/compiler -m64: does not run"),
        Finding("compiler", MISSING, "none that runs", "unset CXX"),
    )


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")
def test_a_compiler_that_works_compiles_and_loads(monkeypatch):
    monkeypatch.setenv("CXX", "g++")
    (finding,) = doctor.compilers()
    assert finding.state is OK and finding.text.endswith(", chosen; compiles and loads")


def test_the_cache_is_sized(root):
    assert doctor.cache_directory() == Finding("cache", OK, f"{root}, entries: 0, 0.0 MB")
    cache.obtain(cache.key_of("an entry"), lambda: b"x" * 1_500_000)
    assert doctor.cache_directory() == Finding("cache", OK, f"{root}, entries: 1, 1.5 MB")


def test_a_cache_that_others_may_write_to_is_mended_by_chmod(root):
    root.mkdir()
    root.chmod(0o777)
    finding = doctor.cache_directory()
    assert finding == Finding(
        "cache",
        MISSING,
        f"{root} is not used: others may write to it; every process compiles anew",
        f"chmod u=rwx,go-w '{root}'",
    )


def test_a_cache_that_cannot_be_made_is_mended_by_another(root):
    root.write_text("a file")
    finding = doctor.cache_directory()
    assert finding.state is MISSING and finding.mend == "export MPMD_CACHE_DIR=… (a directory of your own)"


@pytest.mark.parametrize(
    "setting, state, text",
    [
        ("always [madvise] never", OK, "madvise"),
        ("[always] madvise never", OK, "always"),
        ("always madvise [never]", NOTE, "never"),
        (None, NOTE, "this system has none"),
    ],
)
def test_huge_pages(tmp_path, monkeypatch, setting, state, text):
    path = tmp_path / "enabled"
    monkeypatch.setattr(doctor, "HUGE_PAGES", path)
    if setting is not None:
        path.write_text(setting + "\n")
    mend = f"echo madvise | sudo tee {path}" if text == "never" else ""
    assert doctor.huge_pages() == Finding("huge pages", state, text, mend)


def test_a_pool_that_cannot_be_compiled_is_missing(monkeypatch):
    def refuse() -> None:
        raise ToolchainError("no C++ compiler was found", span=NO_SPAN, hints=("pip install ziglang", "or"))

    monkeypatch.setattr(pool, "native", refuse)
    assert doctor.pool_library() == Finding(
        "pool", MISSING, "no C++ compiler was found", "pip install ziglang; or"
    )


REPORT = Report(
    (
        Finding("numpy", OK, "2.1.0"),
        Finding("compiler", NOTE, "g++: not found"),
        Finding("compiler", MISSING, "none that runs", "pip install ziglang"),
    )
)


def test_the_text_says_what_mends():
    assert str(REPORT) == "\n".join(
        [
            "ok      numpy     2.1.0",
            "note    compiler  g++: not found",
            "missing compiler  none that runs",
            "                  mend: pip install ziglang",
            "1 missing",
        ]
    )
    assert str(Report(REPORT.findings[:2])).endswith("\nhealthy")


@pytest.mark.parametrize("report, status", [(REPORT, 1), (Report(REPORT.findings[:2]), 0)])
def test_the_exit_status_tells_whether_something_is_missing(monkeypatch, capsys, report, status):
    monkeypatch.setattr("mpmd.commands.doctor.examine", lambda: report)
    assert main(["doctor"]) == status
    assert capsys.readouterr().out == f"{report}\n"
    assert main(["doctor", "--json"]) == status
    assert json.loads(capsys.readouterr().out) == report.as_json()
    assert report.as_json()["healthy"] is (status == 0)


def test_the_json_of_a_finding():
    assert REPORT.as_json()["findings"][2] == {
        "subject": "compiler",
        "state": "missing",
        "text": "none that runs",
        "mend": "pip install ziglang",
    }


def test_everything_is_looked_at():
    report = examine()
    assert examine is mpmd.doctor and isinstance(report, Report)
    subjects = list(dict.fromkeys(finding.subject for finding in report.findings))
    assert subjects == ["python", "numpy", "cpu", "compiler", "cache", "huge pages", "pool"]
