"""What lies in the cache directory: entries, how large and how old they are, and what goes first.

In:  the cache's directory and limits. Out: its entries; fewer of them.
Not here: making entries, or trusting them (`cache.py`).

Only files with the name of a key are touched, so that a directory shared with other things keeps them.
An entry whose lock is held is being made, and is left alone. Removing a lock file may let two processes
make one entry at a time; each renames whole files into place, so the worst is work done twice.
"""

from __future__ import annotations

import logging
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mpmd.errors import NO_SPAN, ToolchainError

if TYPE_CHECKING:
    import filelock

log = logging.getLogger(__name__)

BYTES = 1 << 30
DAYS = 90.0

GRACE_SECONDS = 60.0
"""An entry used so recently may be about to be loaded; eviction leaves it."""

_NAME = re.compile(r"\.?([0-9a-f]{64})\.(so|sha256|lock|[^.]+\.part)")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the cache may hold: so many bytes, each entry unused for at most so many days."""

    bytes: int = BYTES
    days: float = DAYS


@dataclass(frozen=True, slots=True)
class Entry:
    """The files of one key. `used` is when it was last made or hit, in seconds since the epoch."""

    key: str
    files: tuple[Path, ...]
    bytes: int
    used: float


@dataclass(frozen=True, slots=True)
class Removal:
    """What an eviction or clearing did: entries removed, their bytes, entries that were in use."""

    removed: int
    bytes: int
    kept: int


def limits_from_environment() -> Limits:
    """The defaults, or `MPMD_CACHE_BYTES` and `MPMD_CACHE_DAYS`."""
    return Limits(int(_number("MPMD_CACHE_BYTES", BYTES)), _number("MPMD_CACHE_DAYS", DAYS))


def entries(root: Path) -> tuple[Entry, ...]:
    """The entries of a cache, the least recently used first."""
    found: dict[str, list[tuple[Path, os.stat_result]]] = {}
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match:
            with suppress(FileNotFoundError):  # another process removed it since
                found.setdefault(match[1], []).append((path, path.lstat()))
    result = [_entry(key, files) for key, files in found.items()]
    return tuple(sorted(result, key=lambda entry: (entry.used, entry.key)))


def evict(root: Path, limits: Limits, *, now: float | None = None) -> Removal:
    """Removes what was unused for too long, then the least recently used until the rest fits."""
    now = time.time() if now is None else now
    found = entries(root)
    excess = sum(entry.bytes for entry in found) - limits.bytes
    total = Removal(0, 0, 0)
    for entry in found:
        idle = now - entry.used
        if idle > limits.days * 86400:
            reason = f"unused for {idle / 86400:.0f} days"
        elif excess > total.bytes and entry.bytes:
            reason = f"the cache holds more than {limits.bytes} bytes"
        else:
            continue
        done = idle >= GRACE_SECONDS and _remove(root, entry)
        if done:
            log.info("cache entry %s is evicted: %s", entry.key, reason)
        total = _add(total, entry, done)
    return total


def clear(root: Path) -> Removal:
    """Removes every entry that no process is making."""
    total = Removal(0, 0, 0)
    for entry in entries(root):
        total = _add(total, entry, _remove(root, entry, even_if_used=True))
    return total


def lock(root: Path, key: str) -> filelock.BaseFileLock:
    """Held by the one process that makes the entry."""
    import filelock  # takes as long to load as a whole back end, and a hit does not need it

    return filelock.FileLock(root / f"{key}.lock", mode=0o600)


def _entry(key: str, files: list[tuple[Path, os.stat_result]]) -> Entry:
    library = [status.st_mtime for path, status in files if path.suffix == ".so"]
    used = max(library or [status.st_mtime for _, status in files])
    return Entry(key, tuple(path for path, _ in files), sum(status.st_size for _, status in files), used)


def _add(total: Removal, entry: Entry, done: bool) -> Removal:
    if done:
        return Removal(total.removed + 1, total.bytes + entry.bytes, total.kept)
    return Removal(total.removed, total.bytes, total.kept + 1)


def _remove(root: Path, entry: Entry, *, even_if_used: bool = False) -> bool:
    """Removes an entry, unless it is locked or was used since it was listed."""
    import filelock

    try:
        with lock(root, entry.key).acquire(timeout=0):
            if not even_if_used and _used_since(root, entry):
                return False
            for path in {*entry.files, root / f"{entry.key}.lock"}:
                path.unlink(missing_ok=True)
    except filelock.Timeout:
        return False
    except OSError as error:
        log.warning("cache entry %s cannot be removed: %s", entry.key, error)
        return False
    return True


def _used_since(root: Path, entry: Entry) -> bool:
    try:
        return (root / f"{entry.key}.so").lstat().st_mtime > entry.used
    except FileNotFoundError:
        return False


def _number(variable: str, default: float) -> float:
    text = os.environ.get(variable)
    if text is None:
        return default
    with suppress(ValueError):
        value = float(text)
        if 0 <= value < float("inf"):
            return value
    raise ToolchainError(
        f"{variable} is not a number, zero or more: {text!r}", span=NO_SPAN, hints=(f"unset {variable}",)
    )
