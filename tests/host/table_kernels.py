"""Kernels by hand for what a launch decides as it runs: loops, late rows, drains, rings.

Each is a `Case`: a source, what goes in, what must come out. They run in the pool, many launches in a row
(test_table_kernels.py), and as programs of their own under sanitizers (test_sanitized_tables.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mpmd.codegen.source import KernelSource, ScalarInfo
from mpmd.lang.types import Direction, i32, i64
from tests.host.assembly import (
    BARRIER,
    DRAIN,
    ELEMENT,
    GUARD,
    HERE,
    ITERATION,
    NEVER,
    PATCH,
    RUN,
    SIGNAL,
    SKIP,
    WAIT,
    Step,
    argument,
    kernel,
    loop,
    tables,
)

Array = np.ndarray


@dataclass(frozen=True)
class Case:
    """`after[name]` is what an array holds after one launch that began with `arrays`."""

    source: KernelSource
    arrays: Mapping[str, Array]
    scalars: Mapping[str, int]
    after: Mapping[str, Array]


# Rows begin with the base and the offset of each tensor; `a` counts 64-bit integers.
FUNCTIONS = """
static Word* at(Core& core, const Word* row, int word) {
  return (Word*)((char*)core.base[row[word]] + row[word + 1]);
}
static void put(Core& core, const Word* row) { *at(core, row, 0) = row[2]; }                // y = a
static void add(Core& core, const Word* row) { *at(core, row, 2) += *at(core, row, 0); }    // y += x
static void count(Core& core, const Word* row) { *at(core, row, 0) += row[2]; }             // y += a
static void reaches(Core& core, const Word* row) {  // y = x >= a
  *at(core, row, 2) = *at(core, row, 0) >= row[4];
}
static void send(Core& core, const Word* row) {  // y[0:a] through the ring, in tokens of as many as a2
  const Word ring = row[2], most = row[4];
  for (Word start = 0; start < row[3]; start += most) {
    const Word size = row[3] - start < most ? row[3] - start : most;
    Word* token = mpmd::sending<Word>(core, ring, size);
    if (!token) return;
    for (Word i = 0; i < size; ++i) token[i] = at(core, row, 0)[start + i];
    mpmd::sent(core, ring);
  }
}
static void receive(Core& core, const Word* row) {
  const Word ring = row[2], most = row[4];
  for (Word start = 0; start < row[3]; start += most) {
    const Word size = row[3] - start < most ? row[3] - start : most;
    const Word* token = mpmd::receiving<Word>(core, ring, 0, size);
    if (!token) return;
    for (Word i = 0; i < size; ++i) at(core, row, 0)[start + i] = token[i];
    mpmd::received(core, ring);
  }
}
"""
PUT, ADD, COUNT, REACHES, SEND, RECEIVE = range(6)
NAMES = ["put", "add", "count", "reaches", "send", "receive"]
PARAMS = [1, 2, 1, 2, 1, 1]


def source(
    plan: list[list[Step]],
    rows: list[tuple[int, tuple[int, ...]]],
    arrays: Mapping[str, Array],
    *,
    scalars: tuple[str, ...] = (),
    arena: int = 0,
    checks: tuple[str, ...] = (),
    **more: object,
) -> KernelSource:
    """Every array is an argument, a base in order; the arena, if any, is the base after them."""
    table = tables(
        plan,
        rows,
        params=PARAMS,
        bases=[a.nbytes for a in arrays.values()],
        scalars=len(scalars),
        arena=arena,
        **more,  # type: ignore[arg-type]
    )
    arguments = [
        argument(name, *a.shape, dtype=i32 if a.itemsize == 4 else i64, direction=Direction.INOUT)
        for name, a in arrays.items()
    ]
    return kernel(
        FUNCTIONS,
        NAMES,
        table,
        arguments,
        scalars=[ScalarInfo(name, i64, HERE) for name in scalars],
        arena=arena,
        cores=len(plan),
        checks=checks,
        steps=sum(map(len, plan)),
    )


def words(*values: int) -> Array:
    return np.array(values, np.int64)


# -- loops ------------------------------------------------------------------------------------------------


def handed_on(count: int, *, at_launch: bool) -> Case:
    """In each iteration core 0 writes its number into a cell, and core 1 adds the cell to y. The cell is
    written again behind a wait for the iteration before."""
    plan = [
        loop(0, (WAIT, 1, 0), (RUN, 0, 0), (SIGNAL, 0, 1)),
        loop(0, (WAIT, 0, 1), (RUN, 1, 0), (SIGNAL, 1, 1)),
    ]
    rows = [(PUT, (1, 0, 7)), (ADD, (1, 0, 0, 0))]
    numbered = [(ITERATION,), (PATCH, 2, (0, ((int(at_launch), 1),)))]
    arrays = {"y": words(100)}
    made = source(
        plan,
        rows,
        arrays,
        scalars=("n",) if at_launch else (),
        arena=64,
        events=2,
        loops=[((0, ((0, 1),)) if at_launch else (count, ()), NEVER)],
        programs=[numbered],
        row_program={0: 0},
    )
    total = 100 + sum(i + 7 for i in range(count))
    return Case(made, arrays, {"n": count} if at_launch else {}, {"y": words(total)})


def several_in_a_turn() -> Case:
    """Two signals of two a turn on each way, waited for one after the other."""
    plan = [
        loop(0, (WAIT, 1, -1), (RUN, 0, 0), (SIGNAL, 0, 2), (WAIT, 1, 0), (RUN, 1, 0), (SIGNAL, 0, 1)),
        loop(0, (WAIT, 0, 2), (RUN, 2, 0), (SIGNAL, 1, 1), (WAIT, 0, 3), (RUN, 3, 0), (SIGNAL, 1, 1)),
    ]
    rows = [(PUT, (1, 0, 5)), (PUT, (1, 64, 6)), (ADD, (1, 0, 0, 0)), (ADD, (1, 64, 0, 0))]
    arrays = {"y": words(0)}
    made = source(
        plan,
        rows,
        arrays,
        arena=128,
        events=2,
        loops=[((10, ()), NEVER)],
        programs=[[(ITERATION,), (PATCH, 2, (0, ((0, 1),)))]],
        row_program={0: 0, 1: 0},
    )
    return Case(made, arrays, {}, {"y": words(sum(11 + 2 * i for i in range(10)))})


def met_in_every_iteration(count: int) -> Case:
    """Three cores write a slot each and read the next one's; barriers in two loops, before and between."""
    cores = 3
    rows = [(PUT, (3, 64 * c, 10 + c)) for c in range(cores)]
    rows += [(ADD, (3, 64 * ((c + 1) % cores), c, 0)) for c in range(cores)]
    plan = [
        [
            (BARRIER, 0, 0),
            *loop(0, (RUN, c, 0), (BARRIER, 0, 0), (RUN, cores + c, 0), (BARRIER, 1, 0)),
            (BARRIER, 1, 0),
            *loop(1, (RUN, c, 0), (BARRIER, 0, 0), (RUN, cores + c, 0), (BARRIER, 1, 0)),
        ]
        for c in range(cores)
    ]
    arrays = {name: words(0) for name in "abc"}
    made = source(
        plan,
        rows,
        arrays,
        arena=192,
        loops=[((count, ()), NEVER), ((2, ()), NEVER)],
        programs=[[(ITERATION,), (PATCH, 2, (0, ((0, 1),)))]],
        row_program=dict.fromkeys(range(cores), 0),
    )
    after = {
        name: words(sum(10 + (c + 1) % cores + i for n in (count, 2) for i in range(n)))
        for c, name in enumerate("abc")
    }
    return Case(made, arrays, {}, after)


def until(stop: int, count: int) -> Case:
    """Core 1 counts up and sets the flag when it has reached `stop`; core 0 counts the iterations."""
    plan = [loop(0, (RUN, 0, 0)), loop(0, (RUN, 1, 0), (RUN, 2, 0))]
    rows = [(COUNT, (0, 0, 1)), (COUNT, (1, 0, 1)), (REACHES, (1, 0, 2, 0, stop))]
    arrays = {"y": words(0), "reached": words(0)}
    made = source(plan, rows, arrays, arena=64, loops=[((count, ()), (2, 0, 8))])
    ran = min(max(stop, 1), count)
    return Case(made, arrays, {}, {"y": words(ran), "reached": words(ran)})


def guarded() -> Case:
    """`handed_on` for n iterations, of which the fifth is refused while the other core waits, with a ring
    and a drain in the body."""
    plan = [
        loop(0, (WAIT, 1, 0), (DRAIN, 0, 0), (RUN, 0, 0), (SIGNAL, 0, 1), (RUN, 2, 0)),
        loop(0, (WAIT, 0, 1), (RUN, 1, 0), (RUN, 3, 0), (SIGNAL, 1, 1)),
    ]
    rows = [
        (PUT, (1, 0, 7)),
        (ADD, (1, 0, 0, 0)),
        (SEND, (1, 0, 0, 1, 1)),
        (RECEIVE, (1, 64, 0, 1, 1)),
        (COUNT, (1, 128, 1)),
        (COUNT, (1, 192, 1)),
    ]
    numbered = [(ITERATION,), (GUARD, (0, ((1, 1),)), 0, 4, 0), (PATCH, 2, (0, ((1, 1),)))]
    arrays = {"y": words(100)}
    made = source(
        plan,
        rows,
        arrays,
        scalars=("n",),
        local=[(0, 256)],
        arena=512,
        events=2,
        loops=[((0, ((0, 1),)), NEVER)],
        programs=[numbered],
        row_program={0: 0},
        drains=[[4, 5]],
        rings=[(0, 1, 128, 2, 256)],
        uses=[(2, 0, 0, 1), (3, 0, 1, 1)],
        checks=("there are five iterations at most",),
    )
    return Case(made, arrays, {"n": 3}, {"y": words(100 + 7 + 8 + 9)})


# -- late rows --------------------------------------------------------------------------------------------


def ragged(offsets: tuple[int, ...]) -> Case:
    """y[s] = size of each segment s, put at its start; empty segments are skipped. The guard holds."""
    count = len(offsets) - 1
    plan = [[(RUN, s, 0) for s in range(count)]]
    programs = []
    for s in range(count):
        programs.append(
            [
                (ELEMENT, 0, (4 * s, ()), 4),
                (ELEMENT, 0, (4 * s + 4, ()), 4),
                (GUARD, (0, ((0, -1), (1, 1))), 0, 8, 0),
                (GUARD, (0, ((0, 1),)), 0, 64, 1),
                (SKIP, (0, ((0, -1), (1, 1)))),
                (PATCH, 1, (0, ((0, 8),))),
                (PATCH, 2, (0, ((0, -1), (1, 1)))),
            ]
        )
    arrays = {"offsets": np.array(offsets, np.int32), "y": np.full(65, -1, np.int64)}
    made = source(
        plan,
        [(PUT, (1, 0, 0))] * count,
        arrays,
        programs=programs,
        row_program={s: s for s in range(count)},
        checks=("a segment of 'offsets' has 0 to 8 elements", "a segment of 'offsets' starts in 'y'"),
    )
    y = np.full(65, -1, np.int64)
    for low, high in pairwise(offsets):
        if high > low:
            y[low] = high - low
    return Case(made, arrays, {}, {"y": y, "offsets": arrays["offsets"]})


def derived_late(count: int, step: int) -> Case:
    """y[max(i // 2 * 2 + min(i % 2, step), 0)] += x[i]: derived values, of launch scalars too."""
    i, half, rest, at = 1, 2, 3, 4  # registers behind the scalar
    program = [
        (ITERATION,),
        (0, (0, ((i, 1),)), (2, ())),
        (1, (0, ((i, 1),)), (2, ())),
        (2, (0, ((rest, 1),)), (0, ((0, 1),))),
        (3, (0, ((half, 2), (at, 1))), (0, ())),
        (4, (0, ((5, 1),)), (8, ())),
        (PATCH, 1, (0, ((i, 8),))),
        (PATCH, 3, (0, ((6, 1),))),
    ]
    arrays = {"x": np.arange(1, 1 + count, dtype=np.int64), "y": np.zeros(count + 1, np.int64)}
    made = source(
        [loop(0, (RUN, 0, 0))],
        [(ADD, (0, 0, 1, 0))],
        arrays,
        scalars=("step",),
        loops=[((count, ()), NEVER)],
        programs=[program],
        row_program={0: 0},
    )
    y = np.zeros(count + 1, np.int64)
    for k in range(count):
        y[max(0, k // 2 * 2 + min(k % 2, step))] += k + 1
    return Case(made, arrays, {"step": step}, {"y": y, "x": arrays["x"]})


# -- drains -----------------------------------------------------------------------------------------------


def drained(cores: int, items: int, count: int) -> Case:
    """Items that count up a slot each, in straight code and `count` times over behind a barrier."""
    body = ((DRAIN, 0, 0), (BARRIER, 0, 0))
    plan = [[(DRAIN, 1, 0), (BARRIER, 0, 0), *loop(0, *body)] for _ in range(cores)]
    rows = [(COUNT, (0, 8 * i, 1)) for i in range(items)] + [(COUNT, (1, 8 * i, 1)) for i in range(items)]
    arrays = {"y": np.zeros(max(1, items), np.int64), "z": np.zeros(max(1, items), np.int64)}
    made = source(
        plan,
        rows,
        arrays,
        loops=[((count, ()), NEVER)],
        drains=[list(range(items)), list(range(items, 2 * items))],
    )
    ones = np.zeros(max(1, items), np.int64)
    ones[:items] = 1
    return Case(made, arrays, {}, {"y": count * ones, "z": ones})


def drained_ahead(cores: int, items: int, count: int) -> Case:
    """With nothing between the iterations, so that cores run ahead: item i of iteration k has slot (i, k)."""
    plan = [loop(0, (DRAIN, 0, 0)) for _ in range(cores)]
    rows = [(COUNT, (0, 8 * i * count, 1)) for i in range(items)]
    arrays = {"y": np.zeros((items, count), np.int64)}
    made = source(
        plan,
        rows,
        arrays,
        loops=[((count, ()), NEVER)],
        drains=[list(range(items))],
        programs=[[(ITERATION,), (PATCH, 1, (0, ((0, 8),)))]],
        row_program=dict.fromkeys(range(items), 0),
    )
    return Case(made, arrays, {}, {"y": np.ones((items, count), np.int64)})


# -- rings ------------------------------------------------------------------------------------------------


def piped(elements: int, most: int, depth: int, count: int, *, one_core: bool = False) -> Case:
    """x through a ring into y, in tokens of `most` (the last one: of fewer), `count` times over."""
    tokens = -(-elements // most)
    slot = 64 + -(-8 * most // 64) * 64
    rows = [(SEND, (0, 0, 0, elements, most)), (RECEIVE, (1, 0, 0, elements, most))]
    consumer = 0 if one_core else 1
    plan = [loop(0, (RUN, 0, 0)), loop(0, (RUN, 1, 0))]
    if one_core:
        plan = [loop(0, (RUN, 0, 0), (RUN, 1, 0))]
    x = np.arange(elements, dtype=np.int64) * 3 + 1
    arrays = {"x": x, "y": np.zeros(elements, np.int64)}
    made = source(
        plan,
        rows,
        arrays,
        local=[(depth * slot, 64)],
        arena=depth * slot + 64,
        loops=[((count, ()), NEVER)],
        rings=[(0, consumer, slot, depth, 0)],
        uses=[(0, 0, 0, tokens), (1, 0, 1, tokens)],
        checks=("the token of 'c', axis 0",),
    )
    return Case(made, arrays, {}, {"x": x, "y": x})


CASES: dict[str, Case] = {
    **{f"a loop of {n} iterations": handed_on(n, at_launch=False) for n in (0, 1, 2, 100)},
    **{f"a loop of n = {n} iterations": handed_on(n, at_launch=True) for n in (-1, 0, 1, 3, 50)},
    "carried waits for a part of a turn": several_in_a_turn(),
    **{f"meetings in {n} iterations": met_in_every_iteration(n) for n in (0, 1, 5)},
    **{f"until {s} of {n}": until(s, n) for s, n in ((0, 4), (1, 4), (3, 10), (9, 4), (5, 0), (1, 1))},
    "segments": ragged((0, 3, 3, 5, 13)),
    "segments without any element": ragged((7, 7, 7)),
    **{f"derived values, step {s}": derived_late(7, s) for s in (0, 1, -1)},
    **{f"a drain of {i} items on {c} cores": drained(c, i, 3) for c, i in ((1, 5), (2, 1), (3, 40), (2, 0))},
    **{f"a drain without meetings on {c} cores": drained_ahead(c, 3, 30) for c in (1, 2, 3)},
    **{f"a ring of {d} slots": piped(23, 4, d, 3) for d in (1, 2, 6, 9)},
    "a ring on one core": piped(23, 4, 6, 3, one_core=True),
}
