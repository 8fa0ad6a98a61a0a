"""The disk cache of compiled libraries: content-addressed, private, and never half-written.

In:  a key (a hash of everything that the content depends on) and a function that makes the content.
Out: the path of a file with that content.
Not here: what goes into a key (`build.py`). Nothing is unpickled; an entry is bytes and their hash.

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
from pathlib import Path

import platformdirs

log = logging.getLogger(__name__)


def key_of(*parts: str | bytes) -> str:
    """One name for a sequence of parts; no two different sequences share it."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def obtain(key: str, make: Callable[[], bytes]) -> Path:
    """The file of entry `key`, made now if it is not there or is damaged."""
    root = directory()
    try:
        return _obtain(root, key, make)
    except (OSError, NotImplementedError) as error:  # full, read-only, or a file system without locks
        log.warning("cache %s is unusable (%s); using a private one for this process", root, error)
    return _obtain(_private_directory(), key, make)


def directory() -> Path:
    """The cache's directory: `$MPMD_CACHE_DIR`, the user's cache, or a private one if that is unsafe."""
    chosen = os.environ.get("MPMD_CACHE_DIR")
    root = Path(chosen) if chosen else Path(platformdirs.user_cache_dir("mpmd"))
    problem = _problem(root)
    if problem is None:
        return root
    log.warning("cache %s is not used: %s; using a private one for this process", root, problem)
    return _private_directory()


def _obtain(root: Path, key: str, make: Callable[[], bytes]) -> Path:
    path = root / f"{key}.so"
    if _intact(path):
        log.debug("cache hit %s", path)
        return path
    import filelock  # takes as long to load as a whole back end, and a hit does not need it

    with filelock.FileLock(root / f"{key}.lock", mode=0o600):
        if _intact(path):
            log.debug("cache hit %s, made by another process", path)
            return path
        log.debug("cache miss %s: %s", path, "damaged" if path.exists() else "not there")
        data = make()
        _write(path.with_suffix(".sha256"), hashlib.sha256(data).hexdigest().encode())
        _write(path, data)
    return path


def _intact(path: Path) -> bool:
    try:
        expected = path.with_suffix(".sha256").read_text()
        return hashlib.sha256(path.read_bytes()).hexdigest() == expected
    except (OSError, UnicodeDecodeError):
        return False


def _write(path: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _problem(root: Path) -> str | None:
    """Why code must not be loaded from `root`, or None. Makes the directory if it is not there."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = root.stat()
    except OSError as error:
        return str(error)
    if status.st_uid != os.geteuid():
        return "it belongs to another user"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "others may write to it"
    if not os.access(root, os.W_OK | os.X_OK):
        return "it is read-only"
    return None


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
