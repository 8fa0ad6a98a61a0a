// The frame of the page: the bar with the launch and the search, the stage, the side, the help.
// In: the page. Out: its elements. Not here: what stands in them.

import { element } from "./dom.js";
import * as show from "./format.js";

const KEYS = [
  ["wheel, + −", "zoom"],
  ["drag, ← →", "move in time"],
  ["↑ ↓", "scroll the cores"],
  ["shift + wheel", "make rows taller or lower"],
  ["0", "show all"],
  ["click", "choose a task: what it waited for, who waits for it"],
  ["[ ]", "the span before, the next one"],
  ["f, double click", "show the chosen task alone"],
  ["c", "critical path on, off"],
  ["/", "search: a name, linear#3, a file or line"],
  ["n, N", "the next that was found, the one before"],
  ["Esc", "give up the search, then the choice"],
];

export function frame(page, root) {
  const canvas = element("canvas", { tabIndex: 0, id: "timeline" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "Timeline: a lane per core. The keys are told behind the button with the question mark.");
  const parts = {
    canvas,
    title: element("div", { id: "title" }),
    search: element("input", { type: "search", id: "search", placeholder: "Search tasks", spellcheck: false,
      oninput: (event) => page.find(event.target.value),
      onkeydown: (event) => event.key === "Enter" && page.step(event.shiftKey ? -1 : 1) }),
    found: element("output", { id: "found" }),
    stage: element("main", { id: "stage" }, canvas),
    panel: element("section", { id: "panel" }),
    legend: element("section", { id: "legend" }),
    tooltip: element("div", { id: "tooltip", hidden: true }),
    help: help(),
  };
  parts.search.setAttribute("aria-label", "Search tasks");
  parts.panel.setAttribute("aria-live", "polite");
  const button = (text, title, onclick) => element("button", { type: "button", title, ariaLabel: title, onclick }, text);
  root.append(
    element("header", {}, parts.title,
      element("div", { id: "tools" }, parts.search, parts.found,
        button("−", "Zoom out", () => page.moves.scale(1 / 2)), button("+", "Zoom in", () => page.moves.scale(2)),
        button("Fit", "Show all", () => page.fit()), button("◐", "Light or dark", () => page.toggleTheme()),
        button("?", "Keys", () => page.toggleHelp()))),
    parts.stage,
    element("aside", {}, parts.panel, parts.legend),
    parts.tooltip,
    parts.help,
  );
  return parts;
}

// What the launch is, in its figures.
export function bar(page) {
  const { launch, launches } = page;
  const chosen = launches.length < 2 ? element("h1", {}, launch.kernel) : element("select", {
    id: "launch", onchange: (event) => page.open(Number(event.target.value)),
  }, ...launches.map((each, i) => element("option", { value: i, selected: each === launch }, each.kernel)));
  page.parts.title.replaceChildren(chosen, ...figures(launch).map(([value, name]) =>
    element("span", { className: "figure" }, element("b", {}, value), ` ${name}`)));
}

function figures(launch) {
  const last = launch.traces.at(-1);
  const left = [last.lost && [show.whole(last.lost), "spans lost"], last.unseen && [show.whole(last.unseen), "iterations not shown"]];
  return [
    ...launch.traces.toReversed().map((trace) => [lasting(trace), trace.source]),
    [show.share(launch.busy(last)), "busy"],
    [show.whole(launch.tasks), launch.tasks === 1 ? "task" : "tasks"],
    [show.whole(launch.cores), launch.cores === 1 ? "core" : "cores"],
    ...left.filter((entry) => entry),
    [last.machine, last.machine === launch.machine ? "" : `(predicted for ${launch.machine})`],
  ];
}

function lasting({ makespan, uncertainty }) {
  return show.duration(makespan) + (uncertainty ? ` ± ${show.duration(uncertainty, 2)}` : "");
}

function help() {
  return element("dialog", { id: "help" },
    element("h2", {}, "Keys"),
    element("dl", {}, ...KEYS.flatMap(([keys, what]) => [element("dt", {}, keys), element("dd", {}, what)])),
    element("form", { method: "dialog" }, element("button", {}, "Close")));
}
