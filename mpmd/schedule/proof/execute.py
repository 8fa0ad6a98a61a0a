"""Running the steps in the abstract: an order in which all of them happen, or the deadlock.

In:  the decoded tables (every wait satisfiable in sum). Out: a linear extension of the steps.
Raises `DeadlockError`, naming each core that is stuck and the cycle among them.
Not here: orders other than this one (`clocks` finds what they have in common).

Counters only grow, so a step that can happen stays able to: running each core as far as it goes, in
any turn, gets stuck exactly when some execution does.
"""

from __future__ import annotations

import heapq

import numpy as np

from mpmd.errors import DeadlockError, Note
from mpmd.schedule.proof.decode import RUN, SIGNAL, WAIT, Column, Tables
from mpmd.schedule.proof.witness import Places


def extension(tables: Tables, places: Places) -> list[int]:
    """All steps in an order in which they can happen; the steps of one barrier are neighbours."""
    op, a, b = tables.op.tolist(), tables.a.tolist(), tables.b.tolist()
    end = tables.core_ptr[1:].tolist()
    at = tables.core_ptr[:-1].tolist()
    counter = [0] * tables.events
    sleepers: list[list[tuple[int, int]]] = [[] for _ in counter]  # per event, heaps of (count, core)
    arrived: list[int] = []
    ready = list(range(tables.cores))[::-1]
    order: list[int] = []
    while ready:
        core = ready.pop()
        step = at[core]
        while step < end[core]:
            if op[step] == SIGNAL:
                event = a[step]
                counter[event] += b[step]
                while sleepers[event] and sleepers[event][0][0] <= counter[event]:
                    ready.append(heapq.heappop(sleepers[event])[1])
            elif op[step] == WAIT:
                if counter[a[step]] < b[step]:
                    heapq.heappush(sleepers[a[step]], (b[step], core))
                    break
            elif op[step] != RUN:
                arrived.append(core)
                if len(arrived) == tables.cores:
                    at[core] = step
                    order += [at[c] for c in range(tables.cores)]
                    at = [s + 1 for s in at]
                    ready += [c for c in reversed(range(tables.cores)) if c != core]
                    arrived = []
                    step += 1
                    continue
                break
            order.append(step)
            step += 1
        at[core] = step
    if len(order) < len(op):
        raise _deadlock(tables, places, np.array(at), counter)
    return order


def _deadlock(tables: Tables, places: Places, at: Column, counter: list[int]) -> DeadlockError:
    stuck = np.flatnonzero(at < tables.core_ptr[1:]).tolist()
    cycle = _cycle({core: _blocker(tables, at, core) for core in stuck})
    notes = []
    for core in [*cycle, *(c for c in stuck if c not in cycle)]:
        step = int(at[core])
        notes.append(Note(places.span(step), f"{places.step(step)} {_need(tables, step, counter)}"))
    ring = " → ".join(f"core {core}" for core in [*cycle, cycle[0]])
    return DeadlockError(
        f"{len(stuck)} of {tables.cores} cores can never finish: {ring}",
        span=places.span(int(at[cycle[0]])),
        label="each waits for the next",
        related=tuple(notes[:16]),
    )


def _need(tables: Tables, step: int, counter: list[int]) -> str:
    if tables.op[step] != WAIT:
        return "waits for every core to arrive"
    event = int(tables.a[step])
    return f"has {counter[event]} of event {event}, needs {int(tables.b[step])}"


def _blocker(tables: Tables, at: Column, core: int) -> int:
    """A core that has yet to do what `core` waits for."""
    step = at[core]
    cores = np.arange(tables.cores)
    if tables.op[step] != WAIT:
        unfinished = at < tables.core_ptr[1:]
        here = np.where(unfinished, tables.op[np.minimum(at, len(tables.op) - 1)], RUN)
        return int(cores[here == WAIT][0])
    pending = np.flatnonzero((tables.op == SIGNAL) & (tables.a == tables.a[step]))
    owner = tables.step_core[pending]
    return int(owner[pending > at[owner]][0])


def _cycle(blocker: dict[int, int]) -> list[int]:
    """The cycle that following `blocker` from the lowest core ends in, from its lowest core on."""
    core, seen = min(blocker), []
    while core not in seen:
        seen.append(core)
        core = blocker[core]
    cycle = seen[seen.index(core) :]
    lowest = cycle.index(min(cycle))
    return cycle[lowest:] + cycle[:lowest]
