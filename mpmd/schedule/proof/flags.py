"""The laws of flags: never more pending than one holds, and one event at a time.

In:  the straight steps, a linear extension, what waits guarantee, the machine. Out: nothing; raises
`ScheduleCapacityError`, `FlagReuseError`. Not here: who may use a flag, and that as much is taken as is
given (`primitives`); by that all waits are of one core.

What is pending is greatest, over all executions, when the waiting core stands before one of its waits and
all signals have come that can come without it: those that do not surely follow the wait. A flag stands for
several events, or for one in several iterations; it does so rightly if of two that follow each other all
waits of the first come before all signals of the second, and before another core stands at a wait for the
second: it would take what is not for it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from mpmd.errors import FlagReuseError, Note, ScheduleCapacityError
from mpmd.machine import Machine
from mpmd.schedule.proof.clocks import Clock, Guarantees, join_barrier
from mpmd.schedule.proof.decode import BARRIER, SIGNAL, WAIT
from mpmd.schedule.proof.iterations import Iterations
from mpmd.schedule.proof.occurrences import Occurrences
from mpmd.schedule.proof.primitives import is_flag
from mpmd.schedule.proof.straight import Straight


@dataclass(slots=True)
class _Turn:
    """One turn of an event: its waits (steps, counted on their core, and what is taken up to each), and its
    signals, each with how many steps of the waiting core have surely happened before it. `last` has the last
    signal of each core, and what has happened before that."""

    waiter: int
    waits: list[tuple[int, int, int]] = field(default_factory=list)  # position, taken up to it, step
    signals: list[tuple[int, int, int]] = field(default_factory=list)  # steps before it, amount, step
    last: dict[int, tuple[int, int]] = field(default_factory=dict)  # steps before it, step


def check_flags(
    steps: Straight,
    order: Sequence[int],
    promised: Guarantees,
    loops: Sequence[Iterations],
    machine: Machine,
    places: Occurrences,
) -> None:
    """Raise unless flags suffice."""
    flag = is_flag(steps.tables, machine)
    if not flag.any():
        return
    turns = _turns(steps, flag.tolist())
    _follow(steps, order, promised, turns, machine, places)
    for event in np.flatnonzero(flag).tolist():
        loop = int(steps.tables.event_loop[event])
        maximum = machine.primitives[int(steps.tables.event_primitive[event])].maximum
        mine = [turns[event, copy] for copy in range(loops[loop].copies if loop >= 0 else 1)]
        if mine:
            _hold(event, mine, maximum, places)
        if loop >= 0 and loops[loop].more:
            _keep_up(event, mine, loops[loop].most, maximum, places)


def _turns(steps: Straight, flag: list[bool]) -> dict[tuple[int, int], _Turn]:
    """By event and copy; without their signals."""
    found: dict[tuple[int, int], _Turn] = {}
    core = steps.step_core
    for step in np.flatnonzero(steps.op == WAIT).tolist():
        event = int(steps.a[step])
        if flag[event]:
            turn = found.setdefault((event, int(steps.step_copy[step])), _Turn(int(core[step])))
            turn.waits.append((step - int(steps.core_ptr[turn.waiter]), int(steps.b[step]), step))
    return found


def _follow(
    steps: Straight,
    order: Sequence[int],
    promised: Guarantees,
    turns: dict[tuple[int, int], _Turn],
    machine: Machine,
    places: Occurrences,
) -> None:
    """Fill in the signals; raise where one comes while its flag still stands for another event."""
    op, a, b = steps.op.tolist(), steps.a.tolist(), steps.b.tolist()
    core_of, copy_of, ptr = steps.step_core.tolist(), steps.step_copy.tolist(), steps.core_ptr.tolist()
    endless = steps.endless.tolist()
    names = zip(steps.tables.event_primitive.tolist(), steps.tables.event_flag.tolist(), strict=True)
    flag = [
        (*name, machine.group_of(turns[event, 0].waiter)) if (event, 0) in turns else None
        for event, name in enumerate(names)
    ]
    holder: dict[tuple[int, int, int], tuple[int, int]] = {}  # which turn a flag stands for
    former: dict[tuple[int, int], tuple[int, int]] = {}  # and for which one it did before that
    clock = np.zeros((steps.cores, steps.cores), np.int32)
    barrier = -1
    for position, step in enumerate(order):
        core = core_of[step]
        if op[step] == WAIT:
            mine = a[step], copy_of[step]
            if (before := former.get(mine, mine))[0] != mine[0] and turns[before].waiter != core:
                _apart(turns[before], clock[core], mine[0], before[0], step, places)
            np.maximum(clock[core], promised.clock[a[step], b[step]], out=clock[core])
        elif op[step] == BARRIER and a[step] != barrier:
            barrier = a[step]
            join_barrier(clock, steps, list(order[position : position + steps.cores]))
        elif op[step] == SIGNAL and (name := flag[a[step]]) is not None and not endless[step]:
            mine = a[step], copy_of[step]
            clock[core, core] = step - ptr[core] + 1
            turn = turns[mine]
            known = int(clock[core, turn.waiter])
            turn.signals.append((known, b[step], step))
            turn.last[core] = known, step
            if (before := holder.get(name, mine)) != mine:
                former[mine] = before
            holder[name] = mine
            if (before := former.get(mine, mine))[0] != mine[0]:
                _apart(turns[before], clock[core], mine[0], before[0], step, places)


def _apart(turn: _Turn, clock: Clock, event: int, other: int, step: int, places: Occurrences) -> None:
    """Raise unless all waits of a turn have happened before a step of another event."""
    position, _, wait = turn.waits[-1]
    if clock[turn.waiter] <= position:
        raise FlagReuseError(
            f"events {other} and {event} are one flag, and {places.step(step)} may come before the other one "
            "is over",
            span=places.span(step),
            label=f"is of event {event}",
            related=(Note(places.span(wait), f"{places.step(wait)} waits for event {other}"),),
        )


def _hold(event: int, turns: Sequence[_Turn], maximum: int, places: Occurrences) -> None:
    """Raise unless what can be pending of a flag is at most its maximum. It is looked at from the first
    copy: what is pending there is what can be in any iteration."""
    signals = sorted(signal for turn in turns for signal in turn.signals)
    upto = [0, *accumulate(amount for _, amount, _ in signals)]
    taken = 0
    for position, after, wait in turns[0].waits:
        come = bisect_right(signals, position, key=lambda signal: signal[0])
        if (pending := upto[come] - taken) > maximum:
            raise _too_many(
                f"{pending} signals of event {event}", wait, signals[come - 1][2], maximum, places
            )
        taken = after


def _keep_up(event: int, turns: Sequence[_Turn], most: int, maximum: int, places: Occurrences) -> None:
    """Raise unless no core can signal on and on: in the last copy it knows that the first one is over."""
    if most * sum(amount for _, amount, _ in turns[0].signals) <= maximum:
        return
    position, _, wait = turns[0].waits[-1]
    for known, signal in turns[-1].last.values():
        if known <= position:
            raise _too_many(f"any number of signals of event {event}", wait, signal, maximum, places)


def _too_many(what: str, wait: int, signal: int, maximum: int, places: Occurrences) -> ScheduleCapacityError:
    return ScheduleCapacityError(
        f"{what} can be pending before {places.step(wait)}, and its flag holds {maximum}",
        span=places.span(wait),
        label="takes them away",
        related=(Note(places.span(signal), f"{places.step(signal)} need not wait for that"),),
        hints=("let a wait lie between, or use a counter",),
    )
