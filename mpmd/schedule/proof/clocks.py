"""What every wait guarantees: the steps that have happened in all executions once it is over.

In:  the straight steps and a linear extension. Out: `Guarantees`, one vector clock per wait.
Not here: the clocks of the other steps (`races` follows them along the extension).

A vector clock says for each core how many of its steps have happened. Step x surely precedes step y
iff y cannot be reached while x's core is stopped before x. A wait until `count` on an event is
reached without x iff the amounts of those signals that can be reached without x add up to `count`.
So, for each core on its own, the guarantee is an order statistic of the clocks of the signals: sort
them, and take the first at which the amounts add up. If the wait takes all signals it is the maximum;
if all signals are on one core it is the clock of the one that completes the count.

In the other cases a signal later in the extension counts too, though its clock is not known yet. The
first sweep takes it as never reached, which may promise too much. Where a bound from below (the clock
of its core so far) does not give the same, sweeps are repeated with the clocks of the one before until
nothing changes: the promises only shrink, to the largest that are consistent, which are the exact ones.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpmd.schedule.proof.decode import BARRIER, SIGNAL, WAIT
from mpmd.schedule.proof.straight import Straight

Clock = npt.NDArray[np.int32]
Demand = tuple[int, int]
"""Event and count of a wait."""

_NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True, eq=False)
class Guarantees:
    """`clock[event, count]` holds after every wait until `count` on `event`, `signals[step]` after a signal
    that was asked for."""

    clock: dict[Demand, Clock]
    signals: dict[int, Clock]


@dataclass(frozen=True, eq=False)
class _Plan:
    """How each demand is answered: by the maximum, by one signal's clock, or by order statistics."""

    full: frozenset[int]  # events of which every wait takes all signals
    single: dict[Demand, int]  # the signal step that completes the count, where one core makes all
    mixed: dict[int, tuple[list[int], npt.NDArray[np.int64]]]  # event: its signals and their amounts
    kept: frozenset[int]  # signals whose clocks are looked up later


@dataclass(frozen=True, eq=False)
class _Sweep:
    clock: dict[Demand, Clock]
    signals: dict[int, Clock]
    settled: bool


def guarantees(tables: Straight, order: list[int], watched: Set[int] = frozenset()) -> Guarantees:
    """The exact guarantee of every wait, and of the signals that are `watched`."""
    plan = _plan(tables, watched)
    sweep = _run(tables, order, plan, None)
    while not sweep.settled:
        sweep = _run(tables, order, plan, sweep)
    return Guarantees(sweep.clock, {step: sweep.signals[step] for step in watched})


def join_barrier(clock: Clock, tables: Straight, ordinal_steps: list[int]) -> None:
    """Raise the clocks of all cores (rows) to what a barrier, these steps, gives them."""
    np.fill_diagonal(clock, np.array(ordinal_steps) - tables.core_ptr[:-1] + 1)
    clock[:] = clock.max(axis=0)


def _plan(tables: Straight, watched: Set[int]) -> _Plan:
    demands: dict[int, set[int]] = {}
    for step in np.flatnonzero(tables.op == WAIT).tolist():
        demands.setdefault(int(tables.a[step]), set()).add(int(tables.b[step]))
    full = frozenset(e for e, counts in demands.items() if counts == {int(tables.event_total[e])})
    full -= {int(tables.a[step]) for step in watched}
    signals: dict[int, list[int]] = {}
    for step in np.flatnonzero(tables.op == SIGNAL).tolist():
        signals.setdefault(int(tables.a[step]), []).append(step)
    core = tables.step_core
    single: dict[Demand, int] = {}
    mixed: dict[int, tuple[list[int], npt.NDArray[np.int64]]] = {}
    for event in sorted(demands.keys() - full):
        steps = signals[event]
        amounts = tables.b[steps]
        if core[steps[0]] == core[steps[-1]]:  # steps rise, so all lie between
            reached = np.cumsum(amounts)
            for count in demands[event]:
                single[event, count] = steps[int(np.searchsorted(reached, count))]
        else:
            mixed[event] = steps, amounts
    kept = frozenset(single.values()) | {step for steps, _ in mixed.values() for step in steps}
    return _Plan(full, single, mixed, kept | watched)


def _run(tables: Straight, order: list[int], plan: _Plan, before: _Sweep | None) -> _Sweep:
    """One sweep along the extension, with the signals' clocks of the sweep `before`, if any."""
    op, a, b = tables.op.tolist(), tables.a.tolist(), tables.b.tolist()
    core_of, ptr = tables.step_core.tolist(), tables.core_ptr.tolist()
    clock = np.zeros((tables.cores, tables.cores), np.int32)
    maximum: dict[int, Clock] = {}
    signals: dict[int, Clock] = {}
    found: dict[Demand, Clock] = {}
    settled = True
    barrier = -1
    for position, step in enumerate(order):
        if op[step] not in (SIGNAL, WAIT, BARRIER):
            continue
        core, event = core_of[step], a[step]
        row = clock[core]
        if op[step] == SIGNAL:
            row[core] = step - ptr[core] + 1
            if event in plan.full:
                if event in maximum:
                    np.maximum(maximum[event], row, out=maximum[event])
                else:
                    maximum[event] = row.copy()
            elif step in plan.kept:
                signals[step] = row.copy()
        elif op[step] == WAIT:
            demand = event, b[step]
            if demand not in found:
                if event in plan.full:
                    found[demand] = maximum[event]
                elif demand in plan.single:
                    found[demand] = signals[plan.single[demand]]
                else:
                    found[demand], exact = _statistic(tables, plan, demand, signals, clock, before)
                    settled = settled and exact
            np.maximum(row, found[demand], out=row)
        elif op[step] == BARRIER and a[step] != barrier:
            barrier = a[step]
            join_barrier(clock, tables, order[position : position + tables.cores])
    return _Sweep(found, signals, settled)


def _statistic(
    tables: Straight,
    plan: _Plan,
    demand: Demand,
    signals: dict[int, Clock],
    clock: Clock,
    before: _Sweep | None,
) -> tuple[Clock, bool]:
    """The guarantee of a demand as far as it is known, and whether that is known to be all."""
    steps, amounts = plan.mixed[demand[0]]
    if before is not None:
        found = _kth([signals.get(s, before.signals[s]) for s in steps], amounts, demand[1])
        return found, bool((found == before.clock[demand]).all())
    never = np.full(tables.cores, _NEVER, np.int32)
    found = _kth([signals.get(s, never) for s in steps], amounts, demand[1])
    so_far = [signals[s] if s in signals else _so_far(tables, s, clock) for s in steps]
    least = _kth(so_far, amounts, demand[1])
    return found, bool((found == least).all())


def _so_far(tables: Straight, step: int, clock: Clock) -> Clock:
    """A bound from below for the clock of a step that is yet to come."""
    core = int(np.searchsorted(tables.core_ptr, step, side="right")) - 1
    least = clock[core].copy()
    least[core] = step - tables.core_ptr[core] + 1
    return least


def _kth(clocks: list[Clock], amounts: npt.NDArray[np.int64], count: int) -> Clock:
    """Per core the least clock at which the amounts of the signals up to it add up to `count`."""
    rows = np.stack(clocks)
    order = np.argsort(rows, axis=0, kind="stable")
    reached = np.cumsum(amounts[order], axis=0) >= count
    first = np.argmax(reached, axis=0)
    columns = np.arange(rows.shape[1])
    return rows[order[first, columns], columns]
