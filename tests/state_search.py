"""Everything that small tables can do: all states that their cores can reach, one step at a time.

In:  an `Unrolled` set of tables. Out: an `Outcome`: which laws some execution breaks.
Not here: the format of tables (`unrolled.py`); laws that the tables show as they stand (`table_forms.py`).
Nothing is shared with the checker.

This is what "legal" means. In a state each core stands at a step, and runs a row for as long as it stands
at it. The items of a drain are under way from when the first core that takes part has come there until the
last one has left. Then

  deadlock  some state lets nobody go on, and not all cores are at their ends
  race      in some state two runs are under way that touch one byte, which one of them writes
  order     in some state a run is under way, or over, before one that conflicts with it on the same tensor,
            that the program calls earlier, is over
  reuse     two tensors with common bytes do not take turns: conflicts between them, within one pass through
            straight code and one iteration of each loop, go both ways; or a loop of more than one iteration
            uses both, and one of them is not made anew by every iteration (the loop alone uses it, and what
            a run reads of it earlier runs of the iteration wrote), or a run of an iteration can use the one
            before an earlier iteration's runs of the other are over
  capacity  a run touches a byte beyond its tensor

Some of it is stricter than a machine, so that a proof need not look into time. Which core takes which item,
and when, decides nothing: each item may be as early and as late as any. The ends of a ring must be able to
run at once (none ends before the others have begun, as far as deadlocks go), and have no order (each ends
by itself, as far as all else goes).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import accumulate, combinations

from tests.unrolled import Act, Run, Step, Unrolled

State = tuple[int, ...]
"""The next step of each core: all else follows from it."""

Place = tuple[int, int]
"""A core and a step."""

Gangs = Mapping[Place, tuple[Place, ...]]
"""Of each step that runs an end of a ring between two cores: the steps that must be reached."""

LAWS = ("deadlock", "race", "order", "reuse", "capacity")
"""In the order in which a verdict names them."""


@dataclass(frozen=True)
class Outcome:
    """Which laws some execution breaks."""

    deadlock: bool
    race: bool
    order: bool
    reuse: bool
    capacity: bool
    states: int

    @property
    def broken(self) -> frozenset[str]:
        return frozenset(law for law in LAWS if getattr(self, law))

    @property
    def verdict(self) -> str:
        """The first broken law."""
        return next((law for law in LAWS if law in self.broken), "proved")


class TooManyStatesError(Exception):
    """The tables are not small."""


def search(unrolled: Unrolled, most: int = 200_000) -> Outcome:
    """What can happen, in all states."""
    system = _System(unrolled)
    gangs = system.gangs
    seen = _explore(system, {}, most)
    stuck = _explore(system, gangs, most).stuck if gangs else seen.stuck
    race, order = _on_one_tensor(system, seen)
    turns = _Turns(system, seen)
    beyond = any(
        byte >= unrolled.size[base] or byte < 0 for run in system.runs for base, byte, _ in run.touched
    )
    return Outcome(stuck, race or turns.race, order, turns.broken, beyond, seen.states)


# -- states ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _System:
    """The unrolled steps, with runs as numbers and sets of runs as bits."""

    unrolled: Unrolled

    @cached_property
    def runs(self) -> list[Run]:
        found = [run for steps in self.unrolled.cores for s in steps for run in (s.run, *s.items) if run]
        return list(dict.fromkeys(found))

    @cached_property
    def number(self) -> dict[Run, int]:
        return {run: number for number, run in enumerate(self.runs)}

    @cached_property
    def here(self) -> list[list[int]]:
        """Per core and step the run that it is of."""
        return [[self._bit(step.run) if step.run else 0 for step in [*steps, _END]] for steps in self._cores]

    @cached_property
    def passed(self) -> list[list[int]]:
        """Per core and step the runs of steps before it."""
        return [list(accumulate(here[:-1], int.__or__, initial=0)) for here in self.here]

    @cached_property
    def reached(self) -> list[list[int]]:
        """Per core and step the items of drains at it or before it."""
        return [list(accumulate(map(self._items, [*steps, _END]), int.__or__)) for steps in self._cores]

    @cached_property
    def holding(self) -> list[list[int]]:
        """Per core and step the items of drains at it or behind it."""
        return [
            list(accumulate(map(self._items, reversed([*steps, _END])), int.__or__))[::-1]
            for steps in self._cores
        ]

    @cached_property
    def signalled(self) -> list[list[dict[int, int]]]:
        """Per core and step what the steps before it have added to the counters."""
        return [list(accumulate(steps, _after_signal, initial={})) for steps in self._cores]

    @cached_property
    def gangs(self) -> Gangs:
        ends: dict[int, tuple[list[Place], list[Place]]] = defaultdict(lambda: ([], []))
        for core, steps in enumerate(self._cores):
            for at, step in enumerate(steps):
                for ring, sends, _ in step.run.tokens if step.run else ():
                    ends[ring][sends].append((core, at))
        together: dict[Place, set[Place]] = {}
        for receives, sends in ends.values():
            for one, other in zip(receives, sends, strict=True):
                if one[0] != other[0]:
                    joined = together.get(one, {one}) | together.get(other, {other})
                    together.update(dict.fromkeys(joined, joined))
        return {step: tuple(sorted(gang)) for step, gang in together.items()}

    @property
    def _cores(self) -> tuple[tuple[Step, ...], ...]:
        return self.unrolled.cores

    def _bit(self, run: Run) -> int:
        return 1 << self.number[run]

    def _items(self, step: Step) -> int:
        return reduce(int.__or__, map(self._bit, step.items), 0)


_END = Step(Act.MEET)
"""Stands for no step, behind the last one."""


def _after_signal(counters: dict[int, int], step: Step) -> dict[int, int]:
    if step.act is not Act.SIGNAL:
        return counters
    return {**counters, step.event: counters.get(step.event, 0) + step.amount}


@dataclass
class _Seen:
    """Per run, as bits: which were under way with it in some state; which were not over then."""

    together: list[int]
    pending: list[int]
    stuck: bool = False
    states: int = 0


def _explore(system: _System, gangs: Gangs, most: int) -> _Seen:
    """All states, in which the steps of a gang are left only when all have been reached."""
    start: State = (0,) * len(system.unrolled.cores)
    ends = tuple(len(steps) for steps in system.unrolled.cores)
    everything = (1 << len(system.runs)) - 1
    result = _Seen([0] * len(system.runs), [0] * len(system.runs))
    seen: set[State] = {start}
    stack: list[State] = [start]
    while stack:
        state = stack.pop()
        running, over = _runs_of(system, state)
        for run in _numbers(running):
            result.together[run] |= running
            result.pending[run] |= everything & ~over
        after = _after(system, gangs, state)
        result.stuck |= not after and state != ends
        for new in after:
            if new not in seen:
                seen.add(new)
                stack.append(new)
        if len(seen) > most:
            raise TooManyStatesError
    result.states = len(seen)
    return result


def _runs_of(system: _System, state: State) -> tuple[int, int]:
    """Those that are under way, and those that are over."""
    running = over = reached = holding = 0
    for core, at in enumerate(state):
        running |= system.here[core][at]
        over |= system.passed[core][at]
        reached |= system.reached[core][at]
        holding |= system.holding[core][at]
    return running | reached & holding, over | reached & ~holding


def _after(system: _System, gangs: Gangs, state: State) -> list[State]:
    """The states that one step leads to: of a core, or of all cores that meet."""
    after: list[State] = []
    steps = [
        steps[at] if at < len(steps) else None for at, steps in zip(state, system.unrolled.cores, strict=True)
    ]
    for core, step in enumerate(steps):
        if step is None or step.act in (Act.MEET, Act.LEAVE):
            continue
        if step.act is Act.WAIT and _counter(system, state, step.event) < step.amount:
            continue
        if all(state[other] >= there for other, there in gangs.get((core, state[core]), ())):
            after.append((*state[:core], state[core] + 1, *state[core + 1 :]))
    acts = {step.act if step is not None else None for step in steps}
    if acts in ({Act.MEET}, {Act.LEAVE}):
        after.append(tuple(at + 1 for at in state))
    if acts == {Act.LEAVE}:
        after.append(tuple(step.amount for step in steps if step is not None))
    return after


def _counter(system: _System, state: State, event: int) -> int:
    return sum(of_core[at].get(event, 0) for at, of_core in zip(state, system.signalled, strict=True))


def _numbers(bits: int) -> Iterator[int]:
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


# -- laws ------------------------------------------------------------------------------------------


def _on_one_tensor(system: _System, seen: _Seen) -> tuple[bool, bool]:
    """Whether conflicts on one tensor race; whether some come in another order than the program has."""
    race = order = False
    for a, b in combinations(range(len(system.runs)), 2):
        one, other = system.runs[a], system.runs[b]
        if _meet(_bytes(one), _bytes(other)):
            race |= bool(seen.together[a] >> b & 1)
            early, late = (a, b) if one.order < other.order else (b, a)
            order |= bool(seen.pending[late] >> early & 1)
    return race, order


Bytes = dict[tuple[int, int], int]
"""What a run does to (tensor, byte), or to (0, byte of the arena): 1 reads, 2 writes, 3 both."""


def _bytes(run: Run) -> Bytes:
    found: Bytes = {}
    for base, byte, kind in run.touched:
        found[base, byte] = found.get((base, byte), 0) | kind
    return found


def _meet(one: Bytes, other: Bytes) -> bool:
    """Whether they have a byte in common, and one of them writes it."""
    return any((kind | other.get(place, 0)) & 2 and place in other for place, kind in one.items())


class _Turns:
    """The law of tensors with common bytes."""

    def __init__(self, system: _System, seen: _Seen) -> None:
        self._seen = seen
        self._place, self._size = system.unrolled.place, system.unrolled.size
        self._runs = system.runs
        self._used: dict[int, list[tuple[int, Bytes]]] = defaultdict(list)  # by tensor, in the arena
        for number, run in enumerate(self._runs):
            for base, bytes_ in self._in_arena(run).items():
                self._used[base].append((number, bytes_))
        self.race = self.broken = False
        for x, y in combinations(sorted(self._used), 2):
            if self._share(x, y):
                self._one_direction(x, y)
                self._across_iterations(x, y)

    def _in_arena(self, run: Run) -> dict[int, Bytes]:
        found: dict[int, Bytes] = {}
        for (base, byte), kind in _bytes(run).items():
            start = self._place[base]
            if start is not None:
                found.setdefault(base, {})[0, start + byte] = kind
        return found

    def _share(self, x: int, y: int) -> bool:
        (a, m), (b, n) = ((self._place[t], self._size[t]) for t in (x, y))
        assert a is not None and b is not None
        return a < b + n and b < a + m

    def _one_direction(self, x: int, y: int) -> None:
        directions = set()
        for a, mine in self._used[x]:
            for b, theirs in self._used[y]:
                if not _meet(mine, theirs):
                    continue
                if a == b:
                    self.broken = True
                elif self._seen.together[a] >> b & 1:
                    self.race = True
                elif self._one_pass(a) and self._one_pass(b):
                    directions.add(bool(self._seen.pending[a] >> b & 1))
        self.broken |= len(directions) > 1

    def _one_pass(self, run: int) -> bool:
        """Whether it is of straight code or of a first iteration."""
        return self._runs[run].iteration == 0

    def _across_iterations(self, x: int, y: int) -> None:
        for loop in {self._runs[run].loop for run, _ in self._used[x]} - {None}:
            mine, theirs = ([run for run, _ in self._used[t] if self._runs[run].loop == loop] for t in (x, y))
            if not theirs or max(self._runs[run].iteration for run in (*mine, *theirs)) == 0:
                continue
            self.broken |= not (self._made_anew(x, loop) and self._made_anew(y, loop))
            for a in mine:
                for b in theirs:
                    early, late = sorted((a, b), key=lambda run: self._runs[run].iteration)
                    if self._runs[early].iteration < self._runs[late].iteration:
                        self.broken |= bool(self._seen.pending[late] >> early & 1)

    def _made_anew(self, tensor: int, loop: int | None) -> bool:
        """Whether each iteration of the loop, which alone uses the tensor, reads only what it wrote."""
        written: set[tuple[int, tuple[int, int]]] = set()
        for run, bytes_ in sorted(self._used[tensor], key=lambda use: self._runs[use[0]].order):
            if self._runs[run].loop != loop:
                return False
            iteration = self._runs[run].iteration
            if any(kind & 1 and (iteration, place) not in written for place, kind in bytes_.items()):
                return False
            written |= {(iteration, place) for place, kind in bytes_.items() if kind & 2}
        return True
