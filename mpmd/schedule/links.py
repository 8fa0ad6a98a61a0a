"""Tasks and dependences as plain lists, and what follows from them alone: ranks, levels, ordinals.

In:  `Deps` in which producers precede consumers. Out: `Links`, and numbers per task.
Not here: choosing cores by them (`order.py`, `joint.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mpmd.partition.graph import Deps, IntColumn

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Links:
    """The dependences of each task, and the tasks of each dependence, as plain lists for hot loops.

    `producers` counts those of each dependence.
    """

    consumed: list[list[int]]
    produced: list[list[int]]
    producers: list[int]
    consumers: list[list[int]]


def link(deps: Deps, tasks: int) -> Links:
    counts = np.diff(deps.producer_ptr)
    return Links(
        consumed=_deps_of_tasks(deps.consumers, deps.consumer_ptr, tasks),
        produced=_deps_of_tasks(deps.producers, deps.producer_ptr, tasks),
        producers=counts.tolist(),
        consumers=rows(deps.consumers.tolist(), deps.consumer_ptr.tolist()),
    )


def _deps_of_tasks(members: npt.NDArray[np.int32], ptr: IntColumn, tasks: int) -> list[list[int]]:
    dep = np.repeat(np.arange(len(ptr) - 1), np.diff(ptr))
    by_task = np.argsort(members, kind="stable")
    ends = np.cumsum(np.bincount(members, minlength=tasks))
    return rows(dep[by_task].tolist(), [0, *ends.tolist()])


def rows(values: list[T], ptr: list[int]) -> list[list[T]]:
    """The lists of a CSR pair."""
    return [values[a:b] for a, b in pairwise(ptr)]


def ranks(links: Links, weight: list[float]) -> list[float]:
    """Upward ranks: seconds from a task's start to the end of the launch along the longest way."""
    rank = weight[:]
    of_dep = [0.0] * len(links.producers)
    for task in range(len(weight) - 1, -1, -1):
        after = 0.0
        for dep in links.produced[task]:
            if of_dep[dep] > after:
                after = of_dep[dep]
        rank[task] = mine = weight[task] + after
        for dep in links.consumed[task]:
            if mine > of_dep[dep]:
                of_dep[dep] = mine
    return rank


def levels(links: Links) -> list[int]:
    of_dep = [0] * len(links.producers)
    level = [0] * len(links.consumed)
    for task, (consumed, produced) in enumerate(zip(links.consumed, links.produced, strict=True)):
        level[task] = max((of_dep[d] for d in consumed), default=0)
        for dep in produced:
            of_dep[dep] = max(of_dep[dep], level[task] + 1)
    return level


def ordinals(site: npt.NDArray[np.int32]) -> IntColumn:
    """The index of each task among those of its call site."""
    by_site = np.argsort(site, kind="stable")
    grouped = site[by_site]
    first = np.searchsorted(grouped, grouped, side="left")
    ordinal = np.empty(len(site), np.int64)
    ordinal[by_site] = np.arange(len(site)) - first
    return ordinal
