"""What words and flags allow, by all states that small tables can reach: twice, as counters and as they are.

In:  `Sections` without rings, the machine. Out: the codes of the laws of primitives that are broken; whether
flags that are taken from do what counters that grow would.
Not here: races and deadlocks (`state_search.py`). Nothing is shared with the checker.

As counters: the k-th wait of a turn is over when the signals of its turn reach what the first k waits take.
A flag can hold what is pending if no state has more; it may stand for two turns of different events unless
each can begin before the other is over. (A turn has begun, too, when its core stands at the wait.) Flags as
they are count signals of all events that they stand for, and a wait takes away; where no law is broken,
exactly the same states are reached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

from mpmd.machine import Machine
from tests.tables import SIGNAL, WAIT, Sections
from tests.unrolled import Act, Step, unroll

State = tuple[int, ...]
"""The next step of each core."""

Flag = tuple[int, int, int]
"""Which primitive, a group of cores, an id."""


def broken_forms(made: Sections, machine: Machine) -> frozenset[str]:
    """Laws that the tables break as they stand."""
    found = set()
    for event in range(made.events):
        primitive = machine.primitives[int(made.event_primitive[event, 0])]
        signals, waits = (_places(made, op, event) for op in (SIGNAL, WAIT))
        if primitive.kind == "word" and len({core for core, _ in signals}) > 1:
            found.add("word-signaller")
        if primitive.kind == "flag":
            if len({core for core, _ in waits}) > 1:
                found.add("flag-waiter")
            given, taken = (sum(count for _, count in steps) for steps in (signals, waits))
            if (given and waits and given != taken) or any(count < 1 for _, count in waits):
                found.add("flag-balance")
        cores = {core for core, _ in (*signals, *waits)}
        if primitive.scope == "group" and len({machine.group_of(core) for core in cores}) > 1:
            found.add("scope")
    return frozenset(found)


def as_counters(made: Sections) -> Sections:
    """The same with each wait for a flag until all that was ever taken in its turn."""
    changed = Sections.load(made.store())
    for steps in changed.cores:
        taken: dict[int, int] = {}
        for at, (op, event, count, reason) in enumerate(steps):
            if op == WAIT and made.event_flag[event, 0] >= 0:
                taken[event] = taken.get(event, 0) + count
                steps[at] = op, event, taken[event], reason
    return changed


def broken_in_states(made: Sections, machine: Machine, scalars: tuple[int, ...]) -> frozenset[str]:
    """Laws that some state breaks, of tables that break none as they stand."""
    system = _System(made, machine, scalars)
    states = system.reached(system.has_come)
    turns = [turn for event in system.flags for turn in system.turns(event)]
    found = set()
    for event in system.flags:
        maximum = machine.primitives[int(made.event_primitive[event, 0])].maximum
        if any(system.signalled(state, event) - system.taken(state, event) > maximum for state in states):
            found.add("schedule-capacity")
    for one, other in combinations(turns, 2):
        if one.event != other.event and system.flags[one.event] == system.flags[other.event]:
            early, late = (
                any(system.begun(state, a) and not system.over(state, b) for state in states)
                for a, b in ((one, other), (other, one))
            )
            if early and late:
                found.add("flag-reuse")
    return frozenset(found)


def flags_are_counters(made: Sections, machine: Machine, scalars: tuple[int, ...]) -> bool:
    """Whether flags that are taken from lead to the states that counters lead to, and end empty."""
    system = _System(made, machine, scalars)
    states = system.reached(system.is_held)
    ends = tuple(len(steps) for steps in system.cores)
    empty = ends not in states or not any(system.held(ends, flag) for flag in set(system.flags.values()))
    return empty and states == system.reached(system.has_come)


@dataclass(frozen=True)
class _Turn:
    event: int
    number: int


class _System:
    def __init__(self, made: Sections, machine: Machine, scalars: tuple[int, ...]) -> None:
        self.cores = unroll(as_counters(made).store(), scalars).cores
        self.flags: dict[int, Flag] = {}
        self._per_turn: dict[int, list[int]] = {}  # per event and core, the signals of a turn
        self._total: dict[int, int] = {}
        for event, flag in enumerate(made.event_flag[:, 0].tolist()):
            signals, waits = (_places(made, op, event) for op in (SIGNAL, WAIT))
            if flag >= 0 and waits:
                self.flags[event] = int(made.event_primitive[event, 0]), machine.group_of(waits[0][0]), flag
                mine = [core for core, _ in signals]
                self._per_turn[event] = [mine.count(core) for core in range(len(self.cores))]
                self._total[event] = sum(amount for _, amount in signals)

    def turns(self, event: int) -> list[_Turn]:
        """Those that there are in this launch."""
        most = max(
            (step.amount for steps in self.cores for step in steps if _is(step, Act.WAIT, event)), default=0
        )
        return [_Turn(event, number) for number in range(most // self._total[event])]

    def signalled(self, state: State, event: int) -> int:
        return sum(step.amount for step in self._passed(state) if _is(step, Act.SIGNAL, event))

    def taken(self, state: State, event: int) -> int:
        return max((step.amount for step in self._passed(state) if _is(step, Act.WAIT, event)), default=0)

    def held(self, state: State, flag: Flag) -> int:
        """What a flag as it is holds."""
        return sum(
            self.signalled(state, e) - self.taken(state, e) for e, f in self.flags.items() if f == flag
        )

    def begun(self, state: State, turn: _Turn) -> bool:
        """Whether some core has signalled in a turn, or waits for it: it would take what is there."""
        if any(_is(step, Act.WAIT, turn.event) and step.amount > turn.number * self._total[turn.event]
               for step in self._stood_at(state)):  # fmt: skip
            return True
        for core, per_turn in enumerate(self._per_turn[turn.event]):
            steps = self.cores[core][: state[core]]
            if per_turn and sum(_is(s, Act.SIGNAL, turn.event) for s in steps) > turn.number * per_turn:
                return True
        return False

    def over(self, state: State, turn: _Turn) -> bool:
        return self.taken(state, turn.event) >= (turn.number + 1) * self._total[turn.event]

    def has_come(self, state: State, step: Step) -> bool:
        """Whether a counter lets a wait go on."""
        return self.signalled(state, step.event) >= step.amount

    def is_held(self, state: State, step: Step) -> bool:
        """Whether what is there lets a wait go on: of a flag as much as it takes."""
        if step.event not in self.flags:
            return self.has_come(state, step)
        return self.held(state, self.flags[step.event]) >= step.amount - self.taken(state, step.event)

    def reached(self, enabled: Callable[[State, Step], bool]) -> set[State]:
        """All states."""
        start: State = (0,) * len(self.cores)
        seen: set[State] = {start}
        stack: list[State] = [start]
        while stack:
            for new in self._after(stack.pop(), enabled):
                if new not in seen:
                    seen.add(new)
                    stack.append(new)
        return seen

    def _after(self, state: State, enabled: Callable[[State, Step], bool]) -> list[State]:
        steps = [s[at] if at < len(s) else None for at, s in zip(state, self.cores, strict=True)]
        if all(step is not None and step.act is Act.MEET for step in steps):
            return [tuple(at + 1 for at in state)]
        return [
            (*state[:core], state[core] + 1, *state[core + 1 :])
            for core, step in enumerate(steps)
            if step is not None
            and step.act is not Act.MEET
            and (step.act is not Act.WAIT or enabled(state, step))
        ]

    def _stood_at(self, state: State) -> list[Step]:
        return [steps[at] for at, steps in zip(state, self.cores, strict=True) if at < len(steps)]

    def _passed(self, state: State) -> list[Step]:
        return [step for at, steps in zip(state, self.cores, strict=True) for step in steps[:at]]


def _is(step: Step, act: Act, event: int) -> bool:
    return step.act is act and step.event == event


def _places(made: Sections, op: int, event: int) -> list[tuple[int, int]]:
    """Core and count of each step of a kind on an event."""
    return [(core, s[2]) for core, steps in enumerate(made.cores) for s in steps if s[:2] == (op, event)]
