"""Running the steps in the abstract: an order in which all of them happen, or the deadlock.

In:  the straight steps (every wait satisfiable in sum), and which of their RUNs meet. Out: a linear
extension of the steps. Raises `DeadlockError`, naming each core that is stuck and the cycle among them.
Not here: orders other than this one (`clocks` finds what they have in common).

Counters only grow, and who has come to a meeting waits there, so a step that can happen stays able to:
running each core as far as it goes, in any turn, gets stuck exactly when some execution does. A loop ends
if one iteration does, since that leaves every counter where the next one needs it; what signals of later
iterations would let go on, nothing does in the last one. A drain holds nobody up: its items wait for nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from mpmd.errors import DeadlockError, Note
from mpmd.schedule.proof.decode import BARRIER, RUN, SIGNAL, WAIT, Column
from mpmd.schedule.proof.occurrences import Occurrences
from mpmd.schedule.proof.straight import Straight

Gang = tuple[int, ...]
"""RUNs on different cores that pass tokens while they run: all of them have to be reached."""


def extension(tables: Straight, gangs: Sequence[Gang], places: Occurrences) -> list[int]:
    """All steps in an order in which they can happen; the steps of one barrier are neighbours."""
    op, a, b = tables.op.tolist(), tables.a.tolist(), np.where(tables.endless, 0, tables.b).tolist()
    end = tables.core_ptr[1:].tolist()
    at = tables.core_ptr[:-1].tolist()
    counter = [0] * tables.events
    sleepers: list[list[tuple[int, int]]] = [[] for _ in counter]  # per event, heaps of (count, core)
    met = {step: number for number, gang in enumerate(gangs) for step in gang}
    missing = [len(gang) for gang in gangs]
    arrived: list[int] = []
    core_of = tables.step_core.tolist() if gangs else []
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
            elif op[step] == RUN and step in met:
                gang = met[step]
                missing[gang] -= 1
                if missing[gang] > 0:
                    break
                order += sorted(gangs[gang])
                others = [core_of[member] for member in sorted(gangs[gang]) if member != step]
                for other in others:
                    at[other] += 1
                ready += others[::-1]
                step += 1
                continue
            elif op[step] == BARRIER:
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
        raise _deadlock(tables, [gangs[met[step]] if step in met else () for step in at], places, at, counter)
    return order


def _deadlock(
    tables: Straight, gangs: Sequence[Gang], places: Occurrences, place: list[int], counter: list[int]
) -> DeadlockError:
    """The error; `gangs` are those that the cores wait in, each core being at its `place`."""
    at = np.array(place)
    stuck = np.flatnonzero(at < tables.core_ptr[1:]).tolist()
    cycle = _cycle({core: _blocker(tables, gangs[core], at, core) for core in stuck})
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


def _need(tables: Straight, step: int, counter: list[int]) -> str:
    if tables.op[step] == RUN:
        return "waits for the other ends of its channels"
    if tables.op[step] != WAIT:
        return "waits for every core to arrive"
    event = int(tables.a[step])
    return f"has {counter[event]} of event {event}, needs {int(tables.b[step])}"


def _blocker(tables: Straight, gang: Gang, at: Column, core: int) -> int:
    """A core that has yet to do what `core` waits for."""
    step = at[core]
    cores = np.arange(tables.cores)
    if tables.op[step] == WAIT:
        pending = np.flatnonzero((tables.op == SIGNAL) & (tables.a == tables.a[step]))
    elif tables.op[step] == RUN:
        pending = np.array(sorted(gang))
        owner = tables.step_core[pending]
        return int(owner[pending != at[owner]][0])
    else:
        unfinished = at < tables.core_ptr[1:]
        here = np.where(unfinished, tables.op[np.minimum(at, len(tables.op) - 1)], BARRIER)
        return int(cores[here != BARRIER][0])
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
