// The chosen task: its outline in each trace, and lines from what it waited for and to who waits for it.
// In: a context, the state of the page, colours. Out: pixels. Not here: who that is (neighbours.js).

import { NONE } from "./launch.js";

const MOST = 40; // lines to either side; more hide what they are about
const FAINT = 0.35;

export function drawArrows(context, { view, chosen, hovered, neighbours }, ink) {
  if (hovered) outline(context, view, hovered, ink.muted, 1.5);
  if (!chosen) return;
  const { trace, span } = chosen;
  const into = lines(neighbours.before, (other) => [end(trace, other), begin(trace, span)]);
  const out = lines(neighbours.after, (other) => [end(trace, span), begin(trace, other)]);
  context.lineWidth = 1;
  for (const ends of [...into.slice(1), ...out.slice(1)]) curve(context, view, ends, ink.ink, FAINT);
  for (const ends of [...into.slice(0, 1), ...out.slice(0, 1)]) {
    context.lineWidth = 4;
    curve(context, view, ends, ink.ground, 1);
    context.lineWidth = 1.6;
    curve(context, view, ends, ink.ink, 1);
  }
  for (const twin of neighbours.twins) outline(context, view, twin, ink.focus, 1.5);
  outline(context, view, chosen, ink.focus, 3);
}

// The first of them decided, or profits.
function lines(entries, ends) {
  return entries
    .filter(({ span }) => span !== NONE)
    .slice(0, MOST)
    .map(({ span }) => ends(span));
}

function begin(trace, span) {
  return { core: trace.core[span], side: trace.side, moment: trace.start[span] };
}

function end(trace, span) {
  return { core: trace.core[span], side: trace.side, moment: trace.finish[span] };
}

function curve(context, view, ends, colour, strength) {
  const [from, to] = ends.map(({ core, side, moment }) => {
    const { y, height } = view.strip(core, side);
    return { x: view.x(moment), y: y + height / 2 };
  });
  const bend = Math.max(12, Math.abs(to.x - from.x) / 2);
  context.strokeStyle = context.fillStyle = colour;
  context.globalAlpha = strength;
  context.beginPath();
  context.moveTo(from.x, from.y);
  context.bezierCurveTo(from.x + bend, from.y, to.x - bend, to.y, to.x, to.y);
  context.stroke();
  context.beginPath();
  context.arc(from.x, from.y, 2.2, 0, 2 * Math.PI);
  context.moveTo(to.x, to.y);
  context.lineTo(to.x - 6, to.y - 3.5);
  context.lineTo(to.x - 6, to.y + 3.5);
  context.fill();
  context.globalAlpha = 1;
}

function outline(context, view, { trace, span }, colour, width) {
  const { y, height } = view.strip(trace.core[span], trace.side);
  const left = view.x(trace.start[span]);
  const right = view.x(trace.finish[span]);
  context.strokeStyle = colour;
  context.lineWidth = width;
  const away = width / 2; // so that a narrow span is seen in it
  context.strokeRect(left - away, y - away, Math.max(2, right - left) + 2 * away - 1, height + 2 * away);
}
