"""`build`: the text of a kernel, compiled.

In:  a `KernelSource` for the CPU. Out: an `Artifact`; from the disk cache when it was built before.
Not here: the compiler (`toolchain.py`), the cache's files (`cache.py`).

A cached library is what the compiler made of the text. Its key names all that the compiler saw, and
nothing else: tables stay outside of libraries, so kernels that differ in these alone share one.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping

from mpmd.codegen import tables
from mpmd.codegen.source import KernelSource
from mpmd.errors import NO_SPAN, UnsupportedOp
from mpmd.runtime import cache, toolchain
from mpmd.runtime.artifact import Artifact
from mpmd.runtime.pool import INCLUDE, header_text
from mpmd.runtime.toolchain import Toolchain

log = logging.getLogger(__name__)


def build(source: KernelSource, *, strict: bool = False) -> Artifact:
    """Compiles `source`. With `strict`, a warning of the compiler is an error."""
    if source.target != "cpu":
        raise UnsupportedOp(
            f"a kernel for {source.target} does not run on this machine's CPU",
            span=NO_SPAN,
            hints=("compile it with target='cpu'",),
        )
    compiler = toolchain.find()
    extra = toolchain.STRICT if strict else ()
    flags = (*toolchain.FLAGS, *extra, *toolchain.LINK[compiler.kind])
    parts = ingredients(source, compiler, flags)
    key = key_of(parts)
    described = ", ".join(f"{name} {text}" for name, text in parts.items())
    log.debug("cache key %s of kernel '%s': %s", key, source.launch.kernel, described)
    path = cache.obtain(
        key, lambda: toolchain.compile_shared(compiler, source.files, (INCLUDE,), extra=extra)
    )
    return Artifact(source, key, path.read_bytes(), toolchain.cpu_fingerprint())


def ingredients(source: KernelSource, compiler: Toolchain, flags: tuple[str, ...]) -> dict[str, str]:
    """All that a kernel's library depends on, by name. Where two of them are equal, so are the libraries.

    Traced program, specs and schedule are there as the text that they became.
    """
    return {
        "target": source.target,
        "entry": source.entry,
        "text": cache.key_of(*(part for name, text in source.files for part in (name, _code(text)))),
        "headers": cache.key_of(header_text()),
        "tables": str(tables.VERSION),
        "compiler": compiler.version,
        "command": shlex.join(compiler.command),
        "flags": shlex.join(flags),
        "cpu": toolchain.cpu_fingerprint(),
    }


def key_of(parts: Mapping[str, str]) -> str:
    """The name of a library in the cache."""
    return cache.key_of(*(text for part in parts.items() for text in part))


def _code(text: str) -> str:
    """The text without comments and the places of the user's lines.

    Libraries carry no debug information, so neither is in them: moving or commenting the user's file
    compiles nothing anew, while reports take their places from `KernelSource.launch`.
    """
    lines = (line for line in text.splitlines() if not line.lstrip().startswith(("//", "#line ")))
    return "\n".join(lines)
