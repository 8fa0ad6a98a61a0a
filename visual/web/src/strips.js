// The strips of all cores in view as pixels: any number of spans, one pass over those in view.
// In: a view, traces, shades. Out: an image of the rows. Not here: text and lines on top (draw.js).
//
// What is narrower than a pixel adds up to how much of the pixel it covers, so a strip that is half busy looks
// half as strong. All of a strip's pixel rows are alike, but that waits are a band along its middle.

import { bisectLeft } from "d3-array";
import { RUN } from "./launch.js";
import { AXIS, GUTTER } from "./view.js";

const LEAST_WITH_SEAM = 4; // pixels of a span that ends in a seam, so that neighbours of one colour are apart
const LEAST_SEEN = 0.3; // of a pixel, for what is there at all
const BAND = 0.3; // of a strip's height, for waits

export class Strips {
  constructor() {
    this.full = new Float32Array(3);
    this.band = new Float32Array(3);
  }

  // `faded` is per trace null, or a flag per span.
  image(context, view, shades, palette, faded, ratio) {
    const width = Math.max(1, Math.round((view.right - GUTTER) * ratio));
    const height = Math.max(1, Math.round((view.bottom - AXIS) * ratio));
    this.#prepare(context, width, height);
    this.pixels.fill(opaque(palette.ground));
    const [first, end] = view.cores;
    for (let core = first; core < end; core++) {
      view.launch.traces.forEach((trace, side) => {
        this.#sum(trace, core, view, shades.ofSpan[side], palette, faded?.[side], width);
        this.#mix(palette.ground, width);
        this.#lay(view.strip(core, side), ratio, width, height);
      });
    }
    return this.data;
  }

  #prepare(context, width, height) {
    if (this.data?.width === width && this.data?.height === height) return;
    this.data = context.createImageData(width, height);
    this.pixels = new Uint32Array(this.data.data.buffer);
    this.ran = new Float32Array(4 * width); // per pixel red, green and blue, and how much is covered
    this.waited = new Float32Array(4 * width);
    this.rows = [new Uint32Array(width), new Uint32Array(width)];
  }

  #sum(trace, core, view, shade, palette, faded, width) {
    this.ran.fill(0);
    this.waited.fill(0);
    const { start, finish, kind } = trace;
    const { shades, count } = palette;
    const scale = width / (view.to - view.from);
    const from = view.from;
    const end = trace.first[core + 1];
    let span = Math.max(trace.first[core], bisectLeft(start, from, trace.first[core], end) - 1);
    for (; span < end && start[span] < view.to; span++) {
      const sums = kind[span] === RUN ? this.ran : this.waited;
      const colour = 3 * (shade[span] + (faded && faded[span] ? count : 0));
      let left = (start[span] - from) * scale;
      let right = (finish[span] - from) * scale;
      if (right - left >= LEAST_WITH_SEAM) right -= 1;
      if (left < 0) left = 0;
      if (right > width) right = width;
      if (right <= left) continue;
      const red = shades[colour];
      const green = shades[colour + 1];
      const blue = shades[colour + 2];
      for (let x = left | 0; x < right; x++) {
        const covered = Math.min(right, x + 1) - Math.max(left, x);
        const at = 4 * x;
        sums[at] += red * covered;
        sums[at + 1] += green * covered;
        sums[at + 2] += blue * covered;
        sums[at + 3] += covered;
      }
    }
  }

  // The pixel rows of a strip: with its runs alone, and with its waits, too.
  #mix(ground, width) {
    const [full, band] = this.rows;
    const { ran, waited } = this;
    for (let x = 0, at = 0; x < width; x++, at += 4) {
      const run = strength(ran[at + 3]);
      const wait = strength(waited[at + 3]) * (1 - run);
      for (let part = 0; part < 3; part++) {
        const under = ground[part] * (1 - run) + run * mean(ran, at, part);
        this.full[part] = under;
        this.band[part] = under * (1 - wait) + wait * mean(waited, at, part);
      }
      full[x] = opaque(this.full);
      band[x] = opaque(this.band);
    }
  }

  #lay({ y, height }, ratio, width, limit) {
    const [full, band] = this.rows;
    const top = Math.round((y - AXIS) * ratio);
    const rows = Math.round(height * ratio);
    const thick = Math.max(1, Math.round(rows * BAND));
    const skipped = (rows - thick) >> 1;
    for (let row = 0; row < rows; row++) {
      const line = top + row;
      if (line < 0 || line >= limit) continue;
      this.pixels.set(row >= skipped && row < skipped + thick ? band : full, line * width);
    }
  }
}

function strength(covered) {
  return covered > 0 ? Math.min(1, Math.max(LEAST_SEEN, covered)) : 0;
}

function mean(sums, at, part) {
  return sums[at + 3] > 0 ? sums[at + part] / sums[at + 3] : 0;
}

// Little-endian, as every machine is that runs a browser.
function opaque(colour) {
  return ((255 << 24) | (colour[2] << 16) | (colour[1] << 8) | colour[0]) >>> 0;
}
