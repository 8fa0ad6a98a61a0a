"""What tuning has found, kept for later processes: a file for each kernel, shape and machine.

In:  a traced `Program`, a `Machine`, the target's name. Out: the `Choice` that was fastest; a log of trials.
Not here: trying choices out (`tuning.py`), what a choice does (`search.py`).

`MPMD_TUNED=off` passes all of it over; `MPMD_TUNED=some/folder` keeps it there. A program is known by what
it says, shapes included, and not by where its lines are. Nothing in these files is executed.
"""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs

from mpmd.lang.program import Program
from mpmd.lang.text.printer import print_program
from mpmd.machine import Machine, saved
from mpmd.runtime.cache import key_of
from mpmd.search import Choice

log = logging.getLogger(__name__)

FORMAT = 1
"""Files of another format are passed over, and written anew by the next tuning."""

VARIABLE = "MPMD_TUNED"
OFF = "off"

_PLACES = re.compile(r" ?@\d+:\d+:\d+-\d+:\d+|^file .*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Trial:
    """One choice that was tried. `ratios` are its times over those of the kernel as it is compiled without
    tuning, launches of both in turn; `seconds` its own times. With an `error` it did not run."""

    choice: Choice
    predicted: float
    ratios: tuple[float, ...]
    seconds: tuple[float, ...]
    error: str = ""


def folder() -> Path | None:
    """Where it is kept; None where tuning is switched off."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted == OFF:
        return None
    return Path(wanted) if wanted else Path(platformdirs.user_config_path("mpmd")) / "tuned"


def key(program: Program, machine: Machine, target: str) -> str:
    """The name under which what is found for them is kept."""
    text = _PLACES.sub("", print_program(program))
    place = json.dumps([target, machine.name, machine.cores, saved.identity()], sort_keys=True)
    return key_of(str(FORMAT), text, place)[:32]


def found(program: Program, machine: Machine, target: str) -> Choice | None:
    """The choice that a tuning found best; None if there was none, or it is switched off."""
    root = folder()
    if root is None or not root.is_dir():
        return None
    path = root / f"{key(program, machine, target)}.json"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["format"] != FORMAT:
            return None
        choice = Choice.from_json(kept["choice"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("%s is passed over: %s", path, error)
        return None
    log.debug("kernel '%s' as tuned: %s", program.name, choice)
    return choice


def keep(root: Path, name: str, kernel: str, best: Trial) -> Path:
    """Keeps a choice, whole or not at all."""
    root.mkdir(parents=True, exist_ok=True)
    facts = {"format": FORMAT, "kernel": kernel, "choice": best.choice.to_json(), "ratios": list(best.ratios)}
    handle, temporary = tempfile.mkstemp(dir=root, prefix=name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(facts, file, indent=1)
        file.write("\n")
    path = root / f"{name}.json"
    os.replace(temporary, path)
    return path


def note(root: Path, name: str, trial: Trial) -> None:
    """Adds a trial to the log, a line of JSON."""
    root.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {"format": FORMAT, **asdict(trial), "choice": trial.choice.to_json()}
    with (root / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(facts) + "\n")


def noted(root: Path, name: str) -> Iterator[Trial]:
    """The trials of a log; a line that was not written to its end is passed over."""
    path = root / f"{name}.jsonl"
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            facts = json.loads(line)
            if facts.pop("format") != FORMAT:
                continue
            trial = Trial(**{**facts, "choice": Choice.from_json(facts["choice"])})
        except (ValueError, KeyError, TypeError) as error:
            log.warning("a line of %s is passed over: %s", path, error)
            continue
        yield Trial(trial.choice, trial.predicted, tuple(trial.ratios), tuple(trial.seconds), trial.error)
