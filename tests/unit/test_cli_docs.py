"""The law: every example of the manual and of the help texts is a command that ends well."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest

from mpmd.cli import app, main
from mpmd.machine.presets import preset
from mpmd.runtime import toolchain
from mpmd.runtime.cuda_sim.compile import WITHOUT_RUNTIME

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
TRAIN = """
import numpy as np
import mpmd
from mpmd import In, Out, f32

N, M = mpmd.dims("N M")

@mpmd.task
def linear(x: In[f32, N, M], y: Out[f32, N, M]):
    y[:] = x[:] * 2.0

@mpmd.kernel
def mlp(x: In[f32, N, M], y: Out[f32, N, M]):
    for i in mpmd.tiles(N, 2):
        linear(x[i], y[i])

x, y = np.ones((8, 16), np.float32), np.zeros((8, 16), np.float32)
mlp(x, y)
"""


def of_the_manual() -> list[str]:
    return re.findall(r"^\$ mpmd (.*)$", MANUAL.read_text(), flags=re.MULTILINE)


def of_the_help() -> list[str]:
    texts = [command.epilog or "" for command in app.registered_commands]
    return [line for text in texts for line in re.findall(r"^  mpmd (.*)$", text, flags=re.MULTILINE)]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a script and with settings of its own; nothing is measured for long, nothing opened."""
    (tmp_path / "train.py").write_text(TRAIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPMD_TUNED", str(tmp_path / "tuned"))
    calibrating = importlib.import_module("mpmd.commands.calibrate")
    monkeypatch.setattr(calibrating, "calibrated", lambda progress, save: preset())
    monkeypatch.setattr("webbrowser.open", lambda url: True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.mark.parametrize("line", dict.fromkeys([*of_the_manual(), *of_the_help()]))
def test_an_example_runs(line: str, elsewhere: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if "cuda-sim" in line and toolchain.find().kind not in WITHOUT_RUNTIME:
        pytest.skip("the simulator needs g++ or clang++")
    if "--clear" in line:
        monkeypatch.setenv("MPMD_CACHE_DIR", str(tmp_path / "cache"))
    assert main(shlex.split(line)) == 0


def test_there_is_a_section_for_every_verb() -> None:
    sections = re.findall(r"^## mpmd (\w+)$", MANUAL.read_text(), flags=re.MULTILINE)
    assert sections == [command.callback.__name__ for command in app.registered_commands if command.callback]
