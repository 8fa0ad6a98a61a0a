"""A saved kernel: one file with all that a launch needs, so that no compiler and no source is needed.

In:  a `Saved`, or a file. Out: the file, or the `Saved` after every check.
Not here: the manifest's text (`manifest.py`), running it (`loaded.py`).

The file is a zip archive without compression, whose first member says what it is. Hashes find damage, not
malice: a saved kernel is machine code, and who loads one trusts who made it.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mpmd.errors import ArtifactError, Span
from mpmd.runtime import manifest as manifests
from mpmd.runtime.cpu import Cpu, this_cpu
from mpmd.runtime.manifest import Manifest

FORMAT = 4
"""Raised whenever the members, the manifest, or the pool's functions that `pool.py` declares change."""

KERNEL, POOL, TABLES, MANIFEST = "kernel.so", "libmpmd.so", "tables", "manifest.json"
_MARK = "mpmd-kernel"
_MEMBERS = (_MARK, MANIFEST, TABLES, KERNEL, POOL)
_LOCAL_HEADER = 30  # bytes of a zip member before its name

_BROKEN_ZIP = (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError, struct.error)


@dataclass(frozen=True, slots=True)
class Saved:
    """`kernel` and `pool` hold the bytes of shared libraries."""

    manifest: Manifest
    tables: bytes
    kernel: bytes
    pool: bytes


def hashes(tables: bytes, kernel: bytes, pool: bytes) -> tuple[tuple[str, str], ...]:
    """What a manifest says of the members beside it."""
    members = ((TABLES, tables), (KERNEL, kernel), (POOL, pool))
    return tuple((name, hashlib.sha256(data).hexdigest()) for name, data in members)


def write(saved: Saved, path: Path, span: Span) -> None:
    """The file at `path`: the old one or the whole new one, whenever the machine stops."""
    try:
        write_file(path, encode(saved))
    except OSError as error:
        raise ArtifactError(f"'{path}' cannot be written: {error.strerror}", span=span) from None


def encode(saved: Saved) -> bytes:
    """The same bytes for the same kernel: the archive holds no time."""
    text = manifests.encode(saved.manifest).encode()
    contents = (f"{FORMAT}\n".encode(), text, saved.tables, saved.kernel, saved.pool)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for name, data in zip(_MEMBERS, contents, strict=True):
            file.writestr(zipfile.ZipInfo(name), data)
    return archive.getvalue()


def write_file(path: Path, data: bytes) -> None:
    """Writes another file, flushes it and renames it, so that `path` is never half-written."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    _flush_directory(path.parent)


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path, span: Span) -> Saved:
    """The kernel in the file at `path`, for this machine and undamaged."""
    try:
        with path.open("rb") as file:
            data = file.read(_LOCAL_HEADER + len(_MARK))
            if is_saved_kernel(data):  # else it may be of any size
                data += file.read()
    except OSError as error:
        raise ArtifactError(f"'{path}' cannot be read: {error.strerror}", span=span) from None
    return decode(data, path, span, this_cpu())


def decode(data: bytes, path: Path, span: Span, cpu: Cpu) -> Saved:
    """The kernel in `data`, the content of `path`, for a machine with `cpu`."""
    if not is_saved_kernel(data):
        raise ArtifactError(
            f"'{path}' is not a saved kernel", span=span, hints=("save one: mpmd.compile(…).save(path)",)
        )
    contents = _contents(data, path, span)
    try:
        manifest = manifests.decode(contents[MANIFEST].decode())
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise _damaged(path, span, MANIFEST) from None
    _check_machine(manifest, path, span, cpu)
    saved = Saved(manifest, contents[TABLES], contents[KERNEL], contents[POOL])
    _check_hashes(saved, path, span)
    return saved


def is_saved_kernel(data: bytes) -> bool:
    """Whether `data` begins as files of any format do."""
    return data[:4] == b"PK\3\4" and data[_LOCAL_HEADER:].startswith(_MARK.encode())


def _contents(data: bytes, path: Path, span: Span) -> Mapping[str, bytes]:
    """The members by name. Nothing is extracted, so their names cannot lead anywhere."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except _BROKEN_ZIP:
        raise ArtifactError(
            f"'{path}' is cut short", span=span, label="its end is missing", hints=("copy or save it again",)
        ) from None
    _check_format(archive, path, span)
    infos = {info.filename: info for info in archive.infolist()}
    stored = all(i.file_size == i.compress_size and i.compress_type == 0 for i in infos.values())
    if tuple(infos) != _MEMBERS or not stored or sum(i.file_size for i in infos.values()) > len(data):
        raise _damaged(path, span, "the list of its members")
    return {name: _member(archive, name, path, span) for name in _MEMBERS}


def _check_format(archive: zipfile.ZipFile, path: Path, span: Span) -> None:
    if _MARK not in archive.namelist():
        raise _damaged(path, span, "the list of its members")
    given = _member(archive, _MARK, path, span).decode(errors="replace").strip()
    if given != str(FORMAT):
        raise ArtifactError(
            f"'{path}' has format {given}, and this version of mpmd reads format {FORMAT}",
            span=span,
            hints=("save it again with this version",),
        )


def _member(archive: zipfile.ZipFile, name: str, path: Path, span: Span) -> bytes:
    info = archive.getinfo(name)
    if info.flag_bits & 1 or info.file_size > info.compress_size:  # encrypted, or larger than the file
        raise _damaged(path, span, name)
    try:
        return archive.read(info)
    except _BROKEN_ZIP:
        raise _damaged(path, span, name) from None


def _check_machine(manifest: Manifest, path: Path, span: Span, cpu: Cpu) -> None:
    missing = cpu.lacks(manifest.cpu)
    if missing:
        raise ArtifactError(
            f"'{path}' was built for another CPU: {manifest.cpu.model} ({manifest.cpu.architecture})",
            span=span,
            label=f"this one, {cpu.model} ({cpu.architecture}), lacks {', '.join(missing)}",
            hints=("compile and save the kernel on a machine like this one",),
        )


def _check_hashes(saved: Saved, path: Path, span: Span) -> None:
    actual = hashes(saved.tables, saved.kernel, saved.pool)
    expected = dict(saved.manifest.hashes)
    for name, digest in actual:
        if expected.get(name) != digest:
            raise _damaged(path, span, name)
    if saved.manifest.certificate.sha256 != dict(actual)[TABLES]:
        raise ArtifactError(
            f"the certificate in '{path}' is of other tables",
            span=span,
            hints=("compile and save the kernel again",),
        )


def _damaged(path: Path, span: Span, part: str) -> ArtifactError:
    return ArtifactError(
        f"'{path}' is damaged", span=span, label=f"in {part}", hints=("copy or save it again",)
    )
