"""Random changes of small tables, of every kind that a faulty compiler might make: many of them harmless.

In:  a random generator, `Sections` of small tables. Out: changed `Sections`, well formed: loops, barriers,
     drains and the numbers of rows fit together, whatever else may be wrong.
Not here: what the changed tables can do (`state_search.py`); sync that is taken away with all that belongs
     to it (`mutants.py`).

A step stays in its stretch, which is straight code before the loop, its body, or straight code behind it, on
the same core or on another one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tests.small_tables import MOST
from tests.tables import BARRIER, DRAIN, END, LOOP, RUN, SIGNAL, WAIT, Sections, Step

MOST_CHANGES = (1, 1, 1, 1, 1, 1, 2, 2, 2, 3)
"""How many changes a mutant has: one of these."""


def mutant(rng: random.Random, tables: Sections) -> tuple[Sections, list[str]]:
    """Tables with one change or a few, and what was changed."""
    changed, done = Sections.load(tables.store()), []
    for _ in range(rng.choice(MOST_CHANGES)):
        what = _change(rng, changed)
        if what is not None:
            done.append(what)
    return changed, done


def _change(rng: random.Random, tables: Sections) -> str | None:
    """One change of a kind that the tables have something for, in place."""
    for what in rng.sample(list(_CHANGES), len(_CHANGES)):
        if _CHANGES[what](rng, tables):
            _mend(tables)
            return what
    return None


Change = Callable[[random.Random, Sections], bool]
"""Changes the tables if they have something to change; says whether they had."""

Place = tuple[int, int]
"""A core and a step of it."""


# -- where steps are -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Stretch:
    """Steps `first` to `end` (exclusive): 0 before the loop (or all that the core has), 1 in it, 2 after."""

    core: int
    first: int
    end: int
    number: int

    @property
    def loop(self) -> int:
        return 0 if self.number == 1 else -1


def _stretches(tables: Sections) -> Iterator[_Stretch]:
    for core, steps in enumerate(tables.cores):
        edges = [at for at, (op, *_) in enumerate(steps) if op in (LOOP, END)]
        firsts, ends = [0, *(at + 1 for at in edges)], [*edges, len(steps)]
        for number, (first, end) in enumerate(zip(firsts, ends, strict=True)):
            yield _Stretch(core, first, end, number)


def _stretch_of(tables: Sections, place: Place) -> _Stretch:
    return next(s for s in _stretches(tables) if s.core == place[0] and s.first <= place[1] < s.end)


def _places(tables: Sections, *ops: int) -> list[Place]:
    return [
        (core, at)
        for core, steps in enumerate(tables.cores)
        for at, step in enumerate(steps)
        if step[0] in ops
    ]


def _step(tables: Sections, place: Place) -> Step:
    return tables.cores[place[0]][place[1]]


def _insert(rng: random.Random, tables: Sections, stretch: _Stretch, step: Step) -> None:
    tables.cores[stretch.core].insert(rng.randint(stretch.first, stretch.end), step)


def _replace(tables: Sections, place: Place, *, event: int | None = None, count: int | None = None) -> None:
    op, a, b, reason = _step(tables, place)
    tables.cores[place[0]][place[1]] = (
        op, a if event is None else event, b if count is None else count, reason,
    )  # fmt: skip


def _loop_of(tables: Sections, event: int) -> int:
    return int(tables.event_loop[event, 0])


def _total(tables: Sections, event: int) -> int:
    return sum(
        _step(tables, place)[2] for place in _places(tables, SIGNAL) if _step(tables, place)[1] == event
    )


# -- sync ------------------------------------------------------------------------------------------


def _drop(rng: random.Random, tables: Sections) -> bool:
    places = _places(tables, WAIT, SIGNAL)
    if places:
        core, at = rng.choice(places)
        del tables.cores[core][at]
    return bool(places)


def _drop_with_counts(rng: random.Random, tables: Sections) -> bool:
    """A signal, with what waits count of it; or the last wait for an event, with its signals."""
    places = _places(tables, WAIT, SIGNAL)
    if not places:
        return False
    core, at = rng.choice(places)
    op, event, amount, _ = tables.cores[core].pop(at)
    for steps in tables.cores:
        if op == SIGNAL:
            steps[:] = [
                (o, a, max(1, b - amount) if (o, a) == (WAIT, event) else b, r) for o, a, b, r in steps
            ]
        elif not any(_step(tables, place)[1] == event for place in _places(tables, WAIT)):
            steps[:] = [step for step in steps if step[:2] != (SIGNAL, event)]
    return True


def _duplicate(rng: random.Random, tables: Sections) -> bool:
    places = _places(tables, WAIT, SIGNAL)
    if places:
        place = rng.choice(places)
        _insert(rng, tables, _stretch_of(tables, place), _step(tables, place))
    return bool(places)


def _retarget(rng: random.Random, tables: Sections) -> bool:
    """A wait or a signal names another event of its loop."""
    places = _places(tables, WAIT, SIGNAL)
    if not places:
        return False
    place = rng.choice(places)
    event = _step(tables, place)[1]
    loop = _loop_of(tables, event)
    others = [e for e in range(tables.events) if e != event and _loop_of(tables, e) == loop]
    if others:
        _replace(tables, place, event=rng.choice(others))
    return bool(others)


def _recount(rng: random.Random, tables: Sections) -> bool:
    places = _places(tables, WAIT, SIGNAL)
    if not places:
        return False
    place = rng.choice(places)
    op, _, count, _ = _step(tables, place)
    least = 1 if op == SIGNAL else count - 1
    _replace(tables, place, count=max(least, count + rng.choice([-1, 1])))
    return True


def _carry(rng: random.Random, tables: Sections) -> bool:
    """A wait for an iteration becomes one for the iteration before, or the other way round."""
    places = [p for p in _places(tables, WAIT) if _loop_of(tables, _step(tables, p)[1]) >= 0]
    if not places:
        return False
    place = rng.choice(places)
    _, event, count, _ = _step(tables, place)
    total = _total(tables, event)
    _replace(tables, place, count=count - total if count > 0 else count + total)
    return True


def _add_event(rng: random.Random, tables: Sections) -> bool:
    """A signal, and a wait for it."""
    number = rng.choice([s.number for s in _stretches(tables)])
    stretches = [s for s in _stretches(tables) if s.number == number]
    event, loop = tables.events, stretches[0].loop
    tables.events += 1
    tables.event_loop = np.append(tables.event_loop, [[loop]], axis=0)
    tables.event_primitive = np.append(tables.event_primitive, [[0]], axis=0)
    tables.event_flag = np.append(tables.event_flag, [[-1]], axis=0)
    one, other = rng.sample(stretches, 2)
    _insert(rng, tables, one, (SIGNAL, event, 1, 0))
    _insert(rng, tables, other, (WAIT, event, 0 if loop >= 0 and rng.random() < 0.5 else 1, 0))
    return True


def _barrier(rng: random.Random, tables: Sections) -> bool:
    """One more on every core, or one less."""
    number = rng.choice([s.number for s in _stretches(tables)])
    stretches = [s for s in _stretches(tables) if s.number == number]
    found = [_barriers(tables, stretch) for stretch in stretches]
    which = rng.randint(-1, len(found[0]) - 1)
    for stretch, barriers in zip(stretches, found, strict=True):
        if which < 0:
            _insert(rng, tables, stretch, (BARRIER, 0, 0, 0))
        else:
            del tables.cores[stretch.core][barriers[which]]
    return True


def _barriers(tables: Sections, stretch: _Stretch) -> list[int]:
    steps = tables.cores[stretch.core]
    return [at for at in range(stretch.first, stretch.end) if steps[at][0] == BARRIER]


# -- order and place -------------------------------------------------------------------------------


def _move(rng: random.Random, tables: Sections) -> bool:
    places = _places(tables, RUN, SIGNAL, WAIT, BARRIER, DRAIN)
    if places:
        place = rng.choice(places)
        step, stretch = _step(tables, place), _stretch_of(tables, place)
        del tables.cores[place[0]][place[1]]
        _insert(rng, tables, _Stretch(stretch.core, stretch.first, stretch.end - 1, stretch.number), step)
    return bool(places)


def _swap(rng: random.Random, tables: Sections) -> bool:
    """Two neighbours."""
    pairs = [(s.core, at) for s in _stretches(tables) for at in range(s.first, s.end - 1)]
    if pairs:
        core, at = rng.choice(pairs)
        tables.cores[core][at : at + 2] = tables.cores[core][at : at + 2][::-1]
    return bool(pairs)


def _move_to_core(rng: random.Random, tables: Sections) -> bool:
    """A row, a wait or a signal; an end of a ring sometimes with its row."""
    places = _places(tables, RUN, RUN, WAIT, SIGNAL)
    if not places:
        return False
    place = rng.choice(places)
    step, stretch = _step(tables, place), _stretch_of(tables, place)
    others = [s for s in _stretches(tables) if s.number == stretch.number and s.core != place[0]]
    target = rng.choice(others)
    del tables.cores[place[0]][place[1]]
    _insert(rng, tables, target, step)
    if step[0] == RUN and rng.random() < 0.7:
        for row, ring, side, _ in tables.uses.tolist():
            if row == step[1]:
                tables.rings[ring, side] = target.core
    return True


def _swap_rows(rng: random.Random, tables: Sections) -> bool:
    """Two rows change their places, which is as if the program called them in the other order."""
    used = set(tables.uses[:, 0].tolist())
    found = [p for p in _places(tables, RUN) if _step(tables, p)[1] not in used]
    pairs = [
        (p, q) for p in found for q in found
        if p < q and _stretch_of(tables, p).loop == _stretch_of(tables, q).loop
    ]  # fmt: skip
    if pairs:
        one, other = rng.choice(pairs)
        a, b = (_step(tables, place)[1] for place in (one, other))
        _replace(tables, one, event=b)
        _replace(tables, other, event=a)
    return bool(pairs)


# -- memory ----------------------------------------------------------------------------------------


def _shift_access(rng: random.Random, tables: Sections) -> bool:
    """A row uses the bytes next to those that it used."""
    row = rng.randrange(len(tables.row_words)) if tables.row_words else -1
    params = _params(tables, row) if row >= 0 else []
    if params:
        _, _, _, offset, *_ = rng.choice(params)
        tables.row_words[row][offset] += rng.choice([-1, 1])
    return bool(params)


def _shift_tensor(rng: random.Random, tables: Sections) -> bool:
    """A local tensor lies a byte or two farther on."""
    local = np.flatnonzero(tables.bases[:, 0] == 1).tolist()
    if local:
        tables.bases[rng.choice(local), 2] += rng.choice([-2, -1, 1, 2])
    return bool(local)


def _other_tensor(rng: random.Random, tables: Sections) -> bool:
    """A row uses another local tensor."""
    local = np.flatnonzero(tables.bases[:, 0] == 1).tolist()
    uses = [
        (row, param[2])
        for row in range(len(tables.row_words))
        for param in _params(tables, row)
        if tables.row_words[row][param[2]] in local
    ]
    if uses:
        row, word = rng.choice(uses)
        tables.row_words[row][word] = rng.choice(local)
    return bool(uses)


def _params(tables: Sections, row: int) -> list[list[int]]:
    function = tables.row_function[row]
    return tables.params[tables.function_ptr[function] : tables.function_ptr[function + 1]].tolist()


# -- loops, drains, rings --------------------------------------------------------------------------


def _loop_count(rng: random.Random, tables: Sections) -> bool:
    constant = [loop for loop in range(len(tables.loops)) if tables.loops[loop, 1] == tables.loops[loop, 2]]
    if constant:
        tables.loops[constant[0], 0] = rng.choice(
            [n for n in range(MOST + 1) if n != tables.loops[constant[0], 0]]
        )
    return bool(constant)


def _drain_items(rng: random.Random, tables: Sections) -> bool:
    """The items of a drain in another order; one less, which is run by a core; or one that a core ran."""
    drains = _drained(tables)
    if not drains:
        return False
    number = rng.randrange(len(drains))
    items = drains[number]
    parts = [p for p in _places(tables, DRAIN) if _step(tables, p)[1] == number]
    stretch = _stretch_of(tables, rng.choice(parts))
    used = set(tables.uses[:, 0].tolist())
    runs = [
        p for p in _places(tables, RUN)
        if _stretch_of(tables, p).number == stretch.number and _step(tables, p)[1] not in used
    ]  # fmt: skip
    kind = rng.choice(["order", "less", "more"])
    if kind == "less" and len(items) > 1:
        row = items.pop(rng.randrange(len(items)))
        _insert(rng, tables, stretch, (RUN, row, 0, -1))
    elif kind == "more" and runs:
        core, at = rng.choice(runs)
        items.append(tables.cores[core].pop(at)[1])
    else:
        rng.shuffle(items)
    _set_drained(tables, drains)
    return True


def _drain_parts(rng: random.Random, tables: Sections) -> bool:
    """One core more, or less, takes part in a drain."""
    drains = _drained(tables)
    if not drains:
        return False
    number = rng.randrange(len(drains))
    parts = [p for p in _places(tables, DRAIN) if _step(tables, p)[1] == number]
    stretch = _stretch_of(tables, parts[0])
    cores = {core for core, _ in parts}
    others = [s for s in _stretches(tables) if s.number == stretch.number and s.core not in cores]
    if others and (len(parts) == 1 or rng.random() < 0.5):
        _insert(rng, tables, rng.choice(others), (DRAIN, number, 0, -1))
    elif len(parts) > 1:
        core, at = rng.choice(parts)
        del tables.cores[core][at]
    return True


def _drained(tables: Sections) -> list[list[int]]:
    ptr, rows = tables.drain_ptr[:, 0].tolist(), tables.drain_rows[:, 0].tolist()
    return [rows[a:b] for a, b in pairwise(ptr)]


def _set_drained(tables: Sections, drains: list[list[int]]) -> None:
    tables.drain_ptr = np.cumsum([0, *map(len, drains)]).reshape(-1, 1)
    tables.drain_rows = np.array([row for items in drains for row in items], np.int64).reshape(-1, 1)


def _ring_depth(rng: random.Random, tables: Sections) -> bool:
    if len(tables.rings):
        ring = rng.randrange(len(tables.rings))
        change = rng.choice([-1, 1]) if tables.rings[ring, 3] > 1 else 1
        tables.rings[ring, 3] += change
        if rng.random() < 0.8:
            tables.arena += change * int(tables.rings[ring, 2])
    return bool(len(tables.rings))


def _tokens(rng: random.Random, tables: Sections) -> bool:
    """More tokens, or fewer, at both ends of a ring or at one."""
    if not len(tables.uses):
        return False
    ring, both, change = int(rng.choice(tables.uses[:, 1].tolist())), rng.random() < 0.6, rng.choice([-1, 1])
    uses = np.flatnonzero(tables.uses[:, 1] == ring)
    chosen = uses if both else uses[[rng.randrange(len(uses))]]
    tables.uses[chosen, 3] = np.maximum(1, tables.uses[chosen, 3] + change)
    return True


_CHANGES: dict[str, Change] = {
    "drop a wait or signal": _drop,
    "drop one with counts": _drop_with_counts,
    "duplicate a wait or signal": _duplicate,
    "retarget a wait or signal": _retarget,
    "change a count": _recount,
    "carry a wait, or not": _carry,
    "add an event": _add_event,
    "add or drop a barrier": _barrier,
    "move a step": _move,
    "swap neighbours": _swap,
    "move a step to another core": _move_to_core,
    "swap rows": _swap_rows,
    "shift an access": _shift_access,
    "shift a tensor": _shift_tensor,
    "use another tensor": _other_tensor,
    "change a loop's count": _loop_count,
    "change a drain's items": _drain_items,
    "change who drains": _drain_parts,
    "change a ring's depth": _ring_depth,
    "change tokens": _tokens,
}


def _mend(tables: Sections) -> None:
    """The numbers of barriers, the lengths of loops, the barriers that these say they have."""
    for steps in tables.cores:
        ordinal = {False: 0, True: 0}
        first = -1
        for at, (op, a, _, reason) in enumerate(steps):
            if op == LOOP:
                first = at
            elif op == END:
                steps[at] = END, a, at - first - 1, reason
                first = -1
            elif op == BARRIER:
                steps[at] = BARRIER, ordinal[first >= 0], 0, reason
                ordinal[first >= 0] += 1
        if len(tables.loops):
            tables.loops[0, 6] = ordinal[True]
