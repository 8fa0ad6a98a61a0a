"""Wrong words of a command line end it with status 2 before anything runs; shells complete right ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from mpmd.cli import app, main
from mpmd.machine import saved
from mpmd.machine.presets import MACHINES, preset
from mpmd.targets import TARGETS

VERBS = (
    "run",
    "check",
    "emit",
    "view",
    "profile",
    "simulate",
    "explain",
    "calibrate",
    "tune",
    "doctor",
    "cache",
)


@pytest.fixture
def script(tmp_path: Path) -> str:
    """One that must not be run."""
    path = tmp_path / "own.py"
    path.write_text("raise AssertionError\n")
    return str(path)


def refusal(capsys, *arguments: str) -> str:
    """What a wrong command line is told, after its usage."""
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith(f"Usage: mpmd {arguments[0]} ")
    return shown.err.splitlines()[-1]


def test_names_that_are_unknown(script: str, capsys) -> None:
    targets = "targets: cpu, cuda, cuda-sim, ascend, ascend-sim"
    machines = "machines: cpu, h100, h200, a2, a3, a5"
    assert refusal(capsys, "check", "--target", "asend", script) == (
        f"Error: Invalid value for '--target': there is no target 'asend'; did you mean 'ascend'? {targets}"
    )
    assert refusal(capsys, "run", "--target", "x", script) == (
        f"Error: Invalid value for '--target': there is no target 'x'; {targets}"
    )
    assert refusal(capsys, "simulate", "--machine", "H10", script) == (
        f"Error: Invalid value for '--machine': there is no machine 'H10'; did you mean 'h100'? {machines}"
    )


def test_files_that_are_no_calibration(script: str, tmp_path: Path, capsys) -> None:
    (tmp_path / "cpu.json").write_text("{}")
    assert refusal(capsys, "explain", "--machine", str(tmp_path / "cpu.json"), script) == (
        f"Error: Invalid value for '--machine': the machine in '{tmp_path}/cpu.json' cannot be used: "
        f"it is not of format {saved.FORMAT}"
    )
    missing = refusal(capsys, "explain", "--machine", "no.json", script)
    assert missing.startswith(
        "Error: Invalid value for '--machine': the machine in 'no.json' cannot be used: it cannot be read: "
    )


def test_a_calibration_is_a_machine(tmp_path: Path) -> None:
    from mpmd.commands.elsewhere import machine_of, place_of

    path = saved.write(preset(), tmp_path / "cpu.json")
    assert machine_of(str(path)) == preset() and machine_of("H100") == MACHINES["h100"]()
    assert place_of(None, None) is None and place_of("ascend", "h200") == MACHINES["h200"]()


def test_scripts_that_are_not_there(tmp_path: Path, capsys) -> None:
    said = refusal(capsys, "run", str(tmp_path / "no.py"))
    assert said.startswith("Error: Invalid value for ") and said.endswith(
        f": there is no script '{tmp_path}/no.py'"
    )
    assert refusal(capsys, "profile").startswith("Error: Missing argument")


def test_files_that_cannot_be_written(script: str, tmp_path: Path, capsys) -> None:
    for_output = "Error: Invalid value for '-o' / '--output': "
    nowhere, folder = tmp_path / "no" / "x.json", tmp_path / "folder.json"
    folder.mkdir()
    assert refusal(capsys, "profile", "-o", str(nowhere), script) == (
        f"{for_output}cannot write '{nowhere}': there is no folder '{tmp_path}/no'"
    )
    assert refusal(capsys, "simulate", "-o", str(folder), script) == f"{for_output}cannot write '{folder}'"
    assert refusal(capsys, "view", "-o", "x.png", script) == (
        f"{for_output}'x.png' has none of the suffixes .html, .json, .svg, .dot"
    )
    assert refusal(capsys, "profile", "-o", "x.svg", script) == (
        f"{for_output}'x.svg' has none of the suffixes .json, .html"
    )
    assert refusal(capsys, "emit", "-o", str(script), script) == (
        f"{for_output}cannot write into '{script}': '{script}' is no folder to write into"
    )


def test_options_that_contradict_each_other(script: str, capsys) -> None:
    assert refusal(capsys, "view", "--measure", "--machine", "h100", script) == (
        "Error: Invalid value: launches are measured here: leave --target and --machine out"
    )
    assert refusal(capsys, "view", "--what", "schedule", "-o", "x.dot", script) == (
        "Error: Invalid value: a schedule is drawn as .svg: give -o such a file"
    )
    assert refusal(capsys, "view", "--expand", "double", script) == (
        "Error: Invalid value: --what and --expand are for an .svg or a .dot: give -o such a file"
    )
    assert refusal(capsys, "view", "--measure", "--what", "graph", script) == (
        "Error: Invalid value: --measure is for timelines: give -o an .html or a .json"
    )


@pytest.mark.parametrize(
    "arguments", [["frob"], ["run"], ["cache", "--frob"], ["tune", "--trials", "0", "x"]]
)
def test_a_wrong_command_line_is_status_2(arguments: list[str], capsys) -> None:
    assert main(arguments) == 2
    assert "Usage: mpmd" in capsys.readouterr().err


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_examples(verb: str, capsys) -> None:
    assert main([verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"\n  Examples:\n    mpmd {verb}" in text
    assert main([verb, "-h"]) == 0 and capsys.readouterr().out == text


def test_the_help_names_every_verb_and_the_statuses(capsys) -> None:
    assert [command.callback.__name__ for command in app.registered_commands if command.callback] == list(
        VERBS
    )
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {verb} " in text for verb in VERBS) and "Exit status: 0, or the script's own; 1 " in text
    assert main([]) == 2 and capsys.readouterr().err == text


def test_the_version(capsys) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"mpmd {version('mpmd')}\n"


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("mpmd ex", ["explain"]),
        ("mpmd run --target asc", [name for name in TARGETS if name.startswith("asc")]),
        ("mpmd simulate --machine a", [name for name in MACHINES if name.startswith("a")]),
    ],
)
def test_bash_completes_commands_and_names(line: str, offered: list[str]) -> None:
    words = line.split(" ")
    script = (
        f'COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _mpmd_completion mpmd; echo "${{COMPREPLY[@]}}"'
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f'eval "$(mpmd --show-completion)"; {script}'],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PATH": path},
    )
    assert done.stdout.split() == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_told_what_they_may_complete(shell: str) -> None:
    asked = {"_MPMD_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": "mpmd check --target cuda-"}
    done = subprocess.run(
        [sys.executable, "-m", "mpmd"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | asked | {"_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    )
    assert "cuda-sim" in done.stdout and "ascend" not in done.stdout


def test_json_of_a_command_without_a_script(capsys) -> None:
    assert main(["cache", "--json"]) == 0
    assert "entries" in json.loads(capsys.readouterr().out)
