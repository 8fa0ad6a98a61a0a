// Spans by a word: a task's name, with its number or without, or a source line.
// In: a launch, what somebody typed. Out: `Found`. Not here: showing it.

import { RUN } from "./launch.js";

export class Found {
  constructor(launch, word) {
    this.word = word.trim().toLowerCase();
    const calls = launch.calls.map((call) =>
      [call.name, call.place, call.text].some((text) => text.toLowerCase().includes(this.word)),
    );
    this.faded = launch.traces.map((trace) => new Uint8Array(trace.size).fill(1));
    this.spans = [];
    launch.traces.forEach((trace, side) => {
      for (let span = 0; span < trace.size; span++) {
        if (trace.kind[span] !== RUN) continue;
        const task = trace.task[span];
        if (!calls[launch.forms[launch.form[task]].call] && !this.#isNumbered(launch, task)) continue;
        this.faded[side][span] = 0;
        this.spans.push({ trace, span });
      }
    });
    this.tasks = new Set(this.spans.map(({ trace, span }) => trace.task[span])).size;
    this.spans = this.spans.filter(({ trace }) => trace === launch.traces.at(-1));
    this.spans.sort((a, b) => a.trace.start[a.span] - b.trace.start[b.span]);
    this.at = -1;
  }

  #isNumbered(launch, task) {
    return this.word.includes("#") && launch.taskName(task).toLowerCase() === this.word;
  }

  // The next one, or the one before; from the last one on to the first.
  step(by) {
    if (!this.spans.length) return null;
    this.at =
      this.at < 0 && by < 0 ? this.spans.length - 1 : (this.at + by + this.spans.length) % this.spans.length;
    return this.spans[this.at];
  }
}
