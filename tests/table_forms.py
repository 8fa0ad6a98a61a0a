"""Laws that small tables show as they stand, whatever their cores can do.

In:  `Sections`. Out: the codes of the laws that they break.
Not here: what happens when they run (`state_search.py`). Nothing is shared with the checker.

All of this is part of what "legal" means. Some of it is stricter than any execution asks for: a table that
breaks it might run well, but says something that no schedule means.

  unmatched-wait  a wait asks for a count that its launch signals, or its iteration, or the one before it
  orphan-signal   what is signalled is waited for
  phase           all cores meet between a loop and what is around it: a barrier stands next to LOOP and to
                  END, on every core, unless there is nothing before it, or behind it, on any of them
  channel         the runs at the ends of a ring are on its cores, and go with each other: as many tokens are
                  sent as received, by the k-th in the same loop; a ring of one core is never read before it
                  is written, nor overfull; its bytes are its own
  malformed-table local tensors and rings lie in the arena
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, combinations, zip_longest

from tests.tables import BARRIER, END, LOOP, RUN, SIGNAL, WAIT, Sections, Step


def broken_forms(tables: Sections) -> frozenset[str]:
    """The codes of the laws that are broken."""
    laws = {
        "unmatched-wait": _unmatched(tables),
        "orphan-signal": _orphans(tables),
        "phase": len(tables.cores) > 1 and any(_runs_on(tables, edge) for edge in (LOOP, END)),
        "channel": _misfit(tables),
        "malformed-table": _outside(tables),
    }
    return frozenset(law for law, broken in laws.items() if broken)


def _of(tables: Sections, op: int) -> list[Step]:
    return [step for steps in tables.cores for step in steps if step[0] == op]


def _unmatched(tables: Sections) -> bool:
    total = [0] * tables.events
    for _, event, amount, _ in _of(tables, SIGNAL):
        total[event] += amount
    loop = tables.event_loop[:, 0].tolist() or [-1] * tables.events
    return any(
        not (1 - total[event] if loop[event] >= 0 else 1) <= count <= total[event]
        for _, event, count, _ in _of(tables, WAIT)
    )


def _orphans(tables: Sections) -> bool:
    return not {step[1] for step in _of(tables, SIGNAL)} <= {step[1] for step in _of(tables, WAIT)}


def _runs_on(tables: Sections, edge: int) -> bool:
    """Whether a core goes into a loop (LOOP), or out of one (END), without a meeting."""
    for loop in range(len(tables.loops)):
        beside: list[int | None] = []
        for steps in tables.cores:
            at = next(i for i, (op, a, *_) in enumerate(steps) if (op, a) == (edge, loop))
            near = at - 1 if edge == LOOP else at + 1
            beside.append(steps[near][0] if 0 <= near < len(steps) else None)
        if set(beside) not in ({None}, {BARRIER}):
            return True
    return False


def _misfit(tables: Sections) -> bool:
    places = {
        row: (core, loop, at) for core, steps in enumerate(tables.cores) for row, loop, at in _runs(steps)
    }
    for number, ring in enumerate(tables.rings.tolist()):
        ends: tuple[list[tuple[int, int, int, int]], ...] = ([], [])
        for row, of, receives, tokens in tables.uses.tolist():
            if of == number:
                if row not in places or places[row][0] != ring[receives]:
                    return True
                core, loop, at = places[row]
                ends[receives].append((at, core, loop, tokens))
        for send, receive in zip_longest(*map(sorted, ends)):
            if send is None or receive is None or send[2:] != receive[2:]:
                return True
        if ring[0] == ring[1] and not _in_turn(ends, ring[3]):
            return True
    return any(_overlap(a, b) for a, b in combinations(list(_rings(tables)), 2)) or any(
        _overlap(ring, tensor) for ring in _rings(tables) for tensor in _tensors(tables)
    )


def _runs(steps: list[Step]) -> Iterator[tuple[int, int, int]]:
    """Row, loop and place of each RUN."""
    loop = -1
    for at, (op, a, *_) in enumerate(steps):
        loop = a if op == LOOP else -1 if op == END else loop
        if op == RUN:
            yield a, loop, at


def _in_turn(ends: tuple[list[tuple[int, int, int, int]], ...], depth: int) -> bool:
    """Whether the tokens that one core has sent itself are never fewer than none, nor more than fit."""
    sent = [(at, tokens) for at, *_, tokens in ends[0]]
    received = [(at, -tokens) for at, *_, tokens in ends[1]]
    return all(0 <= fill <= depth for fill in accumulate(change for _, change in sorted(sent + received)))


def _rings(tables: Sections) -> Iterator[tuple[int, int]]:
    for _, _, slot, depth, offset, _ in tables.rings.tolist():
        yield offset, offset + slot * depth


def _tensors(tables: Sections) -> Iterator[tuple[int, int]]:
    for kind, size, start in tables.bases.tolist():
        if kind == 1 and size > 0:
            yield start, start + size


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _outside(tables: Sections) -> bool:
    return any(low < 0 or high > tables.arena for low, high in (*_rings(tables), *_tensors(tables)))
