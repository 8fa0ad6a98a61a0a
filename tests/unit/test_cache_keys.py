"""The law: a library's key changes with all that the library depends on, and with nothing else."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from mpmd.codegen import tables
from mpmd.codegen.cpu.emit import emit
from mpmd.codegen.source import KernelSource
from mpmd.lang.kernel.trace import trace
from mpmd.lang.types import TensorSpec, f32, f64
from mpmd.machine.presets import this_cpu
from mpmd.partition.build import partition
from mpmd.runtime import pool, toolchain
from mpmd.runtime.build import build, ingredients, key_of
from mpmd.runtime.toolchain import Toolchain
from mpmd.schedule.build import schedule
from tests.unit.user_files import module_of

USER_FILE = """\
import mpmd
from mpmd import In, Out, f32, f64

N, = mpmd.dims("N")

@mpmd.task
def double(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[:] * 2.0

@mpmd.kernel
def kernel(x: In[f32, N], y: Out[f32, N]):
    for t in mpmd.tiles(N, 64):
        double(x[t], y[t])
"""

COMPILER = Toolchain("g++", ("/usr/bin/g++",), "g++ (GCC) 12.2.0", "gnu")
FLAGS = ("-O3", "-shared")


def source_of(path: Path, text: str = USER_FILE, spec: TensorSpec | None = None) -> KernelSource:
    """What the kernel of a user's file becomes, up to the compiler."""
    function = module_of(path, text).kernel.function
    spec = spec or TensorSpec(f32, (256,))
    machine = this_cpu(2)
    program = trace(function, {"x": spec, "y": spec})
    return emit(schedule(partition(program, machine), machine))


def key(source: KernelSource, compiler: Toolchain = COMPILER, flags: tuple[str, ...] = FLAGS) -> str:
    return key_of(ingredients(source, compiler, flags))


@pytest.mark.parametrize(
    "edit",
    [
        ("", "# a comment\n\n\n"),
        ("    y[:] =", '    """What it does."""\n    # why\n    y[:] ='),
        ("* 2.0\n", "* 2.0  # twice\n"),
        ("x[:] * 2.0", "(x[:]\n            * 2.0)"),
    ],
    ids=["lines above", "docstring and comment", "comment on a line", "layout"],
)
def test_an_edit_that_changes_no_code_keeps_the_key(edit, tmp_path):
    old, new = edit
    changed = USER_FILE.replace(old, new, 1)
    assert changed != USER_FILE
    assert key(source_of(tmp_path / "a.py", changed)) == key(source_of(tmp_path / "a.py"))


def test_where_the_users_file_lies_and_its_name_keep_the_key(tmp_path):
    (tmp_path / "folder").mkdir()
    here, there = source_of(tmp_path / "a.py"), source_of(tmp_path / "folder" / "b.py")
    assert here.files != there.files, "the text tells where the user's lines are"
    assert key(here) == key(there)


def test_an_extent_that_only_the_tables_know_keeps_the_key(tmp_path):
    short, long = (source_of(tmp_path / "a.py", spec=TensorSpec(f32, (n,))) for n in (256, 512))
    assert short.tables != long.tables and key(short) == key(long)


@pytest.mark.parametrize(
    "edit",
    [("2.0", "3.0"), ("x[:] * 2.0", "mpmd.exp(x[:])"), ("mpmd.tiles(N, 64)", "mpmd.tiles(N, 32)")],
    ids=["constant", "op", "tile"],
)
def test_another_program_has_another_key(edit, tmp_path):
    assert key(source_of(tmp_path / "a.py", USER_FILE.replace(*edit))) != key(source_of(tmp_path / "a.py"))


def test_another_signature_has_another_key(tmp_path):
    wide = USER_FILE.replace("f32, N]", "f64, N]")
    other = source_of(tmp_path / "a.py", wide, TensorSpec(f64, (256,)))
    assert key(other) != key(source_of(tmp_path / "a.py"))


@pytest.mark.parametrize(
    "change",
    [
        {"compiler": replace(COMPILER, version="g++ (GCC) 13.1.0")},
        {"compiler": replace(COMPILER, command=("/opt/bin/g++",))},
        {"compiler": replace(COMPILER, command=("/usr/bin/g++", "-m64"))},
        {"flags": (*FLAGS, "-Wall")},
        {"flags": ("-O3 -shared",)},
    ],
    ids=["version", "path", "words of CXX", "flags", "how flags are split"],
)
def test_another_compiler_or_other_flags_have_another_key(change, tmp_path):
    source = source_of(tmp_path / "a.py")
    assert key(source, **change) != key(source)


def test_another_target_or_entry_has_another_key(tmp_path):
    source = source_of(tmp_path / "a.py")
    others = [replace(source, target="gpu"), replace(source, entry="start")]
    assert len({key(source), *map(key, others)}) == 3


def _other_cpu(monkeypatch, folder):
    monkeypatch.setattr(toolchain, "cpu_fingerprint", lambda: "0" * 16)


def _other_tables(monkeypatch, folder):
    monkeypatch.setattr(tables, "VERSION", tables.VERSION + 1)


def _other_headers(monkeypatch, folder):
    (folder / "mpmd").mkdir()
    for header in (pool.INCLUDE / "mpmd").glob("*.h"):
        (folder / "mpmd" / header.name).write_text(header.read_text())
    with (folder / "mpmd" / "driver.h").open("a") as file:
        file.write("\n")
    monkeypatch.setattr(pool, "INCLUDE", folder)


@pytest.mark.parametrize("change", [_other_cpu, _other_tables, _other_headers])
def test_another_machine_or_version_of_this_package_has_another_key(change, tmp_path, monkeypatch):
    source = source_of(tmp_path / "a.py")
    before = key(source)
    change(monkeypatch, tmp_path)
    assert key(source) != before


def test_what_a_key_is_made_of_is_logged(tmp_path, monkeypatch, caplog):
    """Two runs of which only the second should have hit are told apart by comparing these lines."""
    caplog.set_level(logging.DEBUG, logger="mpmd.runtime")
    monkeypatch.setenv("MPMD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(toolchain, "find", lambda: COMPILER)
    monkeypatch.setattr(toolchain, "compile_shared", lambda *args, **kwargs: b"library")
    source = source_of(tmp_path / "a.py")
    artifacts = [build(source), build(source), build(source, strict=True)]
    parts, miss, again, hit, strict, other = caplog.messages
    path = tmp_path / "cache" / f"{artifacts[0].key}.so"
    assert parts.startswith(
        f"cache key {artifacts[0].key} of kernel 'kernel': target cpu, entry mpmd_kernel, "
    )
    assert f"compiler {COMPILER.version}" in parts and f"cpu {toolchain.cpu_fingerprint()}" in parts
    assert (miss, again, hit) == (f"cache miss {path}: not there", parts, f"cache hit {path}")
    assert "-Werror" in strict and "-Werror" not in parts and other.startswith("cache miss ")
