"""The events of a simulated launch.

In:  a `Schedule`, a `Machine`, what its tasks need, what is passed over, how slow cores are.
Out: the spans of what the cores do, and when the last of them is done.
Not here: the model, in words (`simulate.py`); its parts (`bandwidth.py`, `counters.py`, `tokens.py`).

A core goes on by itself, ahead of the clock, up to the next thing in which the order among cores matters:
a stream of bytes begins or ends, a signal comes, a ticket is taken. Those are events, in order of time and
then of being planned. A wait looks up when what it wants came, and needs no event if it has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf

import numpy as np

from mpmd.errors import DeadlockError, Note
from mpmd.machine import Machine
from mpmd.schedule.interleave import totals
from mpmd.schedule.simulation.bandwidth import SharedBandwidth
from mpmd.schedule.simulation.counters import Counter, token_rings
from mpmd.schedule.simulation.needs import Needs, Whereabouts
from mpmd.schedule.simulation.passed import Passed
from mpmd.schedule.simulation.tokens import Parts, parts_of
from mpmd.schedule.spans import Spans
from mpmd.schedule.steps import LAUNCH_ENDS, Schedule, StepOp
from mpmd.timeline import SpanKind

_NONE = -1
_PARTLY = -2  # a stream after which more of the same task follows

_ROUNDING = 1e-15
"""Seconds that are no span, but sums in another order."""


_Stream = tuple[SharedBandwidth, int, float]
"""Where from; which task it is fetched ahead for, `_NONE` for the one that runs; how many bytes."""


@dataclass(slots=True)
class _Core:
    """Where a core is, and what it is at."""

    number: int
    kind: int
    at: int  # the step after the one that it is in
    end: int
    step: int = _NONE
    iteration: int = 0
    ends: list[float] = field(default_factory=list)  # when the loop began, and each iteration ended
    met: int = 0  # meetings over in the END where it is
    turns: dict[int, int] = field(default_factory=dict)  # how often it has gone through each drain
    done: float = _NONE
    since: float = 0.0  # when it began to wait
    task: int = _NONE
    begun: float = 0.0  # the span of the run
    worked: float = 0.0  # the part of the run that it is in
    computed: float = 0.0  # when that part will have been computed
    parts: Parts | None = None
    part: int = 0  # how many parts and moves of them are over
    streams: deque[_Stream] = field(default_factory=deque)  # the first one flows
    ahead: dict[int, float] = field(default_factory=dict)  # bytes that were asked for before the task runs


_Action = Callable[[_Core, float], None]
_Step = Callable[[_Core, int, float], "float | None"]
"""Does a step of a core from then on; when it is done, or None if an event will tell."""


class Launch:
    """One launch. `run` plays it; then `spans` has what was played."""

    def __init__(
        self,
        schedule: Schedule,
        machine: Machine,
        needs: Needs,
        passed: Passed,
        slowness: list[list[float]] | None,
        iterations: int,
    ) -> None:
        self._schedule, self._graph = schedule, schedule.graph
        self._needs, self._passed, self._slowness = needs, passed, slowness
        self._site, self._gang = schedule.graph.site.tolist(), schedule.graph.gang.tolist()
        self._op, self._a, self._b = schedule.op.tolist(), schedule.a.tolist(), schedule.b.tolist()
        self._cores = _cores(schedule, machine)
        self._begin, self._ticket = machine.launch_seconds, machine.ticket_seconds
        self._meeting_seconds = (machine.barrier_seconds or machine.latency) if schedule.cores > 1 else 0.0
        self._arrived, self._latest = 0, 0.0
        self._memory = SharedBandwidth(machine.bandwidth, [kind.bandwidth for kind in machine.kinds])
        self._cache = SharedBandwidth(
            machine.shared_cache_bandwidth, [kind.cache_bandwidth for kind in machine.kinds]
        )
        caches = [machine.kinds[core.kind].cache_bytes for core in self._cores]
        self._whereabouts = Whereabouts(needs, len(schedule.graph.deps), caches)
        primitives = [machine.primitives[p] for p in schedule.primitive.tolist()]
        self._counters = [Counter(p.wait_seconds, takes=p.kind == "flag") for p in primitives]
        self._signal_seconds = [primitive.signal_seconds for primitive in primitives]
        self._total = totals(schedule)
        self._taken = [0] * len(schedule.drains)
        self._rings = token_rings(schedule, machine.latency)
        self._parts: dict[int, Parts] = {}
        loops = [phase.loop for phase in schedule.graph.phases if phase.loop is not None]
        self._times = [passed.times(loop) for loop in loops]
        self._meets = [loop.until is not None for loop in loops]
        self._played = [min(times, iterations) for times in self._times]
        self._events: list[tuple[float, int, _Action, _Core]] = []
        self._planned = 0
        self._spans: list[tuple[int, int, int, int, int, float, float]] = []
        self._do: dict[int, _Step] = {
            StepOp.RUN: self._run,
            StepOp.SIGNAL: self._signal,
            StepOp.WAIT: self._wait,
            StepOp.BARRIER: self._barrier,
            StepOp.LOOP: self._loop,
            StepOp.END: self._end,
            StepOp.DRAIN: self._drain,
            StepOp.PREFETCH: self._prefetch,
        }

    @property
    def unseen(self) -> int:
        """Iterations that are not played."""
        return sum(self._times) - sum(self._played)

    def run(self) -> float:
        """The end of the launch."""
        for core in self._cores:
            self._plan(self._begin, self._go, core)
        events, memory, cache = self._events, self._memory, self._cache
        while events or memory.next_end < inf or cache.next_end < inf:
            flowing = memory if memory.next_end <= cache.next_end else cache
            if events and events[0][0] <= flowing.next_end:
                now, _, action, core = heappop(events)
                action(core, now)
            else:
                now = flowing.next_end
                self._streamed(self._cores[flowing.end()], now)
        stuck = [core for core in self._cores if core.done < 0]
        if stuck:
            raise self._stuck(stuck)
        return max(core.done for core in self._cores)

    def spans(self) -> Spans:
        """What the cores did."""
        columns = list(zip(*self._spans, strict=True)) or [()] * 7
        core, kind, what, step, iteration = (np.array(column, np.int64) for column in columns[:5])
        start, finish = (np.array(column, np.float64) for column in columns[5:])
        return Spans(core, kind, what, step, iteration, start, finish)

    # -- the clock ---------------------------------------------------------------------------

    def _plan(self, time: float, action: _Action, core: _Core) -> None:
        self._planned += 1
        heappush(self._events, (time, self._planned, action, core))

    def _go(self, core: _Core, now: float) -> None:
        """Steps, until one takes time that only events will tell."""
        while core.at < core.end:
            at = core.step = core.at
            core.at = at + 1
            then = self._do[self._op[at]](core, at, now)
            if then is None:
                return
            now = then
        core.done = now

    def _span(self, core: _Core, kind: SpanKind, what: int, start: float, finish: float) -> None:
        if finish - start > _ROUNDING:
            self._spans.append((core.number, kind, what, core.step, core.iteration, start, finish))

    def _stuck(self, cores: list[_Core]) -> DeadlockError:
        span = self._graph.program.span
        where = ((core, StepOp(self._op[core.step]).name, self._a[core.step]) for core in cores)
        return DeadlockError(
            f"no core of kernel {self._graph.program.name!r} can go on",
            span=span,
            related=tuple(Note(span, f"core {core.number} stands at {op} {a}") for core, op, a in where),
        )

    # -- sync --------------------------------------------------------------------------------

    def _signal(self, core: _Core, at: int, now: float) -> float:
        event, amount = self._a[at], self._b[at]
        then = now + self._signal_seconds[event]
        self._plan(then, lambda _, came: self._signalled(event, amount, came), core)
        return then

    def _signalled(self, event: int, amount: int, now: float) -> None:
        counter = self._counters[event]
        for number in counter.signal(now, amount):
            core = self._cores[number]
            self._plan(max(core.since, now + counter.seconds), self._woken, core)

    def _wait(self, core: _Core, at: int, now: float) -> float | None:
        event = self._a[at]
        counter = self._counters[event]
        wanted = counter.target(core.iteration * self._total[event], self._b[at])
        seen = counter.seen(wanted)
        if seen is None:
            core.since = now
            counter.wait(wanted, core.number)
            return None
        self._span(core, SpanKind.WAIT, _NONE, now, seen)
        return max(now, seen)

    def _woken(self, core: _Core, now: float) -> None:
        self._span(core, SpanKind.WAIT, _NONE, core.since, now)
        self._go(core, now)

    def _barrier(self, core: _Core, at: int, now: float) -> None:
        """All cores go through all barriers in one order, so they are at one at a time. One that ends a
        launch is the host's, which makes the next one."""
        core.since = now
        self._arrived += 1
        self._latest = max(self._latest, now)
        if self._arrived == len(self._cores):
            ends = self._op[at] == StepOp.BARRIER and self._b[at] == LAUNCH_ENDS
            then = self._latest + (self._begin if ends else self._meeting_seconds)
            self._arrived, self._latest = 0, 0.0
            for other in self._cores:
                self._plan(then, self._met, other)

    def _met(self, core: _Core, now: float) -> None:
        self._span(core, SpanKind.BARRIER, _NONE, core.since, now)
        self._go(core, now)

    # -- loops -------------------------------------------------------------------------------

    def _loop(self, core: _Core, at: int, now: float) -> float:
        core.iteration, core.ends = 0, [now]
        if self._times[self._a[at]] == 0:
            end = (StepOp.END, self._a[at])
            core.at = 1 + next(i for i in range(at, core.end) if (self._op[i], self._a[i]) == end)
        return now

    def _end(self, core: _Core, at: int, now: float) -> float | None:
        """With a flag `until` the cores meet before it is read, and after."""
        loop = self._a[at]
        if self._meets[loop] and core.met < 2:
            core.met += 1
            core.at = at
            return self._barrier(core, at, now)
        core.met = 0
        core.ends.append(now)
        if core.iteration + 1 < self._played[loop]:
            core.iteration += 1
            core.at = at - self._b[at]
            return now
        core.iteration = 0
        return now + (self._times[loop] - self._played[loop]) * _later_half(core.ends)

    # -- tasks -------------------------------------------------------------------------------

    def _run(self, core: _Core, at: int, now: float) -> None:
        self._start(core, self._a[at], now)

    def _start(self, core: _Core, task: int, now: float) -> None:
        core.task, core.begun = task, now
        begin = now + self._needs.start[core.kind]
        if self._passed.over(self._site[task], core.iteration):
            self._plan(begin, self._next, core)
        elif self._gang[task] < 0:
            self._work(core, begin, 1.0, since=now)
        else:
            core.parts, core.part = self._parts_of(task), 0
            self._proceed(core, begin)

    def _work(self, core: _Core, now: float, share: float, *, since: float) -> None:
        """Part of a task: it computes, and after what is in its cache it streams what is elsewhere."""
        needs, task, kind = self._needs, core.task, core.kind
        cached = needs.cached[kind][task] + self._whereabouts.seconds(task, core.number, kind)
        core.worked, core.computed = since, now + share * needs.compute[kind][task]
        if needs.fetched[task] > 0 or needs.shared[task] > 0:
            self._plan(now + share * cached, lambda core, then: self._fetch(core, then, share), core)
        else:
            self._plan(max(core.computed, now + share * cached), self._moved, core)

    def _fetch(self, core: _Core, now: float, share: float) -> None:
        """What has been asked for before need not be again; what is on its way comes first."""
        size, shared = share * self._needs.fetched[core.task], share * self._needs.shared[core.task]
        if shared > 0:
            self._stream(core, now, self._cache, _PARTLY if size > 0 else _NONE, shared)
        if size > 0:
            there = min(size, core.ahead.get(core.task, 0.0))
            if there:
                core.ahead[core.task] -= there
            self._stream(core, now, self._memory, _NONE, size - there)

    def _stream(self, core: _Core, now: float, where: SharedBandwidth, task: int, size: float) -> None:
        core.streams.append((where, task, size))
        if len(core.streams) == 1:
            where.begin(now, core.kind, core.number, size)

    def _streamed(self, core: _Core, now: float) -> None:
        """The first of the core's streams has ended."""
        _, task, _ = core.streams.popleft()
        if core.streams:
            where, _, size = core.streams[0]
            where.begin(now, core.kind, core.number, size)
        if task == _NONE:
            self._moved(core, max(now, core.computed))

    def _moved(self, core: _Core, now: float) -> None:
        """All that a part needs is computed and moved by then, if the core is as fast as predicted."""
        slow = 1.0 if self._slowness is None else self._slowness[core.number][self._site[core.task]]
        end = core.worked + slow * (now - core.worked)
        self._plan(end, self._finish if core.parts is None else self._proceed, core)

    def _finish(self, core: _Core, now: float) -> None:
        self._span(core, SpanKind.RUN, core.task, core.begun, now)
        self._whereabouts.ran(core.task, core.number)
        self._next(core, now)

    def _next(self, core: _Core, now: float) -> None:
        """After a task, or one that was passed over."""
        if self._op[core.step] == StepOp.DRAIN:
            self._plan(now + self._ticket, self._ticketed, core)
        else:
            self._go(core, now)

    # -- channels ----------------------------------------------------------------------------

    def _parts_of(self, task: int) -> Parts:
        if task not in self._parts:
            self._parts[task] = parts_of(self._graph, task)
        return self._parts[task]

    def _proceed(self, core: _Core, now: float) -> None:
        """The next part of the work, or move of a token: they take turns."""
        parts = core.parts
        assert parts is not None, "only a task with channels comes in parts"
        while core.part < len(parts.work) + len(parts.moves):
            number, moves = divmod(core.part, 2)
            if moves:
                then = self._move(core, now, *parts.moves[number])
                if then is None:
                    core.since = now
                    return
                now = then
            core.part += 1
            if not moves and parts.work[number] > 0:
                self._work(core, now, parts.work[number], since=now)
                return
        core.parts = None
        self._finish(core, now)

    def _move(self, core: _Core, now: float, channel: int, sends: bool) -> float | None:
        """When a token is sent, or received; None if the other side has to come first."""
        ring = self._rings[self._gang[core.task], channel]
        ready = ring.ready(sends=sends)
        if ready is None:
            ring.blocked = core.number
            return None
        if ready > now:
            self._span(core, SpanKind.RUN, core.task, core.begun, now)
            self._span(core, SpanKind.CHANNEL, channel, now, ready)
            now = core.begun = ready
        other = ring.move(now, sends=sends)
        if other is not None:
            self._plan(now, lambda blocked, _: self._proceed(blocked, blocked.since), self._cores[other])
        return now

    # -- drains and prefetches ---------------------------------------------------------------

    def _drain(self, core: _Core, at: int, now: float) -> None:
        self._plan(now + self._ticket, self._ticketed, core)

    def _ticketed(self, core: _Core, now: float) -> None:
        """Items of one turn follow those of the turn before: who is late in a turn finds it used up."""
        self._span(core, SpanKind.TICKET, _NONE, now - self._ticket, now)
        drain = self._a[core.step]
        tasks, turn = self._schedule.drains[drain].tasks, core.turns.get(drain, 0)
        item = self._taken[drain] - turn * len(tasks)
        if 0 <= item < len(tasks):
            self._taken[drain] += 1
            self._start(core, tasks[item], now)
        else:
            core.turns[drain] = turn + 1
            self._go(core, now)

    def _prefetch(self, core: _Core, at: int, now: float) -> float:
        task = self._a[at]
        size = min(float(self._b[at]) * self._needs.reads[task], self._needs.fetched[task])
        if size > 0:
            core.ahead[task] = size
            self._plan(now, lambda core, then: self._stream(core, then, self._memory, task, size), core)
        return now


def _cores(schedule: Schedule, machine: Machine) -> list[_Core]:
    ptr = schedule.core_ptr.tolist()
    return [_Core(c, machine.kind_of(c), ptr[c], ptr[c + 1]) for c in range(schedule.cores)]


def _later_half(ends: list[float]) -> float:
    """Seconds of an iteration, from when a loop began and when each iteration ended."""
    half = (len(ends) - 1) // 2
    return (ends[-1] - ends[half]) / (len(ends) - 1 - half)
