"""A machine as a table for people: every figure, and where it comes from.

In:  a `Machine`. Out: text.
Not here: the figures (`presets/`, `calibrate.py`), the origin of each (`sources.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpmd.machine.model import CoreKind, Machine, Primitive

_CLASSES = ("dot32", "dot16", "dot8", "vector", "function")
_OVERHEADS = ("operand", "product", "fold", "pass")
_PREFIXES = (
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
)


def figures(machine: Machine) -> dict[str, str]:
    """Every figure by the name under which its source is given: `sm.bandwidth`, `counter.limit`, `jitter`."""
    found: dict[str, str] = {}
    for kind in machine.kinds:
        found.update((f"{kind.name}.{name}", text) for name, text in _of_kind(kind))
    found["bandwidth"] = amount(machine.bandwidth, "B/s")
    found["handover_bandwidth"] = amount(machine.handover_bandwidth, "B/s")
    if machine.shared_cache_bytes:
        found["shared_cache_bytes"] = _size(machine.shared_cache_bytes)
        found["shared_cache_bandwidth"] = amount(machine.shared_cache_bandwidth, "B/s")
    found["memory_bytes"] = _size(machine.memory_bytes)
    found["vector_bytes"] = f"{machine.vector_bytes} B"
    if machine.group:
        found["group"] = f"{machine.group} cores"
    for primitive in machine.primitives:
        found.update((f"{primitive.name}.{name}", text) for name, text in _of_primitive(primitive))
    found["ticket_seconds"] = amount(machine.ticket_seconds, "s")
    found["launch_seconds"] = amount(machine.launch_seconds, "s")
    if machine.barrier_seconds:
        found["barrier_seconds"] = amount(machine.barrier_seconds, "s")
    if machine.prefetch_share:
        found["prefetch_share"] = f"{machine.prefetch_share:.0%}"
    found["store_traffic"] = f"{machine.store_traffic:.3g}"
    found["crowding"] = f"{machine.crowding:.3g}"
    found["jitter"] = f"{machine.jitter:.1%}"
    return found


def _of_kind(kind: CoreKind) -> Iterator[tuple[str, str]]:
    yield "cores", str(kind.cores)
    for name, rate in zip(_CLASSES, kind.rates, strict=True):
        yield name, amount(rate, "op/s") if rate else "cannot"
    yield "bandwidth", amount(kind.bandwidth, "B/s")
    yield "cache_bytes", _size(kind.cache_bytes)
    yield "cache_bandwidth", amount(kind.cache_bandwidth, "B/s")
    yield "task_seconds", amount(kind.task_seconds, "s")
    for name, seconds in zip(_OVERHEADS, kind.overheads, strict=True):
        if seconds:
            yield name, amount(seconds, "s")
    yield "overlap", f"{kind.overlap:.0%}"


def _of_primitive(primitive: Primitive) -> Iterator[tuple[str, str]]:
    yield "limit", str(primitive.limit)
    yield "maximum", str(primitive.maximum)
    yield "signal_seconds", amount(primitive.signal_seconds, "s")
    yield "wait_seconds", amount(primitive.wait_seconds, "s")


def table(machine: Machine) -> str:
    """Lines of figure, value and source."""
    origins = {source.field: source.source for source in machine.sources}
    rows = [(name, value, origins.get(name, "")) for name, value in figures(machine).items()]
    name_width, value_width = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"{name:{name_width}}  {value:>{value_width}}  {why}".rstrip() for name, value, why in rows]
    return "\n".join([f"{machine.name}: {machine.cores} cores", *lines])


def amount(value: float, unit: str) -> str:
    """`value` with three digits and a prefix: 3.35 TB/s."""
    for size, prefix in _PREFIXES:
        if abs(value) >= 0.9995 * size:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value / 1e-12:.3g} p{unit}" if value else f"0 {unit}"


def _size(size: int) -> str:
    for power, prefix in ((30, "Gi"), (20, "Mi"), (10, "Ki")):
        if size >= 1 << power:
            return f"{size / (1 << power):.4g} {prefix}B"
    return f"{size} B"
