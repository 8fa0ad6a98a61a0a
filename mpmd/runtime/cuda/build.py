"""`build`: the text of a CUDA kernel, compiled by NVRTC. It takes no card.

In:  a `KernelSource` for CUDA, an architecture.
Out: `CudaArtifact`; from the disk cache when it was built before.
Not here: loading and launching (`load.py`), the cache's files (`mpmd/runtime/cache.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mpmd.codegen import tables
from mpmd.codegen.cuda.emit import joined
from mpmd.codegen.source import KernelSource
from mpmd.errors import NO_SPAN, ToolchainError, UnsupportedOp
from mpmd.runtime import cache
from mpmd.runtime.cuda import card
from mpmd.runtime.cuda.load import CudaExecutable, open_kernel

WITHOUT_A_CARD = "sm_90a"
"""What is compiled for where no card says otherwise: the H100, which the target's machine describes."""
FLAGS = ("std=c++17", "device-int128", "lineinfo")


@dataclass(frozen=True, slots=True)
class CudaArtifact:
    """`cubin` is machine code for `architecture`."""

    source: KernelSource
    key: str
    cubin: bytes
    architecture: str

    def load(self) -> CudaExecutable:
        """The kernel on this process's card."""
        return CudaExecutable(open_kernel(self.source, self.cubin))


def build(source: KernelSource, *, architecture: str | None = None) -> CudaArtifact:
    """Compiles `source` for the card, or for the architecture that is named."""
    if source.target != "cuda":
        raise UnsupportedOp(
            f"a kernel for {source.target} does not run on a CUDA card",
            span=NO_SPAN,
            hints=("compile it with target='cuda'",),
        )
    chosen = architecture or card.architecture() or WITHOUT_A_CARD
    package = card.core()
    text = joined(source)
    key = cache.key_of(
        "cuda", source.entry, text, str(tables.VERSION), _compiler(package), " ".join(FLAGS), chosen
    )
    path = cache.obtain(key, lambda: compile_text(source.launch.kernel, text, chosen))
    return CudaArtifact(source, key, path.read_bytes(), chosen)


def compile_text(kernel: str, text: str, architecture: str) -> bytes:
    """The machine code of one joined text."""
    package = card.core()
    options = package.ProgramOptions(arch=architecture, std="c++17", device_int128=True, lineinfo=True)
    try:
        compiled = package.Program(text, "c++", options).compile("cubin")
    except card.failures() as error:
        raise ToolchainError(
            f"NVRTC failed to compile kernel '{kernel}' for {architecture}",
            span=NO_SPAN,
            label=str(error).strip()[:2000],
            hints=("please report it", card.INSTALL),
        ) from None
    return bytes(compiled.code)


def _compiler(package: Any) -> str:
    """NVRTC's version, and that of the package through which it is called."""
    from cuda.bindings import nvrtc  # pyright: ignore[reportAttributeAccessIssue]

    _, major, minor = nvrtc.nvrtcVersion()
    return f"nvrtc {major}.{minor}, cuda-core {package.__version__}"
