"""A signal that is lost in a kernel of the user's: the report says who waits where, and the pool lives on."""

from __future__ import annotations

import dataclasses
import re
import time
from pathlib import Path

import numpy as np
import pytest

import mpmd
from mpmd import In, Out, f32
from mpmd.codegen.tables import HEADER_WORDS
from mpmd.errors import LaunchError
from mpmd.runtime.build import build
from tests.host.assembly import SIGNAL

M, N = mpmd.dims("M N")


@mpmd.task
def double(x: In[f32, N], y: Out[f32, N]):
    y[:] = x[:] * 2.0


@mpmd.task
def shift_by_total(x: In[f32, N], whole: In[f32, M], y: Out[f32, N]):
    y[:] = x[:] + whole[:].sum(0)


@mpmd.kernel
def two_phases(x: In[f32, N], y: Out[f32, N]):
    h = mpmd.empty((x.shape[0],), f32)
    for t in mpmd.tiles(N, 64):
        double(x[t], h[t])
    for t in mpmd.tiles(N, 64):
        shift_by_total(x[t], h, y[t])


def signals(tables: bytes) -> list[int]:
    """The steps that signal."""
    header = np.frombuffer(tables, "<i8", HEADER_WORDS)
    start, count = _steps_at(header), int(header[3])
    steps = np.frombuffer(tables, "<i4", 4 * count, start).reshape(-1, 4)
    return np.flatnonzero(steps[:, 0] == SIGNAL).tolist()


def without_signal(kernel: mpmd.CompiledKernel, step: int) -> mpmd.CompiledKernel:
    """The kernel with tables in which `step` signals nothing, opened without the proof that refuses them."""
    tables = bytearray(kernel.source.tables)
    header = np.frombuffer(tables, "<i8", HEADER_WORDS)
    start, count = _steps_at(header), int(header[3])
    row = np.frombuffer(tables, "<i4", 4, start + 16 * step)
    totals = np.frombuffer(tables, "<i4", int(header[4]), start + 16 * count)
    totals[row[1]] -= row[2]
    row[2] = 0
    source = dataclasses.replace(kernel.source, tables=bytes(tables))
    return dataclasses.replace(kernel, executable=build(source).load())


def _steps_at(header: np.ndarray) -> int:
    return HEADER_WORDS * 8 + -(-(int(header[2]) + 1) * 4 // 8) * 8


def line_of(text: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.strip() == text)


WAITS = (
    r"core {core}, step \d+: event 0 has 1 of 2: wait e0 ≥ 2:"
    r" double#0 \(\+1\) → shift_by_total#0 \(\+1\) via h \(RAW\)"
)


def test_each_lost_signal_of_an_emitted_kernel_is_reported_and_the_pool_lives_on():
    """Within 2 s: core, step, event, what it has and needs, the task and the user's line."""
    x, y = np.arange(128, dtype=np.float32), np.zeros(128, np.float32)
    good = mpmd.compile(two_phases, x, y, cores=2, policy="round_robin")
    lost = signals(good.source.tables)
    assert len(lost) == 2
    for step in lost:
        hanging = without_signal(good, step)
        started = time.perf_counter()
        with pytest.raises(LaunchError) as caught:
            hanging(x, y)
        assert time.perf_counter() - started < 2
        line = line_of("shift_by_total(x[t], h, y[t])")
        assert caught.value.message == "the launch of kernel 'two_phases' hangs: no core can go on"
        assert (caught.value.span.file, caught.value.span.line) == (__file__, line)
        assert {(note.span.file, note.span.line) for note in caught.value.related} == {(__file__, line)}
        for core, note in enumerate(caught.value.related):
            assert re.fullmatch(WAITS.format(core=core), note.text), note.text
        y[:] = 0
        good(x, y)
        assert (y == x + 2 * x.sum()).all()
