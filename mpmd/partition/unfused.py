"""Launches: a graph cut up as a program would be that makes one launch for each call in its source.

In:  a `TaskGraph`. Out: `Launch`es, in an order that keeps all dependences between them.
Not here: the graph of a launch (`subset.py`), its schedule, what lies between launches (`schedule.unfused`).

A launch takes all instances of one call in the source, whatever pieces they are for, that can run by then:
what they need has been run, or is in the launch itself. So calls in one body over tiles become launches one
after the other (loop distribution: Allen and Kennedy 1987), except where a tile needs what another tile's
later call has made. The first instance in program order that has not been run decides whose turn it is; a
call in an unrolled Python loop makes as many launches as its iterations need. All this favours what runs
unfused.

Calls that channels join are one launch together, as is what one drain gives out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

import numpy as np

from mpmd.errors import LanguageError, Note, Span
from mpmd.partition.graph import IntColumn, Phase, TaskGraph, column

_Calls = tuple[tuple[Span, str], ...]
"""What a launch is for: the calls in the source and their tasks' names."""


@dataclass(frozen=True, eq=False)
class Launch:
    """Tasks, ascending, that run together; `phase` numbers that of the graph which they are in."""

    phase: int
    tasks: IntColumn


def launches(graph: TaskGraph) -> tuple[Launch, ...]:
    """All tasks of a graph in launches, phase by phase; those of a loop's body are one iteration's."""
    units = _units(graph)
    calls = _calls_of(graph, units)
    needs = _needs(graph, units)
    return tuple(
        Launch(number, column(sorted(task for unit in taken for task in units.tasks[unit])))
        for number, phase in enumerate(graph.phases)
        for taken in _in_turns(graph, phase, units, calls, needs)
    )


@dataclass(frozen=True, slots=True)
class _Units:
    """What runs in one launch in any case: a gang, a drain, or a task. By first task."""

    tasks: Sequence[Sequence[int]]
    of_task: Sequence[int]


def _units(graph: TaskGraph) -> _Units:
    known: dict[tuple[str, int], int] = {}
    tasks: list[list[int]] = []
    of_task: list[int] = []
    for task, (gang, drain) in enumerate(zip(graph.gang.tolist(), graph.drain.tolist(), strict=True)):
        key = ("gang", gang) if gang >= 0 else ("drain", drain) if drain >= 0 else ("task", task)
        unit = known.setdefault(key, len(tasks))
        if unit == len(tasks):
            tasks.append([])
        tasks[unit].append(task)
        of_task.append(unit)
    return _Units(tasks, of_task)


def _calls_of(graph: TaskGraph, units: _Units) -> list[_Calls]:
    of_site = [(site.call.span, site.call.task.name) for site in graph.sites]
    site = graph.site.tolist()
    shared: dict[tuple[int, ...], _Calls] = {}
    found: list[_Calls] = []
    for tasks in units.tasks:
        sites = tuple(dict.fromkeys(site[task] for task in tasks))
        if sites not in shared:
            shared[sites] = tuple(sorted({of_site[number] for number in sites}))
        found.append(shared[sites])
    return found


@dataclass(slots=True)
class _Needs:
    """What units wait for: per need how many units must run before, and whom it then lets go on."""

    before: list[int] = field(default_factory=list)
    after: list[Sequence[int]] = field(default_factory=list)
    of_unit: dict[int, list[int]] = field(default_factory=dict)  # the needs that count a unit
    open: dict[int, int] = field(default_factory=dict)  # per unit, how many needs are not met

    def add(self, producers: Sequence[int], consumers: Sequence[int]) -> None:
        number = len(self.before)
        self.before.append(len(producers))
        self.after.append(consumers)
        for unit in producers:
            self.of_unit.setdefault(unit, []).append(number)
        for unit in consumers:
            self.open[unit] = self.open.get(unit, 0) + 1

    def run(self, unit: int) -> Iterator[int]:
        """The units that can run now that this one has."""
        for number in self.of_unit.get(unit, ()):
            self.before[number] -= 1
            if self.before[number]:
                continue
            for other in self.after[number]:
                self.open[other] -= 1
                if not self.open[other]:
                    yield other


def _needs(graph: TaskGraph, units: _Units) -> _Needs:
    """Dependences within an iteration; what is carried to the next one is kept by the order of launches."""
    needs = _Needs()
    deps = graph.deps
    for dep in np.flatnonzero(deps.distance == 0).tolist():
        producers = {units.of_task[task] for task in deps.producers_of(dep).tolist()}
        consumers = {units.of_task[task] for task in deps.consumers_of(dep).tolist()}
        for both in sorted(producers & consumers):  # what happens within it is its own affair
            if len(producers) > 1:
                needs.add(sorted(producers - {both}), [both])
        if producers and consumers - producers:
            needs.add(sorted(producers), sorted(consumers - producers))
    return needs


def _in_turns(
    graph: TaskGraph, phase: Phase, units: _Units, calls: Sequence[_Calls], needs: _Needs
) -> Iterator[list[int]]:
    """The units of each launch of a phase."""
    own = list(dict.fromkeys(units.of_task[phase.first : phase.end]))
    ready = [unit for unit in own if not needs.open.get(unit)]
    heapify(ready)
    waiting: dict[_Calls, list[int]] = {}  # those that can run, by their calls
    for unit in ready:
        waiting.setdefault(calls[unit], []).append(unit)
    done: set[int] = set()
    while ready:
        first = heappop(ready)
        if first in done:
            continue
        taken: list[int] = []
        group = waiting[calls[first]]
        while group:  # it grows while what is in it lets others run
            taken.append(group.pop())
            for unit in needs.run(taken[-1]):
                waiting.setdefault(calls[unit], []).append(unit)
                heappush(ready, unit)
        done.update(taken)
        yield taken
    if len(done) < len(own):
        raise _entangled(graph, units, next(unit for unit in own if unit not in done))


def _entangled(graph: TaskGraph, units: _Units, unit: int) -> LanguageError:
    first, last = (graph.sites[graph.site[units.tasks[unit][at]]].call for at in (0, -1))
    return LanguageError(
        f"'{first.task.name}' and '{last.task.name}' run at the same time, but another call has to come "
        "between them",
        span=first.span,
        label="needs what comes after it",
        related=(Note(last.span, "the other end"),),
        hints=("call what they need before both of them",),
    )
