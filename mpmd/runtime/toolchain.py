"""The C++ compiler: which one, with which flags, and what its failure means.

In:  the environment (`$CXX`, the search path, the `ziglang` wheel) and C++ texts.
Out: a `Toolchain`, and the bytes of a shared library or a linked program.
Not here: keeping the result (`cache.py`), the texts themselves (the emitters).
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mpmd.errors import NO_SPAN, ToolchainError

Files = tuple[tuple[str, str], ...]
"""(name, text) pairs; names ending in `.cpp` are compiled, others are there to be included."""

FLAGS = ("-O3", "-march=native", "-std=c++17", "-fPIC", "-fno-exceptions", "-fno-rtti", "-fno-math-errno",
         "-fno-tree-slp-vectorize", "-fvisibility=hidden", "-pthread")  # fmt: skip
"""What every text is compiled with. No flag lets the compiler change results between runs.

Texts say themselves what is a vector; g++ 12 joined scalar statements around partial loads wrongly.
"""

STRICT = ("-Wall", "-Wextra", "-Werror")
"""Added by the tests: generated text and headers must be clean under them."""

LINK = {
    "gnu": ("-Wl,--as-needed", "-lm"),  # g++ knows -nostdlib++ only from version 13
    "clang": ("-nostdlib++", "-lm"),
    "zig": ("-nostdlib++", "-fno-sanitize=undefined", "-lm"),
}
"""What each kind of compiler links with, besides."""

_FIRST_ERRORS = 5


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A compiler that answered. `kind` is gnu, clang or zig; `version` is its own first line."""

    name: str
    command: tuple[str, ...]
    version: str
    kind: str


def find() -> Toolchain:
    """The compiler to use: `$CXX`, g++, clang++, then the `ziglang` wheel."""
    return _find(os.environ.get("CXX", ""), os.environ.get("PATH", ""))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A compiler that may be there. Without a `command` it is not installed."""

    name: str
    command: tuple[str, ...] | None


def candidates(cxx: str, path: str) -> tuple[Candidate, ...]:
    """Where a compiler is looked for, first choice first. A compiler named by `$CXX` is the only one."""
    if cxx:
        return (Candidate(cxx, _words(cxx)),)
    found = [(name, shutil.which(name, path=path)) for name in ("g++", "clang++")]
    wheel = importlib.util.find_spec("ziglang") is not None
    return (
        *(Candidate(name, (program,) if program else None) for name, program in found),
        Candidate("zig c++", (sys.executable, "-m", "ziglang", "c++") if wheel else None),
    )


def _words(command: str) -> tuple[str, ...] | None:
    try:
        return tuple(shlex.split(command))
    except ValueError:  # a quote without its partner
        return None


@functools.cache
def _find(cxx: str, path: str) -> Toolchain:
    for candidate in candidates(cxx, path):
        toolchain = probe(candidate)
        if toolchain is not None:
            return toolchain
    if cxx:
        raise ToolchainError(
            f"the compiler named by CXX does not run: {cxx}",
            span=NO_SPAN,
            hints=("unset CXX to let mpmd look for one", "or set it to a C++ compiler's command"),
        )
    raise ToolchainError(
        "no C++ compiler was found",
        span=NO_SPAN,
        label="looked for $CXX, g++, clang++ and the ziglang package",
        hints=("pip install ziglang", "or set CXX to a compiler's command"),
    )


def probe(candidate: Candidate) -> Toolchain | None:
    """The candidate as a compiler, if it runs and tells its version."""
    command = candidate.command
    if not command:
        return None
    try:
        answer = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if answer.returncode or not answer.stdout.strip():
        return None
    version = answer.stdout.splitlines()[0].strip()
    if "ziglang" in command or "zig" in Path(command[0]).name:
        kind = "zig"
    else:
        kind = "clang" if "clang" in version.lower() else "gnu"
    return Toolchain(candidate.name, command, version, kind)


@functools.cache
def cpu_fingerprint() -> str:
    """Names the instruction set that `-march=native` compiles for."""
    facts = [platform.machine()]
    try:
        first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        first = platform.processor()
    for line in first.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "flags", "Features", "CPU implementer", "CPU part"):
            facts.append(value.strip())
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def compile_shared(
    toolchain: Toolchain, files: Files, include: tuple[Path, ...], *, extra: tuple[str, ...] = ()
) -> bytes:
    """The shared library made of `files`, as bytes."""
    with tempfile.TemporaryDirectory(prefix="mpmd-") as directory:
        output = Path(directory) / "kernel.so"
        compile_to(toolchain, files, include, Path(directory), output, extra=("-shared", *extra))
        return output.read_bytes()


def compile_to(
    toolchain: Toolchain,
    files: Files,
    include: tuple[Path, ...],
    directory: Path,
    output: Path,
    *,
    extra: tuple[str, ...] = (),
) -> None:
    """Writes `files` into `directory` and links them into `output`."""
    for name, text in files:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text, encoding="utf-8")
    sources = [str(directory / name) for name, _ in files if name.endswith(".cpp")]
    includes = [f"-I{path}" for path in (directory, *include)]
    command = [*toolchain.command, *FLAGS, *extra, *includes, *sources, "-o", str(output)]
    _run([*command, *LINK[toolchain.kind]], toolchain)


def _run(command: list[str], toolchain: Toolchain) -> None:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, errors="replace")
    except OSError as error:
        raise ToolchainError(
            f"the compiler does not run: {toolchain.name}: {error}",
            span=NO_SPAN,
            hints=("install it again", "or: pip install ziglang"),
        ) from None
    if answer.returncode:
        raise ToolchainError(
            f"{toolchain.name} refused the generated text ({toolchain.version})",
            span=NO_SPAN,
            label="\n        ".join(_first_errors(answer.stderr)),
            hints=("the text is in `.source.files` of the compiled kernel",),
        )


def _first_errors(stderr: str) -> list[str]:
    lines = stderr.splitlines()
    errors = [line for line in lines if "error" in line.lower() or "undefined reference" in line]
    return (errors or lines or ["it gave no message"])[:_FIRST_ERRORS]
