"""Draws docs/timeline.png: the timeline page of one decode step of SmolLM2, predicted above measured.

    mpmd profile -o timeline.html examples/smollm2_chat.py --max-tokens 64
    python -m docs.draw_timeline timeline.html

In view are about two of its thirty layers, around the task that waited longest for another core, which is
chosen. It needs a Chromium and the package `websockets`.
"""

import sys
from pathlib import Path

from bench.browser import tab

WIDTH, HEIGHT, SCALE = 1400, 720, 1.5
_AROUND_THE_LONGEST_WAIT = """(() => {
  const trace = timeline.launch.traces.at(-1), whole = trace.makespan, WAIT = 1, RUN = 0;
  const inner = (span) => trace.start[span] > whole / 5 && trace.finish[span] < whole * 3 / 5;
  const waits = Array.from(trace.kind.keys())
    .filter((span) => trace.kind[span] === WAIT && trace.kind[span + 1] === RUN && inner(span));
  const longest = waits.reduce((a, b) => (trace.length[b] > trace.length[a] ? b : a));
  const middle = trace.finish[longest], around = whole / 30;
  timeline.moves.show(middle - around, middle + around, { still: true });
  timeline.choose(trace, longest + 1);
})()"""


def main(page: Path) -> None:
    with tab(width=WIDTH, height=HEIGHT, scale=SCALE) as opened:
        opened.open(page, "#kernel=decode")
        opened.value(_AROUND_THE_LONGEST_WAIT)
        opened.settle()
        opened.picture(Path(__file__).with_name("timeline.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
