"""The file of a calibration: whole or not at all, of this computer or passed over."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mpmd.errors import ArgumentError
from mpmd.machine import Machine, saved, system
from mpmd.machine.presets import preset, this_cpu


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration folder of our own, and no machine that a variable names."""
    monkeypatch.delenv(saved.VARIABLE)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    saved._tell.cache_clear()
    return tmp_path


def faster() -> Machine:
    return replace(preset(), bandwidth=123e9, jitter=0.25)


def test_what_is_written_is_read_again(home: Path) -> None:
    path = saved.write(faster())
    assert path == saved.default_path() and home in path.parents
    assert saved.read(path) == saved.measured() == faster()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_this_cpu_is_the_measured_one_until_it_is_switched_off(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert this_cpu().bandwidth == preset().bandwidth
    saved.write(faster())
    assert this_cpu().bandwidth == 123e9
    assert this_cpu(1).cores == 1
    monkeypatch.setenv(saved.VARIABLE, saved.PRESET)
    assert this_cpu().bandwidth == preset().bandwidth


def test_a_newer_calibration_is_used_at_once(home: Path) -> None:
    saved.write(faster())
    assert this_cpu().bandwidth == 123e9
    saved.write(replace(faster(), bandwidth=99e9))
    assert this_cpu().bandwidth == 99e9


def test_another_computers_calibration_is_passed_over(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = saved.write(faster())
    monkeypatch.setattr(system, "cpu_name", lambda: "another one")
    assert saved.measured() is None and not caplog.records  # it has a name of its own
    path.rename(saved.default_path())
    with caplog.at_level(logging.WARNING):
        assert saved.measured() is saved.measured() is None
    (record,) = caplog.records
    assert "it is of another computer: cpu is" in record.getMessage()


def spoilt(path: Path, change: Any) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c.update(format=0), "it is not of format 1"),
        (lambda c: c["machine"].pop("bandwidth"), "what it says of the machine makes no sense"),
        (lambda c: c["machine"].update(bandwidth=0), "a rate or a size is 0"),
        (lambda c: c["machine"].update(jitter=float("nan")), "nan is no measurement"),
        (lambda c: c["machine"].update(ticket_seconds=-1), "-1 is no measurement"),
        (lambda c: c["machine"].update(kinds=[]), "it has no cores"),
        (lambda c: c["machine"]["kinds"][0].update(rates=[1, 2]), "2 rates and 4 overheads"),
        (lambda c: c["machine"].update(colour="red"), "what it says of the machine makes no sense"),
        (lambda c: c.update(machine="none"), "what it says of the machine makes no sense"),
    ],
)
def test_a_file_that_makes_no_sense_is_passed_over_and_its_reason_told_once(
    home: Path, caplog: pytest.LogCaptureFixture, change: Any, reason: str
) -> None:
    spoilt(saved.write(faster()), change)
    with caplog.at_level(logging.WARNING):
        assert this_cpu().bandwidth == preset().bandwidth
        assert this_cpu().bandwidth == preset().bandwidth
    (record,) = caplog.records
    assert reason in record.getMessage() and "calibrate again" in record.getMessage()


def test_a_broken_file_is_no_machine(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = saved.write(faster())
    path.write_text("{")
    with caplog.at_level(logging.WARNING):
        assert saved.measured() is None
    assert "it cannot be read" in caplog.text


def test_a_named_file_is_used_wherever_it_was_measured_or_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved.write(faster(), home / "mine.json")
    monkeypatch.setattr(system, "cpu_name", lambda: "another one")
    monkeypatch.setenv(saved.VARIABLE, str(path))
    assert this_cpu().bandwidth == 123e9
    path.unlink()
    with pytest.raises(ArgumentError) as caught:
        this_cpu()
    assert "mine.json' cannot be used: it cannot be read" in str(caught.value)
    assert caught.value.hints == ("name a file that a calibration wrote, or set MPMD_MACHINE=preset",)


def test_a_write_that_fails_leaves_the_old_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved.write(faster())

    def full(*args: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(saved.os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        saved.write(replace(faster(), bandwidth=1.0))
    assert saved.read(path) == faster()
    assert len(list(path.parent.iterdir())) == 1
