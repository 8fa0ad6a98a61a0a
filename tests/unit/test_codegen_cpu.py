"""The laws of the CPU text that no compiler is needed for: names, memory, notes, limits."""

from __future__ import annotations

import re

import pytest

import mpmd
from mpmd import In, Out, f32
from mpmd.codegen.cpp.names import identifier, literal
from mpmd.codegen.cpu.emit import emit, headers
from mpmd.codegen.source import KernelSource
from mpmd.errors import CapacityError
from mpmd.lang.kernel.trace import trace
from mpmd.lang.types import DTYPES, TensorSpec
from mpmd.machine.presets import this_cpu
from mpmd.partition.build import partition
from mpmd.schedule.build import schedule

A, B, N = mpmd.dims("A B N")


def source_of(kernel: mpmd.Kernel, **shapes: tuple[int, ...] | None) -> KernelSource:
    specs = {name: None if shape is None else TensorSpec(f32, shape) for name, shape in shapes.items()}
    machine = this_cpu(2)
    return emit(schedule(partition(trace(kernel.function, specs), machine), machine))


@mpmd.task
def odd_names(int: In[f32, N], t0: In[f32, N], row: Out[f32, N], core: Out[f32, N]):
    for v1 in range(3):
        row[v1] = int[v1] + t0[v1]
    row[:] = int[:]
    core[:] = t0[:]


@mpmd.kernel
def uses_odd_names(a: In[f32, N], b: In[f32, N], c: Out[f32, N], d: Out[f32, N]):
    odd_names(a, b, c, d)


def test_names_that_cpp_or_the_emitter_use_are_changed() -> None:
    text = source_of(uses_odd_names, a=(8,), b=(8,), c=(8,), d=(8,)).files[0][1]
    for name in ("int_", "t0_", "row_", "core_"):
        assert re.search(rf"\b{name}\b = mpmd::tensor", text), text


@pytest.mark.parametrize(
    ("name", "expected"),
    [("x", "x"), ("class", "class_"), ("v12", "v12_"), ("h_start", "h_start_"), ("größe", "gruf6udfe")],
)
def test_identifier(name: str, expected: str) -> None:
    assert identifier(name) == expected


@pytest.mark.parametrize(
    ("value", "dtype", "text"),
    [
        (0.1, "f32", "0.1f"),
        (0.1, "f64", "0.1"),
        (1, "f16", "mpmd::f16{0x3c00}"),
        (-(2**63), "i64", "(-9223372036854775807LL - 1)"),
        (300, "u8", "static_cast<mpmd::u8>(44)"),
        (float("-inf"), "f32", "-mpmd::infinity<mpmd::f32>()"),
        (float("nan"), "f64", "mpmd::nan<mpmd::f64>()"),
        (True, "bool", "true"),
    ],
)
def test_literals_are_what_the_language_converts_to(value: float, dtype: str, text: str) -> None:
    assert literal(value, DTYPES[dtype]) == text


@mpmd.task
def chained(x: In[f32, A, B], y: Out[f32, A, B]):
    v = x[:]
    for _ in range(1):
        v = v.T.T * 2.0
    a = mpmd.exp(v - v.max(1)[:, None])
    b = mpmd.exp(a - a.max(1)[:, None])
    c = mpmd.exp(b - b.max(1)[:, None])
    y[:] = c / c.sum(1)[:, None]


@mpmd.kernel
def uses_chained(x: In[f32, A, B], y: Out[f32, A, B]):
    chained(x, y)


def test_buffers_that_are_not_alive_together_share_memory() -> None:
    source = source_of(uses_chained, x=(64, 256), y=(64, 256))
    tile = 64 * 256 * 4
    assert source.launch.scratch_bytes < 4 * tile  # v, a, b, c and the rows: at most three tiles at a time


@mpmd.task
def vast(x: In[f32, A, B], y: Out[f32, A]):
    e = mpmd.exp(x[:])
    y[:] = (e / e.sum(1)[:, None]).max(1)


@mpmd.kernel
def uses_vast(x: In[f32, A, B], y: Out[f32, A]):
    vast(x, y)


def test_more_than_a_gigabyte_of_scratch_is_refused() -> None:
    with pytest.raises(CapacityError, match=r"tiles of 'vast' need 2\.0 GiB of scratch") as raised:
        source_of(uses_vast, x=(1 << 15, 1 << 14), y=(1 << 15,))
    assert "cut its work with mpmd.tiles" in str(raised.value)


def test_every_step_has_a_note() -> None:
    source = source_of(uses_chained, x=(64, 256), y=(64, 256))
    assert [note.text for note in source.launch.steps] == ["run chained#0"]
    assert all(note.span.line for note in source.launch.steps)


def test_headers_include_only_each_other() -> None:
    """And one of the C library, for CPUs of which we know no counter."""
    known = {name for name, _ in headers()} | {"time.h"}
    for _, text in headers():
        assert set(re.findall(r'#include [<"](.*)[>"]', text)) <= known
