"""Which sanitizers the compiler has."""

from __future__ import annotations

import pytest

from mpmd.runtime import toolchain


def skip_without(sanitize: str) -> None:
    """Zig accepts the flag for AddressSanitizer, and then checks nothing."""
    if sanitize == "address" and toolchain.find().kind == "zig":
        pytest.skip("zig's compiler has no AddressSanitizer: install g++ or clang++")
