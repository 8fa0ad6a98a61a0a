"""A user's file and what the user sees of it: the whole diagnostic, by the API."""

from __future__ import annotations

import linecache
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mpmd.errors import Diagnostic

PREAMBLE = """\
import numpy as np

import mpmd
from mpmd import Const, In, InOut, Out, f32, i32

M, N = mpmd.dims("M N")
"""

COPY = """
@mpmd.task
def copy(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[:]
"""

KERNEL = (
    COPY
    + """
@mpmd.kernel
def kernel(x: In[f32, N], y: Out[f32, N]):
    copy(x, y)
"""
)

LAUNCH = (
    COPY
    + """
@mpmd.kernel
def kernel(x: In[f32, N], start: i32, stop: i32, y: InOut[f32, N]):
    copy(x[start:stop], y[start:stop])

zeros, frozen = np.zeros(8, np.float32), np.zeros(8, np.float32)
frozen.flags.writeable = False
args = (mpmd.spec(f32, 8), mpmd.spec(i32), mpmd.spec(i32), mpmd.spec(f32, 8))
"""
)


@dataclass(frozen=True)
class Case:
    """A user's file, whose import (or whose `go()`) is refused, and the text that the user sees."""

    name: str
    source: str
    text: str


def module_of(path: Path, source: str) -> Any:
    """The module that importing a file with this text makes; no bytecode of an older text is used."""
    path.write_text(source)
    linecache.checkcache(str(path))
    module: Any = ModuleType("user")
    exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))
    return module


def refused(path: Path, source: str) -> str:
    """What is raised by importing this file and calling its `go`, as text; the folder is left out."""
    with pytest.raises(Diagnostic) as caught:
        module_of(path, source).go()
    return str(caught.value).replace(f"{path.parent}/", "")


def seen(case: Case, folder: Path) -> str:
    """The text of a case's diagnostic, which names the place, points at it and says what to do."""
    text = refused(folder / "user.py", PREAMBLE + case.source)
    assert "--> user.py:" in text and "^" in text and "  hint: " in text, text
    return text
