"""Draws docs/timeline.png: the timeline page of one decode step of SmolLM2, predicted above measured.

    python -m docs.draw_timeline

It runs examples/smollm2_chat.py and takes the fastest of its launches, in which others on the computer show
least. In view are the first of its thirty layers; the task that waited longest for another core is chosen. It
needs the model, a Chromium and the package `websockets`.
"""

import tempfile
from pathlib import Path

import mpmd
from bench.browser import tab
from mpmd.commands.script import first_scalars, run_script
from mpmd.schedule.simulate import simulate
from mpmd.visual import timeline_page

SCRIPT = Path(__file__).parents[1] / "examples" / "smollm2_chat.py"
ARGUMENTS = ("--prompt", "Tell me about the sea.", "--max-tokens", "64")
WIDTH, HEIGHT, SCALE = 1400, 640, 1.5
_THE_LONGEST_WAIT = """(() => {
  const [predicted, measured] = timeline.launch.traces, end = predicted.makespan / 12, WAIT = 1, RUN = 0;
  const { kind, length, finish } = measured;
  const waits = Array.from(kind.keys())
    .filter((span) => kind[span] === WAIT && kind[span + 1] === RUN && finish[span + 1] < end);
  const longest = waits.reduce((a, b) => (length[b] > length[a] ? b : a));
  timeline.moves.show(0, end, { still: true });
  timeline.choose(measured, longest + 1);
})()"""


def main() -> None:
    with mpmd.profiling() as traces:
        outcome = run_script(SCRIPT, ARGUMENTS)
        done = next(done for done in outcome.compilations if done.kernel.__name__ == "decode")
        measured = min((t for t in traces if t.kernel == "decode"), key=lambda trace: trace.makespan)
    print(f"the fastest decode step took {measured.makespan * 1e3:.1f} ms")
    plan = done.compiled.schedule
    predicted = simulate(plan, scalars=first_scalars(done))
    with tempfile.TemporaryDirectory() as folder, tab(width=WIDTH, height=HEIGHT, scale=SCALE) as opened:
        page = Path(folder) / "timeline.html"
        page.write_text(timeline_page([(plan, predicted, measured)]))
        opened.open(page)
        opened.value(_THE_LONGEST_WAIT)
        opened.settle()
        opened.picture(Path(__file__).with_name("timeline.png"))


if __name__ == "__main__":
    main()
