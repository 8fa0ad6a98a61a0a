// What the colours and lines mean, and what the tasks of each name took.
// In: the state of the page. Out: HTML. Not here: the colours (theme.js).

import { cell, element, rowHeading, swatch, table } from "./dom.js";
import * as show from "./format.js";
import { BARRIER, CHANNEL, TICKET, WAIT } from "./launch.js";
import { most } from "./memory.js";
import { CAUSES } from "./path.js";
import { fillOf } from "./theme.js";

const WAITS = [
  [WAIT, "The core waits for another task's result."],
  [BARRIER, "The core waits until all cores are there."],
  [TICKET, "The core takes its next task from a shared list."],
  [CHANNEL, "The core waits for room or data in a channel."],
];
const NOTHING = "The core has no task, or is about to begin one.";
const PATH =
  "The line below the boxes, as planned and as observed: what the end of the launch hung on, moment by " +
  "moment. To make the launch shorter, make this shorter.";

export function legend(page) {
  const { launch } = page;
  return [
    element("h2", {}, "Tasks"),
    tasks(page),
    element("h2", {}, "Between tasks"),
    element("dl", {}, ...waits(page), ...entry(swatch("empty", ""), NOTHING)),
    element("h2", {}, "Critical path"),
    element("p", {}, PATH),
    causes(launch),
    element("h2", {}, "Memory"),
    element("dl", {}, ...memory(launch)),
    element("p", { className: "hint" }, `${show.bytes(launch.arena)} are set aside for them.`),
  ];
}

function entry(sample, text) {
  return [element("dt", {}, sample), element("dd", {}, text)];
}

function tasks(page) {
  const { launch, shades } = page;
  const whole = launch.totals.reduce((sum, { time }) => sum + time.at(-1), 0);
  const rows = launch.totals.map(({ name, count, time }) => [
    cell(swatch("", fillOf(shades.ofName.get(name)))),
    rowHeading(searchFor(page, name)),
    cell(show.whole(count)),
    ...time.map((nanoseconds) => cell(show.duration(nanoseconds, 3))),
    cell(whole ? show.share(time.at(-1) / whole) : ""),
  ]);
  return table("tasks", rows, ["", "name", "count", ...launch.traces.map(({ source }) => source), "share"]);
}

function searchFor(page, name) {
  const onclick = () => page.find(name);
  return element("button", { type: "button", title: `Search for ${name}`, onclick }, name);
}

function waits({ launch, theme }) {
  const there = WAITS.filter(([kind]) => launch.traces.some((trace) => trace.kind.includes(kind)));
  return there.flatMap(([kind, text]) => entry(swatch("band", theme.waits[kind - WAIT]), text));
}

// What the stretches of the critical path are, and what share of it they make up.
function causes({ traces }) {
  const shares = traces.map(({ path, makespan }) => path.byCause.map((sum) => sum / Math.max(1, makespan)));
  const rows = traces[0].path.causes.map((name, i) => {
    const { colour, strength, text } = CAUSES[name];
    const parts = shares.map((ofCause) => cell(show.share(ofCause[i])));
    return [cell(swatch("path", `var(--${colour})`, strength)), rowHeading(text), ...parts];
  });
  return table("causes", rows, ["", "", ...traces.map(({ source }) => source)]);
}

// The last trace is drawn as an area, the one before it as a dashed line.
function memory({ traces }) {
  const samples = [swatch("memory", "var(--memory)"), swatch("dashed", "")];
  return traces.toReversed().flatMap((trace, i) => {
    const text = `Intermediate results in use, ${trace.source}: at most ${show.bytes(most(trace))}`;
    return entry(samples[i], text);
  });
}
