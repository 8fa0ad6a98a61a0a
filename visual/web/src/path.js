// The critical path of each trace: a line below the strips that it goes along, and its ways between cores.
// In: a context, the state of the page, colours. Out: pixels. Not here: finding it (Python does).

import { bisectRight } from "d3-array";

export const COMPUTES = 0;
const LEAST_STEP = 0.6; // pixels; what is narrower joins the stretch before

export function drawPath(context, { view, pathShown }, ink) {
  if (!pathShown || !view.showsPath) return;
  for (const trace of view.launch.traces) {
    const { core, cause, start, finish } = trace.path;
    let at = Math.max(0, bisectRight(finish, view.from) - 1);
    let last = null, lastX = -Infinity;
    for (; at < core.length && start[at] < view.to; at++) {
      const left = view.x(start[at]), right = view.x(finish[at]);
      const { path, pathHeight } = view.strip(core[at], trace.side);
      context.fillStyle = cause[at] === COMPUTES ? ink.path : ink.muted;
      context.fillRect(left, path, Math.max(1, right - left), pathHeight);
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
  context.fillRect(x - 0.5, above.path, 1, below.path + below.pathHeight - above.path);
}
