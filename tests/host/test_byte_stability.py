"""The law: source and tables are the same bytes in every process, whatever the hash seed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.host.example_kernels import EXAMPLES, example_source

ROOT = Path(__file__).resolve().parents[2]
PRINT_DIGESTS = """
from tests.host.test_byte_stability import digests
for name, digest in digests().items():
    print(name, digest)
"""


def digests() -> dict[str, str]:
    """A digest of the text and tables of every example's kernel, without compiling them."""
    sources = {name: example_source(name, cores=3) for name in EXAMPLES}
    return {
        name: hashlib.sha256(repr(source.files).encode() + source.tables).hexdigest()
        for name, source in sources.items()
    }


@pytest.fixture(scope="module")
def here() -> dict[str, str]:
    return digests()


@pytest.mark.parametrize("seed", ["0", "1", "12345"])
def test_every_process_and_hash_seed_emits_the_same_bytes(here: dict[str, str], seed: str) -> None:
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
    child = subprocess.run(
        [sys.executable, "-c", PRINT_DIGESTS],
        cwd=ROOT, capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    assert dict(line.rsplit(" ", 1) for line in child.stdout.splitlines()) == here
