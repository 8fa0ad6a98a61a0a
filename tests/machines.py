"""Machines for tests: round numbers, all cores alike."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from mpmd.machine import Machine, Primitive, uniform

COUNTER = Primitive("counter", limit=1 << 20, maximum=1 << 30, signal_seconds=1e-7, wait_seconds=3e-7)

_RATES: dict[str, Any] = {
    "flops": 1e9,
    "bandwidth": 8e9,
    "core_bandwidth": 4e9,
    "cache_bytes": 1 << 16,
    "cache_bandwidth": 2e10,
    "handover_bandwidth": 2e9,
    "memory_bytes": 1 << 30,
    "task_seconds": 1e-7,
    "vector_bytes": 32,
    "counter": COUNTER,
}


def like(machine: Machine, **changes: Any) -> Machine:
    """The same machine; `changes` are fields of its one kind of cores."""
    return replace(machine, kinds=(replace(machine.leading, **changes),))


def toy(cores: int = 4, **changes: Any) -> Machine:
    """A machine of equal cores; `changes` are arguments of `uniform`, or fields of `Machine`."""
    others = {f.name for f in fields(Machine)} - set(_RATES)
    rates = {name: value for name, value in changes.items() if name not in others}
    made = uniform("toy", cores, **{**_RATES, **rates})
    return replace(made, **{name: value for name, value in changes.items() if name in others})
