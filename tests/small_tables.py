"""Random tables of at most a dozen steps: straight code, loops, barriers, drains, rings, local tensors.

In:  a random generator, and what the tables may have. Out: `Sections`, right or wrong, but well formed: every
     wait can be met, every event is waited for, loops and drains stand where they may.
Not here: what the tables can do (`state_search.py`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.tables import BARRIER, DRAIN, END, LOOP, RUN, SIGNAL, WAIT, Sections, Step
from tests.unit.table_builder import Access, Loop, Ring, Sum, iteration, register, sections

CELLS = 3
MOST = 4
"""Iterations of the loop."""
ARGUMENT = CELLS + MOST
"""Bytes of the argument, so that what moves with the iteration stays within."""
PLACES = ((0, CELLS), (0, CELLS), (1, CELLS - 1), (2, CELLS))
"""Where local tensors lie in the arena, and how many bytes they have."""
ARENA = 64
SLOT = 128

Accesses = list[tuple[int, int, int, int]]
"""mode, base (0 the argument, −1 − t local tensor t), first cell, cells."""


SCALARS = tuple((count,) for count in range(MOST + 1))
"""All that a launch can give where tables have a scalar."""


@dataclass(frozen=True)
class May:
    """What the tables may have."""

    loop: bool = False
    drain: bool = False
    ring: bool = False
    local: bool = False


KINDS = {
    "straight": May(),
    "locals": May(local=True),
    "loops": May(loop=True),
    "locals in loops": May(loop=True, local=True),
    "drains": May(drain=True),
    "drains in loops": May(drain=True, loop=True),
    "rings": May(ring=True),
    "rings in loops": May(ring=True, loop=True),
}
"""What is tried, by name."""


@dataclass
class _Draft:
    """The tables as they are drawn: what each core does, and what each row touches."""

    rng: random.Random
    cores: list[list[Step]]
    rows: list[Accesses] = field(default_factory=list)
    moving: set[int] = field(default_factory=set)  # rows whose first access moves with the iteration
    shifted: set[int] = field(default_factory=set)  # and with the scalar
    drains: list[list[int]] = field(default_factory=list)
    uses: list[tuple[int, int, int, int]] = field(default_factory=list)
    rings: list[tuple[int, int, int]] = field(default_factory=list)  # producer, consumer, depth
    count: int = 0
    symbolic: bool = False
    """Whether there is a scalar of the launch, at most `MOST` by a guard; it is the count of the loop."""
    has_loop: bool = False
    events: int = 0

    def row(self, may: May, *, loop: int = -1) -> int:
        """A new row: one access or two, some of which move in a loop. Where many run at once, it is small."""
        rng = self.rng
        first = rng.randrange(CELLS)
        crowded = may.drain or may.ring
        modes, most = ([1, 1, 1, 2], 1) if crowded else ([1, 2, 2, 3], CELLS - first)
        accesses = [(rng.choice(modes), 0, first, rng.randint(1, most))]
        if not crowded and rng.random() < 0.3:
            accesses.append((1, 0, rng.randrange(CELLS), 1))
        if may.local:
            accesses = [self._local(access) for access in accesses]
        elif loop >= 0 and rng.random() < 0.4:
            self.moving.add(len(self.rows))
        elif loop < 0 and self.symbolic and rng.random() < 0.3:
            self.shifted.add(len(self.rows))
        self.rows.append(accesses)
        return len(self.rows) - 1

    def _local(self, access: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        mode, _, first, cells = access
        tensor = self.rng.randrange(len(PLACES))
        cells = min(cells, PLACES[tensor][1])
        return mode, -1 - tensor, min(first, PLACES[tensor][1] - cells), cells

    def all_cores(self, step: Step) -> None:
        for steps in self.cores:
            steps.append(step)


def random_tables(rng: random.Random, may: May) -> Sections:
    """Some straight code, perhaps a loop, and some straight code."""
    draft = _Draft(rng, [[] for _ in range(rng.choice([2, 2, 2, 3]))], symbolic=rng.random() < 0.3)
    barriers = 0
    if not may.loop:
        barriers += _straight(draft, may, rng.randint(4, 9), 0)
        return _sections(draft)
    if rng.random() < 0.4:
        barriers += _straight(draft, may, rng.randint(1, 3), barriers)
        barriers += _meet(draft, barriers)
    _loop(draft, may, rng.randint(3, 7))
    if rng.random() < 0.4:
        barriers += _meet(draft, barriers)
        _straight(draft, may, rng.randint(1, 3), barriers)
    return _sections(draft)


def _meet(draft: _Draft, barriers: int) -> int:
    """A barrier between two phases, hardly ever left out."""
    if draft.rng.random() < 0.1:
        return 0
    draft.all_cores((BARRIER, barriers, 0, 0))
    return 1


def _straight(draft: _Draft, may: May, steps: int, barriers: int) -> int:
    """Steps without a loop; how many barriers are among them."""
    bodies, met = _phase(draft, may, steps, -1, barriers)
    for steps_of, body in zip(draft.cores, bodies, strict=True):
        steps_of += body
    return met


def _loop(draft: _Draft, may: May, steps: int) -> None:
    draft.count = draft.rng.randint(0, MOST)
    draft.has_loop = True
    bodies, _ = _phase(draft, may, steps, 0, 0)
    for steps_of, body in zip(draft.cores, bodies, strict=True):
        steps_of += [(LOOP, 0, 0, -1), *body, (END, 0, len(body), -1)]


def _phase(draft: _Draft, may: May, count: int, loop: int, barriers: int) -> tuple[list[list[Step]], int]:
    """What each core does in straight code (loop −1) or in one iteration."""
    rng = draft.rng
    first_row, first_event = len(draft.rows), draft.events
    events = rng.randint(1, 3)
    bodies: list[list[Step]] = [[] for _ in draft.cores]
    met = 1 if rng.random() < 0.2 else 0
    at_barrier, at_gang, at_drain = (rng.randrange(count) for _ in range(3))
    for n in range(count):
        if met and n == at_barrier:
            for body in bodies:
                body.append((BARRIER, barriers, 0, 0))
        if may.ring and n == at_gang:
            _gang(draft, may, bodies, loop)
        if may.drain and n == at_drain:
            _drain(draft, may, bodies, loop)
        kind = rng.random()
        event = first_event + rng.randrange(events)
        if kind < 0.4:
            rng.choice(bodies).append((RUN, draft.row(may, loop=loop), 0, -1))
        elif kind < 0.7:
            rng.choice(bodies).append((SIGNAL, event, rng.choice([1, 1, 1, 2]), 0))
        else:
            rng.choice(bodies).append((WAIT, event, 1, 0))
    bodies = _matched(draft, bodies, first_event, first_event + events, loop)
    return _renumbered(draft, bodies, first_row), met


def _matched(draft: _Draft, bodies: list[list[Step]], first: int, end: int, loop: int) -> list[list[Step]]:
    """Less the waits and signals that have no partner; counts that can be reached; events renumbered."""
    rng = draft.rng
    total = {e: sum(s[2] for body in bodies for s in body if s[:2] == (SIGNAL, e)) for e in range(first, end)}
    waited = {s[1] for body in bodies for s in body if s[0] == WAIT}
    kept = sorted(e for e in waited if total.get(e))
    number = {e: first + n for n, e in enumerate(kept)}
    draft.events += len(kept)
    carried = {e: loop >= 0 and rng.random() < 0.5 for e in kept}
    result: list[list[Step]] = []
    for body in bodies:
        result.append([])
        for op, a, b, reason in body:
            if op in (SIGNAL, WAIT) and a not in number:
                continue
            if op == WAIT:
                b = rng.randint(1, total[a]) - (total[a] if carried[a] else 0)
            result[-1].append((op, number[a] if op in (SIGNAL, WAIT) else a, b, reason))
    return result


def _gang(draft: _Draft, may: May, bodies: list[list[Step]], loop: int) -> None:
    """Two rows on two cores with a ring between them."""
    producer, consumer = draft.rng.sample(range(len(bodies)), 2)
    rows = draft.row(may, loop=loop), draft.row(may, loop=loop)
    tokens = draft.rng.randint(1, 3)
    for sends, core in enumerate((producer, consumer)):
        bodies[core].append((RUN, rows[sends], 0, -1))
        draft.uses.append((rows[sends], len(draft.rings), sends, tokens))
    draft.rings.append((producer, consumer, draft.rng.randint(1, 2)))


def _drain(draft: _Draft, may: May, bodies: list[list[Step]], loop: int) -> None:
    """Two or three items that two or more cores take."""
    takers = draft.rng.sample(range(len(bodies)), draft.rng.randint(2, len(bodies)))
    for core in takers:
        bodies[core].append((DRAIN, len(draft.drains), 0, -1))
    draft.drains.append([draft.row(may, loop=loop) for _ in range(draft.rng.randint(2, 3))])


def _renumbered(draft: _Draft, bodies: list[list[Step]], first: int) -> list[list[Step]]:
    """Rows of the phase in another program order, sometimes."""
    number = list(range(first, len(draft.rows)))
    if draft.rng.random() < 0.7 or draft.uses or draft.drains:
        return bodies
    draft.rng.shuffle(number)
    place = {first + n: row for n, row in enumerate(number)}
    rows = dict(zip(number, draft.rows[first:], strict=True))
    draft.rows[first:] = [rows[row] for row in sorted(rows)]
    draft.moving = {place.get(row, row) for row in draft.moving}
    draft.shifted = {place.get(row, row) for row in draft.shifted}
    return [[(op, place[a] if op == RUN else a, b, r) for op, a, b, r in body] for body in bodies]


# -- bytes -----------------------------------------------------------------------------------------


def _sections(draft: _Draft) -> Sections:
    counted = Sum(0, {0: 1}) if draft.symbolic else draft.count
    return sections(
        cores=draft.cores,
        rows=[_accesses(draft, row) for row in range(len(draft.rows))],
        arguments=[ARGUMENT],
        tensors=PLACES,
        arena=ARENA + SLOT * sum(depth for _, _, depth in draft.rings),
        scalars=int(draft.symbolic),
        guards=[(Sum(0, {0: 1}), 0, MOST)] if draft.symbolic else [],
        loops=[Loop(counted)] if draft.has_loop else [],
        late={row: [iteration()] for row in sorted(draft.moving)},
        drains=draft.drains,
        rings=list(_rings(draft.rings)),
        uses=draft.uses,
    )


def _accesses(draft: _Draft, row: int) -> list[Access]:
    """The first access moves by the iteration, or by the scalar, where the row does."""
    terms = {register(0): 1} if row in draft.moving else {0: 1} if row in draft.shifted else {}
    return [
        Access(mode, base, Sum(first, terms) if terms and not n else first, (cells,))
        for n, (mode, base, first, cells) in enumerate(draft.rows[row])
    ]


def _rings(drawn: Sequence[tuple[int, int, int]]) -> Iterator[Ring]:
    start = ARENA
    for producer, consumer, depth in drawn:
        yield Ring(producer, consumer, depth, start, SLOT)
        start += SLOT * depth
