"""A function that runs without Python's cycle collector.

In:  a function that makes very many objects, hardly any of them in cycles. Out: the same, faster.
Not here: memory; what is not in a cycle is freed as ever.

The collector looks at all objects again and again while their number grows, and finds nothing: that was a
quarter to a third of the time of partition and schedule on graphs of 100,000 tasks.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def uncollected(function: Callable[P, R]) -> Callable[P, R]:
    """The collector pauses while the function runs, unless it is off already."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if not gc.isenabled():
            return function(*args, **kwargs)
        gc.disable()
        try:
            return function(*args, **kwargs)
        finally:
            gc.enable()

    return run
