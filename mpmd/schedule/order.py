"""Which core runs each task of a phase, and in what order.

In:  the `Problem` of one phase, a policy. Out: a `Placement`.
Not here: phases with gangs, drains or calls placed by hand (`joint.py`); the signals that keep the
order (`sync.py`), memory (`memory.py`).

`heft` (`heft.py`) is the policy to use, made better by search (`improve.py`). The others are there to
compare with (`policies.py`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mpmd.errors import ArgumentError
from mpmd.partition.graph import FloatColumn, IntColumn, TaskGraph, column
from mpmd.schedule.heft import heft
from mpmd.schedule.improve import improve
from mpmd.schedule.links import ranks
from mpmd.schedule.policies import Choice, Sites, round_robin, wave, zigzag
from mpmd.schedule.problem import Problem, play


@dataclass(frozen=True, slots=True)
class Drained:
    """Tasks that cores take by ticket, in this order. `parts` are the units that stand for them, one on
    each core that takes part: on every one of them all the tasks may run."""

    tasks: tuple[int, ...]
    parts: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Placement:
    """Per unit its core, predicted times, and `wave`: how many barriers every core passes before it.

    Units are the tasks, by their numbers, and after them the parts of drains. A drained task has times,
    but no core, no place and no position (−1).

    `order` lists all placed units in one linear order that respects every dependence; each core runs its
    units in that order. `place` is a unit's index in it, `position` its index on its own core.
    """

    cores: int
    core: npt.NDArray[np.int32]
    start: FloatColumn
    finish: FloatColumn
    wave: npt.NDArray[np.int32]
    order: IntColumn
    place: IntColumn
    position: IntColumn
    core_ptr: IntColumn
    drains: tuple[Drained, ...] = ()

    def units(self, tasks: IntColumn) -> IntColumn:
        """The units in the course of which these tasks run."""
        if not self.drains:
            return tasks
        parts = [self.drains[d].parts for d in np.unique(self.drain_of[tasks]).tolist() if d >= 0]
        return np.concatenate([tasks[self.core[tasks] >= 0], *parts]).astype(np.int64)

    @cached_property
    def drain_of(self) -> IntColumn:
        """Per unit: which of the drains it is drained by, or −1."""
        number = np.full(len(self.core), -1, np.int64)
        for drain, drained in enumerate(self.drains):
            number[list(drained.tasks)] = drain
        return column(number)


def place(given: Problem, site: Sites, policy: str, bound: float, effort: float) -> Placement:
    """Every task on one of the machine's cores, by the named policy.

    `bound` is a lower bound of the makespan; the more `effort`, the longer `heft`'s placement is improved.
    """
    choice = POLICIES[policy](given, site)
    if policy == "heft":
        choice = improve(given, choice, bound, effort)
    times = play(given, choice.core, choice.sequence, choice.wave)
    return placement(choice.core, times.start, times.finish, choice.sequence, choice.wave)


def require_policy(graph: TaskGraph, policy: str) -> None:
    """Raise unless there is a policy of that name."""
    if policy not in POLICIES:
        near = difflib.get_close_matches(policy, POLICIES, n=1)
        raise ArgumentError(
            f"no scheduling policy {policy!r}",
            span=graph.program.span,
            label=f"policy={policy!r}",
            hints=(f"did you mean {near[0]!r}?",) if near else ("policies: " + ", ".join(POLICIES),),
        )


def _heft(given: Problem, site: Sites) -> Choice:
    return heft(given, ranks(given.links, given.weight))


POLICIES: dict[str, Callable[[Problem, Sites], Choice]] = {
    "heft": _heft,
    "round_robin": round_robin,
    "zigzag": zigzag,
    "wave": wave,
}


def placement(
    core: Sequence[int],
    start: Sequence[float],
    finish: Sequence[float],
    sequence: Sequence[int],
    wave: Sequence[int] | IntColumn | None = None,
    drains: tuple[Drained, ...] = (),
) -> Placement:
    """`sequence` respects the dependences and has each core's units by start, so that the order
    (start, sequence) respects them too, even where tasks take no time.

    Cores after the last one with a task take no part in a launch: waking one costs microseconds.
    """
    units = len(core)
    chosen = np.array(sequence, np.int64)
    order = chosen[np.argsort(np.array(start)[chosen], kind="stable")]
    place = np.full(units, -1, np.int64)
    place[order] = np.arange(len(order))
    on = np.array(core, np.int64)
    cores = 1 + int(on.max(initial=0))
    by_core = order[np.argsort(on[order], kind="stable")]
    core_ptr = np.concatenate([[0], np.cumsum(np.bincount(on[order], minlength=cores))])
    position = np.full(units, -1, np.int64)
    position[by_core] = np.arange(len(order)) - core_ptr[on[by_core]]
    return Placement(
        cores=cores,
        core=column(on, np.int32),
        start=column(start, np.float64),
        finish=column(finish, np.float64),
        wave=column(np.zeros(units) if wave is None else wave, np.int32),
        order=column(order),
        place=column(place),
        position=column(position),
        core_ptr=column(core_ptr),
        drains=drains,
    )
