// Everything on the canvas, from back to front.
// In: the state of the page. Out: pixels. Not here: the state (page.js), the pixels of spans (strips.js).

import { drawArrows } from "./arrows.js";
import { moment } from "./format.js";
import { RUN } from "./launch.js";
import { drawMemory } from "./memory.js";
import { drawPath } from "./path.js";
import { Strips } from "./strips.js";
import { FONT, SMALL } from "./theme.js";
import { AXIS, GUTTER } from "./view.js";

const TICKS_APART = 110;
const LEAST_LABEL = 26;
const LABEL_HEIGHT = 13;
const LABEL_PADDING = 4;
const BOTH_NAMED = 32; // pixels of a row in which the strips have names, too

export class Picture {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { alpha: false });
    this.strips = new Strips();
    this.widths = new Map();
  }

  draw(page) {
    const { view, theme } = page;
    const ratio = devicePixelRatio;
    this.#fit(view, ratio);
    const ink = Object.fromEntries(
      ["ground", "ink", "muted", "line", "path", "focus", "memory", "on-task"].map((name) => [
        name,
        theme.colour(name),
      ]),
    );
    const context = this.context;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = ink.ground;
    context.fillRect(0, 0, view.width, view.height);
    this.#spans(page, ratio);
    context.save();
    context.beginPath();
    context.rect(GUTTER, AXIS, view.right - GUTTER, view.bottom - AXIS);
    context.clip();
    this.#labels(page, ink);
    drawPath(context, page, ink);
    drawArrows(context, page, ink);
    context.restore();
    this.#gutter(page, ink);
    this.#axis(view, ink);
    drawMemory(context, page, ink);
  }

  #fit(view, ratio) {
    const width = Math.round(view.width * ratio);
    const height = Math.round(view.height * ratio);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
  }

  #spans({ view, shades, palette, faded }, ratio) {
    const image = this.strips.image(this.context, view, shades, palette, faded, ratio);
    this.context.putImageData(image, Math.round(GUTTER * ratio), Math.round(AXIS * ratio));
  }

  // Names of runs that are wide enough for them.
  #labels({ view, faded }, ink) {
    const context = this.context;
    context.font = SMALL;
    context.textBaseline = "middle";
    context.fillStyle = ink["on-task"];
    const least = LEAST_LABEL * view.nanosecondsPerPixel;
    const [first, end] = view.cores;
    for (const trace of view.launch.traces) {
      for (let core = first; core < end; core++) {
        const { y, height } = view.strip(core, trace.side);
        if (height < LABEL_HEIGHT) return;
        for (let span = trace.firstAfter(core, view.from); span < trace.first[core + 1]; span++) {
          if (trace.start[span] >= view.to) break;
          if (trace.kind[span] !== RUN || trace.length[span] < least || faded?.[trace.side]?.[span]) continue;
          this.#label(trace, span, view, y + height / 2 + 0.5);
        }
      }
    }
  }

  #label(trace, span, view, y) {
    const left = Math.max(GUTTER, view.x(trace.start[span]));
    const right = Math.min(view.right, view.x(trace.finish[span]));
    const room = right - left - 2 * LABEL_PADDING;
    const name = trace.nameOf(span);
    const text = [name, name.split("#")[0]].find((text) => this.#width(text) <= room);
    if (text) this.context.fillText(text, left + LABEL_PADDING, y);
  }

  #width(text) {
    if (!this.widths.has(text)) this.widths.set(text, this.context.measureText(text).width);
    return this.widths.get(text);
  }

  #gutter({ view }, ink) {
    const context = this.context;
    context.textBaseline = "middle";
    context.save();
    context.beginPath();
    context.rect(0, AXIS, view.width, view.bottom - AXIS);
    context.clip();
    const [first, end] = view.cores;
    const each = Math.ceil(14 / view.rowHeight); // of so many rows one has its number
    for (let core = first; core < end; core++) {
      const top = view.rowTop(core);
      if (view.rowHeight >= 20) line(context, ink.line, 0, Math.round(top) + 0.5, view.right);
      if (core % each) continue;
      context.font = FONT;
      context.fillStyle = ink.ink;
      context.fillText(`core ${core}`, 12, top + Math.max(7, view.rowHeight / 2));
      if (view.rowHeight >= BOTH_NAMED) this.#sides(view, core, ink);
    }
    context.restore();
    this.#scrollbar(view, ink);
  }

  #sides(view, core, ink) {
    const context = this.context;
    context.font = SMALL;
    context.fillStyle = ink.muted;
    context.textAlign = "right";
    for (const { side, source } of view.launch.traces) {
      const { y, height } = view.strip(core, side);
      context.fillText(source, GUTTER - 8, y + height / 2 + 0.5);
    }
    context.textAlign = "left";
  }

  #scrollbar(view, ink) {
    const whole = view.rowHeight * view.launch.cores;
    const room = view.bottom - AXIS;
    if (whole <= room + 1) return;
    this.context.fillStyle = ink.muted;
    const height = Math.max(20, (room * room) / whole);
    this.context.fillRect(view.width - 7, AXIS + (view.top / (whole - room)) * (room - height), 4, height);
  }

  #axis(view, ink) {
    const context = this.context;
    context.fillStyle = ink.ground;
    context.fillRect(0, 0, view.width, AXIS);
    const ticks = view.time.ticks(Math.max(2, Math.floor((view.right - GUTTER) / TICKS_APART)));
    const apart = ticks.length > 1 ? ticks[1] - ticks[0] : view.to - view.from;
    context.font = SMALL;
    context.textBaseline = "alphabetic";
    context.textAlign = "center";
    for (const tick of ticks) {
      const x = Math.round(view.x(tick)) + 0.5;
      context.fillStyle = ink.muted;
      context.fillText(moment(tick, apart), Math.min(x, view.right - 16), AXIS - 14);
      context.fillStyle = ink.line;
      context.fillRect(x - 0.5, AXIS - 8, 1, 5);
    }
    context.textAlign = "left";
    this.#whereabouts(view, ink);
  }

  // Which part of the launch is in view.
  #whereabouts(view, ink) {
    const [from, to] = [view.from, view.to].map((nanoseconds) => view.whole(nanoseconds));
    this.context.fillStyle = ink.line;
    this.context.fillRect(GUTTER, AXIS - 3, view.right - GUTTER, 2);
    this.context.fillStyle = ink.focus;
    this.context.fillRect(from, AXIS - 3, Math.max(2, to - from), 2);
  }
}

function line(context, colour, x, y, end) {
  context.fillStyle = colour;
  context.fillRect(x, y - 0.5, end - x, 1);
}
