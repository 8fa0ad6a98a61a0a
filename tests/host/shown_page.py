"""A timeline page in a browser's tab, as tests ask it.

In:  a tab, the launches that the page is of. Out: columns, texts, places and pixels of the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpmd.schedule.steps import Schedule
from mpmd.timeline import Trace


@dataclass(frozen=True, eq=False)
class Shown:
    """A page in a tab, and what it is of."""

    tab: Any
    launches: list[tuple[Schedule, Trace, Trace | None]]

    def traces(self) -> Iterator[tuple[str, Schedule, Trace]]:
        """Each with the JavaScript that it has in the page."""
        for number, (schedule, *traces) in enumerate(self.launches):
            for side, trace in enumerate(trace for trace in traces if trace is not None):
                yield f"timeline.launches[{number}].traces[{side}]", schedule, trace

    @property
    def decode(self) -> tuple[Schedule, Trace]:
        """The first launch, as it was measured."""
        schedule, _, measured = self.launches[0]
        assert measured is not None
        return schedule, measured

    def column(self, expression: str) -> np.ndarray:
        return np.array(self.tab.value(f"Array.from({expression})"))

    def text(self, selector: str) -> str:
        return self.tab.value(f"document.querySelector('{selector}').innerText")

    def corner(self) -> tuple[float, float]:
        """Where the canvas begins."""
        box = "timeline.parts.canvas.getBoundingClientRect()"
        return self.tab.value(f"{box}.left"), self.tab.value(f"{box}.top")

    def pixel(self, x: float, y: float) -> list[int]:
        """Red, green and blue on the canvas, whose pixels are those of the page."""
        context = "document.querySelector('canvas').getContext('2d')"
        return self.tab.value(f"Array.from({context}.getImageData({x}, {y}, 1, 1).data)")[:3]

    def view(self) -> tuple[float, float]:
        """Nanoseconds."""
        return self.tab.value("timeline.view.from"), self.tab.value("timeline.view.to")

    def still(self) -> None:
        """Until nothing moves any more."""
        self.tab.until(
            "new Promise(done => { const from = timeline.view.from, to = timeline.view.to;"
            " setTimeout(() => done(timeline.view.from === from && timeline.view.to === to), 60); })"
        )
        self.tab.settle()

    def box(self, span: int, side: int = 1) -> tuple[float, float, float, float]:
        found = self.tab.value(f"timeline.box(timeline.launch.traces[{side}], {span})")
        return found["x"], found["y"], found["width"], found["height"]

    def middle(self, span: int, side: int = 1) -> tuple[float, float]:
        x, y, width, height = self.box(span, side)
        return x + width / 2, y + height / 2
