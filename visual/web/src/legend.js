// What the colours and lines mean, and what the tasks of each name took.
// In: a launch, its shades. Out: HTML. Not here: the colours (theme.js).

import { element } from "./dom.js";
import * as show from "./format.js";
import { BARRIER, CHANNEL, TICKET, WAIT } from "./launch.js";
import { fillOf, totals } from "./theme.js";

const WAITS = [
  [WAIT, "waits for another task's result"],
  [BARRIER, "waits until all cores are there"],
  [TICKET, "takes its next task from a shared list"],
  [CHANNEL, "waits for room or data in a channel"],
];

export function legend(page) {
  const { launch, shades, theme } = page;
  return [
    element("h2", {}, "Tasks"),
    tasks(launch, shades, page),
    element("h2", {}, "Lines"),
    element("dl", {},
      ...WAITS.filter(([kind]) => launch.traces.some((trace) => trace.kind.includes(kind))).flatMap(([kind, text]) =>
        entry("band", theme.waits[kind - WAIT], `The core ${text}.`)),
      ...entry("empty", "", "Nothing: the core has no task, or starts the next one."),
      ...entry("path", "var(--path)", "Critical path: the chain of work that the end of the launch hangs on. Make one of these tasks shorter and the launch gets shorter."),
      ...entry("path", "var(--muted)", "The same chain, while it waits."),
      ...entry("memory", "var(--memory)", `Memory that intermediate results take (${launch.traces.at(-1).source}${launch.traces.length > 1 ? `; dashed: ${launch.traces[0].source}` : ""}).`)),
  ];
}

function entry(shape, colour, text) {
  return [element("dt", {}, element("i", { className: `swatch ${shape}`, style: { background: colour } })), element("dd", {}, text)];
}

function tasks(launch, shades, page) {
  const sources = launch.traces.map((trace) => trace.source);
  const all = totals(launch);
  const whole = all.reduce((sum, { time }) => sum + time.at(-1), 0);
  return element("table", { className: "tasks" },
    element("thead", {}, element("tr", {}, ...["", "name", "count", ...sources, "share"].map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...all.map(({ name, count, time }) =>
      element("tr", {},
        element("td", {}, element("i", { className: "swatch", style: { background: fillOf(shades.ofName.get(name)) } })),
        element("th", { scope: "row" }, element("button", { type: "button", title: `Search for ${name}`, onclick: () => page.find(name) }, name)),
        element("td", {}, show.whole(count)),
        ...time.map((nanoseconds) => element("td", {}, show.duration(nanoseconds))),
        element("td", {}, whole ? show.share(time.at(-1) / whole) : "")))));
}
