// What wheel, drag and keys do to the view.
// In: events. Out: calls of the page. Not here: what the view is (view.js).

import { select } from "d3-selection";
import "d3-transition";
import { zoom, zoomIdentity } from "d3-zoom";
import { AXIS, clamp, GUTTER } from "./view.js";

const LEAST_VIEW = 20; // nanoseconds
const STEP = 0.2; // of the view, for an arrow key
const DURATION = 160;

export class Moves {
  constructor(canvas, page) {
    this.page = page;
    this.canvas = select(canvas);
    this.zoom = zoom()
      .filter((event) => !event.button && !(event.type === "wheel" && event.shiftKey))
      .on("zoom", (event) => this.#moved(event));
    this.canvas.call(this.zoom).on("dblclick.zoom", null);
    this.canvas.on("wheel.rows", (event) => this.#stretched(event), { passive: false });
    addEventListener("keydown", (event) => this.#pressed(event));
  }

  // After the canvas or the launch has changed: the same part of the launch stays in view.
  measure() {
    const { view } = this.page;
    const { from, to } = view;
    this.zoom
      .extent([
        [GUTTER, AXIS],
        [view.right, view.bottom],
      ])
      .translateExtent([
        [GUTTER, -Infinity],
        [view.right, Infinity],
      ])
      .scaleExtent([1, Math.max(1, view.launch.makespan / LEAST_VIEW)]);
    this.show(from, to, { still: true });
  }

  show(from, to, { still = false } = {}) {
    const { view } = this.page;
    const [least, most] = this.zoom.scaleExtent();
    const width = view.right - GUTTER;
    const whole = view.launch.makespan;
    const k = clamp(whole / Math.max(1, to - from), least, most);
    const middle = clamp((from + to) / 2, whole / k / 2, whole - whole / k / 2);
    const transform = zoomIdentity.translate(GUTTER + width / 2 - k * view.whole(middle), 0).scale(k);
    this.#to(still).call(this.zoom.transform, transform);
  }

  scale(factor) {
    this.#to().call(this.zoom.scaleBy, factor);
  }

  pan(share) {
    const { view } = this.page;
    const step = (view.to - view.from) * share;
    this.show(view.from + step, view.to + step);
  }

  scroll(rows) {
    this.page.view.scrollTo(this.page.view.top + rows * this.page.view.rowHeight);
    this.page.changed();
  }

  #to(still = matchMedia("(prefers-reduced-motion: reduce)").matches) {
    return still ? this.canvas : this.canvas.transition().duration(DURATION);
  }

  #moved({ transform, sourceEvent }) {
    const { view } = this.page;
    view.time = transform.rescaleX(view.whole);
    if (sourceEvent?.type === "mousemove") view.scrollTo(view.top - sourceEvent.movementY);
    this.page.changed();
  }

  #stretched(event) {
    if (!event.shiftKey) return;
    event.preventDefault();
    this.page.view.stretch(Math.exp(-(event.deltaY || event.deltaX) / 400), event.offsetY);
    this.page.changed();
  }

  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { page } = this;
    const typing = event.target instanceof HTMLInputElement;
    if (typing && event.key !== "Escape") return;
    const done = {
      ArrowLeft: () => this.pan(-STEP),
      ArrowRight: () => this.pan(STEP),
      ArrowUp: () => this.scroll(-1),
      ArrowDown: () => this.scroll(1),
      "+": () => this.scale(2),
      "=": () => this.scale(2),
      "-": () => this.scale(1 / 2),
      0: () => page.fit(),
      Home: () => page.fit(),
      f: () => page.fitChosen(),
      "[": () => page.chooseNext(-1),
      "]": () => page.chooseNext(1),
      c: () => page.togglePath(),
      "/": () => page.askSearch(),
      n: () => page.step(1),
      N: () => page.step(-1),
      "?": () => page.toggleHelp(),
      Escape: () => page.dismiss(),
    }[event.key];
    if (!done) return;
    event.preventDefault();
    done();
  }
}
