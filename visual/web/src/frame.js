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

const DESCRIPTION = "Timeline: a lane per core. The keys are told behind the button with the question mark.";

export function frame(page, root) {
  const canvas = element("canvas", { tabIndex: 0, id: "timeline", role: "img", ariaLabel: DESCRIPTION });
  const parts = {
    canvas,
    title: element("div", { id: "title" }),
    search: search(page),
    found: element("output", { id: "found" }),
    stage: element("main", { id: "stage" }, canvas),
    panel: element("section", { id: "panel", ariaLive: "polite" }),
    legend: element("section", { id: "legend" }),
    tooltip: element("div", { id: "tooltip", hidden: true }),
    help: help(),
  };
  root.append(
    element("header", {}, parts.title, tools(page, parts)),
    parts.stage,
    element("aside", {}, parts.panel, parts.legend),
    parts.tooltip,
    parts.help,
  );
  return parts;
}

function search(page) {
  return element("input", {
    type: "search",
    id: "search",
    placeholder: "Search tasks",
    ariaLabel: "Search tasks",
    spellcheck: false,
    oninput: (event) => page.find(event.target.value),
    onkeydown: (event) => event.key === "Enter" && page.step(event.shiftKey ? -1 : 1),
  });
}

function tools(page, { search, found }) {
  const button = (text, title, onclick) =>
    element("button", { type: "button", title, ariaLabel: title, onclick }, text);
  return element(
    "div",
    { id: "tools" },
    search,
    found,
    button("−", "Zoom out", () => page.moves.scale(1 / 2)),
    button("+", "Zoom in", () => page.moves.scale(2)),
    button("Fit", "Show all", () => page.fit()),
    button("◐", "Light or dark", () => page.toggleTheme()),
    button("?", "Keys", () => page.toggleHelp()),
  );
}

// What the launch is, in its figures.
export function bar(page) {
  const { launch, launches } = page;
  const name = launches.length > 1 ? choice(page) : element("h1", {}, launch.kernel);
  const told = figures(launch).map(([value, what]) =>
    element("span", { className: "figure" }, element("b", {}, value), ` ${what}`),
  );
  page.parts.title.replaceChildren(name, ...told);
}

function choice(page) {
  const options = page.launches.map((launch, i) =>
    element("option", { value: i, selected: launch === page.launch }, launch.kernel),
  );
  const onchange = (event) => page.open(Number(event.target.value));
  return element("select", { id: "launch", ariaLabel: "Launch", onchange }, ...options);
}

function figures(launch) {
  const last = launch.traces.at(-1);
  const left = [
    last.lost && [show.whole(last.lost), "spans lost"],
    last.unseen && [show.whole(last.unseen), "iterations not shown"],
  ];
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
  return element(
    "dialog",
    { id: "help" },
    element("h2", {}, "Keys"),
    element("dl", {}, ...KEYS.flatMap(([keys, what]) => [element("dt", {}, keys), element("dd", {}, what)])),
    element("form", { method: "dialog" }, element("button", {}, "Close")),
  );
}
