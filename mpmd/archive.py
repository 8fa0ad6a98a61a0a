"""Columns in one file: a versioned zip of NumPy arrays with a JSON header.

In:  a path, what kind of file it is, a header, columns. Out: the file; header and columns back from it.
Not here: what the columns mean (`timeline.py`).

The bytes depend on the content alone: the archive holds no time. Nothing in a file is ever executed.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mpmd.errors import ArtifactError, Span

Columns = dict[str, np.ndarray[Any, Any]]

_HEADER = "header.json"
_BROKEN = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, NotImplementedError, EOFError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file: `mark` tells it from all others, `name` is for people, `version` rises with changes."""

    mark: str
    name: str
    version: int


def write(
    path: Path, form: Format, header: Mapping[str, Any], columns: Mapping[str, Any], span: Span
) -> None:
    """The file at `path`."""
    described = {"format": form.mark, "version": form.version, **header}
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(_member(_HEADER), json.dumps(described, indent=1))
            for name, values in columns.items():
                archive.writestr(_member(f"{name}.npy"), _encoded(values))
    except OSError as error:
        raise ArtifactError(f"'{path}' cannot be written: {error.strerror}", span=span) from None


def read(path: Path, form: Format, span: Span) -> tuple[dict[str, Any], Columns]:
    """Header and columns of the file at `path`, which must be of this format and version."""
    try:
        with zipfile.ZipFile(path) as archive:
            header = json.loads(archive.read(_HEADER))
            _check(header, path, form, span)
            names = [name for name in archive.namelist() if name != _HEADER]
            return header, {name.removesuffix(".npy"): _decoded(archive.read(name)) for name in names}
    except OSError as error:
        raise ArtifactError(f"'{path}' cannot be read: {error.strerror}", span=span) from None
    except _BROKEN:
        raise foreign(path, form, span) from None


def foreign(path: Path, form: Format, span: Span) -> ArtifactError:
    """The error for a file that is something else, or is damaged."""
    return ArtifactError(
        f"'{path}' is not {form.name}, or it is damaged", span=span, hints=(f"save {form.name} again",)
    )


def _check(header: Any, path: Path, form: Format, span: Span) -> None:
    if not isinstance(header, dict) or header.get("format") != form.mark:
        raise foreign(path, form, span)
    if header.get("version") != form.version:
        raise ArtifactError(
            f"'{path}' is {form.name} of version {header.get('version')}, "
            f"and this version of mpmd reads version {form.version}",
            span=span,
            hints=(f"save {form.name} again with this version",),
        )


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _encoded(values: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(values), allow_pickle=False)
    return buffer.getvalue()


def _decoded(data: bytes) -> np.ndarray[Any, Any]:
    return np.load(io.BytesIO(data), allow_pickle=False)
