// What there is to say of a span, in words and figures.
// In: a trace, a span. Out: {title, where, source, rows: [name, value, remark]}. Not here: HTML.

import * as show from "./format.js";
import { BARRIER, CHANNEL, NONE, RUN, TICKET, WAIT } from "./launch.js";
import { lastFor, runBefore, twinsOf, waitsBefore } from "./neighbours.js";

const BECAUSE = {
  RAW: (tensor) => `reads ${tensor}, which it wrote`,
  WAR: (tensor) => `overwrites ${tensor}, which it read`,
  WAW: (tensor) => `overwrites ${tensor}, which it wrote, too`,
  REUSE: (tensor) => `puts ${tensor} where its buffer was`,
};

export function factsOf(trace, span) {
  const call = trace.launch.calls[trace.call[span]];
  const facts = trace.kind[span] === RUN ? runFacts(trace, span) : waitFacts(trace, span);
  return { where: call.place, source: call.text, ...facts };
}

// Why one task stands after another: "reads h, which it wrote".
export function because(launch, dep) {
  const { deps } = launch;
  return BECAUSE[deps.kinds[deps.kind[dep]]](launch.tensors[deps.tensor[dep]]);
}

function runFacts(trace, span) {
  const form = trace.launch.forms[trace.launch.form[trace.task[span]]];
  return {
    title: trace.nameOf(span),
    rows: [
      ["took", show.duration(trace.length[span]), comparison(trace, span)],
      ...when(trace, span),
      ...form.shapes.split("\n").map((shape, i) => [i ? "" : "works on", shape]),
      ["moves", atMost(form) + show.bytes(form.bytes)],
      ["computes", atMost(form) + show.flops(form.flops)],
      ...roofline(trace, span, form),
      ...waited(trace, span),
      ...critical(trace, span),
    ],
  };
}

function when(trace, span) {
  const turn = trace.iteration[span] ? `iteration ${trace.iteration[span]}` : "";
  const at = show.moment(trace.start[span]);
  return [[trace.source, `core ${trace.core[span]}, from ${at}`, turn]];
}

function comparison(trace, span) {
  const [twin] = twinsOf(trace, span);
  if (!twin || !trace.length[span]) return "";
  const other = twin.trace.length[twin.span];
  return `${twin.trace.source} ${show.duration(other)}`;
}

// Where the launch's scalars decide, the page does not know how much there was to do.
const atMost = (form) => (form.most ? "at most " : "");

// Achieved rates, and the share of what the machine could do: the roofline.
function roofline(trace, span, form) {
  const { launch } = trace;
  const kind = launch.kindOfCore[trace.core[span]];
  const seconds = trace.length[span] / 1e9;
  const compute = form.compute[kind];
  if (!seconds || compute === null || form.most) return [];
  const memory = form.bytes / launch.kinds[kind].bandwidth;
  const least = Math.max(memory, compute);
  const rates = [show.rate(form.flops / seconds, "FLOP"), show.rate(form.bytes / seconds, "B")];
  return [
    ["achieves", rates.join(", ")],
    ["of the roofline", show.share(least / seconds), limit(memory, compute, seconds)],
  ];
}

// More than its share of memory is from a cache, or was drawn while other cores drew less.
function limit(memory, compute, seconds) {
  if (memory <= compute) return `arithmetic allows ${show.duration(compute * 1e9)}`;
  return memory > seconds ? "more than its share of memory" : `memory allows ${show.duration(memory * 1e9)}`;
}

function waited(trace, span) {
  const waits = waitsBefore(trace, span);
  const sum = waits.reduce((total, wait) => total + trace.length[wait], 0);
  if (!sum) return [["waited before", "not at all"]];
  const last = waits.map((wait) => lastFor(trace, wait)).find((found) => found);
  return [["waited before", show.duration(sum), last ? `for ${trace.launch.taskName(last.task)}` : ""]];
}

function critical(trace, span) {
  const length = trace.path.within(span);
  return length ? [["critical", `${show.duration(length)} of it`]] : [];
}

const WAITS = {
  [WAIT]: (name) => `waits for ${name}`,
  [BARRIER]: () => "waits for all cores",
  [TICKET]: (name) => `takes the next ${name}`,
  [CHANNEL]: (name) => `waits in channel ${name}`,
};

function waitFacts(trace, span) {
  const before = runBefore(trace, span);
  return {
    title: WAITS[trace.kind[span]](trace.launch.calls[trace.call[span]].name),
    rows: [
      ["took", show.duration(trace.length[span])],
      ...when(trace, span),
      ...awaited(trace, span),
      ...critical(trace, span),
      ...(before === NONE ? [] : [["this core did", trace.nameOf(before), "before"]]),
    ],
  };
}

// Who ended the wait.
function awaited(trace, span) {
  const last = lastFor(trace, span);
  if (!last) return [];
  return [
    ["last to end", trace.launch.taskName(last.task), endOf(trace, last, span)],
    ["because it", because(trace.launch, last.dep)],
  ];
}

function endOf(trace, { span: other }, span) {
  if (other === NONE) return "";
  const after = trace.finish[other] - trace.start[span];
  const core = `core ${trace.core[other]}`;
  return after > 0 ? `${core}, ${show.duration(after)} into the wait` : `${core}, before the wait`;
}
