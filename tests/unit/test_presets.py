"""This computer's CPU as a `Machine`: cores within affinity and quota, caches as the system says."""

from __future__ import annotations

import os
from pathlib import Path

from mpmd.machine import presets


def test_this_cpu_has_the_cores_that_the_process_may_use() -> None:
    machine = presets.this_cpu()
    assert 1 <= machine.cores <= len(os.sched_getaffinity(0))
    assert presets.this_cpu(3).cores == 3
    assert presets.this_cpu() is machine


def test_quotas_of_both_control_group_versions(tmp_path: Path) -> None:
    assert presets._quota(tmp_path) is None
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert presets._quota(tmp_path) is None
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert presets._quota(tmp_path) == 1.5
    (tmp_path / "cpu.max").unlink()
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert presets._quota(tmp_path) is None
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("200000\n")
    assert presets._quota(tmp_path) == 2


def test_the_private_cache_is_the_largest_below_the_shared_level(tmp_path: Path) -> None:
    assert presets._private_cache_bytes(tmp_path) == presets.DEFAULT_CACHE_BYTES
    rows = [
        ("Data", "1", "32K"),
        ("Instruction", "1", "64K"),
        ("Unified", "2", "512K"),
        ("Unified", "3", "32768K"),
    ]
    for number, (kind, level, size) in enumerate(rows):
        index = tmp_path / f"index{number}"
        index.mkdir()
        for name, value in (("type", kind), ("level", level), ("size", size)):
            (index / name).write_text(value + "\n")
    assert presets._private_cache_bytes(tmp_path) == 512 << 10


def test_flags_are_read_from_either_architecture() -> None:
    assert "avx2" in presets._cpu_flags("processor : 0\nflags\t\t: fpu sse2 avx2\n")
    assert "asimd" in presets._cpu_flags("Features\t: fp asimd\n")
    assert presets._cpu_flags("") == frozenset()


def test_vectors_are_as_wide_as_the_cpu_says(monkeypatch) -> None:
    widths = []
    for flags in ("sse2 avx2 avx512f", "sse2 avx2", "sse2", "asimd"):
        monkeypatch.setattr(presets, "_read", lambda path, flags=flags: f"flags : fpu {flags}\n")
        widths.append(presets._vector_bytes())
    monkeypatch.setattr(presets.platform, "machine", lambda: "riscv64")
    monkeypatch.setattr(presets, "_read", lambda path: "")
    assert [*widths, presets._vector_bytes()] == [64, 32, 16, 16, 4]


def test_a_system_that_tells_nothing_has_defaults(monkeypatch) -> None:
    monkeypatch.setattr(presets, "_read", lambda path: "")
    assert presets._memory_bytes() == presets.DEFAULT_MEMORY_BYTES
    monkeypatch.delattr(os, "sched_getaffinity")
    assert presets.allowed_cores() == (os.cpu_count() or 1)
