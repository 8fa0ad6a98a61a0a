"""The commands, called in this process: what they print, what it means, and the status with which they end.

Not here: commands as programs (`tests/host/test_cli_verbs.py`).
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mpmd.cli import main
from mpmd.machine.presets import preset
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
    assert refused.returncode == 2 and "Usage: mpmd [OPTIONS] COMMAND" in refused.stdout + refused.stderr


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
print("last", y[-1], *sys.argv[1:])
"""


@pytest.fixture
def script(tmp_path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(SCRIPT)
    return path


def test_a_script_runs_and_what_it_compiled_is_listed(script, capsys):
    assert main(["run", str(script), "--fast", "3"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "last 126.0 --fast 3"
    assert out[1].split()[:3] == ["kernel", "target", "tasks"]
    assert out[2].split()[:3] == ["doubled", "cpu", "4"]


def test_json_stands_alone_on_standard_output(script, capsys):
    assert main(["run", "--json", str(script)]) == 0
    shown = capsys.readouterr()
    (facts,) = json.loads(shown.out)
    assert facts["kernel"] == "doubled" and facts["tasks"] == 4 and facts["file"] == str(script)
    assert shown.err == "last 126.0\n"


def test_the_status_is_the_scripts(script, capsys):
    script.write_text(SCRIPT + "sys.exit(7)\n")
    assert main(["run", str(script)]) == 7
    script.write_text(SCRIPT + "sys.exit('no more')\n")
    assert main(["run", str(script)]) == 1
    assert capsys.readouterr().err == "no more\n"


def test_a_diagnostic_of_the_script_is_printed_and_no_traceback(script, capsys):
    script.write_text(SCRIPT + "doubled(x, y[:3])\n")
    assert main(["run", str(script)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error[argument]") and "own.py" in error and "Traceback" not in error


def test_a_script_without_kernels_is_refused(tmp_path, capsys):
    (tmp_path / "idle.py").write_text("pass\n")
    assert main(["run", str(tmp_path / "idle.py")]) == 1
    assert capsys.readouterr().err == (
        f"error[argument]: '{tmp_path}/idle.py' compiled no kernel\n"
        f"  --> {tmp_path}/idle.py:1:1\n"
        "1 | pass\n"
        "    ^^^^\n"
        "  hint: call a function under @mpmd.kernel, or mpmd.compile, when the script runs as a program\n"
    )


def test_an_exception_of_the_script_is_told_from_its_first_line_on(script, capsys):
    script.write_text("def fail():\n    raise KeyError('k')\n\n\nfail()\n")
    assert main(["run", str(script)]) == 1
    assert capsys.readouterr().err == (
        "Traceback (most recent call last):\n"
        f'  File "{script}", line 5, in <module>\n'
        "    fail()\n"
        f'  File "{script}", line 2, in fail\n'
        "    raise KeyError('k')\n"
        "KeyError: 'k'\n"
    )
    script.write_text("x = = 1\n")
    assert main(["run", str(script)]) == 1
    assert capsys.readouterr().err.splitlines()[0] == f'  File "{script}", line 1'


def test_an_interrupt_ends_with_the_status_of_shells(script):
    script.write_text("raise KeyboardInterrupt\n")
    assert main(["run", str(script)]) == 130


def test_launches_are_played_on_another_machine(script, tmp_path, capsys):
    timelines = tmp_path / "trace.json"
    assert main(["simulate", "--json", "--machine", "h100", "-o", str(timelines), str(script)]) == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert facts["machine"] == "h100" and facts["source"] == "simulated"
    assert facts["seconds"] >= facts["bound_seconds"] > 0
    assert json.loads(timelines.read_text())["traceEvents"]


def test_of_many_cores_three_are_told(script, capsys):
    script.write_text(
        SCRIPT.replace("np.arange(64", "np.arange(4096").replace("np.zeros(64", "np.zeros(4096")
    )
    assert main(["simulate", "--machine", "h100", str(script)]) == 0
    headline, cores, tasks, *_ = capsys.readouterr().out.split("\n\n")
    assert " simulated on h100: " in headline and " on 132 cores, " in headline
    named = [re.match(r"\d+ \((\w+) of 132\) ", line) for line in cores.splitlines()[1:]]
    assert [found and found[1] for found in named] == ["busiest", "median", "idlest"]
    assert tasks.splitlines()[1].split()[:3] == ["double", "own.py:18", "256"]


def test_launches_are_profiled_and_told_beside_what_was_predicted(script, capsys):
    assert main(["profile", "--json", str(script)]) == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert facts["kernel"] == "doubled" and facts["seconds"] > 0 and facts["predicted_seconds"] > 0
    assert sum(facts["blame"]["seconds"].values()) == pytest.approx(facts["seconds"])
    assert main(["profile", str(script)]) == 0
    out = capsys.readouterr().out
    assert "kernel 'doubled', measured on" in out and "\non the critical path " in out
    assert main(["profile", "--json", "--machine", "h100", str(script)]) == 0
    (on_a_card,) = json.loads(capsys.readouterr().out)
    assert on_a_card["predicted_seconds"] != facts["predicted_seconds"]


def test_a_script_that_only_compiles_is_not_profiled(script, capsys):
    script.write_text(SCRIPT.replace("doubled(x, y)", "mpmd.compile(doubled, x, y)"))
    assert main(["profile", str(script)]) == 1
    assert capsys.readouterr().err.splitlines()[:2] == [
        f"error[argument]: '{script}' launched no kernel whose launches are stamped",
        f"  --> {script}:1:1",
    ]


def test_launches_of_two_signatures_are_told_apart(script, capsys):
    script.write_text(
        SCRIPT + "x, y = np.zeros(32, np.float32), np.zeros(32, np.float32)\ndoubled(x, y)\n" * 2
    )
    assert main(["profile", "--json", str(script)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(launch["kernel"], launch["launches"]) for launch in found] == [("doubled", 1), ("doubled", 2)]


LOOPS = """
import numpy as np
import mpmd
from mpmd import InOut, f32, i32

@mpmd.task
def double(x: InOut[f32, 8]):
    x[:] = x[:] * 2.0

@mpmd.kernel
def powers(x: InOut[f32, 8], turns: i32):
    for _ in mpmd.loop(turns):
        double(x)

powers(np.ones(8, np.float32), 9)
"""


def test_a_loop_is_played_as_often_as_the_call_ran_it(script, capsys):
    script.write_text(LOOPS)
    assert main(["simulate", "--json", str(script)]) == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert [task["count"] for task in facts["tasks_by_time"]] == [9]
    assert main(["simulate", str(script)]) == 0
    out = capsys.readouterr().out
    assert "lower bound of one turn of its loops" in out and "\non the critical path " in out


def test_a_calibration_is_told_and_kept_if_that_is_wanted(monkeypatch, tmp_path, capsys):
    measured, kept = preset(), []
    module = importlib.import_module("mpmd.commands.calibrate")
    monkeypatch.setattr(module, "calibrated", lambda progress, save: kept.append(save) or measured)
    monkeypatch.setattr(module, "report", lambda machine: f"figures of {machine.name}")
    monkeypatch.setattr(module.saved, "default_path", lambda: tmp_path / "cpu.json")
    assert main(["calibrate"]) == 0
    assert capsys.readouterr().out == f"figures of {measured.name}\n\nkept in {tmp_path}/cpu.json\n"
    assert main(["calibrate", "--no-keep", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == measured.name and kept == [True, False]


def test_a_kernel_is_explained(script, capsys):
    assert main(["explain", str(script)]) == 0
    out = capsys.readouterr().out
    assert "Kernel 'doubled'" in out and "one launch per call" in out
    assert main(["explain", "--json", str(script)]) == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert facts["kernel"] == "doubled" and facts["others"]


def test_a_script_is_tuned(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MPMD_TUNED", str(tmp_path / "tuned"))
    assert main(["tune", "--json", "--trials", "1", str(script)]) == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert facts["kernel"] == "doubled" and len(facts["trials"]) == 1 and Path(facts["kept"]).exists()
