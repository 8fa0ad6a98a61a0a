"""The laws of what an event is made of: whom a word or a flag may join, how many there are, what they hold.

In:  the decoded tables, the `Machine`. Out: nothing; `as_counters` gives tables in which every event counts.
Raises `ScopeError`, `WordSignallerError`, `FlagWaiterError`, `FlagBalanceError`, `ScheduleCapacityError`, or
`MalformedTableError` where an event names no primitive of the machine.
Not here: how much of a flag can be pending, and flags that stand for several events (`flags`); how far
signals can be ahead of waits (`capacity`).

A flag is taken from by one core, and in each turn (a launch, or an iteration of its loop) just as much as is
given. So the k-th wait of a turn ends when the signals of this turn have given what the first k waits take:
it is the wait until that sum on a counter that grows. All later parts see flags as such counters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mpmd.errors import (
    NO_SPAN,
    FlagBalanceError,
    FlagWaiterError,
    Note,
    ScheduleCapacityError,
    ScopeError,
    WordSignallerError,
)
from mpmd.machine import Machine
from mpmd.schedule.proof.decode import SIGNAL, WAIT, Column, Tables, malformed
from mpmd.schedule.proof.witness import Places

_FEWER = "use larger tiles, or barriers"


def check_primitives(tables: Tables, machine: Machine, places: Places) -> None:
    """Raise unless each event may use its primitive."""
    _exist(tables, machine)
    _suffice(tables, machine)
    kinds = np.array([p.kind for p in machine.primitives])[tables.event_primitive]
    narrow = np.array([p.scope == "group" for p in machine.primitives])[tables.event_primitive]
    signals_of, waits_of = (_by_event(tables, op) for op in (SIGNAL, WAIT))
    for event in np.flatnonzero((kinds != "counter") | narrow).tolist():
        signals, waits = signals_of[event], waits_of[event]
        what = f"event {event}, a {machine.primitives[int(tables.event_primitive[event])].name}"
        if kinds[event] == "word" and (two := _on_two_cores(tables, signals)):
            raise WordSignallerError(
                f"{what}, is signalled by two cores",
                span=places.span(two[0]),
                **_told(two, "signals", places),
            )
        if kinds[event] == "flag":
            if two := _on_two_cores(tables, waits):
                raise FlagWaiterError(
                    f"{what}, is waited for by two cores",
                    span=places.span(two[0]),
                    **_told(two, "waits", places),
                )
            _taken_away(tables, what, signals, waits, places)
        if narrow[event]:
            _within_a_group(tables, machine, what, (signals, waits), places)


def is_flag(tables: Tables, machine: Machine) -> Column:
    """Per event, as a mask."""
    flags = np.array([p.kind == "flag" for p in machine.primitives])
    return flags[tables.event_primitive]


def as_counters(tables: Tables, machine: Machine) -> Tables:
    """The same tables with each wait for a flag as a wait for all that was ever taken from it."""
    flag = is_flag(tables, machine)
    if not flag.any():
        return tables
    waits = np.flatnonzero(tables.op == WAIT)
    waits = waits[flag[tables.a[waits]]]
    waits = waits[
        np.argsort(tables.a[waits], kind="stable")
    ]  # by event, then by step, which is its core's order
    taken = np.cumsum(tables.b[waits])
    first = np.searchsorted(tables.a[waits], tables.a[waits])  # of the same event
    b = tables.b.copy()
    b[waits] = taken - taken[first] + tables.b[waits][first]
    return replace(tables, b=b)


def _exist(tables: Tables, machine: Machine) -> None:
    primitive, flag = tables.event_primitive, tables.event_flag
    for bad in np.flatnonzero((primitive < 0) | (primitive >= len(machine.primitives)))[:1].tolist():
        malformed(
            f"event {bad} is of primitive {int(primitive[bad])}, "
            f"'{machine.name}' has {len(machine.primitives)}"
        )
    for bad in np.flatnonzero((flag >= 0) != is_flag(tables, machine))[:1].tolist():
        malformed(f"event {bad} is of primitive {int(primitive[bad])} and has flag {int(flag[bad])}")


def _suffice(tables: Tables, machine: Machine) -> None:
    """Raise unless there are enough, and each holds what one turn signals."""
    for number, primitive in enumerate(machine.primitives):
        events = np.flatnonzero(tables.event_primitive == number)
        needed = (
            int(tables.event_flag[events].max(initial=-1)) + 1 if primitive.kind == "flag" else len(events)
        )
        where = " in a group" if primitive.kind == "flag" else ""
        if needed > primitive.limit:
            raise ScheduleCapacityError(
                f"the schedule needs {needed} {primitive.name}s{where}, "
                f"'{machine.name}' has {primitive.limit}",
                span=NO_SPAN,
                hints=(_FEWER,),
            )
        if primitive.kind == "flag":
            continue
        for large in events[tables.event_total[events] > primitive.maximum][:1].tolist():
            raise ScheduleCapacityError(
                f"event {large} counts to {int(tables.event_total[large])}, a {primitive.name} of "
                f"'{machine.name}' to {primitive.maximum}",
                span=NO_SPAN,
                hints=(_FEWER,),
            )


def _by_event(tables: Tables, op: int) -> list[Column]:
    """Per event its steps with this op."""
    steps = np.flatnonzero(tables.op == op)
    steps = steps[np.argsort(tables.a[steps], kind="stable")]
    return np.split(steps, np.searchsorted(tables.a[steps], np.arange(1, tables.events)))


def _on_two_cores(tables: Tables, steps: Column) -> tuple[int, int] | None:
    """Two of the steps, on different cores, if there are such."""
    core = tables.step_core[steps]
    other = np.flatnonzero(core != core[:1])
    return (int(steps[0]), int(steps[other[0]])) if len(other) else None


def _told(steps: tuple[int, int], verb: str, places: Places) -> dict[str, Any]:
    """Label and note of an error about two steps."""
    one, other = steps
    return {
        "label": f"{places.step(one)} {verb}",
        "related": (Note(places.span(other), f"{places.step(other)} {verb}, too"),),
    }


def _taken_away(tables: Tables, what: str, signals: Column, waits: Column, places: Places) -> None:
    """Raise unless all that is signalled in a turn is taken away in it."""
    given, taken = (int(tables.b[steps].sum()) for steps in (signals, waits))
    idle = waits[tables.b[waits] < 1]
    if not len(signals) or not len(waits) or (given == taken and not len(idle)):
        return  # what lacks one side is no flag's own mistake
    wait, signal = int(idle[0] if len(idle) else waits[-1]), int(signals[-1])
    turn = "a launch" if tables.event_loop[tables.a[wait]] < 0 else "an iteration"
    raise FlagBalanceError(
        f"{turn} takes {taken} from {what}, and signals {given}",
        span=places.span(wait),
        label=f"{places.step(wait)} takes {int(tables.b[wait])}",
        related=(Note(places.span(signal), f"{places.step(signal)} signals {int(tables.b[signal])}"),),
        hints=("what is left over counts in the next one",) if taken < given else (),
    )


def _within_a_group(
    tables: Tables, machine: Machine, what: str, sides: tuple[Column, Column], places: Places
) -> None:
    steps = np.concatenate(sides)
    group = [machine.group_of(core) for core in tables.step_core[steps].tolist()]
    far = [int(step) for step, number in zip(steps, group, strict=True) if number != group[0]]
    if far:
        raise ScopeError(
            f"{what}, joins cores of different groups of {machine.group}",
            span=places.span(int(steps[0])),
            **_told((int(steps[0]), far[0]), "uses it", places),
        )
