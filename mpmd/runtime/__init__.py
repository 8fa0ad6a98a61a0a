"""Building and running kernels on the CPU: `build(source)` → `Artifact`, `.load()` → `Executable`."""

from mpmd.runtime.artifact import Artifact
from mpmd.runtime.build import build
from mpmd.runtime.load import Executable

__all__ = ["Artifact", "Executable", "build"]
