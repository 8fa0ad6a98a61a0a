"""Every command as a program: what it prints where, the keys of its JSON, and the status with which it ends.

One script and one cache for all. Not here: what the commands mean (`tests/unit/test_cli*.py`).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
import numpy as np
import mpmd
from mpmd import In, Out, f32

(N,) = mpmd.dims("N")

@mpmd.task
def double(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[:] * 2.0

@mpmd.kernel
def doubled(x: In[f32, N], y: Out[f32, N]):
    for i in mpmd.tiles(N, 16):
        double(x[i], y[i])

x, y = np.arange(64, dtype=np.float32), np.zeros(64, np.float32)
doubled(x, y)
print("ran", *sys.argv[1:])
if "fail" in sys.argv:
    doubled(x, y[:3])
if "raise" in sys.argv:
    raise ValueError("no good")
if "exit" in sys.argv:
    sys.exit(3)
"""

Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verbs")
    (path / "own.py").write_text(SCRIPT)
    (path / "idle.py").write_text("pass\n")
    (path / "wrong.py").write_text("x = = 1\n")
    return path


@pytest.fixture(scope="module")
def mpmd(folder: Path) -> Program:
    """The program, in that folder."""
    kept = {name: str(folder / name) for name in ("MPMD_TUNED",)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mpmd", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env=os.environ | kept | {"MPMD_MACHINE": "preset"},
        )

    return run


def documented(verb: str) -> set[str]:
    """The keys that the manual gives for a command's JSON."""
    page = (ROOT / "docs" / "cli.md").read_text()
    section = page.split(f"\n## mpmd {verb}\n")[1].split("\n## ")[0]
    keys = re.search(r"^JSON[^:]*: (.*?)\.$", section, flags=re.MULTILINE | re.DOTALL)
    assert keys is not None, f"the section of {verb} does not give the keys of its JSON"
    return set(re.findall(r"`(\w+)`", keys[1]))


JSON: dict[str, tuple[str, ...]] = {
    "run": (),
    "check": ("--target", "ascend"),
    "emit": ("-o", "emitted"),
    "view": ("-o", "view.html", "--measure"),
    "profile": ("-o", "profile.json"),
    "simulate": ("--machine", "h100", "-o", "simulated.html"),
    "explain": (),
    "tune": ("--trials", "1"),
}


@pytest.mark.parametrize("verb", JSON)
def test_json_has_the_documented_keys(verb: str, mpmd: Program) -> None:
    done = mpmd(verb, "--json", *JSON[verb], "own.py", "--flag", "value")
    assert (done.returncode, done.stderr) == (0, "ran --flag value\n")
    found: Any = json.loads(done.stdout)
    (facts,) = found if isinstance(found, list) else (found,)
    assert set(facts) == documented(verb)


@pytest.mark.parametrize("verb", ["cache", "doctor"])
def test_json_of_commands_without_a_script(verb: str, mpmd: Program) -> None:
    done = mpmd(verb, "--json")
    facts = json.loads(done.stdout)
    assert done.returncode == 0 and set(facts) == documented(verb)


def test_text_goes_through_a_pipe_as_it_is(mpmd: Program) -> None:
    done = mpmd("run", "own.py", "exit")
    assert (done.returncode, done.stderr) == (3, "")
    ran, head, row = done.stdout.splitlines()
    assert ran == "ran exit" and head.split()[:2] == ["kernel", "target"] and row.split()[0] == "doubled"
    assert "\x1b" not in done.stdout


def test_a_diagnostic_of_the_script(mpmd: Program) -> None:
    done = mpmd("simulate", "own.py", "fail")
    assert (done.returncode, done.stdout) == (1, "ran fail\n")
    assert done.stderr.startswith("error[argument]: ") and "--> own.py:14:28" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_exception_of_the_script(mpmd: Program) -> None:
    done = mpmd("check", "own.py", "raise")
    assert done.returncode == 1 and done.stdout.endswith("\nproved: 1, refused: 0\n")
    assert done.stderr.splitlines()[1:3] == [
        "Traceback (most recent call last):",
        '  File "own.py", line 24, in <module>',
    ]


def test_a_script_that_is_no_python(mpmd: Program) -> None:
    done = mpmd("explain", "wrong.py")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith('  File "wrong.py", line 1\n') and "SyntaxError" in done.stderr


def test_a_script_without_kernels(mpmd: Program) -> None:
    done = mpmd("profile", "idle.py")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error[argument]: 'idle.py' compiled no kernel\n  --> idle.py:1:1\n")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("frob", "No such command 'frob'"),
        ("tune no.py", "there is no script 'no.py'"),
        ("emit own.py", "Missing option '-o' / '--output'"),
        ("view -o no/x.html own.py", "cannot write 'no/x.html': there is no folder 'no'"),
        ("profile --machine h1000 own.py", "there is no machine 'h1000'; did you mean 'h100'?"),
        ("run --target gpu own.py", "there is no target 'gpu'; did you mean 'cpu'? targets: "),
        ("calibrate --quick", "No such option"),
    ],
)
def test_a_wrong_command_line(line: str, told: str, mpmd: Program) -> None:
    done = mpmd(*line.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: mpmd" in done.stderr and told in done.stderr


def test_help_needs_none_of_the_compiler() -> None:
    loaded = "print(sorted({'numpy', 'rich', 'mpmd.names'} & {*sys.modules}))"
    program = f"import sys, mpmd.cli\nmpmd.cli.main(['--help'])\n{loaded}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
