"""Which extents of a function may be 1: the cube takes a left factor of one row for a vector.

In:  a `TaskGraph`, the number of a function. Out: names of dims. Not here: what follows (`cube.py`).
"""

from __future__ import annotations

import numpy as np

from mpmd.partition.graph import TaskGraph, WordKind


def may_be_single(graph: TaskGraph, number: int) -> frozenset[str]:
    """The dims that are 1 in one of the function's instances, or that only a launch tells."""
    function = graph.functions[number]
    places = {
        at: str(function.task.param(word.name).shape[word.axis])
        for at, word in enumerate(function.words)
        if word.kind is WordKind.EXTENT
    }
    sites = [at for at, site in enumerate(graph.sites) if site.function == number]
    rows = graph.word_ptr[np.flatnonzero(np.isin(graph.site, sites))]
    told_late = {word for at in sites for word, _, _ in graph.sites[at].symbolic}
    return frozenset(
        dim for at, dim in places.items() if at in told_late or bool((graph.words[rows + at] <= 1).any())
    )
