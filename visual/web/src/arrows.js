// The chosen task: its outline in each trace, and lines from what it waited for and to who waits for it.
// In: a context, the state of the page, colours. Out: pixels. Not here: who that is (neighbours.js).

import { NONE } from "./launch.js";

const MOST = 60; // lines to either side; more hide what they are about

export function drawArrows(context, { view, chosen, hovered, neighbours }, ink) {
  if (hovered) outline(context, view, hovered, ink.muted, 1.5);
  if (!chosen) return;
  const { trace, span } = chosen;
  const here = { core: trace.core[span], side: trace.side };
  context.strokeStyle = ink.focus;
  context.fillStyle = ink.focus;
  for (const { span: other } of neighbours.before.slice(0, MOST)) {
    if (other === NONE) continue;
    curve(context, view, end(trace, other), { ...here, moment: trace.start[span] });
  }
  for (const { span: other } of neighbours.after.slice(0, MOST)) {
    if (other === NONE) continue;
    curve(context, view, end(trace, span), { core: trace.core[other], side: trace.side, moment: trace.start[other] });
  }
  for (const twin of neighbours.twins) outline(context, view, twin, ink.focus, 1.5);
  outline(context, view, chosen, ink.focus, 2.5);
}

function end(trace, span) {
  return { core: trace.core[span], side: trace.side, moment: trace.finish[span] };
}

function curve(context, view, from, to) {
  const [a, b] = [from, to].map(({ core, side, moment }) => {
    const { y, height } = view.strip(core, side);
    return { x: view.x(moment), y: y + height / 2 };
  });
  const bend = Math.max(12, Math.abs(b.x - a.x) / 2);
  context.globalAlpha = 0.75;
  context.lineWidth = 1.2;
  context.beginPath();
  context.moveTo(a.x, a.y);
  context.bezierCurveTo(a.x + bend, a.y, b.x - bend, b.y, b.x, b.y);
  context.stroke();
  context.beginPath();
  context.arc(a.x, a.y, 2.2, 0, 2 * Math.PI);
  context.fill();
  context.beginPath();
  context.moveTo(b.x, b.y);
  context.lineTo(b.x - 6, b.y - 3.5);
  context.lineTo(b.x - 6, b.y + 3.5);
  context.fill();
  context.globalAlpha = 1;
}

function outline(context, view, { trace, span }, colour, width) {
  const { y, height } = view.strip(trace.core[span], trace.side);
  const left = view.x(trace.start[span]), right = view.x(trace.finish[span]);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.strokeRect(left - 0.5, y - 0.5, Math.max(2, right - left), height + 1);
}
