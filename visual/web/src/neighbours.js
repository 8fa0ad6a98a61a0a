// Of a span: what it waited for, who waits for it, and the same task in the other traces.
// In: a trace, a span. Out: lists of spans. Not here: showing them (panel.js, arrows.js).

import { bisectLeft } from "d3-array";
import { NONE, RUN } from "./launch.js";

export function neighboursOf(trace, span) {
  const task = trace.task[span];
  if (task < 0) return { before: madeFor(trace, span), after: [], twins: [] };
  return { before: before(trace, span), after: after(trace, span), twins: twinsOf(trace, span) };
}

// The same task and iteration in the other traces.
export function twinsOf(trace, span) {
  const task = trace.task[span];
  if (task < 0) return [];
  return trace.launch.traces
    .filter((other) => other !== trace)
    .map((other) => ({ trace: other, span: other.runsIn(task, trace.iteration[span])[0] }))
    .filter((twin) => twin.span !== undefined);
}

// The waits of its core that stand right before a run.
export function waitsBefore(trace, span) {
  const found = [];
  for (let at = span - 1; at >= trace.first[trace.core[span]] && trace.kind[at] !== RUN; at--) found.push(at);
  return found;
}

// Who was the last to end of those that a wait is for: {dep, task, span}, or undefined.
export const lastFor = (trace, span) => madeFor(trace, span)[0];

// The run of a core before a span, or NONE.
export function runBefore(trace, span) {
  for (let at = span - 1; at >= trace.first[trace.core[span]]; at--) if (trace.kind[at] === RUN) return at;
  return NONE;
}

// The last to end first.
function before(trace, span) {
  const found = trace.launch.deps.before(trace.task[span]).flatMap((dep) => producers(trace, span, dep));
  return once(found).sort((a, b) => ended(trace, b) - ended(trace, a));
}

function madeFor(trace, span) {
  if (trace.dep[span] < 0) return [];
  return producers(trace, span, trace.dep[span]).sort((a, b) => ended(trace, b) - ended(trace, a));
}

function producers(trace, span, dep) {
  const { deps } = trace.launch;
  const iteration = trace.iteration[span] - deps.distance[dep];
  return Array.from(deps.producersOf(dep), (task) => ({
    dep,
    task,
    span: trace.runsIn(task, iteration).at(-1) ?? NONE,
  }));
}

// The first to begin first.
function after(trace, span) {
  const { deps } = trace.launch;
  const found = deps.after(trace.task[span]).flatMap((dep) => {
    const iteration = trace.iteration[span] + deps.distance[dep];
    return Array.from(deps.consumersOf(dep), (task) => ({
      dep,
      task,
      span: trace.runsIn(task, iteration)[0] ?? NONE,
    }));
  });
  return once(found).sort((a, b) => begun(trace, a) - begun(trace, b));
}

// Tasks that several dependences join are told once.
function once(found) {
  return [...new Map(found.map((entry) => [entry.task, entry])).values()];
}

const ended = (trace, { span }) => (span === NONE ? -Infinity : trace.finish[span]);
const begun = (trace, { span }) => (span === NONE ? Infinity : trace.start[span]);

// The span of a core at a moment, or the nearest within `reach` nanoseconds; NONE where there is none.
export function spanAt(trace, core, moment, reach) {
  const first = trace.first[core];
  const end = trace.first[core + 1];
  const next = bisectLeft(trace.start, moment, first, end);
  const near = [next - 1, next].filter((span) => span >= first && span < end);
  const distance = (span) => Math.max(0, trace.start[span] - moment, moment - trace.finish[span]);
  near.sort((a, b) => distance(a) - distance(b));
  return near.length && distance(near[0]) <= reach ? near[0] : NONE;
}
