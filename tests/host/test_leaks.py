"""What stays behind: nothing after a million launches, little after fifty kernels that were dropped."""

from __future__ import annotations

import gc
import os
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

import mpmd
from mpmd import In, Out, f32, i32
from mpmd.errors import BoundsError

(N,) = mpmd.dims("N")

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="counts in /proc")


@mpmd.task
def shift(x: In[f32, N], by: i32, y: Out[f32, N]):
    y[:] = x[:] + by


@mpmd.kernel
def shifted(x: In[f32, N], by: i32, y: Out[f32, N]):
    for t in mpmd.tiles(N, 16):
        shift(x[t], by, y[t])


@mpmd.task
def pick(x: In[f32, N], at: i32, y: Out[f32, 1]):
    y[0] = x[at]


@mpmd.kernel
def picked(x: In[f32, N], at: i32, y: Out[f32, 1]):
    pick(x, at, y)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def mapped(suffix: str) -> list[str]:
    """Files that are mapped into this process, once for each mapping."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return [line.split()[-1] for line in lines if line.split()[-1].endswith(suffix)]


def counts() -> dict[str, int]:
    gc.collect()
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "blocks": sys.getallocatedblocks(),
    }


def assert_nothing_grows(call, times: int) -> None:
    """1 MiB of memory and 100 objects are for what the interpreter does beside the launches."""
    for _ in range(10_000):
        call()
    before, memory = counts(), resident_bytes()
    for _ in range(times):
        call()
    grown, after = resident_bytes() - memory, counts()
    assert grown < 1 << 20
    assert after["blocks"] - before["blocks"] < 100
    assert (after["descriptors"], after["threads"]) == (before["descriptors"], before["threads"])


@pytest.mark.parametrize(("cores", "times"), [(1, 1_000_000), (2, 200_000)])
def test_launches_of_a_compiled_kernel_leave_nothing(cores: int, times: int) -> None:
    x, y = np.zeros(32, np.float32), np.zeros(32, np.float32)
    compiled = mpmd.compile(shifted, x, 1, y, cores=cores)
    numbers = iter(range(10**9))
    assert_nothing_grows(lambda: compiled(x, next(numbers), y), times)
    assert (y == 10_000 + times - 1).all()


def test_calls_by_name_calls_of_the_kernel_and_new_arrays_leave_nothing() -> None:
    x, y = np.zeros(32, np.float32), np.zeros(32, np.float32)
    compiled = mpmd.compile(shifted, x, 1, y, cores=1)
    assert_nothing_grows(lambda: compiled(np.ones(32, np.float32), y=y, by=3), 20_000)
    assert_nothing_grows(lambda: shifted(x.copy(), 4, y), 20_000)


def test_launches_that_fail_leave_nothing() -> None:
    x, y = np.zeros(32, np.float32), np.zeros(1, np.float32)
    compiled = mpmd.compile(picked, x, 1, y, cores=1)

    def fail() -> None:
        with pytest.raises(BoundsError):
            compiled(x, 32, y)

    assert_nothing_grows(fail, 2_000)


def with_factor(factor: float) -> mpmd.Kernel:
    @mpmd.task
    def scale(x: In[f32, N], y: Out[f32, N]):
        y[:] = x[:] * factor

    @mpmd.kernel
    def scaled(x: In[f32, N], y: Out[f32, N]):
        scale(x, y)

    return scaled


def test_kernels_that_are_dropped_are_unloaded() -> None:
    """Fifty kernels, compiled, called and dropped: no library stays mapped, and no executable alive.

    Kept, each with a bound of its own: what the caches of Python functions and source lines remember.
    """
    x, y = np.ones(32, np.float32), np.zeros(32, np.float32)
    dropped = []

    def use(number: int) -> None:
        compiled = mpmd.compile(with_factor(number + 0.5), x, y, cores=1)
        compiled(x, y)
        assert (y == number + 0.5).all()
        dropped.append(weakref.ref(compiled.executable))

    for number in range(10):
        use(number)
    gc.collect()
    libraries, memory = mapped(".so"), resident_bytes()
    for number in range(10, 60):
        use(number)
    gc.collect()
    assert not any(executable() for executable in dropped)
    assert mapped(".so") == libraries
    assert resident_bytes() - memory < 4 << 20
