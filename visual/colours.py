"""The colours of task names, the same in every picture of a kernel.

In:  a `TaskGraph`, or names in the order of its calls. Out: per task name a colour. Not here: anything drawn.
"""

from __future__ import annotations

from collections.abc import Iterable

from mpmd.partition.graph import TaskGraph

COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#76b7b2", "#e15759", "#9c755f", "#edc948")


def colours_of(graph: TaskGraph) -> dict[str, str]:
    """In the order of calls; names beyond the palette share its colours."""
    return colours(site.call.task.name for site in graph.sites)


def colours(names: Iterable[str]) -> dict[str, str]:
    """The same, of the names as they come first."""
    return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(dict.fromkeys(names))}
