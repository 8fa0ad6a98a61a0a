"""Paired measurement on a shared, noisy machine: each sample between two probes of the limits.

In:  a function to time. Out: samples, each with the limits seen around it.
Not here: rows (`rows.py`). A probe is C++ (`limits.cpp`), built once a run into a temporary folder.
"""

from __future__ import annotations

import ctypes
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mpmd.runtime import toolchain

PROBE_BYTES = 256 << 20
NOISY_SHARE = 0.85
"""A sample is quiet when the FMA rate around it is at least this share of the best one seen."""
NOISY_SPREAD = 0.3


@dataclass(frozen=True, slots=True)
class Limits:
    """What the machine could do at one moment: bytes/s, f32 operations/s, seconds."""

    dram: float
    fma: float
    flag: float

    @property
    def placement(self) -> str:
        """Where the host has put the first two CPUs, by the time that a flag takes between them."""
        return "smt" if self.flag < 40e-9 else "near" if self.flag < 130e-9 else "far"


@dataclass(frozen=True, slots=True)
class Sample:
    """`seconds` of one call, and the limits before and after it."""

    seconds: float
    before: Limits
    after: Limits

    @property
    def dram(self) -> float:
        return max(self.before.dram, self.after.dram)

    @property
    def fma(self) -> float:
        return min(self.before.fma, self.after.fma)


class Probe:
    """The limits of the CPUs that this process may use, `threads` of them at once."""

    def __init__(self, threads: int | None = None) -> None:
        cpus = sorted(os.sched_getaffinity(0))[:threads]
        self._cpus = (ctypes.c_int * len(cpus))(*cpus)
        self._library = _library()
        self._data = self._library.limits_open(PROBE_BYTES)
        self.best_fma = 0.0

    def limits(self) -> Limits:
        count = len(self._cpus)
        library = self._library
        dram = library.limits_dram(
            count, self._cpus, ctypes.c_void_p(self._data), ctypes.c_size_t(PROBE_BYTES)
        )
        fma = library.limits_fma(count, self._cpus)
        self.best_fma = max(self.best_fma, fma)
        return Limits(dram, fma, library.limits_flag(self._cpus) if count > 1 else 0.0)

    def sample(self, measure: Callable[[], float]) -> Sample:
        """What `measure` returns, seconds, between two probes."""
        before = self.limits()
        seconds = measure()
        return Sample(seconds, before, self.limits())

    def quiet(self, samples: Sequence[Sample]) -> list[Sample]:
        """Those taken while the machine ran near its best; all of them where fewer than three did."""
        chosen = [s for s in samples if s.fma >= NOISY_SHARE * self.best_fma]
        return chosen if len(chosen) >= 3 else list(samples)

    def noisy(self, samples: Sequence[Sample]) -> bool:
        chosen = self.quiet(samples)
        seconds = [s.seconds for s in chosen]
        spread = (max(seconds) - min(seconds)) / statistics.median(seconds)
        return spread > NOISY_SPREAD or any(s.fma < NOISY_SHARE * self.best_fma for s in chosen)


def timed(call: Callable[[], object], inner: int) -> float:
    """The mean time of `inner` calls, after one that warms up."""
    call()
    started = time.perf_counter()
    for _ in range(inner):
        call()
    return (time.perf_counter() - started) / inner


def median_seconds(samples: Sequence[Sample]) -> float:
    return statistics.median(s.seconds for s in samples)


def _library() -> ctypes.CDLL:
    source = ("limits.cpp", Path(__file__).with_name("limits.cpp").read_text())
    folder = Path(tempfile.mkdtemp(prefix="mpmd-bench-"))
    toolchain.compile_to(toolchain.find(), (source,), (), folder, folder / "limits.so", extra=("-shared",))
    library = ctypes.CDLL(str(folder / "limits.so"))
    library.limits_open.restype = ctypes.c_void_p
    library.limits_open.argtypes = [ctypes.c_size_t]
    for name in ("limits_dram", "limits_fma", "limits_flag"):
        getattr(library, name).restype = ctypes.c_double
    return library
