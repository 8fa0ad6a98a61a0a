"""Everything that small tables can do: all states that their cores can reach, one step at a time.

In:  an `Unrolled` set of tables. Out: an `Outcome`: whether some state is stuck, which runs of rows can be
     under way at once, which can begin before another has ended, whether a tensor loses what it holds.
Not here: the format of tables (`unrolled.py`). Nothing is shared with the checker.

A core runs a row for as long as it stands at it. A core that drains holds the item whose ticket it took.
The ends of a ring move tokens one by one while both run; a member may take its tokens in any order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

from tests.unrolled import Act, Run, Step, Unrolled

Core = tuple[int, int, tuple[int, ...]]
"""Its next step; the item that it holds, or −1; the tokens that its row has moved so far, per use."""


@dataclass(frozen=True)
class State:
    cores: tuple[Core, ...]
    counters: tuple[int, ...]
    taken: tuple[tuple[tuple[int, int], int], ...]  # (drain, turn): items that have been taken
    fill: tuple[int, ...]  # tokens in each ring


@dataclass(frozen=True)
class Outcome:
    """Which laws some execution breaks. `stuck`: nobody can go on, and not all are done."""

    stuck: bool
    together: bool  # two runs that conflict, at once
    reversed: bool  # two that conflict on one tensor, against the program
    lost: bool  # another tensor's bytes, read in the place of what was written
    states: int

    @property
    def verdict(self) -> str:
        """The first broken law, in the order in which the checker looks."""
        if self.stuck:
            return "deadlock"
        if self.together:
            return "race"
        if self.reversed:
            return "order"
        return "reuse" if self.lost else "proved"


class TooManyStatesError(Exception):
    """The tables are not small."""


def search(unrolled: Unrolled, most: int = 200_000) -> Outcome:
    """What can happen, in all states."""
    found = _Search(unrolled)
    start = State(
        cores=tuple((0, -1, ()) for _ in unrolled.cores),
        counters=(0,) * unrolled.events,
        taken=(),
        fill=(0,) * len(unrolled.depths),
    )
    seen, stack = {start}, [start]
    while stack:
        state = stack.pop()
        found.look(state)
        after = list(found.after(state))
        if not after and any(at < len(steps) for (at, *_), steps in found.threads(state)):
            found.stuck = True
        for next_ in after:
            if next_ not in seen:
                seen.add(next_)
                stack.append(next_)
        if len(seen) > most:
            raise TooManyStatesError
    laws = found.stuck, found.together, found.reversed
    lost = not any(laws) and any(found.loses(start, which) for which in (0, -1))
    return Outcome(*laws, lost or found.at_once, len(seen))


@dataclass
class _Search:
    unrolled: Unrolled
    stuck: bool = False
    together: bool = False
    reversed: bool = False
    at_once: bool = field(init=False)
    """Whether a run touches two tensors that share bytes."""
    same: dict[Run, list[Run]] = field(init=False)
    shared: dict[Run, list[Run]] = field(init=False)
    """Per run those that conflict with it: on one tensor; on bytes that different tensors share."""
    where: dict[Run, list[tuple[int, int, int]]] = field(init=False)
    """Per run the steps that may run it, as (core, step, number of the item or −1)."""

    def __post_init__(self) -> None:
        self.where, self.same, self.shared = defaultdict(list), defaultdict(list), defaultdict(list)
        for core, steps in enumerate(self.unrolled.cores):
            for at, step in enumerate(steps):
                if step.run is not None:
                    self.where[step.run].append((core, at, -1))
                for number, item in enumerate(step.items):
                    self.where[item].append((core, at, number))
        for a, b in combinations(self.where, 2):
            for one_tensor, found in ((True, self.same), (False, self.shared)):
                if self._conflict(a, b, one_tensor):
                    found[a].append(b)
                    found[b].append(a)
        self.at_once = any(self._conflict(run, run, False) for run in self.where)

    def threads(self, state: State) -> Iterator[tuple[Core, tuple[Step, ...]]]:
        return zip(state.cores, self.unrolled.cores, strict=True)

    # -- what a state shows ------------------------------------------------------------------------

    def look(self, state: State) -> None:
        """Who is under way, and with whom of those that have not ended they conflict."""
        running = [run for core, steps in self.threads(state) if (run := _running(core, steps)) is not None]
        for run in running:
            self.together |= any(other in running for other in (*self.same[run], *self.shared[run]))
            self.reversed |= any(
                other.order < run.order and not self._ended(other, state) for other in self.same[run]
            )

    def _ended(self, run: Run, state: State) -> bool:
        """Whether it was run, or has been passed over by a loop that ended."""
        (core, at, number), *_ = places = self.where[run]
        if number < 0 or all(state.cores[core][0] > at for core, at, _ in places):
            return state.cores[core][0] > at
        step = self.unrolled.cores[core][at]
        if dict(state.taken).get((step.event, step.amount), 0) <= number:
            return False
        return not any(state.cores[core][:2] == (at, number) for core, at, _ in places)

    def _conflict(self, a: Run, b: Run, one_tensor: bool) -> bool:
        """Whether they touch a common byte, and one writes it: of one tensor, or of two in the arena."""
        if one_tensor:
            return any((k | m) & 2 and x == y for *x, k in a.touched for *y, m in b.touched)
        return any(
            (k | m) & 2
            and base != other
            and self._place(base, byte) == self._place(other, second) is not None
            for base, byte, k in a.touched
            for other, second, m in b.touched
        )

    def _place(self, base: int, byte: int) -> int | None:
        """The byte of the arena, if it lies there."""
        start = self.unrolled.place[base]
        return None if start is None else start + byte

    def loses(self, state: State, which: int) -> bool:
        """One execution: does a run read another tensor's bytes where its own tensor was written?

        All conflicts have one order, so one execution stands for all that leave their loops like it.
        """
        held = _Held({}, set())
        while after := list(self.after(state)):
            for (core, steps), then in zip(self.threads(state), after[which].cores, strict=True):
                run = _running(core, steps)
                if run is not None and core[:2] != then[:2] and held.loses(self._local(run)):
                    return True
            state = after[which]
        return False

    def _local(self, run: Run) -> list[tuple[int, int, int]]:
        """(tensor, byte of the arena, 1 reads or 2 writes)."""
        places = [(base, self._place(base, byte), kind) for base, byte, kind in run.touched]
        return [(base, place, kind) for base, place, kind in places if place is not None]

    # -- what can happen next ----------------------------------------------------------------------

    def after(self, state: State) -> Iterator[State]:
        for number, (core, steps) in enumerate(self.threads(state)):
            if core[0] < len(steps):
                yield from self._moves(state, number, core, steps[core[0]])
        yield from self._meetings(state)

    def _moves(self, state: State, number: int, core: Core, step: Step) -> Iterator[State]:
        at, item, moved = core
        counters = list(state.counters)
        if step.act is Act.RUN:
            yield from self._tokens(state, number, core, step)
        elif step.act is Act.SIGNAL:
            counters[step.event] += step.amount
            yield _with(state, number, (at + 1, -1, ()), counters=tuple(counters))
        elif step.act is Act.WAIT and counters[step.event] >= step.amount:
            yield _with(state, number, (at + 1, -1, ()))
        elif step.act is Act.DRAIN and item >= 0:
            yield _with(state, number, (at, -1, moved))
        elif step.act is Act.DRAIN:
            use = step.event, step.amount
            taken = dict(state.taken)
            if (count := taken.get(use, 0)) < len(step.items):
                taken[use] = count + 1
                yield _with(state, number, (at, count, moved), taken=tuple(sorted(taken.items())))
            else:
                yield _with(state, number, (at + 1, -1, ()))

    def _tokens(self, state: State, number: int, core: Core, step: Step) -> Iterator[State]:
        """The row ends when it has moved all its tokens."""
        assert step.run is not None
        at, item, moved = core
        moved = moved or (0,) * len(step.run.tokens)
        if all(have == tokens for have, (_, _, tokens) in zip(moved, step.run.tokens, strict=True)):
            yield _with(state, number, (at + 1, -1, ()))
            return
        for use, (ring, sends, tokens) in enumerate(step.run.tokens):
            room = state.fill[ring] < self.unrolled.depths[ring] if sends else state.fill[ring] > 0
            if moved[use] < tokens and room:
                fill = list(state.fill)
                fill[ring] += 1 if sends else -1
                after = (*moved[:use], moved[use] + 1, *moved[use + 1 :])
                yield _with(state, number, (at, item, after), fill=tuple(fill))

    def _meetings(self, state: State) -> Iterator[State]:
        """All cores go on from a meeting at once; from the end of an iteration perhaps out of the loop."""
        steps = [steps[at] if at < len(steps) else None for (at, *_), steps in self.threads(state)]
        acts = {step.act if step is not None else None for step in steps}
        if acts in ({Act.MEET}, {Act.LEAVE}):
            yield _at(state, [at + 1 for at, *_ in state.cores])
        if acts == {Act.LEAVE}:
            yield _at(state, [step.amount for step in steps if step is not None])


@dataclass(frozen=True)
class _Held:
    """Per byte of the arena which tensor was written there last; and what was ever written of each."""

    tensor: dict[int, int]
    written: set[tuple[int, int]]

    def loses(self, touched: list[tuple[int, int, int]]) -> bool:
        """Whether a run reads what it should not; then its writes."""
        for base, place, kind in touched:
            if kind == 1 and (base, place) in self.written and self.tensor[place] != base:
                return True
        for base, place, kind in touched:
            if kind == 2:
                self.tensor[place] = base
                self.written.add((base, place))
        return False


def _running(core: Core, steps: tuple[Step, ...]) -> Run | None:
    at, item, _ = core
    if at >= len(steps):
        return None
    return steps[at].items[item] if item >= 0 else steps[at].run


def _with(state: State, number: int, core: Core, **changed: tuple) -> State:
    fields = {"counters": state.counters, "taken": state.taken, "fill": state.fill, **changed}
    return State(cores=(*state.cores[:number], core, *state.cores[number + 1 :]), **fields)


def _at(state: State, steps: list[int]) -> State:
    return State(tuple((at, -1, ()) for at in steps), state.counters, state.taken, state.fill)
