"""A text's library in this process: where it lies, and which line of the text an address in it is of.

In:  a compiled text. Out: `Image`; places by `addr2line`, where the computer has it.
Not here: compiling (`compile.py`), what runs (`launch.py`).
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from mpmd.runtime.cuda_sim.compile import Text

_HEADERS = "mpmd/"
"""Frames in the header library are not the user's."""


@dataclass(frozen=True)
class Image:
    """`entry` and `hooks` are addresses; the library is [begin, end)."""

    path: Path
    library: ctypes.CDLL
    entry: int
    hooks: int
    begin: int
    end: int

    def place(self, offset: int) -> tuple[str, int]:
        """Of the call before `offset`: the user's line if the text names one, ("", 0) if none is known."""
        frames = self._frames(offset)
        outside = [frame for frame in frames if not frame[0].startswith(_HEADERS)]
        return (outside or frames or [("", 0)])[0]

    def _frames(self, offset: int) -> list[tuple[str, int]]:
        """Innermost first."""
        program = shutil.which("addr2line")
        if program is None:
            return []
        command = [program, "-i", "-e", str(self.path), hex(offset - 1)]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return [frame for line in answer.stdout.splitlines() if (frame := _frame(line))]


def opened(text: Text) -> Image:
    """The library, loaded."""
    library = ctypes.CDLL(str(text.path))
    entry = ctypes.cast(getattr(library, text.entry), ctypes.c_void_p).value or 0
    hooks = ctypes.addressof(ctypes.c_void_p.in_dll(library, "mpmd_hooks"))
    begin, end = _bounds(text.path)
    return Image(text.path, library, entry, hooks, begin, end)


def _bounds(path: Path) -> tuple[int, int]:
    """Where the loader has put the library."""
    name = str(path.resolve())
    ranges = [
        [int(bound, 16) for bound in line.split()[0].split("-")]
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
        if line.endswith(name)
    ]
    return min(first for first, _ in ranges), max(last for _, last in ranges)


def _frame(line: str) -> tuple[str, int] | None:
    file, _, number = line.split(" (")[0].rpartition(":")
    known = number.isdigit() and file != "??"
    return (_short(file), int(number)) if known else None


def _short(file: str) -> str:
    """Headers by the name under which they are included; addr2line puts a folder before it."""
    at = file.rfind("/" + _HEADERS)
    return file[at + 1 :] if at >= 0 and file.endswith(".h") else file
