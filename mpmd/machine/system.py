"""What the operating system says of this computer: cores within limits, caches, vectors, memory.

In:  files below /proc and /sys, the process's affinity. Out: numbers; a default where nothing is said.
Not here: rates (`presets/cpu.py`), measuring them (`calibrate.py`).
"""

from __future__ import annotations

import hashlib
import os
import platform
from math import ceil
from pathlib import Path

DEFAULT_CACHE_BYTES = 1 << 20
"""Second-level cache of a core where the system does not say."""

DEFAULT_MEMORY_BYTES = 4 << 30

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")

CPUINFO = Path("/proc/cpuinfo")

CONTROL_GROUPS = Path("/sys/fs/cgroup")
"""Where limits of control groups stand, of both versions."""

OWN_GROUPS = Path("/proc/self/cgroup")
"""Which groups this process is in."""


def available_cores() -> int:
    """Cores that this process may use: its affinity, and the quota of its control group."""
    count = allowed_cores()
    quota = _quota(CONTROL_GROUPS, _read(OWN_GROUPS))
    return max(1, count if quota is None else min(count, ceil(quota)))


def allowed_cores() -> int:
    """Cores that this process may be run on, whatever share of their time it gets."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota(root: Path, groups: str) -> float | None:
    """CPUs' worth of time that this process is granted; None for no limit.

    A group's limit binds all groups below it. In a container the root is the group itself.
    """
    directories = dict.fromkeys(found for line in groups.splitlines() for found in _directories(root, line))
    limits = (_limit(directory) for directory in (root, root / "cpu", *directories))
    return min((limit for limit in limits if limit is not None), default=None)


def _directories(root: Path, line: str) -> tuple[Path, ...]:
    """Those of a group and of the groups above it, from a line `number:controllers:path`."""
    controllers, _, path = line.partition(":")[2].partition(":")
    if controllers and "cpu" not in controllers.split(","):
        return ()
    top = root / "cpu" if controllers else root
    own = top / path.lstrip("/")
    return (own, *(parent for parent in own.parents if parent.is_relative_to(top)))


def _limit(directory: Path) -> float | None:
    """What one group grants, by either version's files."""
    unified = _read(directory / "cpu.max").split()
    if len(unified) == 2:
        return None if unified[0] == "max" else int(unified[0]) / int(unified[1])
    quota, period = _read(directory / "cpu.cfs_quota_us"), _read(directory / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota and period and int(quota) > 0 else None


def vector_bytes() -> int:
    """Bytes of the widest vector registers."""
    flags = cpu_flags(_read(CPUINFO))
    if "avx512f" in flags:
        return 64
    if "avx2" in flags:
        return 32
    if flags & {"sse2", "asimd"} or platform.machine() in ("arm64", "aarch64", "x86_64", "AMD64"):
        return 16
    return 4


def cpu_flags(cpuinfo: str) -> frozenset[str]:
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def private_cache_bytes() -> int:
    """The largest data cache that only one core uses."""
    found: list[int] = []
    for index in sorted(CACHES.glob("index*")):
        kind, level, size = (_read(index / name) for name in ("type", "level", "size"))
        if kind in ("Data", "Unified") and level in ("1", "2") and size.endswith("K"):
            found.append(int(size[:-1]) << 10)
    return max(found, default=DEFAULT_CACHE_BYTES)


def shared_cache_bytes() -> int:
    """The cache of the third level, which cores share; 0 where there is none."""
    for index in sorted(CACHES.glob("index*")):
        size = _read(index / "size")
        if _read(index / "level") == "3" and size.endswith("K"):
            return int(size[:-1]) << 10
    return 0


def cpu_name() -> str:
    """The model of the CPU, as the system names it."""
    named = (line.partition(":") for line in _read(CPUINFO).splitlines())
    found = [value.strip() for name, _, value in named if name.strip() in ("model name", "Model")]
    return found[0] if found else platform.processor() or platform.machine() or "unknown"


def flags_digest() -> str:
    """A short name for the set of instruction sets that the CPU has."""
    return hashlib.sha256(" ".join(sorted(cpu_flags(_read(CPUINFO)))).encode()).hexdigest()[:12]


def memory_bytes() -> int:
    for line in _read(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) << 10
    return DEFAULT_MEMORY_BYTES


def _read(path: Path) -> str:
    """The text of a system file, or "" where there is none."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
