"""Arrays that are freed early, by their owner's count: a launch, and a bound kernel, hold what they use."""

from __future__ import annotations

import gc
import mmap
import sys
import threading
import time
import weakref

import numpy as np
import pytest

import mpmd
from mpmd import Const, In, InOut, Out, f32, i32, i64
from mpmd.errors import AliasError, ArgumentError
from tests.host.test_arguments import Foreign

N, M = mpmd.dims("N M")


@mpmd.task
def add(x: In[f32, N], w: Const[f32, N], y: Out[f32, N]):
    y[:] = x[:] + w[:]


@mpmd.kernel
def added(x: In[f32, N], w: Const[f32, N], y: Out[f32, N]):
    for t in mpmd.tiles(N, 64):
        add(x[t], w[t], y[t])


@mpmd.task
def spin(rounds: i32, x: In[i64, N], y: InOut[i64, N]):
    for i in range(rounds):
        y[:] = (y[:] * 3 + i) ^ (y[:] >> 2)
    y[:] = x[:]


@mpmd.kernel
def slow_copy(rounds: i32, x: In[i64, N], y: InOut[i64, N]):
    for t in mpmd.tiles(N, 64):
        spin(rounds, x[t], y[t])


SIZE = 1 << 16
"""Elements: such arrays have pages of their own, which go when they are freed. A read then is a crash."""


def numbers(factor: float = 1.0) -> np.ndarray:
    return np.arange(SIZE, dtype=np.float32) * np.float32(factor)


@pytest.fixture(scope="module")
def compiled() -> mpmd.CompiledKernel:
    return mpmd.compile(added, numbers(), numbers(), numbers())


class Watched(np.ndarray):
    """An array of which one can ask whether it is still there."""


def watched(array: np.ndarray) -> Watched:
    return array.view(Watched)


def test_a_bound_array_lives_as_long_as_the_kernel_that_holds_it(compiled):
    weights = watched(numbers(3))
    alive = weakref.ref(weights)
    bound = compiled.bind(w=weights)
    del weights
    gc.collect()
    y = np.zeros(SIZE, np.float32)
    bound(numbers(), y)
    assert (y == numbers() + numbers(3)).all() and alive() is not None
    again = bound.executable
    del bound
    again(numbers(2), y)
    assert (y == numbers(2) + numbers(3)).all() and alive() is not None
    del again
    gc.collect()
    assert alive() is None


def test_a_bound_temporary_and_a_view_of_one(compiled):
    bound = compiled.bind(w=numbers(6).reshape(2, -1)[::1].reshape(-1))
    y = np.zeros(SIZE, np.float32)
    for _ in range(3):
        np.ones(SIZE, np.float32)  # what was freed would be given out again
        bound(numbers(), y)
        assert (y == numbers() + numbers(6)).all()


def test_temporaries_live_as_long_as_the_call_and_no_longer(compiled):
    y, x = np.zeros(SIZE, np.float32), watched(numbers())
    alive = weakref.ref(x)
    before = sys.getrefcount(y)
    for factor in range(5):
        compiled(numbers(factor), numbers(1), y)
        assert (y == numbers(factor) + numbers(1)).all()
    compiled(x, w=x, y=y)
    assert sys.getrefcount(y) == before
    del x
    assert alive() is None


def test_what_a_launch_uses_outlives_its_last_name():
    """While a launch runs on one thread, another drops every name of its arrays and of the kernel."""
    size = 4096
    x, y = watched(np.arange(size)), watched(np.zeros(size, np.int64))
    kernel = mpmd.compile(slow_copy, 1, x, y, cores=2)
    held = {"kernel": kernel, "x": x, "y": y}
    alive = [weakref.ref(thing) for thing in (kernel.executable, x, y)]
    result = y.base
    del kernel, x, y

    def launch():
        held.pop("kernel")(3_000_000, held.pop("x"), held.pop("y"))

    thread = threading.Thread(target=launch)
    thread.start()
    while held:
        time.sleep(0.01)
    gc.collect()
    during = [reference() is not None for reference in alive]
    assert thread.is_alive() and during == [True] * 3
    thread.join()
    gc.collect()
    assert (result == np.arange(size)).all()
    assert [reference() for reference in alive] == [None] * 3


def test_memory_of_a_file_is_given_back_after_the_call(compiled, tmp_path):
    """A map with a view left cannot be closed; what was written is in the file."""
    file = tmp_path / "numbers"
    file.write_bytes(numbers(3).tobytes() + bytes(4 * SIZE))
    with file.open("r+b") as opened:
        memory = mmap.mmap(opened.fileno(), 0)
        x, y = np.frombuffer(memory, np.float32).reshape(2, SIZE)
        compiled(x, numbers(), y)
        del x, y
        memory.close()
    assert (np.fromfile(file, np.float32)[SIZE:] == numbers(3) + numbers()).all()


def test_a_bound_file_stays_mapped(compiled, tmp_path):
    file = tmp_path / "numbers"
    file.write_bytes(numbers(3).tobytes())
    bound = compiled.bind(w=np.memmap(file, np.float32, "r"))
    file.unlink()
    gc.collect()
    y = np.zeros(SIZE, np.float32)
    bound(numbers(), y)
    assert (y == numbers() + numbers(3)).all()


def test_tensors_of_other_libraries_are_let_go_after_the_call(compiled):
    """DLPack: the exporter's memory is held for the call, or for as long as a kernel has it bound."""
    x, w, y = watched(numbers()), watched(numbers(2)), np.zeros(SIZE, np.float32)
    alive = [weakref.ref(x), weakref.ref(w)]
    compiled(Foreign(x), Foreign(w), Foreign(y))
    assert (y == numbers() + numbers(2)).all()
    bound = compiled.bind(w=Foreign(w))
    del x, w
    gc.collect()
    assert alive[0]() is None and alive[1]() is not None
    bound(Foreign(numbers(4)), y)
    assert (y == numbers(4) + numbers(2)).all()
    with pytest.raises(ArgumentError):
        bound(Foreign(numbers(4)[::2]), y)
    del bound
    gc.collect()
    assert alive[1]() is None


def test_a_failed_call_holds_nothing(compiled):
    x = watched(numbers())
    alive = weakref.ref(x)
    for other in (np.zeros(3, np.float32), "no array"):
        with pytest.raises(ArgumentError):
            compiled(Foreign(x), x, other)
    with pytest.raises(AliasError):
        compiled(x, numbers(), x)
    del x
    gc.collect()
    assert alive() is None
