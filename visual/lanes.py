"""What each core does over time, as a picture whose size does not grow with the number of spans.

In:  spans of work: core, start, finish, name. Out: SVG text.
Not here: arrows, single spans of long launches (`timeline.py`, `page.py`).

Few spans are boxes with names; of many, each lane shows which share of each moment the core worked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import numpy as np

from mpmd.machine.text import amount
from mpmd.timeline import Ints, Seconds

from .colours import colours

MOST_BOXES = 800
MOST_CELLS = 9600
WIDTH, LEFT, RIGHT = 900, 58, 12
FONT = "font-family='Helvetica,Arial,sans-serif' font-size='11' fill='#1f2933'"
BUSY = "#4e79a7"


@dataclass(frozen=True, eq=False)
class Lanes:
    """Spans in order of core and time; `name` indexes `names`."""

    cores: int
    seconds: float
    core: Ints
    start: Seconds
    finish: Seconds
    name: Ints
    names: tuple[str, ...]


def lanes_svg(lanes: Lanes) -> str:
    """One lane per core, and what the colours mean."""
    lane = 22 if lanes.cores <= 16 else 8
    boxes = len(lanes.core) <= MOST_BOXES
    height = lane * lanes.cores + 52
    body = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' "
        f"height='{height}' {FONT}><rect width='{WIDTH}' height='{height}' fill='white'/>"
    ]
    step = max(1, -(-12 // lane))
    for core in range(0, lanes.cores, step):
        body.append(f"<text x='6' y='{core * lane + lane / 2 + 8:.1f}'>core {core}</text>")
    body += _boxes(lanes, lane) if boxes else _shares(lanes, lane)
    body += _axis(lanes, lane * lanes.cores + 6)
    body += _legend(lanes, height - 12, boxes)
    return "".join([*body, "</svg>"])


def _boxes(lanes: Lanes, lane: int) -> Iterator[str]:
    colour = colours(lanes.names)
    scale = _scale(lanes)
    rows = zip(*(c.tolist() for c in (lanes.core, lanes.start, lanes.finish, lanes.name)), strict=True)
    for core, start, finish, name in rows:
        x, width = LEFT + start * scale, max(0.5, (finish - start) * scale)
        label = lanes.names[name]
        hover = f"{label}: {amount(start, 's')} to {amount(finish, 's')}"
        yield (
            f"<g><title>{escape(hover)}</title><rect x='{x:.2f}' y='{core * lane + 4}' width='{width:.2f}' "
            f"height='{lane - 2}' fill='{colour[label]}' stroke='white' stroke-width='.5'/></g>"
        )


def _shares(lanes: Lanes, lane: int) -> Iterator[str]:
    """Of each moment the share in which the core worked: the darker, the more. Equal ones are one box."""
    count = max(20, min(240, MOST_CELLS // lanes.cores))
    width = (WIDTH - LEFT - RIGHT) / count
    edges = np.linspace(0.0, lanes.seconds, count + 1)
    bounds = np.searchsorted(lanes.core, np.arange(lanes.cores + 1))
    for core, (first, end) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
        share = busy_shares(lanes.start[first:end], lanes.finish[first:end], edges).round(1)
        ends = np.flatnonzero(np.diff(share, append=-1.0)) + 1
        for begin, stop in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
            if share[begin]:
                yield (
                    f"<rect x='{LEFT + begin * width:.2f}' y='{core * lane + 4}' height='{lane - 1}' "
                    f"width='{(stop - begin) * width:.2f}' fill='{BUSY}' opacity='{share[begin]:.2g}'/>"
                )


def busy_shares(start: Seconds, finish: Seconds, edges: Seconds) -> Seconds:
    """Which share of the time between two edges lies within spans that do not overlap."""
    moments = np.stack([start, finish], axis=1).reshape(-1)
    worked = np.concatenate([[0.0], np.cumsum(finish - start)])
    until = np.stack([worked[:-1], worked[1:]], axis=1).reshape(-1)
    if not len(moments):
        return np.zeros(len(edges) - 1)
    return np.clip(np.diff(np.interp(edges, moments, until)) / np.diff(edges), 0.0, 1.0)


def _scale(lanes: Lanes) -> float:
    return (WIDTH - LEFT - RIGHT) / max(lanes.seconds, 1e-12)


def _axis(lanes: Lanes, y: int) -> Iterator[str]:
    """Five moments."""
    for part in range(5):
        x = LEFT + (WIDTH - LEFT - RIGHT) * part / 4
        anchor = "end" if part == 4 else "middle" if part else "start"
        time = amount(lanes.seconds * part / 4, "s")
        yield f"<text x='{x:.1f}' y='{y + 12}' text-anchor='{anchor}' fill='#66727f'>{time}</text>"


def _legend(lanes: Lanes, y: int, boxes: bool) -> Iterator[str]:
    if not boxes:
        yield f"<text x='{LEFT}' y='{y}'>the darker, the larger the share in which the core ran tasks</text>"
        return
    x = LEFT
    used = {lanes.names[name] for name in np.unique(lanes.name).tolist()}
    for name, fill in colours(lanes.names).items():
        if name not in used:
            continue
        yield f"<rect x='{x}' y='{y - 9}' width='10' height='10' rx='2' fill='{fill}'/>"
        yield f"<text x='{x + 14}' y='{y}'>{escape(name)}</text>"
        x += 30 + 7 * len(name)
