// Where moments and cores lie on the canvas: the part of the launch that is in view, and its rows.
// In: sizes in CSS pixels, a launch. Out: coordinates. Not here: drawing; what moves the view (moves.js).
//
// From top to bottom: the axis, one row per core, the memory. A row has a strip for each trace, the predicted
// one above, each with a line for its critical path below it.

import { scaleLinear } from "d3-scale";

export const GUTTER = 124,
  AXIS = 34,
  MEMORY = 92,
  RIGHT = 14;
const LEAST_ROW = 12;
const MOST_ROW = 150;
const ROOM_FOR_PATH = 8;

export class View {
  constructor(launch) {
    this.launch = launch;
    this.strips = launch.traces.length;
    this.whole = scaleLinear().domain([0, launch.makespan]);
    this.time = this.whole;
    this.top = 0;
    this.row = null;
    this.resize(0, 0);
  }

  resize(width, height) {
    this.width = width;
    this.height = height;
    this.right = Math.max(GUTTER + 1, width - RIGHT);
    this.whole = this.whole.copy().range([GUTTER, this.right]);
    this.time = this.time.copy().range([GUTTER, this.right]);
    this.room = Math.max(0, height - MEMORY - AXIS);
    this.fit = clamp(this.room / this.launch.cores, LEAST_ROW, MOST_ROW);
    this.scrollTo(this.top);
  }

  // Of the lowest row in view; the memory stands below it.
  get bottom() {
    return AXIS + Math.min(this.room, Math.round(this.rowHeight * this.launch.cores));
  }

  get end() {
    return this.bottom + MEMORY;
  }

  get rowHeight() {
    return this.row ?? this.fit;
  }

  // Makes rows taller or lower, and keeps what is at `y` there.
  stretch(factor, y) {
    const before = this.rowHeight;
    const at = (y - AXIS + this.top) / before;
    this.row = clamp(before * factor, LEAST_ROW, MOST_ROW * 2);
    this.scrollTo(at * this.row - (y - AXIS));
  }

  scrollTo(top) {
    const room = this.rowHeight * this.launch.cores - (this.bottom - AXIS);
    this.top = clamp(top, 0, Math.max(0, room));
  }

  // So that a core is in view.
  reveal(core) {
    const y = this.rowTop(core);
    if (y < AXIS) this.scrollTo(core * this.rowHeight);
    else if (y + this.rowHeight > this.bottom)
      this.scrollTo((core + 1) * this.rowHeight - (this.bottom - AXIS));
  }

  get from() {
    return this.time.domain()[0];
  }

  get to() {
    return this.time.domain()[1];
  }

  x(nanoseconds) {
    return this.time(nanoseconds);
  }

  moment(x) {
    return this.time.invert(x);
  }

  get nanosecondsPerPixel() {
    return (this.to - this.from) / (this.right - GUTTER);
  }

  rowTop(core) {
    return AXIS + core * this.rowHeight - this.top;
  }

  get cores() {
    const first = Math.max(0, Math.floor(this.top / this.rowHeight));
    const last = Math.ceil((this.top + this.bottom - AXIS) / this.rowHeight);
    return [first, Math.min(this.launch.cores, last)];
  }

  get showsPath() {
    return this.rowHeight / this.strips >= ROOM_FOR_PATH;
  }

  // The strip of a trace in the row of a core, in whole pixels, and the place of its critical path below it.
  strip(core, side) {
    const padding = this.rowHeight >= 40 ? 5 : 2;
    const top = this.rowTop(core) + padding;
    const each = (this.rowHeight - 2 * padding) / this.strips;
    const path = this.showsPath ? Math.max(2, Math.min(4, Math.round(each / 8))) : 0;
    const y = Math.round(top + side * each);
    const end = Math.round(top + (side + 1) * each);
    const height = Math.max(1, end - y - path - (path ? 2 : 1));
    return { y, height, path: y + height + 1, pathHeight: path };
  }

  isMemory(x, y) {
    return x >= GUTTER && x < this.right && y >= this.bottom && y < this.end;
  }

  // The core and the trace at a height, or null.
  at(y) {
    if (y < AXIS || y >= this.bottom) return null;
    const core = Math.floor((y - AXIS + this.top) / this.rowHeight);
    if (core >= this.launch.cores) return null;
    const within = y - this.rowTop(core);
    return { core, side: Math.min(this.strips - 1, Math.floor((within / this.rowHeight) * this.strips)) };
  }
}

export function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}
