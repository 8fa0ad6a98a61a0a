"""The colours of task names, the same in every picture of a kernel.

In:  a `TaskGraph`. Out: per task name a colour. Not here: anything drawn.
"""

from __future__ import annotations

from mpmd.partition.graph import TaskGraph

COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#76b7b2", "#e15759", "#9c755f", "#edc948")


def colours_of(graph: TaskGraph) -> dict[str, str]:
    """In the order of calls; names beyond the palette share its colours."""
    names = dict.fromkeys(site.call.task.name for site in graph.sites)
    return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}
