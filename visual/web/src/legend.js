// What the colours and lines mean, and what the tasks of each name took.
// In: a launch, its shades. Out: HTML. Not here: the colours (theme.js).

import { element } from "./dom.js";
import * as show from "./format.js";
import { BARRIER, CHANNEL, TICKET, WAIT } from "./launch.js";
import { most } from "./memory.js";
import { CAUSES } from "./path.js";
import { fillOf } from "./theme.js";

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
    element("h2", {}, "Between tasks"),
    element("dl", {},
      ...WAITS.filter(([kind]) => launch.traces.some((trace) => trace.kind.includes(kind))).flatMap(([kind, text]) =>
        entry("band", theme.waits[kind - WAIT], `The core ${text}.`)),
      ...entry("empty", "", "The core has no task, or is about to begin one.")),
    element("h2", {}, "Critical path"),
    element("p", {}, "The line below the boxes, as planned and as observed: what the end of the launch hung on, moment by moment. To make the launch shorter, make this shorter."),
    causes(launch),
    element("h2", {}, "Memory"),
    element("dl", {}, ...launch.traces.toReversed().flatMap((trace, i) =>
      entry(i ? "dashed" : "memory", i ? "" : "var(--memory)", `Intermediate results in use, ${trace.source}: at most ${show.bytes(most(trace))}`))),
    element("p", { className: "hint" }, `${show.bytes(launch.arena)} are set aside for them.`),
  ];
}

// What the stretches of the critical path are, and what share of it they make up.
function causes(launch) {
  const sums = launch.traces.map((trace) => trace.path.byCause);
  const names = launch.traces[0].path.causes;
  return element("table", { className: "causes" },
    element("thead", {}, element("tr", {}, ...["", "", ...launch.traces.map((trace) => trace.source)].map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...names.map((name, i) => {
      const { colour, strength, text } = CAUSES[name];
      return element("tr", {},
        element("td", {}, element("i", { className: "swatch path", style: { background: `var(--${colour})`, opacity: strength } })),
        element("th", { scope: "row" }, text),
        ...sums.map((ofCause, side) => element("td", {}, show.share(ofCause[i] / Math.max(1, launch.traces[side].makespan)))));
    })));
}

function entry(shape, colour, text) {
  return [element("dt", {}, element("i", { className: `swatch ${shape}`, style: { background: colour } })), element("dd", {}, text)];
}

function tasks(launch, shades, page) {
  const sources = launch.traces.map((trace) => trace.source);
  const all = launch.totals;
  const whole = all.reduce((sum, { time }) => sum + time.at(-1), 0);
  return element("table", { className: "tasks" },
    element("thead", {}, element("tr", {}, ...["", "name", "count", ...sources, "share"].map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...all.map(({ name, count, time }) =>
      element("tr", {},
        element("td", {}, element("i", { className: "swatch", style: { background: fillOf(shades.ofName.get(name)) } })),
        element("th", { scope: "row" }, element("button", { type: "button", title: `Search for ${name}`, onclick: () => page.find(name) }, name)),
        element("td", {}, show.whole(count)),
        ...time.map((nanoseconds) => element("td", {}, show.duration(nanoseconds, 3))),
        element("td", {}, whole ? show.share(time.at(-1) / whole) : "")))));
}
