"""How micro-benchmarks are compiled: as they are written.

In:  a kernel, its arguments. Out: a `CompiledKernel`.
Not here: the benchmarks. Nothing is fused, computed again or drained because an earlier calibration said so.
"""

from __future__ import annotations

from typing import Any

import mpmd
from mpmd.search import Choice


def as_written(kernel: mpmd.Kernel, *args: Any, cores: int) -> mpmd.CompiledKernel:
    """The kernel for so many cores."""
    return mpmd.compile(kernel, *args, choice=Choice(drain="never", cores=cores))
