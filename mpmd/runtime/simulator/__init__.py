"""The engine of the functional simulators: C++ headers, and how texts on them are compiled.

In:  – . Out: the folder of the headers, the compiler's options.
Not here: any machine (the fronts: `ascend_sim`), the compiler (`toolchain.py`).
"""

from __future__ import annotations

from pathlib import Path

from mpmd.runtime.toolchain import Toolchain

HEADERS = Path(__file__).parent

FLAGS = ("-O1", "-fwrapv", "-ffp-contract=off", "-U_FORTIFY_SOURCE")
"""Besides the flags of kernels. A run costs the same at -O2, a compile more. Integers wrap; contraction would
round other than machines do; a fortified `longjmp` does not know that fibers have stacks of their own."""

LIBRARY = {"gnu": ("-lstdc++",), "clang": ("-lstdc++",), "zig": ("-lc++",)}
"""Kernels do without the C++ standard library; the simulators are host code and use it."""


def options(compiler: Toolchain) -> tuple[str, ...]:
    """What a text on the engine is compiled with."""
    return (*FLAGS, *LIBRARY[compiler.kind])


def texts() -> tuple[str, ...]:
    """The headers, for a cache's key."""
    return tuple(path.read_text() for path in sorted(HEADERS.glob("*.h")))
