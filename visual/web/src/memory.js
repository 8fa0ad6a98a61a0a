// The memory in use, over time: an area for the last trace, a line for the one before it.
// In: a context, the state of the page, colours. Out: pixels; the bytes at a moment. Not here: adding them up.

import { bisectRight } from "d3-array";
import { bytes } from "./format.js";
import { FONT, SMALL } from "./draw.js";
import { GUTTER } from "./view.js";

const TOP = 14, BELOW = 10;

// The bytes in use at a moment.
export function inUse(trace, moment) {
  const { memory } = trace;
  return memory.bytes[Math.max(0, bisectRight(memory.moment, moment) - 1)] ?? 0;
}

export function drawMemory(context, { view }, ink) {
  const { launch } = view;
  const top = view.bottom + TOP, bottom = view.height - BELOW;
  context.fillStyle = ink.ground;
  context.fillRect(0, view.bottom, view.width, view.height - view.bottom);
  context.fillStyle = ink.line;
  context.fillRect(0, view.bottom, view.width, 1);
  const most = Math.max(1, launch.arena, ...launch.traces.map((trace) => trace.memory.bytes.reduce((a, b) => Math.max(a, b), 0)));
  const y = (amount) => bottom - (amount / most) * (bottom - top);
  names(context, ink, top, bottom, most);
  context.save();
  context.beginPath();
  context.rect(GUTTER, view.bottom + 1, view.right - GUTTER, view.height - view.bottom - 1);
  context.clip();
  launch.traces.forEach((trace, side) => {
    outline(context, trace.memory, view, y);
    if (side === launch.traces.length - 1) area(context, view, bottom, ink.memory);
    context.strokeStyle = side === launch.traces.length - 1 ? ink.memory : ink.muted;
    context.setLineDash(side === launch.traces.length - 1 ? [] : [4, 3]);
    context.lineWidth = 1.2;
    outline(context, trace.memory, view, y);
    context.stroke();
    context.setLineDash([]);
  });
  context.fillStyle = ink.line;
  context.fillRect(GUTTER, Math.round(y(launch.arena)), view.right - GUTTER, 1);
  context.restore();
}

// A staircase over what is in view; steps within a pixel are drawn as their largest.
function outline(context, { moment, bytes }, view, y) {
  let at = Math.max(0, bisectRight(moment, view.from) - 1);
  let pixel = GUTTER, level = bytes[at] ?? 0;
  context.beginPath();
  context.moveTo(GUTTER, y(level));
  while (++at < moment.length && moment[at] < view.to) {
    const x = Math.floor(view.x(moment[at]));
    if (x === pixel) {
      level = Math.max(level, bytes[at]);
    } else {
      context.lineTo(x, y(level));
      level = bytes[at];
      pixel = x;
    }
    context.lineTo(x, y(level));
  }
  context.lineTo(view.right, y(level));
}

function area(context, view, bottom, colour) {
  context.lineTo(view.right, bottom);
  context.lineTo(GUTTER, bottom);
  context.closePath();
  context.globalAlpha = 0.22;
  context.fillStyle = colour;
  context.fill();
  context.globalAlpha = 1;
}

function names(context, ink, top, bottom, most) {
  context.font = FONT;
  context.textBaseline = "middle";
  context.fillStyle = ink.ink;
  context.fillText("memory", 12, (top + bottom) / 2);
  context.font = SMALL;
  context.fillStyle = ink.muted;
  context.textAlign = "right";
  context.fillText(bytes(most), GUTTER - 8, top + 2);
  context.fillText("0 B", GUTTER - 8, bottom - 2);
  context.textAlign = "left";
}
