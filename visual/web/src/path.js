// The critical path of each trace: a line below the strips that it goes along, and its ways between cores.
// In: a context, the state of the page, colours. Out: pixels. Not here: finding it (mpmd/blame.py does).

import { bisectRight } from "d3-array";

// By the names of mpmd/blame.py: the colour of a stretch, how strong it is, and what it says.
export const CAUSES = {
  COMPUTE: { colour: "path", strength: 1, text: "A task runs whose result the next one needs." },
  CORE_WAIT: {
    colour: "path",
    strength: 0.45,
    text: "A task runs on the core that the next one needs; its data is there.",
  },
  DATA_WAIT: { colour: "ink", strength: 0.75, text: "A result is on its way from one core to another." },
  LAUNCH: { colour: "muted", strength: 0.6, text: "The launch begins." },
  STALL: {
    colour: "muted",
    strength: 0.6,
    text: "The core is between two spans: it signals, or does not run.",
  },
};
const JOINT = 0.5; // how strong a way between cores is
const JOINTS_APART = 4; // pixels; what comes sooner is left out

export function drawPath(context, { view, pathShown }, ink) {
  if (!pathShown || !view.showsPath) return;
  for (const trace of view.launch.traces) {
    let last = null;
    let lastX = -Infinity;
    for (const { core, cause, left, right } of stretches(trace, view)) {
      const { path, pathHeight } = view.strip(core, trace.side);
      const { colour, strength } = CAUSES[trace.path.causes[cause]];
      context.fillStyle = ink[colour];
      context.globalAlpha = strength;
      context.fillRect(left, path, right - left, pathHeight);
      if (last !== null && last !== core && left - lastX >= JOINTS_APART) {
        joint(context, view, trace.side, last, core, left, ink.path);
        lastX = left;
      }
      last = core;
    }
  }
  context.globalAlpha = 1;
}

// What is in view, in pixels. Stretches within one pixel are, on each core, one of the cause that took most of it.
function* stretches(trace, view) {
  const { core, cause, start, finish } = trace.path;
  let pixel = null;
  let within = new Map();
  for (
    let at = Math.max(0, bisectRight(finish, view.from) - 1);
    at < core.length && start[at] < view.to;
    at++
  ) {
    const left = view.x(start[at]);
    const right = view.x(finish[at]);
    const wide = right - left >= 1;
    if (pixel !== null && (wide || Math.floor(left) !== pixel)) {
      yield* mostOf(within, pixel);
      pixel = null;
      within = new Map();
    }
    if (wide) {
      yield { core: core[at], cause: cause[at], left, right };
    } else {
      pixel = Math.floor(left);
      const sums = within.get(core[at]) ?? new Map();
      within.set(core[at], sums.set(cause[at], (sums.get(cause[at]) ?? 0) + right - left));
    }
  }
  if (pixel !== null) yield* mostOf(within, pixel);
}

function* mostOf(within, pixel) {
  for (const [core, sums] of within) {
    const [cause] = [...sums].reduce((a, b) => (b[1] > a[1] ? b : a));
    yield { core, cause, left: pixel, right: pixel + 1 };
  }
}

// Up or down, from below one strip to below another.
function joint(context, view, side, from, to, x, colour) {
  const [above, below] = [from, to].sort((a, b) => a - b).map((core) => view.strip(core, side));
  context.fillStyle = colour;
  context.globalAlpha = JOINT;
  context.fillRect(x - 0.5, above.path, 1, below.path + below.pathHeight - above.path);
}
