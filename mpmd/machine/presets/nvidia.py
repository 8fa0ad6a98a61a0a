"""NVIDIA H100 and H200 as machines: a core is a streaming multiprocessor, with one block on it.

In:  nothing. Out: `Machine`s, each figure with its source. Not here: CPUs, Ascend.

Rates are the data sheet's dense peaks, divided by the SMs: they tell what limits a task, and how far from
it a schedule is. f32 products are done in f32; tensor cores would round them to TF32.
"""

from __future__ import annotations

from dataclasses import replace

from mpmd.machine.model import CoreKind, Machine, Primitive
from mpmd.machine.sources import sourced

SMS = 132
SHEET = "NVIDIA H100 Tensor Core GPU data sheet (SXM5)"
WHITEPAPER = "NVIDIA H100 Tensor Core GPU Architecture, white paper (2022)"
H200_SHEET = "NVIDIA H200 Tensor Core GPU data sheet (SXM)"
L2_STUDY = "Luo et al., Benchmarking and Dissecting the Nvidia Hopper GPU Architecture (2024), rounded"

_SM = CoreKind(
    "sm",
    SMS,
    rates=(67e12 / SMS, 989.4e12 / SMS, 1978.9e12 / SMS, 67e12 / 2 / SMS, 67e12 / 2 / SMS),
    bandwidth=64 * 1.755e9,
    cache_bytes=227 << 10,
    cache_bandwidth=128 * 1.755e9,
    task_seconds=0.4e-6,
)

_SOURCES = {
    "sm.cores": SHEET,
    "sm.dot32": f"{SHEET}: 67 TFLOP/s FP32 / {SMS}",
    "sm.dot16": f"{SHEET}: 989.4 TFLOP/s BF16 without sparsity / {SMS}",
    "sm.dot8": f"{SHEET}: 1978.9 TFLOP/s FP8 and INT8 without sparsity / {SMS}",
    "sm.vector": "half of FP32: elementwise operations are not multiply-adds",
    "sm.function": "assumed: as VECTOR, by the operations of a polynomial",
    "sm.bandwidth": "assumed: 64 B a cycle between L2 and an SM at 1.755 GHz",
    "sm.cache_bytes": f"{WHITEPAPER}: shared memory of one block",
    "sm.cache_bandwidth": f"{WHITEPAPER}: 32 banks of 4 B a cycle, at 1.755 GHz",
    "sm.task_seconds": "assumed: two dependent loads from L2 and a block barrier",
    "sm.overlap": "assumed: copies are asynchronous",
    "bandwidth": f"{SHEET}: 3.35 TB/s (decode kernels in public studies read 3.09 TB/s)",
    "handover_bandwidth": "assumed: one SM writes to L2 and another reads, at its share of L2",
    "shared_cache_bytes": f"{WHITEPAPER}: L2",
    "shared_cache_bandwidth": L2_STUDY,
    "memory_bytes": SHEET,
    "vector_bytes": "CUDA C++ Programming Guide: the widest load of a thread",
    "counter.limit": "a word in memory each: only there to have a limit",
    "counter.maximum": "32 bits, compared with a sign",
    "counter.signal_seconds": "assumed: a release add that L2 does",
    "counter.wait_seconds": "assumed: half a polling round to L2 and the acquire",
    "word": "as the counter; a store in place of the add",
    "ticket_seconds": "assumed: an atomic add at L2 that returns",
    "launch_seconds": "public measurements: 5 to 10 µs for a launch on a stream",
    "store_traffic": "L2 takes a written sector without reading it",
    "crowding": "cores share no pipeline",
    "jitter": "not measured",
}

H100 = sourced(
    Machine(
        "h100",
        (_SM,),
        bandwidth=3.35e12,
        handover_bandwidth=5.5e12 / SMS,
        memory_bytes=80 * 10**9,
        vector_bytes=16,
        primitives=(
            Primitive("counter", 1 << 20, 2**31 - 1, signal_seconds=0.3e-6, wait_seconds=0.5e-6),
            Primitive("word", 1 << 20, 2**31 - 1, signal_seconds=0.2e-6, wait_seconds=0.5e-6, kind="word"),
        ),
        ticket_seconds=0.7e-6,
        launch_seconds=5e-6,
        shared_cache_bytes=50 << 20,
        shared_cache_bandwidth=5.5e12,
    ),
    _SOURCES,
)

H200 = sourced(
    replace(H100, name="h200", bandwidth=4.8e12, memory_bytes=141 * 10**9),
    {**_SOURCES, "bandwidth": f"{H200_SHEET}: 4.8 TB/s", "memory_bytes": H200_SHEET},
)
