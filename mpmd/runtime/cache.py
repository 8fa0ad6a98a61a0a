"""The disk cache of compiled libraries: content-addressed, private, and never half-written.

In:  a key (a hash of everything that the content depends on) and a function that makes the content.
Out: the path of a file with that content.
Not here: what goes into a key (`build.py`), what is evicted (`entries.py`).
Nothing is unpickled; an entry is bytes and their hash.

An entry is one file, `<key>.so`, with `<key>.sha256` beside it. It is written under another name,
flushed and renamed, under a file lock, so that two processes compile one text once.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import platformdirs

from mpmd.errors import NO_SPAN, ToolchainError
from mpmd.runtime import entries

log = logging.getLogger(__name__)

_ABSENT = "not there"


class _Unsafe(Exception):
    """A file that somebody else may have written."""


def key_of(*parts: str | bytes) -> str:
    """One name for a sequence of parts; no two different sequences share it."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def obtain(key: str, make: Callable[[], bytes]) -> Path:
    """The file of entry `key`, made now if it is not there or cannot be trusted."""
    root = directory()
    make = functools.cache(make)  # when the disk is full, what was made need not be made again
    try:
        return _obtain(root, key, make)
    except (OSError, NotImplementedError) as error:  # full, read-only, or a file system without locks
        log.warning("cache %s is unusable (%s); using a private one for this process", root, error)
    private = _private_directory()
    try:
        return _obtain(private, key, make)
    except OSError as error:
        raise ToolchainError(
            f"there is no directory to keep the compiled kernel in: {error}",
            span=NO_SPAN,
            label=f"tried {root} and {private}",
            hints=("make room there", "or set MPMD_CACHE_DIR to a directory that you may write to"),
        ) from None


def directory() -> Path:
    """The cache's directory: the wanted one, or a private one if that is unsafe."""
    root = wanted_directory()
    reason = problem(root)
    if reason is None:
        return root
    log.warning("cache %s is not used: %s; using a private one for this process", root, reason)
    return _private_directory()


def wanted_directory() -> Path:
    """`$MPMD_CACHE_DIR`, or the user's cache."""
    chosen = os.environ.get("MPMD_CACHE_DIR")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("mpmd"))


def problem(root: Path) -> str | None:
    """Why code must not be loaded from `root`, or None. Makes the directory if it is not there."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = root.stat()
    except OSError as error:
        return str(error)
    return unsafe(status) or (None if os.access(root, os.W_OK | os.X_OK) else "it is read-only")


def unsafe(status: os.stat_result) -> str | None:
    """Why somebody else may have written what `status` describes, or None."""
    if status.st_uid != os.geteuid():
        return "it belongs to another user"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "others may write to it"
    return None


def _obtain(root: Path, key: str, make: Callable[[], bytes]) -> Path:
    path = root / f"{key}.so"
    with suppress(OSError):
        os.utime(path, follow_symlinks=False)  # first, so that no eviction takes what is about to be read
    if _refusal(path) is None:
        log.debug("cache hit %s", path)
        return path
    limits = entries.limits_from_environment()
    with entries.lock(root, key):
        reason = _refusal(path)
        if reason is None:
            log.debug("cache hit %s, made by another process", path)
            return path
        log.log(logging.DEBUG if reason == _ABSENT else logging.WARNING, "cache miss %s: %s", path, reason)
        data = make()
        for part in root.glob(f".{key}.*.part"):  # of a process that was killed
            part.unlink(missing_ok=True)
        _write(path.with_suffix(".sha256"), hashlib.sha256(data).hexdigest().encode())
        _write(path, data)
    entries.evict(root, limits)
    return path


def _refusal(path: Path) -> str | None:
    """Why the library at `path` must not be loaded, or None."""
    try:
        data = _trusted(path)
    except FileNotFoundError:
        return _ABSENT
    except (OSError, _Unsafe) as error:
        return str(error)
    try:
        expected = _trusted(path.with_suffix(".sha256"))
    except (OSError, _Unsafe) as error:
        return f"its hash cannot be used: {error}"
    if hashlib.sha256(data).hexdigest().encode() != expected:
        return "its content does not match its hash"
    return None


def _trusted(path: Path) -> bytes:
    """The content of a plain file that only this user can have written."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        reason = unsafe(status) if stat.S_ISREG(status.st_mode) else "it is no plain file"
        if reason is not None:
            raise _Unsafe(reason)
        return file.read()


def _write(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _private_directory() -> Path:
    return _private(os.getpid())


@functools.cache
def _private(process: int) -> Path:
    """One per process: a forked child that ends must not remove its parent's."""
    root = Path(tempfile.mkdtemp(prefix="mpmd-cache-"))
    atexit.register(_remove, root, process)
    return root


def _remove(root: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(root, ignore_errors=True)
