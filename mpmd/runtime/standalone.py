"""A kernel as a program of its own, to run under sanitizers, valgrind or qemu.

In:  a `KernelSource`, arrays and scalars. Out: the program's path; after a run, the arrays written.
Not here: the text of its `main` (`codegen/cpu/driver.py`).
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mpmd.codegen.cpu.driver import driver_text
from mpmd.codegen.source import KernelSource
from mpmd.runtime import toolchain
from mpmd.runtime.arrays import Array
from mpmd.runtime.pool import INCLUDE, native_files

_LIBRARY_ONLY = ("call.cpp", "saved.cpp")
"""Ways into the pool that the program does not take."""

_SANITIZERS: Mapping[str, tuple[str, ...]] = {
    "thread": ("-fsanitize=thread", "-g"),
    "address": ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g"),
}


def build_standalone(
    source: KernelSource, directory: Path, *, sanitize: str | None = None, extra: tuple[str, ...] = ()
) -> Path:
    """The program, in `directory`. `sanitize` is thread, address or None."""
    files = (
        *source.files,
        ("main.cpp", driver_text(source)),
        *((name, text) for name, text in native_files() if name not in _LIBRARY_ONLY),
    )
    program = directory / f"program-{sanitize or 'plain'}"
    compiler = toolchain.find()
    options = (*(_sanitized(sanitize, compiler.kind) if sanitize else toolchain.STRICT), *extra)
    toolchain.compile_to(compiler, files, (INCLUDE,), directory, program, extra=options)
    return program


def _sanitized(sanitize: str, kind: str) -> tuple[str, ...]:
    """Not strict: g++ warns of its own instrumentation. clang's runtimes need the C++ library."""
    return (*_SANITIZERS[sanitize], *(("-lstdc++",) if kind == "clang" else ()))


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit status, what it said, and the arguments after it."""

    status: int
    stderr: str
    arrays: dict[str, Array]


def run_standalone(
    program: Path,
    source: KernelSource,
    values: Mapping[str, Any],
    *,
    launches: int = 1,
    stamped: bool = False,
    wrapper: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    timeout: float = 300,
) -> Ended:
    """Runs the program on `values` (arrays and scalars by name), `launches` times over."""
    folder = program.parent
    (folder / "tables").write_bytes(source.tables)
    words = [_word(values[scalar.name], scalar.dtype.is_float) for scalar in source.launch.scalars]
    (folder / "scalars").write_bytes(b"".join(words))
    for argument in source.launch.arguments:
        (folder / f"argument-{argument.name}").write_bytes(_storage(values[argument.name]).tobytes())
    command = [*wrapper, str(program), str(folder), str(launches), *(("stamped",) if stamped else ())]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=timeout)
    arrays = {
        argument.name: _loaded(folder / f"argument-{argument.name}", values[argument.name])
        for argument in source.launch.arguments
    }
    return Ended(ended.returncode, ended.stderr, arrays)


def _word(value: float, is_float: bool) -> bytes:
    return struct.pack("<d", value) if is_float else struct.pack("<q", int(value))


def _storage(array: Array) -> Array:
    """The bytes from the first element to past the last, with zeros in the gaps of a strided array."""
    if array.size == 0:
        return np.zeros(0, np.uint8)
    span = sum((extent - 1) * stride for extent, stride in zip(array.shape, array.strides, strict=True))
    flat = np.zeros(span + array.itemsize, np.uint8)
    np.ndarray(array.shape, array.dtype, flat.data, 0, array.strides)[...] = array
    return flat


def _loaded(path: Path, like: Array) -> Array:
    return np.ndarray(like.shape, like.dtype, path.read_bytes(), 0, like.strides)
