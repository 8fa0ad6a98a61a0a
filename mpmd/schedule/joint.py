"""Placement of phases in which some tasks belong together or have a place already.

In:  the `TaskGraph` and the `Problem` of one phase, a policy, what is drained. Out: a `Placement`.
Not here: phases without gangs, drains, pins or `near` (`order.py`, whose policies are richer).

Nodes (a task, a gang, a drain) are placed one after the other, in an order that respects the
dependences, each at the end of what its cores do already. So all cores come to the gangs in one order,
and a gang that one member has reached will be reached by all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heapreplace

import numpy as np

from mpmd.errors import PlacementError
from mpmd.machine import Machine
from mpmd.partition.graph import TaskGraph
from mpmd.schedule.links import levels, ranks, rows
from mpmd.schedule.nodes import Node, Nodes, contract
from mpmd.schedule.order import Drained, Placement, placement
from mpmd.schedule.policies import dealt
from mpmd.schedule.problem import NOWHERE, SEVERAL, Problem

DEALT = ("round_robin", "zigzag")
"""Policies that deal tasks out in program order."""


def needed(graph: TaskGraph) -> bool:
    """Whether a phase has anything by hand that asks for this."""
    return any(bool((column >= 0).any()) for column in (graph.gang, graph.drain, graph.pin, graph.near))


def place(
    graph: TaskGraph,
    machine: Machine,
    policy: str,
    given: Problem,
    drains: list[list[int]],
    makers: Mapping[int, int],
) -> Placement:
    """Every task on a core, or in a drain. `makers` are the cores that wrote tensors before the phase."""
    nodes = contract(graph, drains, machine.cores)
    state = _State(graph, machine, given, nodes, makers)
    level = levels(nodes.links)
    deal = dealt(given, graph.site, turning=policy == "zigzag") if policy in DEALT else None
    current = 0
    for node in _sequence(nodes, policy, given.weight, machine.cores):
        if policy == "wave" and level[node] != current:
            current = level[node]
            state.meet()
        state.put(node, deal)
    wave = np.zeros(len(state.core), np.int64)
    if policy == "wave":
        for node, units in enumerate(state.units):
            wave[units] = level[node]
    return placement(state.core, state.start, state.finish, state.sequence, wave, tuple(state.drains))


def _sequence(nodes: Nodes, policy: str, seconds: Sequence[float], cores: int) -> list[int]:
    """The nodes in the order in which they are placed. Each precedes what depends on it."""
    everyone = list(range(len(nodes.nodes)))
    if policy in DEALT:
        return everyone
    if policy == "wave":
        level = levels(nodes.links)
        return sorted(everyone, key=lambda node: level[node])
    rank = ranks(nodes.links, [_weight(node, seconds, cores) for node in nodes.nodes])
    return sorted(everyone, key=lambda node: -rank[node])


def _weight(node: Node, seconds: Sequence[float], cores: int) -> float:
    each = [seconds[task] for task in node.tasks]
    return sum(each) / cores if node.drain else max(each)


class _State:
    """What has been placed so far: the cores' times, and where the data of each dependence is."""

    def __init__(
        self, graph: TaskGraph, machine: Machine, given: Problem, nodes: Nodes, makers: Mapping[int, int]
    ) -> None:
        self.graph, self.nodes, self.links = graph, nodes.nodes, nodes.links
        self.latency = machine.latency
        self.ticket = machine.ticket_seconds
        self.pin = nodes.pin
        self.near = graph.near.tolist()
        self.given = given
        self.cores = {able: given.cores_of_all(able) for able in set(given.able)}
        # results; units beyond the tasks are parts of drains
        self.core = [NOWHERE] * len(graph)
        self.start, self.finish = [0.0] * len(graph), [0.0] * len(graph)
        self.sequence: list[int] = []
        self.units: list[list[int]] = [[] for _ in nodes.nodes]
        self.drains: list[Drained] = []
        # cores and dependences
        self.free = [0.0] * machine.cores
        self.home = [NOWHERE] * len(nodes.links.producers)
        self.made = [0.0] * len(nodes.links.producers)
        self.maker = dict(makers)  # of each tensor: the core of its latest writer
        written = (graph.access_mode & 2) > 0
        task = np.repeat(np.arange(len(graph)), np.diff(graph.access_ptr))[written]
        ends = np.cumsum(np.bincount(task, minlength=len(graph)))
        self.writes = rows(graph.access_tensor[written].tolist(), [0, *ends.tolist()])

    def meet(self) -> None:
        """A barrier."""
        self.free = [max(self.free) + self.latency] * len(self.free)

    def put(self, node: int, deal: list[int] | None) -> None:
        """Place a node on the cores where it ends first, or (with `deal`) on those it is dealt."""
        tasks = self.nodes[node].tasks
        if self.nodes[node].drain:
            units = self._drain(node)
        elif len(tasks) == 1:
            units = self._one(node, self._candidates(tasks[0], deal))
        else:
            units = self._gang(node, deal)
        self.units[node] = units
        self.sequence += units
        self._learn(node, units)

    # -- one task ----------------------------------------------------------------------------

    def _candidates(self, task: int, deal: list[int] | None) -> Sequence[int]:
        if self.pin[task] >= 0:
            return (self.pin[task],)
        able = self._able(task)
        near = self.maker.get(self.near[task], NOWHERE)
        if near in able:
            return (near,)
        return able if deal is None else (deal[task],)

    def _common(self, tasks: Sequence[int]) -> list[int]:
        """The cores that can do all of the tasks."""
        sets = [self.cores[able] for able in {self.given.able[task] for task in tasks}]
        return [core for core in range(len(self.free)) if all(core in cores for cores in sets)]

    def _able(self, task: int) -> Sequence[int]:
        """The cores that can do a task."""
        return self.cores[self.given.able[task]]

    def _one(self, node: int, cores: Sequence[int]) -> list[int]:
        (task,) = self.nodes[node].tasks
        best = min(cores, key=lambda c: (self._begin(node, c) + self._seconds(task, c), c))
        self._run(task, best, self._begin(node, best))
        return [task]

    def _begin(self, node: int, core: int) -> float:
        """When `core` is free and knows that all inputs of a node are there."""
        begin = self.free[core]
        for dep in self.links.consumed[node]:
            known = self.made[dep] + (0.0 if self.home[dep] in (core, NOWHERE) else self.latency)
            begin = max(begin, known)
        return begin

    def _seconds(self, task: int, core: int) -> float:
        given = self.given
        kind = given.kind[core]
        moving = given.memory[kind][task]
        for dep, size in given.flows[task]:
            moving += size * (given.near[kind] if self.home[dep] == core else given.away)
        return max(moving, given.compute[kind][task]) + given.task_seconds[kind]

    def _run(self, task: int, core: int, begin: float) -> None:
        self.core[task] = core
        self.start[task] = begin
        self.finish[task] = self.free[core] = begin + self._seconds(task, core)

    # -- several at once ---------------------------------------------------------------------

    def _gang(self, node: int, deal: list[int] | None) -> list[int]:
        """All members on cores of their own, which are then busy until the last of them ends."""
        members = list(self.nodes[node].tasks)
        pins = [self.pin[t] for t in members]
        together = len(set(pins)) == 1 and pins[0] >= 0
        cores = [] if together else self._team(node, members, pins, deal)
        if not cores:
            return self._gang_on_one(node, members, deal)
        begin = max(self._begin(node, core) for core in cores)
        for task, core in zip(members, cores, strict=True):
            self._run(task, core, begin)
        end = max(self.finish[task] for task in members)
        for core in cores:
            self.free[core] = end
        return members

    def _gang_on_one(self, node: int, members: list[int], deal: list[int] | None) -> list[int]:
        pin = max(self.pin[t] for t in members)
        common = self._common(members)
        if not common:
            raise self._no_cores(members)
        dealt_to = common if deal is None else [deal[members[0]]]
        best = min([pin] if pin >= 0 else dealt_to, key=lambda c: (self._begin(node, c), c))
        begin = self._begin(node, best)
        for task in members:
            self._run(task, best, begin)
            begin = self.finish[task]
        return members

    def _team(self, node: int, members: list[int], pins: list[int], deal: list[int] | None) -> list[int]:
        """Neighbouring cores, always in the same teams: every other pair of cores needs a ring of its own.

        Members that are pinned have their cores; then the others take those that are free first. The same
        where there are too few cores of the kinds that are best for the members. None if that fails, too.
        """
        teams = self._teams(members) if max(pins) < 0 else []
        if teams and deal is not None:
            return teams[deal[members[0]] % len(teams)]
        if teams:
            return min(teams, key=lambda team: max(self._begin(node, core) for core in team))
        left = sorted(set(range(len(self.free))) - set(pins), key=lambda c: (self._begin(node, c), c))
        team: list[int] = []
        for task, pin in zip(members, pins, strict=True):
            core = pin if pin >= 0 else next((c for c in left if c in self._able(task)), NOWHERE)
            if core == NOWHERE:
                return []
            team.append(core)
            left = [c for c in left if c != core]
        return team

    def _teams(self, members: list[int]) -> list[list[int]]:
        """Cores for the members, of each kind so many as it is best for, next to each other."""
        given = self.given
        kinds = [min(given.able[t], key=lambda kind: (given.away_seconds(t, kind), kind)) for t in members]
        count = min(len(given.cores_of(kind)) // kinds.count(kind) for kind in set(kinds))
        teams: list[list[int]] = []
        for number in range(count):
            left = {kind: iter(given.cores_of(kind)[number * kinds.count(kind) :]) for kind in set(kinds)}
            teams.append([next(left[kind]) for kind in kinds])
        return teams

    def _no_cores(self, members: list[int]) -> PlacementError:
        names = ", ".join(self.graph.task_name(task) for task in members)
        return PlacementError(
            f"{names} are joined by channels; there are not enough cores that can do them",
            span=self.graph.sites[self.graph.site[members[-1]]].call.span,
            label="runs at the same time as the others",
            hints=("give it more cores of the kinds that it needs, or ask for no kind with 'on'",),
        )

    def _drain(self, node: int) -> list[int]:
        """Tickets go to whichever core comes first; large tasks stand first, so that small ones fill up."""
        items = sorted(self.nodes[node].tasks, key=lambda t: -self.given.weight[t])
        by_time = sorted(self._common(items), key=lambda c: (self._begin(node, c), c))
        cores = sorted(by_time[: len(items)])
        begins = [self._begin(node, core) for core in cores]
        clock = [(begin, core) for begin, core in zip(begins, cores, strict=True)]
        heapify(clock)
        for task in items:
            now, core = clock[0]
            self.start[task] = now + self.ticket
            self.finish[task] = self.start[task] + self._seconds(task, core)
            heapreplace(clock, (self.finish[task], core))
        end = {core: now for now, core in clock}
        first = len(self.core)
        parts = list(range(first, first + len(cores)))
        for core, begin in zip(cores, begins, strict=True):
            self.core.append(core)
            self.start.append(begin)
            self.finish.append(end[core] + self.ticket)
            self.free[core] = self.finish[-1]
        self.drains.append(Drained(tuple(items), tuple(parts)))
        return parts

    # -- what follows ------------------------------------------------------------------------

    def _learn(self, node: int, units: list[int]) -> None:
        cores = {self.core[unit] for unit in units}
        end = max(self.finish[unit] for unit in units)
        core = min(cores) if len(cores) == 1 else SEVERAL
        for dep in self.links.produced[node]:
            self.home[dep] = core if self.home[dep] in (NOWHERE, core) else SEVERAL
            self.made[dep] = max(self.made[dep], end)
        for task in self.nodes[node].tasks:
            for tensor in self.writes[task]:
                self.maker[tensor] = self.core[task]
