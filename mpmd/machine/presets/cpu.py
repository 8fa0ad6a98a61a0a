"""This computer's CPU: as it was measured, or else by its instruction set.

In:  what the operating system says; a calibration, where there is one (`machine/saved.py`).
Out: a `Machine`. Not here: measuring (`calibrate.py`).

The preset's rates steer tiling and placement; nothing depends on them for correctness. They were taken on
2 vCPUs of an AMD EPYC (Zen 4, AVX-512), shared host, Linux, g++ 12, by `mpmd.calibrate`.
"""

from __future__ import annotations

import platform
from dataclasses import replace
from functools import lru_cache

from mpmd.machine import saved, system
from mpmd.machine.model import CoreKind, Machine, Primitive
from mpmd.machine.sources import sourced

DOT_RATES = {64: 110e9, 32: 55e9, 16: 27e9, 4: 7e9}
"""f32 operations a second of one core in products, by the bytes of its widest vectors."""

VECTOR_SHARE, FUNCTION_SHARE = 1.5, 0.4
"""Elementwise operations a second, and those of functions, for each operation in products."""

COUNTERS = 1 << 20
"""Counters are words in memory, a cache line each: the limit is only there to have one."""

MEASURED = "measured by calibration on Zen 4 with AVX-512, 2 vCPUs of a shared host"
SCALED = f"{MEASURED}; by the width of the vectors elsewhere"
ASKED = "the operating system"


def this_cpu(cores: int | None = None) -> Machine:
    """The CPU that this process runs on, with the cores that it may use now (or `cores` of them)."""
    count = system.available_cores() if cores is None else cores
    return _with_cores(saved.measured(), count)


@lru_cache(maxsize=16)
def _with_cores(measured: Machine | None, cores: int) -> Machine:
    machine = preset() if measured is None else measured
    return replace(machine, kinds=(replace(machine.leading, cores=cores),))


@lru_cache(maxsize=1)
def preset() -> Machine:
    """The CPU by its instruction set, with all cores that the process may be run on."""
    vector = system.vector_bytes()
    dot = DOT_RATES[vector]
    core = CoreKind(
        "core",
        system.allowed_cores(),
        rates=(dot, 0.9 * dot, 0.4 * dot, VECTOR_SHARE * dot, FUNCTION_SHARE * dot),
        bandwidth=27e9,
        cache_bytes=system.private_cache_bytes(),
        cache_bandwidth=105e9,
        task_seconds=8e-9,
        overheads=(13e-12, 270e-9, 1.3e-9, 22e-12),
        overlap=0.0,
    )
    machine = Machine(
        f"cpu-{platform.machine() or 'unknown'}",
        (core,),
        bandwidth=36e9,
        handover_bandwidth=7.5e9,
        memory_bytes=system.memory_bytes(),
        vector_bytes=vector,
        primitives=(Primitive("counter", COUNTERS, 2**31 - 1, signal_seconds=20e-9, wait_seconds=80e-9),),
        ticket_seconds=100e-9,
        launch_seconds=1.6e-6,
        shared_cache_bytes=system.shared_cache_bytes(),
        shared_cache_bandwidth=77e9 * core.cores,
        store_traffic=2.0,
    )
    origins = {
        "core": SCALED,
        "core.cores": ASKED,
        "core.cache_bytes": ASKED,
        "core.overlap": "seen in products and softmax over cached data: they take the sum of both",
        "bandwidth": MEASURED,
        "handover_bandwidth": "64 KiB and its flag take 8.5 µs between neighbours, 33 µs at worst",
        "memory_bytes": ASKED,
        "vector_bytes": ASKED,
        "counter": "52 to 60 ns from a flag's release until a neighbour has seen it, and the adding",
        "counter.limit": "a word in memory each: only there to have a limit",
        "counter.maximum": "32 bits, compared with a sign",
        "ticket_seconds": MEASURED,
        "launch_seconds": MEASURED,
        "store_traffic": "a line is read before it is stored into (McCalpin, STREAM, 1995)",
        "crowding": "not measured",
        "jitter": "not measured",
    }
    if machine.shared_cache_bytes:
        origins |= {"shared_cache_bytes": ASKED, "shared_cache_bandwidth": MEASURED}
    return sourced(machine, origins)
