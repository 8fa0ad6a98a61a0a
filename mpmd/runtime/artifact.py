"""`Artifact`: a compiled kernel as data — it can be pickled, sent and stored.

In:  `build.build`. Out: `load()`, the live `Executable`.
Not here: compiling (`build.py`), launching (`load.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from mpmd.codegen.source import KernelSource
from mpmd.errors import NO_SPAN, ToolchainError
from mpmd.runtime import cache
from mpmd.runtime.load import Executable, open_kernel
from mpmd.runtime.toolchain import cpu_fingerprint


@dataclass(frozen=True, slots=True)
class Artifact:
    """`library` holds the bytes of the shared object, `cpu` the fingerprint it was compiled for."""

    source: KernelSource
    key: str
    library: bytes
    cpu: str

    def load(self) -> Executable:
        """The kernel, ready to be called in this process."""
        if self.cpu != cpu_fingerprint():
            raise ToolchainError(
                f"'{self.source.launch.kernel}' was compiled for another CPU",
                span=NO_SPAN,
                hints=("build it here: mpmd.runtime.build.build(artifact.source)",),
            )
        path = cache.obtain(self.key, lambda: self.library)
        return Executable(open_kernel(self.source, path))
