"""The options that commands share: how each is spelt, what it may say, what a shell completes it to.

In:  words of a command line. Out: types for the functions in `cli.py`; a wrong word ends with status 2.
Not here: what commands do with them. What is heavy to load is loaded when a word is looked at.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

SCRIPT_LAST = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
"""Of commands that take a script: options stand before it, and what follows it is the script's."""


def _targets() -> Iterable[str]:
    from mpmd.targets import TARGETS

    return TARGETS


def _machines() -> Iterable[str]:
    from mpmd.machine.presets import MACHINES

    return MACHINES


def _beginning(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """What a shell offers for the beginning of a name."""
    return lambda incomplete: [name for name in names() if name.startswith(incomplete)]


def _unknown(kind: str, name: str, names: Iterable[str]) -> typer.BadParameter:
    known = list(names)
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return typer.BadParameter(f"there is no {kind} {name!r}; {hint}{kind}s: {', '.join(known)}")


def _target(name: str | None) -> str | None:
    if name is not None and name not in _targets():
        raise _unknown("target", name, _targets())
    return name


def _machine(name: str | None) -> str | None:
    if name is None or name.lower() in _machines():
        return name
    if not _is_path(name):
        raise _unknown("machine", name, _machines())
    from mpmd.machine import saved

    try:
        saved.read(Path(name))
    except saved.Unfit as error:
        raise typer.BadParameter(f"the machine in {name!r} cannot be used: {error}") from None
    return name


def _is_path(name: str) -> bool:
    return os.sep in name or name.endswith(".json") or Path(name).is_file()


def _script(path: Path) -> Path:
    if not path.is_file():
        raise typer.BadParameter(f"there is no script {str(path)!r}")
    return path


def writable(*suffixes: str) -> Callable[[Path | None], Path | None]:
    """Looks at `-o` before anything runs: a file that can be written, with one of these suffixes."""

    def looked_at(path: Path | None) -> Path | None:
        if path is None:
            return None
        if path.suffix not in suffixes:
            raise typer.BadParameter(f"{str(path)!r} has none of the suffixes {', '.join(suffixes)}")
        if not path.parent.is_dir():
            raise typer.BadParameter(f"cannot write {str(path)!r}: there is no folder {str(path.parent)!r}")
        if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            raise typer.BadParameter(f"cannot write {str(path)!r}")
        return path

    return looked_at


def _folder(path: Path) -> Path:
    """Which may be there or not; what is nearest to it and there must be a folder to write into."""
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise typer.BadParameter(
            f"cannot write into {str(path)!r}: {str(there)!r} is no folder to write into"
        )
    return path


def _option(spelt: str, says: str, look: Callable[[Any], Any], names: Callable[[], Iterable[str]]) -> Any:
    """One whose word is a name."""
    return typer.Option(
        spelt, metavar="NAME", help=says, callback=look, autocompletion=_beginning(names), show_default=False
    )


Script = Annotated[
    Path, typer.Argument(help="A Python script; what follows it is given to it.", callback=_script)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON; what the script prints goes to stderr.")]
PlainJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_TARGETS = "cpu, cuda, cuda-sim, ascend or ascend-sim"
Runs = Annotated[
    str,
    _option("--target", f"Where kernels run that do not say: {_TARGETS}. Default: cpu.", _target, _targets),
]
For = Annotated[
    str | None,
    _option("--target", f"Plan as for this target: {_TARGETS}.", _target, _targets),
]
Emits = Annotated[str, _option("--target", f"Whose text: {_TARGETS}. Default: cpu.", _target, _targets)]
On = Annotated[
    str | None,
    _option(
        "--machine",
        "A machine: cpu, h100, h200, a2, a3, a5, or the file of a calibration.",
        _machine,
        _machines,
    ),
]
Folder = Annotated[
    Path, typer.Option("-o", "--output", metavar="DIR", help="The folder to write into.", callback=_folder)
]
Timelines = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Write the timelines, too: .json for Perfetto, .html for a browser.",
        callback=writable(".json", ".html"),
    ),
]
View = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="The file to write: .html, .json, .svg or .dot. Default: a temporary .html.",
        callback=writable(".html", ".json", ".svg", ".dot"),
    ),
]
