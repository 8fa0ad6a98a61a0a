"""The text of a CUDA kernel as a library of this computer, and the simulator's own.

In:  a `KernelSource` for CUDA. Out: `Text`, `simulator_library`; both from the disk cache when built before.
Not here: runs (`launch.py`), the simulator (`native/`, `runtime/simulator`).

The text is compiled with the instrumentation of the thread sanitizer, whose calls lead to the simulator, and
linked without its runtime. The simulator is not instrumented: hence two libraries.
"""

from __future__ import annotations

import ctypes
import functools
import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from mpmd.codegen.cuda.emit import joined
from mpmd.codegen.source import KernelSource
from mpmd.errors import NO_SPAN, ToolchainError
from mpmd.runtime import cache, simulator, toolchain
from mpmd.runtime.toolchain import Files

NATIVE = Path(__file__).parent / "native"

FLAGS = ("-O1", "-g1", "-fwrapv", "-ffp-contract=off", "-fsanitize=thread",
         "-Wno-unknown-pragmas")  # fmt: skip
"""Of texts: instrumented, and with the lines that reports name. Integers wrap as on the device; what the
device adds and multiplies in one step, the text says. Pragmas are for the device's compiler."""

WITHOUT_RUNTIME = {"gnu": ("-nodefaultlibs", "-Wl,--no-as-needed", "-lgcc_s", "-lc"), "clang": ()}
"""So that the sanitizer's own runtime is not linked. Clang links it into programs alone; zig always."""


@dataclass(frozen=True, slots=True)
class Text:
    """A kernel's text, compiled: the library's path, and its image where texts' addresses are resolved."""

    path: Path
    entry: str


def compile_text(source: KernelSource, *, strict: bool = False) -> Text:
    """With `strict`, a warning of the compiler is an error."""
    compiler = toolchain.find()
    if compiler.kind not in WITHOUT_RUNTIME:
        raise ToolchainError(
            f"target 'cuda-sim' cannot use {compiler.name}",
            span=NO_SPAN,
            label="it links the thread sanitizer's runtime, in whose place the simulator stands",
            hints=("install g++ or clang++", "or name one by CXX"),
        )
    extra = (*(toolchain.STRICT if strict else ()), *FLAGS, *WITHOUT_RUNTIME[compiler.kind])
    shim = (NATIVE / "device.h").read_text(encoding="utf-8")
    files = tuple((name, shim if name == "mpmd/device.h" else text) for name, text in source.files)
    text = joined(replace(source, files=files))
    units = (("kernel.cpp", text), ("hooks.cpp", (NATIVE / "hooks.cpp").read_text(encoding="utf-8")))
    return Text(_built(units, (NATIVE,), extra), source.entry)


@functools.cache
def simulator_library() -> ctypes.CDLL:
    """The simulator, in this process."""
    extra = simulator.options(toolchain.find())
    units = (("simulate.cpp", (NATIVE / "simulate.cpp").read_text(encoding="utf-8")),)
    library = ctypes.CDLL(str(_built(units, (NATIVE, simulator.HEADERS), extra)))
    library.mpmd_cuda_simulate.restype = ctypes.c_char_p
    return library


def _built(units: Files, include: tuple[Path, ...], extra: tuple[str, ...]) -> Path:
    compiler = toolchain.find()
    headers = (path.read_text(encoding="utf-8") for path in sorted(NATIVE.glob("*.h")))
    key = cache.key_of(
        *(part for unit in units for part in unit), *headers, *simulator.texts(), compiler.version,
        shlex.join(compiler.command), *toolchain.FLAGS, *extra, toolchain.cpu_fingerprint(),
    )  # fmt: skip
    return cache.obtain(key, lambda: toolchain.compile_shared(compiler, units, include, extra=extra))
