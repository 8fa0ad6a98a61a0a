"""The file that a calibration leaves for later processes.

In:  a measured `Machine`. Out: the same, read again; None where there is none that fits this computer.
Not here: measuring (`calibrate.py`); what takes its place (`presets/cpu.py`).

There is a file for each CPU model, number of cores and set of CPU flags. `MPMD_MACHINE=preset` passes it
over, and `MPMD_MACHINE=some/file.json` takes that one, wherever it was measured.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import platformdirs

from mpmd.errors import NO_SPAN, ArgumentError
from mpmd.machine import system
from mpmd.machine.model import CoreKind, Machine, Primitive, Source, WorkClass

log = logging.getLogger(__name__)

FORMAT = 1
"""Files of another format are measured again, and not converted."""

VARIABLE = "MPMD_MACHINE"
PRESET = "preset"


class Unfit(Exception):
    """A file that cannot be used, and why."""


def measured() -> Machine | None:
    """What was measured on this computer, or what $MPMD_MACHINE names."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted == PRESET:
        return None
    if wanted:
        return _named(Path(wanted))
    path = default_path()
    if not path.exists():
        return None
    try:
        return read(path, this=identity())
    except Unfit as error:
        _tell(str(path), str(error))
        return None


def default_path() -> Path:
    """Where this computer's calibration is kept."""
    name = hashlib.sha256(json.dumps(identity(), sort_keys=True).encode()).hexdigest()[:12]
    return Path(platformdirs.user_config_path("mpmd")) / "machines" / f"cpu-{name}.json"


def identity() -> dict[str, Any]:
    """What a measurement is of."""
    return {"cpu": system.cpu_name(), "cores": system.allowed_cores(), "flags": system.flags_digest()}


def write(machine: Machine, path: Path | None = None) -> Path:
    """Keep a machine, whole or not at all."""
    path = default_path() if path is None else path
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"format": FORMAT, **identity(), "machine": asdict(machine)}, indent=1)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return path


def read(path: Path, *, this: Mapping[str, Any] | None = None) -> Machine:
    """The machine in a file; it must be of the computer `this`, if that is given. Raises `Unfit`."""
    try:
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_ino)
        content = _content(path, stamp)
    except (OSError, ValueError) as error:
        raise Unfit(f"it cannot be read: {error}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise Unfit(f"it is not of format {FORMAT}")
    for key, value in (this or {}).items():
        if content.get(key) != value:
            raise Unfit(f"it is of another computer: {key} is {content.get(key)!r}, here it is {value!r}")
    return _machine(path, stamp)


@lru_cache(maxsize=8)
def _content(path: Path, stamp: tuple[int, int]) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=8)
def _machine(path: Path, stamp: tuple[int, int]) -> Machine:
    try:
        return _made(_content(path, stamp)["machine"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unfit(f"what it says of the machine makes no sense: {error}") from None


def _made(data: Mapping[str, Any]) -> Machine:
    fields = dict(data)
    kinds = tuple(_kind(kind) for kind in fields.pop("kinds"))
    primitives = tuple(Primitive(**primitive) for primitive in fields.pop("primitives"))
    sources = tuple(Source(**source) for source in fields.pop("sources"))
    machine = Machine(kinds=kinds, primitives=primitives, sources=sources, **fields)
    if not kinds or not primitives:
        raise ValueError("it has no cores, or no way to synchronise them")
    positive = [machine.bandwidth, machine.handover_bandwidth, machine.memory_bytes, machine.vector_bytes]
    positive += [machine.crowding, machine.store_traffic]
    for kind in kinds:
        positive += [*kind.rates, kind.bandwidth, kind.cache_bandwidth, kind.cores, kind.cache_bytes]
    least = [machine.jitter, machine.ticket_seconds, machine.launch_seconds, machine.latency]
    for value in (*positive, *least, *(x for kind in kinds for x in (*kind.overheads, kind.task_seconds))):
        if not math.isfinite(value) or value < 0:
            raise ValueError(f"{value} is no measurement")
    if min(positive) <= 0:
        raise ValueError("a rate or a size is 0")
    return machine


def _kind(data: Mapping[str, Any]) -> CoreKind:
    fields = dict(data)
    rates, overheads = tuple(fields.pop("rates")), tuple(fields.pop("overheads"))
    if len(rates) + len(overheads) != len(WorkClass):
        raise ValueError(f"{len(rates)} rates and {len(overheads)} overheads")
    return CoreKind(rates=rates, overheads=overheads, **fields)  # type: ignore[arg-type]


def _named(path: Path) -> Machine:
    try:
        return read(path)
    except Unfit as error:
        raise ArgumentError(
            f"the machine in {str(path)!r} cannot be used: {error}",
            span=NO_SPAN,
            label=f"{VARIABLE}={path}",
            hints=(f"name a file that a calibration wrote, or set {VARIABLE}={PRESET}",),
        ) from None


@lru_cache(maxsize=8)
def _tell(path: str, reason: str) -> None:
    """Once a process."""
    log.warning("the calibration %s is not used: %s; calibrate again", path, reason)
