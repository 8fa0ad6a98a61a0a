// The side of the page: what was chosen, what it waited for and who waits for it.
// In: the state of the page. Out: HTML. Not here: the legend (legend.js); who waits for whom (neighbours.js).

import { element } from "./dom.js";
import { because, factsOf } from "./facts.js";
import * as show from "./format.js";
import { NONE, RUN } from "./launch.js";
import { runBefore } from "./neighbours.js";
import { fillOf } from "./theme.js";

const MOST = 12; // neighbours that are listed; the rest is counted

function factsTable(facts) {
  return element(
    "table",
    { className: "facts" },
    element("tbody", {}, ...facts.rows.map(([name, value, remark]) =>
      element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, value,
        remark ? element("span", { className: "remark" }, remark) : null)))),
  );
}

export function heading(trace, span, shades) {
  const facts = factsOf(trace, span);
  const swatch = trace.kind[span] === RUN
    ? element("i", { className: "swatch", style: { background: fillOf(shades.ofSpan[trace.side][span]) } })
    : element("i", { className: "swatch band", style: { background: "var(--wait)" } });
  return [
    element("h2", {}, swatch, facts.title),
    facts.where ? element("p", { className: "place" }, element("b", {}, facts.where), element("code", {}, facts.source)) : null,
    factsTable(facts),
  ];
}

export class Panel {
  constructor(root, page) {
    this.root = root;
    this.page = page;
  }

  show() {
    const { chosen, neighbours, shades } = this.page;
    if (!chosen) {
      this.root.replaceChildren(element("p", { className: "hint" }, "Point at the timeline to see what a core does there. Click to see what it waited for, and who waits for it."));
      return;
    }
    const { trace, span } = chosen;
    this.root.replaceChildren(
      ...heading(trace, span, shades).filter((part) => part),
      ...(trace.task[span] >= 0 ? [this.#readiness(trace, span)] : []),
      this.#list("Waited for", neighbours.before, (other) => distance(trace.start[span] - trace.finish[other], "ended", "before")),
      this.#list("Waited for by", neighbours.after, (other) => distance(trace.start[other] - trace.finish[span], "began", "after")),
    );
  }

  // Whether the core or the data came last.
  #readiness(trace, span) {
    const before = runBefore(trace, span), free = before === NONE ? 0 : trace.finish[before];
    const last = this.page.neighbours.before.find((entry) => entry.span !== NONE);
    const ready = last ? trace.finish[last.span] : 0;
    const text = !last
      ? "It needed no other task's result."
      : `Its data was there at ${show.moment(ready)}; the core was free at ${show.moment(free)}.`;
    return element("p", { className: "readiness" }, text);
  }

  #list(title, entries, remark) {
    const { trace } = this.page.chosen;
    const rows = entries.slice(0, MOST).map(({ task, dep, span }) =>
      element("li", {}, element("button", {
        type: "button", disabled: span === NONE, onclick: () => this.page.choose(trace, span, { reveal: true }),
      }, element("b", {}, trace.launch.taskName(task)),
        element("span", {}, span === NONE ? "not in this trace" : `core ${trace.core[span]}, ${remark(span)}`),
        element("span", { className: "remark" }, because(trace.launch, dep)))));
    const more = entries.length - rows.length;
    return element("section", { className: "neighbours" },
      element("h3", {}, title, element("span", { className: "count" }, entries.length ? show.whole(entries.length) : "nobody")),
      element("ul", {}, ...rows),
      more > 0 ? element("p", { className: "hint" }, `and ${show.whole(more)} more`) : null);
  }
}

// "ended 1.2 µs before", or how much of it overlapped by the clocks of two cores.
function distance(nanoseconds, verb, side) {
  if (nanoseconds === 0) return `${verb} right ${side}`;
  return nanoseconds > 0
    ? `${verb} ${show.duration(nanoseconds)} ${side}`
    : `${verb} ${show.duration(-nanoseconds)} too ${side === "before" ? "late" : "early"}, by clocks that differ`;
}
