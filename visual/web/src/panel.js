// The side of the page: what was chosen, what it waited for and who waits for it.
// In: the state of the page. Out: HTML. Not here: the legend (legend.js); who waits for whom (neighbours.js).

import { cell, element, rowHeading, swatch, table } from "./dom.js";
import { because, factsOf } from "./facts.js";
import * as show from "./format.js";
import { NONE, RUN } from "./launch.js";
import { runBefore } from "./neighbours.js";
import { fillOf } from "./theme.js";

const MOST = 12; // neighbours that are listed; the rest is counted
const HINT =
  "Point at the timeline to see what a core does there. Click to see what it waited for, and who waits for it.";

// A span's name, the line that it comes from, and all that there is to say of it.
export function heading(trace, span, shades) {
  const { title, where, source, rows } = factsOf(trace, span);
  const isRun = trace.kind[span] === RUN;
  const sample = isRun ? swatch("", fillOf(shades.ofSpan[trace.side][span])) : swatch("band", "var(--wait)");
  const place = element("p", { className: "place" }, element("b", {}, where), element("code", {}, source));
  const cells = rows.map(([name, value, remark]) => [
    rowHeading(name),
    cell(value, remark ? element("span", { className: "remark" }, remark) : null),
  ]);
  return [element("h2", {}, sample, title), ...(where ? [place] : []), table("facts", cells)];
}

export class Panel {
  constructor(root, page) {
    this.root = root;
    this.page = page;
  }

  show() {
    const { chosen, neighbours, shades } = this.page;
    if (!chosen) {
      this.root.replaceChildren(element("p", { className: "hint" }, HINT));
      return;
    }
    const { trace, span } = chosen;
    const since = (other) => distance(trace.start[span] - trace.finish[other], "ended", "before");
    const until = (other) => distance(trace.start[other] - trace.finish[span], "began", "after");
    this.root.replaceChildren(
      ...heading(trace, span, shades),
      ...(trace.task[span] >= 0 ? [this.#readiness(trace, span)] : []),
      this.#list("Waited for", neighbours.before, since),
      this.#list("Waited for by", neighbours.after, until),
    );
  }

  // Whether the core or the data came last.
  #readiness(trace, span) {
    const before = runBefore(trace, span);
    const free = before === NONE ? 0 : trace.finish[before];
    const last = this.page.neighbours.before.find((entry) => entry.span !== NONE);
    const text = last
      ? `Its data was there at ${show.moment(trace.finish[last.span])}; the core was free at ${show.moment(free)}.`
      : "It needed no other task's result.";
    return element("p", { className: "readiness" }, text);
  }

  #list(title, entries, remark) {
    const more = entries.length - MOST;
    const count = entries.length ? show.whole(entries.length) : "nobody";
    return element(
      "section",
      { className: "neighbours" },
      element("h3", {}, title, element("span", { className: "count" }, count)),
      element("ul", {}, ...entries.slice(0, MOST).map((entry) => this.#neighbour(entry, remark))),
      more > 0 ? element("p", { className: "hint" }, `and ${show.whole(more)} more`) : null,
    );
  }

  #neighbour({ task, dep, span }, remark) {
    const { trace } = this.page.chosen;
    const { launch } = trace;
    const where = span === NONE ? "not in this trace" : `core ${trace.core[span]}, ${remark(span)}`;
    const onclick = () => this.page.choose(trace, span, { reveal: true });
    return element(
      "li",
      {},
      element(
        "button",
        { type: "button", disabled: span === NONE, onclick },
        element("b", {}, launch.taskName(task)),
        element("span", {}, where),
        element("span", { className: "remark" }, because(launch, dep)),
      ),
    );
  }
}

// "ended 1.2 µs before", or how much the two overlap by the clocks of their cores.
function distance(nanoseconds, verb, side) {
  if (nanoseconds === 0) return `${verb} right ${side}`;
  if (nanoseconds > 0) return `${verb} ${show.duration(nanoseconds)} ${side}`;
  const wrong = side === "before" ? "late" : "early";
  return `${verb} ${show.duration(-nanoseconds)} too ${wrong}, by clocks that differ`;
}
