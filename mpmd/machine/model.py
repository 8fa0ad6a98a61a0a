"""The `Machine`: the numbers that partition, schedule and check decide by.

In:  a preset (`presets.py`). Out: a frozen value. Not here: measuring it (calibration).
All times are seconds, rates are per second, sizes are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Primitive:
    """A synchronisation primitive. `limit` is how many a launch may use; `maximum` the largest count."""

    name: str
    limit: int
    maximum: int
    signal_seconds: float
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class Machine:
    """One launch's worth of cores that share memory.

    `flops` is per core, in f32 multiply-adds counted as two; `bandwidth` is shared by all cores;
    `core_bandwidth` is what one core alone can draw; `cache_bytes` is private to a core;
    `cache_bandwidth` is per core, for data already there; `handover_bandwidth` is core to core.
    `kinds` are the kinds of core that a call may ask for. `jitter` is the share of its predicted time that
    a phase loses to cores which are slower than predicted at the moment (0 until it has been measured);
    `ticket_seconds` is the time to take a task from a queue that all cores share.
    """

    name: str
    cores: int
    flops: float
    bandwidth: float
    core_bandwidth: float
    cache_bytes: int
    cache_bandwidth: float
    handover_bandwidth: float
    memory_bytes: int
    task_seconds: float
    vector_bytes: int
    counter: Primitive
    kinds: tuple[str, ...] = ("core",)
    jitter: float = 0.0
    ticket_seconds: float = 5e-8
