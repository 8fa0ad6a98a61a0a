"""What a schedule with loops guarantees, found by playing its steps over a few iterations.

In:  a `Schedule` (small). Out: which runs precede which in all executions; copies that lack one sync.
Nothing is shared with what makes schedules: counters are played as the step's description says.

A run surely precedes another if the other cannot be reached while the first one's core stands still
before it. Counters only grow, so how far each core gets does not depend on who goes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from mpmd.partition.graph import Phase
from mpmd.schedule.steps import Schedule, StepOp

ITERATIONS = 4

Run = tuple[int, int]
"""A task and its iteration (0 in straight code)."""

Body = list[list[tuple[StepOp, int, int]]]
"""Per core its steps: op, a, b."""


def body_of(schedule: Schedule) -> Body:
    return [[(s.op, s.a, s.b) for s in schedule.steps(core)] for core in range(schedule.cores)]


@dataclass(frozen=True)
class _Step:
    """`key` is the run, drain or barrier in its iteration, or the event; `count` its amount or threshold."""

    op: StepOp
    key: tuple[int, ...]
    count: int = 0


@dataclass
class Play:
    """All iterations of a body, for the schedule that it is of (or was before something was removed)."""

    schedule: Schedule
    body: Body

    @cached_property
    def steps(self) -> list[list[_Step]]:
        totals: dict[int, int] = {}
        for row in self.body:
            for op, event, amount in row:
                if op == StepOp.SIGNAL:
                    totals[event] = totals.get(event, 0) + amount
        return [self._unrolled(row, totals) for row in self.body]

    def _unrolled(self, row: list[tuple[StepOp, int, int]], totals: dict[int, int]) -> list[_Step]:
        loops = [p.loop for p in self.schedule.graph.phases if p.loop is not None]
        steps: list[_Step] = []
        at = 0
        while at < len(row):
            if row[at][0] != StepOp.LOOP:
                steps.append(_step(*row[at], -1, 0, totals))
                at += 1
                continue
            loop, end = row[at][1], at + 1
            while row[end][0] != StepOp.END:
                end += 1
            for iteration in range(ITERATIONS):
                steps += [_step(*s, loop, iteration, totals) for s in row[at + 1 : end]]
                if loops[loop].until is not None:
                    steps.append(_Step(StepOp.BARRIER, (loop, iteration, -1)))
            at = end + 1
        return steps

    def reached(self, stop: tuple[int, int] | None = None, *, meet: bool = False) -> list[int]:
        """How far each core gets while core `stop[0]` stands before its step `stop[1]`.

        With `meet` the runs of a gang on several cores begin together.
        """
        at = [0] * len(self.steps)
        counter: dict[int, int] = {}
        moved = True
        while moved:
            moved = False
            for core, row in enumerate(self.steps):
                while at[core] < len(row) and (core, at[core]) != stop:
                    step = row[at[core]]
                    if step.op == StepOp.WAIT and counter.get(step.key[0], 0) < step.count:
                        break
                    meets = step.op == StepOp.BARRIER or (meet and step.op == StepOp.RUN)
                    if meets and not self._together(step, at, stop):
                        break
                    if step.op == StepOp.SIGNAL:
                        counter[step.key[0]] = counter.get(step.key[0], 0) + step.count
                    at[core] += 1
                    moved = True
        return at

    def _together(self, step: _Step, at: list[int], stop: tuple[int, int] | None) -> bool:
        """Whether all whom a step has to meet stand before theirs, or are past it."""
        for core, row in enumerate(self.steps):
            for position in self._partners(step, core):
                if at[core] < position or ((core, position) == stop and at[core] == position):
                    return False
            if step.op == StepOp.BARRIER and step not in row:
                return False
        return True

    def _partners(self, step: _Step, core: int) -> list[int]:
        if step.op == StepOp.BARRIER:
            return [i for i, other in enumerate(self.steps[core]) if other == step]
        gang = int(self.schedule.graph.gang[step.key[0]])
        mine = int(self.schedule.core[step.key[0]])
        if gang < 0 or mine == core:
            return []
        return [
            i
            for i, other in enumerate(self.steps[core])
            if other.op == StepOp.RUN
            and self.schedule.graph.gang[other.key[0]] == gang
            and other.key[1] == step.key[1]
        ]

    @property
    def ends(self) -> bool:
        """Whether every core comes to its end."""
        return self.reached(meet=True) == [len(row) for row in self.steps]

    @cached_property
    def places(self) -> dict[Run, list[tuple[int, int]]]:
        """Of each run the (core, step) where it may happen: all DRAIN steps for a drained task."""
        found: dict[Run, list[tuple[int, int]]] = {}
        for core, row in enumerate(self.steps):
            for i, step in enumerate(row):
                if step.op == StepOp.RUN:
                    found.setdefault((step.key[0], step.key[1]), []).append((core, i))
                if step.op == StepOp.DRAIN:
                    for task in self.schedule.drains[step.key[0]].tasks:
                        found.setdefault((task, step.key[1]), []).append((core, i))
        return found

    @cached_property
    def before(self) -> set[tuple[Run, Run]]:
        """All (u, v) such that u has ended before v begins, in all executions."""
        found: set[tuple[Run, Run]] = set()
        reached = {place: self.reached(place) for places in self.places.values() for place in places}
        for u, stops in self.places.items():
            for v, starts in self.places.items():
                held = all(
                    reached[stop][core] < at for stop in stops for core, at in starts if (core, at) != stop
                )
                if held and not set(stops) & set(starts):
                    found.add((u, v))
        return found


def _step(op: StepOp, a: int, b: int, loop: int, iteration: int, totals: dict[int, int]) -> _Step:
    if op in (StepOp.RUN, StepOp.DRAIN):
        return _Step(op, (a, iteration))
    if op == StepOp.BARRIER:
        return _Step(op, (loop, iteration, a))
    if op == StepOp.WAIT:
        return _Step(op, (a,), iteration * totals.get(a, 0) + b)
    return _Step(op, (a,), b)


# -- what has to be ordered -----------------------------------------------------------------


def runs(schedule: Schedule) -> list[Run]:
    """All runs in program order."""
    return [
        (task, iteration)
        for phase in schedule.graph.phases
        for iteration in range(ITERATIONS if phase.loop is not None else 1)
        for task in range(phase.first, phase.end)
    ]


def conflicting(schedule: Schedule) -> set[tuple[Run, Run]]:
    """All pairs, in program order, that touch one byte of one tensor, one of them writing."""
    accesses = [_accesses(schedule, task) for task in range(len(schedule.graph))]
    order = runs(schedule)
    return {
        (u, v)
        for i, u in enumerate(order)
        for v in order[i + 1 :]
        for tensor, _, mode, lo, hi in accesses[u[0]]
        for other, _, how, a, b in accesses[v[0]]
        if tensor == other and (mode | how) & 2 and lo < b and a < hi
    }


def out_of_turn(play: Play) -> set[tuple[int, int]]:
    """Tensors that share bytes of the arena, of which neither is done with before the other is begun.

    In one iteration, and in straight code, all that conflicts has to go the same way; else just some way.
    """
    accesses = [_accesses(play.schedule, task) for task in range(len(play.schedule.graph))]
    ways: dict[tuple[int, int, int], set[bool]] = {}
    wrong: set[tuple[int, int]] = set()
    order = runs(play.schedule)
    for u, v in ((u, v) for u in order for v in order if u != v):
        for one, other in _sharing(accesses[u[0]], accesses[v[0]]):
            if (u, v) not in play.before and (v, u) not in play.before:
                wrong.add((one, other))
            if u[1] == v[1]:
                ways.setdefault((one, other, u[1]), set()).add((u, v) in play.before)
    return wrong | {(one, other) for (one, other, _), found in ways.items() if len(found) > 1}


Access = tuple[int, int, int, int, int]
"""Tensor, its place in the arena (−1 for an argument), mode, first and end byte within it."""


def _sharing(mine: list[Access], theirs: list[Access]) -> set[tuple[int, int]]:
    """Two tensors, the lower first, of which two tasks touch common bytes of the arena."""
    return {
        (one, other)
        for one, here, mode, lo, hi in mine
        for other, there, how, a, b in theirs
        if one < other and min(here, there) >= 0 and (mode | how) & 2
        if here + lo < there + b and there + a < here + hi
    }


def _accesses(schedule: Schedule, task: int) -> list[Access]:
    g = schedule.graph
    return [
        (
            int(g.access_tensor[k]),
            int(schedule.memory.offset[g.access_tensor[k]]),
            int(g.access_mode[k]),
            int(g.access_lo[k]),
            int(g.access_hi[k]),
        )
        for k in range(int(g.access_ptr[task]), int(g.access_ptr[task + 1]))
    ]


def dependent(schedule: Schedule) -> set[tuple[Run, Run]]:
    """All pairs that the schedule's dependences order, and those that phases and closing barriers do."""
    found: set[tuple[Run, Run]] = set()
    deps = schedule.deps
    for phase in schedule.graph.phases:
        for d in range(len(deps)):
            distance = int(deps.distance[d])
            pairs = {(int(u), int(v)) for u in deps.producers_of(d) for v in deps.consumers_of(d)}
            inside = {(u, v) for u, v in pairs if phase.first <= u < phase.end}
            last = ITERATIONS if phase.loop is not None else 1
            found |= {((u, i), (v, i + distance)) for u, v in inside for i in range(last - distance)}
    return found


def all_in_turn(schedule: Schedule) -> set[tuple[Run, Run]]:
    """All pairs of different phases, and of different iterations where these end with a barrier."""
    graph = schedule.graph

    def turn(run: Run) -> tuple[int, int]:
        number = next(i for i, p in enumerate(graph.phases) if p.first <= run[0] < p.end)
        return number, run[1] if _meets(graph.phases[number]) else 0

    order = runs(schedule)
    return {(u, v) for u in order for v in order if turn(u) < turn(v)}


def _meets(phase: Phase) -> bool:
    return phase.loop is not None and phase.loop.until is not None


# -- copies with less sync ------------------------------------------------------------------


def lessened(body: Body) -> list[tuple[str, Body]]:
    """Every removal of one wait (with its event, if it was the only one) and of one signal."""
    found = []
    for event in sorted({a for row in body for op, a, _ in row if op == StepOp.WAIT}):
        places = [(c, i, s) for c, row in enumerate(body) for i, s in enumerate(row) if s[1] == event]
        waits = [(c, i) for c, i, s in places if s[0] == StepOp.WAIT]
        signals = [(c, i) for c, i, s in places if s[0] == StepOp.SIGNAL]
        for wait in waits:
            gone = {wait} | (set(signals) if len(waits) == 1 else set())
            found.append((f"wait {event} of core {wait[0]}", _without(body, gone)))
        for core, at in signals:
            fewer = _without(body, {(core, at)})
            lowered = [
                [(op, a, b - 1 if (op, a) == (StepOp.WAIT, event) and b > 0 else b) for op, a, b in row]
                for row in fewer
            ]
            found.append((f"signal {event} of core {core}", lowered))
    return found


def _without(body: Body, gone: set[tuple[int, int]]) -> Body:
    return [[s for i, s in enumerate(row) if (c, i) not in gone] for c, row in enumerate(body)]
