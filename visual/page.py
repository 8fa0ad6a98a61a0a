"""The timeline of launches as one HTML file, which opens from disk and asks no network for anything.

In:  launches: a `Schedule`, what was predicted for it, and what was measured. Out: HTML text, the same for
     the same launches.
Not here: what the page carries (`page_data.py`); what it does in the browser (`web/`).
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from mpmd.errors import NO_SPAN, ArgumentError

from .page_data import Launch, packed

BUNDLE = Path(__file__).parent / "web" / "dist"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
style-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<noscript>This page draws the timeline with JavaScript, which is off.</noscript>
<script type="application/octet-stream" id="launches">{launches}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def timeline_page(launches: Iterable[Launch]) -> str:
    """One page of all launches, the first of them in view."""
    launches = list(launches)
    if not launches:
        raise ArgumentError(
            "a timeline page is of at least 1 launch, not of 0",
            span=NO_SPAN,
            hints=("`mpmd.schedule.simulate.simulate(schedule)` predicts one",),
        )
    names = ", ".join(dict.fromkeys(schedule.graph.program.name for schedule, _, _ in launches))
    return _PAGE.format(
        title=escape(f"{names}: timeline"),
        style=(BUNDLE / "timeline.css").read_text(),
        launches=packed(launches),
        script=(BUNDLE / "timeline.js").read_text(),
    )
