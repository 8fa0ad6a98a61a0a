"""A kernel's text on the simulator: compiled once, run with arrays, a seed and sites to pass over.

In:  the files of a kernel with one `__mix__` entry. Out: `Simulated`, whose `run` gives `Findings`.
Not here: the arguments' bytes (`arguments.py`), the simulator itself (`include/`, `runtime/simulator`).
"""

from __future__ import annotations

import ctypes
import re
import shlex
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mpmd.errors import NO_SPAN, ArgumentError, Span, ToolchainError
from mpmd.runtime import cache, simulator, toolchain
from mpmd.runtime.ascend_sim.arguments import Value, pack
from mpmd.runtime.ascend_sim.findings import Findings, decode
from mpmd.runtime.toolchain import Files

INCLUDE = Path(__file__).parent / "include"

POLL_LIMIT = 20_000
"""So many reads of words in a row that tell nothing new, while nothing else happens, end a run."""

_ENTRY = re.compile(r"__mix__\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)\s*void\s+(\w+)\s*\(")


@dataclass(frozen=True, slots=True)
class Entry:
    """The kernel function, and how many cores of each kind a group of it has."""

    name: str
    cubes: int
    vectors: int


class _Setup(ctypes.Structure):
    _fields_ = (
        ("seed", ctypes.c_uint64),
        ("poll_limit", ctypes.c_int64),
        ("groups", ctypes.c_int32),
        ("cubes", ctypes.c_int32),
        ("vectors", ctypes.c_int32),
        ("dropped_count", ctypes.c_int32),
        ("dropped", ctypes.POINTER(ctypes.c_int32)),
        ("buffer_count", ctypes.c_int32),
        ("argument_bytes", ctypes.c_int32),
        ("buffers", ctypes.c_void_p),
        ("argument", ctypes.c_void_p),
    )


@dataclass(frozen=True)
class Simulated:
    """A compiled text. Runs take turns: the simulator has one state in a process."""

    entry: Entry
    library: ctypes.CDLL
    turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def run(
        self,
        arguments: Mapping[str, Value],
        *,
        groups: int,
        seed: int = 0,
        dropped: Iterable[int] = (),
        poll_limit: int = POLL_LIMIT,
        undefined: Iterable[str] = (),
    ) -> Findings:
        """Runs the kernel on `groups` groups of cores; arrays are written in place.

        `arguments` are the fields of the kernel's argument in order, by the names that reports shall use:
        arrays for pointers, NumPy scalars for numbers. Arrays in `undefined` begin as memory that nobody has
        written. `dropped` are numbers of sync sites that are passed over.
        """
        packed = pack(arguments, frozenset(undefined))
        self._require_size(len(packed.bytes))
        sites = sorted(set(dropped))
        numbers = (ctypes.c_int32 * len(sites))(*sites)
        setup = _Setup(
            seed, poll_limit, groups, self.entry.cubes, self.entry.vectors, len(sites), numbers,
            len(packed.buffers), len(packed.bytes),
            ctypes.addressof(packed.buffers), ctypes.addressof(packed.bytes),
        )  # fmt: skip
        with self.turn:
            return decode(self.library.mpmd_simulate(ctypes.byref(setup)), seed)

    def _require_size(self, given: int) -> None:
        expected = self.library.mpmd_argument_bytes()
        if given != expected:
            raise ArgumentError(
                f"kernel '{self.entry.name}' takes an argument of {expected} bytes, and {given} are given",
                span=NO_SPAN,
                hints=("give an array or a NumPy scalar for each field, in the order of the struct",),
            )


def compile_text(files: Files, *, main: str, strict: bool = False) -> Simulated:
    """The kernel in `files`, of which `main` is the one with the entry, on the simulator.

    With `strict`, a warning of the compiler is an error.
    """
    texts = dict(files)
    entry = find_entry(texts[main], main)
    compiler = toolchain.find()
    extra = (*simulator.options(compiler), *(toolchain.STRICT if strict else ()))
    units = tuple((f"{name}.text", _placed(name, text)) for name, text in files if name == main)
    others = tuple((name, _placed(name, text)) for name, text in files if name != main)
    sources = (("simulated.cpp", _wrapper(main, entry)), *units, *others)
    key = cache.key_of(
        *(part for pair in sources for part in pair), *simulator.texts(), *_headers(), compiler.version,
        shlex.join(compiler.command), *toolchain.FLAGS, *extra, toolchain.cpu_fingerprint(),
    )  # fmt: skip
    path = cache.obtain(
        key,
        lambda: toolchain.compile_shared(compiler, sources, (simulator.HEADERS, INCLUDE), extra=extra),
    )
    return Simulated(entry, _load(path))


def find_entry(text: str, name: str) -> Entry:
    """The one `__mix__` kernel of a text."""
    found = _ENTRY.findall(text)
    if len(found) == 1:
        cubes, vectors, entry = found[0]
        return Entry(entry, int(cubes), int(vectors))
    raise ToolchainError(
        f"{len(found)} kernels in {name}",
        span=Span(name, 1),
        label="a text that is simulated has one",
        hints=("an entry reads `__global__ __mix__(1, 2) void name(Argument argument)`",),
    )


def _wrapper(main: str, entry: Entry) -> str:
    lines = ('#include "kernel_operator.h"', f'#include "{main}.text"', '#include "mpmd_ascend/launch.h"')
    return "\n".join((*lines, f"MPMD_LAUNCH({entry.name})", ""))


def _placed(name: str, text: str) -> str:
    """The text, such that its lines are of `name` and not of the file that the compiler reads."""
    return f'#line 1 "{name}"\n{text}'


def _headers() -> tuple[str, ...]:
    return tuple(path.read_text() for path in sorted(INCLUDE.rglob("*.h")))


def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    library.mpmd_simulate.restype = ctypes.c_char_p
    return library
