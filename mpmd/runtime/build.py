"""`build`: the text of a kernel, compiled.

In:  a `KernelSource` for the CPU. Out: an `Artifact`; from the disk cache when it was built before.
Not here: the compiler (`toolchain.py`), the cache's files (`cache.py`).
"""

from __future__ import annotations

from mpmd.codegen.source import KernelSource
from mpmd.errors import NO_SPAN, UnsupportedOp
from mpmd.runtime import cache, toolchain
from mpmd.runtime.artifact import Artifact
from mpmd.runtime.pool import INCLUDE, header_text


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
    key = cache.key_of(
        "kernel", *(part for file in source.files for part in file), header_text(),
        *toolchain.FLAGS, *extra, compiler.version, *compiler.command, toolchain.cpu_fingerprint(),
    )  # fmt: skip
    path = cache.obtain(
        key, lambda: toolchain.compile_shared(compiler, source.files, (INCLUDE,), extra=extra)
    )
    return Artifact(source, key, path.read_bytes(), toolchain.cpu_fingerprint())
