// The critical path of each trace: a line below the strips that it goes along, and its ways between cores.
// In: a context, the state of the page, colours. Out: pixels. Not here: finding it (mpmd/blame.py does).

import { bisectRight } from "d3-array";

// By the names of mpmd/blame.py: the colour of a stretch, how strong it is, and what it says.
export const CAUSES = {
  COMPUTE: { colour: "path", strength: 1, text: "A task runs whose result the next one needs." },
  CORE_WAIT: { colour: "path", strength: 0.45, text: "A task runs on the core that the next one needs; its data is there." },
  DATA_WAIT: { colour: "ink", strength: 0.75, text: "A result is on its way from one core to another." },
  LAUNCH: { colour: "muted", strength: 0.6, text: "The launch begins." },
  STALL: { colour: "muted", strength: 0.6, text: "The core is between two spans: it signals, or does not run." },
};
const JOINT = 0.6; // how strong a way between cores is
const LEAST_STEP = 0.6; // pixels; what is narrower joins the stretch before

export function drawPath(context, { view, pathShown }, ink) {
  if (!pathShown || !view.showsPath) return;
  for (const trace of view.launch.traces) {
    const { causes, core, cause, start, finish } = trace.path;
    let at = Math.max(0, bisectRight(finish, view.from) - 1);
    let last = null, lastX = -Infinity;
    for (; at < core.length && start[at] < view.to; at++) {
      const left = view.x(start[at]), right = view.x(finish[at]);
      const { path, pathHeight } = view.strip(core[at], trace.side);
      const { colour, strength } = CAUSES[causes[cause[at]]];
      context.fillStyle = ink[colour];
      context.globalAlpha = strength;
      context.fillRect(left, path, Math.max(LEAST_STEP, right - left), pathHeight);
      context.globalAlpha = 1;
      if (last !== null && last !== core[at] && left - lastX >= LEAST_STEP) {
        joint(context, view, trace.side, last, core[at], left, ink.path);
        lastX = left;
      }
      last = core[at];
    }
  }
}

// Up or down, from below one strip to below another.
function joint(context, view, side, from, to, x, colour) {
  const [above, below] = [from, to].sort((a, b) => a - b).map((core) => view.strip(core, side));
  context.fillStyle = colour;
  context.globalAlpha = JOINT;
  context.fillRect(x - 0.5, above.path, 1, below.path + below.pathHeight - above.path);
  context.globalAlpha = 1;
}
