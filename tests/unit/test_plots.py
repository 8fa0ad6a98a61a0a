"""Plots of bench results show every line of their file; what is no such file is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import plots

RESULTS = Path(__file__).parents[2] / "bench" / "results"
CALL = {
    "kernel": "mlp",
    "call": "swiglu:32",
    "flops": 2e9,
    "bytes": 1e8,
    "seconds": 0.02,
    "cores": 2,
    "peak_flops": 3e11,
    "peak_bandwidth": 2e10,
}


def written(folder: Path, *lines: object) -> Path:
    path = folder / "lines.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def texts(picture: Path) -> str:
    return " ".join("".join(node.itertext()) for node in ElementTree.parse(picture).getroot().iter())


def test_scale_shows_stages_and_cores_the_same_every_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("a.svg", "b.svg"):
        assert plots.main(["scale", str(RESULTS / "scale.jsonl"), "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "all stages, 132 cores" in texts(tmp_path / "a.svg")


def test_a_roofline_has_a_point_for_each_call_and_the_roof(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    lines = written(tmp_path, CALL, {**CALL, "call": "linear:34", "bytes": 4e8}, {**CALL, "flops": 0.0})
    assert plots.main(["roofline", str(lines), "-o", str(tmp_path / "roof.svg")]) == 0
    shown = texts(tmp_path / "roof.svg")
    assert "swiglu:32" in shown and "linear:34" in shown and "20 GB/s, 300 Gop/s" in shown


def test_what_is_no_result_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, CALL, {"kernel": "mlp"})
    assert plots.main(["roofline", str(path), "-o", str(tmp_path / "no.svg")]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"error[argument]: '{path}' is not what bench.roofline writes",
        f"  --> {path}:2:1",
        '2 | {"kernel": "mlp"}',
        "    ^ no 'call' in this line",
        "  hint: `python -m bench.roofline --out FOLDER` writes roofline.jsonl",
    ]
    for wrong, why in ((tmp_path / "none.jsonl", "cannot read"), (written(tmp_path), "is empty")):
        assert plots.main(["scale", str(wrong), "-o", str(tmp_path / "no.svg")]) == 1
        assert why in capsys.readouterr().err
    assert not (tmp_path / "no.svg").exists()


def test_without_matplotlib_the_plot_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert plots.main(["roofline", str(written(tmp_path, CALL)), "-o", str(tmp_path / "no.svg")]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "error[toolchain]: plots are drawn by Matplotlib, which is not installed",
        "  hint: pip install 'mpmd[bench]'",
    ]
