"""The law: a kernel that nobody profiles runs code in which there are no stamps.

Read from the assembly that the compiler makes of a kernel with loops, a drain, late rows and channels.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mpmd.runtime import toolchain
from mpmd.runtime.pool import INCLUDE
from tests.host.table_kernels import guarded

HOOK = re.compile(r"^ *Stamping::(begin|took|end)\(.*\);\n", re.MULTILINE)
COUNTER = re.compile(r"\b(rdtscp?|cntvct_el0)\b")
SYMBOL = re.compile(r"[\w.$]*mpmd[\w.$]*|\.L\w+|[<>]")


def assembly(directory: Path, headers: Path) -> dict[str, list[str]]:
    """The instructions of each function, without labels, and with one name for all symbols of ours."""
    compiler = toolchain.find()
    output = directory / "kernel.s"
    toolchain.compile_to(compiler, guarded().source.files, (headers,), directory, output, extra=("-S",))
    functions: dict[str, list[str]] = {}
    current: list[str] = []
    for line in output.read_text().splitlines():
        if label := re.match(r"([A-Za-z_][\w.$]*):", line):
            current = functions.setdefault(label[1], [])
        elif line.startswith("\t") and not line.startswith("\t."):
            current.append(SYMBOL.sub("", line.partition("#")[0]).strip())
    return functions


def without_hooks(folder: Path) -> Path:
    """The headers with every line gone that does something for stamps."""
    hooks = 0
    (folder / "mpmd").mkdir(parents=True)
    for header in (INCLUDE / "mpmd").glob("*.h"):
        text, found = HOOK.subn("", header.read_text())
        hooks += found
        (folder / "mpmd" / header.name).write_text(text)
    assert hooks >= 8, "the hooks have another form: mend the pattern"
    return folder


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return assembly(tmp_path_factory.mktemp("with"), INCLUDE)


def test_only_what_is_stamped_reads_the_counter(compiled: dict[str, list[str]]) -> None:
    """And what blocks in a channel, where it looks first whether the launch is stamped."""
    readers = {name for name, code in compiled.items() if any(COUNTER.search(line) for line in code)}
    assert "mpmd_kernel" in compiled and "mpmd_kernel" not in readers
    assert any("Stamped" in name or name == "mpmd_kernel_stamped" for name in readers)
    allowed = re.compile(r"7Stamped|mpmd_kernel_stamped|block_in|within_task")
    assert [name for name in sorted(readers) if not allowed.search(name)] == []


def test_the_entry_is_what_it_would_be_without_stamps(compiled: dict[str, list[str]], tmp_path: Path) -> None:
    """Instruction for instruction."""
    plain = assembly(tmp_path, without_hooks(tmp_path / "headers"))
    drivers = [name for name in plain if name == "mpmd_kernel" or "9Unstamped" in name]
    assert drivers
    for name in drivers:
        assert compiled[name] == plain[name], name
