// The memory in use, over time: an area for the last trace, a line for the one before it.
// In: a context, the state of the page, colours. Out: pixels; the bytes at a moment. Not here: adding them up.

import { bisectRight } from "d3-array";
import { bytes } from "./format.js";
import { FONT, SMALL } from "./theme.js";
import { GUTTER } from "./view.js";

const TOP = 14;
const BELOW = 10;

// The bytes in use at a moment.
export function inUse(trace, moment) {
  const { memory } = trace;
  return memory.bytes[Math.max(0, bisectRight(memory.moment, moment) - 1)] ?? 0;
}

export const most = ({ memory }) => memory.bytes.reduce((a, b) => Math.max(a, b), 0);

export function drawMemory(context, { view }, ink) {
  const { launch } = view;
  const top = view.bottom + TOP;
  const bottom = view.end - BELOW;
  context.fillStyle = ink.ground;
  context.fillRect(0, view.bottom, view.width, view.height - view.bottom);
  context.fillStyle = ink.line;
  context.fillRect(0, view.bottom, view.right, 1);
  context.fillRect(0, view.end - 1, view.right, 1);
  const highest = Math.max(1, ...launch.traces.map(most));
  const y = (amount) => bottom - (amount / highest) * (bottom - top);
  names(context, ink, top, bottom, highest);
  context.save();
  context.beginPath();
  context.rect(GUTTER, view.bottom + 1, view.right - GUTTER, bottom - view.bottom);
  context.clip();
  launch.traces.forEach(({ memory }, side) => {
    const last = side === launch.traces.length - 1;
    if (last) area(context, memory, view, y, ink.memory);
    context.strokeStyle = last ? ink.memory : ink.ink;
    context.setLineDash(last ? [] : [4, 3]);
    context.lineWidth = 1.2;
    staircase(context, memory, view, y);
    context.stroke();
  });
  context.restore();
}

// Over what is in view; steps within a pixel are drawn as their largest.
function staircase(context, { moment, bytes }, view, y) {
  let at = Math.max(0, bisectRight(moment, view.from) - 1);
  let pixel = GUTTER;
  let level = bytes[at] ?? 0;
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

function area(context, memory, view, y, colour) {
  staircase(context, memory, view, y);
  context.lineTo(view.right, y(0));
  context.lineTo(GUTTER, y(0));
  context.closePath();
  context.globalAlpha = 0.22;
  context.fillStyle = colour;
  context.fill();
  context.globalAlpha = 1;
}

function names(context, ink, top, bottom, highest) {
  context.font = FONT;
  context.textBaseline = "middle";
  context.fillStyle = ink.ink;
  context.fillText("memory", 12, (top + bottom) / 2);
  context.font = SMALL;
  context.fillStyle = ink.muted;
  context.textAlign = "right";
  context.fillText(bytes(highest), GUTTER - 8, top + 2);
  context.fillText("0 B", GUTTER - 8, bottom - 2);
  context.textAlign = "left";
}
