// What is under the pointer, beside it.
// In: the state of the page. Out: HTML. Not here: what is said (facts.js).

import { element } from "./dom.js";
import * as show from "./format.js";
import { inUse } from "./memory.js";
import { heading } from "./panel.js";

const AWAY = 14;

export class Tooltip {
  constructor(root) {
    this.root = root;
  }

  hide() {
    this.root.hidden = true;
  }

  span({ trace, span }, shades, x, y) {
    this.#show(heading(trace, span, shades), x, y);
  }

  memory(launch, moment, x, y) {
    const rows = launch.traces.map((trace) => `${trace.source}: ${show.bytes(inUse(trace, moment))}`);
    const whole = `of ${show.bytes(launch.arena)} that are set aside`;
    const parts = [
      element("h2", {}, `Memory in use at ${show.moment(moment)}`),
      ...rows.map((text) => element("p", {}, text)),
      element("p", { className: "remark" }, whole),
    ];
    this.#show(parts, x, y);
  }

  #show(parts, x, y) {
    this.root.replaceChildren(...parts);
    this.root.hidden = false;
    const { width, height } = this.root.getBoundingClientRect();
    const left = x + AWAY + width > innerWidth ? x - AWAY - width : x + AWAY;
    const top = Math.min(y + AWAY, innerHeight - height - 8);
    this.root.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
  }
}
