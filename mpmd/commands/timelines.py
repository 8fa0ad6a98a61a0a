"""Timelines of launches as the text of a file.

In:  a suffix, and launches as they were predicted and maybe measured. Out: JSON for Perfetto, or a page.
Not here: writing files (`show.py`); the pictures (`visual/`), which are loaded when one is made.
"""

from __future__ import annotations

from collections.abc import Sequence

from mpmd.schedule.steps import Schedule
from mpmd.timeline import Trace

Played = tuple[Schedule, Trace, Trace | None]
"""A schedule, its launch as predicted, and as measured."""


def timelines(suffix: str, launches: Sequence[Played]) -> str:
    """The text of a file with this suffix."""
    return _page(launches) if suffix == ".html" else _chrome(launches)


def _page(launches: Sequence[Played]) -> str:
    from mpmd.visual.page import timeline_page  # pyright: ignore[reportMissingImports] (visual/ is there)

    return timeline_page(launches)


def _chrome(launches: Sequence[Played]) -> str:
    from mpmd.visual.chrome import chrome_json  # pyright: ignore[reportMissingImports] (visual/ is there)

    pairs = [(trace, plan) for plan, *traces in launches for trace in traces if trace is not None]
    return chrome_json([trace for trace, _ in pairs], [plan for _, plan in pairs])
