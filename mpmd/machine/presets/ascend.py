"""Ascend A2, A3 and A5 as machines: cube cores for products, vector cores for the rest.

In:  nothing. Out: `Machine`s, each figure with its source. Not here: what code for them looks like.

A core is one of a die; a group is a cube core and its two vector cores. What stands as assumed has not been
seen on silicon. Figures for A3 are of one of the two dies of a chip: a launch runs on one.
"""

from __future__ import annotations

from dataclasses import replace

from mpmd.machine.model import CoreKind, Machine, Primitive
from mpmd.machine.sources import sourced

CLOCK = 1.85e9
HEADERS = "Ascend C headers and documents of CANN 9, public"
KERNELS = "public kernels and cost models for Atlas A2, not confirmed"

_CUBE = CoreKind(
    "cube",
    24,
    rates=(2048 * CLOCK, 8192 * CLOCK, 16384 * CLOCK, 0.0, 0.0),
    bandwidth=135e9,
    cache_bytes=(512 << 10) - 256,
    cache_bandwidth=256 * CLOCK,
    task_seconds=0.5e-6,
)
_VECTOR = CoreKind(
    "vector",
    48,
    rates=(0.0, 0.0, 0.0, 64 * CLOCK, 3 * 64 * CLOCK),
    bandwidth=101e9,
    cache_bytes=(184 << 10) - 256,
    cache_bandwidth=256 * CLOCK,
    task_seconds=0.5e-6,
)
_WORD = Primitive("word", 1 << 16, 2**31 - 1, signal_seconds=0.5e-6, wait_seconds=0.8e-6, kind="word")
_FLAG = Primitive("flag", 12, 15, signal_seconds=0.1e-6, wait_seconds=0.1e-6, kind="flag", scope="group")

_SOURCES = {
    "cube.cores": HEADERS,
    "cube.dot32": f"assumed: a quarter of f16, at {CLOCK / 1e9} GHz",
    "cube.dot16": f"{KERNELS}: 8192 operations a cycle at {CLOCK / 1e9} GHz, 364 TFLOP/s a die",
    "cube.dot8": "assumed: twice f16",
    "cube.vector": HEADERS,
    "cube.function": HEADERS,
    "cube.bandwidth": f"{KERNELS}: global memory to L1",
    "cube.cache_bytes": f"{HEADERS}: L1 without what the system keeps",
    "cube.cache_bandwidth": "assumed: 256 B a cycle between L1 and L0",
    "cube.task_seconds": "assumed: a row from global memory and its branch",
    "cube.overlap": f"{HEADERS}: copies have pipes of their own",
    "vector.overlap": f"{HEADERS}: copies have pipes of their own",
    "vector.cores": HEADERS,
    "vector.dot32": HEADERS,
    "vector.dot16": HEADERS,
    "vector.dot8": HEADERS,
    "vector.vector": f"assumed: one instruction of 256 B a cycle at {CLOCK / 1e9} GHz",
    "vector.function": "assumed: four cycles for 256 B of exp, which counts as 12 operations",
    "vector.bandwidth": f"{KERNELS}: global memory to UB",
    "vector.cache_bytes": f"{HEADERS}: UB without what the system keeps",
    "vector.cache_bandwidth": "assumed: 256 B a cycle",
    "vector.task_seconds": "assumed: a row from global memory and its branch",
    "bandwidth": "published for the 910B: 1.6 TB/s",
    "handover_bandwidth": "assumed: through L2, as fast as a vector core reads",
    "shared_cache_bytes": HEADERS,
    "shared_cache_bandwidth": "assumed: what all cores draw together at their own limits",
    "memory_bytes": "published for the 910B: 64 GB",
    "vector_bytes": "Ascend C documents: one vector instruction",
    "group": f"{HEADERS}: __mix__(1, 2), a cube core and two vector cores",
    "word": "a line of global memory each, polled: times assumed",
    "flag.limit": f"{HEADERS}: 16 ids, of which the system keeps 11 to 14",
    "flag.maximum": f"{HEADERS}: 4 bits",
    "flag.signal_seconds": "assumed",
    "flag.wait_seconds": "assumed",
    "ticket_seconds": "assumed: an atomic add in global memory that returns",
    "launch_seconds": "assumed: as a launch on a stream of a GPU",
    "store_traffic": "copies write whole blocks",
    "crowding": "cores share no pipeline",
    "jitter": "not measured",
}

A2 = sourced(
    Machine(
        "a2",
        (_CUBE, _VECTOR),
        bandwidth=1.6e12,
        handover_bandwidth=101e9,
        memory_bytes=64 * 10**9,
        vector_bytes=256,
        primitives=(_WORD, _FLAG),
        group=3,
        ticket_seconds=1e-6,
        launch_seconds=5e-6,
        shared_cache_bytes=192 << 20,
        shared_cache_bandwidth=24 * 135e9 + 48 * 101e9,
    ),
    _SOURCES,
)

A3 = sourced(
    replace(A2, name="a3"),
    {
        **_SOURCES,
        "bandwidth": "published for the 910C: 3.2 TB/s a chip, of two dies",
        "memory_bytes": "published for the 910C: 128 GB a chip, of two dies",
    },
)

_A5_CUBE = replace(_CUBE, cores=32)
_A5_VECTOR = replace(_VECTOR, cores=64, cache_bytes=248 << 10)

A5 = sourced(
    replace(
        A2,
        name="a5",
        kinds=(_A5_CUBE, _A5_VECTOR),
        memory_bytes=128 * 10**9,
        shared_cache_bytes=128 << 20,
        shared_cache_bandwidth=32 * 135e9 + 64 * 101e9,
    ),
    {
        **_SOURCES,
        "cube.cores": f"{HEADERS}: 32 to 36",
        "vector.cores": f"{HEADERS}: 64 to 72",
        "cube.dot16": "assumed: as A2, each core",
        "cube.bandwidth": "assumed: as A2",
        "vector.bandwidth": "assumed: as A2",
        "bandwidth": "Huawei Connect 2025, Ascend 950PR: 1.6 TB/s",
        "memory_bytes": "Huawei Connect 2025, Ascend 950PR: 128 GB",
    },
)
