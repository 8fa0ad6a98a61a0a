"""The law: the packed tables of a kernel can reach no state that breaks a law, and less a wait they can.

The search decodes the tables by itself, so this holds what packs them, what proves them and the description
of their format against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import mpmd
from mpmd import In, InOut, Out, Recv, Send, i8, i32
from mpmd.codegen.tables import pack
from mpmd.lang.kernel.trace import trace
from mpmd.partition.build import partition
from mpmd.pipeline import arguments, specs_of
from mpmd.schedule.build import schedule
from mpmd.schedule.check import check
from tests.mutants import sync_mutants
from tests.state_search import search
from tests.unit.test_schedule_kernels import MACHINE
from tests.unrolled import unroll

N, P = mpmd.dims("N P")


@mpmd.task
def copy(a: In[i8, N], y: Out[i8, N]):
    y[:] = a[:]


@mpmd.task
def update(a: In[i8, N], y: InOut[i8, N]):
    y[:] = y[:] + a[:]


@mpmd.task
def stop(a: In[i8, N], done: Out[i32, 1]):
    done[0] = (a[0] > 3).astype(i32)


@mpmd.task
def give(a: In[i8, N], c: Send[i8, P]):
    for i in range(N):
        mpmd.send(c, a[i : i + 1])


@mpmd.task
def take(c: Recv[i8, P], y: Out[i8, N]):
    for i in range(N):
        y[i : i + 1] = mpmd.recv(c, (1,))


@mpmd.kernel
def straight(x: In[i8, 6], y: Out[i8, 6]):
    a, b = mpmd.empty((6,), i8), mpmd.empty((6,), i8)
    for t in mpmd.tiles(6, 3):
        copy(x[t], a[t])
    for t in mpmd.tiles(6, 2):
        copy(a[t], b[t])
    copy(b, y)


@mpmd.kernel
def repeated(x: InOut[i8, 6], y: InOut[i8, 6], n: i32):
    for _ in mpmd.loop(n):
        for t in mpmd.tiles(6, 3):
            update(x[t], y[t])
        update(y, x)


@mpmd.kernel
def sliding(x: InOut[i8, 8], y: InOut[i8, 8]):
    for i in mpmd.loop(4):
        update(x[i : i + 1], y[i + 2 : i + 3])
        update(y[i : i + 1], x[i + 3 : i + 4])


@mpmd.kernel
def ended(x: InOut[i8, 6], y: InOut[i8, 6]):
    done = mpmd.empty((1,), i32)
    for _ in mpmd.loop(3, until=done[0]):
        update(x, y)
        stop(y, done)
        copy(y, x)


@mpmd.kernel
def drained(x: In[i8, 4], y: InOut[i8, 4], n: i32):
    for _ in mpmd.loop(n):
        for t in mpmd.tiles(4, 2, drain=True):
            update(x[t], y[t])
        update(y[:2], y[2:])


@mpmd.kernel
def streamed(x: In[i8, 4], y: Out[i8, 4]):
    c = mpmd.channel(i8, (1,), depth=1)
    for t in mpmd.tiles(4, 2):
        give(x[t], c)
        take(c, y[t])


@mpmd.kernel
def ragged(x: In[i8, 6], offsets: In[i32, 3], y: InOut[i8, 6], n: i32):
    for s in mpmd.segments(offsets, 4):
        copy(x[s], y[s])
    for p in mpmd.split(n, 2):
        update(x[p], y[p])


@dataclass(frozen=True)
class Case:
    """A kernel, its arguments, and the scalars under which its tables are searched."""

    kernel: Any
    shapes: tuple[int, ...]
    scalars: tuple[tuple[int, ...], ...] = ((),)
    offsets: tuple[int, ...] = ()
    memory: Mapping[int, bytes] = field(default_factory=dict)


OFFSETS = np.array([0, 2, 6], np.int32)
CASES = {
    "straight": Case(straight, (6, 6)),
    "repeated": Case(repeated, (6, 6), ((0,), (1,), (3,))),
    "sliding": Case(sliding, (8, 8)),
    "ended": Case(ended, (6, 6)),
    "drained": Case(drained, (4, 4), ((1,), (2,))),
    "streamed": Case(streamed, (4, 4)),
    "ragged": Case(ragged, (6, 6), ((0,), (1,), (5,)), (1,), {1: OFFSETS.tobytes()}),
}


def tables_of(case: Case, cores: int) -> bytes:
    given: list[Any] = [np.zeros(shape, np.int8) for shape in case.shapes]
    for place in case.offsets:
        given.insert(place, OFFSETS)
    given += case.scalars[0]
    specs = specs_of(case.kernel, arguments(case.kernel, given, {}))
    graph = partition(trace(case.kernel.function, specs), MACHINE)
    return pack(schedule(graph, MACHINE, cores=cores))


def verdicts(case: Case, tables: bytes) -> set[str]:
    return {search(unroll(tables, scalars, case.memory)).verdict for scalars in case.scalars}


@pytest.mark.parametrize("cores", [1, 2, 3])
@pytest.mark.parametrize("name", CASES)
def test_no_state_of_the_tables_breaks_a_law(name: str, cores: int) -> None:
    tables = tables_of(CASES[name], cores)
    check(tables, MACHINE)
    assert verdicts(CASES[name], tables) == {"proved"}


@pytest.mark.parametrize("name", ["straight", "repeated", "ended", "drained"])
def test_less_any_piece_of_sync_some_state_breaks_a_law(name: str) -> None:
    """Of the others, `sliding` waits for the iteration before where an earlier one would do, and what the
    sync of `ragged` is for, other offsets would need."""
    tables = tables_of(CASES[name], 3)
    mutants = list(sync_mutants(tables))
    assert mutants
    unnoticed = [what for what, mutated, _ in mutants if verdicts(CASES[name], mutated) == {"proved"}]
    assert not unnoticed
