"""What the system says of this computer: cores within affinity and quota, caches, vectors."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mpmd.machine import presets, system


def test_this_cpu_has_the_cores_that_the_process_may_use() -> None:
    machine = presets.this_cpu()
    assert 1 <= machine.cores <= len(os.sched_getaffinity(0))
    assert presets.this_cpu(3).cores == 3
    assert presets.this_cpu() is machine


def limited(folder: Path, quota: str, *, period: str = "100000", unified: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if unified:
        (folder / "cpu.max").write_text(f"{quota} {period}\n")
    else:
        (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
        (folder / "cpu.cfs_period_us").write_text(f"{period}\n")


@pytest.mark.parametrize(
    ("unified", "quotas", "expected"),
    [
        (True, {}, None),
        (True, {"": "max"}, None),
        (True, {"": "150000"}, 1.5),
        (True, {"a/b": "50000"}, 0.5),
        (True, {"a": "50000", "a/b": "max"}, 0.5),
        (True, {"a": "50000", "a/b": "300000"}, 0.5),
        (True, {"a/other": "50000"}, None),
        (False, {"cpu": "-1"}, None),
        (False, {"cpu": "200000"}, 2),
        (False, {"cpu": "-1", "cpu/a/b": "250000"}, 2.5),
        (False, {"cpu": "-1", "cpu/a": "100000", "cpu/a/b": "250000"}, 1),
        (False, {"memory/a/b": "100000"}, None),
    ],
)
def test_quotas_of_both_control_group_versions(
    tmp_path: Path, unified: bool, quotas: dict[str, str], expected: float | None
) -> None:
    """The least of the limits of the process's group and of those above it."""
    for place, quota in quotas.items():
        limited(tmp_path / place, quota, unified=unified)
    groups = "0::/a/b\n" if unified else "9:memory:/a/b\n4:cpu,cpuacct:/a/b\n1:name=systemd:/\n0::/\n"
    assert system._quota(tmp_path, groups) == expected


@pytest.mark.parametrize("unified", [True, False])
@pytest.mark.parametrize(
    ("quota", "cores"), [("10000", 1), ("100000", 1), ("150000", 2), ("250000", 3), ("900000", 4)]
)
def test_a_quota_leaves_as_many_cores_as_it_can_keep_busy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unified: bool, quota: str, cores: int
) -> None:
    """Rounded up, at least one, and never more than the affinity allows."""
    limited(tmp_path if unified else tmp_path / "cpu", quota, unified=unified)
    monkeypatch.setattr(system, "CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 4, 6})
    assert presets.this_cpu().cores == system.available_cores() == cores


def test_the_affinity_is_asked_again_for_each_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(system, "CONTROL_GROUPS", tmp_path)
    for cpus in ({0, 1, 2}, {5}):
        monkeypatch.setattr(os, "sched_getaffinity", lambda process, cpus=cpus: cpus)
        assert presets.this_cpu().cores == len(cpus)


def test_the_private_cache_is_the_largest_below_the_shared_level(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(system, "CACHES", tmp_path)
    assert system.private_cache_bytes() == system.DEFAULT_CACHE_BYTES
    assert system.shared_cache_bytes() == 0
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
    assert system.private_cache_bytes() == 512 << 10
    assert system.shared_cache_bytes() == 32 << 20


def test_flags_are_read_from_either_architecture() -> None:
    assert "avx2" in system.cpu_flags("processor : 0\nflags\t\t: fpu sse2 avx2\n")
    assert "asimd" in system.cpu_flags("Features\t: fp asimd\n")
    assert system.cpu_flags("") == frozenset()


def test_vectors_are_as_wide_as_the_cpu_says(monkeypatch) -> None:
    widths = []
    for flags in ("sse2 avx2 avx512f", "sse2 avx2", "sse2", "asimd"):
        monkeypatch.setattr(system, "_read", lambda path, flags=flags: f"flags : fpu {flags}\n")
        widths.append(system.vector_bytes())
    monkeypatch.setattr(system.platform, "machine", lambda: "riscv64")
    monkeypatch.setattr(system, "_read", lambda path: "")
    assert [*widths, system.vector_bytes()] == [64, 32, 16, 16, 4]


def test_a_system_that_tells_nothing_has_defaults(monkeypatch) -> None:
    monkeypatch.setattr(system, "_read", lambda path: "")
    assert system.memory_bytes() == system.DEFAULT_MEMORY_BYTES
    monkeypatch.delattr(os, "sched_getaffinity")
    assert system.allowed_cores() == (os.cpu_count() or 1)
