"""Calibration on this computer: every figure is measured or sourced, and the next process finds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpmd import calibrate
from mpmd.machine import saved
from mpmd.machine.presets import this_cpu
from mpmd.machine.text import figures


def test_a_calibration_is_whole_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "ROUNDS", 2)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    told: list[float] = []
    machine = calibrate.calibrate(lambda stage, share: told.append(share))
    assert told == sorted(told) and (told[0], told[-1]) == (0.0, 1.0)
    assert {source.field: source.value for source in machine.sources} == figures(machine)
    assert saved.read(saved.default_path()) == machine
    monkeypatch.delenv(saved.VARIABLE)
    assert this_cpu().leading.rates == machine.leading.rates
    lines = calibrate.report(machine).splitlines()
    assert lines[0].split() == ["figure", "preset", "measured", "how"]
    assert len(lines) == 1 + len(figures(machine))
    (rate,) = (line for line in lines if line.startswith("core.dot32"))
    assert "measured, spread" in rate and "residual" in rate
