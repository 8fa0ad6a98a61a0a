"""Launches: a graph cut up as a program would be that makes one launch for each call in its source.

In:  a `TaskGraph`. Out: `Launch`es, in an order that keeps all dependences between them.
Not here: the graph of a launch (`subset.py`), its schedule, what lies between launches (`schedule.unfused`).

A launch takes all instances of one call in the source, whatever pieces they are for, that can run by then
and do not need each other. So calls in one body over tiles become launches one after the other (loop
distribution: Allen and Kennedy 1987), except where a tile needs what another tile's later call has made.
Pieces of one call that update the same elements in turn, as those of a sum do, are one launch, as they would
be one loop in a kernel for it. The first instance in program order that has not been run decides whose turn
it is; a call in an unrolled Python loop makes as many launches as its iterations need. Where this leaves a
choice it favours what runs unfused.

Calls that channels join are one launch together, with whatever has to come between them; what one drain
gives out is one launch.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

import numpy as np

from mpmd.errors import Span
from mpmd.partition.graph import DepKind, IntColumn, Phase, TaskGraph, column

READS_AND_WRITES = 3

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
    return _launches(graph, units) or _launches(graph, _untangled(graph, units)) or ()


def _launches(graph: TaskGraph, units: _Units) -> tuple[Launch, ...] | None:
    """The launches, or None where a unit needs what in turn needs that unit."""
    calls = _calls_of(graph, units)
    needs = _needs(graph, units)
    found = [
        Launch(number, column(sorted(task for unit in taken for task in units.tasks[unit])))
        for number, phase in enumerate(graph.phases)
        for taken in _in_turns(phase, units, calls, needs)
    ]
    return tuple(found) if sum(len(launch.tasks) for launch in found) == len(graph) else None


@dataclass(frozen=True, slots=True)
class _Units:
    """What runs in one launch in any case: a gang, a drain, or a task. By first task."""

    tasks: Sequence[Sequence[int]]
    of_task: Sequence[int]


def _units(graph: TaskGraph) -> _Units:
    gangs, drains = graph.gang.tolist(), graph.drain.tolist()
    return _grouped(
        ("gang", gang) if gang >= 0 else ("drain", drain) if drain >= 0 else ("task", task)
        for task, (gang, drain) in enumerate(zip(gangs, drains, strict=True))
    )


def _grouped(keys: Iterable[Hashable]) -> _Units:
    """Units from the key of each task."""
    known: dict[Hashable, int] = {}
    tasks: list[list[int]] = []
    of_task: list[int] = []
    for task, key in enumerate(keys):
        unit = known.setdefault(key, len(tasks))
        if unit == len(tasks):
            tasks.append([])
        tasks[unit].append(task)
        of_task.append(unit)
    return _Units(tasks, of_task)


def _untangled(graph: TaskGraph, units: _Units) -> _Units:
    """Units that lie on a way back to themselves as one, with what is on that way."""
    import networkx  # takes longer to load than all of this package, and hardly any program comes here

    ways: networkx.DiGraph[int | str] = networkx.DiGraph()
    ways.add_nodes_from(range(len(units.tasks)))
    for dep in np.flatnonzero(graph.deps.distance == 0).tolist():
        ways.add_edges_from((units.of_task[t], f"dep {dep}") for t in graph.deps.producers_of(dep).tolist())
        ways.add_edges_from((f"dep {dep}", units.of_task[t]) for t in graph.deps.consumers_of(dep).tolist())
    found = networkx.strongly_connected_components(ways)
    together = {unit: min(u for u in part if isinstance(u, int)) for part in found for unit in part
                if isinstance(unit, int)}  # fmt: skip
    return _grouped(together[unit] for unit in units.of_task)


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
    joining: list[frozenset[int]] = field(default_factory=list)  # of those, who may be in the same launch
    of_unit: dict[int, list[int]] = field(default_factory=dict)  # the needs that count a unit
    open: dict[int, int] = field(default_factory=dict)  # per unit, how many needs are not met

    def add(self, producers: Sequence[int], consumers: Sequence[int], joining: frozenset[int]) -> None:
        number = len(self.before)
        self.before.append(len(producers))
        self.after.append(consumers)
        self.joining.append(joining)
        for unit in producers:
            self.of_unit.setdefault(unit, []).append(number)
        for unit in consumers:
            self.open[unit] = self.open.get(unit, 0) + 1

    def met_by(self, unit: int) -> Iterator[tuple[int, bool]]:
        """Whom the run of this unit brings nearer to its own: a need is met, and whether both may be in one
        launch as far as it goes."""
        for number in self.of_unit.get(unit, ()):
            self.before[number] -= 1
            if not self.before[number]:
                for other in self.after[number]:
                    self.open[other] -= 1
                    yield other, other in self.joining[number]


def _needs(graph: TaskGraph, units: _Units) -> _Needs:
    """Dependences within an iteration; what is carried to the next one is kept by the order of launches."""
    needs = _Needs()
    deps = graph.deps
    updates = _Updates.of(graph)
    for dep in np.flatnonzero(deps.distance == 0).tolist():
        before, after = deps.producers_of(dep).tolist(), deps.consumers_of(dep).tolist()
        producers = {units.of_task[task] for task in before}
        consumers = {units.of_task[task] for task in after}
        joining = frozenset(
            units.of_task[task]
            for task in (after if deps.kind[dep] == DepKind.RAW else ())
            if len(units.tasks[units.of_task[task]]) == 1
            and updates.chained(before, task, int(deps.tensor[dep]))
        )
        for both in sorted(producers & consumers):  # what happens within it is its own affair
            if len(producers) > 1:
                needs.add(sorted(producers - {both}), [both], frozenset())
        if producers and consumers - producers:
            needs.add(sorted(producers), sorted(consumers - producers), joining)
    return needs


@dataclass(frozen=True, slots=True)
class _Updates:
    """Which tasks only update a tensor: whatever they read of it they write."""

    call: Sequence[int]  # of each task, by number
    others: frozenset[tuple[int, int]]  # (task, tensor) that is read or written alone

    @staticmethod
    def of(graph: TaskGraph) -> _Updates:
        numbers: dict[int, int] = {}
        of_site = [numbers.setdefault(id(site.call), len(numbers)) for site in graph.sites]
        alone = np.flatnonzero(graph.access_mode != READS_AND_WRITES)
        tasks = np.searchsorted(graph.access_ptr, alone, side="right") - 1
        others = frozenset(zip(tasks.tolist(), graph.access_tensor[alone].tolist(), strict=True))
        return _Updates([of_site[site] for site in graph.site.tolist()], others)

    def chained(self, before: Sequence[int], task: int, tensor: int) -> bool:
        """Whether a task updates what other pieces of its call have updated."""
        return (task, tensor) not in self.others and all(
            self.call[other] == self.call[task] and (other, tensor) not in self.others for other in before
        )


def _in_turns(phase: Phase, units: _Units, calls: Sequence[_Calls], needs: _Needs) -> Iterator[list[int]]:
    """The units of each launch of a phase, as long as there are any that can run."""
    ready = [
        unit for unit in dict.fromkeys(units.of_task[phase.first : phase.end]) if not needs.open.get(unit)
    ]
    heapify(ready)
    waiting: dict[_Calls, list[int]] = {}  # those that can run, by their calls
    for unit in ready:
        waiting.setdefault(calls[unit], []).append(unit)
    done: set[int] = set()
    while ready:
        first = heappop(ready)
        if first in done:
            continue
        taken = waiting.pop(calls[first])
        later: set[int] = set()  # those that need something of this launch
        for unit in taken:  # it grows while what is in it lets others join
            for other, joins in needs.met_by(unit):
                if not joins:
                    later.add(other)
                if needs.open[other]:
                    continue
                heappush(ready, other)
                group = waiting.setdefault(calls[other], []) if other in later else taken
                group.append(other)
        done.update(taken)
        yield taken
