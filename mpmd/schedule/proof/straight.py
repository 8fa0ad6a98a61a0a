"""The steps without loops: each body as often as its iterations stand for all (see `iterations`).

In:  the decoded tables, which steps are in which loop, how many copies of each body are wanted.
Out: `Straight`: steps, and the instances of rows that they run, in program order.
Not here: what an instance holds and touches (`late`, `footprints`).

Copy k of a body waits for k turns of its events more. Waits for what comes before copy 0 are left out:
they promise nothing and hold up nothing, since in that iteration all cores have passed what came before.
A counter does not say who signalled: where several cores signal an event, one that is iterations ahead can
stand in for another. So after its last copy each of them signals without end, and nothing is proved by a
wait that this would satisfy. END with a flag is a meeting of all cores, a reading of the flag, a meeting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mpmd.schedule.proof.decode import BARRIER, DRAIN, PREFETCH, RUN, SIGNAL, WAIT, Column, Tables
from mpmd.schedule.proof.iterations import Iterations
from mpmd.schedule.proof.structure import Structure

FLAG = -1
"""The row of an instance that is no row's: a reading of a loop's flag."""


@dataclass(frozen=True, eq=False)
class Straight:
    """Per step `op`, `a` and `b`, the step of the tables that it is from, its loop (−1) and copy. `a` of a
    RUN or PREFETCH is an instance, of a DRAIN one turn of a drain, whose items are instances. A signal that
    is `endless` stands for those of any iterations after the copies, which need not exist.

    Instances are numbered in program order: `row`, the loop it is in (−1) and the copy of its body.
    """

    tables: Tables
    core_ptr: Column
    op: Column
    a: Column
    b: Column
    step: Column
    step_loop: Column
    step_copy: Column
    endless: npt.NDArray[np.bool_]
    row: Column
    loop: Column
    copy: Column
    drain_ptr: Column
    drain_items: Column
    event_total: Column

    @property
    def cores(self) -> int:
        return self.tables.cores

    @property
    def events(self) -> int:
        return self.tables.events

    @property
    def instances(self) -> int:
        return len(self.row)

    @property
    def step_core(self) -> Column:
        """The core of each step."""
        return np.repeat(np.arange(self.cores), np.diff(self.core_ptr))

    def drains_left(self) -> npt.NDArray[np.int32]:
        """Per turn of a drain and core: the steps the core has done when it leaves (0: takes no part)."""
        left = np.zeros((len(self.drain_ptr) - 1, self.cores), np.int32)
        steps = np.flatnonzero(self.op == DRAIN)
        core = self.step_core[steps]
        left[self.a[steps], core] = steps - self.core_ptr[core] + 1
        return left


class _Instances(NamedTuple):
    row: Column
    loop: Column
    copy: Column
    first: Column  # per row its instance in copy 0
    stride: Column  # per loop how far the next copy's is


class _Steps(NamedTuple):
    """Steps as they stand in the tables, one after the other, and what becomes of them."""

    step: Column
    loop: Column
    copy: Column
    becomes: Column


_ITSELF, _MEETING, _READING, _ENDLESS = range(4)


def straight(tables: Tables, found: Structure, loops: Sequence[Iterations]) -> Straight:
    """The tables without loops."""
    if not len(loops):
        return _as_it_is(tables)
    instances = _instances(tables, found, loops)
    endless = _endless(tables, loops)
    per_core = [_of_core(tables, core, found, loops, endless) for core in range(tables.cores)]
    steps = _Steps(*(np.concatenate([part[k] for part in per_core]) for k in range(4)))
    core_ptr = np.cumsum([0, *(len(part.step) for part in per_core)])
    op, a, b = _resolved(tables, found, loops, instances, steps, core_ptr)
    kept = (op != WAIT) | (b > 0) | (steps.loop < 0)
    core_ptr = np.concatenate([[0], np.cumsum(kept)])[core_ptr]
    op, a, b = op[kept], a[kept], b[kept]
    total = np.zeros(tables.events, np.int64)
    np.add.at(total, a[op == SIGNAL], b[op == SIGNAL])
    drain_ptr, drain_items = _drains(tables, found, loops, instances)
    return Straight(
        tables, core_ptr, op, a, b, steps.step[kept], steps.loop[kept], steps.copy[kept],
        steps.becomes[kept] == _ENDLESS, instances.row, instances.loop, instances.copy,
        drain_ptr, drain_items, total,
    )  # fmt: skip


def _as_it_is(t: Tables) -> Straight:
    steps, rows = np.zeros(len(t.op), np.int64), np.zeros(t.rows, np.int64)
    return Straight(
        t, t.core_ptr, t.op, t.a, t.b, np.arange(len(t.op)), steps - 1, steps, steps > 0, np.arange(t.rows),
        rows - 1, rows, t.drain_ptr, t.drain_rows, t.event_total,
    )  # fmt: skip


def _instances(tables: Tables, found: Structure, loops: Sequence[Iterations]) -> _Instances:
    """Rows of straight code once, those of a loop in each copy, then the reading of its flag."""
    edges = [0, *(np.flatnonzero(np.diff(found.row_loop)) + 1).tolist(), tables.rows]
    first, stride = np.zeros(tables.rows, np.int64), np.zeros(len(loops), np.int64)
    parts: list[tuple[Column, Column, Column]] = []
    at = 0
    for begin, end in pairwise(edges):
        loop = int(found.row_loop[begin]) if begin < end else -1
        rows = np.arange(begin, end)
        first[begin:end] = at + rows - begin
        if loop >= 0 and tables.loops[loop, 3] >= 0:
            rows = np.append(rows, FLAG)
        copies = loops[loop].copies if loop >= 0 else 1
        if loop >= 0:
            stride[loop] = len(rows)
        count = len(rows) * copies
        parts.append((np.tile(rows, copies), np.full(count, loop), np.repeat(np.arange(copies), len(rows))))
        at += count
    row, loop_of, copy = (np.concatenate([part[k] for part in parts]) for k in range(3))
    return _Instances(row, loop_of, copy, first, stride)


def _endless(tables: Tables, loops: Sequence[Iterations]) -> Column:
    """The last step on each core that signals an event which a loop has on several cores, by step."""
    signals = np.flatnonzero(tables.op == SIGNAL)
    event = tables.a[signals]
    more = np.array([loop.more for loop in loops], np.bool_)[tables.event_loop[event]]
    signals = signals[more & (tables.event_loop[event] >= 0)]
    key = tables.a[signals] * tables.cores + tables.step_core[signals]
    # np.unique finds the first of equal ones, so the steps go in backwards
    keys, last = np.unique(key[::-1], return_index=True)
    several = np.bincount(keys // tables.cores, minlength=tables.events) > 1
    return np.sort(signals[::-1][last][several[keys // tables.cores]])


def _of_core(
    tables: Tables, core: int, found: Structure, loops: Sequence[Iterations], endless: Column
) -> _Steps:
    at, stop = int(tables.core_ptr[core]), int(tables.core_ptr[core + 1])
    parts: list[tuple[Column, int, int, int]] = []
    for first, end, loop in found.spans[core]:
        parts.append((np.arange(at, first), -1, 0, _ITSELF))
        for copy in range(loops[loop].copies):
            parts.append((np.arange(first + 1, end), loop, copy, _ITSELF))
            if tables.loops[loop, 3] >= 0:
                parts.append((np.array([end]), loop, copy, _MEETING))
                parts.append((np.array([end] if core == 0 else [], np.int64), loop, copy, _READING))
                parts.append((np.array([end]), loop, copy, _MEETING))
        inside = endless[(endless > first) & (endless < end)]
        parts.append((inside, loop, max(0, loops[loop].copies - 1), _ENDLESS))
        at = end + 1
    parts.append((np.arange(at, stop), -1, 0, _ITSELF))
    sizes = [len(part) for part, *_ in parts]
    loop_of, copies, becomes = (
        np.repeat(np.array(column), sizes) for column in list(zip(*parts, strict=True))[1:]
    )
    return _Steps(np.concatenate([steps for steps, *_ in parts]), loop_of, copies, becomes)


def _resolved(
    tables: Tables,
    found: Structure,
    loops: Sequence[Iterations],
    instances: _Instances,
    steps: _Steps,
    core_ptr: Column,
) -> tuple[Column, Column, Column]:
    """The columns op, a and b."""
    op, a, b = (column[steps.step] for column in (tables.op, tables.a, tables.b))
    loop = steps.loop
    copies = np.array([one.copies for one in loops], np.int64)
    runs = np.flatnonzero((op == RUN) | (op == PREFETCH))
    a[runs] = instances.first[a[runs]] + steps.copy[runs] * np.where(
        loop[runs] >= 0, instances.stride[loop[runs]], 0
    )
    flags = np.flatnonzero(steps.becomes == _READING)
    flag_of = np.flatnonzero(instances.row == FLAG)
    key = instances.loop[flag_of] * 4 + instances.copy[flag_of]
    by_key = np.argsort(key)
    wanted = a[flags] * 4 + steps.copy[flags]
    a[flags] = flag_of[by_key][np.searchsorted(key[by_key], wanted)]
    op[flags] = RUN
    waits = np.flatnonzero((op == WAIT) & (loop >= 0))
    b[waits] += steps.copy[waits] * tables.event_total[a[waits]]
    endless = np.flatnonzero(steps.becomes == _ENDLESS)
    b[endless] = copies[loop[endless]] * tables.event_total[a[endless]]
    drains = np.flatnonzero(op == DRAIN)
    a[drains] = _first_turns(found, copies)[a[drains]] + steps.copy[drains]
    op[steps.becomes == _MEETING] = BARRIER
    barriers = np.flatnonzero(op == BARRIER)
    core = np.repeat(np.arange(tables.cores), np.diff(core_ptr))[barriers]
    per_core = np.bincount(core, minlength=tables.cores)
    a[barriers] = np.arange(len(barriers)) - np.repeat(np.cumsum(per_core) - per_core, per_core)
    return op, a, b


def _first_turns(found: Structure, copies: Column) -> Column:
    """Per drain its turn in copy 0; the turns of a drain are neighbours. One more entry has their number."""
    turns = np.where(found.drain_loop >= 0, copies[found.drain_loop], 1)
    return np.concatenate([[0], np.cumsum(turns)])


def _drains(
    tables: Tables, found: Structure, loops: Sequence[Iterations], instances: _Instances
) -> tuple[Column, Column]:
    parts: list[Column] = []
    for drain, loop in enumerate(found.drain_loop.tolist()):
        rows = tables.drain_rows[tables.drain_ptr[drain] : tables.drain_ptr[drain + 1]]
        copies, stride = (loops[loop].copies, int(instances.stride[loop])) if loop >= 0 else (1, 0)
        parts += [instances.first[rows] + copy * stride for copy in range(copies)]
    ptr = np.cumsum([0, *map(len, parts)])
    return ptr, np.concatenate([np.zeros(0, np.int64), *parts])
