"""Machines that can be named: this computer's CPU.

In:  what the operating system says of the CPU. Out: a `Machine`.
Not here: measuring (calibration). Rates come from the instruction set and from the measurements that
stand beside each constant; they steer tiling and placement, nothing depends on them for correctness.

The measurements: 2 vCPUs of an AMD EPYC (Zen 4, AVX-512), shared host, Linux, g++ 12 (`bench/`).
"""

from __future__ import annotations

import os
import platform
from functools import lru_cache
from math import ceil
from pathlib import Path

from mpmd.machine.model import Machine, Primitive, uniform

# f32 operations per second of one core, by the widest vectors it has. Measured with AVX-512 in
# register-blocked products: 115e9, 97 to 100 % of the peak. Narrower vectors are scaled by their width.
_FLOPS = {64: 115e9, 32: 57e9, 16: 29e9, 4: 7e9}

BANDWIDTH = 33e9
"""Read from memory by both cores together: 31 to 36 GB/s when they share a cache, up to 60 when not."""

CORE_BANDWIDTH = 25e9
"""Read from memory by one core: 18 GB/s in four streams, 30 in one."""

CACHE_BANDWIDTH = 100e9
"""Read by one core from its own second-level cache: assumed at about 32 bytes a cycle, not measured."""

HANDOVER_BANDWIDTH = 7.5e9
"""One core to another: a 64 KB payload and its flag take 8.5 µs near (33 µs far)."""

SIGNAL_SECONDS = 20e-9
"""A release add: 1.8 ns alone, 9 ns contended; rounded up, since the write has to leave the core."""

WAIT_SECONDS = 80e-9
"""From a flag's release until the waiter has seen it: 52 to 60 ns near, 250 to 280 far."""

TASK_SECONDS = 50e-9
"""Fetch a step and a row and call the function: assumed, a few dependent loads from cache."""

DEFAULT_CACHE_BYTES = 1 << 20
"""Second-level cache of a core where the system does not say."""

DEFAULT_MEMORY_BYTES = 4 << 30

COUNTERS = 1 << 20
"""Counters are words in memory, a cache line each: the limit is only there to have one."""


CONTROL_GROUPS = Path("/sys/fs/cgroup")
"""Where limits of control groups stand, of both versions."""

OWN_GROUPS = Path("/proc/self/cgroup")
"""Which groups this process is in."""


def this_cpu(cores: int | None = None) -> Machine:
    """The CPU that this process runs on, with the cores that it may use now (or `cores` of them)."""
    return _cpu(available_cores() if cores is None else cores)


@lru_cache(maxsize=16)
def _cpu(cores: int) -> Machine:
    vector = _vector_bytes()
    return uniform(
        f"cpu-{platform.machine() or 'unknown'}",
        cores,
        flops=_FLOPS[vector],
        bandwidth=BANDWIDTH,
        core_bandwidth=CORE_BANDWIDTH,
        cache_bytes=_private_cache_bytes(Path("/sys/devices/system/cpu/cpu0/cache")),
        cache_bandwidth=CACHE_BANDWIDTH,
        handover_bandwidth=HANDOVER_BANDWIDTH,
        memory_bytes=_memory_bytes(),
        task_seconds=TASK_SECONDS,
        vector_bytes=vector,
        counter=Primitive("counter", COUNTERS, 2**31 - 1, SIGNAL_SECONDS, WAIT_SECONDS),
    )


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


def _vector_bytes() -> int:
    """Bytes of the widest vector registers."""
    flags = _cpu_flags(_read(Path("/proc/cpuinfo")))
    if "avx512f" in flags:
        return 64
    if "avx2" in flags:
        return 32
    if flags & {"sse2", "asimd"} or platform.machine() in ("arm64", "aarch64", "x86_64", "AMD64"):
        return 16
    return 4


def _cpu_flags(cpuinfo: str) -> frozenset[str]:
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def _private_cache_bytes(root: Path) -> int:
    """The largest data cache that only one core uses."""
    found: list[int] = []
    for index in sorted(root.glob("index*")):
        kind, level, size = (_read(index / name) for name in ("type", "level", "size"))
        if kind in ("Data", "Unified") and level in ("1", "2") and size.endswith("K"):
            found.append(int(size[:-1]) << 10)
    return max(found, default=DEFAULT_CACHE_BYTES)


def _memory_bytes() -> int:
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
