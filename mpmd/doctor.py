"""`doctor`: what this machine has of what mpmd needs, and the command that mends what is missing.

In:  the interpreter, the environment, the operating system; a tiny program is compiled and called.
Out: a `Report`, a list of findings in the order in which they matter.
Not here: printing (`cli.py`), choosing a compiler (`runtime/toolchain.py`), mending.
"""

from __future__ import annotations

import ctypes
import enum
import importlib.metadata
import os
import platform
import re
import shlex
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpmd.errors import Diagnostic, ToolchainError
from mpmd.machine import presets
from mpmd.runtime import cache, entries, pool, toolchain

PYTHON = (3, 11)
NUMPY = (2, 0)
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")

_ANSWER = 42
_PROBE = (
    ("probe.cpp", f'extern "C" __attribute__((visibility("default"))) int probe() {{ return {_ANSWER}; }}\n'),
)
_NO_COMPILER = "pip install ziglang"


class State(enum.Enum):
    OK = "ok"
    NOTE = "note"
    """Works, but something could be better or is not there and not needed."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `mend` is the command, or the step, that changes its state."""

    subject: str
    state: State
    text: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found. As a string it is what `mpmd doctor` prints."""

    findings: tuple[Finding, ...]

    @property
    def missing(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.state is State.MISSING)

    @property
    def healthy(self) -> bool:
        return not self.missing

    def __str__(self) -> str:
        width = max((len(finding.subject) for finding in self.findings), default=0)
        lines = []
        for finding in self.findings:
            lines.append(f"{finding.state.value:8}{finding.subject:{width}}  {finding.text}")
            if finding.mend:
                lines.append(f"{'':8}{'':{width}}  mend: {finding.mend}")
        count = len(self.missing)
        lines.append("healthy" if not count else f"{count} missing")
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The report as values that JSON has."""
        return {
            "healthy": self.healthy,
            "findings": [
                {
                    "subject": finding.subject,
                    "state": finding.state.value,
                    "text": finding.text,
                    "mend": finding.mend,
                }
                for finding in self.findings
            ],
        }


def doctor() -> Report:
    """Looks at everything that compiling and running kernels needs. Takes seconds the first time."""
    return Report(
        (
            python(sys.version_info[:3]),
            numpy(),
            cpu(),
            *compilers(),
            cache_directory(),
            huge_pages(),
            pool_library(),
        )
    )


def python(version: Iterable[int]) -> Finding:
    version = tuple(version)
    text = f"{_dotted(version)} at {sys.executable}"
    if version < PYTHON:
        return Finding("python", State.MISSING, text, f"install Python {_dotted(PYTHON)} or later")
    return Finding("python", State.OK, text)


def numpy() -> Finding:
    version = importlib.metadata.version("numpy")
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < NUMPY:
        return Finding("numpy", State.MISSING, version, f"pip install 'numpy>={_dotted(NUMPY)}'")
    return Finding("numpy", State.OK, version)


def cpu() -> Finding:
    """The cores this process may use, and whether its control group allows fewer than there are."""
    allowed, usable = presets.allowed_cores(), presets.available_cores()
    vector = presets.this_cpu().vector_bytes
    text = f"{platform.machine()}, {usable} of {os.cpu_count()} cores, vectors of {vector} bytes"
    if usable < allowed:
        mend = "raise the CPU limit of the container (docker run --cpus=…)"
        return Finding(
            "cpu", State.NOTE, f"{text}; the control group's limit leaves {usable} of {allowed}", mend
        )
    return Finding("cpu", State.OK, text)


def compilers() -> tuple[Finding, ...]:
    """Each compiler that is looked for, in order, and whether the chosen one works."""
    cxx = os.environ.get("CXX", "")
    findings = []
    chosen = None
    for candidate in toolchain.candidates(cxx, os.environ.get("PATH", "")):
        found = toolchain.probe(candidate)
        if found is not None and chosen is None:
            chosen = found
            findings.append(_works(found, cxx))
        elif found is not None:
            findings.append(Finding("compiler", State.OK, f"{found.name}: {found.version}"))
        else:
            problem = "does not run" if candidate.command else "not found"
            findings.append(Finding("compiler", State.NOTE, f"{candidate.name}: {problem}"))
    if chosen is None:
        mend = "unset CXX" if cxx else _NO_COMPILER
        findings.append(Finding("compiler", State.MISSING, "none that runs", mend))
    return tuple(findings)


def _works(compiler: toolchain.Toolchain, cxx: str) -> Finding:
    """Compiles, loads and calls a program of one function."""
    text = f"{compiler.name}: {compiler.version}, chosen"
    try:
        with tempfile.TemporaryDirectory(prefix="mpmd-") as directory:
            library = Path(directory) / "probe.so"
            toolchain.compile_to(compiler, _PROBE, (), Path(directory), library, extra=("-shared",))
            answer = ctypes.CDLL(str(library)).probe()
    except ToolchainError as error:
        mend = "unset CXX" if cxx else f"{_NO_COMPILER} && export CXX='{sys.executable} -m ziglang c++'"
        return Finding("compiler", State.MISSING, f"{text}; but {error.message}: {error.label}", mend)
    except (OSError, AttributeError) as error:
        mend = "export TMPDIR=… (a directory with room, from which programs may run)"
        return Finding(
            "compiler", State.MISSING, f"{text}; but what it makes cannot be loaded: {error}", mend
        )
    if answer != _ANSWER:
        return Finding("compiler", State.MISSING, f"{text}; but what it makes is wrong", _NO_COMPILER)
    return Finding("compiler", State.OK, f"{text}; compiles and loads")


def cache_directory() -> Finding:
    root = cache.wanted_directory()
    problem = cache.problem(root)
    if problem is not None:
        text = f"{root} is not used: {problem}; every process compiles anew"
        return Finding("cache", State.MISSING, text, _mend_cache(root, problem))
    found = entries.entries(root)
    size = sum(entry.bytes for entry in found)
    return Finding("cache", State.OK, f"{root}, entries: {len(found)}, {size / 1e6:.1f} MB")


def _mend_cache(root: Path, problem: str) -> str:
    if problem in ("others may write to it", "it is read-only"):
        return f"chmod u=rwx,go-w {shlex.quote(str(root))}"
    return "export MPMD_CACHE_DIR=… (a directory of your own)"


def huge_pages() -> Finding:
    """The arenas of kernels ask for huge pages; with `never` they get small ones and more TLB misses."""
    try:
        setting = HUGE_PAGES.read_text()
    except OSError:
        return Finding("huge pages", State.NOTE, "this system has none")
    match = re.search(r"\[(\w+)\]", setting)
    mode = match[1] if match else "unknown"
    if mode in ("always", "madvise"):
        return Finding("huge pages", State.OK, mode)
    return Finding("huge pages", State.NOTE, mode, f"echo madvise | sudo tee {HUGE_PAGES}")


def pool_library() -> Finding:
    """The threads that run kernels: compiled on the first use on a machine, then in the cache."""
    try:
        pool.native()
    except Diagnostic as error:
        return Finding("pool", State.MISSING, error.message, "; ".join(error.hints))
    return Finding("pool", State.OK, "compiled and loaded")


def _dotted(version: Iterable[int]) -> str:
    return ".".join(map(str, version))
