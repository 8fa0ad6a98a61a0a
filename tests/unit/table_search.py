"""All interleavings of small tables: what can happen at once, and in which order.

In:  per core what it does, loops written out. Out: `Found`.
Not here: which tables to look at, what follows for the checker (`test_check_oracle*.py`).

Rows are named by numbers that rise in program order: whoever writes loops out gives every iteration its own.
A core that takes an item of a drain holds it for a while. Rows of a gang begin when they are reached, and
none ends before all have begun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

RUN, SIGNAL, WAIT, BARRIER, DRAIN = "run", "signal", "wait", "barrier", "drain"

Act = tuple[str, int, int]
"""run row · signal event amount · wait event count · barrier · drain number."""

State = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
"""Per core its next act, per core the item that it holds (−1), per drain how many items are taken."""


@dataclass(frozen=True)
class Found:
    """`together`: pairs that may run at once; `reversed`: pairs of which the later may begin first."""

    deadlock: bool
    together: set[tuple[int, int]]
    reversed: set[tuple[int, int]]


@dataclass(frozen=True)
class Search:
    """The acts of each core, the items of each drain, rows that begin and end together by row."""

    cores: Sequence[Sequence[Act]]
    drains: Sequence[Sequence[int]] = ()
    gangs: Mapping[int, Sequence[int]] = field(default_factory=dict)

    def explore(self) -> Found:
        start: State = ((0,) * len(self.cores), (-1,) * len(self.cores), (0,) * len(self.drains))
        seen, stack = {start}, [start]
        deadlock, together, reversed_ = False, set(), set()
        while stack:
            state = stack.pop()
            running = self._running(state)
            left = self._left(state)
            together |= {(a, b) for a in running for b in running if a < b}
            reversed_ |= {(a, b) for a in left for b in running if a < b}
            after = self._after(state)
            deadlock |= not after and any(
                at < len(acts) for at, acts in zip(state[0], self.cores, strict=True)
            )
            for new in after:
                if new not in seen:
                    seen.add(new)
                    stack.append(new)
        return Found(deadlock, together, reversed_)

    def _next(self, state: State) -> list[Act | None]:
        return [acts[at] if at < len(acts) else None for at, acts in zip(state[0], self.cores, strict=True)]

    def _running(self, state: State) -> list[int]:
        """Rows that are about to run, or are in some core's hands."""
        own = [act[1] for act in self._next(state) if act is not None and act[0] == RUN]
        return own + [item for item in state[1] if item >= 0]

    def _left(self, state: State) -> list[int]:
        """Rows that are not done."""
        own = [
            act[1]
            for at, acts in zip(state[0], self.cores, strict=True)
            for act in acts[at:]
            if act[0] == RUN
        ]
        waiting = [row for items, taken in zip(self.drains, state[2], strict=True) for row in items[taken:]]
        return own + waiting + [item for item in state[1] if item >= 0]

    def _after(self, state: State) -> list[State]:
        upcoming = self._next(state)
        if upcoming and all(act is not None and act[0] == BARRIER for act in upcoming):
            return [(tuple(at + 1 for at in state[0]), state[1], state[2])]
        counter: dict[int, int] = {}
        for at, acts in zip(state[0], self.cores, strict=True):
            for kind, event, amount in acts[:at]:
                if kind == SIGNAL:
                    counter[event] = counter.get(event, 0) + amount
        after = []
        for core, act in enumerate(upcoming):
            if act is not None and act[0] != BARRIER:
                after += self._moves(state, core, act, counter)
        return after

    def _moves(self, state: State, core: int, act: Act, counter: Mapping[int, int]) -> list[State]:
        at, held, taken = state
        kind, number, amount = act
        past = (*at[:core], at[core] + 1, *at[core + 1 :])
        if kind == WAIT and counter.get(number, 0) < amount:
            return []
        if kind == RUN and not self._met(state, number):
            return []
        if kind != DRAIN:
            return [(past, held, taken)]
        if held[core] >= 0:
            return [(at, (*held[:core], -1, *held[core + 1 :]), taken)]
        if taken[number] == len(self.drains[number]):
            return [(past, held, taken)]
        item = self.drains[number][taken[number]]
        after = (*taken[:number], taken[number] + 1, *taken[number + 1 :])
        return [(at, (*held[:core], item, *held[core + 1 :]), after)]

    def _met(self, state: State, row: int) -> bool:
        """Whether all rows of a gang have begun."""
        begun = {act[1] for act in self._next(state) if act is not None and act[0] == RUN}
        done = {
            act[1]
            for at, acts in zip(state[0], self.cores, strict=True)
            for act in acts[:at]
            if act[0] == RUN
        }
        return set(self.gangs.get(row, ())) <= begun | done
