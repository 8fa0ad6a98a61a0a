"""The command line: `python -m mpmd doctor` and `python -m mpmd cache`.

In:  arguments. Out: text or JSON on standard output; 0, or 1 when something is missing or failed.
Not here: what is said (`doctor.py`, `runtime/entries.py`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from mpmd.doctor import doctor
from mpmd.errors import Diagnostic
from mpmd.runtime import cache, entries


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except Diagnostic as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mpmd", description="mpmd on this machine.")
    commands = parser.add_subparsers(title="commands", required=True)
    check = commands.add_parser(
        "doctor", help="what is there, what is missing, and the command that mends it"
    )
    check.set_defaults(command=_doctor)
    show = commands.add_parser("cache", help="the compiled kernels kept on disk")
    show.add_argument("--clear", action="store_true", help="remove them")
    show.set_defaults(command=_cache)
    for command in (check, show):
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _doctor(options: argparse.Namespace) -> int:
    report = doctor()
    _show(str(report), report.as_json(), options)
    return 0 if report.healthy else 1


def _cache(options: argparse.Namespace) -> int:
    root = cache.wanted_directory()
    problem = cache.problem(root)
    if problem is not None:
        _show(f"{root} is not used: {problem}", {"directory": str(root), "problem": problem}, options)
        return 1
    return _clear_cache(options) if options.clear else _list_cache(options)


def _list_cache(options: argparse.Namespace) -> int:
    root, limits = cache.wanted_directory(), entries.limits_from_environment()
    found = entries.entries(root)
    size = sum(entry.bytes for entry in found)
    facts = {
        "directory": str(root),
        "entries": len(found),
        "bytes": size,
        "limit_bytes": limits.bytes,
        "limit_days": limits.days,
    }
    text = (
        f"{root}\nentries: {len(found)}, {_megabytes(size)} of {_megabytes(limits.bytes)};"
        f" what is unused for {limits.days:g} days goes"
    )
    _show(text, facts, options)
    return 0


def _clear_cache(options: argparse.Namespace) -> int:
    root = cache.wanted_directory()
    done = entries.clear(root)
    facts = {"directory": str(root), "removed": done.removed, "bytes": done.bytes, "kept": done.kept}
    in_use = f"; {done.kept} are in use and stay" if done.kept else ""
    _show(f"{root}\nremoved entries: {done.removed}, {_megabytes(done.bytes)}{in_use}", facts, options)
    return 0


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _show(text: str, facts: dict[str, Any], options: argparse.Namespace) -> None:
    print(json.dumps(facts, indent=2, ensure_ascii=False) if options.json else text)
