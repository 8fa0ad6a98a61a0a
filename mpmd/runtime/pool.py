"""The native pool, as Python sees it: one shared library, compiled once per machine.

In:  the C++ texts of `native/`. Out: `native()`, its functions with their ctypes signatures.
Not here: what a launch means (`load.py`), the threads themselves (`native/pool.cpp`).
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mpmd.errors import NO_SPAN, ToolchainError
from mpmd.runtime import cache, toolchain

NATIVE = Path(__file__).parent / "native"
INCLUDE = Path(__file__).parent.parent / "codegen" / "cpu" / "include"

AXES = 16
"""The most axes an argument may have."""

# The statuses of `mpmd::Status` (abi.h), then those of call.cpp.
OK, FAILED_CHECK, HANG, INTERRUPTED, FAILED_GUARD, SCALAR_OVERFLOW, NESTED, NO_THREADS = range(8)
FAILED_LATE_GUARD, ENDLESS_LOOP = 8, 9
MISMATCH, OVERLAP, NO_MEMORY = 100, 101, 102

RUNNING, DONE = -1, -2

_PYTHON_FUNCTIONS = ("PyObject_GetBuffer", "PyBuffer_Release", "PyTuple_Size", "PyTuple_GetItem",
                     "PyLong_AsLongLong", "PyFloat_AsDouble", "PyErr_Occurred", "PyErr_Clear",
                     "PyErr_CheckSignals", "PyEval_SaveThread", "PyEval_RestoreThread",
                     "PyObject_GetAttrString", "PyObject_CallObject", "PyCapsule_GetPointer",
                     "Py_DecRef")  # fmt: skip


class Failure(ctypes.Structure):
    """`mpmd::Failure`: the run-time check that ended a launch; of a late guard `extent` is the least."""

    _fields_ = (
        ("value", ctypes.c_longlong),
        ("extent", ctypes.c_longlong),
        ("limit", ctypes.c_longlong),
        ("check", ctypes.c_int),
        ("core", ctypes.c_int),
    )


class Waiting(ctypes.Structure):
    """`MpmdWaiting`: where a core was when the launch hung."""

    _fields_ = (
        ("place", ctypes.c_int),
        ("ring", ctypes.c_int),
        ("have", ctypes.c_longlong),
        ("need", ctypes.c_longlong),
        ("iteration", ctypes.c_longlong),
    )


class Result(ctypes.Structure):
    """`MpmdResult`: how the last launch of this thread ended."""

    _fields_ = (
        ("status", ctypes.c_int),
        ("guard", ctypes.c_int),
        ("cores", ctypes.c_int),
        ("failure", Failure),
        ("waiting", ctypes.POINTER(Waiting)),
    )


class Moment(ctypes.Structure):
    """`MpmdMoment`: the counter of core 0 and the monotonic clock."""

    _fields_ = (("ticks", ctypes.c_ulonglong), ("nanoseconds", ctypes.c_longlong))


class Record(ctypes.Structure):
    """`MpmdRecord`: the head of a stamped launch."""

    _fields_ = (
        ("next", ctypes.c_void_p),
        ("bytes", ctypes.c_longlong),
        ("kernel", ctypes.c_longlong),
        ("launch", ctypes.c_longlong),
        ("thread", ctypes.c_ulong),
        ("cores", ctypes.c_longlong),
        ("begin", ctypes.c_ulonglong),
        ("end", ctypes.c_ulonglong),
        ("since", Moment),
        ("now", Moment),
    )


@dataclass(frozen=True, slots=True)
class Native:
    """The loaded library. `code` releases the GIL in its functions; `call` keeps it."""

    code: ctypes.CDLL
    call: ctypes.PyDLL


_opening = threading.Lock()
_opened: list[Native] = []


def native() -> Native:
    """The pool of this process."""
    return _opened[0] if _opened else _open_once(library)


def adopt(path: Path) -> Native:
    """The pool of this process; if there is none yet, the library at `path` becomes it."""
    return _open_once(lambda: path)


def _open_once(path: Callable[[], Path]) -> Native:
    """Two pools would pin their workers to the same CPUs: the first is the only one."""
    with _opening:
        if not _opened:
            _opened.append(_open(path()))
        return _opened[0]


def _open(path: Path) -> Native:
    try:
        code, call = ctypes.CDLL(str(path)), ctypes.PyDLL(str(path))
    except OSError as error:
        raise ToolchainError(
            f"the pool cannot be loaded: {error}",
            span=NO_SPAN,
            hints=("set TMPDIR and MPMD_CACHE_DIR to directories from which programs may run",),
        ) from None
    _declare(code, call)
    api = (ctypes.c_void_p * len(_PYTHON_FUNCTIONS))(
        *(ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value for name in _PYTHON_FUNCTIONS)
    )
    code.mpmd_python(api)
    configure_from_environment(code)
    return Native(code, call)


def configure(*, spin_seconds: float, hang_seconds: float) -> None:
    """How long idle workers spin before they sleep; how long all cores must wait to count as hanging."""
    native().code.mpmd_configure(round(spin_seconds * 1e9), round(hang_seconds * 1e9))


SPIN_SECONDS = 500e-6
HANG_SECONDS = 1.0


def configure_from_environment(code: ctypes.CDLL) -> None:
    """`MPMD_SPIN_SECONDS` and `MPMD_HANG_SECONDS`, where they are set."""
    spin = _seconds("MPMD_SPIN_SECONDS", SPIN_SECONDS)
    hang = _seconds("MPMD_HANG_SECONDS", HANG_SECONDS)
    code.mpmd_configure(round(spin * 1e9), round(hang * 1e9))


def _seconds(variable: str, default: float) -> float:
    text = os.environ.get(variable)
    if text is None:
        return default
    try:
        return float(text)
    except ValueError:
        raise ToolchainError(
            f"{variable} is not a number of seconds: {text!r}", span=NO_SPAN, hints=(f"unset {variable}",)
        ) from None


def library() -> Path:
    """The pool's shared library, as this installation compiles it."""
    compiler = toolchain.find()
    files = native_files()
    headers = header_text()
    key = cache.key_of(
        "pool", *(part for file in files for part in file), headers, *toolchain.FLAGS, compiler.version,
        *compiler.command, toolchain.cpu_fingerprint(),
    )  # fmt: skip
    return cache.obtain(key, lambda: toolchain.compile_shared(compiler, files, (INCLUDE,)))


def native_files() -> toolchain.Files:
    """The texts of the pool."""
    paths = sorted(path for path in NATIVE.iterdir() if path.suffix in (".cpp", ".h"))
    return tuple((path.name, path.read_text()) for path in paths)


def header_text() -> str:
    """All headers that a CPU kernel may include, as one text for cache keys."""
    return "\0".join(f"{path.name}\0{path.read_text()}" for path in sorted((INCLUDE / "mpmd").glob("*.h")))


def _declare(code: ctypes.CDLL, call: ctypes.PyDLL) -> None:
    pointer, word, integer = ctypes.c_void_p, ctypes.c_longlong, ctypes.c_int
    signatures = {
        "mpmd_open": (pointer, (ctypes.c_char_p, word, pointer, pointer, word, ctypes.c_char_p, integer)),
        "mpmd_close": (None, (pointer,)),
        "mpmd_argument_count": (word, (pointer,)),
        "mpmd_argument_bytes": (word, (pointer, word)),
        "mpmd_configure": (None, (word, word)),
        "mpmd_stop": (None, ()),
        "mpmd_identity": (word, (pointer,)),
        "mpmd_record": (word, (word, word)),
        "mpmd_recorded": (word, ()),
        "mpmd_take_record": (ctypes.POINTER(Record), ()),
        "mpmd_forget_record": (None, (ctypes.POINTER(Record),)),
        "mpmd_python": (None, (pointer,)),
        "mpmd_signature": (pointer, (pointer, pointer, integer, pointer, pointer, integer)),
        "mpmd_signature_free": (None, (pointer,)),
        "mpmd_last_result": (ctypes.POINTER(Result), ()),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(code, name)
        function.restype, function.argtypes = result, arguments
    call.mpmd_call.restype = integer
    call.mpmd_call.argtypes = (pointer, ctypes.py_object, integer)
