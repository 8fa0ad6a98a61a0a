"""What the tasks of a graph are, told once for all that are alike: call, extents, work, least time.

In:  a `Schedule`. Out: `Calls`, the distinct lines that call something; `Forms`, the distinct kinds of task.
Not here: when they ran.

A form is all tasks of one call with the same extents and the same work (`most`: it may be less, the launch's
scalars decide). Its least time on a kind of core is
the roofline's: operations at the rates of their classes, or bytes at that core's share of the memory
bandwidth, whichever takes longer. (Williams, Waterman, Patterson, "Roofline", CACM 2009.)
"""

from __future__ import annotations

import linecache
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mpmd.errors import Span
from mpmd.machine import OPERATIONS, CoreKind
from mpmd.partition.graph import Function, IntColumn, TaskGraph, WordKind
from mpmd.schedule.steps import Schedule

_AT_LAUNCH = -1


class Calls:
    """Names with the lines that they stand in, numbered as they come."""

    def __init__(self) -> None:
        self._number: dict[tuple[str, Span], int] = {}

    def number(self, name: str, place: Span) -> int:
        return self._number.setdefault((name, place), len(self._number))

    def numbers(self, names: Iterable[str], places: Iterable[Span]) -> IntColumn:
        return np.array([self.number(*call) for call in zip(names, places, strict=True)], np.int64)

    def facts(self) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "place": f"{Path(place.file).name}:{place.line}" if place.line else "",
                "text": linecache.getline(place.file, place.line).strip() if place.line else "",
            }
            for name, place in self._number
        ]


@dataclass(frozen=True, eq=False)
class Forms:
    """`of_task` numbers `facts`: per form its call, extents, operations, bytes and seconds to compute."""

    of_task: IntColumn
    facts: list[dict[str, Any]]


def forms(schedule: Schedule, calls: Calls) -> Forms:
    """The forms of all tasks, and the calls that they are of."""
    graph = schedule.graph
    call = calls.numbers(
        (site.call.task.name for site in graph.sites), (site.call.span for site in graph.sites)
    )
    function = np.array([site.function for site in graph.sites], np.int64)[graph.site]
    of_task = np.zeros(len(graph), np.int64)
    facts: list[dict[str, Any]] = []
    for number in np.unique(function).tolist():
        tasks = np.flatnonzero(function == number)
        kinds, first, form = _alike(graph, tasks, graph.functions[number], call)
        of_task[tasks] = len(facts) + form
        for row, task in zip(kinds, tasks[first].tolist(), strict=True):
            facts.append(
                {
                    "call": int(row[0]),
                    "shapes": _shapes(graph.functions[number], row[1:]),
                    "flops": float(graph.work[task, :OPERATIONS].sum()),
                    "bytes": float(graph.bytes[task]),
                    "most": _depends_on_the_launch(graph, task),
                    "compute": [_seconds(graph.work[task], kind) for kind in schedule.machine.kinds],
                }
            )
    return Forms(of_task, facts)


def _depends_on_the_launch(graph: TaskGraph, task: int) -> bool:
    """Whether some of its extents or scalars are known at the launch only: its work is then the most."""
    site = graph.sites[graph.site[task]]
    words = graph.functions[site.function].words
    return any(words[word].kind in (WordKind.EXTENT, WordKind.SCALAR) for word, _, _ in site.symbolic)


def share_of_bandwidth(schedule: Schedule, kind: CoreKind) -> float:
    """Bytes per second that a core draws from memory while all cores of the launch do."""
    return min(kind.bandwidth, schedule.machine.bandwidth / max(1, schedule.cores))


def _alike(
    graph: TaskGraph, tasks: IntColumn, function: Function, call: IntColumn
) -> tuple[IntColumn, IntColumn, IntColumn]:
    """Per form its call and open extents, and its first task; and the form of each of the tasks."""
    extents = [i for i, word in enumerate(function.words) if word.kind == WordKind.EXTENT]
    words = [_extent(graph, tasks, i) for i in extents]
    work = np.unique(np.column_stack([graph.work[tasks], graph.bytes[tasks]]), axis=0, return_inverse=True)[1]
    keys = np.column_stack([call[graph.site[tasks]], *words, work.reshape(-1)])
    kinds, first, form = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return kinds[:, :-1], first.astype(np.int64), form.reshape(-1).astype(np.int64)


def _extent(graph: TaskGraph, tasks: IntColumn, number: int) -> IntColumn:
    """A word of each task that is an extent, `_AT_LAUNCH` where only the launch knows it."""
    late = [any(word == number for word, _, _ in site.symbolic) for site in graph.sites]
    words = graph.words[graph.word_ptr[tasks] + number]
    return np.where(np.array(late, np.bool_)[graph.site[tasks]], _AT_LAUNCH, words)


def _shapes(function: Function, open_extents: IntColumn) -> str:
    """`x f32[1, 576]`, a parameter a line; `≤` before what only the launch knows."""
    dtypes = {param.name: param.dtype.name for param in function.task.shaped}
    given = iter(open_extents.tolist())
    texts: list[str] = []
    for layout in function.layouts:
        found = [next(given) if extent is None else extent for extent in layout.extents]
        shown = [
            f"≤{most}" if n == _AT_LAUNCH else str(n) for n, most in zip(found, layout.bounds, strict=True)
        ]
        texts.append(f"{layout.name} {dtypes[layout.name]}[{', '.join(shown)}]")
    return "\n".join(texts)


def _seconds(work: np.ndarray, kind: CoreKind) -> float | None:
    """To compute at the peak rates; None where a core of this kind cannot."""
    amounts, rates = work[:OPERATIONS], np.array(kind.rates)
    if (amounts[rates <= 0] > 0).any():
        return None
    return float(np.divide(amounts, rates, out=np.zeros_like(amounts), where=rates > 0).sum())
