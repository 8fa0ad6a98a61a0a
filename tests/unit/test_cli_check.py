"""`mpmd check`: every kernel is compiled, none is launched; what is refused is told with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mpmd.cli import main

HEAD = """
import numpy as np
import mpmd
from mpmd import In, Out, f16, f32, f64

(N,) = mpmd.dims("N")

@mpmd.task
def double(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[:] * 2.0

@mpmd.task
def exact(x: In[f64, N], y: Out[f64, N]):
    y[:] = x[:] * 2.0

@mpmd.kernel
def doubled(x: In[f32, N], y: Out[f32, N]):
    for i in mpmd.tiles(N, 16):
        double(x[i], y[i])

@mpmd.kernel
def unwritten(x: In[f32, N], y: Out[f32, N]):
    double(x[0:8], y[0:8])
    double(y[8:16], y[8:16])

@mpmd.kernel
def precise(x: In[f64, N], y: Out[f64, N]):
    exact(x, y)

x, y = np.ones(64, np.float32), np.zeros(64, np.float32)
a, b = np.ones(64), np.zeros(64)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "own.py"


def test_what_is_proved_is_told_and_nothing_is_launched(script: Path, capsys) -> None:
    script.write_text(HEAD + "doubled(x, y)\ndoubled(x[:32], y[:32])\nprint(y.sum())\n")
    assert main(["check", str(script)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "0.0" and out[-1] == "proved: 2, refused: 0"
    assert out[1] == f"doubled ({script}:17), target cpu: proved"
    assert out[2].split()[:2] == ["laws", "phases,"]
    assert main(["check", "--json", str(script)]) == 0
    shown = capsys.readouterr()
    facts = json.loads(shown.out)
    assert shown.err == "0.0\n" and facts["target"] == "cpu" and facts["refused"] == []
    first, second = facts["proved"]
    assert (first["kernel"], first["line"]) == ("doubled", 17)
    assert "liveness" in first["certificate"]["laws"] and len(first["certificate"]["sha256"]) == 64
    assert first["certificate"] != second["certificate"]
    assert first["sync"]["waits"] <= first["sync"]["waits_inserted"] and first["memory"]["budgets"]


def test_refused_calls_are_passed_over_and_each_is_told_once(script: Path, capsys) -> None:
    calls = "for _ in range(3):\n    unwritten(x, y)\ndoubled(x, y)\nprecise(a, b)\n"
    script.write_text(HEAD + calls)
    assert main(["check", "--target", "ascend", str(script)]) == 1
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1] == "proved: 1, refused: 2"
    assert shown.err.count("error[") == 2 and "own.py" in shown.err and "f64" in shown.err
    assert main(["check", "--target", "ascend", "--json", str(script)]) == 1
    refused = json.loads(capsys.readouterr().out)["refused"]
    assert [error["code"] for error in refused][1] == "unsupported"
    assert refused[0]["text"].startswith(f"error[{refused[0]['code']}]: {refused[0]['message']}")
    assert all(note["line"] > 0 for error in refused for note in error["related"])
    assert refused[0]["file"] == str(script) and refused[0]["line"] > 0 and refused[0]["hints"]


def test_a_refused_compilation_ends_the_script(script: Path, capsys) -> None:
    script.write_text(HEAD + "mpmd.compile(unwritten, x, y)\ndoubled(x, y)\n")
    assert main(["check", str(script)]) == 1
    assert capsys.readouterr().out == "proved: 0, refused: 1\n"


def test_compiled_kernels_are_bound_and_called_like_others(script: Path, capsys) -> None:
    constant = "@mpmd.kernel\ndef fixed(x: mpmd.Const[f32, N], y: Out[f32, N]):\n    double(x, y)\n"
    calls = "k = mpmd.compile(fixed, x, y).bind(x=x)\nk(y)\nk(y=y)\nprint(y.sum())\n"
    script.write_text(HEAD + constant + calls)
    assert main(["check", "--target", "cuda", str(script)]) == 0
    assert capsys.readouterr().out.startswith("0.0\nfixed (")


def test_kernels_of_other_threads_are_not_launched_either(script: Path, capsys) -> None:
    called = "import threading\nt = threading.Thread(target=doubled, args=(x, y))\nt.start()\nt.join()\n"
    script.write_text(HEAD + called + "print(y.sum())\n")
    assert main(["check", "--target", "cuda", "--json", str(script)]) == 0
    shown = capsys.readouterr()
    (proved,) = json.loads(shown.out)["proved"]
    assert proved["kernel"] == "doubled" and shown.err == "0.0\n"


def test_a_machine_with_fewer_cores_or_less_memory_is_asked(script: Path, capsys) -> None:
    script.write_text(HEAD + "doubled(x, y)\nmpmd.compile(doubled, x, y, cores=2)\n")
    assert main(["check", "--target", "cuda", "--machine", "h200", "--json", str(script)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {proved["certificate"]["machine"] for proved in facts["proved"]} == {"h200"}


def test_a_script_that_cannot_go_on_without_results_is_told_of(script: Path, capsys) -> None:
    script.write_text(HEAD + "doubled(x, y)\nassert y[0] == 2\ndoubled(a, b)\n")
    assert main(["check", str(script)]) == 1
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1] == "proved: 1, refused: 0"
    assert shown.err.splitlines()[-2:] == [
        "AssertionError",
        "hint: a check launches nothing, so arrays stay as they were; what follows was not checked",
    ]


def test_the_status_of_the_script_and_scripts_without_kernels(script: Path, capsys) -> None:
    script.write_text(HEAD + "doubled(x, y)\nraise SystemExit(3)\n")
    assert main(["check", str(script)]) == 3
    script.write_text("pass\n")
    assert main(["check", str(script)]) == 1
    assert "compiled no kernel" in capsys.readouterr().err
