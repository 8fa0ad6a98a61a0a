"""`mpmd view`: the picture is chosen by the file's suffix, and is of the kernels that are asked for."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mpmd.cli import main

SCRIPT = """
import numpy as np
import mpmd
from mpmd import In, Out, f32

(N,) = mpmd.dims("N")

@mpmd.task
def double(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[:] * 2.0

@mpmd.kernel
def once(x: In[f32, N], y: Out[f32, N]):
    for i in mpmd.tiles(N, 16):
        double(x[i], y[i])

@mpmd.kernel
def twice(x: In[f32, N], y: Out[f32, N]):
    h = mpmd.empty((N,), f32)
    double(x, h)
    double(h, y)

x, y = np.ones(64, np.float32), np.zeros(64, np.float32)
once(x, y)
twice(x, y)
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "own.py"
    path.write_text(SCRIPT)
    return str(path)


def drawn(tmp_path: Path, suffix: str, *arguments: str) -> str:
    """The text of the file that the command writes."""
    path = tmp_path / f"picture{suffix}"
    assert main(["view", "-o", str(path), *arguments]) == 0
    return path.read_text()


def test_timelines_of_all_kernels_and_of_one(script: str, tmp_path: Path, capsys) -> None:
    events = json.loads(drawn(tmp_path, ".json", script))["traceEvents"]
    titles = [event["args"]["name"] for event in events if event["name"] == "process_name"]
    assert [title.split(" on ")[0] for title in titles] == ["predicted: once", "predicted: twice"]
    one = json.loads(drawn(tmp_path, ".json", "--kernel", "1", "--machine", "h100", script))["traceEvents"]
    titles = [event["args"]["name"] for event in one if event["name"] == "process_name"]
    assert titles == ["predicted: twice on h100"]
    assert capsys.readouterr().out == f"{tmp_path}/picture.json\n" * 2


def test_measured_launches_stand_beside_predicted_ones(script: str, tmp_path: Path) -> None:
    events = json.loads(drawn(tmp_path, ".json", "--measure", script))["traceEvents"]
    titles = [event["args"]["name"].split(" on ")[0] for event in events if event["name"] == "process_name"]
    assert titles == ["predicted: once", "measured: once", "predicted: twice", "measured: twice"]


def test_a_page(script: str, tmp_path: Path) -> None:
    text = drawn(tmp_path, ".html", script)
    assert text.startswith("<!doctype html>") and "once, twice" in text


def test_graphs_and_schedules(script: str, tmp_path: Path) -> None:
    dot = drawn(tmp_path, ".dot", "--kernel", "once", script)
    assert dot.startswith("digraph") and "double" in dot
    expanded = drawn(tmp_path, ".dot", "--kernel", "once", "--expand", "double", script)
    assert len(expanded) > len(dot)
    for what in ("graph", "schedule"):
        svg = drawn(tmp_path, ".svg", "--kernel", "twice", "--what", what, script)
        assert ElementTree.fromstring(svg).tag.endswith("svg") and "double" in svg


def test_a_graph_is_of_one_kernel(script: str, tmp_path: Path, capsys) -> None:
    assert main(["view", "-o", str(tmp_path / "x.svg"), script]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"error[argument]: a graph is of one kernel, and '{script}' compiled 2",
        f"  --> {script}:1:1",
        "  hint: say which with --kernel: 0 (once), 1 (twice)",
    ]
    assert main(["view", "--kernel", "thrice", script]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"error[argument]: '{script}' compiled no kernel 'thrice'",
        f"  --> {script}:1:1",
        "  hint: it compiled 0 (once), 1 (twice)",
    ]


def test_without_a_file_there_is_a_temporary_one_and_no_browser(
    script, tmp_path, monkeypatch, capsys
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert main(["view", "--json", script]) == 0
    facts = json.loads(capsys.readouterr().out)
    path = Path(facts["file"])
    assert facts["kernels"] == ["once", "twice"] and opened == []
    assert path.parent == tmp_path and path.suffix == ".html" and path.stat().st_size > 0
    assert main(["view", "--what", "graph", "--kernel", "once", script]) == 0
    assert capsys.readouterr().out.endswith(".svg\n")
    assert main(["view", "--open", script]) == 0
    assert opened == [Path(capsys.readouterr().out.strip()).as_uri()]


def test_a_full_disk_is_told(script: str, tmp_path: Path, capsys) -> None:
    full = tmp_path / "full.json"
    full.symlink_to("/dev/full")
    assert main(["view", "-o", str(full), script]) == 1
    assert capsys.readouterr().err == (
        f"error[argument]: cannot write '{full}': No space left on device\n  hint: give -o another path\n"
    )


def test_a_script_that_fails_is_not_drawn(script: str, tmp_path: Path) -> None:
    Path(script).write_text(SCRIPT + "raise SystemExit(5)\n")
    assert main(["view", "-o", str(tmp_path / "x.html"), script]) == 5
    assert not (tmp_path / "x.html").exists()
