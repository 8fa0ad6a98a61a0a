"""The timeline page of 100,000 tasks: its size, how soon it is drawn, how smoothly it zooms.

In:  nothing. Out: rows; none where there is no Chromium. Not here: what the page shows (`visual/page.py`).

The launch is that of `scale.py`'s decode graph on 132 cores, as predicted; beside it stands one with noise in
every span and every gap, which takes as many bytes as a measured one. The page is opened afresh for each
sample. While it zooms, every frame shows another part of the launch.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.browser import Tab, browser, tab
from bench.rows import Row, spread
from bench.scale import decode_schedule
from mpmd.schedule.simulate import simulate
from mpmd.timeline import Trace
from mpmd.visual.page import timeline_page  # pyright: ignore[reportMissingImports] (visual/ is there)

TASKS, CORES = 100_000, 132
SAMPLES = 5
MOST_BYTES, MOST_MILLISECONDS, LEAST_FRAMES = 2e6, 1000.0, 30.0

_ZOOM = """new Promise(done => {
  const { launch, moves } = timeline, whole = launch.makespan, begin = performance.now();
  let frames = 0;
  requestAnimationFrame(function frame(now) {
    const seconds = (now - begin) / 1000;
    if (seconds > 2) return done(frames / seconds);
    frames++;
    const half = whole / 2 / 100 ** ((1 - Math.cos(seconds * Math.PI)) / 2);
    moves.show(whole / 2 - half, whole / 2 + half, { still: true });
    requestAnimationFrame(frame);
  });
})"""


def rows() -> Iterator[Row]:
    if browser() is None:
        return
    case = f"decode, {TASKS} tasks, {CORES} cores"
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "timeline.html"
        page.write_text(large_page(TASKS, CORES))
        yield _at_most(case, "file", "bytes", [float(page.stat().st_size)], MOST_BYTES)
        with tab() as opened:
            drawn = [first_draw(opened, page) for _ in range(SAMPLES)]
            frames = [frames_per_second(opened) for _ in range(SAMPLES)]
    yield _at_most(case, "first draw", "ms", drawn, MOST_MILLISECONDS)
    middle = statistics.median(frames)
    yield Row(
        case, "while zooming", "frames/s", middle, limit=LEAST_FRAMES, share=middle / LEAST_FRAMES,
        spread=spread(frames), noisy=spread(frames) > 0.3,
    )  # fmt: skip


def large_page(tasks: int, cores: int) -> str:
    """A page of about so many tasks, predicted and as if measured."""
    schedule = decode_schedule(tasks, cores)
    predicted = simulate(schedule)
    return timeline_page([(schedule, predicted, _noisy(predicted))])


def first_draw(opened: Tab, page: Path) -> float:
    """Milliseconds from the beginning of the navigation to the end of the first drawing."""
    opened.open(page)
    return float(opened.value("performance.getEntriesByName('drawn')[0].startTime"))


def frames_per_second(opened: Tab) -> float:
    """While it zooms, from all of the launch to a hundredth of it and back."""
    return float(opened.value(_ZOOM))


def _noisy(trace: Trace) -> Trace:
    """The same spans, each a tenth longer or shorter, more or less, and as much apart."""
    random = np.random.default_rng(0)
    opens = np.diff(trace.core, prepend=-1) != 0
    before = np.where(opens, 0.0, np.concatenate([[0.0], trace.finish[:-1]]))
    gap = (trace.start - before) * random.lognormal(0.0, 0.1, len(trace)) + random.exponential(
        5e-8, len(trace)
    )
    length = (trace.finish - trace.start) * random.lognormal(0.0, 0.1, len(trace))
    end = np.cumsum(gap + length)
    finish = end - np.maximum.accumulate(np.where(opens, end - gap - length, 0.0))
    return replace(
        trace, source="measured", start=finish - length, finish=finish, makespan=float(finish.max())
    )


def _at_most(case: str, metric: str, unit: str, samples: list[float], limit: float) -> Row:
    middle = statistics.median(samples)
    apart = spread(samples) if len(samples) > 1 else None
    return Row(
        case, metric, unit, middle, limit=limit, share=middle / limit, spread=apart, noisy=(apart or 0) > 0.3
    )
